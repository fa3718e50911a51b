"""A study that grew after its results could be seen: words are qualified, and only the newest winner is claimed on."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest

from analysis.runs.metric import Metric
from analysis.runs.plan import Declaration, Extension, Plan, from_json, to_json
from analysis.statistics import claims, grown
from analysis.statistics.finding import Outcome, Runs

SCORES = {
    "relu-c000": [0.80, 0.82, 0.81, 0.79, 0.83],
    "dsrelu-c000": [0.70, 0.71, 0.72, 0.69, 0.70],
    "dsrelu-c001": [0.84, 0.855, 0.85, 0.835, 0.865],
}


def extension(**more: object) -> Extension:
    known: dict[str, object] = {
        "at": "2026-01-02T00:00:00+00:00",
        "old_digest": "0" * 16,
        "changes": {"repeats": "1 repeat, now 2"},
        "folds_done": {"confirm": 10},
        "folds_planned": {"search": 4, "confirm": 10},
        "reported": True,
    }
    return Extension(**{**known, **more})  # type: ignore[arg-type]


def plan(*history: Extension) -> Plan:
    return Plan(
        study="s", study_digest="1" * 16, study_seed=1, dataset="digits", model="mlp", activations=("relu", "dsrelu"),
        task="reading", metrics=(Metric(name="score", better="higher", low=0, high=1),), claims_phase="confirm",
        repeats=(0,), folds=5, history=history,
        declaration=Declaration(
            question="?", metric="score", rule="last", control="relu", rope=0.01, declared_at="2026-01-01"
        ),
    )  # fmt: skip


@pytest.fixture
def cube() -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"study": "s", "dataset": "digits", "trial": trial, "activation": trial.partition("-")[0],
             "phase": "confirm", "repeat": 0, "fold": fold, "seed": 1, "split_hash": f"split-{fold}",
             "status": "finished", "n_train": 800, "n_heldout": 200, "run_id": f"{trial}-{fold}",
             "earlier": trial == "dsrelu-c000", "heldout/score": score}
            for trial, scores in SCORES.items()
            for fold, score in enumerate(scores)
        ]
    )  # fmt: skip


def seen(cube: pd.DataFrame, *history: Extension) -> list[tuple[Outcome, str, frozenset[str]]]:
    found = grown.declared_before_results(Runs(rows=cube, every=cube, plan=plan(*history)))
    return [(one.outcome, one.note, one.labels) for one in found]


def test_the_newest_winner_alone_is_compared(cube: pd.DataFrame) -> None:
    (verdict,) = claims.compare(cube, plan())
    assert verdict.estimate == pytest.approx(0.039, abs=1e-9)
    assert set(claims.claimed(cube, plan())["trial"]) == {"relu-c000", "dsrelu-c001"}


def test_more_repeats_after_results_qualify_every_word(cube: pd.DataFrame) -> None:
    ((outcome, note, labels),) = seen(cube, extension())
    assert (outcome, labels) == (Outcome.WARN, frozenset())
    assert "1 repeat, now 2" in note
    assert "10 of 10 confirm folds were done and a report had been written" in note
    rows = cube[~cube["earlier"]]
    (verdict,), checks = claims.concluded(rows, [plan(extension())])
    assert any("do not account for that look" in doubt for doubt in verdict.doubts)
    (without,), _ = claims.concluded(rows, [plan()])
    assert not any("look" in doubt for doubt in without.doubts)
    assert "declared before results" in set(checks["check"])


def test_growth_before_any_result_qualifies_nothing(cube: pd.DataFrame) -> None:
    ((outcome, _, _),) = seen(cube, extension(folds_done={"search": 4}, reported=False))
    assert outcome is Outcome.PASS


def test_an_activation_that_came_later_concerns_its_own_word_alone(cube: pd.DataFrame) -> None:
    ((outcome, note, labels),) = seen(cube, extension(changes={"activations": "dsrelu added"}, added=("dsrelu",)))
    assert (outcome, labels) == (Outcome.WARN, frozenset({"dsrelu"}))
    assert note.startswith("dsrelu came in on 2026-01-02")


def test_a_choice_that_was_made_again_is_said_where_it_is_found(cube: pd.DataFrame) -> None:
    again = extension(changes={"samples": "search.samples 2, now 12"}, searched_again=("dsrelu",))
    ((_, note, labels),) = seen(cube, again)
    assert labels == frozenset({"dsrelu"})
    assert "dsrelu has another winner since; dsrelu-c000 (5 folds) confirmed the one before" in note
    ((_, without, _),) = seen(cube[~cube["earlier"]], again)
    assert "another winner" not in without


def test_a_plan_keeps_its_history_and_the_digest_that_its_runs_go_by() -> None:
    known = plan(extension(), extension(old_digest="2" * 16, added=("elu",)))
    assert from_json(to_json(known)) == known
    assert (known.first_digest, plan().first_digest) == ("0" * 16, "1" * 16)
    assert dataclasses.replace(known, history=()) == plan()
