"""Who is at work on a study or a suite, and what is to be done next: the line below the table of ``status``."""

from __future__ import annotations

from pathlib import Path

from sweeps.driver import sent
from sweeps.folder import ledger, place
from sweeps.folder.layout import quote_path
from sweeps.folder.lock import held

REPORT = "report/report.html"


def next_step(path: Path, *, finished: bool, kind: str) -> str:
    """In words; ``kind``: study or suite."""
    if (there := place.original(path)) is not None:
        return f"a copy of the {kind} in {there}, as that was: its driver and its jobs are there"
    alive, where = held(path), quote_path(path)
    who = "a driver is at work" if alive else "no driver is at work"
    if not finished:
        return who if alive else f"{who}; {sent.words(path) or f'go on with `actsweep resume {where}`'}"
    if _reported(path):
        return f"{who}; its report: {path / REPORT}"
    return f"{who}; `actsweep report {where}` writes its report"


def _reported(path: Path) -> bool:
    """Whether a report was written after the last decision."""
    report = path / REPORT
    ledgers = [*path.glob(ledger.FILE), *path.glob(f"*/{ledger.FILE}")]
    return report.exists() and all(each.stat().st_mtime <= report.stat().st_mtime for each in ledgers)
