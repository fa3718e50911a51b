"""MLflow runs as values: what a run, a trial and a fold look like before anything is sent. Pure.

Every time is the journal's, in milliseconds since the Unix epoch, and every step an epoch, so that the same journals
always give the same run.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import statistics
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from analysis.runs import schema
from trainer.journal import Epoch

PARENT = "mlflow.parentRunId"
NOTE = "mlflow.note.content"
LOGGED = schema.PREFIX + "logged"
"""Tag of a run that is complete: what was logged, as :meth:`Mark.text` or a checksum."""
MARKER = f"train/{schema.LOSS}"
"""The metric that every epoch has and that is sent first: its history tells which epochs a run holds."""

STATUSES: dict[str, str] = {
    schema.Status.RUNNING: "RUNNING",
    schema.Status.FINISHED: "FINISHED",
    schema.Status.STOPPED: "KILLED",
    schema.Status.DIVERGED: "FAILED",
    schema.Status.FAILED: "FAILED",
    schema.Status.INFRA_FAILED: "FAILED",
}
"""Our status -> MLflow's. The tag ``actsweep.status`` carries ours."""

MAX_KEY = 250
MAX_PARAM = 6000
MAX_TAG = 8000
_FORBIDDEN = re.compile(r"[^\w\-. /:]", re.ASCII)


class Input(NamedTuple):
    """A data set that a run used, as MLflow has it: known by its name and digest within an experiment."""

    name: str
    digest: str
    context: str
    """``training`` or ``eval``."""
    source_type: str
    source: str
    """JSON."""
    profile: str
    """JSON; the same for all runs that name the data set."""


class Point(NamedTuple):
    key: str
    value: float
    timestamp_ms: int
    step: int


@dataclass(frozen=True, kw_only=True)
class Mark:
    """How much of a fold an MLflow run holds."""

    epochs: int = 0
    """Epochs, from the first on."""
    checksum: int = zlib.crc32(b"[]")
    """Over the number and time of each of them (at first none): the same epochs of another attempt have other times."""
    final_ms: int = 0
    """Time of the fold's end, 0 while it has none."""

    def text(self) -> str:
        return f"{self.epochs}:{self.checksum:08x}:{self.final_ms}"

    @staticmethod
    def parse(text: str) -> Mark | None:
        """None for a text that is no mark."""
        found = re.fullmatch(r"(\d+):([0-9a-f]{8}):(\d+)", text)
        if found is None:
            return None
        return Mark(epochs=int(found[1]), checksum=int(found[2], 16), final_ms=int(found[3]))


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A trial as the driver's ``trial.json`` has it."""

    schema: int
    trial: str
    label: str
    activation: str
    phase: str
    index: int
    params: Mapping[str, Any]
    training: Mapping[str, Any]
    degrees: Mapping[str, float] = field(default_factory=dict)
    """Angles of which parameters are the tangents."""
    trained_with: Mapping[str, Any] = field(default_factory=dict)
    """All that its folds are trained with, ``training`` included; empty before the first of them was planned."""

    @property
    def name(self) -> str:
        """As the UI lists it: the label, then what tells the trials of one label apart."""
        rest = self.trial.removeprefix(self.label).removesuffix(self.label).strip("-")
        return f"{self.label} · {rest or self.index}"


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run as it should be."""

    key: str
    name: str
    start_ms: int
    tags: Mapping[str, str]
    params: Mapping[str, str] = field(default_factory=dict)
    status: str = schema.Status.RUNNING.value
    end_ms: int = 0
    """0 while it runs."""
    final: tuple[Point, ...] = ()
    """What is known once it has ended."""
    inputs: tuple[Input, ...] = ()
    """The data sets that it names, once they are known."""


@dataclass(frozen=True, kw_only=True)
class FoldRun(Run):
    epochs: tuple[Epoch, ...] = ()
    attempts: int = 0
    compared: frozenset[str] = frozenset()
    """Metrics of the task whose curves a person compares."""

    def times(self) -> list[tuple[int, int]]:
        return [(epoch.epoch, milliseconds(epoch.time)) for epoch in self.epochs]

    def mark(self) -> Mark:
        return Mark(epochs=len(self.epochs), checksum=checksum(self.times()), final_ms=self.end_ms)

    def continues(self, mark: Mark) -> bool:
        """Whether a run that holds ``mark`` holds a beginning of this one, and nothing else."""
        times = self.times()
        if mark.final_ms:
            return mark == self.mark()
        return mark.epochs <= len(times) and checksum(times[: mark.epochs]) == mark.checksum

    def points_after(self, epochs: int) -> list[Point]:
        """The per-epoch metrics beyond the first ``epochs`` epochs, each epoch's marker first."""
        return [point for epoch in self.epochs[epochs:] for point in epoch_points(epoch, self.compared)]


