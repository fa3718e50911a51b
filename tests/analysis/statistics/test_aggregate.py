"""Interquartile mean, profile, probability of improvement: against SciPy, by enumeration, by seed."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from analysis.runs import simulated
from analysis.statistics import aggregate
from analysis.statistics.scores import Scores, of_arrays, scores
from analysis.statistics.verdict import Word


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def tables(**more: object) -> list[Scores]:
    studies = [
        simulated.study(seed=s, name=f"n{s}", dataset=f"d{s}", activations=("relu", "dsrelu", "tanh"), **more)  # type: ignore[arg-type]
        for s in range(3)
    ]
    return [scores(study.cube, dataset=study.plan.dataset, metric=study.plan.primary) for study in studies]


def test_normalising_puts_what_knowing_nothing_scores_at_0_and_the_best_baseline_at_1() -> None:
    frame = aggregate.normalise(tables())
    means = frame.groupby(["dataset", "activation"])["score"].mean().unstack()
    assert means.max(axis=1).to_numpy() == pytest.approx(1)
    table = tables()[0]
    assert len(aggregate.normalise([table])) == 15
    unknown = aggregate.normalise([type(table)(**{**vars(table), "reference": math.nan})])
    assert unknown["score"].isna().all()


def test_iqm_is_the_trimmed_mean() -> None:
    values = rng().normal(size=40)
    assert float(aggregate.iqm(values)) == pytest.approx(np.sort(values)[10:30].mean())
    assert aggregate.iqm(np.stack([values, values + 1])) == pytest.approx(
        [stats.trim_mean(values, 0.25), stats.trim_mean(values, 0.25) + 1]
    )


def test_summary_brackets_its_value_and_the_seed_decides() -> None:
    frame = aggregate.normalise(tables())
    one, same, other = (aggregate.summary(frame, rng(seed)) for seed in (1, 1, 2))
    assert one.equals(same)
    assert not one.equals(other)
    assert ((one["low"] <= one["value"]) & (one["value"] <= one["high"])).all()
    assert set(one["statistic"]) == {"iqm", "mean", "median of runs", "optimality_gap"}
    assert set(one["note"]) == {aggregate.OVERLAP}
    assert set(one["datasets"]) == {3}
    alone = aggregate.summary(aggregate.normalise(tables()[:1]), rng())
    assert alone["low_sets"].isna().all()


def test_few_units_are_enumerated() -> None:
    values = np.array([1.0, 2.0, 4.0, 8.0])
    every = sorted(float(np.mean(sample)) for sample in itertools.product(values, repeat=4))
    assert aggregate.enumerated(values, aggregate.mean) == pytest.approx(every)
    a, b = (aggregate.resample([values], aggregate.mean, rng(seed), draws=20) for seed in (1, 2))
    assert a.tolist() == b.tolist()


def test_percentiles_of_resamples_are_close_to_scipys() -> None:
    values = rng(3).gamma(2, 1, 60)
    found = aggregate.percentiles(aggregate.resample([values], aggregate.mean, rng(1), draws=4999), 0.95)
    oracle = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=9999, rng=rng(7)).confidence_interval
    assert found == pytest.approx((oracle.low, oracle.high), abs=0.03)


def test_profile_falls_from_all_to_none() -> None:
    frame = aggregate.profile(aggregate.normalise(tables()), rng())
    for _, of_label in frame.groupby("activation"):
        assert of_label["share"].is_monotonic_decreasing
        assert ((of_label["low"] <= of_label["share"]) & (of_label["share"] <= of_label["high"])).all()
    assert frame.groupby("activation")["share"].last().max() == 0
    assert aggregate.profile(aggregate.normalise([]), rng()).empty


def test_a_diverged_run_leaves_the_profile_its_steps() -> None:
    frame = aggregate.normalise(tables(diverged=[("relu", 0, 0)])[:1])
    assert frame["score"].min() == pytest.approx(0)
    found = aggregate.profile(frame, rng())
    for label, of_label in found.groupby("activation"):
        own = frame.loc[frame["activation"] == label, "score"].to_numpy()
        assert set(of_label["tau"]) == set(frame["score"])
        # Between two taus nothing changes: the share holds at every score there may be.
        for at in np.linspace(of_label["tau"].min(), of_label["tau"].max(), 77):
            step = of_label.loc[of_label["tau"] <= at, "share"].iloc[-1]
            assert step == pytest.approx((own > at).mean())
    assert len(aggregate.profile(aggregate.normalise(tables(repeats=9)), rng(), points=20)) <= 60


def test_probability_of_improvement_and_wilson() -> None:
    table = tables(effects={"dsrelu": 0.0})[0]
    found = aggregate.probability_of_improvement([table], "dsrelu", "relu")
    d = (table.values["dsrelu"] - table.values["relu"]).to_numpy()
    assert found.estimate == pytest.approx(((d > 0) + (d == 0) / 2).mean())
    assert found.interval == pytest.approx(proportion_confint(found.estimate * 5, 5, method="wilson"))
    assert found.word is Word.DESCRIPTIVE
    assert "29 independent" in found.note


def test_independent_pairs_may_be_called_meaningful() -> None:
    table = tables(repeats=8)[0]
    independent = type(table)(**{**vars(table), "ratio": 0.0})
    independent.values["dsrelu"] = independent.values["relu"] + 0.01
    found = aggregate.probability_of_improvement([independent], "dsrelu", "relu")
    assert found.word is Word.BETTER
    assert found.extras["meaningful"]
    worse = aggregate.probability_of_improvement([independent], "relu", "dsrelu")
    assert worse.word is Word.WORSE
    assert not worse.extras["meaningful"]
    # Folds that overlap, or few pairs, are not what the rule asks for.
    overlapping = type(table)(**{**vars(independent), "ratio": 0.25})
    few = type(table)(**{**vars(independent), "values": independent.values.iloc[:20]})
    for less in (overlapping, few):
        seen = aggregate.probability_of_improvement([less], "dsrelu", "relu")
        assert seen.estimate == 1
        assert not seen.extras["meaningful"]
    tied = aggregate.probability_of_improvement([independent], "relu", "relu")
    assert tied.word is Word.CANNOT_TELL


def test_arrays_pair_as_tables_do() -> None:
    assert of_arrays([1.0, 2.0], [0.0, 3.0], ratio=0.25).d.tolist() == [1.0, -1.0]
