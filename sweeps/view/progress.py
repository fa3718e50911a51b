"""How a running sweep stands: a snapshot of values, which :mod:`sweeps.view.screen` shows.

Validation metrics only; held-out results belong to the report.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from slurm.jobs import JobReport
from slurm.profile import Profile
from sweeps.driver import in_race, trial_result, waiting
from sweeps.driver.driver import Driver
from sweeps.driver.waiting import NOTHING, Waiting
from sweeps.folder.index import Group
from sweeps.folder.journals import Journals, Trained
from sweeps.folder.records import FoldKey, TrialAdded, trial_of
from sweeps.folder.state import State
from sweeps.study import planner
from sweeps.study.study import Study
from sweeps.view import by_kind
from sweeps.view.by_kind import KindRow
from trainer.journal import FoldHistory
from trainer.spec import Phase

PHASES: tuple[Phase, ...] = ("search", "confirm")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One activation in one phase."""

    label: str
    phase: str
    trials_done: int
    trials: int
    folds_done: int
    folds_running: int
    folds: int
    best: float | None
    """Of the study's ``select_on``, over the trials that are over or have reported."""
    problems: tuple[str, ...]
    dropped: int = 0
    """Trials that lost the race of their settings."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    study: str
    select_on: str
    rows: tuple[Row, ...]
    jobs_running: int
    jobs_pending: int
    epochs_done: int
    """Trained, in all phases."""
    epochs_most: int
    """As many as there will be if no further fold ends early."""
    epochs_planned: int
    """As many as there would be if no fold ended early."""
    seconds_left: float | None
    """That the epochs to come would take one after the other; None while none was trained."""
    folds: int
    """Planned, in all phases."""
    put_off: str
    tracking: str
    finished: bool
    short_of_budget: bool = False
    """Whether something that was planned is not paid for."""
    folds_never: int = 0
    """Of the planned ones, those that will not be trained, since their trial is out of its race or that is over."""

    waiting: Waiting = NOTHING
    """Why jobs wait, by what the cluster said."""
    kinds: tuple[KindRow, ...] = ()
    """What epochs took, by kind of device, where it is known of which."""

    @property
    def folds_done(self) -> int:
        return sum(row.folds_done for row in self.rows)


def snapshot(
    study: Study,
    state: State,
    journals: Journals,
    reports: Iterable[JobReport] = (),
    *,
    begun: Iterable[TrialAdded] | None = None,
    put_off: str = "",
    tracking: str = "",
    lost: Iterable[FoldKey] = (),
    profile: Profile | None = None,
    on_jobs: int | None = None,
) -> Snapshot:
    """How a sweep stands. ``begun``: the trials that are not over and may have journals; None: all that are not over,
    whose journals are looked for. ``lost``: folds that the ledger counts as over and whose journals have no end.
    ``profile``: where packs to come run; None: anywhere. ``on_jobs``: jobs that run, where they hold several packs."""
    open_trials = state.unfinished() if begun is None else list(begun)
    told = [*_untold(state), *open_trials]
    epochs = _Epochs.of(study, state, journals, told)
    stand = waiting.of(reports, on_jobs=on_jobs)
    met = by_kind.Met.of(state, journals, told)
    kinds = met.to_come(study, profile)
    whole = {phase: Trained(count, epochs.seconds[phase]) for phase, count in epochs.done.items()}
    timed = whole if len(kinds) == len(met.partitions) else met.timed(kinds)  # an earlier version told no kinds
    return Snapshot(
        study=study.name,
        select_on=study.select_on(),
        rows=tuple(_rows(study, state, journals, open_trials, lost)),
        jobs_running=stand.running,
        jobs_pending=stand.waiting,
        waiting=stand,
        epochs_done=sum(epochs.done.values()),
        epochs_most=sum(epochs.most.values()),
        epochs_planned=sum(size.epochs for size in sizes(study).values()),
        seconds_left=_seconds_left(study, epochs.done, epochs.most, timed),
        kinds=met.rows(kinds),
        folds=sum(size.folds for size in sizes(study).values()),
        folds_never=epochs.folds_never,
        put_off=put_off,
        tracking=tracking,
        finished=state.finished,
        short_of_budget=bool(state.spending.shortfalls),
    )


def _rows(
    study: Study, state: State, journals: Journals, open_trials: Sequence[TrialAdded], lost: Iterable[FoldKey]
) -> Iterator[Row]:
    """One for each activation and phase that has trials."""
    gone = Counter((state.trials[trial].label, state.trials[trial].phase) for trial in map(trial_of, lost))
    for label in study.compared():
        for phase in PHASES:
            if (group := state.group(label, phase)).trials:
                still = [trial for trial in open_trials if (trial.label, trial.phase) == (label, phase)]
                yield _row(study, state, journals, group, still, gone[label, phase])


@dataclass(frozen=True, kw_only=True)
class _Epochs:
    """Epochs by phase."""

    done: dict[Phase, int]
    seconds: dict[Phase, float]
    """That those took."""
    most: dict[Phase, int]
    """That there can be, as far as is known."""
    folds_never: int
    """Planned folds that no race goes on to."""

    @classmethod
    def of(cls, study: Study, state: State, journals: Journals, told: Iterable[TrialAdded]) -> _Epochs:
        """``told``: the trials of which only the journals know what was trained."""
        most = {phase: size.epochs for phase, size in sizes(study).items()}
        done, seconds = dict.fromkeys(most, 0), dict.fromkeys(most, 0.0)
        for (_, phase), group in state.index.groups.items():
            done[phase] += group.epochs
            seconds[phase] += group.seconds
            planned = sum(folds * _epochs(study, phase, own) for own, folds in group.planned.items())
            most[phase] -= planned - group.epochs
        never = 0
        for trial, folds in in_race.never(study, state):
            never += folds
            most[trial.phase] -= folds * _epochs(study, trial.phase, trial.training.get("epochs"))
        for trial in told:
            trained, spared = _trained(study, state, journals, trial)
            done[trial.phase] += trained.epochs
            seconds[trial.phase] += trained.seconds
            most[trial.phase] -= spared
        if state.finished:  # what was never begun, as the confirmation of a search without a winner, is not waited for
            most = done
        return cls(done=done, seconds=seconds, most=most, folds_never=never)


def _seconds_left(
    study: Study, done: Mapping[Phase, int], most: Mapping[Phase, int], timed: Mapping[Phase, Trained]
) -> float | None:
    """An epoch to come takes what those of its phase took, as ``timed`` has them. None while no epoch was trained."""
    if not any(trained.epochs for trained in timed.values()):
        return None
    shares = {phase: planner.trained_share(study, phase) for phase in done}
    known = {phase: timed.get(phase, Trained(0, 0.0)) for phase in done}
    each = by_kind.seconds_each(
        {phase: trained.epochs for phase, trained in known.items()},
        {phase: trained.seconds for phase, trained in known.items()},
        shares,
    )
    return sum(each[phase] * (most[phase] - epochs) for phase, epochs in done.items())


def _row(study: Study, state: State, journals: Journals, group: Group, open_trials: list[TrialAdded], lost: int) -> Row:
    metric = study.select_on()
    best: float | None = None
    values = list(group.extremes.get(metric, ()))
    done, running = group.folds_over - lost, 0
    for trial in open_trials:
        histories = [journals.history(fold) for fold in trial.folds]
        done += sum(history is not None and history.end is not None for history in histories)
        running += sum(history is not None and history.end is None for history in histories)
        values.append(_current(histories, metric))
    for value in values:
        if math.isfinite(value) and (best is None or study.better(metric, value, best)):
            best = value
    first = state.trials[group.trials[0]]
    return Row(
        label=first.label,
        phase=first.phase,
        trials_done=group.over,
        trials=len(group.trials),
        folds_done=done,
        folds_running=running,
        folds=group.folds,
        best=best,
        problems=tuple(f"{name} {state.completed[name].status}" for name in state.index.in_order(group.without_result)),
        dropped=sum(len(look.dropped) for look in state.races.get(first.label, ())) if first.phase == "search" else 0,
    )


def _epochs(study: Study, phase: Phase, own: object) -> int:
    """Of a fold, at most: a trial's own number of them, or else its phase's."""
    return int(str(own)) if own else study.epochs(phase)


def _untold(state: State) -> list[TrialAdded]:
    """Trials that are over of which the ledger does not say what they trained."""
    return [state.trials[name] for group in state.index.groups.values() for name in group.untold]


def _trained(study: Study, state: State, journals: Journals, trial: TrialAdded) -> tuple[Trained, int]:
    """What a trial's folds have trained, and how many of their epochs were planned and will not be."""
    each = _epochs(study, trial.phase, trial.training.get("epochs"))
    over = [trial.trial in state.completed] * len(trial.folds)
    if trial.trial not in state.completed:
        for at, closed_as in enumerate(trial_result.closed(state, trial)):
            history = journals.history(trial.folds[at])
            over[at] = closed_as is not None or (history is not None and history.end is not None)
    found = [journals.trained(fold) for fold in trial.folds]
    spared = sum(each - fold.epochs for fold, ended in zip(found, over, strict=True) if ended)
    return Trained(sum(fold.epochs for fold in found), sum(fold.seconds for fold in found)), spared


