"""Sites that differ, as their own commands answer: a profile is written there that sbatch takes, and a study ends."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from slurm.clusters import open_cluster
from slurm.profile import Profile, load
from slurm.scheduler.cluster import render
from slurm.scheduler.rehearsal import rehearse
from slurm.testing import FakeSlurm
from sweeps.cli.main import main
from sweeps.driver import session
from sweeps.driver.driver import Driver
from sweeps.driver.packs import Node
from sweeps.folder import surroundings
from sweeps.study.reading import load as read_study
from sweeps.study.shipped import find, on_profile
from sweeps.study.study import Study
from sweeps.view import preview
from trainer.journal import read_fold

SITES = Path(__file__).parent / "sites"
STUDY = """
name: there
data: {name: digits}
model: {name: tiny_cnn}
training: {epochs: 2, patience: null}
folds: {folds: 2}
activations: [relu, tanh, gelu]
control: relu
"""
LOST = "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"
"""Of a job that was taken: it has to be found again in what this site's squeue says."""
WANTED: dict[str, dict[str, object]] = {
    "whole-node": {"partition": "booster", "account": "hai-act", "jobs": "node", "gpus_per_node": 4},
    "eight-gpus": {"partition": "dgx", "ask_gpus_as": "gres", "gpu_type": "a100", "jobs": "node", "gpus_per_node": 8},
    "typed-gres": {"partition": "gpu", "account": "physics", "ask_gpus_as": "gres", "gpu_type": "v100"},
    "per-task": {"ask_gpus_as": "gpus-per-task", "gpu_type": "mi250x", "mem_gb": None},
    "memory-by-cpu": {"partition": "gpu", "mem_gb": None, "mem_per_cpu_gb": 4.0},
    "memory-by-gpu": {"gpu_type": "gh200", "mem_gb": None, "cpus_per_pack": 8},
    "no-accounting": {"account": None, "accounting": False, "ask_gpus_as": "gres", "gpu_type": None},
    "cpu-only": {"partition": "short", "gpus_per_pack": 0, "device": "cpu", "limit_min": 240, "max_submit": 500},
    "federation": {"partition": "gpu", "gpu_type": "a40", "limit_min": 1440},
    "obligatory": {"partition": "a100", "account": "b210ca"},
    "tiny-limits": {"max_array_size": 2, "max_submit": 4, "limit_min": 120},
    "mixed": {"partition": "gpu", "qos": "gpu-short", "limit_min": 480, "max_submit": 50, "gpu_type": None},
    "wrapper": {"partition": "accel", "gpu_type": "v100", "account": "z1234"},
}
TOLD: dict[str, tuple[str, ...]] = {
    "whole-node": ("the partition gives whole nodes", "yours here: hai-act, hai-two"),
    "eight-gpus": (
        "sbatch said of another way to ask",
        "Nodes here are given as a whole: ask for them as --gres=gpu:a100:8\n",
    ),
    "no-accounting": ("# Not learnt: accounts and their limits (the site keeps no accounting)",),
    "federation": ("# Answers come from several clusters; this profile, and all questions, are about north alone.",),
    "tiny-limits": ("the site has no arrays", "at most 2 of your jobs run at a time"),
    "mixed": (
        "course needs a reservation",
        "h200 has no node that is not down or drained",
        "old takes no jobs now",
        "service is for root alone",
        "physics is for the group no-such-group-here",
        "name one of a100, a40 (now down or drained: h100)",
    ),
}


@pytest.fixture(params=WANTED)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_folder_is_a_site_that_is_tried() -> None:
    assert set(WANTED) == {path.name for path in SITES.iterdir()}
    assert len(WANTED) >= 12
    assert all((SITES / name / "README.md").exists() for name in WANTED)


