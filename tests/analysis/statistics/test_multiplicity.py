"""Holm's adjustment against statsmodels'."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from analysis.statistics import multiplicity


@pytest.mark.parametrize("seed", range(20))
def test_holm_is_that_of_statsmodels_with_ties_and_missing_comparisons(seed: int) -> None:
    rng = np.random.default_rng(seed)
    made, missing = int(rng.integers(1, 20)), int(rng.integers(0, 5))
    p = np.round(rng.uniform(0, 1, made) ** 3, 2)
    expected = multipletests(np.r_[p, np.ones(missing)], method="holm")[1][:made]
    assert multiplicity.holm(p, made + missing) == pytest.approx(expected)
