"""The Slurm job around the driver: what is read of it, and what is said where there is none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from slurm import clusters
from slurm.allocation import srun
from slurm.allocation.cluster import AllocationCluster
from slurm.allocation.enclosing import Node, expand, job_here, look
from slurm.allocation.srun import Meaning
from slurm.errors import ClusterError, ProfileError, SubmissionRejected
from slurm.jobs import Costs
from slurm.profile import Profile, parse
from slurm.scheduler.commands import Answer, Scheduler

TOLD = (
    "JobId=12 JobName=interactive UserId=root(0) JobState=RUNNING Reason=None StartTime=2026-11-28T11:16:26 "
    "EndTime=2026-11-28T15:16:26 Partition=main NodeList=gpu[1-3] NumNodes=3 JOB_GRES=gpu:a100:6,lscratch:50 "
    "  Nodes=gpu[1-2] CPU_IDs=0-7,16-23 Mem=0 GRES=gpu:a100:2(IDX:0-1),lscratch:50   Nodes=gpu3 CPU_IDs=0 Mem=0 "
    "GRES=gpu:a100:1(IDX:0),gpu:v100:1(IDX:1) MinCPUsNode=1 Comment=a b\n"
)


class Said(Scheduler):
    """Answers every question with the same."""

    def __init__(self, code: int = 0, out: str = "", err: str = "") -> None:
        super().__init__(Costs())
        self.answer = Answer(code=code, out=out, err=err)

    def ask(self, *words: str) -> Answer:
        self.costs.count(words[0])
        return self.answer


def test_nodes_of_different_size_are_told_apart() -> None:
    found = look(Said(out=TOLD), {"SLURM_JOB_ID": "12"})
    first, second, third = found.nodes
    assert (first, second) == (Node(name="gpu1", cores=16, gpus=2), Node(name="gpu2", cores=16, gpus=2))
    assert third == Node(name="gpu3", cores=1, gpus=2)
    assert found.start is not None
    assert found.end == found.start + 4 * 3600
    assert found.running


def test_a_job_of_an_array_is_told_with_the_others_of_it() -> None:
    other = TOLD.replace("JobId=12", "JobId=13").replace("gpu[1-3]", "gpu9")
    assert [node.name for node in look(Said(out=other + TOLD), {"SLURM_JOB_ID": "12"}).nodes] == [
        "gpu1",
        "gpu2",
        "gpu3",
    ]


def test_without_scontrol_the_environment_has_to_do() -> None:
    environment = {
        "SLURM_JOB_ID": "12",
        "SLURM_JOB_NODELIST": "n[01-03],x",
        "SLURM_JOB_CPUS_PER_NODE": "8(x3),4",
        "SLURM_GPUS_PER_NODE": "a100:4",
        "SLURM_JOB_END_TIME": "1700000000",
        "SLURM_RESTART_COUNT": "2",
    }
    found = look(Said(code=127, err="scontrol: not found"), environment)
    assert (found.job, found.id, found.end, found.running) == ("12.2", "12", 1_700_000_000.0, True)
    assert [(node.name, node.cores, node.gpus) for node in found.nodes] == [
        *((f"n0{number}", 8, 4) for number in (1, 2, 3)),
        ("x", 4, 4),
    ]
    gone = look(Said(code=1, err="slurm_load_jobs error: Invalid job id specified"), environment, before=found)
    assert (gone.nodes, gone.running) == (found.nodes, False)


def test_names_of_nodes() -> None:
    assert list(expand("a[1-2,07],b")) == ["a1", "a2", "a07", "b"]
    assert list(expand("r[1-2]n[08-09]")) == ["r1n08", "r1n09", "r2n08", "r2n09"]
    assert list(expand("(null)")) == list(expand("")) == []


def test_a_restarted_job_is_another_one() -> None:
    assert job_here({}) is None
    assert job_here({"SLURM_JOB_ID": "7", "SLURM_RESTART_COUNT": "0"}) == "7"
    assert job_here({"SLURM_JOB_ID": "7", "SLURM_RESTART_COUNT": "1"}) == "7.1"


@pytest.mark.parametrize("line", srun.known(), ids=lambda line: line.example[:60])
def test_what_srun_says_means_what_the_table_says(line: srun.Known) -> None:
    assert line.source
    assert srun.meaning(line.example) is line.means
    assert re.search(line.pattern, line.example.lower())


def test_words_that_no_line_knows_are_a_failure_with_these_words() -> None:
    assert srun.meaning("srun: error: gpu2: task 0: Exited with exit code 1") is Meaning.UNKNOWN
    noise = "srun: cluster configuration lacks support for cpu binding\n"
    assert srun.words_of(f"{noise}srun: error: task 0: Killed\nsrun: Force Terminated StepId=5.0\n") == "task 0: Killed"
    assert srun.words_of(noise) == ""


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_JOB_ID", "SLURM_JOBID"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("outside")
def test_outside_of_any_job_one_error_says_what_to_do(tmp_path: Path) -> None:
    profile = Profile(name="here", executor="allocation")
    with pytest.raises(ClusterError, match=r"SLURM_JOB_ID is not set.*start it within one, as `salloc"):
        clusters.refuse_elsewhere(profile)
    cluster = AllocationCluster(profile, tmp_path)
    assert cluster.room(0) == 0
    with pytest.raises(SubmissionRejected, match="this process runs in none"):
        cluster.submit("a:b", ["x"], name="n", folder=tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert clusters.settled(profile) == profile


def test_without_srun_it_is_said_which_command_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClusterError, match="starts steps by srun, and there is none on the PATH here"):
        clusters.refuse_elsewhere(Profile(name="here", executor="allocation"))


def test_whether_packs_get_a_gpu_is_the_jobs_own_doing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    profile = Profile(name="here", executor="allocation")
    for text, gpus, device in ((TOLD, 1, "cuda"), (re.sub(r"GRES=\S+", "", TOLD), 0, "auto")):
        monkeypatch.setattr(clusters, "Scheduler", lambda costs, text=text: Said(out=text))
        settled = clusters.settled(profile)
        assert (settled.gpus_per_pack, settled.device_for("auto")) == (gpus, device)
    monkeypatch.setattr(clusters, "Scheduler", lambda costs: Said(out=TOLD))
    with pytest.raises(ClusterError, match=r"gpus_per_pack is 3, and no node of job 12.* has more than 2"):
        clusters.settled(profile.model_copy(update={"gpus_per_pack": 3}))


def test_no_step_begins_when_the_end_is_near_or_a_pack_found_the_rest_too_short(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    end = look(Said(out=TOLD)).end
    assert end is not None
    clock = [end - 1000.0]
    profile = Profile(name="here", executor="allocation", signal_lead_s=100, reserve_s=50)
    cluster = AllocationCluster(profile, tmp_path, now=lambda: clock[0])
    cluster.scheduler = Said(out=TOLD)
    assert cluster._too_late() == ""
    cluster._short_until = end
    assert "1000 s are too few" in cluster._too_late()
    cluster.scheduler = Said(out=TOLD.replace("EndTime=2026-11-28T15", "EndTime=2026-11-28T16"))
    clock[0] += 61.0  # asked anew: somebody gave the job more time
    assert cluster._too_late() == ""
    clock[0] = end + 3600.0 - 149.0
    assert "ends at 16:16:26, and 149 s are too few" in cluster._too_late()


def test_what_the_job_has_already_is_refused_in_its_profile() -> None:
    text = "executor: allocation\npartition: gpu\ntime: 60\nmem_gb: 4\nsbatch: {exclusive: true}\njobs: pack\n"
    with pytest.raises(ProfileError) as caught:
        parse(text, source="lab.yaml")
    assert [line.split(": ")[1] for line in str(caught.value).splitlines()] == [
        "partition",
        "time",
        "mem_gb",
        "sbatch",
        "jobs",
    ]
    assert "the job around the driver has its own; remove it" in str(caught.value)
    assert parse("executor: allocation\nexclude: ['gpu[1-2]']\n", source="lab.yaml").holds == "node"


def test_nodes_that_are_excluded_get_no_step(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    end = look(Said(out=TOLD)).end or 0.0
    profile = Profile(name="here", executor="allocation", exclude=("gpu[1-2]",))
    cluster = AllocationCluster(profile, tmp_path, now=lambda: end - 5000)
    cluster.scheduler = Said(out=TOLD)
    assert cluster.room(0) == 1
    cluster.profile = profile.model_copy(update={"exclude": ("gpu[1-3]",)})
    with pytest.raises(SubmissionRejected, match=r"no node for packs \(its nodes: gpu1, gpu2, gpu3\); correct exclude"):
        cluster.submit("a:b", ["x"], name="n", folder=tmp_path)
