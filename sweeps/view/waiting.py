"""Why jobs wait, in words: short beside a table or in a line, in full in ``status``."""

from __future__ import annotations

import datetime
import time

from sweeps.driver.waiting import NAMED, Reason, Waiting
from sweeps.wording import counted, duration, jobs

GUESS = "the scheduler's guess, which moves as jobs come and go"
NEWS_AGAIN_S = 600.0


def short(waiting: Waiting, now: float | None = None) -> str:
    """``15 jobs waiting: 12 Priority; 3 QOSMaxGRESPerUser: the QOS gives ...``, with what a reason means where a person
    can do something about it; "" where nothing waits, or nobody said why. ``now``: seconds since 1970."""
    parts = [f"{reason.count} {_short(reason)}" for reason in waiting.reasons]
    if len(parts) == 1 and waiting.reasons[0].count == waiting.waiting:
        parts = [_short(waiting.reasons[0])]
    start = _expected(waiting, now)
    said = [*parts, *([start] if start else [])]
    things = jobs(waiting.waiting) if waiting.on_jobs is None else counted(waiting.waiting, "pack")
    return f"{things} waiting: {'; '.join(said)}" if waiting.waiting and said else ""


def lines(waiting: Waiting, *, alive: bool, now: float | None = None) -> list[str]:
    """A line for each reason, and how old the news is. ``alive``: whether its driver is."""
    if not waiting.waiting and not waiting.trouble and not waiting.tracking:
        return []
    age = duration(max(0.0, (time.time() if now is None else now) - waiting.time))
    seen = f"as its driver saw {age} ago" if alive else f"as its last driver saw {age} ago; nobody has looked since"
    said = [f"  {reason.count} {_in_full(reason)}" for reason in waiting.reasons]
    unsaid = waiting.waiting - sum(reason.count for reason in waiting.reasons)
    if unsaid and waiting.reasons:
        said.append(f"  {unsaid} of which nothing was said yet")
    start = _expected(waiting, now)
    said += [f"  {start}"] if start else []
    said += [f"  {waiting.trouble}"] if waiting.trouble else []
    said += [f"  MLflow is behind: {waiting.tracking}"] if waiting.tracking else []
    stand = running_now(waiting.on_jobs, waiting.running, waiting.waiting)
    return [f"{stand}, {seen}{':' if said else ''}", *said]


def running_now(on_jobs: int | None, running: int, waiting: int) -> str:
    """``3 jobs running, 12 packs on them, 40 waiting``, or ``12 jobs running, 40 waiting`` where each pack is one."""
    if on_jobs is None:
        return f"{jobs(running)} running, {waiting} waiting"
    return (
        f"{jobs(on_jobs)} running, {counted(running, 'pack')} on {'it' if on_jobs == 1 else 'them'}, {waiting} waiting"
    )


def _short(reason: Reason) -> str:
    means, _, do = reason.words.partition("; ")
    return f"{means} ({_named(do, reason)})" if do else reason.name


def _in_full(reason: Reason) -> str:
    means, _, do = reason.words.partition("; ")
    return f"{means}; {_named(do, reason)}" if do else means


def _named(do: str, reason: Reason) -> str:
    """With the jobs' own ids where a command takes them; where there are many, with those of their arrays."""
    ids = reason.jobs if reason.count <= NAMED else tuple(dict.fromkeys(job.partition("_")[0] for job in reason.jobs))
    return do.replace(" JOB`", f" {','.join(ids)}`") if ids else do


def _expected(waiting: Waiting, now: float | None) -> str:
    """In local time. A guess that has passed says nothing."""
    now = time.time() if now is None else now
    if not waiting.waiting or waiting.expected_start is None or waiting.expected_start <= now:
        return ""
    at = datetime.datetime.fromtimestamp(waiting.expected_start, datetime.UTC).astimezone()
    today = at.date() == datetime.datetime.fromtimestamp(now, datetime.UTC).astimezone().date()
    return f"first start expected {'at ' if today else ''}{at:{'%H:%M' if today else '%Y-%m-%d %H:%M'}} ({GUESS})"


class News:
    """Which reasons are news to somebody who reads lines: those that were not there within ten minutes. Of a queue in
    which they come and go, each is told once."""

    def __init__(self) -> None:
        self._seen: dict[str, float] = {}
        self._told = 0

    def __call__(self, waiting: Waiting, now: float) -> int:
        """A number that grows with each piece of news; ``now``: seconds of any clock."""
        names = [reason.name for reason in waiting.reasons]
        self._told += sum(now - self._seen.get(name, now - NEWS_AGAIN_S) >= NEWS_AGAIN_S for name in names)
        self._seen |= dict.fromkeys(names, now)
        return self._told
