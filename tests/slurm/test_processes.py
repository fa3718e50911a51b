"""Processes are found by a variable of theirs, whatever they have made of their environment since."""

from __future__ import annotations

import os
import subprocess
import sys

from slurm import processes

TITLED = """
import ctypes, sys, time
first = ctypes.POINTER(ctypes.c_void_p).in_dll(ctypes.CDLL(None), "environ")[0]
ctypes.memset(first, 0, 40)  # as a program does that writes its title there
print("ready", flush=True)
time.sleep(60)
"""


def test_a_process_that_wrote_over_the_begin_of_its_environment_is_found() -> None:
    environment = {"AAAA": "x" * 60, "ACTSWEEP_TEST_MARK": str(os.getpid())}
    with subprocess.Popen([sys.executable, "-c", TITLED], env=environment, stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == b"ready\n"
            assert list(processes.with_variable("ACTSWEEP_TEST_MARK", str(os.getpid()))) == [child.pid]
            assert list(processes.with_variable("ACTSWEEP_TEST_MARK", "another")) == []
        finally:
            child.kill()
