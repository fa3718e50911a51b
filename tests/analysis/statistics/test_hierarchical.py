"""The hierarchical model against brute-force sampling of its own definition, and its refusal below six data sets."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from analysis.statistics import hierarchical
from analysis.statistics.scores import Pairs, of_arrays
from analysis.statistics.verdict import Word


def comparisons(effects: list[float], sd: float = 0.005, seed: int = 0) -> list[Pairs]:
    rng = np.random.default_rng(seed)
    found = []
    for j, effect in enumerate(effects):
        y = rng.normal(0.8, 0.01, 10)
        x = y + effect + rng.normal(0, sd, 10)
        found.append(of_arrays(x, y, ratio=0.25, dataset=f"d{j}", activation="dsrelu", control="relu", n_heldout=2000))
    return found


def test_below_six_data_sets_there_are_no_numbers() -> None:
    verdict, frame = hierarchical.across(comparisons([0.02] * 5), rope=0.01)
    assert verdict.word is Word.CANNOT_TELL
    assert verdict.probabilities is None
    assert "5 data sets; below 6" in verdict.note
    assert frame["shrunken"].isna().all()
    assert hierarchical.across([], rope=0.01)[0].n == 0


def test_clear_effects_are_found() -> None:
    better, _ = hierarchical.across(comparisons([0.05] * 10, sd=0.002), rope=0.01)
    same, _ = hierarchical.across(comparisons([0.0] * 20, sd=0.001), rope=0.01)
    worse, _ = hierarchical.across(comparisons([-0.05] * 10, sd=0.002), rope=0.01)
    assert [v.word for v in (better, same, worse)] == [Word.BETTER, Word.EQUIVALENT, Word.WORSE]
    mixed, _ = hierarchical.across(comparisons([0.05, -0.05] * 4), rope=0.01)
    assert mixed.word is Word.UNDECIDED
    assert better.interval is not None
    assert better.interval.low < 0.05 < better.interval.high


def test_noisy_data_sets_are_drawn_to_the_others() -> None:
    found = comparisons([0.01] * 8, sd=0.001)
    noisy = comparisons([0.06], sd=0.08, seed=3)
    _, frame = hierarchical.across([*found, *noisy], rope=0.01)
    last = frame.iloc[-1]
    assert abs(last["shrunken"] - 0.01) < abs(last["difference"] - 0.01)
    assert frame["shrunken"].iloc[0] == pytest.approx(frame["difference"].iloc[0], abs=0.002)


def test_the_grid_is_the_models_posterior() -> None:
    """Importance sampling from the same priors gives the same numbers."""
    rng = np.random.default_rng(1)
    means, ses = rng.normal(0.01, 0.02, 8), rng.uniform(0.004, 0.01, 8)
    mu0, tau, nu, weight, shrunken = hierarchical.posterior(means, ses)
    spread, centre = float(means.std(ddof=1)), float(means.mean())
    draws = 200_000
    m = rng.uniform(centre - 4 * spread, centre + 4 * spread, draws)
    t = spread * np.abs(rng.standard_cauchy(draws))
    v = rng.choice(hierarchical.NU, draws)
    lam = rng.gamma(v[:, None] / 2, 2 / v[:, None], (draws, 8))
    variance = ses**2 + (t[:, None] ** 2) / lam
    w = np.exp(stats.norm.logpdf(means, m[:, None], np.sqrt(variance)).sum(axis=1))
    w /= w.sum()
    assert float((weight * mu0).sum()) == pytest.approx(float((w * m).sum()), abs=0.05 * spread)
    better = float((weight * stats.t.sf((0.005 - mu0) / tau, nu)).sum())
    assert better == pytest.approx(float((w * stats.t.sf((0.005 - m) / t, v)).sum()), abs=0.02)
    share = (t[:, None] ** 2 / lam) / variance
    each = ((m[:, None] + share * (means - m[:, None])) * w[:, None]).sum(axis=0)
    assert shrunken == pytest.approx(each, abs=0.1 * spread)


def test_zero_variance_is_floored_at_one_item() -> None:
    flat = of_arrays([0.8] * 5, [0.8] * 5, ratio=0.25, dataset="flat", n_heldout=500)
    _, frame = hierarchical.across([*comparisons([0.01] * 6), flat], rope=0.01)
    assert frame.set_index("dataset").loc["flat", "se"] == pytest.approx(1 / 500)
    assert np.isfinite(frame["shrunken"]).all()
