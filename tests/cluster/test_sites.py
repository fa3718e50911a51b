"""What profiles ask for as sites want it, against the real parser of sbatch, and a setup that fails on a real node."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from slurm.jobs import JobReport, JobState
from slurm.profile import Profile, load, parse
from slurm.scheduler.cluster import SlurmCluster, render
from slurm.scheduler.rehearsal import rehearse
from slurm.testing import FakeSlurm
from sweeps.cli.main import main

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("dev")]

TAKEN = (
    "",
    "mem_gb: null",
    "mem_per_cpu_gb: 0.5\ncpus_per_pack: 2",
    "mem_per_gpu_gb: 1\ngpus_per_pack: 2",
    "ask_gpus_as: gpus\ngpus_per_pack: 2",
    "ask_gpus_as: gpus-per-task",
    "ask_gpus_as: gres\ngpus_per_pack: 2",
    "exclude: [gpu1, 'gpu[2-3]']",
    "sbatch: {nodelist: gpu2, exclusive: true, comment: a b, begin: now+1hour, nice: 10, dependency: singleton}",
    "sbatch: {export: NONE}",
    "sbatch: {exclusive: user}",
    "sbatch: {dependency: 'afterok:1'}",
    "sbatch: {mail-type: FAIL, wckey: x, hint: nomultithread}",
)
REFUSED = {
    "sbatch: {reservation: nope}": "Requested reservation is invalid",
    "sbatch: {licenses: matlab}": "Invalid license specification",
    "gres: [lscratch:50]": "Invalid generic resource",
    "gpu_type: a100": "Requested node configuration is not available",
    "mem_gb: 400": "Requested node configuration is not available",
    "sbatch: {no-such-option: 3}": "unrecognized option",
    "constraint: x": "Invalid feature specification",
}


def scripts(text: str, folder: Path) -> tuple[str, ...]:
    profile = parse(f"executor: slurm\ntime: 60\npartition: main\n{text}\n", source="lab.yaml")
    return render(profile, 2, name="say", folder=folder).scripts


def test_the_real_sbatch_takes_what_profiles_write_and_refuses_with_its_words(tmp_path: Path) -> None:
    for text in TAKEN:
        answer = rehearse(scripts(text, tmp_path))
        assert answer is not None
        assert not answer.refused, f"{text}: {answer.words}"
        assert "to start at" in answer.words
    for text, words in REFUSED.items():
        answer = rehearse(scripts(text, tmp_path))
        assert answer is not None
        assert answer.refused, f"{text}: {answer.words}"
        assert words in answer.words


WRONG = (
    *REFUSED,
    "gpus_per_pack: 5",
    "cpus_per_pack: 99",
    "ask_gpus_as: gpus\ngpus_per_pack: 9",
    "ask_gpus_as: gres\ngpu_type: v100",
    "exclude: [gpu9]",
    "sbatch: {nodelist: gpu9}",
    "sbatch: {reservation: course}",
    "sbatch: {stepmgr: true}",
)


def test_a_fake_of_this_cluster_takes_and_refuses_as_it_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "dev"
    folder.mkdir()
    columns = "%P|%a|%l|%D|%c|%m|%G|%f|%F|%N"
    told = {"sinfo.txt": ["sinfo", "--exact", f"--format={columns}"], "config.txt": ["scontrol", "show", "config"]}
    told["partitions.txt"] = ["scontrol", "show", "partition"]
    for name, words in told.items():
        (folder / name).write_text(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    real = {text: rehearse(scripts(text, tmp_path)) for text in (*TAKEN, *WRONG)}
    fake = FakeSlurm(tmp_path / "slurm")
    monkeypatch.setenv("PATH", f"{fake.install()}:{os.environ['PATH']}")
    fake.be(folder)
    for text, said in real.items():
        mine = rehearse(scripts(text, tmp_path))
        assert mine is not None
        assert said is not None
        assert mine.refused == said.refused, f"{text}: {mine.words}, really {said.words}"
        if said.refused:
            assert mine.words.replace("allocation failure: ", "") == said.words.replace("allocation failure: ", "")


def test_a_reservation_that_is_there_is_taken(tmp_path: Path) -> None:
    made = ["scontrol", "create", "reservation=course", "starttime=now", "duration=60", "user=root", "nodes=gpu4"]
    subprocess.run(made, check=True, capture_output=True)
    try:
        answer = rehearse(scripts("sbatch: {reservation: course}", tmp_path))
    finally:
        subprocess.run(["scontrol", "delete", "reservation=course"], check=True, capture_output=True)
    assert answer is not None
    assert "on nodes gpu4" in answer.words


def test_a_setup_that_fails_ends_the_job_with_its_words(
    profile: Profile,
    stand_in: str,
    folds: Callable[..., list[Any]],
    wait: Callable[..., dict[str, JobReport]],
    tmp_path: Path,
) -> None:
    broken = profile.model_copy(update={"setup": ("echo first", "module load no-such-module")})
    cluster = SlurmCluster(broken, tmp_path)
    (fold,) = folds(1)
    (report,) = wait(cluster, cluster.submit(stand_in, [fold.text(0.1)], name="setup", folder=tmp_path)).values()
    assert report.state is JobState.FAILED
    assert "setup of the profile failed with status 127: module load no-such-module" in report.reason
    assert fold.attempts() == 0


def test_a_site_that_exports_nothing_still_gives_the_step_its_variables(
    profile: Profile,
    stand_in: str,
    folds: Callable[..., list[Any]],
    wait: Callable[..., dict[str, JobReport]],
    tmp_path: Path,
) -> None:
    own = {"PYTHONPATH": os.environ["PYTHONPATH"]}  # as a study's surroundings are handed to its jobs
    bare = profile.model_copy(update={"sbatch": {"export": "NONE"}, "environment": own})
    cluster = SlurmCluster(bare, tmp_path)
    (fold,) = folds(1)
    (report,) = wait(cluster, cluster.submit(stand_in, [fold.text(0.1)], name="bare", folder=tmp_path)).values()
    assert report.state is JobState.FINISHED, report.reason
    assert fold.done_exactly_once()


def test_a_profile_for_the_site_is_written_and_tried(tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    done = CliRunner().invoke(main, ["profile", "new", str(file), "--test"])
    assert done.exit_code == 0, done.output
    assert "sbatch --test-only: Job" in done.output
    assert "Python 3" in done.output, done.output
    assert "GPUs: device " in done.output
    made = load(file)
    assert (made.partition, made.gpus_per_pack, made.max_array_size) == ("main", 1, 1001)
    again = CliRunner().invoke(main, ["profile", "new", str(file)])
    assert again.exit_code == 2
    assert "is there already" in again.output
