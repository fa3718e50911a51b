"""Ranks over blocks: Friedman's omnibus test, the critical-difference picture, and the multi-comparison matrix.

Blocks are data sets; folds as blocks make a display, no evidence. Nemenyi's verdict on two activations depends on
which others are in the pool (Benavoli et al. 2016), so it feeds the picture only; verdicts come from pairwise tests
with Holm.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from analysis.runs.wording import counted
from analysis.statistics import claims, frequentist, multiplicity
from analysis.statistics.frequentist import Blocks
from analysis.statistics.scores import Pairs, Scores, of_arrays, pair
from analysis.statistics.verdict import Verdict, Word

LEAST_DATASETS = 6
"""Below this many data sets a critical-difference picture or a claim across data sets is descriptive."""
FEW = 10
"""Below this many blocks Friedman's chi-square is checked by permutation within blocks."""

NAMES: dict[Blocks, str] = {"datasets": "data set", "seeds": "seed", "folds": "fold"}


def means(tables: Sequence[Scores]) -> pd.DataFrame:
    """Mean score of each activation (column) on each data set (row), over the splits that every activation with any
    score there has; signed so that higher is better."""
    return pd.DataFrame({table.dataset: table.metric.sign * table.shared.mean() for table in tables}).T


def blocks_of(table: Scores) -> pd.DataFrame:
    """The splits of one data set as blocks, signed so that higher is better: for the descriptive display."""
    return table.metric.sign * table.values


def left_out(blocks: pd.DataFrame, of: Blocks) -> str:
    """What incomplete blocks cost, and for want of whose scores; empty where every block is complete."""
    absent = blocks.isna()
    lost = int(absent.any(axis="columns").sum())
    counts = {str(label): int(absent[label].sum()) for label in blocks}
    named = [f"{label} on {count}" for label, count in sorted(counts.items(), key=lambda one: -one[1]) if count]
    if not lost:
        return ""
    return f"{lost} of {counted(len(blocks), NAMES[of])} left out, since scores are missing: {', '.join(named)}"


def mean_ranks(blocks: pd.DataFrame) -> pd.Series:
    """Mean rank of each column over the complete rows, 1 for the best; ties share. Best first."""
    ranks = blocks.dropna().rank(axis="columns", ascending=False).mean()
    return ranks.sort_values(kind="stable")


