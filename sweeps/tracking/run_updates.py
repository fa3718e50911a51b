"""Brings the runs of one study in its MLflow store up to date: each fold's, each trial's and the study's own.

MLflow's metrics can be added to but not changed, while a journal's epochs can be superseded: a fold that was restarted
trains some epochs again, and a node that was cut off may have written epochs that no longer count. A run whose epochs
are no longer those of the journal is therefore replaced by a new one (the old one goes to MLflow's trash). Replacing is
rare, and it keeps one promise: a view that was kept equals a view made from nothing.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from analysis.runs import schema
from sweeps.folder.decided import Decided
from sweeps.tracking.folder_reader import FolderReader, Unreadable
from sweeps.tracking.run_content import choice_tags, study_run, trial_run
from sweeps.tracking.run_values import LOGGED, NOTE, PARENT, FoldResult, FoldRun, Run
from sweeps.tracking.store_index import KnownRun, StoreIndex

_END_TAGS = (schema.STATUS, schema.REASON, schema.EPOCHS, schema.STAGES, schema.REMARK_PREFIX, LOGGED)
"""Beginnings of the tags that a run has once it has ended."""


class RunUpdates:
    """Errors of the store are the caller's to handle; after one, make a new index and new updates."""

    def __init__(self, reader: FolderReader, index: StoreIndex) -> None:
        self._reader, self._index = reader, index
        self._results: dict[str, dict[str, FoldResult | None]] = {}
        """Of the trials that have not ended: how each fold ended, None while it has not."""

    def fold(self, key: str) -> bool:
        """Brings a fold's run up to date; whether its trial's may have changed with it."""
        trial = key.partition("/")[0]
        wanted, result = self._reader.fold(key)
        if wanted is None:
            return self._forget(key)
        known = self._index.runs.get(wanted.key)
        if known is not None and (known.suspect or not self._is_beginning(wanted, known)):
            self._index.delete(wanted.key)
            known = None
        if known is None or not known.closed or known.outdated:
            parent = self._trial_run(trial, wanted)
            if known is None:
                known = self._index.create(wanted, parent)
            self._index.add_inputs(wanted.key, wanted.inputs)
            self._index.add_inputs(f"{self._reader.plan.study}/{trial}", wanted.inputs[:1])
            self._extend(wanted, known, parent)
        results = self._results.setdefault(trial, {})
        if key in results and results[key] == result:
            return False
        results[key] = result
        return True

    def _forget(self, key: str) -> bool:
        """A fold that waits for another try, and of which nothing counts so far."""
        trial = key.partition("/")[0]
        of_trial = f"{self._reader.plan.study}/{trial}"
        if self._reader.run_key(key) in self._index.runs:
            self._index.delete(self._reader.run_key(key))
        elif of_trial not in self._index.runs:
            return False
        if any(self._reader.run_key(fold) in self._index.runs for fold in self._reader.folds(trial)):
            self._results.setdefault(trial, {})[key] = None
            return True
        # also where it was cut off between the two
        if of_trial in self._index.runs:
            self._index.delete(of_trial)
        self._results.pop(trial, None)
        return False

    def _is_beginning(self, wanted: FoldRun, known: KnownRun) -> bool:
        last = self._index.last_marker.get(known.run_id)
        if last is not None and wanted.times()[known.mark.epochs : known.mark.epochs + 1] != [last]:
            return False
        return wanted.continues(known.mark)

    def _extend(self, wanted: FoldRun, known: KnownRun, parent: str) -> None:
        tags: dict[str, str] = {}
        if wanted.attempts != known.attempts and known.attempts:
            tags = dict(wanted.tags)
            for name in self._index.api.get_run(known.run_id).data.tags:
                if name.startswith(schema.PREFIX) and name not in wanted.tags:
                    self._index.api.delete_tag(known.run_id, name)
        elif wanted.end_ms:
            tags = {name: text for name, text in wanted.tags.items() if name.startswith(_END_TAGS)}
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
            wanted = self._wanted_trial(trial, self._reader.first_start_ms(trial, fold.start_ms), [None])
            known = self._index.create(wanted, "")
            self._index.send(known.run_id, [], wanted.params, {})
            known.params = True
        return known.run_id

    def _wanted_trial(
        self, trial: str, start_ms: int, results: Sequence[FoldResult | None], decided: Decided | None = None
    ) -> Run:
        reader = self._reader
        return trial_run(reader.plan, reader.trial_and_training(trial), start_ms, results, reader.origin, decided)

    def trial(self, trial: str) -> None:
        """Brings a trial's run up to date, by what its folds said last."""
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
            self._reader.plan,
            self._reader.trial_and_training(trial),
            0,
            list(results.values()),
            self._reader.origin,
            decided,
        )
        summary = _summary(wanted)
        if known.suspect or (known.closed and known.summary != summary):
            known = self._replace_trial(trial, known)
        if not known.params:
            self._index.send(known.run_id, [], wanted.params, {})
            known.params = True
        if not known.inputs:
            for run in self._begun(trial):
                self._index.add_inputs(key, run.inputs[:1])
        if wanted.end_ms and not known.closed:
            tags = {name: text for name, text in wanted.tags.items() if name.startswith(_END_TAGS)} | {LOGGED: summary}
            self._index.send(known.run_id, wanted.final, {}, tags)
            self._index.terminate(known.run_id, wanted)
            known.closed, known.summary = True, summary
        self._renew(known, _changing(decided))
        if known.closed:
            del self._results[trial]

    def outdated(self, trial: str) -> bool:
        """Whether something was decided of a trial, after its run had ended, that the run does not say."""
        known = self._index.runs[f"{self._reader.plan.study}/{trial}"]
        try:
            return known.told != _changing(self._reader.decided(trial))
        except Unreadable:
            return True  # which its update tells

    def _renew(self, known: KnownRun, tags: Mapping[str, str]) -> None:
        """Tags that may change after a run has ended: that a search chose the trial, the version of what it says."""
        if known.told == tags:
            return
        self._index.send(known.run_id, [], {}, tags)
        for name in known.told.keys() - tags.keys():
            self._index.api.delete_tag(known.run_id, name)
        known.told, known.outdated = dict(tags), False

    def _replace_trial(self, trial: str, old: KnownRun) -> KnownRun:
        """A trial that had ended goes on, or ended otherwise: a new run, with the folds below it."""
        key = f"{self._reader.plan.study}/{trial}"
        begun = next(self._begun(trial))
        start_ms = self._reader.first_start_ms(trial, begun.start_ms)
        wanted = trial_run(
            self._reader.plan, self._reader.trial_and_training(trial), start_ms, [None], self._reader.origin
        )
        del self._index.runs[key]
        known = self._index.create(wanted, "")
        for name, fold in self._index.runs.items():
            if name.startswith(key + "/"):
                self._index.api.set_tag(fold.run_id, PARENT, known.run_id)
                fold.parent = known.run_id
        self._index.api.delete_run(old.run_id)
        return known

    def _begun(self, trial: str) -> Iterator[FoldRun]:
        return (run for fold in self._reader.folds(trial) if (run := self._reader.fold(fold)[0]) is not None)

    def study(self) -> KnownRun:
        """The study's run, made where there is none, with its files attached."""
        known = self._index.runs.get(self._reader.plan.study)
        declared = datetime.fromisoformat(self._reader.plan.declaration.declared_at).timestamp()
        wanted = study_run(self._reader.plan, round(declared * 1000), self._reader.origin)
        if known is None:
            known = self._index.create(wanted, "")
        if known.outdated or not known.params:
            self._index.send(known.run_id, [], wanted.params, wanted.tags)
            known.params = True
        self._renew(known, {name: wanted.tags[name] for name in (schema.SCHEMA_TAG, NOTE)})
        texts = self._reader.artifacts()
        logged = f"{zlib.crc32(repr(texts).encode()):08x}"
        if known.summary != logged:
            with TemporaryDirectory() as folder:
                for name, text in texts.items():
                    (Path(folder) / name).parent.mkdir(parents=True, exist_ok=True)
                    (Path(folder) / name).write_text(text, encoding="utf-8")
                self._index.api.log_artifacts(known.run_id, folder)
            self._index.api.set_tag(known.run_id, LOGGED, logged)
            known.summary = logged
        return known

    def end_study(self) -> None:
        """The study's run has ended when each of its trials has."""
        known = self.study()
        trials = [self._index.runs.get(f"{self._reader.plan.study}/{name}") for name in self._reader.trials()]
        ended = bool(trials) and all(trial is not None and trial.closed for trial in trials)
        if ended:
            ends = (self._index.api.get_run(trial.run_id).info.end_time for trial in trials if trial is not None)
            self._index.api.set_terminated(known.run_id, "FINISHED", max(end for end in ends if end is not None))
        elif known.closed:  # a run that is reopened keeps the time of its end
            self._index.delete(self._reader.plan.study)
            known = self.study()
        known.closed = ended


def _changing(decided: Decided | None) -> dict[str, str]:
    """Tags of a trial's run that may change after its end."""
    return {**choice_tags(decided), schema.SCHEMA_TAG: str(schema.SCHEMA)}


def _summary(run: Run) -> str:
    """What a trial's run says at its end, in short; "" while it runs."""
    return f"{zlib.crc32(repr((run.status, run.end_ms, run.final)).encode()):08x}" if run.end_ms else ""
