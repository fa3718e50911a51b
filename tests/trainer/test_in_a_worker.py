"""The numbers of a fold do not depend on its company: in a process of its own, and by a worker of a pool whose children
stay and share cores, beside neighbours that crash."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from slurm.pool.tickets import Pool, Ticket, Work, ends
from trainer import journal
from trainer.attempt import process_start
from trainer.codec import to_text
from trainer.spec import ActivationSpec, DataSpec, ModelSpec, SplitSpec

ALONE = "import sys; from trainer import entry; entry.run(sys.stdin.read())"
WORKER = "import sys; from slurm import payload; print(payload.call('slurm.pool.worker:run', sys.argv[1]))"
CRASH = """
import os, signal

def crash(text):
    os.kill(os.getpid(), signal.SIGSEGV)

def fail(text):
    raise RuntimeError("CUDA error: an illegal memory access was encountered")
"""
OF_THE_PROCESS = {
    "start": {"time", "pid", "environment", "attempt", "resumed_epoch"},
    "epoch": {"time", "train_s", "evaluate_s", "rest_s", "peak_memory_mb", "utilisation", "energy_j"},
    "end": {"time"},
}
"""What records say of the process and its clock, by their kind."""


def told(folder: str):
    """All records but what is of the process, and the predictions."""
    records = []
    history = journal.read_fold(Path(folder))
    for record in (history.start, *history.epochs, history.end):
        plain = dataclasses.asdict(record)
        records.append({key: value for key, value in plain.items() if key not in OF_THE_PROCESS[plain["kind"]]})
    (kept,) = Path(folder).glob("attempt-*/predictions.npz")
    arrays = np.load(kept)
    return json.dumps(records), {name: arrays[name].tobytes() for name in arrays.files}


@pytest.fixture
def put(tmp_path):
    pool = Pool(tmp_path / "pool")
    pool.make()

    def put(number: int, call: str, text: str) -> None:
        log = str(tmp_path / f"log-{number}")
        pool.put(Ticket(number=number, job=f"job.{number}", call=call, text=text, log=log))

    put.pool = pool
    return put


def worker(put, tmp_path, **changes):
    work = Work(
        pool=str(put.pool.folder),
        worker=changes.pop("worker", "w"),
        preload="trainer.entry",
        gpus_per_ticket=0,
        cpus_per_ticket=1,
        limit_s=None,
        lead_s=20.0,
        reserve_s=0.0,
        idle_s=5.0,
        **{"slots": 2, "devices": 2, **changes},
    )
    with (tmp_path / "worker.log").open("a") as log:
        return subprocess.Popen(
            [sys.executable, "-c", WORKER, json.dumps(dataclasses.asdict(work))],
            env={**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"},
            stdout=subprocess.DEVNULL,
            stderr=log,
        )


@pytest.fixture
def different(small):
    """Packs that leave traces where a process lets them: generators, precision, optimisers, data sets."""
    wine = {"data": DataSpec(name="wine"), "model": ModelSpec(name="mlp"), "split": SplitSpec(folds=3)}
    return [
        [small(), small(fold=1)],
        [small(trial="dsrelu", activation=ActivationSpec(name="dsrelu"), epochs=4)],
        [
            small(trial="prelu", activation=ActivationSpec(name="prelu"), lr=0.05, precision="fp64", epochs=2),
            small(trial="wine", optimizer="sgd", **wine),
        ],
    ]


@pytest.mark.slow
def test_numbers_do_not_depend_on_company(different, packed, put, tmp_path):
    (tmp_path / "crashing.py").write_text(CRASH)
    alone = [packed(*specs, where="alone") for specs in different]
    for pack in alone:
        subprocess.run([sys.executable, "-c", ALONE], input=to_text(pack), text=True, check=True)
    rounds = [[packed(*specs, where=f"round-{number}") for specs in different] for number in range(2)]
    order = [*rounds[0], "crash", "fail", *reversed(rounds[1])]
    for number, what in enumerate(order):
        if isinstance(what, str):
            put(number, f"crashing:{what}", "")
        else:
            put(number, "trainer.entry:run", to_text(what))
    put.pool.close()
    assert worker(put, tmp_path).wait(timeout=120) == 0
    states = [each.state for each in ends(put.pool.folder / "ended" / "w.0.jsonl")[0]]
    assert sorted(states) == ["failed"] * 2 + ["finished"] * 6
    pids = set()
    for packs in rounds:
        for pack, calm in zip(packs, alone, strict=True):
            for launch, reference in zip(pack.launches, calm.launches, strict=True):
                start = journal.read_fold(Path(launch.folder)).start
                pids.add(start.pid)
                assert start.environment["slots"] == "2"
                assert told(launch.folder) == told(reference.folder)
    assert len(pids) < 6  # some of the processes had more than one pack


@pytest.mark.slow
def test_packs_of_a_killed_worker_go_on_where_they_were(small, packed, put, tmp_path):
    """The tickets are opened again, as the driver does once it knows them lost."""
    specs = [small(epochs=25, trial=f"t{number}") for number in range(2)]
    packs, calm = ([packed(spec, where=where) for spec in specs] for where in ("killed", "calm"))
    for number, pack in enumerate(packs):
        put(number, "trainer.entry:run", to_text(pack))
    process = worker(put, tmp_path, slots=1)
    end = time.monotonic() + 60
    while not all(epochs(pack) > 2 for pack in packs):
        assert time.monotonic() < end
        time.sleep(0.02)
    process.kill()
    process.wait(timeout=60)
    running = [journal.read_fold(Path(pack.launches[0].folder)).start.pid for pack in packs]
    while any(process_start(pid) is not None for pid in running):  # they notice, save and leave
        assert time.monotonic() < end
        time.sleep(0.02)
    for file in put.pool.taken_files()["w.0"]:
        put.pool.give_back(put.pool.read(put.pool.folder / "taken" / "w.0" / file), "w.0")
    for number, pack in enumerate(calm):
        put(10 + number, "trainer.entry:run", to_text(pack))
    put.pool.close()
    assert worker(put, tmp_path).wait(timeout=120) == 0
    for pack, reference in zip(packs, calm, strict=True):
        assert journal.attempts(Path(pack.launches[0].folder)) == [1, 2]
        assert told(pack.launches[0].folder) == told(reference.launches[0].folder)


def epochs(pack) -> int:
    history = journal.read_fold(Path(pack.launches[0].folder))
    return len(history.epochs) if history is not None else 0