def friedman(
    blocks: pd.DataFrame,
    rng: np.random.Generator,
    *,
    of: Blocks = "datasets",
    metric: str = "",
    alpha: float = 0.05,
    draws: int = 4999,
) -> Verdict:
    """Friedman's test, tie-corrected, with Iman and Davenport's F; ``blocks`` has a row a block, higher is better.

    ``p`` is Iman and Davenport's, except below ten blocks, where it is that of ``draws`` random permutations within
    blocks. Extras: chi2, p_chi2, F, p_F, kendall_w, p_permutation, chi2_untied (Demsar's formula), k.
    Only complete rows count. Fewer than three activations or two blocks, or all tied: no test, and the note says why.
    """
    full = blocks.dropna()
    n, k = full.shape
    lost = left_out(blocks, of)
    notes = [f"{lost[0].upper()}{lost[1:]}."] if lost else []
    method = f"Friedman, tie-corrected, on {NAMES[of]}s"
    blank = Verdict(dataset="", activation="", control="", metric=metric, method=method, level=1 - alpha, n=n)
    if k < 3 or n < 2:
        why = (
            f"{counted(k, 'activation')} and {counted(n, 'complete block')}: Friedman's test needs at least three and "
            "two. Compare the pair instead."
        )
        return dataclasses.replace(blank, word=Word.CANNOT_TELL, note=" ".join([why, *notes]))
    values = full.to_numpy(dtype=float)
    ranks = stats.rankdata(values, axis=1)
    if np.ptp(ranks) == 0:
        why = "All tied in every block: no differences, and no p-value."
        return dataclasses.replace(blank, word=Word.DESCRIPTIVE, note=" ".join([why, *notes]))
    chi2 = _chi2(ranks)
    untied = 12 * n / (k * (k + 1)) * float((ranks.mean(axis=0) ** 2).sum() - k * (k + 1) ** 2 / 4)
    p_chi2 = float(stats.chi2.sf(chi2, k - 1))
    extras: dict[str, float] = {"k": k, "chi2": chi2, "chi2_untied": untied, "p_chi2": p_chi2}
    extras["kendall_w"] = chi2 / (n * (k - 1))
    p = p_chi2
    below = n * (k - 1) - chi2
    if below > 1e-9 * chi2:
        extras["F"] = (n - 1) * chi2 / below
        p = extras["p_F"] = float(stats.f.sf(extras["F"], k - 1, (k - 1) * (n - 1)))
        method += ", Iman-Davenport"
    else:
        notes.append("Perfect agreement of the blocks: Iman and Davenport's F is infinite, chi-square alone is given.")
    if n < FEW:
        drawn = np.array([_chi2(rng.permuted(ranks, axis=1)) for _ in range(draws)])
        p = extras["p_permutation"] = float((1 + (drawn >= chi2 - 1e-9).sum()) / (draws + 1))
        method = f"Friedman on {NAMES[of]}s, {draws} permutations within blocks"
    if of == "folds":
        notes.append("Folds as blocks describe one data set; they prove nothing beyond it.")
    elif n < LEAST_DATASETS:
        notes.append(f"Descriptive: {counted(n, 'data set')}, too few for a claim beyond them.")
    return dataclasses.replace(blank, method=method, p=p, note=" ".join(notes), extras=extras)


def _chi2(ranks: npt.NDArray[np.float64]) -> float:
    n, k = ranks.shape
    sums = ranks.sum(axis=0)
    spread = float(((ranks - (k + 1) / 2) ** 2).sum())
    return float((k - 1) * ((sums - n * (k + 1) / 2) ** 2).sum() / spread) if spread else 0.0


@dataclass(frozen=True, kw_only=True)
class Diagram:
    """What a critical-difference picture shows."""

    ranks: pd.Series
    """Mean rank by activation, best first."""
    bars: tuple[tuple[str, ...], ...]
    """Activations joined by a bar: neighbours by rank, no pair of them told apart."""
    faithful: bool
    """Every pair that is not told apart lies under a bar; else only the matrix shows the result."""
    cd: float
    """Critical difference of mean ranks; nan where the bars come from pairwise tests."""
    p: pd.DataFrame
    """p by pair, symmetric, diagonal 1."""
    n: int
    alpha: float
    caption: str
    descriptive: bool
    """Too few blocks, or folds as blocks, for the picture to be evidence."""


def nemenyi(blocks: pd.DataFrame, *, alpha: float = 0.05, of: Blocks = "datasets") -> Diagram:
    """The picture by Nemenyi's test; rows of ``blocks`` are blocks, higher is better, only complete rows count.

    CD = q sqrt(k(k+1)/(6N)), q the studentized range's quantile at infinite degrees of freedom over sqrt(2).
    """
    full = blocks.dropna()
    n, k = full.shape
    ranks = mean_ranks(full)
    cd = math.nan
    p = pd.DataFrame(1.0, index=ranks.index, columns=ranks.index)
    if k >= 2 and n >= 1:
        unit = math.sqrt(k * (k + 1) / (6 * n))
        cd = critical_difference(k, n, alpha)
        apart = np.abs(ranks.to_numpy()[:, None] - ranks.to_numpy()[None, :])
        p = pd.DataFrame(
            np.minimum(1.0, stats.studentized_range.sf(apart / unit * math.sqrt(2), k, np.inf)),
            index=ranks.index,
            columns=ranks.index,
        )
    return _diagram(ranks, p, cd, blocks, alpha, of, "Nemenyi")


