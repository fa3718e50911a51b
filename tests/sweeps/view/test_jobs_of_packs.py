"""Jobs that hold several packs, in words: before a run, and while they run."""

from __future__ import annotations

import pytest

from slurm.jobs import JobReport, JobState
from slurm.profile import parse
from sweeps.driver import waiting
from sweeps.view import jobs_of_packs
from sweeps.view.waiting import lines, running_now, short

HEAD = "executor: slurm\ntime: 60\n"
CASES = [
    (
        "jobs: node\ngpus_per_node: 4\nslots_per_gpu: 2\nmax_jobs: 2\n",
        "at most 36 packs in 2 jobs of 4 GPUs, 2 packs on each GPU: 16 packs at a time; a job takes packs until less "
        "than 60 s are left before it is told to save",
    ),
    ("jobs: pilot\nreserve_s: 300\nmax_jobs: 8\n", "in 8 jobs of 1 GPU, 1 pack on each GPU: 8 packs at a time; a job "
     "takes packs until less than 300 s are left"),
    ("slots_per_gpu: auto\nmax_jobs: 8\n", "in 8 jobs of 1 GPU, as many packs on each GPU as a trial there finds good: "
     "at least 8 packs at a time"),
    ("jobs: node\ngpus_per_node: 8\ngpus_per_pack: 2\n", "in 9 jobs of 8 GPUs, 1 pack on each 2 GPUs: 36 packs at a"),
    ("jobs: node\ngpus_per_pack: 0\ncpus_per_node: 64\ncpus_per_pack: 4\n", "in 3 jobs of 64 cores, 1 pack on each 4 "
     "cores: 36 packs at a time"),
    ("jobs: node\ngpus_per_pack: 0\n", "in jobs of a whole node each (--exclusive, since cpus_per_node does not say "
     "what one has; a pack on each core of it)"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "words"), CASES)
def test_check_says_what_the_jobs_are_and_how_many_packs_run_at_a_time(text: str, words: str) -> None:
    assert words in jobs_of_packs.planned(parse(HEAD + text, source="site.yaml"), 36)


def test_this_machine_is_one_job() -> None:
    words = jobs_of_packs.planned(parse("executor: local\njobs: node\nmem_gb: 0.1\ngpus_per_pack: 0\n", source="x"), 36)
    assert words.startswith("36 packs in 1 job of ")
    assert words.endswith("a job takes packs as long as there are any")


def test_packs_are_told_from_the_jobs_that_hold_them() -> None:
    reports = [JobReport(job=f"a.{n}", state=JobState.RUNNING) for n in range(12)]
    reports += [JobReport(job=f"b.{n}", state=JobState.PENDING, reason="Priority") for n in range(40)]
    seen = waiting.of(reports, 100.0, on_jobs=3)
    assert running_now(seen.on_jobs, seen.running, seen.waiting) == "3 jobs running, 12 packs on them, 40 waiting"
    assert short(seen) == "40 packs waiting: Priority"
    assert lines(seen, alive=True, now=100.0)[0].startswith("3 jobs running, 12 packs on them, 40 waiting, as its")
    assert waiting.together([seen, seen]).on_jobs == 3  # the studies of a suite share them
    assert running_now(1, 2, 0) == "1 job running, 2 packs on it, 0 waiting"
    assert running_now(None, 12, 40) == "12 jobs running, 40 waiting"
