"""What a probe measured of a study's activations where it runs: ``probe.json`` in the study's folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from sweeps.errors import StudyError
from sweeps.folder.device_kinds import TrainedOn
from sweeps.folder.layout import write_aside
from trainer.codec import SINCE, Format, from_text, to_text
from trainer.device_kind import DeviceKind
from trainer.errors import SpecError
from trainer.spec import Phase

FILE = "probe.json"
PROBE = Format(name="probe", schema=1)


@dataclass(frozen=True, kw_only=True)
class Epochs:
    """Of one activation in one phase, over the folds that were probed."""

    seconds: float
    """Of an epoch after the first, mean."""
    first_s: float
    """Of the first epoch, which may compile."""
    memory_mb: float
    """Peak, of one fold."""
    energy_j: float | None
    """Of an epoch, of the whole device; None where the device does not tell."""
    on: TrainedOn | None = field(default=None, metadata={SINCE: 1})
    """The kind of device that was measured; None where a version wrote it that did not say."""


@dataclass(frozen=True, kw_only=True)
class Probed:
    FORMAT: ClassVar[Format] = PROBE

    schema: int = PROBE.schema
    device: str
    devices: int
    """That a pack holds."""
    starting_s: float
    """Of a job beside its epochs."""
    held_s: float
    """Device seconds that the probe itself took."""
    epochs: Mapping[str, Mapping[str, Epochs]] = field(default_factory=dict)
    """By label and phase."""

    def epoch_s(self, label: str, phase: Phase, kind: DeviceKind | None = None) -> float | None:
        """Device seconds; of any kind where the probe does not say which it measured, or none is asked for."""
        found = self.epochs.get(label, {}).get(phase)
        if found is None or (kind is not None and found.on is not None and found.on.kind != kind):
            return None
        return found.seconds / (found.on.slots if found.on is not None else 1)

    def kinds(self) -> dict[DeviceKind, set[str]]:
        """The kinds that were measured, each with the partitions in which."""
        found: dict[DeviceKind, set[str]] = {}
        for on in (each.on for phases in self.epochs.values() for each in phases.values() if each.on is not None):
            found.setdefault(on.kind, set()).add(on.partition)
        return found


def beside(study: Path) -> Path:
    """The probe's own folder, beside a study's."""
    return study.with_name(f"{study.name}-probe")


def read(folder: Path) -> Probed | None:
    """None where the study was not probed. Raises :class:`StudyError` for a file that is no probe's."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        return from_text(Probed, path.read_text(encoding="utf-8"))
    except SpecError as error:
        raise StudyError(f"{path}: {error}; delete it, or probe the study again with `actsweep probe`") from error


def write(folder: Path, probed: Probed) -> None:
    write_aside(folder / FILE, to_text(probed))