def critical_difference(k: int, n: int, alpha: float = 0.05) -> float:
    """Nemenyi's critical difference of mean ranks for ``k`` activations on ``n`` blocks."""
    return float(stats.studentized_range.ppf(1 - alpha, k, np.inf)) / math.sqrt(2) * math.sqrt(k * (k + 1) / (6 * n))


def wilcoxon_holm(blocks: pd.DataFrame, *, alpha: float = 0.05, of: Blocks = "datasets") -> Diagram:
    """The picture by Wilcoxon's exact test on all pairs with Holm: bars need not show all; see ``faithful``."""
    full = blocks.dropna()
    ranks = mean_ranks(full)
    labels = list(ranks.index)
    couples = [(a, b) for i, a in enumerate(labels) for b in labels[i + 1 :]]
    tests = [
        frequentist.wilcoxon(of_arrays(full[a].to_numpy(), full[b].to_numpy(), ratio=0.0), blocks=of, alpha=alpha)
        for a, b in couples
    ]
    # No p-value (all differences zero) means not told apart.
    adjusted = multiplicity.holm([1.0 if test.p is None else test.p for test in tests])
    p = pd.DataFrame(1.0, index=ranks.index, columns=ranks.index)
    for (a, b), value in zip(couples, adjusted, strict=True):
        p.loc[a, b] = p.loc[b, a] = float(value)
    return _diagram(ranks, p, math.nan, blocks, alpha, of, "Wilcoxon with Holm")


def _diagram(
    ranks: pd.Series, p: pd.DataFrame, cd: float, blocks: pd.DataFrame, alpha: float, of: Blocks, method: str
) -> Diagram:
    n = len(blocks.dropna())
    together = p.to_numpy() > alpha
    bars = cliques(together)
    covered = np.eye(len(ranks), dtype=bool)
    for first, last in bars:
        covered[first : last + 1, first : last + 1] = True
    descriptive = of == "folds" or n < LEAST_DATASETS
    caption = (
        f"Mean ranks of {counted(len(ranks), 'activation')} on {counted(n, NAMES[of])}; bars by {method} at {alpha:g}"
    )
    if descriptive:
        caption += "; descriptive, N too small" if of != "folds" else "; descriptive, folds are no independent blocks"
    if lost := left_out(blocks, of):
        caption += f"; {lost}"
    return Diagram(
        ranks=ranks,
        bars=tuple(tuple(str(label) for label in ranks.index[first : last + 1]) for first, last in bars),
        faithful=bool((covered | ~together).all()),
        cd=cd,
        p=p,
        n=n,
        alpha=alpha,
        caption=caption,
        descriptive=descriptive,
    )


