"""The pure decisions: what a trial's folds come to, what to submit, what a loss means, who wins."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurm.jobs import JobReport, JobState
from sweeps.driver import decisions, trial_result
from sweeps.folder.records import (
    Completed,
    JobOver,
    Opened,
    Selected,
    Stopping,
    Submitted,
    Submitting,
    TrialAdded,
    TrialStatus,
)
from sweeps.folder.state import State, replay
from trainer.journal import FoldHistory, Outcome, Status
from trainer.testing import invented_end, invented_epoch, invented_start


def lower(metric: str, one: float, other: float) -> bool:
    return one < other


FOLDS = tuple(f"relu-s000/fold-0-{number}" for number in range(5))


def history(losses: list[float], status: Status | None = None, best: int = 1) -> FoldHistory:
    epochs = tuple(
        invented_epoch(epoch=number, metrics={"validation/loss": loss}) for number, loss in enumerate(losses, start=1)
    )
    end = None
    if status is not None:
        metrics = {"validation/loss": losses[best - 1], "heldout/accuracy": 0.9} if losses else {}
        outcomes = {"validation_loss": Outcome(epoch=best, metrics=metrics)} if losses else {}
        end = invented_end(status=status, epochs=len(losses), rule="validation_loss", outcomes=outcomes)
    return FoldHistory(start=invented_start(), epochs=epochs, end=end, attempts=1)


def trial(folds: tuple[str, ...] = FOLDS, name: str = "relu-s000", index: int = 0) -> TrialAdded:
    return TrialAdded(
        trial=name,
        label="relu",
        activation="relu",
        phase="search",
        index=index,
        params={},
        training={},
        folds=folds,
        config={},
    )


def state(*more: object) -> State:
    opened = Opened(sweep="a", study="s", study_digest="d", time=0.0)
    return replay([opened, trial(), *more])  # type: ignore[list-item]


def test_folds_are_compared_at_the_epoch_that_the_slowest_has_reached() -> None:
    folds = [history([3, 2, 1]), history([3, 2])]
    assert trial_result.comparable_epoch(folds, [None, None]) == 2
    assert trial_result.comparable_epoch([*folds, None], [None] * 3) == 0


def test_a_fold_that_ended_early_no_longer_holds_the_others_back() -> None:
    folds = [history([3, 2, 1]), history([3, 2], Status.FINISHED, best=2)]
    assert trial_result.comparable_epoch(folds, [None, None]) == 3
    assert trial_result.means_at(folds, 3, "validation/loss") == {"validation/loss": pytest.approx(1.5)}


def test_it_goes_on_counting_with_the_epoch_that_its_rule_picked() -> None:
    folds = [history([3, 2, 1]), history([1, 9], Status.FINISHED, best=1)]
    assert trial_result.means_at(folds, 3, "validation/loss") == {"validation/loss": pytest.approx(1.0)}


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_mean_over_something_that_is_no_number_is_no_result(bad: float) -> None:
    assert trial_result.means_at([history([1.0]), history([bad])], 1, "validation/loss") is None


def test_the_outcome_waits_for_every_fold_and_leaves_held_out_metrics_out() -> None:
    done, training = history([2, 1], Status.FINISHED, best=2), history([2])
    assert trial_result.combine([done, training], [None, None]) is None
    assert trial_result.combine([done, done], [None, None]) == ("finished", {"validation/loss": 1.0})


@pytest.mark.parametrize(
    ("other", "closed", "status"),
    [
        (history([], Status.DIVERGED), None, "diverged"),
        (history([], Status.FAILED), None, "failed"),
        (None, TrialStatus.INFRA_FAILED, "infra_failed"),
        (None, TrialStatus.STOPPED, "stopped"),
    ],
)
def test_the_worst_end_of_a_fold_is_the_trials_and_takes_its_metrics(
    other: FoldHistory | None, closed: trial_result.TrialStatus | None, status: str
) -> None:
    assert trial_result.combine([history([1], Status.FINISHED), other], [None, closed]) == (status, {})


@given(st.sets(st.sampled_from(FOLDS)), st.integers(min_value=1, max_value=6))
def test_packs_hold_every_waiting_fold_once_and_no_more_than_they_may(waiting: set[str], size: int) -> None:
    packs = list(decisions.packs(sorted(waiting), size))
    assert sorted(fold for pack in packs for fold in pack) == sorted(waiting)
    assert all(1 <= len(pack) <= size for pack in packs)


def test_a_trials_folds_share_a_pack_by_default() -> None:
    assert list(decisions.packs(FOLDS, None)) == [FOLDS]


def test_nothing_is_submitted_twice() -> None:
    begun = Submitting(batch=0, name="n", packs=(FOLDS[:2], FOLDS[2:3]))
    assert list(decisions.open_folds(state(begun))) == list(FOLDS[3:])
    taken = Submitted(batch=0, jobs=("1", None))
    assert list(decisions.open_folds(state(begun, taken))) == list(FOLDS[2:])


def test_what_was_stopped_before_it_began_is_not_submitted() -> None:
    assert list(decisions.open_folds(state(Stopping(trial="relu-s000", epoch=1, reason="")))) == []


def lost(word: JobState, epochs: int, *, before: State | None = None, retries: int = 2) -> decisions.LostJob:
    return decisions.after_lost_job(
        before or state(), JobReport(job="1", state=word, reason="r"), FOLDS[:1], epochs=epochs, max_retries=retries
    )


@pytest.mark.parametrize("word", [JobState.OUT_OF_MEMORY, JobState.CANCELLED_BY_US])
def test_some_ends_are_not_worth_a_retry(word: JobState) -> None:
    assert lost(word, 3).give_up == f"{word.value}: r"


def after(*epochs: int, counted: bool = True) -> State:
    return state(
        *(
            JobOver(
                job="1",
                state="failed",
                reason="",
                node="n1",
                folds=FOLDS[:1],
                epochs=done,
                counted=counted,
                nodes_fault=True,
            )
            for done in epochs
        )
    )


def test_failures_are_capped() -> None:
    assert lost(JobState.FAILED, 0, before=after(0)).give_up == ""
    assert (
        lost(JobState.FAILED, 0, before=after(0, 0)).give_up
        == "failed 3 times without finishing another epoch (last: failed: r)"
    )


def test_preemptions_are_not() -> None:
    loss = lost(JobState.PREEMPTED, 0, before=after(*[0] * 50, counted=False))
    assert loss == decisions.LostJob(counted=False, give_up="")


@pytest.mark.parametrize("word", [JobState.TIMED_OUT, JobState.NODE_FAILED])
def test_a_time_limit_counts_only_without_progress(word: JobState) -> None:
    assert not lost(word, 5, before=after(3, counted=False)).counted
    assert lost(word, 3, before=after(3, counted=False)).counted


def test_a_node_that_keeps_losing_a_fold_is_avoided() -> None:
    assert decisions.bad_nodes(after(1), FOLDS[:1]) == ()
    assert decisions.bad_nodes(after(1, 2), FOLDS[:1]) == ("n1",)


@pytest.mark.parametrize("how", ["cancelled by us", "timed out", "preempted"])
def test_a_node_is_not_blamed_for_what_is_not_its_doing(how: str) -> None:
    assert JobState(how) not in decisions.BLAMES_NODE
    records: list[object] = []
    for number in range(3):
        records += [
            Submitting(batch=number, name=f"n{number}", packs=(FOLDS,)),
            Submitted(batch=number, jobs=(f"j{number}",)),
            JobOver(job=f"j{number}", state=how, reason="", node="gpu1", folds=FOLDS, epochs=number, counted=False,
                    nodes_fault=False),
        ]  # fmt: skip
    assert decisions.bad_nodes(state(*records), FOLDS) == ()


def test_a_node_is_kept_from_once_a_fold_was_lost_on_it_twice() -> None:
    def lost(number: int) -> list[object]:
        return [
            Submitting(batch=number, name=f"n{number}", packs=(FOLDS,)),
            Submitted(batch=number, jobs=(f"j{number}",)),
            JobOver(
                job=f"j{number}",
                state="failed",
                reason="",
                node="gpu1",
                folds=FOLDS,
                epochs=0,
                counted=True,
                nodes_fault=True,
            ),
        ]

    assert decisions.bad_nodes(state(*lost(0)), FOLDS) == ()
    assert decisions.bad_nodes(state(*lost(0), *lost(1)), FOLDS) == ("gpu1",)


def test_claims_rest_on_the_winner_of_a_search_alone() -> None:
    trials = [trial(name=f"relu-s{n:03d}", index=n, folds=(f"relu-s{n:03d}/fold-0-0",)) for n in (1, 2)]
    won = Selected(label="relu", trial="relu-s001", metric="v/loss", value=1.0, among=3)
    known = state(*trials, won)
    assert decisions.claimed(known, "search", ["relu"]) == {"relu-s001/fold-0-0"}
    assert decisions.claimed(known, "search", []) == {*FOLDS, "relu-s001/fold-0-0", "relu-s002/fold-0-0"}
    assert decisions.claimed(known, "confirm", ["relu"]) == set()


def test_the_winner_is_the_best_and_of_equals_the_first() -> None:
    trials = [trial(name=f"relu-s{n:03d}", index=n) for n in (2, 0, 1, 3)]
    ends = [
        Completed(trial="relu-s000", status=TrialStatus.FINISHED, metrics={"v/loss": 2.0}),
        Completed(trial="relu-s001", status=TrialStatus.FINISHED, metrics={"v/loss": 1.0}),
        Completed(trial="relu-s002", status=TrialStatus.STOPPED, metrics={"v/loss": 1.0}),
        Completed(trial="relu-s003", status=TrialStatus.DIVERGED, metrics={}),
    ]
    completed = {end.trial: end for end in ends}
    assert decisions.winner(trials, completed, "v/loss", lower) == ("relu-s001", 1.0)


def test_without_a_score_the_first_that_diverged_stands_for_all_and_a_failure_for_none() -> None:
    trials = [trial(name=f"relu-s{n:03d}", index=n) for n in range(3)]
    failed = Completed(trial="relu-s000", status=TrialStatus.FAILED, metrics={})
    diverged = Completed(trial="relu-s002", status=TrialStatus.DIVERGED, metrics={})
    won = decisions.winner(trials, {"relu-s000": failed, "relu-s002": diverged}, "v/loss", lower)
    assert won is not None
    assert won[0] == "relu-s002"
    assert math.isnan(won[1])
    assert decisions.winner(trials, {"relu-s000": failed}, "v/loss", lower) is None
