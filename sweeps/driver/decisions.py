"""What to do next: which folds to submit in which packs, and what a lost job means. Pure functions of what is known."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from slurm.jobs import JobReport, JobState, Retry, retry
from sweeps import wording
from sweeps.driver import in_race
from sweeps.folder import winners
from sweeps.folder.records import Completed, FoldKey, TrialAdded, TrialStatus, trial_of
from sweeps.folder.state import State
from trainer.spec import Phase


def open_folds(state: State) -> Iterator[FoldKey]:
    """Folds that the ledger knows no end of and that still have to be submitted, one by one, in the order their trials
    were added: not given up, not stopped before they began, and in no job or unanswered submission."""
    in_flight = {fold for begun in state.unanswered.values() for pack in begun.packs for fold in pack}
    return (
        fold
        for trial in state.each_open()
        if trial.trial not in state.stopping
        for fold in trial.folds
        if fold not in state.gave_up and fold not in state.job_of and fold not in in_flight
    )


def packs(folds: Iterable[FoldKey], size: int | None) -> Iterator[tuple[FoldKey, ...]]:
    """Folds that come trial by trial, grouped into packs of one trial and at most ``size``; None: all of a trial's in
    one. No more of them are looked at than the packs that are taken need."""
    for _, of_trial in itertools.groupby(folds, key=trial_of):
        while pack := tuple(itertools.islice(of_trial, size)):
            yield pack


BLAMES_NODE = frozenset({JobState.FAILED, JobState.NODE_FAILED, JobState.FINISHED})
"""Ends that may be the node's doing. A pause, a time limit and a preemption say nothing of it."""


@dataclass(frozen=True, kw_only=True)
class LostJob:
    """A job that is over while folds of its pack are not, and what that means for them."""

    counted: bool
    give_up: str
    """Why there will be no other submission; "" where there will be."""


def after_lost_job(
    state: State, report: JobReport, folds: Sequence[FoldKey], *, epochs: int, max_retries: int
) -> LostJob:
    """Whether the folds of a lost job are worth another submission.

    What is not the job's doing (preemption, a dead node, a time limit) does not count as long as an epoch was gained
    since the last loss; without progress it counts, so that nothing is retried for ever. ``epochs``: in the journals of
    the pack's folds now.
    """
    if not folds or report.job in state.cancelled:
        return LostJob(counted=False, give_up="")
    worth = retry(report.state)
    if worth is Retry.NEVER:
        return LostJob(counted=True, give_up=f"{report.state.value}: {report.reason}".removesuffix(": "))
    progressed = epochs > max((state.epochs_at_loss.get(fold, 0) for fold in folds), default=0)
    counted = report.state is not JobState.PREEMPTED and not (worth is Retry.ALWAYS and progressed)
    spent = max((state.spent.get(fold, 0) for fold in folds), default=0) + counted
    if spent > max_retries:
        last = f"{report.state.value}: {report.reason}".removesuffix(": ")
        times = wording.counted(spent, "time")
        return LostJob(counted=counted, give_up=f"failed {times} without finishing another epoch (last: {last})")
    return LostJob(counted=counted, give_up="")


def bad_nodes(state: State, folds: Sequence[FoldKey], *, limit: int = 2) -> tuple[str, ...]:
    """Nodes on which any of the folds was lost ``limit`` times or more: submit elsewhere."""
    lost_on = [state.nodes.get(fold, []) for fold in folds]
    return tuple(sorted({node for nodes in lost_on for node in nodes if nodes.count(node) >= limit}))


def reopenable(state: State, searched: Collection[str]) -> list[TrialAdded]:
    """Trials that are over without a result and whose result could still count: those that failed or were given up,
    unless the winner of their search is chosen already, or its race went on without them."""
    return [
        trial
        for name, trial in state.trials.items()
        if name in state.completed
        and state.completed[name].status.may_be_retried
        and name not in state.stopping
        and not (trial.phase == "search" and (_chosen(state, trial.label, searched) or in_race.out(state, trial)))
    ]


def claimed(state: State, phase: Phase, searched: Collection[str]) -> set[FoldKey]:
    """Folds that the claims rest on: of every trial of their phase, but of a search only its winner's, and of a confirm
    phase not those that were trained for an earlier choice."""
    won = {choice.trial for choice in state.selected.values()}
    return {
        fold
        for trial in state.of_phase(phase)
        if not winners.is_earlier(state, trial)
        if phase == "confirm" or trial.label not in searched or trial.trial in won
        for fold in trial.folds
    }


def _chosen(state: State, label: str, searched: Collection[str]) -> bool:
    return label in searched and label in state.selected


def winner(
    trials: Sequence[TrialAdded],
    completed: Mapping[str, Completed],
    select_on: str,
    better: Callable[[str, float, float], bool],
) -> tuple[str, float] | None:
    """The trial with the best ``select_on``, and that value; the earliest of equals. Where none has a value, the first
    that diverged stands for them all, with NaN: a result, to be confirmed or refuted. None where all failed or were
    given up, which says nothing of the activation."""
    best: tuple[str, float] | None = None
    in_order = [trial.trial for trial in sorted(trials, key=lambda item: item.index) if trial.trial in completed]
    for trial in in_order:
        value = completed[trial].metrics.get(select_on)
        if value is not None and (best is None or better(select_on, value, best[1])):
            best = (trial, value)
    diverged = [trial for trial in in_order if completed[trial].status is TrialStatus.DIVERGED]
    return best or ((diverged[0], math.nan) if diverged else None)
