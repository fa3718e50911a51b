"""The generalisation gap, and what else could have been declared."""

from __future__ import annotations

import pytest

from analysis.runs import simulated
from analysis.runs.metric import find
from analysis.runs.plan import unstated_metrics
from analysis.statistics import claims, generalisation, robustness
from analysis.statistics.verdict import Word

ACCURACY, LOSS = (find(unstated_metrics(), name) for name in ("accuracy", "loss"))


def test_a_smaller_gap_by_less_fitting_is_named() -> None:
    study = simulated.study(seed=1, activations=("relu", "dsrelu"), repeats=4)
    cube = study.cube.copy()
    lazy = cube["activation"] == "dsrelu"
    cube.loc[lazy, "train_clean/accuracy"] = cube.loc[lazy, "heldout/accuracy"] + 0.01
    (found,) = generalisation.compare(cube, "relu", dataset="digits", metric=ACCURACY)
    assert found.word is Word.BETTER
    assert "less fitting" in found.note
    assert found.extras["gap"] == pytest.approx(0.01)  # training minus held-out, at the checkpoint
    assert float(found.extras["train"]) < float(found.extras["train_control"])


def test_a_smaller_gap_of_the_loss_is_better() -> None:
    study = simulated.study(seed=1, activations=("relu", "dsrelu"), repeats=4)
    cube = study.cube.copy()
    wide = cube["activation"] == "dsrelu"
    cube.loc[wide, "heldout/loss"] += 0.5
    (found,) = generalisation.compare(cube, "relu", dataset="digits", metric=LOSS)
    frame = (cube["heldout/loss"] - cube["train_clean/loss"]).groupby(cube["activation"]).mean()
    assert found.estimate == pytest.approx(frame["relu"] - frame["dsrelu"])
    assert found.estimate < 0
    assert found.word is Word.WORSE
    assert float(found.extras["gap"]) > float(found.extras["gap_control"])


def test_the_running_average_is_descriptive() -> None:
    study = simulated.study(seed=1, activations=("relu", "dsrelu"))
    cube = study.cube.rename(columns={"train_clean/accuracy": "train/accuracy"})
    (found,) = generalisation.compare(cube, "relu", dataset="digits", metric=ACCURACY)
    assert found.word is Word.DESCRIPTIVE


def test_the_plain_t_is_narrower_and_says_what_it_is() -> None:
    study = simulated.study(seed=2, activations=("relu", "dsrelu"), repeats=2)
    (naive,), (main,) = robustness.plain(study.cube, study.plan), claims.compare(study.cube, study.plan)
    assert naive.p is not None
    assert main.p is not None
    assert naive.p < main.p
    assert "independent" in naive.note


def test_gains_by_every_rule() -> None:
    study = simulated.study(seed=2)
    frame = robustness.gains(study.cube, study.plan, "dsrelu")
    assert set(frame["rule"]) == {"validation_loss", "validation_accuracy", "last"}
    assert (frame.groupby("rule")["basis"].apply(list).map("-".join) == "mean-best").all()
    assert frame["runner_up"].notna().all()
