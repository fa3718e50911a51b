"""Whether one forecast of a series is better than another, on the same steps of time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Of the mean loss of the first forecast less that of the second: below 0 where the first is better."""

    difference: float
    standard_error: float
    """Of the difference, with the small-sample correction; NaN where it cannot be estimated."""
    statistic: float
    p: float
    """Two-sided; NaN where the statistic is."""
    n: int
    lags: int
    """Autocovariances that the variance counts in."""


def diebold_mariano(
    first: ArrayLike,
    second: ArrayLike,
    *,
    horizon: int = 1,
    power: Literal[1, 2] = 2,
    lags: int | None = None,
    kernel: Literal["bartlett", "rectangular"] = "bartlett",
) -> Accuracy:
    """The test of Diebold and Mariano (Journal of Business & Economic Statistics 13, 1995, section 1.1) of equal
    accuracy of two forecasts.

    ``first`` and ``second`` are their errors [n] in the order of time, of one series and step by step the same. The
    loss is the error's absolute value to the ``power``. The variance of the mean loss difference is robust to its
    autocorrelation up to ``lags``: with weights that fall (``bartlett``, Newey and West 1987) it cannot be negative;
    ``rectangular`` is the original's. Where ``lags`` is None they are ``horizon`` - 1 (errors of forecasts ``horizon``
    steps ahead overlap so far), or floor(4 (n / 100)^(2/9)) where that is more (Newey and West 1994). Statistic and t
    distribution with n - 1 degrees of freedom are corrected for small samples as by Harvey, Leybourne and Newbold
    (International Journal of Forecasting 13, 1997, equation 9). It tells of these two trained models on this stretch of
    time alone, neither of other seeds nor of other times.

    Identical losses have difference 0 and p 1; where the variance is otherwise not above 0, statistic and p are NaN.
    Raises ValueError for errors that do not pair, are not finite, or are fewer than 2 or than ``horizon`` + 1.
    """
    one, two = (np.asarray(errors, np.float64) for errors in (first, second))
    if one.ndim != 1 or one.shape != two.shape:
        raise ValueError(f"errors have shapes {one.shape} and {two.shape}; accepts [n] and [n], of the same steps")
    if not (np.isfinite(one).all() and np.isfinite(two).all()):
        raise ValueError("errors hold NaN or infinite ones; leave such steps out of both")
    n = len(one)
    if horizon < 1 or n < max(2, horizon + 1):
        raise ValueError(
            f"{n} errors of forecasts {horizon} steps ahead; accepts 1 step or more, and more errors than it"
        )
    lags = max(horizon - 1, math.floor(4 * (n / 100) ** (2 / 9))) if lags is None else lags
    if not 0 <= lags < n:
        raise ValueError(f"{lags} lags for {n} errors; accepts 0 or more, and fewer than there are errors")
    losses = np.abs(one) ** power - np.abs(two) ** power
    difference = float(losses.mean())
    if not losses.any():
        return Accuracy(difference=0.0, standard_error=0.0, statistic=0.0, p=1.0, n=n, lags=lags)
    centred = losses - difference
    weights = [1.0 if kernel == "rectangular" else 1.0 - lag / (lags + 1) for lag in range(1, lags + 1)]
    covariances = [float(centred[lag:] @ centred[:-lag]) / n for lag in range(1, lags + 1)]
    variance = (float(centred @ centred) / n + 2.0 * float(np.dot(weights, covariances))) / n
    correction = (n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n
    scale = float(np.abs(losses).max()) ** 2
    if variance <= scale * np.finfo(float).eps or correction <= 0:
        error = statistic = p = math.nan
    else:
        error = math.sqrt(variance / correction)
        statistic = difference / error
        p = float(2.0 * stats.t.sf(abs(statistic), n - 1))
    return Accuracy(difference=difference, standard_error=error, statistic=statistic, p=p, n=n, lags=lags)
