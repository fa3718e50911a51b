"""Files of trials and folds that are not what the ledger and the study make of them: seen before anything is submitted,
and written anew by a driver that goes on.

What a fold is to train follows from the study and the ledger, so its ``spec.json`` can always be written again; but not
over a folder whose journal is of another training.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sweeps.errors import FoldChanged
from sweeps.folder import damage, layout
from sweeps.folder.records import FoldKey
from sweeps.folder.state import State
from sweeps.study.study import Study
from trainer import journal
from trainer.codec import from_text, to_text
from trainer.errors import OtherVersion, SpecError
from trainer.spec import FoldSpec

MOST = 3
"""Differences that are told one by one."""


def refuse_changed(trials: Path, folds: Iterable[FoldKey], specs: Mapping[FoldKey, FoldSpec]) -> None:
    """Raises :class:`FoldChanged` for the first of the folds whose ``spec.json`` is there and is not what the study
    trains. ``trials``: the folder of the trials."""
    for fold in folds:
        if (wrong := changed(trials / fold, specs[fold])) and "is missing" not in wrong:
            raise FoldChanged(
                f"{trials / fold / layout.SPEC} {wrong}; nothing more was submitted. "
                f"`actsweep resume {layout.quote_path(trials.parent)}` writes the file anew and goes on"
            )


def changed(fold: Path, spec: FoldSpec) -> str:
    """How a fold's ``spec.json`` differs from what the study trains, in words; "" where it does not."""
    try:
        text = (fold / layout.SPEC).read_text(encoding="utf-8")
        if text.rstrip() == to_text(spec):
            return ""
        found = from_text(FoldSpec, text)
    except FileNotFoundError:
        return "is missing"
    except OtherVersion as error:
        return f"is of another version ({error})"
    except (SpecError, UnicodeDecodeError, RecursionError) as error:
        return f"is damaged ({error})"
    if found.digest == spec.digest:  # as a version before this one wrote it
        return ""
    each = list(_differences(dataclasses.asdict(found), dataclasses.asdict(spec)))
    more = f" and {len(each) - MOST} more" if len(each) > MOST else ""
    return f"is not what the study trains: {', '.join(each[:MOST])}{more}"


def _differences(found: Any, wanted: Any, path: str = "") -> Iterator[str]:
    if isinstance(found, dict) and isinstance(wanted, dict):
        for name in dict.fromkeys([*wanted, *found]):
            below = f"{path}.{name}".lstrip(".")
            yield from _differences(found.get(name, "nothing"), wanted.get(name, "nothing"), below)
    elif found != wanted:
        yield f"{path} is {found!r} there and {wanted!r} in the study"


def write_anew(trials: Path, state: State, study: Study, specs: Mapping[FoldKey, FoldSpec]) -> list[str]:
    """Writes anew what is not as the ledger and the study say, and tells each file with what was wrong with it. Raises
    :class:`FoldChanged` for a folder whose journal is of another training: it is not written over."""
    written: list[str] = []
    for trial in state.trials.values():
        degrees = study.degrees(trial.label, trial.params)
        if wrong := layout.trial_differs(trials / trial.trial, trial, degrees):
            layout.write_trial(trials / trial.trial, trial, degrees, anew=True)
            written.append(f"written anew: {trials / trial.trial / layout.TRIAL}, which {wrong}")
        for fold in trial.folds:
            if wrong := changed(trials / fold, specs[fold]):
                _refuse_foreign(trials / fold, specs[fold])
                layout.write_spec(trials / fold, specs[fold], anew=True)
                written.append(f"written anew: {trials / fold / layout.SPEC}, which {wrong}")
            elif fold in state.gave_up and layout.infra_differs(trials / fold):
                layout.write_infra(trials / fold, state.gave_up[fold], anew=True)
                written.append(f"written anew: {trials / fold / layout.INFRA}, which is damaged")
    return written


def _refuse_foreign(fold: Path, spec: FoldSpec) -> None:
    history = journal.read_fold(fold)
    if history is not None and history.start.digest != spec.digest:
        raise FoldChanged(damage.foreign_words(fold, history, spec))
