"""The driver: asks, submits, observes and tells, in one process.

A :meth:`Driver.tick` is one idempotent decision step over the ledger, the journals and the states of jobs. Each
decision is in the ledger before it is acted upon: a driver that was killed anywhere goes on where its ledger ends.
"""

from __future__ import annotations

import dataclasses
import itertools
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from slurm.jobs import Cluster, JobReport
from sweeps.driver import account, accounted, decisions, mending, trial_costs, trial_result
from sweeps.driver.budget import Budget
from sweeps.driver.confirmation import Confirmation
from sweeps.driver.early_stopping import EarlyStopping
from sweeps.driver.failures import Failures
from sweeps.driver.least import Least
from sweeps.driver.new_trials import NewTrials
from sweeps.driver.packs import Node, own_names, pack_size, pack_text
from sweeps.driver.racing import Races
from sweeps.driver.reuse import Reuse
from sweeps.driver.submission import CALL, Submitter
from sweeps.driver.waiting import Keeper, jobs_running
from sweeps.folder import damage, decided, layout, ledger, own_code, winners
from sweeps.folder.damage import Damaged
from sweeps.folder.device_kinds import trained_on
from sweeps.folder.journals import Journals, Trained
from sweeps.folder.ledger import Ledger
from sweeps.folder.records import Completed, Finished, FoldKey, Opened, Paused, TrialAdded, trial_of
from sweeps.folder.state import State
from sweeps.search.per_activation import Searches
from sweeps.study.study import Study, digest
from sweeps.tracking.tracker import Tracker
from trainer import code

TRACK_EVERY_S, TRACK_FOR_S = 5.0, 2.0
"""How often MLflow is written, and how long a step may be kept by it."""


