"""The driver: asks, submits, observes and tells, in one process.

A :meth:`Driver.tick` is one idempotent decision step over the ledger, the journals and the states of jobs. Each
decision is in the ledger before it is acted upon: a driver that was killed anywhere goes on where its ledger ends.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from slurm.jobs import Cluster, JobReport, JobState
from sweeps.driver import decisions, trial_result
from sweeps.driver.failures import Losses
from sweeps.driver.packs import Node, pack_size, pack_text
from sweeps.driver.submission import CALL, Submitter
from sweeps.errors import LedgerError
from sweeps.folder import decided, layout
from sweeps.folder.journals import Journals
from sweeps.folder.ledger import FILE, Ledger
from sweeps.folder.records import (
    Completed,
    Exhausted,
    Finished,
    FoldKey,
    Opened,
    Paused,
    Reported,
    Selected,
    Stopping,
    TrialAdded,
    TrialStatus,
    trial_of,
)
from sweeps.folder.state import State
from sweeps.search.per_activation import Searches
from sweeps.study.study import Study, digest
from sweeps.tracking.tracker import Tracker
from trainer.journal import FoldHistory, Status
from trainer.spec import FoldSpec, Options, Phase

TRACK_EVERY_S, TRACK_FOR_S = 5.0, 2.0
"""How often MLflow is written, and how long a step may be kept by it."""


class Driver:
    """Drives one study folder. Hold its :class:`sweeps.folder.lock.Lock` while one exists.

    ``settle_s``: how long a journal may lag behind the end of its job on a shared file system. ``call``: what runs on a
    node; another than the trainer's entry only to try the driver without training.
    """

    def __init__(
        self,
        path: Path,
        study: Study,
        cluster: Cluster,
        tracker: Tracker | None,
        node: Node,
        *,
        settle_s: float = 0.0,
        call: str = CALL,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.path, self.study, self.cluster, self.tracker, self.node = path, study, cluster, tracker, node
        self._clock, self._sleep = clock, sleep
        self._trials = path / "trials"
        self._jobs = (path / "jobs").absolute()
        self.journals = Journals(self._trials)
        self.ledger = Ledger(path)
        self.jobs: dict[str, JobReport] = {}
        self._losses = Losses(
            self.ledger,
            self.journals,
            self._trials,
            max_retries=study.cluster.max_retries,
            settle_s=settle_s,
            sleep=sleep,
        )
        self._submitter = Submitter(self.ledger, cluster, self._jobs, self._text, clock, call)
        self._changed: set[FoldKey] = set()
        """Folds with journal records that the tracker has not seen."""
        self._track_at = 0.0
        self._searches = Searches(study)
        self._specs: dict[FoldKey, FoldSpec] = {}
        self.on_tick: Callable[[], None] = lambda: None
        try:
            self._prepare()
        except BaseException:  # nobody else could close it
            self.ledger.close()
            raise

    @property
    def state(self) -> State:
        return self.ledger.state

    # -- coming back ---------------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        """Opens the ledger, or replays it into fresh searchers and schedulers."""
        opened = self.state.opened
        if opened is None:
            if self._trials.is_dir() and any(self._trials.iterdir()):
                raise LedgerError(
                    f"{self.path}: has trials but no {FILE} that says what was decided and submitted; restore the file "
                    "from a backup, or start the study in another folder"
                )
            self.ledger.write(
                Opened(
                    sweep=secrets.token_hex(3),
                    study=self.study.name,
                    study_digest=digest(self.study),
                    time=self._clock(),
                )
            )
        elif opened.study_digest != digest(self.study):
            raise LedgerError(
                f"{self.path}: its ledger belongs to another version of the study (digest {opened.study_digest}, got "
                f"{digest(self.study)}); restore study.yaml, or start the changed study in another folder"
            )
        self._searches.replay(self.ledger.records)
        for trial in self.state.trials.values():
            self._know(trial)
        for trial in self._unfinished():
            self._lay_out(trial)
        for again in self.state.reopenings:
            self._losses.free(again)
            # MLflow takes the runs of their earlier end for complete, and would not look by itself.
            self._changed.update(again.folds)
        decided.write_all(self._trials, self.state)
        for fold, reason in self.state.gave_up.items():
            layout.write_infra(self._trials / fold, reason)

    def _text(self, folds: Sequence[FoldKey]) -> str:
        return pack_text(self.study, self.node, self._specs, self._trials, folds)

    def _know(self, trial: TrialAdded) -> None:
        specs = self.study.fold_specs(
            phase=trial.phase, trial=trial.trial, label=trial.label, params=trial.params, training=trial.training
        )
        self._specs.update({f"{trial.trial}/{spec.folder}": spec for spec in specs})

    # -- one step ------------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """One decision step; does nothing that was done before."""
        self.on_tick()
        if self.done:
            self.track()
            return
        self._submitter.recover()
        self._observe()
        self._report()
        self._complete()
        self._lose()
        self._ask()
        self._select()
        self._submit()
        self.track()

    @property
    def done(self) -> bool:
        return self.state.finished

    @property
    def refused(self) -> str:
        """Why the last submission was put off; "" if it was not."""
        return self._submitter.refused

    @property
    def tracking_problem(self) -> str:
        """What keeps MLflow from being complete; "" when all is well. The journals have everything."""
        return (self.tracker.trouble or "") if self.tracker else ""

    def _observe(self) -> None:
        self._changed |= self.journals.refresh(list(self.state.job_of))
        self.jobs = dict(self.cluster.poll(list(self.state.folds_of))) if self.state.folds_of else {}

    def _live_folds(self) -> list[FoldKey]:
        return [fold for trial in self._unfinished() for fold in trial.folds]

    def _unfinished(self) -> list[TrialAdded]:
        return [trial for trial in self.state.trials.values() if trial.trial not in self.state.completed]

    def _histories(self, folds: Iterable[FoldKey]) -> list[FoldHistory | None]:
        return [self.journals.history(fold) for fold in folds]

    def _closed(self, trial: TrialAdded) -> list[TrialStatus | None]:
        """What was decided for folds without an end of their own, as :func:`trial_result.outcome` takes it."""
        in_flight = {fold for begun in self.state.unanswered.values() for pack in begun.packs for fold in pack}
        result: list[TrialStatus | None] = []
        for fold in trial.folds:
            waiting = fold not in self.state.job_of and fold not in in_flight
            if fold in self.state.gave_up:
                result.append(TrialStatus.INFRA_FAILED)
            elif trial.trial in self.state.stopping and waiting:
                result.append(TrialStatus.STOPPED)
            else:
                result.append(None)
        return result

    def _report(self) -> None:
        """Tells the scheduler each epoch that all folds of a search trial have reached; stops what it gives up."""
        metric = self._searches.metric
        for trial in self._unfinished():
            if trial.trial in self.state.stopping or trial.trial in self.state.reopened:
                continue
            if not self._searches.concerns(trial):
                continue
            histories, closed = self._histories(trial.folds), self._closed(trial)
            known = [history for history in histories if history is not None]
            if TrialStatus.INFRA_FAILED in closed or any(_ended(one, Status.FAILED) for one in known):
                continue  # it has no result to compare, until it is tried again
            if any(_ended(one, Status.DIVERGED) for one in known):
                self._stop(trial, max(len(history.epochs) for history in known), "a fold diverged")
                continue
            for epoch in range(
                self.state.reported.get(trial.trial, 0) + 1, trial_result.comparable_epoch(histories, closed) + 1
            ):
                if not trial_result.validated(known, epoch):
                    continue
                means = trial_result.means_at(known, epoch, metric)
                if means is None:
                    break
                stop = self._searches.reported(trial, epoch, means)
                self.ledger.write(Reported(trial=trial.trial, epoch=epoch, metrics={metric: means[metric]}, stop=stop))
                if stop:
                    self._stop(
                        trial, epoch, f"the scheduler stopped it at epoch {epoch} ({metric} {means[metric]:.4g})"
                    )
                    break
        for stopping in self.state.stopping.values():
            if stopping.trial not in self.state.completed:
                self._ask_to_end(self.state.trials[stopping.trial])

    def _stop(self, trial: TrialAdded, epoch: int, reason: str) -> None:
        self.ledger.write(Stopping(trial=trial.trial, epoch=epoch, reason=reason))
        self._ask_to_end(trial)

    def _ask_to_end(self, trial: TrialAdded) -> None:
        """STOP files for folds that train, cancellation for jobs of this trial that have not started."""
        for fold in trial.folds:
            layout.write_stop(self._trials / fold)
        pending = {
            job
            for fold in trial.folds
            if (job := self.state.job_of.get(fold)) is not None
            and (report := self.jobs.get(job)) is not None
            and report.state is JobState.PENDING
            and all(trial_of(other) == trial.trial for other in self.state.folds_of[job])
        }
        if pending:
            self.cluster.cancel(pending)

    def _complete(self) -> None:
        for trial in self._unfinished():
            histories = self._histories(trial.folds)
            result = trial_result.outcome(histories, self._closed(trial))
            if result is not None:
                self._changed.update(trial.folds)
                status, metrics = result
                end = Completed(trial=trial.trial, status=status, metrics=metrics)
                self.ledger.write(end)
                decided.write(self._trials, self.state, trial.trial)
                if trial.trial not in self.state.reopened:
                    self._searches.completed(trial, end)
                self.journals.forget(trial.folds)

    # -- jobs that ended before their folds did ------------------------------------------------------------------------

    def _lose(self) -> None:
        self._losses.judge(self.jobs)
        self._complete()

    def retry_failed(self) -> list[FoldKey]:
        """Gives every fold that failed or was given up another try, if its result can still count; those folds."""
        freed = self._losses.retry(self._searches.labels)
        self._changed.update(freed)
        return freed

    # -- new trials ----------------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        for label in self._searches.labels:
            index = sum(trial.label == label for trial in self.state.of_phase("search"))
            while label not in self.state.exhausted and self._searches.ready(label, index):
                config = self._searches.ask(label, index)
                if config is None:
                    self.ledger.write(Exhausted(label=label, trials=index))
                else:
                    params, training = self._searches.settle(label, config)
                    self._add(label, "search", index, params, training, config)
                    index += 1

    def _select(self) -> None:
        """Sends the winner of each search that is over to the confirm phase, and at once what had nothing to search. A
        search without a winner stays as it is, for the user to mend what made it fail and to retry it."""
        open_searches = set()
        for label in self.study.compared():
            if label in self._searches.labels and not self._search_over(label):
                open_searches.add(label)
                continue
            if label not in self.state.selected:
                chosen = self._winner(label)
                if chosen is None:
                    continue
                self.ledger.write(chosen)
                decided.write(self._trials, self.state, chosen.trial)
                self._changed.update(won.folds if (won := self.state.trials.get(chosen.trial)) else ())
            phase = self.study.claims_phase()
            if label in self._searches.labels and phase == "search":
                continue
            if not any(trial.label == label for trial in self.state.of_phase(phase)):
                won = self.state.trials.get(self.state.selected[label].trial)
                params, training = (won.params, won.training) if won else self.study.fixed(label)
                self._add(label, phase, 0, params, training, {})
        if not self._unfinished() and not open_searches and not self.state.finished:
            self.ledger.write(Finished(time=self._clock()))

    def _winner(self, label: str) -> Selected | None:
        """None where every setting failed or was given up, which says nothing of the activation."""
        metric = self._searches.metric
        trials = [trial for trial in self.state.of_phase("search") if trial.label == label]
        if not trials:
            trial = layout.trial_name(label, self.study.claims_phase(), 0)
            return Selected(label=label, trial=trial, metric=metric, value=math.nan, among=0)
        won = decisions.winner(trials, self.state.completed, metric, self.study.better)
        return won and Selected(label=label, trial=won[0], metric=metric, value=won[1], among=len(trials))

    def _search_over(self, label: str) -> bool:
        return label in self.state.exhausted and all(
            trial.trial in self.state.completed for trial in self.state.of_phase("search") if trial.label == label
        )

    def _add(self, label: str, phase: Phase, index: int, params: Options, training: Options, config: Options) -> None:
        name = layout.trial_name(label, phase, index)
        specs = self.study.fold_specs(phase=phase, trial=name, label=label, params=params, training=training)
        trial = TrialAdded(
            trial=name,
            label=label,
            activation=specs[0].activation.name,
            phase=phase,
            index=index,
            params=specs[0].activation.params,
            training=dict(training),
            folds=tuple(f"{name}/{spec.folder}" for spec in specs),
            config=config,
        )
        self.ledger.write(trial)
        self._know(trial)
        self._lay_out(trial)

    def _lay_out(self, trial: TrialAdded) -> None:
        layout.write_trial(self._trials / trial.trial, trial, self.study.degrees(trial.label, trial.params))
        for fold in trial.folds:
            layout.write_spec(self._trials / fold, self._specs[fold])

    # -- submission ----------------------------------------------------------------------------------------------------

    def _submit(self) -> None:
        over = {
            fold
            for fold in self._live_folds()
            if (history := self.journals.history(fold)) is not None and history.end is not None
        }
        self._submitter.submit(decisions.open_folds(self.state, over), pack_size(self.study))

    # -- MLflow and the end --------------------------------------------------------------------------------------------

    def track(self, *, at_once: bool = False) -> None:
        """Hands what is new to MLflow: every few seconds, and at the end."""
        if self.tracker is None:
            return
        self.tracker.note(self._changed)
        self._changed.clear()
        if self.done:
            self.tracker.close()
        elif at_once or self._clock() >= self._track_at:
            self.tracker.flush(TRACK_FOR_S)
            self._track_at = self._clock() + TRACK_EVERY_S

    def pause(self, *, wait_s: float = 60.0) -> None:
        """Cancels every job of the sweep. Their folds keep their checkpoints and are free for a later driver."""
        self._submitter.recover(at_once=True)
        self.ledger.write(Paused(time=self._clock()))
        self.cluster.cancel(list(self.state.folds_of))
        deadline = self._clock() + wait_s
        while self._clock() < deadline:
            reports = self.cluster.poll(list(self.state.folds_of))
            if all(report.state.over for report in reports.values()):
                return
            self._sleep(0.5)

    def close(self) -> None:
        if self.tracker is not None and not self.done:
            self.tracker.note(self._changed)
            self.tracker.close()
        self.ledger.close()


def _ended(fold: FoldHistory, status: Status) -> bool:
    return fold.end is not None and fold.end.status is status
