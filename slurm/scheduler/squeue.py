"""What squeue says, in either of its forms.

Text: one line a job, in columns that we name. JSON: where squeue keeps to ``--user``, ``--name`` and ``--states`` with
it, which its sources do from 24.05 on; 21.08 to 22.05 print the jobs of all users whatever is asked for, and what lies
between is not known. Both forms cost slurmctld the same question; but in 22.05 each of 300 jobs is 40 bytes of text or
3,200 of JSON, for which squeue takes 0.02 or 0.15 s (``tests/bench/bench_squeue.py``; 8,000 bytes in 23.11). So the
text form is gone back to where JSON is slow or cannot be read.

The shape of the JSON changed with the data parsers (v0.0.37 to v0.0.43): a state is a word or a list of words, a number
is plain or ``{"set": true, "infinite": false, "number": 7}``.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from slurm.scheduler import states

JSON_FROM = (24, 5)
COLUMNS = "%F|%K|%T|%N|%j|%S|%r"
NOTICE = re.compile(r"\s*([|+*#=~!<>-][^|]*\s.*|[^\d|][^|]*\s[^|]*\s[^|]*)$")
"""A line of a box, or a sentence: rows of ours have no blanks but in their reason."""
NO_VALUE = 0xFFFF_FFFD
"""Slurm's numbers for "none" and "no limit" begin here."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One job, or one task of an array, as squeue or sacct has it."""

    job: str
    name: str
    word: str
    node: str | None
    reason: str = ""
    start: float | None = None
    """When it began, or is expected to begin, in seconds since 1970; None where nobody says."""


@dataclass(frozen=True, kw_only=True)
class Queue:
    """What squeue said."""

    rows: tuple[Row, ...] = ()
    whole: bool
    """Whether all of it could be read: then a job that is not among the rows is really gone."""
    problem: str = ""
    """What could not be read, or why there was no answer."""


def version(text: str) -> tuple[int, int] | None:
    """``(24, 5)`` of "slurm 24.05.2", or of "slurm-wlm 22.05.8"; None of anything else."""
    found = re.search(r"\bslurm\S*\s+(\d+)\.(\d+)", text, flags=re.IGNORECASE)
    return (int(found.group(1)), int(found.group(2))) if found else None


def read_text(out: str) -> Queue:
    """Of lines in :data:`COLUMNS`. A notice (of a site, of a wrapper) is no row; another line that makes no sense may
    have been one."""
    rows: list[Row] = []
    problem = ""
    for line in out.splitlines():
        head, bar, tail = line.rpartition("|")
        parts = head.split("|", 4)
        if not bar or len(parts) != 5 or not parts[0].strip().isdecimal():
            torn = line.strip() and (bool(rows) or "|" in line or line.strip()[:1].isdecimal())
            problem = line.strip()[:200] if torn and not NOTICE.match(line) else problem
            continue
        root, tasks, word, node, rest = (part.strip() for part in parts)
        name, bar, start = rest.rpartition("|")
        name, start = (name, start) if bar else (rest, "")  # a wrapper that knows no times
        reason = "" if tail.strip() in ("None", "(None)") else tail.strip()
        rows += [
            Row(job=job, name=name, word=word, node=node or None, reason=reason, start=moment(start))
            for job in expand(root, tasks)
        ]
    return Queue(rows=tuple(newest(rows)), whole=not problem, problem=problem)


def moment(text: str) -> float | None:
    """Seconds since 1970 of a time as Slurm writes it: in these, or else in the zone of this machine."""
    text = text.strip()
    if text.isdecimal():
        return float(text) or None
    try:
        return datetime.datetime.fromisoformat(text).timestamp()
    except ValueError:  # N/A, Unknown, None, and whatever a site makes of it
        return None


def read_json(out: str, user: int) -> Queue | None:
    """None for what is not squeue's JSON, or is about the jobs of others as well: then it does not keep to what it was
    asked. A notice before it is passed over."""
    begin = re.search(r"^\{", out, flags=re.MULTILINE)
    if begin is None:
        return None
    try:
        told, _ = READER.raw_decode(out, begin.start())
        if not isinstance(told, dict) or not isinstance(told.get("jobs"), list):
            return None
        jobs: list[_Told] = told["jobs"]
        if any(not isinstance(job, _Told) or job.user not in (None, user) for job in jobs):
            return None
        rows = [row for job in jobs for row in job.rows()]
    except (ValueError, TypeError, AttributeError):
        return None
    problem = "; ".join(str(error)[:200] for error in told.get("errors") or ())
    return Queue(rows=tuple(newest(rows)), whole=not problem, problem=problem)


@dataclass(frozen=True, kw_only=True)
class _Told:
    """A job of the JSON, or the waiting tasks of an array."""

    root: str
    tasks: str
    user: int | None
    row: Row

    def rows(self) -> Iterator[Row]:
        for job in expand(self.root, self.tasks):
            yield dataclasses.replace(self.row, job=job)


def _reduced(raw: dict[str, Any]) -> Any:
    if "number" in raw and "set" in raw:
        return raw["number"] if raw["set"] and not raw.get("infinite") else None
    return _told(raw) if "job_id" in raw and "job_state" in raw else raw


READER = json.JSONDecoder(object_hook=_reduced)
"""Keeps only what is needed of each job while the rest is read."""


def _told(raw: dict[str, Any]) -> _Told:
    words = raw["job_state"]
    array, task = _number(raw.get("array_job_id")), _number(raw.get("array_task_id"))
    reason = str(raw.get("state_reason") or "")
    row = Row(
        job="",
        name=str(raw.get("name") or ""),
        word=states.of_list(words) if isinstance(words, list) else str(words),
        node=str(raw.get("nodes") or "") or None,
        reason="" if reason == "None" else reason,
        start=_number(raw.get("start_time")) or None,
    )
    tasks = str(raw.get("array_task_string") or "") if task is None else str(task)
    return _Told(root=str(array or _number(raw["job_id"])), tasks=tasks, user=_number(raw.get("user_id")), row=row)


def _number(value: object) -> int | None:
    known = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < NO_VALUE
    return int(str(value)) if known else None


def expand(root: str, tasks: str) -> Iterator[str]:
    """Ids that an array's id and a list of its tasks stand for: "5-7,9%4" or "[5-7,9%4]"; no tasks, the id itself."""
    listed = tasks.strip("[]").partition("%")[0]
    if not re.fullmatch(r"\d+(-\d+)?(:\d+)?(,\d+(-\d+)?(:\d+)?)*", listed):
        yield root
        return
    for part in listed.split(","):
        bounds, _, step = part.partition(":")
        first, _, last = bounds.partition("-")
        for task in range(int(first), int(last or first) + 1, int(step or 1)):
            yield f"{root}_{task}"


def newest(rows: Iterable[Row]) -> list[Row]:
    """One row per job: the last, which is the newest run of a requeued one."""
    return list({row.job: row for row in rows}.values())
