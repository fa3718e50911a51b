"""What the last report of a study said, kept in its folder (``reported.json``): the report itself may lie anywhere, and
the folder may be moved."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sweeps.folder.layout import REPORTED, write_aside


@dataclass(frozen=True, kw_only=True)
class Said:
    """Of one study, in words."""

    answer: str = ""
    """The report's first sentences; of all its studies, where it has several."""
    warnings: tuple[str, ...] = ()
    studies: tuple[str, ...] = ()
    """Names of the studies that were reported together."""
    verdicts: Mapping[str, str] = field(default_factory=dict)
    """Trial -> how it compares with the control."""


@dataclass(frozen=True, kw_only=True)
class Reported:
    time: float
    """When, in seconds since the Unix epoch."""
    page: str
    """The report's own page; "" where that was not kept."""
    said: Said | None
    """None where a version wrote it that kept no more than time and page."""

    @property
    def answer(self) -> str:
        """The report's first sentences; "" where they were not kept."""
        return self.said.answer if self.said is not None else ""


def note(path: Path, page: Path, said: Said | None = None) -> None:
    """Keeps that a report of the study was written, wherever it lies; not in a folder that cannot be written."""
    told = {"time": time.time(), "page": str(page.absolute())} | ({"said": asdict(said)} if said else {})
    with contextlib.suppress(OSError):
        write_aside(path / REPORTED, json.dumps(told))


def read(path: Path) -> Reported | None:
    """None where no report is known to have been written, or what was kept of it cannot be read."""
    try:
        told = json.loads((path / REPORTED).read_text(encoding="utf-8"))
        said = _said(told["said"]) if "said" in told else None
        return Reported(time=float(told["time"]), page=str(told.get("page", "")), said=said)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def verdicts(path: Path) -> Mapping[str, str]:
    """Trial -> how it compares with the control, by the last report that is known of."""
    known = read(path)
    return known.said.verdicts if known is not None and known.said is not None else {}


def _said(told: Mapping[str, Any]) -> Said:
    return Said(
        answer=str(told["answer"]),
        warnings=tuple(map(str, told["warnings"])),
        studies=tuple(map(str, told["studies"])),
        verdicts={str(trial): str(words) for trial, words in told["verdicts"].items()},
    )
