"""Which folds the ledger counts as over although a file of theirs is not as it was written, by the files alone.

A fold's end is in its journal, with the size and the digest of every file that stays beside it. :func:`glance` asks
for the ends and the sizes, which costs a few reads a fold, for a few seconds; :func:`verify` reads all that there is.
"""

from __future__ import annotations

import os
import time
import zipfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from sweeps.folder.records import FoldKey, trial_of
from sweeps.folder.state import State
from sweeps.wording import counted
from trainer import files, journal
from trainer.errors import JournalError, SpecError
from trainer.journal import FILE, End, FoldHistory, Status, attempt_folder, attempts, follow
from trainer.spec import FoldSpec

PREDICTIONS, WEIGHTS = "predictions.npz", "best.pt"
GLANCE_S = 5.0
MOST = 5
"""Epochs that are named one by one."""
TAIL_BYTES = 1 << 16
"""Of a journal, what is read to find its last line."""


@dataclass(frozen=True, kw_only=True)
class Damaged:
    """What is wrong with one fold that is over."""

    what: str
    """Each file with what is wrong with it, below the study's folder."""
    lost: bool
    """Whether the fold has no end that counts: no report has its result."""
    attempt: int | None
    """Whose end must count no more before the fold is trained again; None where it has none, and the next attempt goes
    on from the newest checkpoint."""


def ended(state: State) -> Iterator[FoldKey]:
    """Folds that have an end of their own by the ledger: those of every trial that is over, but for what was given up,
    what was stopped before it began and the last round of folds where the budget did not pay for it."""
    for name, done in state.completed.items():
        if name in state.stopping and not done.metrics:
            continue
        unpaid: Collection[FoldKey] = state.last_round[name] if done is state.before_round.get(name) else ()
        for fold in state.trials[name].folds:
            if fold not in unpaid and (done.metrics or fold not in state.gave_up):
                yield fold


class Looked(NamedTuple):
    """What a look at the files of folds that are over came to."""

    damaged: dict[FoldKey, Damaged]
    """In the ledger's order."""
    unseen: int
    """Folds that there was no time for."""


def glance(folder: Path, state: State) -> Looked:
    """The ends and sizes of the folds that :data:`GLANCE_S` seconds suffice for: all of them but in a large study on a
    slow disk, which nobody is to wait for who asks how it stands."""
    until = time.monotonic() + GLANCE_S
    found: dict[FoldKey, Damaged] = {}
    over = list(ended(state))
    for number, fold in enumerate(over):
        if time.monotonic() >= until:
            return Looked(found, len(over) - number)
        if (wrong := _fold(folder, fold, whole=False)) is not None:
            found[fold] = wrong
    return Looked(found, 0)


def verify(folder: Path, state: State, specs: Mapping[FoldKey, FoldSpec] | None = None) -> dict[FoldKey, Damaged]:
    """The damaged folds among those that are over, by every byte of theirs. ``specs``: what each fold is to be; with
    them, a fold folder of another training is found, too."""
    found: dict[FoldKey, Damaged] = {}
    for fold in ended(state):
        wrong = _fold(folder, fold, whole=True)
        if wrong is None and specs is not None:
            wrong = _foreign(folder, fold, specs[fold])
        if wrong is not None:
            found[fold] = wrong
    return found


def mendable(state: State, damaged: Mapping[FoldKey, Damaged]) -> list[FoldKey]:
    """Those that can be trained again to the same end: not of a trial that its search stopped early, for where that was
    depended on others."""
    return [fold for fold in damaged if trial_of(fold) not in state.stopping]


def _fold(folder: Path, fold: FoldKey, *, whole: bool) -> Damaged | None:
    home = folder / "trials" / fold
    try:
        end = None if whole else _last(home)
        if end is not None:
            return _kept(folder, attempt_folder(home, attempts(home)[-1]), end, whole=False)
        return _whole(folder, home)
    except SpecError as error:
        return Damaged(what=str(error), lost=True, attempt=None)
    except OSError as error:
        return Damaged(what=f"{_below(folder, home)}: cannot be read ({error.strerror})", lost=True, attempt=None)


