"""The generalisation gap, and what else could have been declared."""

from __future__ import annotations

import dataclasses

import pytest

from analysis.runs import simulated
from analysis.statistics import claims, generalisation, robustness
from analysis.statistics.verdict import Word


def test_the_gap_is_training_minus_held_out_at_the_checkpoint() -> None:
    study = simulated.study(seed=1, activations=("relu", "dsrelu"))
    frame = generalisation.gaps(study.cube, dataset="digits")
    assert list(frame.columns) == generalisation.COLUMNS
    assert len(frame) == 10
    row = study.cube.iloc[0]
    mine = frame[(frame["activation"] == row["activation"]) & (frame["split"] == row["split_hash"])].iloc[0]
    assert mine["gap"] == pytest.approx(row["train_clean/accuracy"] - row["heldout/accuracy"])
    loss = generalisation.gaps(study.cube, dataset="digits", metric="loss")
    assert (loss["gap"] == loss["other"] - loss["train"]).all()


def test_a_smaller_gap_by_less_fitting_is_named() -> None:
    study = simulated.study(seed=1, activations=("relu", "dsrelu"), repeats=4)
    cube = study.cube.copy()
    lazy = cube["activation"] == "dsrelu"
    cube.loc[lazy, "train_clean/accuracy"] = cube.loc[lazy, "heldout/accuracy"] + 0.01
    (found,) = generalisation.compare(cube, "relu", dataset="digits")
    assert found.word is Word.BETTER
    assert "less fitting" in found.note
    assert found.extras["gap"] == pytest.approx(0.01)
    assert float(found.extras["train"]) < float(found.extras["train_control"])


def test_a_smaller_gap_of_the_loss_is_better() -> None:
    study = simulated.study(seed=1, activations=("relu", "dsrelu"), repeats=4)
    cube = study.cube.copy()
    wide = cube["activation"] == "dsrelu"
    cube.loc[wide, "heldout/loss"] += 0.5
    (found,) = generalisation.compare(cube, "relu", dataset="digits", metric="loss")
    frame = generalisation.gaps(cube, dataset="digits", metric="loss").groupby("activation")["gap"].mean()
    assert found.estimate == pytest.approx(frame["relu"] - frame["dsrelu"])
    assert found.estimate < 0
    assert found.word is Word.WORSE
    assert float(found.extras["gap"]) > float(found.extras["gap_control"])


def test_the_running_average_is_descriptive() -> None:
    study = simulated.study(seed=1, activations=("relu", "dsrelu"))
    cube = study.cube.rename(columns={"train_clean/accuracy": "train/accuracy"})
    (found,) = generalisation.compare(cube, "relu", dataset="digits")
    assert found.word is Word.DESCRIPTIVE


def test_alternatives_cover_every_choice_and_mark_what_flips() -> None:
    study = simulated.study(
        seed=2, activations=("relu", "dsrelu"), diverged=[("dsrelu", 0, 0)], effects={"dsrelu": 0.02}
    )
    plan = dataclasses.replace(study.plan, declaration=dataclasses.replace(study.plan.declaration, rope=0.005))
    frame = robustness.alternatives(study.cube, plan)
    assert list(frame.columns) == robustness.COLUMNS
    assert set(frame["choice"]) == {"rule", "handling", "test", "metric"}
    assert set(frame.loc[frame["choice"] == "rule", "value"]) == {"validation_loss", "validation_accuracy", "last"}
    assert set(frame.loc[frame["choice"] == "metric", "value"]) >= {"accuracy", "loss", "auc"}
    declared = frame[frame["declared"]]
    assert len(declared) == 4
    assert not declared["flips"].any()
    (main,) = claims.compare(study.cube, plan)
    assert set(declared["word"]) == {str(main.word)}
    assert (frame["flips"] == (frame["word"] != str(main.word))).all()


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