def test_a_profile_is_written_that_the_sites_sbatch_takes(
    name: str, be: Callable[[str], FakeSlurm], tmp_path: Path
) -> None:
    site = be(name)
    file = tmp_path / "lab.yaml"
    done = CliRunner().invoke(main, ["profile", "new", str(file)])
    assert done.exit_code == 0, done.output
    text = file.read_text()
    assert "sbatch --test-only: Job" in done.output, f"{done.output}\n{text}"
    made = load(file)
    assert {key: getattr(made, key) for key in WANTED[name]} == WANTED[name], text
    for words in TOLD.get(name, ()):
        assert words in text
    asked = {command: len(site.calls(command)) for command in ("sinfo", "scontrol", "sacctmgr", "sbatch")}
    assert asked["sinfo"] == 1
    assert asked["scontrol"] == 2
    assert asked["sacctmgr"] <= 2
    assert asked["sbatch"] <= 8
    assert site.jobs() == {}
    checked = preview.submission(find("smoke"), made)
    assert "sbatch --test-only: Job" in checked
    assert bool(re.search(r"in \d+ jobs? of \d+ GPUs", checked)) == (made.jobs == "node")
    if name != "eight-gpus":  # where no job is without eight GPUs
        driver = rehearse(render(made.for_driver(), 1, name="driver", folder=tmp_path).scripts)
        assert driver is not None
        assert not driver.refused, f"{driver.words}\n{text}"


@pytest.mark.slow
def test_a_job_tells_of_its_node_and_a_study_ends_with_nothing_lost_or_doubled(
    name: str, be: Callable[[str], FakeSlurm], tmp_path: Path
) -> None:
    site, path = be(name), tmp_path / "study"
    with nodes(site):
        done = CliRunner().invoke(main, ["profile", "new", "lab.yaml", "--test"])
    assert done.exit_code == 0, done.output
    assert "ran on " in done.output
    tried = len(site.jobs())
    quick = {"poll_min_s": 0.01, "poll_max_s": 0.02, "idle_s": 0.1}
    profile = surroundings.here().for_nodes(load("lab.yaml")).model_copy(update=quick)
    more = ", silu, elu, softplus" if name == "tiny-limits" else ""  # more packs than may be submitted
    study = on_profile(read_study(STUDY.replace("gelu", f"gelu{more}")), "lab.yaml")
    session.make(study, path, ["test"])
    site.refuse("sbatch", LOST, accept=True)
    ticks = 0
    driver = drive(study, path, profile)
    while not driver.done:
        driver.tick()
        ticks += 1
        assert ticks < 60, f"{driver.refused}\n{site.jobs()}"
        if ticks == 1:  # as one that was killed there, and driven again
            driver.close()
            driver = drive(study, path, profile)
        for job in site.waiting():
            assert site.run(job) == 0
        time.sleep(0.03)
    driver.close()
    folds = [fold for trial in driver.state.trials.values() for fold in trial.folds]
    assert len(folds) == (12 if more else 6)
    for fold in folds:
        history = read_fold(path / "trials" / fold)
        assert history.end is not None
        assert history.end.status == "finished"
        assert len(list((path / "trials" / fold).glob("attempt-*"))) == 1, fold
    jobs = list(site.jobs().values())[tried:]
    assert {job["word"] for job in jobs} == {"COMPLETED"}
    assert len(jobs) <= len(folds) // 2, "one for each pack"
    assert site.calls("scancel") == []
    counts = {command: len(site.calls(command)) for command in ("sbatch", "squeue", "sacct", "scontrol")}
    assert counts["sbatch"] <= 8 + tried + len(jobs), counts
    assert counts["squeue"] <= ticks + 5, counts
    assert counts["sacct"] <= 2, counts
    assert counts["scontrol"] <= 2 + 3, counts


def drive(study: Study, path: Path, profile: Profile) -> Driver:
    cluster, node = open_cluster(profile, path / "jobs"), Node(data_root=None, scratch=None, code="")
    return Driver(path, study, cluster, None, node, call="trainer.testing:pretend")


@contextlib.contextmanager
def nodes(site: FakeSlurm) -> Iterator[None]:
    """Starts what waits, until the end of the block."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.05):
            for job in site.waiting():
                site.run(job)

    worker = threading.Thread(target=work)
    worker.start()
    yield
    over.set()
    worker.join()
