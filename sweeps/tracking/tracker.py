"""The one writer of a study's MLflow view.

MLflow holds nothing of its own: a run is what the study folder says it is, so the view can be thrown away and made
anew, and a write that was lost or cut off is simply made again. Live ingestion and a rebuild take the same way: the
driver names the folds with news, the tracker reads their journals, compares with what the store already holds, and
sends the difference, one batch a run. Runs are found by the tag ``actsweep.key``, never by an id kept elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from analysis.runs import store_words
from sweeps.errors import StudyError, TrackingError
from sweeps.folder import place
from sweeps.folder.layout import quote_path
from sweeps.folder.secrets import redact
from sweeps.tracking.folder_reader import FolderReader, Unreadable
from sweeps.tracking.run_updates import RunUpdates
from sweeps.tracking.store import ask, leave, locate, words
from sweeps.tracking.store_index import StoreIndex

FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 60.0
"""Pause after a failed attempt to reach the store, doubled from one failure to the next."""


@dataclass(frozen=True, kw_only=True)
class Synced:
    trials: int
    folds: int


class Tracker:
    """Keeps the MLflow view of one study folder. Not for two processes at once.

    ``note`` what has news, ``flush`` every few seconds, ``close`` at the end; or ``sync`` for all of it at once. An
    outage of the store never raises from ``note``, ``flush`` and ``close``: ``trouble`` says what is wrong and
    ``pending`` how many folds wait; the next flush after a pause takes up again. ``log_report`` and ``sync`` raise.
    """

    def __init__(self, uri: str | None, study_folder: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        """``uri`` None: the embedded store in the study folder. Touches no store yet. Raises
        :class:`TrackingError` for a URI that is none."""
        self.folder = study_folder
        self.store, self._uri = locate(uri, study_folder), uri
        self._reader: FolderReader
        self.trouble: str | None = None
        """What keeps the view from being complete, without secrets; None when all is well."""
        self._clock = clock
        self._opened: tuple[StoreIndex, RunUpdates] | None = None
        self._pending: dict[str, None] = {}
        self._refused: dict[str, str] = {}
        self._trials_due: dict[str, None] = {}
        self._not_before = 0.0
        self._pause_s = FIRST_PAUSE_S
        self._doubtful = False
        """A call failed since the store was last learned: it may still be carried out."""

    @property
    def pending(self) -> int:
        """Folds and trials with news that the store does not have yet."""
        return len(self._pending) + len(self._trials_due)

    def note(self, folds: Iterable[str]) -> None:
        """These folds (``<trial>/fold-<repeat>-<fold>``) have news; their journals are read at the flush."""
        for fold in folds:
            self._pending[fold] = None

    def flush(self, budget_s: float | None = None) -> bool:
        """Sends what is pending, for about ``budget_s`` seconds; True when nothing is left."""
        if self._clock() < self._not_before:
            return False
        if self._opened is not None and not self.pending:  # the store is not asked at each step of a driver
            return True
        until = None if budget_s is None else self._clock() + budget_s
        if not self._guard(lambda: self._send_pending(until)):
            return False
        self._pause_s = FIRST_PAUSE_S
        self.trouble = next(iter(self._refused.values()), self._untaken())
        return not self.pending

    def _send_pending(self, until: float | None) -> None:
        for fold in list(self._pending):
            self._attempt(fold, self._update_fold)
            self._pending.pop(fold, None)
            if until is not None and self._clock() > until:
                break
        waiting = {fold.partition("/")[0] for fold in self._pending}
        for trial in list(self._trials_due):
            if trial not in waiting:
                self._attempt(trial, self._updates.trial)
                self._trials_due.pop(trial, None)
                if until is not None and self._clock() > until:
                    break

    def sync(self) -> Synced:
        """Makes the store say what the study folder says, whatever it held before. Raises :class:`TrackingError`."""
        self._not_before, self._opened = 0.0, None  # people may have changed what we knew of it
        if self._guard(self._open):
            self.note(self._reader.all_folds())
            _ = self.flush() and self._guard(self._finish)
        if self.trouble is not None:
            raise TrackingError(self.trouble)
        return Synced(trials=len(self._reader.trials()), folds=len(self._reader.all_folds()))

    def close(self, budget_s: float = 60.0) -> bool:
        """Sends what is left and the state of the study itself; True when the store has everything."""
        self._not_before = 0.0
        self.note(key for key in self._refused if "/" in key)
        done = self.flush(budget_s)
        if done and self._doubtful:  # what the server did after we had stopped waiting for its answer is seen now
            self._opened = None
            done = self.flush(budget_s)
            self._doubtful = not done
        if not done and self.trouble is None:
            waiting = f"{self.pending} folds and trials wait"
            self.trouble = f"MLflow store {redact(self.store.uri)} is slow: after {budget_s:.0f} s {waiting}"
        return done and self._guard(lambda: self._updates.end_study())

    def log_report(self, folder: Path) -> None:
        """Attaches a report's files to the study's run. Raises :class:`TrackingError`."""

        def attach() -> None:
            taken = self._updates.report(self._updates.study(), folder)
            self._updates.study()  # what the experiment says of the report
            if not taken:
                raise TrackingError(self._untaken())
            self._updates.tell_verdicts()

        if not self._guard(attach):
            raise TrackingError(self.trouble or "the report could not be logged")

    def _finish(self) -> None:
        self._updates.clear()
        self._updates.end_study()

    # The store: reached, left and learned again.

    @property
    def _index(self) -> StoreIndex:
        assert self._opened is not None
        return self._opened[0]

    @property
    def _updates(self) -> RunUpdates:
        assert self._opened is not None
        return self._opened[1]

    def _open(self) -> None:
        if self._opened is not None:
            return
        self._reader = FolderReader.open(self.folder)
        self._refuse_copy()
        study, index = self._reader.plan.study, StoreIndex(self.store, self._reader)
        self._opened = index, (updates := RunUpdates(self._reader, index))
        try:
            updates.study()
            index.clear()
            # What another process, or this one before the store went away, left undone; and what people took away.
            self.note(
                fold
                for fold in self._reader.all_folds()
                if not index.closed(self._reader.run_key(fold)) or updates.misplaced(fold)
            )
            self._trials_due |= dict.fromkeys(
                trial
                for trial in self._reader.trials()
                if not index.closed(f"{study}/{trial}") or updates.outdated(trial)
            )
        except BaseException:
            self._opened = None
            raise

    def _untaken(self) -> str | None:
        untaken = self._index.untaken
        return f"MLflow store {redact(self.store.uri)}: {untaken}" if untaken else None

    def _refuse_copy(self) -> None:
        """A copy of a study writes into a store of its own alone."""
        try:
            there = place.original(self.folder)
        except StudyError as error:
            raise TrackingError(str(error)) from error
        if there is not None and locate(self._uri, there) == self.store:
            raise TrackingError(
                f"{self.folder}: a copy of the study in {there}, whose runs in {redact(self.store.uri)} are that "
                f"folder's: nothing is written there from here; go on with `actsweep sync {quote_path(there)}`; or "
                "remove that folder for good, and this one is the study"
            )

    def _update_fold(self, key: str) -> None:
        if self._updates.fold(key):
            self._trials_due[key.partition("/")[0]] = None

    def _attempt(self, key: str, update: Callable[[str], None]) -> None:
        """One update; what is wrong with this fold alone does not keep the others."""
        try:
            update(key)
            self._refused.pop(key, None)
        except Unreadable as error:
            self._refused[key] = redact(str(error))
        except Exception as error:
            if getattr(error, "error_code", "") not in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST") or _taken_away(error):
                raise
            self._refused[key] = f"{key}: {redact(store_words.short(error))}"

    def _guard(self, action: Callable[[], object]) -> bool:
        """Opens the store and acts on it; once more where people sent runs or the experiment to the trash meanwhile."""
        try:
            if self._opened is not None and self.store.database is not None:
                ask(self.store.database)
            self._open()
            try:
                action()
            except Exception as error:
                if not _taken_away(error):
                    raise
                self._opened = None
                self._open()
                action()
        except Exception as error:
            self._fail(error)
            return False
        return True

    def _fail(self, error: Exception) -> None:
        """The store cannot be written: forget what we believe of it, and come back later."""
        self.trouble = redact(str(error)) if isinstance(error, TrackingError) else words(self.store, error)
        self._opened, self._doubtful = None, True
        leave(self.store)
        self._not_before = self._clock() + self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)


def _taken_away(error: Exception) -> bool:
    """Whether MLflow says of what was to be written that it is in the trash, or gone for good."""
    gone = getattr(error, "error_code", "") == "RESOURCE_DOES_NOT_EXIST"
    return gone or "must be in the 'active' state" in str(error)
