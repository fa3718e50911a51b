"""Failures: jobs that ended before their folds did, folds that are given up, and another try for them on request."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from slurm.jobs import JobReport, JobState
from sweeps.driver import decisions, holding, trial_result
from sweeps.folder import damage, decided, layout
from sweeps.folder.damage import Damaged
from sweeps.folder.journals import Journals
from sweeps.folder.ledger import Ledger
from sweeps.folder.records import FoldKey, GaveUp, JobOver, Reopened, trial_of
from trainer.journal import Status


class Failures:
    """``trials``, ``jobs``: the folders of the trials and of the jobs. ``journal_lag_s``: how long a journal may lag
    behind the end of its job."""

    def __init__(
        self,
        ledger: Ledger,
        journals: Journals,
        trials: Path,
        *,
        max_retries: int,
        journal_lag_s: float,
        jobs: Path,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._ledger, self._journals, self._trials = ledger, journals, trials
        self._max_retries, self._journal_lag_s, self._sleep = max_retries, journal_lag_s, sleep
        self._jobs, self._clock = jobs, clock

    def handle(self, jobs: Mapping[str, JobReport]) -> None:
        """Releases or gives up the folds that jobs that are over left without an end."""
        state = self._ledger.state
        over = [jobs[job] for job in sorted(jobs) if jobs[job].state.over and job in state.folds_of]
        lost = {report.job: self._without_end(state.folds_of[report.job]) for report in over}
        if self._journal_lag_s > 0 and any(lost[report.job] for report in over if report.state is JobState.FINISHED):
            self._sleep(self._journal_lag_s)
            lost = {job: self._without_end(folds) for job, folds in lost.items()}
        decided_now: list[JobOver | GaveUp] = []
        for report in over:
            decided_now += self._decide(report, lost[report.job])
        self._ledger.write(*decided_now)
        for record in decided_now:
            if isinstance(record, GaveUp):
                layout.write_infra(self._trials / record.fold, record.reason)

    def _decide(self, report: JobReport, lost: Sequence[FoldKey]) -> list[JobOver | GaveUp]:
        state = self._ledger.state
        histories = [self._journals.history(fold) for fold in state.folds_of[report.job]]
        epochs = trial_result.epochs_done(histories)
        hold = state.spending.holds[report.job]
        held = holding.of_job(report, hold, self._jobs, histories, self._clock())
        report = holding.reported(report, hold, self._jobs)
        lost = [fold for fold in lost if trial_of(fold) not in state.stopping]
        lost_job = decisions.after_lost_job(state, report, lost, epochs=epochs, max_retries=self._max_retries)
        ended = JobOver(
            job=report.job,
            state=report.state.value,
            reason=report.reason,
            node=report.node,
            folds=tuple(lost),
            epochs=epochs,
            counted=lost_job.counted,
            nodes_fault=report.state in decisions.BLAMES_NODE,
            held_s=held.seconds,
            idle_s=held.idle_s,
        )
        return [ended, *(GaveUp(fold=fold, reason=lost_job.give_up) for fold in lost if lost_job.give_up)]

    def _without_end(self, pack: Collection[FoldKey]) -> list[FoldKey]:
        self._journals.refresh(pack)
        return [fold for fold in pack if (history := self._journals.history(fold)) is None or history.end is None]

    def retry(self, searched: Collection[str], damaged: Mapping[FoldKey, Damaged]) -> list[FoldKey]:
        """Opens again what :func:`sweeps.driver.decisions.reopenable` names, and the trials of ``damaged`` folds, whose
        part in searches and races stays what it was; the folds that may be submitted now."""
        state = self._ledger.state
        trials = {trial.trial: trial for trial in decisions.reopenable(state, searched)}
        folds = [fold for trial in trials.values() for fold in trial.folds]
        failed = {fold: attempt for fold in folds if (attempt := self._failed_attempt(fold)) is not None}
        wanted = {fold for fold in folds if fold in failed or fold in state.gave_up}
        for fold in damage.mendable(state, damaged):
            wanted.add(fold)
            if (attempt := damaged[fold].attempt) is not None:
                failed[fold] = attempt
            trials[trial_of(fold)] = state.trials[trial_of(fold)]
        if not trials:
            return []
        in_order = [trials[name] for name in state.index.in_order(trials)]
        again = Reopened(
            trials=tuple(trial.trial for trial in in_order),
            folds=tuple(fold for trial in in_order for fold in trial.folds if fold in wanted),
            failed=failed,
        )
        self._ledger.write(again)
        for trial in again.trials:
            decided.write(self._trials, self._ledger.state, trial)
        self.release(again)
        return list(again.folds)

    def _failed_attempt(self, fold: FoldKey) -> int | None:
        history = self._journals.history(fold)
        ended = history is not None and history.end is not None and history.end.status is Status.FAILED
        return history.start.attempt if history is not None and ended else None

    def release(self, again: Reopened) -> None:
        """What follows the record, done as often as a driver starts: but for folds that were given up once more."""
        for fold in again.folds:
            if fold not in self._ledger.state.gave_up:
                layout.reopen(self._trials / fold, again.failed.get(fold))
        self._journals.forget(again.folds)
