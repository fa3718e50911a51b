"""A study folder goes on with a declaration that has grown: checked whole, decided in one write, then made so."""

from __future__ import annotations

import dataclasses
import datetime
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from analysis.runs.plan import Extension, Plan, Sameness, from_json, to_json
from sweeps.driver import needs, session
from sweeps.driver.packs import own_names
from sweeps.errors import LedgerError, StudyError
from sweeps.folder import extension, layout, ledger, own_code, place, surroundings
from sweeps.folder.growth_records import Extended
from sweeps.folder.journals import Journals
from sweeps.folder.layout import quote_path
from sweeps.folder.lock import Lock
from sweeps.folder.state import State, replay
from sweeps.search.per_activation import Searches
from sweeps.study import growth, planner
from sweeps.study.growth import Growth
from sweeps.study.study import Study, digest, resolved_yaml


def planned(path: Path, declared: Study, named: str, *, profile: str | None = None) -> tuple[Study, Growth]:
    """What the folder's study becomes, and how it grows to it. ``declared``: the study file's, which the user names
    ``named``. It goes on where it ran, on ``profile`` if that is not None. Raises :class:`StudyError` where it is no
    growth."""
    old = session.opened(path)
    cluster = declared.cluster.model_copy(update={"profile": profile or old.cluster.profile})
    new = declared.model_copy(update={"cluster": cluster})
    try:
        return new, growth.between(old, new)
    except growth.NoGrowth as error:
        if digest(old) == digest(new):
            raise StudyError(f"{path}: {error}; go on with `actsweep resume {quote_path(path)}`") from error
        raise StudyError(
            f"{path}: cannot be extended to {named}: {error}\nRestore these in {named}; or run it as a study of its "
            f"own, in a folder of its own (--folder), with reuse: [{path.absolute()}], which takes from here the folds "
            "that are the same training"
        ) from error


@contextmanager
def as_started(path: Path, new: Study, *, here: bool) -> Iterator[None]:
    """This process as when the study was started, or as it is ``here``, for trying what it grows to."""
    session.opened(path)
    if here:
        place.refuse_copy(path)
        surroundings.write(path, needs.kept(new, path).replaced_by(needs.here(new)))
    with needs.as_started(new, path):
        yield


def extend(path: Path, new: Study, named: str, places: str = "", same: Sameness = planner.UNSEEN) -> Extended:
    """Makes the folder that of ``new``, as :func:`planned` gave it; no driver may be alive. ``places`` and ``same`` as
    in :func:`sweeps.driver.session.make`. Raises :class:`StudyError` and :class:`sweeps.errors.FolderBusy`, and has
    then written nothing. Killed at any moment, it was done or it was not: see :mod:`sweeps.folder.extension`."""
    place.refuse_copy(path)
    lock = Lock(path)
    try:
        extension.complete(path)
        old = session.opened(path)
        _, grown = planned(path, new, named, profile=new.cluster.profile)
        state = _replayed(path, new)
        record = Extended(
            number=len(state.extended) + 1,
            old_digest=digest(old),
            new_digest=digest(new),
            time=time.time(),
            changes={str(kind): words for kind, words in grown.changes.items()},
            added=grown.added,
            searched_again=grown.searched_again,
            folds_done=_done(state, path),
            folds_planned=_folds(old),
            looks=len(state.looks) + sum(one.looks for one in state.extended[-1:]),
            reported=layout.was_reported(path),
        )
        settings = new.cluster
        sources = own_code.grown(
            path,
            own_names(old),
            own_names(new),
            frozen=settings.own_code == "frozen",
            warn=settings.on_drift == "warn",
        )
        staged = extension.Staged(
            record=record,
            plan=to_json(_plan(path, new, record, places, same)),
            study=resolved_yaml(new),
            own_code=sources,
        )
        extension.stage(path, staged)
        extension.complete(path)
        return record
    finally:
        lock.release()


def _replayed(path: Path, new: Study) -> State:
    """What the ledger says. Raises :class:`StudyError` where the grown searches would not suggest what is in it."""
    records = list(ledger.read(path / ledger.FILE))
    try:
        Searches(new).replay(records)
    except LedgerError as error:
        raise StudyError(
            f"{path}: cannot be extended: its searches would have tried other settings with more of them ({error})"
        ) from error
    return replay(records)


def _done(state: State, path: Path) -> dict[str, int]:
    """Folds that are over, by phase."""
    journals = Journals(path / "trials")
    counts: Counter[str] = Counter()
    for trial in state.trials.values():
        over = trial.trial in state.completed
        for fold in trial.folds:
            history = None if over else journals.history(fold)
            counts[trial.phase] += over or (history is not None and history.end is not None)
    return dict(counts)


def _folds(study: Study) -> dict[str, int]:
    """Folds that are planned, by phase."""
    found = {}
    for phase in planner.phases(study):
        trials = sum(planner.trials(study, label, phase) for label in study.compared())
        found[str(phase)] = trials * len(planner.repeats(study, phase)) * len(planner.fold_numbers(study, phase))
    return found


def _plan(path: Path, new: Study, record: Extended, places: str, same: Sameness) -> Plan:
    """The plan of the grown study, with the one before in its history."""
    known = from_json((path / layout.PLAN).read_text(encoding="utf-8", errors="replace"))
    made = planner.plan(new, known.declaration.declared_at, places or known.places, same)
    at = datetime.datetime.fromtimestamp(record.time, datetime.UTC).isoformat(timespec="seconds")
    added = Extension(
        at=at,
        old_digest=record.old_digest,
        changes=record.changes,
        added=record.added,
        searched_again=record.searched_again,
        folds_done=record.folds_done,
        folds_planned=record.folds_planned,
        looks=record.looks,
        reported=record.reported,
    )
    return dataclasses.replace(made, history=(*known.history, added), sweep=known.sweep)
