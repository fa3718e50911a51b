"""What a study's jobs cost by the accounts of the site, beside what was planned; and what they waited.

Travels as ``accounting.json`` (what is known of the whole, and what each column means) and ``accounting.csv`` (a line
for each run of each job). Pure values and their texts.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.errors import SourceError
from analysis.runs.account import hours
from analysis.runs.wording import counted

SCHEMA = 1
COLUMNS = {
    "job": "the scheduler's id of the job, or its name where there is no scheduler",
    "run": "1 for its first run; a job that was put back into the queue has several",
    "state": "how the run ended, in the scheduler's word",
    "partition": "where it ran",
    "node": "on which node",
    "kind": "type of its GPUs, or of its device by the journals",
    "submit": "when it was submitted, in seconds since 1970",
    "eligible": "since when it could have started, had there been room, in seconds since 1970",
    "start": "when it began to run, in seconds since 1970",
    "end": "when it ended, in seconds since 1970",
    "waited_s": "from when it could have started to its start, in seconds",
    "elapsed_s": "from its start to its end, in seconds",
    "devices": "GPUs that it held; 1 where it held none",
    "cpus": "cores that it held",
    "cpu_s": "seconds of processor time that it used; empty where that is not gathered",
    "energy_j": "joules of its nodes while it ran; empty where that is not accounted",
    "trained_s": "seconds of the epochs of its folds, by their journals; empty where it is not known which it trained",
    "folds": "folds of its pack",
}


@dataclass(frozen=True, kw_only=True)
class JobRun:
    """A line of ``accounting.csv``; see :data:`COLUMNS`. None where it is not known."""

    job: str
    run: int = 1
    state: str = ""
    partition: str = ""
    node: str = ""
    kind: str = ""
    submit: float | None = None
    eligible: float | None = None
    start: float | None = None
    end: float | None = None
    waited_s: float | None = None
    elapsed_s: float = 0.0
    devices: int = 1
    cpus: int = 0
    cpu_s: float | None = None
    energy_j: float | None = None
    trained_s: float | None = None
    folds: int = 0

    @property
    def device_s(self) -> float:
        return self.elapsed_s * self.devices


@dataclass(frozen=True, kw_only=True)
class Accounting:
    """What is known of a study's jobs."""

    schema: int = SCHEMA
    source: str
    """``sacct``, or ``journals`` where the site's accounts do not say it."""
    why: str = ""
    """Why it is not sacct's, in words; "" where it is."""
    asked_at: float = 0.0
    """In seconds since 1970."""
    complete: bool = True
    """Whether asking again would say the same."""
    jobs: int = 0
    """That the study had submitted when this was asked."""
    planned_s: float | None = None
    """Device seconds that all that was planned would have taken, by the probe; None where there was none."""
    trained_s: float = 0.0
    """Seconds of all epochs, by the journals."""
    runs: tuple[JobRun, ...] = ()

    @property
    def ran(self) -> list[JobRun]:
        return [run for run in self.runs if run.elapsed_s > 0]

    def words(self) -> list[str]:
        """What it cost, in sentences without their last point: the first says it all in short."""
        ran = self.ran
        missing = [] if self.complete else [f"not all of it is known yet{f' ({self.why})' if self.why else ''}"]
        if not ran:
            nothing = "what jobs held is not known" if self.trained_s or missing else "no job ran"
            return [f"{nothing}{f' ({self.why})' if self.why else ''}", *missing]
        said = summary(ran)
        by = "by the site's accounts" if self.source == "sacct" else f"by the journals ({self.why})"
        first = f"jobs held {hours(said.device_s)} {by}"
        if self.planned_s is not None:
            first += f"; all that was planned would have taken {hours(self.planned_s)} by the probe"
        lines = [first, f"{_counts(said)}{_waited(said)}"]
        # a job that holds several packs trains on all that it holds; any other trains one pack
        held_s = sum(run.device_s if run.trained_s is None else run.elapsed_s for run in ran)
        share = f", {self.trained_s / held_s:.0%} of the time that jobs held" if self.trained_s <= held_s else ""
        lines.append(f"epochs took {_time(self.trained_s)}{share}")
        if said.cpu_share is not None:
            lines.append(f"of their cores' time, processes used {said.cpu_share:.0%}")
        if said.energy_j:
            lines.append(f"their nodes used {said.energy_j / 3.6e6:.3g} kWh meanwhile")
        return [*lines, *missing]


