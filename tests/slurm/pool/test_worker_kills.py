"""Whatever is killed at whatever moment: each text ends once or is known to be lost, and none runs twice at a time."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path

import pytest

from slurm.pool.tickets import OPEN, TAKEN, Pool, Ticket

N = 50


def put_all(workers, tmp_path, takes=0.02):
    files = [tmp_path / f"counted-{number}" for number in range(N)]
    for number, file in enumerate(files):
        workers.put("counted", {"file": str(file), "takes": takes}, number)
    return files


def runs(file: Path) -> list[str]:
    return file.read_text().split() if file.exists() else []


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_many_workers_run_each_text_once(workers, pool, tmp_path):
    files = put_all(workers, tmp_path)
    pool.close()
    started = [workers.start(worker=f"w{number}", slots=2) for number in range(5)]
    ended = [json.loads(each.communicate(timeout=60)[0])["ended"] for each in started]
    assert sum(ended) == N
    assert [runs(file) for file in files] == N * [["start", "end"]]
    assert {each.state for each in workers.ended().values()} == {"finished"}
    assert workers.left() == {OPEN: [], TAKEN: []}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_kills_at_any_moment_lose_and_double_nothing(workers, pool, tmp_path, seed):
    """SIGKILL of children, of the worker, or of both; then what is left without an end is opened again, as the driver
    does, and a last worker ends it all."""
    dice = random.Random(seed)
    files = put_all(workers, tmp_path, takes=0.05)
    lost = 0
    for number in range(4):
        worker = workers.start(worker=f"w{number}", slots=2, gpus=2, idle_s=5.0)
        time.sleep(0.15 + dice.random() * 0.5)
        what = dice.choice(["child", "worker", "both"])
        if what != "worker":
            for child in children(worker.pid):
                os.kill(child, signal.SIGKILL)
        if what == "child":
            time.sleep(dice.random() * 0.2)
            worker.send_signal(dice.choice([signal.SIGUSR2, signal.SIGTERM]))
            worker.communicate(timeout=30)
        else:
            worker.kill()
            worker.wait()
        lost += workers.log(number).count("waits again")  # a child that was killed in company
        taken = pool.taken_files()
        names = [name for files in taken.values() for name in files]
        assert set(taken) <= {f"w{number}.0"}
        known = {file for file in names if job(file) in workers.ended()}  # ended, and killed before it was moved
        for file in set(names) - known:
            ticket = pool.read(pool.folder / TAKEN / f"w{number}.0" / file)
            assert isinstance(ticket, Ticket)
            pool.give_back(ticket, f"w{number}.0")
            lost += 1
        for file in known:
            (pool.folder / TAKEN / f"w{number}.0" / file).unlink()
    pool.close()
    workers.run(worker="last", slots=2)
    found = workers.ended()
    assert set(found) == {f"job.{number}" for number in range(N)}
    assert workers.left() == {OPEN: [], TAKEN: []}
    for number, file in enumerate(files):
        if found[f"job.{number}"].state == "finished":
            assert runs(file)[-1] == "end"
        else:
            assert found[f"job.{number}"].reason.startswith("killed by signal 9")
    again = sum(max(0, runs(file).count("start") - 1) for file in files)
    assert again <= lost  # nothing but what was lost has run again


def job(file: str) -> str:
    return file.removesuffix(".json").partition("-")[2]


@pytest.mark.slow
def test_signals_at_any_moment_end_the_worker_and_lose_nothing(workers, pool, tmp_path):
    """Before it has handlers, while it forks, while texts begin and end."""
    dice = random.Random(0)
    files = put_all(workers, tmp_path, takes=0.0)
    for which in range(6):
        worker = workers.start(worker=f"w{which}", slots=3, gpus=2, idle_s=30.0)
        time.sleep(0.05 + 0.06 * which + 0.05 * dice.random())
        worker.send_signal(dice.choice([signal.SIGUSR2, signal.SIGTERM]))
        if dice.random() < 0.5:
            worker.send_signal(dice.choice([signal.SIGUSR2, signal.SIGTERM]))
        worker.communicate(timeout=20)
        assert workers.left()[TAKEN] == []
    pool.close()
    workers.run(worker="last")
    assert set(workers.ended()) == {f"job.{each}" for each in range(N)}
    assert {each.state for each in workers.ended().values()} == {"finished"}  # what had not begun waited again
    assert [runs(file) for file in files] == N * [["start", "end"]]


def test_a_claim_is_made_by_one_of_many(pool: Pool):
    for number in range(20):
        pool.put(Ticket(number=number, job=f"j.{number}", call="a:b", text="", log=""))
    names = [pool.join("w") for _ in range(3)]
    taken = {run: [file for file in pool.open_files() if pool.take(file, run)] for run in names}
    assert sorted(len(files) for files in taken.values()) == [0, 0, 20]
    assert names == ["w.0", "w.1", "w.2"]
    assert [pool.superseded(name) for name in names] == [True, True, False]
