"""What sbatch's words mean: try later, change something, or nobody knows whether it took the job."""

from __future__ import annotations

import enum
import re


class Meaning(enum.Enum):
    """What is to be done after sbatch said no."""

    LATER = "later"
    LATER_AND_FEWER = "later and fewer"
    """A limit of submitted jobs: the same number is refused again."""
    UNCERTAIN = "uncertain"
    """The connection broke: the job may be there."""
    NEVER = "never"


UNCERTAIN = (
    r"socket timed out",
    r"timed out",
    r"zero bytes were transmitted",
    r"transport endpoint",
    r"connection reset",
    r"broken pipe",
    r"unexpected message received",
    r"could not make sense of sbatch output",
)
FEWER = (r"max\w*submit\w*", r"maxjobs?count", r"maximum number of jobs", r"too many (jobs|tasks)")
LATER = (
    r"unable to contact slurm",
    r"controller not responding",
    r"connection refused",
    r"temporarily (unable|unavailable)",
    r"rate limit",
    r"too many requests",
    r"try again",
    r"please (retry|wait)",
    r"resource temporarily",
    r"system (is )?in (a )?maintenance",
    r"slurmctld.*(restart|backup|standby)",
    r"munge|protocol authentication",
    r"no route to host|network is (down|unreachable)",
    r"required partition not available",
)
PER_JOB = r"(assoc|qos|part)\w*(max|min)\w*(perjob|wall|pernode)\w*"
POLICY = r"accounting/qos policy"


def meaning(words: str) -> Meaning:
    """What sbatch's error means.

    "Job violates accounting/QOS policy" covers both a full queue and an impossible request; Slurm names the limit in
    the line before, and where it does not, a full queue is the likelier of the two.
    """
    text = words.lower()
    if _has(text, FEWER):
        return Meaning.LATER_AND_FEWER
    if re.search(POLICY, text):
        return Meaning.NEVER if re.search(PER_JOB, text) else Meaning.LATER_AND_FEWER
    if _has(text, UNCERTAIN):
        return Meaning.UNCERTAIN
    return Meaning.LATER if _has(text, LATER) else Meaning.NEVER


def _has(text: str, patterns: tuple[str, ...]) -> bool:
    return any(re.search(pattern, text) for pattern in patterns)