def cliques(together: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Maximal runs (first, last) of at least two neighbours of which no pair is told apart.

    ``together`` (k, k), in order of rank, is true where a pair is not told apart.
    """
    runs: list[tuple[int, int]] = []
    end = -1
    for first in range(len(together)):
        last = first
        while last + 1 < len(together) and bool(together[first : last + 2, first : last + 2].all()):
            last += 1
        if last > first and last > end:
            runs.append((first, last))
        end = max(end, last)
    return runs


def matrix(
    tables: Sequence[Scores],
    *,
    alpha: float = 0.05,
    rope: float | None = None,
    activations: Sequence[str] | None = None,
    chosen: Collection[str] = (),
) -> pd.DataFrame:
    """The multi-comparison matrix: one row an ordered pair (a, b).

    Columns a, b, difference (a - b, positive where a is better), low, high, wins, ties, losses, p (two-sided),
    p_adjusted (Holm over all pairs), word, n, of. With one data set the units are splits, the test the corrected t, and
    the word by the rule of the verdicts, ``rope`` included (None: the default one); with several they are data sets,
    the test Wilcoxon's, and there is no interval. Pairs with an activation that is ``chosen`` (its setting, on the same
    splits) are descriptive.
    """
    if not tables:
        return pd.DataFrame(columns=MATRIX)
    one = len(tables) == 1
    labels = list(activations or tables[0].values.columns)
    m = len(labels) * (len(labels) - 1) // 2
    compared = _over_splits(tables[0], labels, rope, alpha) if one else _over_datasets(tables, labels, alpha, m)
    tests = [
        claims.explored(test) if {pairs.activation, pairs.control} & set(chosen) else test for pairs, test in compared
    ]
    rows = [_row(pairs, test) | {"of": "splits" if one else "data sets"} for pairs, test in compared]
    for row, test in zip(rows, claims.decide_all(tests, m=m, alpha=alpha), strict=True):
        row["p"] = math.nan if test.p is None else test.p
        row["p_adjusted"] = math.nan if test.p_adjusted is None else test.p_adjusted
        row["word"] = str(test.word if one else _by_holm(test, alpha))
    return pd.DataFrame([*rows, *map(_mirrored, rows)], columns=pd.Index(MATRIX))


def _over_splits(table: Scores, labels: Sequence[str], rope: float | None, alpha: float) -> list[tuple[Pairs, Verdict]]:
    every = [pair(table, a, b) for a, b in itertools.combinations(labels, 2)]
    return [(pairs, claims.combined(pairs, rope=rope, alpha=alpha)) for pairs in every]


def _over_datasets(
    tables: Sequence[Scores], labels: Sequence[str], alpha: float, m: int
) -> list[tuple[Pairs, Verdict]]:
    table, found = means(tables), []
    for a, b in itertools.combinations(labels, 2):
        both = table.reindex(columns=[a, b]).dropna()
        pairs = of_arrays(both[a].to_numpy(), both[b].to_numpy(), ratio=0.0, activation=a, control=b)
        test = frequentist.wilcoxon(pairs, blocks="datasets", alpha=alpha, m=m)
        # Its interval is of the Hodges-Lehmann median, and the difference that is shown is the mean.
        found.append((pairs, dataclasses.replace(test, interval=None)))
    return found


def _row(pairs: Pairs, test: Verdict) -> dict[str, object]:
    d = pairs.d
    low, high = test.interval or (math.nan, math.nan)
    return {
        "a": pairs.activation,
        "b": pairs.control,
        "difference": float(d.mean()) if len(d) else math.nan,
        "low": low,
        "high": high,
        "wins": int((d > 0).sum()),
        "ties": int((d == 0).sum()),
        "losses": int((d < 0).sum()),
        "n": len(d),
    }


def _mirrored(row: dict[str, object]) -> dict[str, object]:
    """The row of (b, a)."""
    return (
        row
        | {"a": row["b"], "b": row["a"], "wins": row["losses"], "losses": row["wins"]}
        | {"difference": _minus(row["difference"]), "low": _minus(row["high"]), "high": _minus(row["low"])}
        | {"word": MIRROR.get(str(row["word"]), row["word"])}
    )


def _by_holm(test: Verdict, alpha: float) -> Word:
    """The word of Wilcoxon's test by Holm's p, which may pass where p alone did not pass alpha/m."""
    if test.p_adjusted is None or test.word in (Word.CANNOT_TELL, Word.DESCRIPTIVE):
        return test.word
    if test.p_adjusted > alpha:
        return Word.UNDECIDED
    return Word.BETTER if float(test.extras["r_plus"]) > float(test.extras["r_minus"]) else Word.WORSE


MATRIX = ["a", "b", "difference", "low", "high", "wins", "ties", "losses", "p", "p_adjusted", "word", "n", "of"]
MIRROR = {str(Word.BETTER): str(Word.WORSE), str(Word.WORSE): str(Word.BETTER)}


def _minus(value: object) -> float:
    return -float(value)  # type: ignore[arg-type]  # a cell of a column of numbers
