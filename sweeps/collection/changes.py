"""Whether a study folder says anything new: the sizes and times of the files that its MLflow view is made from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from analysis.runs import schema
from sweeps.folder import decided, layout, ledger
from trainer.journal import FILE

Stamps = Mapping[str, str]
"""Name -> what tells one state of it from another: ``""`` is the study itself, ``<trial>`` what was decided of it,
``<trial>/fold-<repeat>-<fold>`` its journals."""
_STUDY = (layout.PLAN, layout.STUDY, ledger.FILE, schema.BUDGET_ARTIFACT, schema.ACCOUNTING_ARTIFACT, layout.REPORTED)


def stamps(folder: Path) -> dict[str, str]:
    """Reads names, sizes and times, and no file."""
    found = {"": " ".join(_stamp(folder / name) for name in _STUDY)}
    for trial in _folders(folder / "trials"):
        found[trial.name] = " ".join(_stamp(Path(trial.path) / name) for name in (layout.TRIAL, decided.FILE))
        for fold in _folders(trial.path):
            attempts = sorted(attempt.path for attempt in _folders(fold.path))
            journals = [_stamp(Path(path) / FILE) for path in attempts]
            found[f"{trial.name}/{fold.name}"] = " ".join([_stamp(Path(fold.path) / layout.INFRA), *journals])
    return found


def text(of: Stamps) -> str:
    """One word for all of it, and for what runs say in this version."""
    lines = [f"schema {schema.SCHEMA}", *(f"{name} {stamp}" for name, stamp in sorted(of.items()))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def folds(before: Stamps, now: Stamps) -> list[str]:
    """The folds with news: of their own, or of what was decided of their trial."""
    new = {name for name in now if before.get(name) != now[name]}
    return sorted(name for name in now if "/" in name and (name in new or name.partition("/")[0] in new))


def _folders(path: str | Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return [entry for entry in entries if entry.is_dir()]
    except OSError:
        return []


def _stamp(path: Path) -> str:
    try:
        found = path.stat()
    except OSError:
        return "-"
    return f"{found.st_size}:{found.st_mtime_ns}"