def _counts(said: Summary) -> str:
    again = said.runs - said.jobs
    return counted(said.jobs, "job") + (f", started again {counted(again, 'time')}" if again else "")


def _waited(said: Summary) -> str:
    if said.median_wait_s is None or said.longest_wait_s is None:
        return ""
    each = f"median {_time(said.median_wait_s)}, longest {_time(said.longest_wait_s)}"
    return f", which waited {_time(said.waited_s)} in all ({each})"


def _time(seconds: float) -> str:
    if seconds >= 3600:
        return f"{seconds / 3600:.3g} h"
    return f"{seconds / 60:.3g} min" if seconds >= 60 else f"{seconds:.0f} s"


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Of several runs."""

    jobs: int
    runs: int
    waited_s: float
    median_wait_s: float | None
    longest_wait_s: float | None
    elapsed_s: float
    device_s: float
    trained_s: float | None
    """None where it is not known of one of them."""
    cpu_share: float | None
    """Of the seconds of their cores, those that were used; None where that is not gathered."""
    energy_j: float | None


def summary(runs: Sequence[JobRun]) -> Summary:
    waits = [run.waited_s for run in runs if run.waited_s is not None]
    trained = [run.trained_s for run in runs]
    used = [run for run in runs if run.cpu_s]
    cores_s = sum(run.elapsed_s * run.cpus for run in used)
    energy = [run.energy_j for run in runs if run.energy_j is not None]
    return Summary(
        jobs=len({run.job for run in runs}),
        runs=len(runs),
        waited_s=sum(waits),
        median_wait_s=statistics.median(waits) if waits else None,
        longest_wait_s=max(waits, default=None),
        elapsed_s=sum(run.elapsed_s for run in runs),
        device_s=sum(run.device_s for run in runs),
        trained_s=sum(each for each in trained if each is not None) if None not in trained else None,
        cpu_share=sum(run.cpu_s or 0.0 for run in used) / cores_s if cores_s > 0 else None,
        energy_j=sum(energy) if energy else None,
    )


def by_place(runs: Iterable[JobRun]) -> dict[tuple[str, str], Summary]:
    """Waiting against training, by partition and kind of node."""
    grouped: dict[tuple[str, str], list[JobRun]] = {}
    for run in runs:
        grouped.setdefault((run.partition, run.kind), []).append(run)
    return {place: summary(mine) for place, mine in sorted(grouped.items())}


def to_json(accounting: Accounting) -> str:
    """All but the runs, and what their columns mean."""
    plain = {field.name: getattr(accounting, field.name) for field in dataclasses.fields(accounting)}
    del plain["runs"]
    return json.dumps({**plain, "columns": COLUMNS}, indent=1)


def to_csv(accounting: Accounting) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for run in accounting.runs:
        writer.writerow(["" if (value := getattr(run, name)) is None else value for name in COLUMNS])
    return text.getvalue()


def from_texts(head: str, rows: str) -> Accounting:
    """Inverse of :func:`to_json` and :func:`to_csv`. Raises :class:`SourceError`."""
    try:
        raw = json.loads(head)
        if raw["schema"] != SCHEMA:
            raise SourceError(
                f"accounting.json: got schema {raw['schema']!r}, accepts {SCHEMA}; install a newer actsweep"
            )
        known = {field.name for field in dataclasses.fields(Accounting)}
        runs = tuple(_run(row) for row in csv.DictReader(io.StringIO(rows)))
        return Accounting(**{name: value for name, value in raw.items() if name in known}, runs=runs)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(
            f"accounting.json or accounting.csv: not a study's accounts ({error}); delete both, and `actsweep sync` "
            "asks for them again"
        ) from error


TEXTS = ("job", "state", "partition", "node", "kind")
COUNTS = ("run", "devices", "cpus", "folds")


def _run(row: dict[str, str]) -> JobRun:
    values: dict[str, Any] = {}
    for name in COLUMNS:
        text = row[name]
        values[name] = text if name in TEXTS else int(text) if name in COUNTS else float(text) if text else None
    return JobRun(**values)
