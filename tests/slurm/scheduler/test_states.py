"""Slurm's words and refusals, one table each."""

from __future__ import annotations

import os

import pytest

from slurm import processes
from slurm.jobs import RETRY, JobState, Retry, retry
from slurm.scheduler import states
from slurm.scheduler.commands import expand
from slurm.scheduler.sbatch_errors import Meaning, meaning


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("RUNNING", JobState.RUNNING),
        ("R", JobState.RUNNING),
        ("PD", JobState.PENDING),
        ("CG", JobState.RUNNING),
        ("completed", JobState.FINISHED),
        ("CD", JobState.FINISHED),
        ("CANCELLED by 1000", JobState.CANCELLED),
        ("CANCELLED+", JobState.CANCELLED),
        ("CA", JobState.CANCELLED),
        ("OUT_OF_ME+", JobState.OUT_OF_MEMORY),
        ("OOM", JobState.OUT_OF_MEMORY),
        ("NODE_FAIL", JobState.NODE_FAILED),
        ("BOOT_FAIL", JobState.NODE_FAILED),
        ("TIMEOUT", JobState.TIMED_OUT),
        ("TO", JobState.TIMED_OUT),
        ("PREEMPTED", JobState.PREEMPTED),
        ("SUSPENDED", JobState.RUNNING),
        ("REQUEUE_HOLD", JobState.PENDING),
        ("SE", JobState.PENDING),
        ("DEADLINE", JobState.CANCELLED),
        ("RE+", JobState.UNKNOWN),
        ("NEW_WORD", JobState.UNKNOWN),
        ("", JobState.UNKNOWN),
        ("\x00?", JobState.UNKNOWN),
    ],
)
def test_slurms_words(text: str, state: JobState) -> None:
    assert states.read(text) is state


def test_codes_are_unique_and_the_author_is_read() -> None:
    assert len(states.CODES) == len(states.WORDS)
    assert states.author("CANCELLED by 1000") == 1000
    assert states.author("CANCELLED") is None
    assert states.held("SPECIAL_EXIT")
    assert not states.held("PENDING")


def test_every_state_says_whether_a_retry_is_worth_it() -> None:
    assert set(RETRY) == set(JobState)
    assert retry(JobState.PREEMPTED) is Retry.ALWAYS
    assert not JobState.UNKNOWN.over


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("Socket timed out on send/recv operation", Meaning.UNCERTAIN),
        ("Zero Bytes were transmitted or received", Meaning.UNCERTAIN),
        ("Unable to contact slurm controller (connect failure)", Meaning.LATER),
        ("Slurm temporarily unable to accept job, sleeping and retrying", Meaning.LATER),
        ("QOSMaxSubmitJobPerUserLimit\nJob violates accounting/QOS policy (job submit limit)", Meaning.LATER_AND_FEWER),
        ("AssocMaxSubmitJobLimit\nJob violates accounting/QOS policy (job submit limit)", Meaning.LATER_AND_FEWER),
        ("Job violates accounting/QOS policy (job submit limit, user's size and/or time)", Meaning.LATER_AND_FEWER),
        ("QOSMaxWallDurationPerJobLimit\nJob violates accounting/QOS policy (job submit limit)", Meaning.NEVER),
        ("QOSMaxGRESPerJob\nJob violates accounting/QOS policy (job submit limit)", Meaning.NEVER),
        ("Requested node configuration is not available", Meaning.NEVER),
        ("Invalid account or account/partition combination specified", Meaning.NEVER),
        ("invalid partition specified: nowhere", Meaning.NEVER),
        ("Requested time limit is invalid (missing or exceeds some limit)", Meaning.NEVER),
        ("something nobody has seen before", Meaning.NEVER),
    ],
)
def test_refusals(words: str, expected: Meaning) -> None:
    assert meaning(f"sbatch: error: Batch job submission failed: {words}") is expected


@pytest.mark.parametrize(
    ("tasks", "ids"),
    [
        ("N/A", ["7"]),
        ("3", ["7_3"]),
        ("1-3", ["7_1", "7_2", "7_3"]),
        ("[0-1,5%4]", ["7_0", "7_1", "7_5"]),
        ("0-6:3", ["7_0", "7_3", "7_6"]),
        ("4,9", ["7_4", "7_9"]),
    ],
)
def test_lists_of_array_tasks(tasks: str, ids: list[str]) -> None:
    assert list(expand("7", tasks)) == ids


def test_a_process_is_itself_only() -> None:
    me = processes.identify(os.getpid())
    assert me is not None
    assert processes.alive(me)
    assert processes.identify(2**22 + 1) is None
    assert processes.cores() >= 1
    assert processes.memory_gb() > 0.01
