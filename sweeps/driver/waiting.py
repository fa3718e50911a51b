"""What the jobs of a study wait for, by what the cluster says of them; and the file by which a driver lets others know
that, and whether MLflow takes what it is sent.

The file decides nothing and is missed by nobody: a driver that cannot write it goes on.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from slurm.jobs import Cluster, HoldsSeveral, JobReport, JobState
from sweeps.folder.layout import write_aside

FILE = "waiting.json"
SCHEMA = 1
RUNNING = (JobState.RUNNING,)
WAITING = (JobState.PENDING, JobState.UNKNOWN)
"""Held ones too; and those of which the cluster has not said how they stand: they are not known to run."""
NAMED = 5
AT_MOST_EVERY_S, ANEW_AFTER_S = 5.0, 60.0
"""How soon the file is written again after a change, and how old it gets without one."""


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why some of the jobs wait."""

    count: int
    words: str
    """As :attr:`slurm.jobs.JobReport.reason` has it: the scheduler's name for it, what that means, what to do."""
    jobs: tuple[str, ...] = ()
    """The first of them, by the scheduler's ids; none where these are not a scheduler's."""

    @property
    def name(self) -> str:
        return _name(self.words)


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """How the jobs of a study stood."""

    time: float = 0.0
    """When this was seen, in seconds since 1970."""
    running: int = 0
    waiting: int = 0
    reasons: tuple[Reason, ...] = ()
    """The most frequent first; of jobs of which nothing was said yet, none."""
    expected_start: float | None = None
    """The earliest that the scheduler expects of any of them, in seconds since 1970."""
    trouble: str = ""
    """What keeps it from being known, or kept the last submission back; "" for nothing."""
    tracking: str = ""
    """What keeps MLflow from being complete; "" for nothing."""
    on_jobs: int | None = None
    """Jobs that run, where a job holds several packs: then ``running`` and ``waiting`` count packs. None: each pack is
    a job."""


NOTHING = Waiting()


def of(
    reports: Iterable[JobReport],
    time: float = 0.0,
    trouble: str = "",
    *,
    tracking: str = "",
    on_jobs: int | None = None,
) -> Waiting:
    """Jobs that wait for the same are one reason, whatever is added to it ("ReqNodeNotAvail, UnavailableNodes:n3")."""
    known = list(reports)
    waiting = [report for report in known if report.state in WAITING]
    grouped: dict[str, list[JobReport]] = {}
    for report in waiting:
        if report.reason:
            grouped.setdefault(_name(report.reason), []).append(report)
    starts = [report.expected_start for report in waiting if report.expected_start is not None]
    return Waiting(
        time=time,
        running=sum(report.state in RUNNING for report in known),
        waiting=len(waiting),
        reasons=tuple(sorted(map(_reason, grouped.values()), key=lambda reason: (-reason.count, reason.words))),
        expected_start=min(starts, default=None),
        trouble=trouble,
        tracking=tracking,
        on_jobs=on_jobs,
    )


def jobs_running(cluster: Cluster) -> int | None:
    """Of a cluster whose jobs hold several packs; None for one where each pack is a job."""
    workers = cluster.workers() if isinstance(cluster, HoldsSeveral) else None
    return None if workers is None else workers[JobState.RUNNING]


def together(several: Iterable[Waiting]) -> Waiting:
    """Of several studies; as old as the oldest of what was seen."""
    known = list(several)
    grouped: dict[str, list[Reason]] = {}
    for reason in (reason for each in known for reason in each.reasons):
        grouped.setdefault(reason.name, []).append(reason)
    reasons = [
        Reason(
            count=sum(each.count for each in alike),
            words=max(alike, key=lambda each: each.count).words,
            jobs=tuple(job for each in alike for job in each.jobs)[:NAMED],
        )
        for alike in grouped.values()
    ]
    starts = [each.expected_start for each in known if each.expected_start is not None]
    return Waiting(
        time=min((each.time for each in known if each.time), default=0.0),
        running=sum(each.running for each in known),
        waiting=sum(each.waiting for each in known),
        reasons=tuple(sorted(reasons, key=lambda reason: (-reason.count, reason.words))),
        expected_start=min(starts, default=None),
        trouble=_once(each.trouble for each in known),
        tracking=_once(each.tracking for each in known),
        on_jobs=max((each.on_jobs for each in known if each.on_jobs is not None), default=None),  # they share them
    )


def _once(said: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(filter(None, said)))


def _name(words: str) -> str:
    return re.split(r"[,:;(]", words, maxsplit=1)[0].strip()


def _reason(alike: list[JobReport]) -> Reason:
    said = [report.reason for report in alike]
    ids = [report.job for report in alike if re.fullmatch(r"\d+(_\d+)?", report.job)]
    return Reason(count=len(alike), words=max(dict.fromkeys(said), key=said.count), jobs=tuple(ids[:NAMED]))


class Keeper:
    """Keeps the file of a study's folder up to date."""

    def __init__(self, folder: Path, clock: Callable[[], float]) -> None:
        self._path, self._clock = folder / FILE, clock
        self._last: Waiting | None = None

    def note(
        self, reports: Iterable[JobReport], trouble: str, on_jobs: int | None = None, *, tracking: str = ""
    ) -> None:
        now, last = self._clock(), self._last
        found = of(reports, now, trouble, tracking=tracking, on_jobs=on_jobs)
        if last is not None:
            gone = now - last.time
            same = dataclasses.replace(last, time=now) == found
            if 0 <= gone < (ANEW_AFTER_S if same else AT_MOST_EVERY_S) or (same and not found.waiting and not tracking):
                return
        self._last = found
        with contextlib.suppress(OSError):
            write_aside(self._path, json.dumps({"schema": SCHEMA, **dataclasses.asdict(found)}))


def read(folder: Path) -> Waiting | None:
    """What the folder's driver last saw; None where that is not known."""
    try:
        raw = json.loads((folder / FILE).read_text(encoding="utf-8"))
        if raw.pop("schema") != SCHEMA:
            return None
        reasons = tuple(Reason(**{**reason, "jobs": tuple(reason["jobs"])}) for reason in raw.pop("reasons"))
        return Waiting(**raw, reasons=reasons)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
