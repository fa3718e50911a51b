"""Slurm's words for the state of a job, and ours."""

from __future__ import annotations

import re
from collections.abc import Sequence

from slurm.jobs import JobState

WORDS: dict[str, tuple[str, JobState]] = {
    # Slurm's long word: (its compact code, ours)
    "BOOT_FAIL": ("BF", JobState.NODE_FAILED),
    "CANCELLED": ("CA", JobState.CANCELLED),
    "COMPLETED": ("CD", JobState.FINISHED),
    "COMPLETING": ("CG", JobState.RUNNING),  # its end, or its requeue, is not settled yet
    "CONFIGURING": ("CF", JobState.PENDING),
    "DEADLINE": ("DL", JobState.CANCELLED),  # will never start: its deadline has passed
    "FAILED": ("F", JobState.FAILED),
    "LAUNCH_FAILED": ("LF", JobState.NODE_FAILED),
    "NODE_FAIL": ("NF", JobState.NODE_FAILED),
    "OUT_OF_MEMORY": ("OOM", JobState.OUT_OF_MEMORY),
    "PENDING": ("PD", JobState.PENDING),
    "POWER_UP_NODE": ("PN", JobState.PENDING),
    "PREEMPTED": ("PR", JobState.PREEMPTED),
    "RECONFIG_FAIL": ("RG", JobState.NODE_FAILED),
    "REQUEUED": ("RQ", JobState.PENDING),
    "REQUEUE_FED": ("RF", JobState.PENDING),
    "REQUEUE_HOLD": ("RH", JobState.PENDING),
    "RESIZING": ("RS", JobState.RUNNING),
    "RESV_DEL_HOLD": ("RD", JobState.PENDING),
    "REVOKED": ("RV", JobState.UNKNOWN),  # runs under another cluster of the federation
    "RUNNING": ("R", JobState.RUNNING),
    "SIGNALING": ("SI", JobState.RUNNING),
    "SPECIAL_EXIT": ("SE", JobState.PENDING),  # requeued and held
    "STAGE_OUT": ("SO", JobState.RUNNING),
    "STOPPED": ("ST", JobState.RUNNING),
    "SUSPENDED": ("S", JobState.RUNNING),
    "TIMEOUT": ("TO", JobState.TIMED_OUT),
}
HELD = ("REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD")
CODES = {code: word for word, (code, _) in WORDS.items()}

FLAGS = (
    *("COMPLETING", "STAGE_OUT", "CONFIGURING", "RESIZING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT"),
    *("STOPPED", "REVOKED", "RESV_DEL_HOLD", "SIGNALING"),
)
"""What Slurm adds to a state; in text it says the first of these instead of the state."""

NO_BASE = (*FLAGS, "LAUNCH_FAILED", "RECONFIG_FAIL", "POWER_UP_NODE")
"""Beside a state they say how it came to be."""

ACTION: dict[JobState, str] = {
    JobState.CANCELLED: "cancelled by another, or its deadline passed; resume the study to submit it again",
    JobState.NODE_FAILED: "the node failed",
    JobState.PREEMPTED: "made way for a job of higher priority",
}


def read(text: str) -> JobState:
    """Our state for Slurm's word: long or compact, cut off ("CANCELLED+") or with its author ("CANCELLED by 1000").

    UNKNOWN for a word that no known Slurm uses.
    """
    return WORDS.get(word(text), ("", JobState.UNKNOWN))[1]


def word(text: str) -> str:
    """Slurm's own long word in ``text``, upper case; what is not one is given back as it is."""
    found = re.match(r"\s*([A-Za-z_]+)", text)
    bare = found.group(1).upper() if found else text
    if bare in CODES:
        return CODES[bare]
    if bare not in WORDS and text.rstrip().endswith("+"):
        longer = [known for known in WORDS if known.startswith(bare)]
        return longer[0] if len(longer) == 1 else bare
    return bare


def of_list(words: Sequence[object]) -> str:
    """The word that the text form has for a list of words (a state, and what is added to it)."""
    said = [word(str(each)) for each in words]
    base = next((each for each in said if each in WORDS and each not in NO_BASE), "")
    return next((flag for flag in FLAGS if flag in said), base or (said[0] if said else ""))


def unknown(text: str) -> str:
    """What to say of a word that none of our states means."""
    if word(text) == "REVOKED":
        return (
            "Slurm says REVOKED: another cluster of the federation started it, whose jobs are not seen here; cancel it "
            "there, and ask the site how jobs stay on this cluster"
        )
    return f"Slurm says {text}"


def author(text: str) -> int | None:
    """Number of the user who cancelled the job, where Slurm says it ("CANCELLED by 1000")."""
    found = re.search(r"\bby (\d+)", text)
    return int(found.group(1)) if found else None


def held(text: str) -> bool:
    """Whether the job waits for somebody to release it."""
    return word(text) in HELD
