"""Early stopping: tells the schedulers how search trials do, and ends the trials that they give up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from slurm.jobs import Cluster, JobReport, JobState
from sweeps.driver import trial_result
from sweeps.folder import layout
from sweeps.folder.journals import Journals
from sweeps.folder.ledger import Ledger
from sweeps.folder.records import Reported, Stopping, TrialAdded, TrialStatus, trial_of
from sweeps.search.per_activation import Searches
from trainer.journal import FoldHistory, Status


class EarlyStopping:
    """``trials``: the folder of the trials."""

    def __init__(self, ledger: Ledger, journals: Journals, searches: Searches, cluster: Cluster, trials: Path) -> None:
        self._ledger, self._journals, self._searches, self._cluster = ledger, journals, searches, cluster
        self._trials = trials

    def report(self, trials: Sequence[TrialAdded], jobs: Mapping[str, JobReport]) -> None:
        """Tells the scheduler each epoch that all folds of a search trial have reached; stops what it gives up.
        ``trials``: those that are not over and have begun; ``jobs``: how the jobs in flight stand."""
        state = self._ledger.state
        told: list[Reported | Stopping] = []
        for trial in trials:
            if trial.trial in state.stopping or trial.trial in state.reopened or not self._searches.concerns(trial):
                continue
            told += self._report(trial)
        self._ledger.write(*told)
        for trial in trials:
            if trial.trial in state.stopping:
                self._ask_to_end(trial, jobs)

    def _report(self, trial: TrialAdded) -> list[Reported | Stopping]:
        """Reports the trial's new epochs; what was told, and what stops it, where something does."""
        histories = [self._journals.history(fold) for fold in trial.folds]
        closed = trial_result.closed(self._ledger.state, trial)
        known = [history for history in histories if history is not None]
        if TrialStatus.INFRA_FAILED in closed or _any_ended(known, Status.FAILED):
            return []  # it has no result to compare, until it is tried again
        if _any_ended(known, Status.DIVERGED):
            last = max(len(history.epochs) for history in known)
            return [Stopping(trial=trial.trial, epoch=last, reason="a fold diverged")]
        told: list[Reported | Stopping] = []
        metric = self._searches.metric
        first = self._ledger.state.reported.get(trial.trial, 0) + 1
        for epoch in range(first, trial_result.comparable_epoch(histories, closed) + 1):
            if not trial_result.validated(known, epoch):
                continue
            means = trial_result.means_at(known, epoch, metric)
            if means is None:
                break
            stop = self._searches.reported(trial, epoch, means)
            told.append(Reported(trial=trial.trial, epoch=epoch, metrics={metric: means[metric]}, stop=stop))
            if stop:
                reason = f"the scheduler stopped it at epoch {epoch} ({metric} {means[metric]:.4g})"
                return [*told, Stopping(trial=trial.trial, epoch=epoch, reason=reason)]
        return told

    def _ask_to_end(self, trial: TrialAdded, jobs: Mapping[str, JobReport]) -> None:
        """STOP files for folds that train, cancellation for jobs of this trial that have not started."""
        state = self._ledger.state
        for fold in trial.folds:
            layout.write_stop(self._trials / fold)
        pending = {
            job
            for fold in trial.folds
            if (job := state.job_of.get(fold)) is not None
            and (report := jobs.get(job)) is not None
            and report.state is JobState.PENDING
            and all(trial_of(other) == trial.trial for other in state.folds_of[job])
        }
        if pending:
            self._cluster.cancel(pending)


def _any_ended(folds: Sequence[FoldHistory], status: Status) -> bool:
    return any(fold.end is not None and fold.end.status is status for fold in folds)
