"""Every degenerate study through every statistic: a worded outcome, no invented p-value, no crash, no warning."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from analysis.errors import DuplicateRuns
from analysis.runs import simulated
from analysis.runs.load import Study
from analysis.runs.metric import find
from analysis.runs.plan import unstated_metrics
from analysis.statistics import (
    aggregate,
    bayes,
    claims,
    effects,
    frequentist,
    generalisation,
    hierarchical,
    integrity,
    outlook,
    parameter_importance,
    ranks,
    robustness,
    timing,
    verdict,
)
from analysis.statistics.scores import pair, scores
from analysis.statistics.verdict import Verdict, Word

pytestmark = pytest.mark.slow

METRICS = [
    f"{part}/{metric.name}" for part in ("heldout", "validation", "train_clean") for metric in unstated_metrics()
]
ACCURACY, LOSS = (find(unstated_metrics(), name) for name in ("accuracy", "loss"))
LABELS = ("relu", "dsrelu", "tanh")


def changed(change: Callable[[pd.DataFrame], object], **more: object) -> Study:
    study = simulated.study(seed=1, activations=LABELS, **more)  # type: ignore[arg-type]
    change(study.cube)
    return study


def put(
    where: Callable[[pd.DataFrame], pd.Series], value: object, columns: list[str]
) -> Callable[[pd.DataFrame], None]:
    def change(cube: pd.DataFrame) -> None:
        names = [name for name in cube if name in columns or str(name).split("/", 1)[-1] in columns]
        cube.loc[where(cube), names] = value

    return change


def dsrelu(cube: pd.DataFrame) -> pd.Series:
    return cube["activation"] == "dsrelu"


def first(cube: pd.DataFrame) -> pd.Series:
    return dsrelu(cube) & (cube["fold"] == 0)


def everywhere(cube: pd.DataFrame) -> pd.Series:
    return pd.Series(True, index=cube.index)


def alike(cube: pd.DataFrame) -> None:
    relu = cube[cube["activation"] == "relu"]
    for label in LABELS[1:]:
        cube.loc[cube["activation"] == label, METRICS] = relu[METRICS].to_numpy()


def shifted(cube: pd.DataFrame) -> None:
    alike(cube)
    cube.loc[dsrelu(cube), "heldout/accuracy"] += 0.0625


def resplit(cube: pd.DataFrame) -> None:
    cube.loc[dsrelu(cube), "split_hash"] = [f"other {fold}" for fold in range(int(dsrelu(cube).sum()))]


def cut(study: Study) -> Study:
    cube = study.cube[study.cube["fold"] == 0].reset_index(drop=True)
    return dataclasses.replace(study, cube=cube, plan=dataclasses.replace(study.plan, folds=1))


STUDIES: dict[str, Callable[[], Study]] = {
    "zero variance": lambda: changed(shifted),
    "identical columns": lambda: changed(alike),
    "one fold": lambda: cut(simulated.study(seed=1, activations=LABELS, folds=2)),
    "two folds": lambda: simulated.study(seed=1, activations=LABELS, folds=2),
    "nan": lambda: changed(put(first, math.nan, METRICS)),
    "inf": lambda: changed(put(first, math.inf, METRICS)),
    "all nan": lambda: changed(put(everywhere, math.nan, METRICS)),
    "missing folds": lambda: changed(put(first, "missing", ["status"])),
    "one activation lost": lambda: changed(put(dsrelu, "infra_failed", ["status"])),
    "control lost": lambda: changed(put(lambda cube: cube["activation"] == "relu", "failed", ["status"])),
    "all diverged": lambda: changed(put(everywhere, "diverged", ["status"])),
    "all missing": lambda: changed(put(everywhere, "missing", ["status"])),
    "one diverged wholly": lambda: changed(put(dsrelu, "diverged", ["status"])),
    "all tied": lambda: changed(put(everywhere, 0.5, METRICS)),
    "constant accuracy": lambda: changed(put(everywhere, 0.5, ["heldout/accuracy"])),
    "one activation": lambda: simulated.study(seed=1, activations=("relu",)),
    "unequal splits": lambda: changed(resplit),
    "unknown sizes": lambda: changed(
        put(everywhere, math.nan, ["n_train", "n_validation", "n_heldout", "reference/accuracy"])
    ),
    "perfect": lambda: changed(put(everywhere, 1.0, ["heldout/accuracy"])),
}


def sound(found: list[Verdict]) -> None:
    for one in found:
        for p in (one.p, one.p_adjusted):
            assert p is None or 0 <= p <= 1
        if one.p is None:
            assert one.word in (Word.DESCRIPTIVE, Word.CANNOT_TELL) or one.probabilities is not None or one.interval
        if one.interval is not None:
            assert one.interval.low <= one.interval.high
        if one.probabilities is not None:
            assert sum(one.probabilities) == pytest.approx(1)
        if one.word in (Word.DESCRIPTIVE, Word.CANNOT_TELL):
            assert one.note
        assert "significan" not in one.note
    verdict.to_frame(found)


# Close relatives of others in the list: run with the slow tests.
RELATIVES = {"perfect", "constant accuracy", "all nan", "control lost", "two folds", "all missing", "identical columns"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in RELATIVES else name for name in STUDIES]
)
def test_every_statistic_has_an_answer(name: str) -> None:
    study = STUDIES[name]()
    cube, plan = study.cube, study.plan
    rng = np.random.default_rng(0)
    labels = plan.activations
    sound(claims.compare(cube, plan))
    sound(claims.compare(cube, plan, handling="complete"))
    sound(claims.compare_studies(cube, [plan]))
    assert claims.winners(cube, plan).empty
    table = scores(cube, dataset="digits", metric=ACCURACY, activations=labels)
    for label in labels:
        pairs = pair(table, label, "relu")
        sound([frequentist.corrected_t(pairs, rope=0.01)])
        sound([frequentist.wilcoxon(pairs, blocks=blocks) for blocks in ("datasets", "seeds", "folds")])  # type: ignore[arg-type]
        sound([bayes.correlated_t(pairs), bayes.correlated_t(pairs, rope=0.01)])
        bayes.by_width(pairs, [0.0, 0.01])
        effects.size(pairs)
        outlook.outlook(pairs, folds=plan.folds, m=2)
        sound([aggregate.probability_of_improvement([table], label, "relu")])
        effects.improvement(table, label)
        sound([hierarchical.across([pairs] * 7, rope=0.01, points=15)[0]])
    blocks = ranks.blocks_of(table)
    sound([ranks.friedman(blocks, rng, of="folds", draws=49), ranks.friedman(ranks.means([table]), rng, draws=49)])
    assert ranks.nemenyi(blocks, of="folds").descriptive
    assert ranks.wilcoxon_holm(blocks, of="folds").descriptive
    ranks.matrix([table])
    ranks.matrix([table, table])
    normalised = aggregate.normalise([table])
    aggregate.summary(normalised, rng, draws=20)
    aggregate.profile(normalised, rng, draws=20)
    sound(generalisation.compare(cube, "relu", dataset="digits", metric=ACCURACY))
    sound(robustness.plain(cube, plan))
    robustness.gains(cube, plan, labels[0])
    timing.summary(timing.runs(cube, study.curves), "relu")
    timing.equal_time(cube, study.curves, dataset="digits", metric=ACCURACY)
    assert set(integrity.checks(cube, plan)["status"]) <= {"pass", "warn", "fail"}
    settings = parameter_importance.settings(cube, "dsrelu", column="validation/loss")
    assert not parameter_importance.importance(settings, rng)["passes"].any()


def test_duplicate_runs_are_refused_by_every_reader_of_scores() -> None:
    study = simulated.study(seed=1, activations=LABELS)
    twice = pd.concat([study.cube, study.cube.iloc[:1].assign(run_id="again")], ignore_index=True)
    for reader in (
        lambda: claims.compare(twice, study.plan),
        lambda: scores(twice, dataset="digits", metric=ACCURACY),
        lambda: generalisation.compare(twice, "relu", dataset="digits", metric=ACCURACY),
        lambda: robustness.plain(twice, study.plan),
    ):
        with pytest.raises(DuplicateRuns, match="again"):
            reader()


@pytest.mark.parametrize(
    ("name", "word", "said"),
    [
        ("zero variance", Word.DESCRIPTIVE, "apart by the same amount"),
        ("identical columns", Word.DESCRIPTIVE, "identical on every split"),
        ("one fold", Word.CANNOT_TELL, "1 paired split"),
        ("two folds", Word.CANNOT_TELL, "2 paired split"),
        ("unequal splits", Word.CANNOT_TELL, "split differently"),
        ("one activation lost", Word.CANNOT_TELL, "0 paired splits of 5 planned"),
        ("all diverged", Word.DESCRIPTIVE, "scored as if nothing was learned"),
        ("all missing", Word.CANNOT_TELL, "0 paired splits of 5 planned"),
        ("all tied", Word.DESCRIPTIVE, "identical on every split"),
    ],
)
def test_words_of_the_headline(name: str, word: Word, said: str) -> None:
    study = STUDIES[name]()
    found = next(one for one in claims.compare(study.cube, study.plan) if one.activation == "dsrelu")
    assert found.word is word
    assert said in found.note
    assert found.p is None
