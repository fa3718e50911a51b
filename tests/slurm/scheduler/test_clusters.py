"""Sites of several clusters, and sbatch's own line among what a site prints beside it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from slurm.errors import SubmissionRejected
from slurm.jobs import Costs, JobState
from slurm.profile import Profile
from slurm.scheduler import clusters
from slurm.scheduler.cluster import SlurmCluster
from slurm.scheduler.commands import Scheduler
from slurm.testing import FakeSlurm

PARTS = "a notice\nCLUSTER: north\n1|a\n2|b\n\nCLUSTER: south\n1|c\n"


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    fake = FakeSlurm(tmp_path / "slurm")
    monkeypatch.setenv("PATH", f"{fake.install()}:{os.environ['PATH']}")
    fake.site(ClusterName="north")
    return fake


@pytest.fixture
def profile() -> Profile:
    return Profile(name="lab", executor="slurm", time_min=60, max_array_size=1001, poll_min_s=0.01, poll_max_s=0.02)


def test_the_part_of_this_cluster_is_read() -> None:
    assert clusters.here(PARTS, "south").split() == ["1|c"]
    assert clusters.here(PARTS, "north").split() == ["1|a", "2|b"]
    assert clusters.here(PARTS, "").split() == ["1|a", "2|b"]
    assert clusters.here(PARTS, "west") == ""
    assert clusters.here("1|a\n", "west") == "1|a\n"
    assert [clusters.several(text) for text in (PARTS, "1|a\n")] == [True, False]


def test_a_twin_on_another_cluster_says_nothing_of_a_job(fake: FakeSlurm, profile: Profile, tmp_path: Path) -> None:
    cluster = SlurmCluster(profile, tmp_path)
    jobs = cluster.submit("os:getcwd", ["a", "b"], name="say", folder=tmp_path)
    row = "100|{task}|{word}|n1|say.0|N/A|None"
    here = "\n".join(row.format(task=task, word="RUNNING") for task in (0, 1))
    fake.tell("squeue", "", f"CLUSTER: south\n{here.replace('RUNNING', 'REVOKED')}\nCLUSTER: north\n{here}")
    assert {report.state for report in cluster.poll(jobs).values()} == {JobState.RUNNING}
    fake.tell("squeue", "", f"CLUSTER: north\n{here}\nCLUSTER: south\n{here.replace('RUNNING', 'REVOKED')}")
    assert {report.state for report in SlurmCluster(profile, tmp_path).poll(jobs).values()} == {JobState.RUNNING}
    assert all("--local" in call for call in fake.calls("squeue"))


def test_a_job_that_another_member_of_the_federation_started_says_what_to_do(
    fake: FakeSlurm, profile: Profile, tmp_path: Path
) -> None:
    cluster = SlurmCluster(profile, tmp_path)
    (job,) = cluster.submit("os:getcwd", ["a"], name="say", folder=tmp_path)
    fake.put(job, "REVOKED")
    report = cluster.poll([job])[job]
    assert report.state is JobState.UNKNOWN
    assert "another cluster of the federation started it" in report.reason


@pytest.mark.parametrize("count", [1, 3])
def test_a_job_that_sbatch_sends_to_another_cluster_is_cancelled_there(
    count: int, fake: FakeSlurm, profile: Profile, tmp_path: Path
) -> None:
    fake.tell("sbatch", "", "Submitted batch job 77 on cluster south")
    cluster = SlurmCluster(profile, tmp_path)
    with pytest.raises(SubmissionRejected, match=r"sbatch sent job 77 to cluster south, .* login node of south"):
        cluster.submit("os:getcwd", ["a"] * count, name="say", folder=tmp_path)
    assert fake.calls("scancel") == [["--clusters=south", "77"]]
    assert not (tmp_path / "say").exists()


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(
    "said",
    [
        "your last job 4711 is over quota\nSubmitted batch job 77\nThis costs 3 units, as job 12 did.",
        "Submitted batch job 77 on cluster north",
        "sbatch: Submitted batch job 77",
    ],
)
def test_the_id_is_that_of_sbatchs_own_line(
    said: str, count: int, fake: FakeSlurm, profile: Profile, tmp_path: Path
) -> None:
    fake.tell("sbatch", "", said)
    jobs = SlurmCluster(profile, tmp_path).submit("os:getcwd", ["a"] * count, name="say", folder=tmp_path)
    assert jobs == (["77"] if count == 1 else ["77_0", "77_1", "77_2"])
    assert len(list((tmp_path / "say").glob("77*_submitted.pkl"))) == count
    assert not list((tmp_path / "say").glob("[0-9a-f]" * 32 + ".pkl"))


def test_what_variables_would_make_of_commands_is_left_out(
    fake: FakeSlurm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    names = ("SLURM_CLUSTERS", "SQUEUE_FORMAT", "SINFO_PARTITION", "SCANCEL_NAME", "SACCT_FORMAT", "SBATCH_CLUSTERS")
    for name in names:
        monkeypatch.setenv(name, "south")
    program = fake.folder / "bin" / "sinfo"
    program.write_text(f"#!/bin/sh\nenv > {tmp_path}/seen\n")
    Scheduler(Costs()).ask("sinfo")
    seen = (tmp_path / "seen").read_text()
    assert "PATH=" in seen
    assert not [name for name in names if f"{name}=" in seen]


@pytest.mark.parametrize(
    "notices",
    [
        "| Maintenance: 17|18 February |\n+-----+ of ours +\n{rows}",
        "{rows}\n-- end of your jobs --",
        "Please mind the quota of $HOME\n{rows}\nAll of your jobs are shown.",
    ],
)
def test_boxes_and_sentences_around_the_rows_are_no_torn_rows(notices: str, fake: FakeSlurm) -> None:
    row = "100|N/A|PENDING||say.0|N/A|ReqNodeNotAvail, UnavailableNodes:n1"
    fake.tell("squeue", "", notices.format(rows=row))
    told = Scheduler(Costs()).queue(["say.0"])
    assert [each.job for each in told.rows] == ["100"]
    assert told.whole, told.problem


@pytest.mark.parametrize("torn", ["100|N/A|PEN", "1", "00|N/A|RUNNI", "\x00|slurm_load_jobs|?"])
def test_a_row_that_was_cut_off_is_one(torn: str, fake: FakeSlurm) -> None:
    fake.tell("squeue", "", f"100|N/A|PENDING||say.0|N/A|None\n{torn}")
    assert not Scheduler(Costs()).queue(["say.0"]).whole
