"""Slurm's words and refusals, one table each."""

from __future__ import annotations

import os
import re
from fnmatch import fnmatchcase

import pytest

from slurm import processes
from slurm.jobs import RETRY, JobState, Retry, retry
from slurm.scheduler import sbatch_errors, states, waiting
from slurm.scheduler.sbatch_errors import Meaning, meaning
from slurm.scheduler.squeue import expand


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


@pytest.mark.parametrize("line", sbatch_errors.known(), ids=lambda line: line.example[:40])
def test_every_line_of_the_table_is_reached_by_its_example(line: sbatch_errors.Known) -> None:
    assert re.search(line.pattern, line.example.lower()), "its own pattern finds it"
    assert meaning(f"sbatch: error: Batch job submission failed: {line.example}") is line.means
    assert meaning(line.example.upper()) is line.means
    assert line.source


def test_an_answer_that_was_lost_is_looked_for_and_a_question_that_was_never_sent_is_not() -> None:
    assert meaning("sbatch: error: Unable to contact slurm controller (receive failure)") is Meaning.UNCERTAIN
    assert meaning("sbatch: error: Unable to contact slurm controller (connect failure)") is Meaning.LATER
    assert meaning("sbatch: fatal: Could not establish a configuration source") is Meaning.LATER


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("Priority", "Priority: waits behind jobs of higher priority"),
        ("QOSMaxGRESPerUser", "the QOS gives each user no more at a time; max_jobs in the profile"),
        ("AssocGrpGRES", "the account has as much running as it may at a time"),
        ("AssocMaxCpuPerJobLimit", "asks for more than the account gives one job; ask for less"),
        ("(launch failed requeued held)", "could not be started on its node and is held; `scontrol release JOB`"),
        (
            "ReqNodeNotAvail, UnavailableNodes:gpu[3-4]",
            "ReqNodeNotAvail, UnavailableNodes:gpu[3-4]: nodes that it could",
        ),
        ("JobHeldAdmin", "held by the site; ask the site"),
        ("SomethingNew", "SomethingNew"),
        ("", ""),
    ],
)
def test_why_a_job_waits_is_said_with_what_to_do(reason: str, words: str) -> None:
    assert words in waiting.explained(reason)


@pytest.mark.parametrize("state", states.HELD)
@pytest.mark.parametrize("reason", ["", "BeginTime", "JobHeldUser", "JobHeldAdmin", "(launch failed requeued held)"])
def test_a_held_job_is_said_to_be_held_with_what_to_do(state: str, reason: str) -> None:
    assert states.read(state) is JobState.PENDING
    said = waiting.explained(reason, state)
    assert "held" in said
    assert "; " in said, "what to do"
    if "eld" in reason:  # the more exact of the two
        assert said == waiting.explained(reason)


SLURMS_REASONS = """
Prolog Priority Dependency Resources PartitionNodeLimit PartitionTimeLimit PartitionDown PartitionInactive
JobHeldAdmin JobHeldUser BeginTime Licenses AssociationJobLimit AssociationResourceLimit AssociationTimeLimit
Reservation ReqNodeNotAvail FrontEndDown SchedDefer NodeDown BadConstraints SystemFailure JobLaunchFailure
NonZeroExitCode RaisedSignal TimeLimit InactiveLimit InvalidAccount InvalidQOS QOSUsageThreshold QOSJobLimit
QOSResourceLimit QOSTimeLimit Cleaning QOSNotAllowed AccountNotAllowed DependencyNeverSatisfied QOSGrpCpuLimit
QOSGrpCPUMinutesLimit QOSGrpCPURunMinutesLimit QOSGrpJobsLimit QOSGrpWallLimit QOSMaxCpuPerJobLimit
QOSMaxWallDurationPerJobLimit QOSMaxJobsPerUserLimit QOSMaxSubmitJobPerUserLimit QOSMinCpuNotSatisfied
AssocGrpCpuLimit AssocGrpCPUMinutesLimit AssocGrpJobsLimit AssocGrpWallLimit AssocMaxJobsLimit AssocMaxCpuPerJobLimit
AssocMaxSubmitJobLimit JobHoldMaxRequeue JobArrayTaskLimit BurstBufferResources BurstBufferStageIn
BurstBufferOperation PowerNotAvail PowerReserved AssocMaxMemPerNode AssocGrpGRES AssocGrpGRESMinutes
AssocGrpGRESRunMinutes AssocMaxGRESPerJob AssocMaxGRESPerNode AssocMaxGRESMinutesPerJob QOSGrpGRES QOSGrpGRESMinutes
QOSGrpGRESRunMinutes QOSMaxGRESPerJob QOSMaxGRESPerNode QOSMaxGRESPerUser QOSMaxGRESMinutesPerJob QOSMinGRES DeadLine
MaxCpuPerAccount MaxGRESPerAccount MaxJobsPerAccount MaxSubmitJobsPerAccount PartitionConfig AccountingPolicy
FedJobLock OutOfMemory MaxMemPerLimit AssocGrpBilling AssocGrpBillingMinutes QOSMaxBillingPerUser QOSMinBilling
ReservationDeleted ReservationInvalid Constraints
"""
"""Of job_state_reason.c of Slurm 25.05, each kind."""


@pytest.mark.parametrize("reason", SLURMS_REASONS.split())
def test_every_reason_that_slurm_has_is_explained(reason: str) -> None:
    assert waiting.explained(reason).startswith(f"{reason}: ")


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("AssocGrpGRESMinutes", "has used up the time that it was given"),
        ("AssocGrpCPURunMinutesLimit", "a lower time in the profile"),
        ("AssocMaxGRESPerNode", "asks for more than the account gives one job"),
        ("AssocMaxNodePerJobLimit", "asks for more than the account gives one job"),
        ("AssocMaxNodeMinutesPerJob", "asks for more device time"),
        ("QOSMaxNodePerUserLimit", "gives each user no more at a time"),
        ("QOSMaxCpuPerNode", "asks for more than the QOS gives one job"),
    ],
)
def test_limits_are_told_apart(reason: str, words: str) -> None:
    assert words in waiting.explained(reason)


def test_the_parts_of_an_explanation_are_told_apart_by_their_marks() -> None:
    for reason, words, do in waiting.known():
        assert words, reason
        assert "; " not in words, reason
        assert not set(",:;(") & set(reason.replace("Per[JN]o", "")), reason
        assert do == do.strip()


def test_what_is_narrower_stands_above_what_it_is_part_of() -> None:
    reasons = [reason for reason, _, _ in waiting.known()]
    for index, reason in enumerate(reasons):
        shadowed = [later for later in reasons[index + 1 :] if fnmatchcase(later, reason)]
        assert not shadowed, f"{reason} hides {shadowed}"


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
