"""Folds a minute of short folds: a worker of a pool with two slots, against one process for each pack.

Real folds (scikit-learn's digits, a small CNN, 3 epochs) on this machine's CPU, two at a time in both cases; nothing is
simulated. A process of its own imports all that training needs; a worker does so once and forks. Run as
``python tests/bench/bench_worker.py [packs]``.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from slurm.pool.tickets import Pool, Ticket, Work, ends
from trainer.codec import to_text
from trainer.spec import ActivationSpec, DataSpec, FoldSpec, Launch, ModelSpec, Pack, SplitSpec, TrainingSpec

AT_A_TIME = 2
ALONE = "import sys; from slurm import payload; payload.call('trainer.entry:run', sys.stdin.read())"
WORKER = "import sys; from slurm import payload; payload.call('slurm.pool.worker:run', sys.argv[1])"


def packs(count: int, where: Path) -> list[str]:
    """One fold each."""
    made = []
    for number in range(count):
        spec = FoldSpec(
            study="bench",
            study_seed=1,
            phase="confirm",
            trial=f"relu-{number // 5}",
            repeat=0,
            fold=number % 5,
            data=DataSpec(name="digits"),
            split=SplitSpec(folds=5),
            model=ModelSpec(name="tiny_cnn"),
            activation=ActivationSpec(name="relu"),
            training=TrainingSpec(epochs=3, batch=64, patience=None),
        )
        launch = Launch(spec=spec, folder=str(where / spec.trial / spec.folder))
        made.append(to_text(Pack(launches=(launch,), data_root=None, device="cpu")))
    return made


def one_process_each(texts: list[str]) -> float:
    began, running, waiting = time.perf_counter(), [], list(texts)
    while waiting or running:
        running = [each for each in running if each.poll() is None]
        while waiting and len(running) < AT_A_TIME:
            process = subprocess.Popen([sys.executable, "-c", ALONE], stdin=subprocess.PIPE, text=True)
            assert process.stdin is not None
            with process.stdin as pipe:
                pipe.write(waiting.pop(0))
            running.append(process)
        time.sleep(0.01)
    return time.perf_counter() - began


def by_a_worker(texts: list[str], where: Path) -> float:
    pool = Pool(where / "pool")
    pool.make()
    for number, text in enumerate(texts):
        log = str(where / f"log-{number}")
        pool.put(Ticket(number=number, job=f"b.{number}", call="trainer.entry:run", text=text, log=log))
    pool.close()
    work = Work(
        pool=str(pool.folder),
        worker="w",
        preload="trainer.entry",
        gpus_per_ticket=0,
        cpus_per_ticket=AT_A_TIME,
        slots=AT_A_TIME,
        limit_s=None,
        lead_s=5.0,
        reserve_s=0.0,
        idle_s=5.0,
        environment={"OMP_NUM_THREADS": "1"},
        devices=1,
    )
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", WORKER, json.dumps(dataclasses.asdict(work))], check=True, stderr=subprocess.DEVNULL
    )
    took = time.perf_counter() - began
    assert [each.state for each in ends(pool.folder / "ended" / "w.0.jsonl")[0]] == ["finished"] * len(texts)
    return took


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    with tempfile.TemporaryDirectory() as folder:
        alone = one_process_each(packs(count, Path(folder) / "alone"))
        worker = by_a_worker(packs(count, Path(folder) / "worker"), Path(folder))
    print(f"n = {count} packs of one fold, {AT_A_TIME} at a time")
    print(f"{'':24}{'seconds':>10}{'folds a minute':>16}{'ratio':>8}")
    print(f"{'a process for each pack':24}{alone:10.1f}{60 * count / alone:16.1f}{1:8.2f}")
    print(f"{'a worker with 2 slots':24}{worker:10.1f}{60 * count / worker:16.1f}{alone / worker:8.2f}")


if __name__ == "__main__":
    main()
