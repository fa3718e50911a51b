"""Fixtures: a pool's folder, payloads that need nothing, and workers as processes of their own."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from slurm.pool.tickets import ENDED, OPEN, TAKEN, Ended, Pool, Ticket, Work, ends

PAYLOADS = '''
import json, os, signal, sys, time
from pathlib import Path

def preload():
    where = os.environ.get("PRELOADED")
    if where:
        with open(where, "a") as file:
            file.write(f"{os.getpid()}\\n")

def note(text):
    """Appends its process and its time to a file."""
    order = json.loads(text)
    with open(order["file"], "a") as file:
        file.write(json.dumps({"name": order.get("name"), "pid": os.getpid(), "ppid": os.getppid(), "at": time.time(),
            "cores": sorted(os.sched_getaffinity(0)),
            **{key: os.environ.get(key) for key in ("CUDA_VISIBLE_DEVICES", "ACTSWEEP_SLOTS", "OMP_NUM_THREADS",
                                                    "SUBMITIT_EXECUTOR", "EXTRA", "LEFT")}}) + "\\n")
    os.environ["LEFT"] = "behind"
    print("noted", order.get("name"), flush=True)
    time.sleep(order.get("takes", 0))
    return json.dumps({"interrupted": False})

def fail(text):
    raise ValueError(f"cannot work on this\\nnor on {text}")

def die(text):
    os.kill(os.getpid(), int(text))

def leave(text):
    os._exit(7)

class OutOfMemoryError(RuntimeError):
    pass

def memory(text):
    raise OutOfMemoryError("CUDA out of memory. Tried to allocate 3 GiB")

def crowded(text):
    """Short of memory while others may share its device, as a pack says it."""
    with open(text, "a") as file:
        file.write(os.environ["ACTSWEEP_SLOTS"] + "\\n")
    return json.dumps({"interrupted": False, "crowded": os.environ["ACTSWEEP_MAY_SHARE"] == "1"})

def killed_in_company(text):
    with open(text, "a") as file:
        file.write(os.environ["ACTSWEEP_SLOTS"] + "\\n")
    if int(os.environ["ACTSWEEP_SLOTS"]) > 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return "{}"

def saving(text):
    """Saves and leaves on a signal, as a trainer does; ends by itself after some time."""
    order = json.loads(text)
    Path(order["up"] + ".begun").touch()
    time.sleep(order.get("before", 0))
    heard = []
    for number in (signal.SIGTERM, signal.SIGUSR2):
        signal.signal(number, lambda number, frame: heard.append(number))
    Path(order["up"]).touch()
    end = time.monotonic() + order.get("takes", 30)
    while not heard and time.monotonic() < end:
        time.sleep(0.005)
    if heard:
        Path(order["up"] + ".saved").touch()
    return json.dumps({"interrupted": bool(heard), "signals": heard})

def deaf(text):
    for number in (signal.SIGTERM, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    Path(text).touch()
    time.sleep(60)
    return "never"

def closing(text):
    """Closes what is not its own, as a process that makes itself a daemon."""
    os.closerange(3, 64)
    time.sleep(float(text))
    return "never told"

def counted(text):
    """A line for each start and each end of a text."""
    order = json.loads(text)
    with open(order["file"], "a") as file:
        file.write("start\\n")
    time.sleep(order["takes"])
    with open(order["file"], "a") as file:
        file.write("end\\n")
    return json.dumps({"interrupted": False})

def epochs(text):
    """Epochs of some length, told as a trainer tells them; with a lock, one process at a time is at work, in turn: who
    has had the lock waits behind those that wait for it, as on a device that is shared."""
    import fcntl
    order = json.loads(text)
    pipe = int(os.environ["ACTSWEEP_PROGRESS"])
    with open(order["file"], "a") as lock, open(order["file"] + ".next", "a") as turn:
        for _ in range(order["epochs"]):
            began = time.perf_counter()
            if order.get("alone"):
                fcntl.flock(turn, fcntl.LOCK_EX)
                fcntl.flock(lock, fcntl.LOCK_EX)
                fcntl.flock(turn, fcntl.LOCK_UN)
            time.sleep(order["takes"])
            fcntl.flock(lock, fcntl.LOCK_UN)
            os.write(pipe, f"{time.perf_counter() - began}\\n".encode())
    return json.dumps({"interrupted": False, "slots": os.environ["ACTSWEEP_SLOTS"]})
'''
MAIN = """
import sys
from slurm import payload
print(payload.call("slurm.pool.worker:run", sys.argv[1]))
"""


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pool:
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "pool_payloads.py").write_text(PAYLOADS)
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{os.environ.get('PYTHONPATH', '')}")
    made = Pool(tmp_path / "pool")
    made.make()
    return made


class Workers:
    """Workers of a pool as processes, ended with the test."""

    def __init__(self, pool: Pool, logs: Path) -> None:
        self.pool, self.logs = pool, logs
        self.processes: list[subprocess.Popen[str]] = []

    def put(self, call: str, text: Any, number: int = 0, job: str = "", **facts: Any) -> str:
        """Opens a ticket for a payload of ours; its job."""
        job = job or f"job.{number}"
        ticket = Ticket(
            number=number,
            job=job,
            call=call if ":" in call else f"pool_payloads:{call}",
            text=text if isinstance(text, str) else json.dumps(text),
            log=str(self.logs / job / "log.out"),
            **facts,
        )
        self.pool.put(ticket)
        return job

    def work(self, **changes: Any) -> Work:
        plain = Work(
            pool=str(self.pool.folder),
            worker="worker",
            preload="pool_payloads",
            gpus_per_ticket=1,
            cpus_per_ticket=1,
            slots=1,
            limit_s=None,
            lead_s=2.0,
            reserve_s=0.0,
            idle_s=0.3,
        )
        return dataclasses.replace(plain, **changes)

    def start(self, gpus: int = 1, environment: dict[str, str] | None = None, **changes: Any) -> subprocess.Popen[str]:
        """A worker on pretended GPUs."""
        with (self.logs / f"worker-{len(self.processes)}.log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", MAIN, json.dumps(dataclasses.asdict(self.work(**changes)))],
                env={
                    **{key: value for key, value in os.environ.items() if not key.startswith(("SLURM", "SUBMITIT"))},
                    "CUDA_VISIBLE_DEVICES": ",".join(str(number) for number in range(gpus)),
                    **(environment or {}),
                },
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def run(self, *, seconds: float = 30.0, **given: Any) -> dict[str, Any]:
        """A worker to its end; what it gave."""
        out, _ = self.start(**given).communicate(timeout=seconds)
        result: dict[str, Any] = json.loads(out.splitlines()[-1])
        return result

    def log(self, number: int = 0) -> str:
        return (self.logs / f"worker-{number}.log").read_text()

    def ended(self) -> dict[str, Ended]:
        found = [each for path in sorted((self.pool.folder / ENDED).glob("*.jsonl")) for each in ends(path)[0]]
        assert len({each.job for each in found}) == len(found), "a ticket ended twice"
        return {each.job: each for each in found}

    def left(self) -> dict[str, list[str]]:
        """What is open, and what is taken without an end."""
        taken = [name for files in self.pool.taken_files().values() for name in files]
        return {OPEN: self.pool.open_files(), TAKEN: taken}

    def signal(self, number: signal.Signals, which: int = 0) -> None:
        self.processes[which].send_signal(number)


@pytest.fixture
def workers(pool: Pool, tmp_path: Path) -> Iterator[Workers]:
    logs = tmp_path / "logs"
    logs.mkdir()
    made = Workers(pool, logs)
    yield made
    for process in made.processes:
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture
def until() -> Callable[..., None]:
    """Waits until a condition holds."""

    def wait(holds: Callable[[], Any], seconds: float = 20.0) -> None:
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.005)

    return wait
