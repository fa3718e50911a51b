"""The one writer of a study's MLflow view.

MLflow holds nothing of its own: a run is what the study folder says it is, so the view can be thrown away and made
anew, and a write that was lost or cut off is simply made again. Live ingestion and a rebuild take the same way: the
driver names the folds with news, the tracker reads their journals, compares with what the store already holds, and
sends the difference, one batch a run. Runs are found by the tag ``actsweep.key``, never by an id kept elsewhere.

MLflow's metrics can be added to but not changed, while a journal's epochs can be superseded: a fold that was restarted
trains some epochs again, and a node that was cut off may have written epochs that no longer count. A run whose epochs
are no longer those of the journal is therefore replaced by a new one (the old one goes to MLflow's trash). Replacing is
rare, and it keeps one promise: a view that was kept equals a view made from nothing.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from analysis.runs import schema
from sweeps.errors import TrackingError
from sweeps.folder.secrets import redact
from sweeps.tracking.folder_reader import FolderReader, Unreadable
from sweeps.tracking.run_content import LOGGED, PARENT, FoldResult, FoldRun, Run, choice_tags, study_run, trial_run
from sweeps.tracking.store import locate
from sweeps.tracking.store_index import Known, StoreIndex

FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 60.0
"""Pause after a failed attempt to reach the store, doubled from one failure to the next."""


@dataclass(frozen=True, kw_only=True)
class Synced:
    trials: int
    folds: int


_DAMAGED = ("file is not a database", "database disk image is malformed")


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
        self.store = locate(uri, study_folder)
        self._reader: FolderReader
        self.trouble: str | None = None
        """What keeps the view from being complete, without secrets; None when all is well."""
        self._clock = clock
        self._opened: StoreIndex | None = None
        self._experiment = ""
        self._pending: dict[str, None] = {}
        self._refused: dict[str, str] = {}
        self._trials_due: dict[str, None] = {}
        self._results: dict[str, dict[str, FoldResult | None]] = {}
        self._not_before = 0.0
        self._pause_s = FIRST_PAUSE_S

    @property
    def pending(self) -> int:
        """Folds and trials with news that the store does not have yet."""
        return len(self._pending) + len(self._trials_due)

    @property
    def experiment_id(self) -> str:
        """MLflow's id of the study's experiment; "" before the store was first reached."""
        return self._experiment

    def note(self, folds: Iterable[str]) -> None:
        """These folds (``<trial>/fold-<repeat>-<fold>``) have news; their journals are read at the flush."""
        for fold in folds:
            self._pending[fold] = None

    def flush(self, budget_s: float | None = None) -> bool:
        """Sends what is pending, for about ``budget_s`` seconds; True when nothing is left."""
        if self._clock() < self._not_before:
            return False
        until = None if budget_s is None else self._clock() + budget_s
        try:
            self._open()
            for fold in list(self._pending):
                self._attempt(fold, self._update_fold)
                self._pending.pop(fold, None)
                if until is not None and self._clock() > until:
                    break
            waiting = {fold.partition("/")[0] for fold in self._pending}
            for trial in list(self._trials_due):
                if trial not in waiting:
                    self._attempt(trial, self._update_trial)
                    self._trials_due.pop(trial, None)
        except Exception as error:
            self._fail(error)
            return False
        self._pause_s = FIRST_PAUSE_S
        self.trouble = next(iter(self._refused.values()), None)
        return not self.pending

    def sync(self) -> Synced:
        """Makes the store say what the study folder says, whatever it held before. Raises :class:`TrackingError`."""
        self._not_before = 0.0
        if self._guard(self._open):
            self.note(self._folds())
            _ = self.flush() and self._guard(self._update_study)
        if self.trouble is not None:
            raise TrackingError(self.trouble)
        return Synced(trials=len(self._reader.trials()), folds=len(self._folds()))

    def close(self, budget_s: float = 60.0) -> bool:
        """Sends what is left and the state of the study itself; True when the store has everything."""
        self._not_before = 0.0
        self.note(key for key in self._refused if "/" in key)
        done = self.flush(budget_s)
        return done and self._guard(self._update_study)

    def log_report(self, folder: Path) -> None:
        """Attaches a report's files to the study's run. Raises :class:`TrackingError`."""

        def attach() -> None:
            self._index.api.log_artifacts(self._study().run_id, str(folder), schema.REPORT_ARTIFACT)

        if not self._guard(attach):
            raise TrackingError(self.trouble or "the report could not be logged")

    # The store: reached, left and learned again.

    @property
    def _index(self) -> StoreIndex:
        assert self._opened is not None
        return self._opened

    def _open(self) -> None:
        if self._opened is not None:
            return
        self._reader = FolderReader.open(self.folder)
        plan = self._reader.plan
        mirror = StoreIndex(self.store, plan.study, plan.study_digest)
        self._experiment = mirror.experiment
        self._results.clear()
        self._opened = mirror
        try:
            self._study()
            # What another process, or this one before the store went away, left undone.
            self.note(fold for fold in self._folds() if not mirror.closed(self._run_key(fold)))
            self._trials_due |= dict.fromkeys(
                trial for trial in self._reader.trials() if not mirror.closed(f"{plan.study}/{trial}")
            )
        except BaseException:
            self._opened = None
            raise

    def _folds(self) -> list[str]:
        return [fold for trial in self._reader.trials() for fold in self._reader.folds(trial)]

    def _run_key(self, fold: str) -> str:
        trial, _, name = fold.partition("/")
        return f"{self._reader.plan.study}/{trial}/{name.removeprefix('fold-')}"

    def _attempt(self, key: str, update: Callable[[str], None]) -> None:
        """One update; what is wrong with this fold alone does not keep the others."""
        try:
            update(key)
            self._refused.pop(key, None)
        except Unreadable as error:
            self._refused[key] = redact(str(error))
        except Exception as error:
            if getattr(error, "error_code", "") not in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST"):
                raise
            self._refused[key] = f"{key}: {redact(str(error))}"

    def _guard(self, action: Callable[[], object]) -> bool:
        try:
            self._open()
            action()
        except Exception as error:
            self._fail(error)
            return False
        return True

    def _fail(self, error: Exception) -> None:
        """The store cannot be written: forget what we believe of it, and come back later."""
        # SQLAlchemy adds the statement and an address on further lines.
        text = redact(str(error)).strip().partition("\n[SQL: ")[0] or type(error).__name__
        anew = self.store.database is not None and any(words in text for words in _DAMAGED)
        remedy = f"delete {self.store.database}, and sync builds it anew" if anew else "sync catches up"
        self.trouble = f"MLflow store {redact(self.store.uri)}: {text}; the journals keep everything, {remedy}"
        self._opened = None
        self._not_before = self._clock() + self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    # The three kinds of runs.

    def _update_fold(self, key: str) -> None:
        trial = key.partition("/")[0]
        wanted, result = self._reader.fold(key)
        if wanted is None:
            self._forget(key)
            return
        known = self._index.runs.get(wanted.key)
        if known is not None and (known.suspect or not self._is_beginning(wanted, known)):
            self._index.delete(wanted.key)
            known = None
        if known is None or not known.closed or known.outdated:
            parent = self._trial_run(trial, wanted)
            if known is None:
                known = self._index.create(wanted, parent)
            self._extend(wanted, known, parent)
        results = self._results.setdefault(trial, {})
        if key not in results or results[key] != result:
            results[key] = result
            self._trials_due[trial] = None

    def _forget(self, key: str) -> None:
        """A fold that waits for another try, and of which nothing counts so far."""
        trial = key.partition("/")[0]
        of_trial = f"{self._reader.plan.study}/{trial}"
        if self._run_key(key) in self._index.runs:
            self._index.delete(self._run_key(key))
        elif of_trial not in self._index.runs:
            return
        if any(self._run_key(fold) in self._index.runs for fold in self._reader.folds(trial)):
            self._results.setdefault(trial, {})[key] = None
            self._trials_due[trial] = None
        else:
            # also where it was cut off between the two
            if of_trial in self._index.runs:
                self._index.delete(of_trial)
            self._results.pop(trial, None)

    def _is_beginning(self, wanted: FoldRun, known: Known) -> bool:
        last = self._index.last_marker.get(known.run_id)
        if last is not None and wanted.times()[known.mark.epochs : known.mark.epochs + 1] != [last]:
            return False
        return wanted.continues(known.mark)

    def _extend(self, wanted: FoldRun, known: Known, parent: str) -> None:
        tags: dict[str, str] = {}
        if known.outdated or (wanted.attempts != known.attempts and known.attempts):
            tags = dict(wanted.tags)
            for name in self._index.api.get_run(known.run_id).data.tags:
                if name.startswith(schema.PREFIX) and name not in wanted.tags:
                    self._index.api.delete_tag(known.run_id, name)
        elif wanted.end_ms:
            tags = {name: wanted.tags[name] for name in _END_TAGS if name in wanted.tags}
        if known.parent != parent:
            tags[PARENT] = parent
        params = {} if known.params else wanted.params
        points = wanted.points_after(known.mark.epochs)
        self._index.send(known.run_id, [*points, *wanted.final], params, tags)
        if wanted.end_ms:
            self._index.terminate(known.run_id, wanted)
        self._index.last_marker.pop(known.run_id, None)
        known.mark, known.attempts, known.params = wanted.mark(), wanted.attempts, True
        known.parent, known.closed, known.outdated = parent, bool(wanted.end_ms), False

    def _trial_run(self, trial: str, fold: FoldRun) -> str:
        """Id of the trial's run, made at the first start of one of its folds."""
        key = f"{self._reader.plan.study}/{trial}"
        known = self._index.runs.get(key)
        if known is None:
            results: list[FoldResult | None] = [None]
            wanted = trial_run(
                self._reader.plan,
                self._reader.trial(trial),
                self._reader.first_start_ms(trial, fold.start_ms),
                results,
                self._reader.commit,
            )
            known = self._index.create(wanted, "")
            self._index.send(known.run_id, [], wanted.params, {})
            known.params = True
        return known.run_id

    def _update_trial(self, trial: str) -> None:
        results = self._results.setdefault(trial, {})
        for fold in self._reader.folds(trial):
            if fold not in results:
                results[fold] = self._reader.fold(fold)[1]
        key = f"{self._reader.plan.study}/{trial}"
        known = self._index.runs.get(key)
        if known is None:
            return
        decided = self._reader.decided(trial)
        wanted = trial_run(
            self._reader.plan, self._reader.trial(trial), 0, list(results.values()), self._reader.commit, decided
        )
        summary = _summary(wanted)
        if known.suspect or (known.closed and known.summary != summary):
            known = self._replace_trial(trial, known)
        if not known.params:
            self._index.send(known.run_id, [], wanted.params, {})
            known.params = True
        if wanted.end_ms and not known.closed:
            tags = {name: wanted.tags[name] for name in _END_TAGS if name in wanted.tags} | {LOGGED: summary}
            self._index.send(known.run_id, wanted.final, {}, tags)
            self._index.terminate(known.run_id, wanted)
            known.closed, known.summary = True, summary
        self._renew(known, {**choice_tags(decided), **{schema.SCHEMA_TAG: str(schema.SCHEMA)}})
        if known.closed:
            del self._results[trial]

    def _renew(self, known: Known, tags: Mapping[str, str]) -> None:
        """Tags that may change after a run has ended: that a search chose the trial, the version of what it says."""
        if known.told == tags:
            return
        self._index.send(known.run_id, [], {}, tags)
        for name in known.told.keys() - tags.keys():
            self._index.api.delete_tag(known.run_id, name)
        known.told, known.outdated = dict(tags), False

    def _replace_trial(self, trial: str, old: Known) -> Known:
        """A trial that had ended goes on, or ended otherwise: a new run, with the folds below it."""
        key = f"{self._reader.plan.study}/{trial}"
        begun = next(run for fold in self._reader.folds(trial) if (run := self._reader.fold(fold)[0]) is not None)
        start_ms = self._reader.first_start_ms(trial, begun.start_ms)
        wanted = trial_run(self._reader.plan, self._reader.trial(trial), start_ms, [None], self._reader.commit)
        del self._index.runs[key]
        known = self._index.create(wanted, "")
        for name, fold in self._index.runs.items():
            if name.startswith(key + "/"):
                self._index.api.set_tag(fold.run_id, PARENT, known.run_id)
                fold.parent = known.run_id
        self._index.api.delete_run(old.run_id)
        return known

    def _study(self) -> Known:
        known = self._index.runs.get(self._reader.plan.study)
        if known is None:
            declared = datetime.fromisoformat(self._reader.plan.declaration.declared_at).timestamp()
            known = self._index.create(study_run(self._reader.plan, round(declared * 1000), self._reader.commit), "")
        self._renew(known, {schema.SCHEMA_TAG: str(schema.SCHEMA)})
        texts = self._reader.artifacts()
        logged = f"{zlib.crc32(repr(texts).encode()):08x}"
        if known.summary != logged:
            with TemporaryDirectory() as folder:
                for name, text in texts.items():
                    (Path(folder) / name).write_text(text, encoding="utf-8")
                self._index.api.log_artifacts(known.run_id, folder)
            self._index.api.set_tag(known.run_id, LOGGED, logged)
            known.summary = logged
        return known

    def _update_study(self) -> None:
        """The study's run has ended when each of its trials has."""
        known = self._study()
        trials = [self._index.runs.get(f"{self._reader.plan.study}/{name}") for name in self._reader.trials()]
        ended = bool(trials) and all(trial is not None and trial.closed for trial in trials)
        if ended:
            ends = (self._index.api.get_run(trial.run_id).info.end_time for trial in trials if trial is not None)
            self._index.api.set_terminated(known.run_id, "FINISHED", max(end for end in ends if end is not None))
        elif known.closed:  # a run that is reopened keeps the time of its end
            self._index.delete(self._reader.plan.study)
            known = self._study()
        known.closed = ended


_END_TAGS = (schema.STATUS, schema.REASON, schema.EPOCHS, LOGGED)


def _summary(run: Run) -> str:
    """What a trial's run says at its end, in short; "" while it runs."""
    return f"{zlib.crc32(repr((run.status, run.end_ms, run.final)).encode()):08x}" if run.end_ms else ""
