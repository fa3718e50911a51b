"""Holm's adjustment over a family that was declared before the first run.

The family is all planned comparisons of the primary metric: against the control (k-1 for each data set), or all pairs
(k(k-1)/2 for each). The p of no difference and that of equivalence are adjusted apart. Its size stays as planned when a
comparison is missing, as if the missing ones had p = 1.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from analysis.errors import DeclarationError
from analysis.runs.plan import Family
from analysis.runs.wording import counted
from analysis.statistics.scores import Array
from analysis.statistics.verdict import Verdict


def family_size(family: Family, *, activations: int, datasets: int) -> int:
    """Planned comparisons among ``activations`` labels (the control included) on ``datasets`` data sets."""
    each = activations - 1 if family == "control" else activations * (activations - 1) // 2
    return max(0, each) * datasets


def holm(p: Sequence[float] | Array, m: int | None = None) -> Array:
    """Holm-adjusted p-values, in the order given; nan stays nan and counts as a missing comparison.

    ``m`` is the family's size, at least the number of values. Raises :class:`DeclarationError` where it is less.
    """
    values = np.asarray(p, dtype=float)
    size = len(values) if m is None else m
    if size < len(values):
        raise DeclarationError(
            f"family of {counted(size, 'comparison')}, but {len(values)} were made; declare all of them"
        )
    adjusted = np.full(len(values), np.nan)
    good = np.isfinite(values)
    if good.any():
        padded = np.concatenate([values[good], np.ones(size - int(good.sum()))])
        # Not by statsmodels' multipletests, which collects the garbage of the whole process each time: 0.1 s here.
        order = np.argsort(padded, kind="stable")
        stepped = np.maximum.accumulate((size - np.arange(size)) * padded[order])
        padded[order] = np.minimum(stepped, 1.0)
        adjusted[good] = padded[: int(good.sum())]
    return adjusted


def adjust(verdicts: Sequence[Verdict], m: int | None = None) -> list[Verdict]:
    """The verdicts with ``p_adjusted`` and, where equivalence was tested, ``extras["p_equivalence_adjusted"]``, each by
    Holm over a family of ``m`` (default: their number); words unchanged. Verdicts of one study that repeats until they
    are decided have theirs already, over its looks as well."""
    size = len(verdicts) if m is None else m
    if verdicts and all("looks" in one.extras and one.extras.get("family") == size for one in verdicts):
        return list(verdicts)
    apart = holm([np.nan if verdict.p is None else verdict.p for verdict in verdicts], size)
    same = holm([float(verdict.extras.get("p_equivalence", np.nan)) for verdict in verdicts], size)
    return [
        dataclasses.replace(
            verdict,
            p_adjusted=None if verdict.p is None else float(p),
            extras={**verdict.extras, "family": size}
            | ({"p_equivalence_adjusted": float(p_same)} if "p_equivalence" in verdict.extras else {}),
        )
        for verdict, p, p_same in zip(verdicts, apart, same, strict=True)
    ]