def _whole(folder: Path, home: Path) -> Damaged | None:
    """By all that is in the journals."""
    read = {number: follow(attempt_folder(home, number) / FILE) for number in attempts(home)}
    history = journal.resolve({number: found.records for number, found in read.items()})
    newest = attempt_folder(home, max(read, default=1)) / FILE
    lines = [
        f"{_below(folder, attempt_folder(home, number) / FILE)}: {line}"
        for number, found in read.items()
        for line in found.damaged
    ]
    if history is None or history.end is None:
        lacking = "is missing" if not newest.exists() else "has no end, although the ledger counts its fold as over"
        return Damaged(what="; ".join([f"{_below(folder, newest)} {lacking}", *lines]), lost=True, attempt=None)
    if gap := _gap(history):
        what = "; ".join([f"{_below(folder, newest)} {gap}", *lines])
        return Damaged(what=what, lost=False, attempt=history.start.attempt)
    return _kept(folder, attempt_folder(home, history.start.attempt), history.end, whole=True)


def _gap(history: FoldHistory) -> str:
    """What a journal with an end lacks, in words; of a fold that failed nothing counts but that it did."""
    assert history.end is not None
    if history.end.status is Status.FAILED:
        return ""
    there = {epoch.epoch for epoch in history.epochs}
    lacking = sorted(set(range(1, history.end.epochs + 1)) - there)
    if lacking:
        named = ", ".join(map(str, lacking[:MOST])) + (" ..." if len(lacking) > MOST else "")
        return f"lacks {counted(len(lacking), 'epoch')}: {named}"
    if history.end.status is Status.FINISHED and history.end.rule not in history.end.outcomes:
        return "has an end without its outcome"
    return ""


def _kept(folder: Path, attempt: Path, end: End, *, whole: bool) -> Damaged | None:
    wrong = [f"{_below(folder, attempt / name)} {words}" for name, words in kept_damage(attempt, end, whole=whole)]
    number = int(attempt.name.rpartition("-")[2])
    return Damaged(what="; ".join(wrong), lost=False, attempt=number) if wrong else None


def kept_damage(attempt: Path, end: End, *, whole: bool = True) -> list[tuple[str, str]]:
    """Kept files of an attempt that are not as they were written, each with what is wrong. Weights that are not there
    were removed to make room, which is nobody's damage. Where a version wrote the end that kept no digests, the
    archives' own checksums are asked."""
    there = {name: (attempt / name).exists() or name == PREDICTIONS for name in end.kept}
    found = [(name, files.damage(attempt / name, kept, whole=whole)) for name, kept in end.kept.items() if there[name]]
    if whole and not end.kept:
        found += [(name, _archive(attempt / name)) for name in (PREDICTIONS, WEIGHTS) if (attempt / name).exists()]
    return [(name, words) for name, words in found if words]


def _archive(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except (OSError, zipfile.BadZipFile, EOFError, ValueError, NotImplementedError) as error:
        return f"is damaged ({error})"
    return f"is damaged ({broken} fails its checksum)" if broken else ""


def _foreign(folder: Path, fold: FoldKey, spec: FoldSpec) -> Damaged | None:
    """A fold folder that was put in the place of another's: it is not to be trained over."""
    history = journal.read_fold(folder / "trials" / fold)
    if history is None or history.start.digest == spec.digest:
        return None
    return Damaged(what=foreign_words(folder / "trials" / fold, history, spec), lost=False, attempt=None)


def foreign_words(home: Path, history: FoldHistory, spec: FoldSpec) -> str:
    return (
        f"{home}: its journal is of another training (digest {history.start.digest}, this fold's is {spec.digest}); "
        "move the folder away, and `actsweep resume DIR --retry-failed` trains the fold"
    )


def _last(home: Path) -> End | None:
    """The end in the last line of the newest attempt's journal; None where that line is none, or is not alone enough to
    tell."""
    numbers = attempts(home)
    if not numbers:
        return None
    try:
        with (attempt_folder(home, numbers[-1]) / FILE).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL_BYTES))
            block = file.read()
    except FileNotFoundError:
        return None
    lines = block.split(b"\n")
    if lines[-1] or len(lines) < 2:
        return None
    try:
        record = journal.parse(lines[-2], "")
    except (JournalError, SpecError):
        return None
    return record if isinstance(record, End) else None


def _below(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()
