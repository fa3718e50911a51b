"""srun for one worker on one node of the job: its options, and what its words mean.

The words are data: ``srun_answers.csv``, a pattern, an example and its source a line; the first pattern found counts.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Collection
from pathlib import Path

from slurm import word_table
from slurm.allocation.enclosing import Allocation, Node
from slurm.jobs import JobState
from slurm.word_table import Known

NOISE = ("lacks support for cpu binding", "Force Terminated StepId", "Waiting up to")
"""What srun says where nothing is wrong, or after it said what is."""


class Meaning(enum.Enum):
    """What srun's last words say of a step that left no result."""

    WITHOUT_OVERLAP = "without overlap"
    """It is too old for --overlap, and then steps overlap by themselves."""
    WITHOUT_GPUS = "without gpus"
    """It does not give GPUs that are asked for by number; a step gets the job's by itself."""
    AGAIN = "again"
    OVER = "over"
    """The job is over."""
    TIME_IS_UP = "time is up"
    NODE_FAILED = "node failed"
    PREEMPTED = "preempted"
    OUT_OF_MEMORY = "out of memory"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


STATES = {
    Meaning.OVER: JobState.PREEMPTED,
    Meaning.TIME_IS_UP: JobState.TIMED_OUT,
    Meaning.NODE_FAILED: JobState.NODE_FAILED,
    Meaning.PREEMPTED: JobState.PREEMPTED,
    Meaning.OUT_OF_MEMORY: JobState.OUT_OF_MEMORY,
    Meaning.CANCELLED: JobState.CANCELLED,
    Meaning.AGAIN: JobState.NODE_FAILED,
}
"""How a step that had begun ended; FAILED by any other words."""
OTHERWISE = {Meaning.WITHOUT_OVERLAP, Meaning.WITHOUT_GPUS}
"""A step that has not begun is started in another form."""


def known() -> tuple[Known[Meaning], ...]:
    """All that srun is known to say, in the order in which it is looked for."""
    return word_table.read("slurm.allocation", "srun_answers.csv", Meaning)


def meaning(words: str) -> Meaning:
    """What srun's words mean; UNKNOWN where nobody knows it."""
    found = word_table.find(known(), words)
    return found.means if found is not None else Meaning.UNKNOWN


def words_of(log: str) -> str:
    """The last line of srun's own output that says something, without the name in front; "" for none."""
    lines = [line.strip() for line in log.splitlines() if line.strip() and not any(each in line for each in NOISE)]
    return re.sub(r"^srun: (error: )?", "", lines[-1]) if lines else ""


def command(allocation: Allocation, node: Node, *, name: str, log: Path, without: Collection[Meaning]) -> list[str]:
    """Words that start one task on the node with all that the job has of it, whatever else runs there. Its output goes
    to ``log``, written on the node: nothing of it hangs on srun."""
    words = ["srun", f"--jobid={allocation.id}", "--nodes=1", "--ntasks=1", f"--nodelist={node.name}"]
    words += [f"--job-name={name}", "--export=ALL", "--cpu-bind=none", "--kill-on-bad-exit=0", "--mpi=none"]
    words += [f"--output={str(log).replace('%', '%%')}".replace("_0_log.out", "_%t_log.out"), "--input=none"]
    if Meaning.WITHOUT_OVERLAP not in without:
        words.append("--overlap")
    if node.gpus and Meaning.WITHOUT_GPUS not in without:
        words.append(f"--gres=gpu:{node.gpus}")  # a job that has the node alone gives its steps no GPU unasked
    return words