class Driver:
    """Drives one study folder. Hold its :class:`sweeps.folder.lock.Lock` while one exists.

    ``journal_lag_s``: how long a journal may lag behind the end of its job on a shared file system. ``call``: what runs
    on a node; another than the trainer's entry only to try the driver without training.
    """

    def __init__(
        self,
        path: Path,
        study: Study,
        cluster: Cluster,
        tracker: Tracker | None,
        node: Node,
        *,
        journal_lag_s: float = 0.0,
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
        self._failures = Failures(
            self.ledger,
            self.journals,
            self._trials,
            max_retries=study.cluster.max_retries,
            journal_lag_s=journal_lag_s,
            jobs=self._jobs,
            clock=clock,
            sleep=sleep,
        )
        self._submitter = Submitter(self.ledger, cluster, self._jobs, self._text, clock, call)
        self._least = Least(study)
        self._without_data = ""
        self.damaged: dict[FoldKey, Damaged] = {}
        """Folds that were over and damaged when this driver looked."""
        self._changed: set[FoldKey] = set()
        """Folds with journal records that the tracker has not seen."""
        self._unasked: set[str] = set()
        """Trials with folds that are over though this ledger never submitted them."""
        self._track_at = 0.0
        self._searches = Searches(study)
        self._early_stopping = EarlyStopping(self.ledger, self.journals, self._searches, cluster, self._trials)
        self.budget = Budget(study, self.ledger, self.journals, self.path, devices=node.devices, profile=node.profile)
        races = Races(study, self.ledger, self.journals, self.budget)
        self._new_trials = NewTrials(study, self.ledger, self._searches, self._trials, races, self.budget)
        self.reuse = Reuse(study, path, self.ledger, self.journals, self._new_trials.specs, lambda: self.node)
        self._confirmation = Confirmation(study, self.ledger, self._new_trials, self.budget, path)
        self._waiting_for = Keeper(path, clock)
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
        ledger.refuse_foreign(self.path, self.state, digest(self.study))
        if self.state.opened is None:
            self.ledger.write(
                Opened(
                    sweep=secrets.token_hex(3),
                    study=self.study.name,
                    study_digest=digest(self.study),
                    time=self._clock(),
                )
            )
        self._searches.replay(ledger.read(self.ledger.path))
        self._new_trials.restore()
        self.budget.reopen()
        for again in self.state.reopenings:
            self._failures.release(again)
            # MLflow takes the runs of their earlier end for complete, and would not look by itself.
            self._changed.update(again.folds)
        self._changed.update(winners.told_again(self.state))
        decided.write_all(self._trials, self.state)
        for fold, reason in self.state.gave_up.items():
            layout.write_infra(self._trials / fold, reason)

    def _compare_code(self) -> None:
        """Raises :class:`sweeps.errors.CodeDrift` where the user's own code is not what the study was started with."""
        settings = self.study.cluster
        version = own_code.current(
            self.path,
            own_names(self.study),
            frozen=settings.own_code == "frozen",
            warn=settings.on_drift == "warn",
        )
        if version is not None and self.node.code:
            self.node = dataclasses.replace(
                self.node,
                own=version.modules,
                own_folder=own_code.folder_of(self.path, version),
                code=code.digest(version.modules),
            )

    def _text(self, folds: Sequence[FoldKey], meter: Path, seconds: float | None) -> str:
        several = self.node.profile is not None and self.node.profile.holds != "pack"
        least_s = self._least.seconds(self.state, folds) if several else None
        return pack_text(self.study, self.node, self._new_trials.specs, self._trials, folds, meter, seconds, least_s)

    # -- one step ------------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """One decision step; does nothing that was done before."""
        self.on_tick()
        if self.done:
            self._give_back()
            self.track()
            return
        self._submitter.recover()
        self._observe()
        self._early_stopping.report(self.active(), self.jobs)
        self._complete()
        self._handle_failures()
        self._new_trials.ask()
        self._select()
        self._submit()
        self._give_back()
        self.track()

    def _give_back(self) -> None:
        if self.done:
            self.cluster.release()

    @property
    def done(self) -> bool:
        return self.state.finished

    @property
    def refused(self) -> str:
        """Why the last submission was put off, or why it is not known how jobs stand; "" where neither is so."""
        return self._without_data or self._submitter.refused or self.cluster.trouble

    @property
    def tracking_problem(self) -> str:
        """What keeps MLflow from being complete; "" when all is well. The journals have everything."""
        return (self.tracker.trouble or "") if self.tracker else ""

    def _observe(self) -> None:
        self._changed |= self.journals.refresh(list(self.state.job_of))
        self.budget.observe()
        self.jobs = dict(self.cluster.poll(list(self.state.folds_of))) if self.state.folds_of else {}
        on_jobs, behind = jobs_running(self.cluster), self.tracking_problem
        self._waiting_for.note(self.jobs.values(), self.refused, on_jobs, tracking=behind)

    def _complete(self) -> None:
        ends: list[tuple[TrialAdded, Completed]] = []
        for trial in self.active():
            histories = [self.journals.history(fold) for fold in trial.folds]
            result = trial_result.combine(histories, trial_result.closed(self.state, trial))
            if result is not None:
                status, metrics = result
                metrics |= trial_costs.measured(self.study, trial, histories) if metrics else {}
                trained = Trained.together(histories)
                by_kind = trained_on(histories)
                end = Completed(trial=trial.trial, status=status, metrics=metrics, on=by_kind, **trained._asdict())
                ends.append((trial, end))
        self.ledger.write(*(end for _, end in ends))
        for trial, end in ends:
            self._changed.update(trial.folds)
            self._unasked.discard(trial.trial)
            decided.write(self._trials, self.state, trial.trial)
            if trial.trial not in self.state.reopened:
                self._searches.completed(trial, end)
            self.journals.forget(trial.folds)

    def active(self) -> list[TrialAdded]:
        """The trials that are not over and may have journals, in the order in which they were added."""
        begun = {trial.trial for trial in self.state.active()} | self._unasked
        return [self.state.trials[name] for name in self.state.index.in_order(begun)]

    # -- jobs that ended before their folds did ------------------------------------------------------------------------

    def _handle_failures(self) -> None:
        self._failures.handle(self.jobs)
        self._complete()

    def retry_failed(self) -> list[FoldKey]:
        """Gives every fold that failed, was given up or is damaged another try, if its result can still count; those
        folds."""
        self._compare_code()
        damaged = damage.verify(self.path, self.state)
        released = self._failures.retry(self._searches.labels, damaged)
        self._changed.update(released)
        return released

    def mend(self) -> list[str]:
        """Writes anew what is not as ledger and study say, and tells what it was. Raises :class:`FoldChanged`."""
        written = mending.write_anew(self._trials, self.state, self.study, self._new_trials.specs)
        self.damaged = damage.glance(self.path, self.state).damaged
        return written

    def _select(self) -> None:
        self._changed.update(self._new_trials.select())
        self._confirmation.step(searching=self._new_trials.searching)
        over = self.budget.over or not (self.state.index.any_open() or self._new_trials.searching)
        if over and not self.budget.pending and not self.state.finished:
            self.ledger.write(Finished(time=self._clock()))
            account.write(self.path, account.of(self.study, self.state, self.journals))
            accounted.settle(self.path, self.study, self.journals, self.cluster.costs)

    # -- submission ----------------------------------------------------------------------------------------------------

    def _submit(self) -> None:
        root = self.node.data_root if next(self._waiting(), None) else None
        gone = root is not None and not Path(root).is_dir()  # a mount that went away: no job could read it
        self._without_data = f"the data root {root} is not there; nothing is submitted until it is" if gone else ""
        if not gone:
            waiting: Iterable[FoldKey] = self.reuse.sort_out(self._waiting(), self._compare_code)
            if self.study.budget is not None or self.study.reuse:
                waiting = list(waiting)  # all of them, not only those that there is room for
            self._submitter.submit(waiting, pack_size(self.study), self.budget.grant, before=self._look_before)
            self._changed.update(self.reuse.taken)
            self.budget.settle(waiting)

    def _look_before(self, packs: Iterable[tuple[FoldKey, ...]]) -> None:
        """What may not be submitted as it is: raises :class:`CodeDrift` and :class:`FoldChanged`."""
        self._compare_code()
        mending.refuse_changed(self._trials, itertools.chain.from_iterable(packs), self._new_trials.specs)

    def _waiting(self) -> Iterator[FoldKey]:
        """Folds to be submitted, one by one. One that has an end without a submission of this ledger's is none, and
        makes its trial one to look at."""
        for fold in decisions.open_folds(self.state):
            history = self.journals.history(fold)
            if history is None or history.end is None:
                yield fold
            else:
                self._unasked.add(trial_of(fold))

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
                break
            self._sleep(0.5)
        if wait_s > 0:
            self.cluster.release()

    def close(self) -> None:
        if self.tracker is not None and not self.done:
            self.tracker.note(self._changed)
            self.tracker.close()
        self.ledger.close()
