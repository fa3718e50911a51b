"""What sacct says of jobs that are over: every run of each, with what it held and used."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from slurm.jobs import Costs
from slurm.profile import Profile
from slurm.scheduler import accounting, submissions
from slurm.scheduler.accounting import COLUMNS, JobRun, cpu_seconds
from slurm.scheduler.arrays import split
from slurm.scheduler.commands import Answer, Scheduler
from slurm.testing import FakeSlurm

# As sacct of Slurm 22.05 answers: a job that was put back into the queue and ran twice, an array of which one waits.
ANSWER = """\
7|NODE_FAIL|gpu|gpu1|1795864000|1795864060|1795864100|1795864130|30|billing=8,cpu=8,gres/gpu=2,mem=8G,node=1|00:00:00|
7.batch|CANCELLED||gpu1|1795864100|1795864100|1795864100|1795864130|30|cpu=8,gres/gpu=2,mem=8G,node=1|00:00:04|1000
7|COMPLETED|gpu|gpu2|1795864131|1795864131|1795864200|1795864300|100|cpu=8,gres/gpu:a100=1,gres/gpu:h100=1,node=1|01:40.500|
7.batch|COMPLETED||gpu2|1795864200|1795864200|1795864200|1795864300|100|cpu=8,node=1|00:00.500|0
7.extern|COMPLETED||gpu2|1795864200|1795864200|1795864200|1795864300|100|cpu=8,node=1|00:00:00|90000
7.0|COMPLETED||gpu2|1795864200|1795864200|1795864200|1795864300|100|cpu=8,node=1|01:40.000|85000
a notice of the site
8_0|CANCELLED by 1000|cpu|None assigned|1795864000|1795864000|Unknown|1795864500|0||00:00:00|18446744073709551614
8_[1-9]|PENDING|cpu|None assigned|1795864000|Unknown|Unknown|Unknown|0||00:00:00|0
9|COMPLETED|cpu|n1|1795864000|1795864000|1795864010|1795864020|10|cpu=2,node=1|00:00:00|0
9.batch|COMPLETED||n1|1795864010|1795864010|1795864010|1795864020|10|cpu=2,node=1|00:03.000|0
9.0|COMPLETED||n1|1795864010|1795864010|1795864010|1795864020|10|cpu=2,node=1|00:05.000|0
"""


def run_of(job: str, **given: object) -> JobRun:
    values: dict[str, object] = {
        "job": job, "state": "COMPLETED", "partition": "gpu", "node": "", "submit": None, "eligible": None,
        "start": None, "end": None, "elapsed_s": 0.0, "gpus": 0, "gpu_type": "", "cpus": 0, "cpu_s": 0.0,
        "energy_j": None,
    }  # fmt: skip
    return JobRun(**{**values, **given})  # type: ignore[arg-type]


def test_every_run_counts_with_what_its_steps_know(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Scheduler, "ask", lambda *_: Answer(code=0, out=ANSWER, err=""))
    first, second, never, plain = accounting.ask(Scheduler(Costs()), ["7", "8", "9"]) or []
    assert first == run_of(
        "7", state="NODE_FAIL", node="gpu1", submit=1795864000.0, eligible=1795864060.0, start=1795864100.0,
        end=1795864130.0, elapsed_s=30.0, gpus=2, cpus=8, cpu_s=4.0, energy_j=1000.0,
    )  # fmt: skip
    assert (second.job, second.gpus, second.gpu_type) == ("7", 2, "a100,h100")
    assert (second.cpu_s, second.energy_j) == (100.5, 90000.0), "of its own, and of the step that saw most"
    assert (never.state, never.start, never.elapsed_s, never.energy_j) == ("CANCELLED by 1000", None, 0.0, None)
    assert (plain.job, plain.gpus, plain.cpu_s, plain.energy_j) == ("9", 0, 8.0, None), "of its steps together"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("00:02.345", 2.345), ("01:02:03", 3723), ("1-02:03:04", 93784), ("00:00:00", 0), ("", 0), ("INVALID", 0)],
)
def test_processor_time_in_each_of_its_forms(text: str, seconds: float) -> None:
    assert cpu_seconds(text) == pytest.approx(seconds)


def test_many_arrays_are_asked_for_together_and_an_answer_that_is_lost_makes_all_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[str, ...]] = []

    def ask(_: Scheduler, *words: str) -> Answer:
        asked.append(words)
        return Answer(code=int(len(asked) == 3), out="", err="")

    monkeypatch.setattr(Scheduler, "ask", ask)
    jobs = [str(number) for number in range(1200)]
    assert accounting.ask(Scheduler(Costs()), jobs[:1000]) == []
    assert accounting.ask(Scheduler(Costs()), jobs) is None
    assert [words[-1].count(",") + 1 for words in asked] == [500, 500, 500]
    assert "--duplicates" in asked[0]
    assert f"--format={','.join(COLUMNS)}" in asked[0]


def submitted(folder: Path, name: str, job: str) -> None:
    profile = Profile(name="lab", executor="slurm", partition="gpu", time_min=60)
    arrays = split(name, 2, profile, largest=100, active={})
    begun = submissions.begin(name, folder, "m:f", ["a", "b"], arrays)
    begun.with_job(arrays[0], job).write()


@pytest.mark.parametrize(
    ("given", "why", "ever"),
    [
        ({"executor": "local"}, "jobs that no scheduler started are in no accounts", False),
        ({"accounting": False}, "the profile says accounting: false", False),
        ({}, "this site keeps no accounts of jobs", False),
        ({"away": True}, "sacct does not answer", True),
    ],
)
def test_what_is_not_known_is_said_with_why_and_whether_it_may_yet_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, object], why: str, ever: bool
) -> None:
    fake = FakeSlurm(tmp_path / "slurm")
    monkeypatch.setenv("PATH", f"{fake.install()}:{os.environ['PATH']}")
    fake.site(accounting=False)
    if given.pop("away", False):
        fake.refuse("sacct", "sacct: error: Problem talking to the database: Connection refused")
    submitted(tmp_path / "jobs", "n", "100")
    slurm = {"executor": "slurm", "partition": "gpu", "time_min": 60}
    profile = Profile(**{"name": "lab", **({} if "executor" in given else slurm), **given})  # type: ignore[arg-type]
    found = accounting.of_folder(profile, tmp_path / "jobs", costs := Costs())
    assert (found.runs, found.why, found.ever) == (None, why, ever)
    assert costs.calls.get("sacct", 0) == (0 if given else 1)


def test_the_workers_of_a_pool_are_asked_for_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(
        Scheduler, "ask", lambda _, *words: (asked.append(words[-1]), Answer(code=0, out="", err=""))[1]
    )
    submitted(tmp_path / "jobs", "packs", "100")
    submitted(tmp_path / "jobs" / "pool" / "jobs", "workers", "99")
    profile = Profile(name="lab", executor="slurm", partition="gpu", time_min=60)
    assert accounting.of_folder(profile, tmp_path / "jobs", Costs()).runs == []
    assert asked == ["--jobs=99,100"]
