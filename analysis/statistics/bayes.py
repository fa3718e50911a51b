"""The Bayesian correlated t test with a region of practical equivalence (Benavoli et al. 2017, section 3).

Without prior information the posterior of the mean difference is a Student t on n-1 degrees of freedom around the mean,
with the corrected standard error for scale. It is the corrected resampled t turned round: the two are one piece of
evidence, not two.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
from scipy import stats

from analysis.runs.plan import half_width
from analysis.statistics import rule
from analysis.statistics.frequentist import limits, refusal, standard_error, too_many_missing
from analysis.statistics.scores import Pairs
from analysis.statistics.verdict import Extra, Interval, Probabilities, Verdict, Word

SHARE_OF_REFERENCE, SHARE_OF_ERROR = 0.01, 0.05
"""Of an error without an upper end: of what knowing nothing scores, which is the standard deviation of the targets for
a root mean square error, and of the control's own error. The latter keeps the zone of a task that is all but solved
from holding a fifth of what is left; it is half of what a design is asked to tell there
(``design.SHARE_OF_DISTANCE``)."""


def default_rope(pairs: Pairs) -> float:
    """Half-width where none was declared: the widest of a tenth of the pooled seed sd, one held-out item, and for an
    error without an upper end :data:`SHARE_OF_REFERENCE` of what knowing nothing scores, but no more than
    :data:`SHARE_OF_ERROR` of the control's; nan where none is known.

    Where no split was run with two seeds, seed noise is unknown, and of a share of items one held-out item alone
    remains: a width at which hardly anything is ever called equivalent.
    """
    metric = pairs.metric
    unbounded = metric.better == "lower" and metric.high is None
    error = math.nan
    if unbounded and pairs.n and math.isfinite(pairs.reference):
        own = abs(float(pairs.y.mean()) - (pairs.metric.low or 0.0))
        error = min(SHARE_OF_REFERENCE * abs(pairs.reference), SHARE_OF_ERROR * own)
    return max((width for width in (0.1 * pairs.seed_sd, pairs.item, error) if width > 0), default=math.nan)


def correlated_t(pairs: Pairs, *, rope: float | None = None, alpha: float = 0.05) -> Verdict:
    """P(worse), P(same), P(better) than the control by more than ``rope``, and the central 1-alpha credible interval.

    ``rope`` is in the metric's units; None takes :func:`default_rope`. The word is that of
    :func:`analysis.statistics.rule.word` for this comparison alone. With zero variance all mass lies in one region and
    the word is descriptive. Raises :class:`~analysis.errors.DeclarationError` for a ``rope`` below 0.
    """
    d = pairs.d
    width = default_rope(pairs) if rope is None else half_width(rope)
    notes = limits(pairs)
    extras: dict[str, Extra] = {"rope": width, "rope_declared": rope is not None}
    if not math.isfinite(width):
        width = 0.0
        notes.append(
            "No region of practical equivalence: none was declared, and neither seeds, items nor knowing nothing give "
            "one."
        )
    estimate = float(d.mean()) if pairs.n else math.nan
    probabilities: Probabilities | None = None
    interval: Interval | None = None
    word = Word.UNDECIDED
    no = refusal(pairs)
    if no is None and not math.isfinite(pairs.ratio):
        no = Word.CANNOT_TELL, "One fold of unknown size: the overlap of the training parts is unknown."
    if no is not None:
        word = no[0]
        notes.insert(0, no[1])
        if pairs.n >= 2 and pairs.zero_variance:
            probabilities = Probabilities(
                float(estimate < -width), float(-width <= estimate <= width), float(estimate > width)
            )
    else:
        scale = standard_error(d, pairs.ratio)
        extras |= {"scale": scale, "df": pairs.n - 1}
        freedom = pairs.n - 1
        probabilities = rule.regions(estimate, scale, freedom, width)
        half = float(stats.t.isf(alpha / 2, freedom)) * scale
        interval = Interval(*pairs.metric.within(estimate - half, estimate + half))
        word = rule.word(
            probabilities,
            p=rule.p_difference(estimate, scale, freedom),
            p_same=rule.p_equivalence(estimate, scale, freedom, width),
            alpha=alpha,
        )
        if too_many_missing(pairs) or not pairs.verifiable:
            word = Word.DESCRIPTIVE
    return Verdict(
        dataset=pairs.dataset,
        activation=pairs.activation,
        control=pairs.control,
        metric=pairs.column,
        method="Bayesian correlated t",
        estimate=estimate,
        interval=interval,
        level=1 - alpha,
        probabilities=probabilities,
        n=pairs.n,
        word=word,
        note=" ".join(notes),
        extras=extras,
    )


def by_width(pairs: Pairs, widths: Sequence[float]) -> pd.DataFrame:
    """The three probabilities by half-width: columns width, worse, same, better; empty where nothing is tested."""
    if refusal(pairs) is not None or not math.isfinite(pairs.ratio):
        return pd.DataFrame(columns=["width", "worse", "same", "better"], dtype=float)
    d = pairs.d
    scale = standard_error(d, pairs.ratio)
    rows = [[width, *rule.regions(float(d.mean()), scale, pairs.n - 1, width)] for width in map(half_width, widths)]
    return pd.DataFrame(rows, columns=["width", "worse", "same", "better"])
