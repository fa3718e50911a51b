"""What a question to squeue costs as text and as JSON: bytes, time of squeue, time and memory of reading.

    python tests/bench/bench_squeue.py [jobs ...]

Needs a Slurm on the PATH (``actsweep cluster up``, then ``export SLURM_CONF=...``). n held jobs are submitted, each
question is asked five times and the median taken, and the jobs are cancelled. Nothing is simulated but the nodes.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

from slurm.scheduler import squeue
from slurm.scheduler.commands import plain_environment

AGAIN = 5


def asked(*words: str) -> tuple[str, float]:
    """What squeue said, and the median of the seconds that it took."""
    seconds, out = [], ""
    for _ in range(AGAIN):
        begun = time.perf_counter()
        out = subprocess.run(
            ["squeue", *words], env=plain_environment("squeue"), capture_output=True, text=True, check=True
        ).stdout
        seconds.append(time.perf_counter() - begun)
    return out, statistics.median(seconds)


def read(how: Callable[[], Any]) -> tuple[float, float]:
    """Seconds of reading, and the MB that it took at most."""
    begun = time.perf_counter()
    how()
    seconds = time.perf_counter() - begun
    tracemalloc.start()
    how()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return seconds, peak / 1e6


def main(counts: list[int]) -> None:
    me = os.getuid()
    print("jobs  form  user asked for   bytes a job  squeue s  reading s  reading MB")
    for count in counts:
        for _ in range(count):
            subprocess.run(
                ["sbatch", "--hold", "--job-name=bench", "--output=/dev/null", "--wrap=true"],
                capture_output=True, check=True,
            )  # fmt: skip
        for form, words in (("text", ["--noheader", f"--format={squeue.COLUMNS}"]), ("json", ["--json"])):
            for name, user in (("me", str(me)), ("another", "65534")):
                out, seconds = asked("--states=all", f"--user={user}", *words)
                reading_s, peak = read(
                    lambda: squeue.read_text(out) if form == "text" else squeue.read_json(out, me)  # noqa: B023
                )
                each = len(out) / count
                print(f"{count:4d}  {form}  {name:14s}  {each:11.0f}  {seconds:8.4f}  {reading_s:9.4f}  {peak:10.2f}")
        subprocess.run(["scancel", "--name=bench"], check=True)
        time.sleep(2)


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [10, 100])
