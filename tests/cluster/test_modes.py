"""Whole studies on a real Slurm, in each way in which jobs hold packs: they end in the same numbers and decisions as
with one fold a job, undisturbed or not.

ACTSWEEP_FAULT_ROUNDS: rounds of faults in each way (default 1), each with faults and moments of its own.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from slurm.dev.cluster import DevCluster
from slurm.errors import ClusterError
from sweeps.driver import session
from sweeps.testing import attempts, decisions, numbers

sys.path.insert(0, str(Path(__file__).parent))  # what the tests of this folder share
from faults import Driver, Faults
from modes import PRETEND, made

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

ROUNDS = int(os.environ.get("ACTSWEEP_FAULT_ROUNDS", "1"))
OF_A_STEP = ("driver", "child", "worker", "slurmstepd", "controller")
OF_A_JOB = (*OF_A_STEP, "requeue", "foreign scancel", "hold and release", "drain", "slurmd")
DRIVE = f"""
import pathlib, sys
from sweeps.driver import session
with session.driving(pathlib.Path(sys.argv[1]), call={PRETEND!r}) as driver:
    session.drive(driver, lambda now: None, interval_s=0.2)
    driver.cluster.release()
"""


@pytest.fixture
def allocation(salloc: Callable[..., str]) -> Callable[..., str]:
    """Makes this process one of a new allocation of two nodes."""
    return partial(salloc, "--nodes=2", "--gpus-per-node=2", "--time=10")


@pytest.fixture(scope="module")
def one_fold_a_job(tmp_path_factory: pytest.TempPathFactory, main_cluster: DevCluster) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(main_cluster.conf))
        path = made(tmp_path_factory.mktemp("fold"), "fold", epoch_s=0.1)
        finish(path)
    return path


def finish(path: Path, until: Callable[[], bool] = lambda: False, limit_s: float = 200) -> dict[str, int]:
    """Drives the study to its end, or until then; what that cost in commands."""
    deadline = time.monotonic() + limit_s
    with session.driving(path, call=PRETEND) as driver:
        while not driver.done and not until():
            driver.tick()
            time.sleep(0.2)
            assert time.monotonic() < deadline, driver.refused or "the study did not finish"
        if driver.done:
            driver.cluster.release()
            assert not driver.state.gave_up
        return driver.cluster.costs.calls


def same(path: Path, other: Path) -> None:
    assert numbers(path) == numbers(other)
    assert decisions(path) == decisions(other)


@pytest.mark.usefixtures("dev")
@pytest.mark.parametrize("mode", ["node", "slots", "pilot"])
def test_jobs_that_hold_several_packs_end_in_the_same_numbers(mode: str, one_fold_a_job: Path, tmp_path: Path) -> None:
    path = made(tmp_path, mode, epoch_s=2.5 if mode == "pilot" else 0.2)
    calls = finish(path)
    same(path, one_fold_a_job)
    tries = set(attempts(path).values())
    assert tries == {1} if mode != "pilot" else tries <= {1, 2}
    workers = len(list((path / "jobs" / "pool" / "ended").glob("*.w*.jsonl")))
    folds = len(attempts(path))
    if mode == "pilot":
        assert workers > 4  # a minute each, so that new ones go on
    else:
        assert workers <= 4
        assert folds > 2 * workers  # refilled beyond what they began with
        assert calls["sbatch"] <= 2


@pytest.mark.usefixtures("dev")
def test_an_allocation_and_then_another_end_in_the_same_numbers(
    allocation: Callable[..., str], one_fold_a_job: Path, tmp_path: Path, slurm: Callable[..., str]
) -> None:
    first = allocation()
    path = made(tmp_path, "allocation", epoch_s=0.4)
    finish(path, until=lambda: len(attempts(path)) >= 8)
    slurm("scancel", first)
    with pytest.raises(ClusterError, match=f"job {first}, which this process runs in, is over; go on in another job"):
        finish(path)
    allocation()
    calls = finish(path)
    same(path, one_fold_a_job)
    assert "sbatch" not in calls
    assert calls["srun"] == 2
    assert calls["scontrol"] + calls.get("squeue", 0) <= 8


@pytest.mark.parametrize("number", range(ROUNDS))
@pytest.mark.parametrize("mode", ["node", "slots", "allocation"])
def test_whatever_happens_nothing_is_lost_or_doubled(
    mode: str,
    number: int,
    dev: DevCluster,
    allocation: Callable[..., str],
    one_fold_a_job: Path,
    tmp_path: Path,
) -> None:
    if mode == "allocation":
        allocation("--time=30")
    chance = random.Random(f"{mode} {number}")
    path = made(tmp_path, mode, epoch_s=0.8)
    faults = Faults(dev, path, chance)
    wanted = list(OF_A_STEP if mode == "allocation" else OF_A_JOB)
    chance.shuffle(wanted)
    wanted = wanted[:4]
    driver = Driver([sys.executable, "-P", "-c", DRIVE, str(path)])
    happened = []
    at = time.monotonic() + 4 + 2 * chance.random()
    for now in driver.seconds(300):
        if now < at or not wanted:
            continue
        if wanted[-1] == "driver":
            driver.kill()
        if wanted[-1] == "driver" or faults.happen(wanted[-1]):
            happened.append(wanted.pop())
            at = time.monotonic() + 2 + 3 * chance.random()
    print(mode, happened, attempts(path))
    assert len(happened) >= 2, happened
    same(path, one_fold_a_job)
