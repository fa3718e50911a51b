"""What a real Slurm says of jobs that wait and of jobs that are over, in each form in which it can be asked."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slurm.jobs import Costs, JobState
from slurm.profile import Profile
from slurm.scheduler import accounting
from slurm.scheduler.cluster import SlurmCluster
from slurm.scheduler.commands import Scheduler, plain_environment
from slurm.scheduler.squeue import read_json

pytestmark = pytest.mark.cluster


@pytest.mark.usefixtures("dev")
def test_reasons_the_expected_start_and_the_accounts_of_a_real_slurm(
    profile: Profile, stand_in: str, folds: Callable[..., list[Any]], wait: Callable[..., Any], tmp_path: Path
) -> None:
    given = {
        "later": {"sbatch": {"begin": "now+1hour"}},
        "held": {"sbatch": {"hold": True}},
        "few": {"gpus_per_pack": 4, "array_throttle": 1, "poll_max_s": 1.0},
    }
    clusters = {name: SlurmCluster(profile.model_copy(update=update), tmp_path) for name, update in given.items()}
    mine = folds(4, epochs=16)  # the first of two has to last until the second was seen to wait
    texts = [fold.text(0.5) for fold in mine]
    share = {"later": texts[:1], "held": texts[1:2], "few": texts[2:]}
    jobs = {name: clusters[name].submit(stand_in, share[name], name=name, folder=tmp_path) for name in given}
    time.sleep(3)  # for the backfill scheduler to have a look
    (report,) = clusters["later"].poll(jobs["later"]).values()
    assert report.reason == "BeginTime: waits for a time of its own, as after a requeue"
    assert report.expected_start is not None
    assert report.expected_start == pytest.approx(time.time() + 3600, abs=120)
    (report,) = clusters["held"].poll(jobs["held"]).values()
    assert (report.state, report.expected_start) == (JobState.PENDING, None)
    assert report.reason == "JobHeldUser: held; `scontrol release JOB` frees it"
    wait(clusters["few"], jobs["few"][1:], lambda now: "JobArrayTaskLimit" in now[jobs["few"][1]].reason, seconds=20)

    asked = ["squeue", "--states=all", f"--user={os.getuid()}"]
    said = subprocess.run(
        [*asked, "--json"], env=plain_environment("squeue"), capture_output=True, text=True, check=True
    )
    in_json = read_json(said.stdout, os.getuid())
    in_text = Scheduler(Costs()).queue([])
    assert in_json is not None
    steady = {*jobs["later"], *jobs["held"]}
    assert [row for row in in_json.rows if row.job in steady] == [row for row in in_text.rows if row.job in steady]

    for cluster in (clusters["later"], clusters["held"]):
        cluster.cancel([*jobs["later"], *jobs["held"]])
    wait(clusters["few"], jobs["few"])
    end = time.monotonic() + 20
    while True:
        runs = accounting.ask(Scheduler(Costs()), sorted({job.partition("_")[0] for job in jobs["few"]})) or []
        if len(runs) == 2 and all(run.end is not None for run in runs):
            break
        assert time.monotonic() < end, runs
        time.sleep(0.5)
    for run in runs:
        assert (run.gpus, run.partition, run.state) == (4, "main", "COMPLETED")
        assert run.submit is not None
        assert run.start is not None
        assert run.submit <= run.start < run.start + run.elapsed_s <= time.time()
