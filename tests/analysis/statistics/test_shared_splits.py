"""Means of several activations are over the splits that all have: a lost fold, hard or easy, makes nobody better."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.report import findings as gathering
from analysis.report.figures.gaps import gaps
from analysis.report.sections import curves, results
from analysis.runs import simulated
from analysis.runs.load import Study
from analysis.statistics import aggregate, effects, generalisation, ranks
from analysis.statistics.scores import Scores, pair, scores

LABELS = ("relu", "dsrelu", "tanh")
HARD = np.array([0.5, 0.9, 0.9, 0.9, 0.9])


def lost() -> Study:
    """dsrelu is a point better on every split and lacks an easy one; tanh is a point worse and lacks the hard one."""
    study = simulated.study(seed=1, activations=LABELS, missing=[("dsrelu", 0, 3), ("tanh", 0, 0)])
    gain = study.cube["activation"].map({"relu": 0.0, "dsrelu": 0.01, "tanh": -0.01})
    study.cube["heldout/accuracy"] = HARD[study.cube["fold"]] + gain + 0.001 * np.arange(len(study.cube)) % 3 / 10
    return study


def table_of(study: Study) -> Scores:
    return scores(study.cube, dataset="digits", metric=study.plan.primary, activations=LABELS)


def test_shared_splits_are_those_that_all_have() -> None:
    table = table_of(lost())
    assert len(table.values) == 5
    assert table.shared.shape == (3, 3)
    assert table.sharing == "Over the 3 of 5 splits that all have."
    whole = simulated.study(seed=1, activations=LABELS)
    assert table_of(whole).sharing == ""
    gone = whole.cube.assign(status=whole.cube["status"].where(whole.cube["activation"] != "tanh", "failed"))
    assert list(scores(gone, dataset="digits", metric=whole.plan.primary, activations=LABELS).shared) == [
        "relu",
        "dsrelu",
    ]


def test_equation_one_has_the_sign_of_every_shared_split() -> None:
    table = table_of(lost())
    assert (pair(table, "dsrelu", "relu").d > 0).all()
    assert table.values.mean().idxmax() == "tanh"  # what means over splits of one's own would say
    mean = effects.improvement(table, "dsrelu").set_index("basis").loc["mean"]
    assert (mean["runner_up"], mean["n"]) == ("relu", 3)
    assert mean["percent"] == pytest.approx(100 * 0.01 / 0.9, rel=0.05)
    assert mean["difference"] == pytest.approx(mean["score"] - mean["runner_up_score"])
    assert "3 of 5 splits" in mean["note"]
    best = effects.improvement(table, "tanh").set_index("basis").loc["best"]
    assert best["n"] == 3


def test_no_shared_split_compares_nothing() -> None:
    study = simulated.study(seed=1, activations=LABELS[:2], folds=4)
    study.cube["split_hash"] = [f"{a}-{f}" for a, f in zip(study.cube["activation"], study.cube["fold"], strict=True)]
    table = scores(study.cube, dataset="digits", metric=study.plan.primary)
    assert table.shared.empty
    rows = effects.improvement(table, "dsrelu")
    assert rows["percent"].isna().all()
    assert rows["note"].str.contains("0 of 8 splits").all()
    assert aggregate.normalise([table]).dropna().empty
    assert ranks.means([table]).isna().all(axis=None)


def test_normalised_scores_ranks_and_the_table_of_means_agree() -> None:
    study = lost()
    table = table_of(study)
    normalised = aggregate.normalise([table])
    assert normalised.groupby("activation")["score"].size().tolist() == [3, 3, 3]
    assert normalised.groupby("activation")["score"].mean().idxmax() == "dsrelu"
    assert normalised.groupby("activation")["score"].mean().max() == pytest.approx(1)
    assert ranks.means([table]).iloc[0].idxmax() == "dsrelu"
    found = gathering.gather(study, allow_incomplete=True)
    shown = results.means(found).frame.set_index("activation")
    assert shown["mean"].idxmax() == "dsrelu"
    assert shown["n"].tolist() == [3, 3, 3]
    assert shown["note"].str.contains("3 of 5 splits").all()
    improved = results.improvements(found).frame
    assert improved.query("activation == 'dsrelu' and basis == 'mean'")["percent"].item() > 0
    assert curves.gap_table(found, gaps(found)).frame["n"].tolist() == [3, 3, 3]


def test_the_gap_is_compared_on_what_both_have() -> None:
    study = lost()
    study.cube["train_clean/accuracy"] = HARD[study.cube["fold"]] + 0.05
    cube = pd.DataFrame(study.cube)
    found = {
        one.activation: one for one in generalisation.compare(cube, "relu", dataset="digits", metric=study.plan.primary)
    }
    for one in found.values():
        gap, base = float(one.extras["gap"]), float(one.extras["gap_control"])
        assert base - gap == pytest.approx(one.estimate)
        assert one.extras["train"] == pytest.approx(one.extras["train_control"])