def _current(histories: list[FoldHistory | None], metric: str) -> float:
    values = [h.epochs[-1].metrics.get(metric, math.nan) for h in histories if h is not None and h.epochs]
    return sum(values) / len(values) if len(values) == len(histories) else math.nan


@dataclass(frozen=True, kw_only=True)
class Size:
    """Trials, folds and at most so many epochs of one phase."""

    trials: int
    folds: int
    epochs: int


def sizes(study: Study) -> dict[Phase, Size]:
    """What a study plans, by phase, in order."""
    result: dict[Phase, Size] = {}
    for phase in PHASES:
        trials = sum(planner.trials(study, label, phase) for label in study.compared())
        folds = trials * len(planner.repeats(study, phase)) * len(planner.fold_numbers(study, phase))
        if folds:
            result[phase] = Size(trials=trials, folds=folds, epochs=folds * study.epochs(phase))
    return result


def view(driver: Driver) -> Snapshot:
    """How the sweep stands after a tick."""
    return snapshot(
        driver.study,
        driver.state,
        driver.journals,
        driver.jobs.values(),
        begun=driver.active(),
        put_off=driver.refused,
        tracking=driver.tracking_problem,
        lost=[fold for fold, wrong in driver.damaged.items() if wrong.lost],
        profile=driver.node.profile,
        on_jobs=waiting.jobs_running(driver.cluster),
    )