@dataclass(frozen=True, kw_only=True)
class FoldResult:
    """What a trial needs to know of one of its folds."""

    status: str
    end_ms: int
    metrics: Mapping[str, float]
    """Of the model that the declared checkpoint rule picked."""
    epoch_s: float | None = None
    """Median seconds of an epoch, without the first, which warms up; None of a fold without one."""


def milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def checksum(times: Iterable[tuple[int, int]]) -> int:
    return zlib.crc32(repr(list(times)).encode())


def short(value: object) -> str:
    """A checksum of a value by how it is written, as a tag holds it."""
    return f"{zlib.crc32(repr(value).encode()):08x}"


def metric_key(name: str) -> str:
    """A name that MLflow accepts; differing names stay different."""
    clean = _FORBIDDEN.sub("_", name).strip("/")
    if clean == name and len(name) <= MAX_KEY:
        return name
    return f"{clean[: MAX_KEY - 9]}-{zlib.crc32(name.encode()):08x}"


def value_text(value: Any, limit: int = MAX_PARAM) -> str:
    """A param's or tag's text: true, false and null as in YAML, numbers in full; a text too long ends in its digest."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    if len(text) <= limit:
        return text
    return f"{text[: limit - 30]}... sha256 {hashlib.sha256(text.encode()).hexdigest()[:16]}"


FEW_LAYERS = 4
"""Layers whose learned parameters are shown one by one; of more, their mean, least and greatest."""


def epoch_points(epoch: Epoch, compared: frozenset[str]) -> list[Point]:
    """One epoch's metrics: the marker first, then what is compared, for MLflow's page of a run lists them as they came.
    Of the parts that are trained on, those of the task's metrics that are not ``compared`` stay in the journal."""
    rate = {} if epoch.learning_rate is None else {schema.LEARNING_RATE: epoch.learning_rate}
    energy = {} if epoch.energy_j is None else {schema.ENERGY_J: epoch.energy_j}
    detail = {
        schema.SECONDS_TRAIN: epoch.train_s,
        schema.SECONDS_EVALUATE: epoch.evaluate_s,
        schema.SECONDS_REST: epoch.rest_s,
        schema.PEAK_MEMORY_MB: epoch.peak_memory_mb,
        **energy,
        **{schema.UTILISATION_PREFIX + name: value for name, value in epoch.utilisation.items()},
    }
    values = {
        MARKER: epoch.metrics.get(MARKER, math.nan),
        **_measured(epoch.metrics, compared),
        **rate,
        **_learned(epoch.activation),
        **{schema.DETAIL + name: value for name, value in detail.items()},
    }
    at = milliseconds(epoch.time)
    names = sorted(values, key=lambda name: name.startswith(schema.DETAIL))
    return [Point(metric_key(name), values[name], at, epoch.epoch) for name in names]


def _measured(metrics: Mapping[str, float], compared: frozenset[str]) -> dict[str, float]:
    found = {}
    for name, value in metrics.items():
        part, _, metric = name.partition("/")
        if metric in compared and part in ("train", "validation"):
            found[name] = value
        elif name != MARKER and (metric in compared or part not in ("train", "train_clean")):
            found[schema.DETAIL + name] = value
    return found


def _learned(values: Mapping[str, float]) -> dict[str, float]:
    """Learned parameters, named ``layer/parameter``: each, and over many layers their mean, least and greatest."""
    named = {schema.ACTIVATION_PREFIX + name: value for name, value in values.items()}
    by_parameter: dict[str, list[float]] = {}
    for name, value in values.items():
        by_parameter.setdefault(name.rsplit("/", 1)[-1], []).append(value)
    if max(map(len, by_parameter.values()), default=0) <= FEW_LAYERS:
        return named
    found: dict[str, float] = {}
    for parameter, each in by_parameter.items():
        broken = not all(map(math.isfinite, each))
        for word, over in (("mean", statistics.fmean), ("min", min), ("max", max)):
            found[f"{schema.LEARNED_PREFIX}{parameter}/{word}"] = math.nan if broken else over(each)
    return found | {schema.DETAIL + name: value for name, value in named.items()}
