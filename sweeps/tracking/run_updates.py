"""Brings the runs of one study in its MLflow store up to date: each fold's, each trial's and the study's own.

MLflow's metrics can be added to but not changed, while a journal's epochs can be superseded: a fold that was restarted
trains some epochs again, and a node that was cut off may have written epochs that no longer count. A run whose epochs
are no longer those of the journal is therefore replaced by a new one (the old one goes to MLflow's trash). Replacing is
rare, and it keeps one promise: a view that was kept equals a view made from nothing. So does what people changed of a
run that is ours to say; their own tags and notes, and runs of their own, stay.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from analysis.runs import schema
from sweeps.folder import layout, reported
from sweeps.folder.decided import Decided
from sweeps.tracking import experiment
from sweeps.tracking.experiment_search import declared_ms, owner_tags
from sweeps.tracking.folder_reader import FolderReader, Unreadable
from sweeps.tracking.run_content import later_tags, study_run, trial_run
from sweeps.tracking.run_face import Face
from sweeps.tracking.run_values import LOGGED, PARENT, FoldResult, FoldRun, Point, Run, short
from sweeps.tracking.store_index import KnownRun, StoreIndex
from sweeps.tracking.study_summary import SUMMARY
from sweeps.tracking.study_summary import points as study_points


class RunUpdates:
    """Errors of the store are the caller's to handle; after one, make a new index and new updates."""

    def __init__(self, reader: FolderReader, index: StoreIndex) -> None:
        self._reader, self._index = reader, index
        self._results: dict[str, dict[str, FoldResult | None]] = {}
        """Of the trials that have not ended: how each fold ended, None while it has not."""
        self._attached: set[str] | None = None
        """Artifacts of the study's run, folders by their name; None while that was not asked."""
        self._verdicts: Mapping[str, str] = {}
        """Trial -> what the last report calls it."""

    def fold(self, key: str) -> bool:
        """Brings a fold's run up to date; whether its trial's may have changed with it."""
        trial = key.partition("/")[0]
        wanted, result = self._reader.fold(key)
        if wanted is None:
            return self._forget(key)
        known = self._index.runs.get(wanted.key)
        if known is not None and (not self._is_beginning(wanted, known) or self._beyond_repair(known, wanted)):
            self._index.delete(wanted.key)
            known = None
        parent = self._trial_run(trial, wanted)
        if known is None:
            known = self._index.create(wanted, parent)
        self._index.add_inputs(wanted.key, wanted.inputs)
        self._index.add_inputs(f"{self._reader.plan.study}/{trial}", wanted.inputs[:1])
        points = [] if known.closed else [*wanted.points_after(known.mark.epochs), *wanted.final]
        self._bring(known, wanted, points, parent)
        self._index.last_marker.pop(known.run_id, None)
        known.mark = wanted.mark()
        results = self._results.setdefault(trial, {})
        over = self._index.runs[f"{self._reader.plan.study}/{trial}"].closed
        if key in results and results[key] == result and (over or result is None):
            return False  # else its end may have been seen here before it was decided what became of the trial
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

    def _beyond_repair(self, known: KnownRun, wanted: Run) -> bool:
        """Whether the run is to be replaced: what it has and should not have cannot be taken from it."""
        if known.suspect or (not wanted.end_ms and (known.closed or known.end_ms)):
            return True
        face = self._face(known, wanted)
        return face.checksum() != known.shows and face.contradicts(self._held(known))

    def _face(self, known: KnownRun, wanted: Run) -> Face:
        face = Face.wanted(wanted, wanted.tags)
        return face.without_note() if known.noted else face

    def _held(self, known: KnownRun) -> Face:
        """What the run shows now; asked of the store where that is not known."""
        if known.face is None:
            held = Face.held(self._index.api.get_run(known.run_id))
            known.face = held.without_note() if known.noted else held
        return known.face

    def _bring(self, known: KnownRun, wanted: Run, points: Sequence[Point] = (), parent: str = "") -> None:
        """Sends metrics, and makes the run show what it should, wherever that differs."""
        face, api = self._face(known, wanted), self._index.api
        held = face if face.checksum() == known.shows else self._held(known)
        tags = face.changed_tags(held)
        if parent and parent != known.parent:
            tags[PARENT] = parent
        params = {name: text for name, text in face.params.items() if name not in held.params}
        self._index.send(known.run_id, points, params, tags)
        for name in held.tags.keys() - face.tags.keys():
            api.delete_tag(known.run_id, name)
        if known.parent and not parent:
            api.delete_tag(known.run_id, PARENT)
        if face.name != held.name:
            api.update_run(known.run_id, name=face.name)
        if (face.status, face.end_ms) != (held.status, held.end_ms):
            self._index.terminate(known.run_id, wanted)
        known.take(face)
        known.parent = parent

    def _trial_run(self, trial: str, fold: FoldRun) -> str:
        """Id of the trial's run, made at the first start of one of its folds."""
        key = f"{self._reader.plan.study}/{trial}"
        known = self._index.runs.get(key)
        if known is None:
            wanted = self._wanted_trial(trial, self._reader.first_start_ms(trial, fold.start_ms), [None])
            known = self._index.create(wanted, "")
            self._bring(known, wanted)
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
        results = {
            fold: results[fold] for fold in self._reader.folds(trial)
        }  # whichever ended first: sums have an order
        key = f"{self._reader.plan.study}/{trial}"
        known = self._index.runs.get(key)
        if known is None:
            return
        decided = self._reader.decided(trial)
        wanted = self._wanted_trial(trial, 0, list(results.values()), decided)
        summary = _summary(wanted)
        logged = {LOGGED: summary} if summary else {}
        wanted = dataclasses.replace(
            wanted, tags={**wanted.tags, **later_tags(decided, self._verdicts.get(trial, "")), **logged}
        )
        if (known.closed and known.summary != summary) or self._beyond_repair(known, wanted):
            known = self._replace_trial(trial, known)
        if not known.inputs:
            for run in self._begun(trial):
                self._index.add_inputs(key, run.inputs[:1])
        self._bring(known, wanted, [] if known.closed else wanted.final)
        if known.closed:
            known.summary = summary
            del self._results[trial]

    def outdated(self, trial: str) -> bool:
        """Whether something was decided or reported of a trial, after its run had ended, that the run does not say."""
        known = self._index.runs[f"{self._reader.plan.study}/{trial}"]
        try:
            return known.later != later_tags(self._reader.decided(trial), self._verdicts.get(trial, ""))
        except Unreadable:
            return True  # which its update tells

    def misplaced(self, fold: str) -> bool:
        """Whether a fold's run is not below its trial's, or lacks it."""
        known = self._index.runs.get(self._reader.run_key(fold))
        above = self._index.runs.get(f"{self._reader.plan.study}/{fold.partition('/')[0]}")
        return known is not None and (above is None or known.parent != above.run_id)

    def _replace_trial(self, trial: str, old: KnownRun) -> KnownRun:
        """A trial that had ended goes on, or ended otherwise: a new run, with the folds below it."""
        key = f"{self._reader.plan.study}/{trial}"
        begun = next(self._begun(trial))
        start_ms = self._reader.first_start_ms(trial, begun.start_ms)
        wanted = self._wanted_trial(trial, start_ms, [None])
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
        """The study's run, made where there is none, with its files attached; and what the experiment says."""
        key = self._reader.plan.study
        wanted, known = self._study_run(), self._index.runs.get(key)
        ended = known is not None and known.closed
        shown = self._study_run(known.end_ms, known.final) if known is not None and ended else wanted
        if known is not None and self._beyond_repair(known, shown):
            self._index.delete(key)
            known = None
        if known is None:
            known = self._index.create(wanted, "")
            self._attached, ended = set(), False
        logged = self._attach(known)
        self._verdicts = reported.verdicts(self._reader.folder)
        self._index.set_tags({**owner_tags(self._reader), **experiment.tags(self._reader, self._report_address(known))})
        wanted = self._study_run(known.end_ms if ended else 0, known.final if ended else "")
        self._bring(known, dataclasses.replace(wanted, tags={**wanted.tags, LOGGED: logged}))
        known.summary = logged
        return known

    def _report_address(self, known: KnownRun) -> str:
        attached = schema.REPORT_ARTIFACT in (self._attached or ())
        return experiment.report_address(self._index.experiment, known.run_id) if attached else ""

    def _study_run(self, end_ms: int = 0, summary: str = "") -> Run:
        wanted = study_run(self._reader.plan, declared_ms(self._reader), self._reader.origin)
        status = (schema.Status.FINISHED if end_ms else schema.Status.RUNNING).value
        tags = {**wanted.tags, SUMMARY: summary} if summary else wanted.tags
        return dataclasses.replace(wanted, status=status, end_ms=end_ms, tags=tags)

    def _attach(self, known: KnownRun) -> str:
        """Attaches the study's files to its run, and its report where the run has none; a checksum of the former."""
        texts = self._reader.artifacts()
        logged = short(texts)
        if self._attached is None:
            self._attached = self._index.attached(known.run_id)
        tops = {name.partition("/")[0] for name in texts}
        if known.summary != logged or not tops <= self._attached:
            with TemporaryDirectory() as folder:
                for name, text in texts.items():
                    (Path(folder) / name).parent.mkdir(parents=True, exist_ok=True)
                    (Path(folder) / name).write_text(text, encoding="utf-8")
                if not self._index.attach(known.run_id, Path(folder)):
                    logged = ""  # and the next who opens the store tries again
            self._attached |= tops
        report = self._reader.folder / layout.REPORT
        if schema.REPORT_ARTIFACT not in self._attached and (report / "report.html").is_file():
            self.report(known, report)
        return logged

    def report(self, known: KnownRun, folder: Path) -> bool:
        """Attaches a report's files to the study's run; whether the store took all of them."""
        self._attached = {*(self._attached or ()), schema.REPORT_ARTIFACT}
        return self._index.attach(known.run_id, folder, schema.REPORT_ARTIFACT)

    def end_study(self) -> None:
        """The study's run has ended when each of its trials has."""
        known = self.study()
        trials = [self._index.runs.get(f"{self._reader.plan.study}/{name}") for name in self._reader.trials()]
        if trials and all(trial is not None and trial.closed for trial in trials):
            end_ms = max(trial.end_ms for trial in trials if trial is not None)
            final = study_points(self._reader, end_ms)
            summary = short(final)
            if known.final not in ("", summary):  # metrics can be added to, and not changed
                self._index.delete(self._reader.plan.study)
                known = self.study()
            wanted = self._study_run(end_ms, summary)
            wanted = dataclasses.replace(wanted, tags={**wanted.tags, LOGGED: known.summary})
            self._bring(known, wanted, () if known.final else final)
            known.final = summary
        elif known.closed:  # a run that is reopened keeps the time of its end
            self._index.delete(self._reader.plan.study)
            self.study()

    def tell_verdicts(self) -> None:
        """What a report says of trials that have ended."""
        for trial in self._reader.trials():
            if self._index.closed(f"{self._reader.plan.study}/{trial}") and self.outdated(trial):
                self.trial(trial)

    def clear(self) -> None:
        """Sends runs to the trash that bear our tags and are none of the folder's trials and folds."""
        study, reader = self._reader.plan.study, self._reader
        ours = {study, *(f"{study}/{trial}" for trial in reader.trials()), *map(reader.run_key, reader.all_folds())}
        for key in [key for key in self._index.runs if key not in ours]:
            self._index.delete(key)


def _summary(run: Run) -> str:
    """What a trial's run says at its end, in short; "" while it runs."""
    return short((run.status, run.end_ms, run.final)) if run.end_ms else ""
