"""What ``check`` says of a suite that may be run: for people, and for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sweeps.driver import receivers
from sweeps.suite import budget, folder
from sweeps.suite.suite import Suite, folder_of
from sweeps.view import checked, progress
from sweeps.view.before_run import Looked
from sweeps.wording import counted


def words(
    suite: Suite, looked: Mapping[str, Looked], path: Path, measured: Sequence[Path], *, quick: bool = False
) -> list[str]:
    profile = looked[next(iter(suite.studies))].profile
    texts = [f"suite {suite.name}: {counted(len(suite.studies), 'study', 'studies')}: {', '.join(suite.studies)}"]
    texts += [f"question: {suite.question}", checked.where(path, goes_on=folder.is_suite(path), kind="suite")]
    texts += [*checked.same(looked.values()), *budget.words(suite)]
    texts += [] if quick else receivers.words(suite.notify)
    for member, study in suite.studies.items():
        texts += ["", f"-- {member}", *checked.words(study, looked[member], measured, quick=quick)]
        texts.append(looked[member].submission.words)
    folds, epochs = _totals(suite)
    return [
        *texts,
        "",
        f"-- all: {counted(folds, 'fold')}, at most {counted(epochs, 'epoch')}, on profile {profile.name}",
    ]


def record(
    suite: Suite, looked: Mapping[str, Looked], path: Path, measured: Sequence[Path], *, quick: bool = False
) -> dict[str, Any]:
    """Each study as ``check --json`` has it, and totals."""
    folds, epochs = _totals(suite)
    return {
        "schema": checked.SCHEMA,
        "suite": suite.name,
        "question": suite.question,
        "folder": str(path),
        "goes_on": folder.is_suite(path),
        "tried": not quick,
        "budget_gpu_hours": suite.budget.gpu_hours if suite.budget is not None else None,
        "notify": [] if quick else receivers.words(suite.notify),
        "folds": folds,
        "epochs": epochs,
        "studies": {
            member: checked.record(study, looked[member], folder_of(path, member), measured, quick=quick)
            for member, study in suite.studies.items()
        },
        "problems": [],
    }


def _totals(suite: Suite) -> tuple[int, int]:
    """Folds, and epochs at most."""
    sizes = [size for study in suite.studies.values() for size in progress.sizes(study).values()]
    return sum(size.folds for size in sizes), sum(size.epochs for size in sizes)
