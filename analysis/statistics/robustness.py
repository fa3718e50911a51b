"""Does the claim stand? The verdicts under every other choice that could have been declared."""

from __future__ import annotations

import dataclasses
import re

import pandas as pd

from analysis.runs.plan import Plan
from analysis.runs.schema import METRICS
from analysis.statistics import claims, effects, multiplicity
from analysis.statistics.scores import pair, scores
from analysis.statistics.verdict import Verdict

COLUMNS = [
    *("dataset", "activation", "control", "choice", "value", "declared", "estimate", "low", "high"),
    *("p", "p_adjusted", "word", "flips", "note"),
]


def rules(cube: pd.DataFrame, metric: str = "accuracy") -> list[str]:
    """The checkpoint rules under which the runs were scored, by name."""
    pattern = re.compile(rf"outcome\.(.+)/heldout/{re.escape(metric)}")
    return sorted(found.group(1) for name in cube.columns if (found := pattern.fullmatch(str(name))))


def alternatives(cube: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """Every comparison with one choice changed at a time; columns ``COLUMNS``.

    ``choice`` is rule (checkpoint), handling (of diverged runs), test (the plain t's variance, never right) or metric;
    ``declared`` marks the declared value, ``flips`` a word that differs from the declared one's. Each alternative is
    its own family.
    """
    declared = plan.declaration
    main = claims.compare(cube, plan)
    words = {(verdict.dataset, verdict.activation, verdict.control): verdict.word for verdict in main}
    runs: list[tuple[str, str, bool, list[Verdict]]] = [
        ("rule", declared.rule, True, main),
        ("handling", "penalised", True, main),
        ("test", "corrected", True, main),
        ("metric", declared.metric, True, main),
    ]
    for rule in rules(cube, declared.metric):
        if rule != declared.rule:
            column = f"outcome.{rule}/heldout/{declared.metric}"
            runs.append(("rule", rule, False, claims.compare(cube, plan, metric=column)))
    runs.append(("handling", "complete", False, claims.compare(cube, plan, handling="complete")))
    runs.append(("test", "plain", False, plain(cube, plan)))
    for metric in METRICS:
        if metric != declared.metric and f"heldout/{metric}" in cube.columns:
            unscaled = dataclasses.replace(plan, declaration=dataclasses.replace(declared, rope=None))
            runs.append(("metric", metric, False, claims.compare(cube, unscaled, metric=f"heldout/{metric}")))
    rows = []
    for choice, value, is_declared, verdicts in runs:
        for verdict in verdicts:
            low, high = verdict.interval or (float("nan"), float("nan"))
            key = (verdict.dataset, verdict.activation, verdict.control)
            rows.append(
                {
                    "dataset": verdict.dataset,
                    "activation": verdict.activation,
                    "control": verdict.control,
                    "choice": choice,
                    "value": value,
                    "declared": is_declared,
                    "estimate": verdict.estimate,
                    "low": low,
                    "high": high,
                    "p": verdict.p,
                    "p_adjusted": verdict.p_adjusted,
                    "word": str(verdict.word),
                    "flips": verdict.word != words[key],
                    "note": verdict.note,
                }
            )
    frame = pd.DataFrame(rows, columns=pd.Index(COLUMNS))
    return frame.astype({"p": float, "p_adjusted": float})


def plain(cube: pd.DataFrame, plan: Plan) -> list[Verdict]:
    """The comparisons with the variance of the plain paired t, which ignores fold overlap, decided by the same rule as
    if it were right; for contrast only."""
    declared = plan.declaration
    rows = claims.claimed(cube, plan)
    found = sorted(rows["dataset"].unique())
    verdicts = []
    for dataset in found:
        table = scores(rows, dataset=dataset, metric=f"heldout/{declared.metric}", activations=plan.activations)
        for label, control in claims.comparisons(plan):
            pairs = dataclasses.replace(pair(table, label, control), ratio=INDEPENDENT)
            naive = claims.combined(pairs, rope=declared.rope, alpha=declared.alpha)
            if {label, control} & claims.chosen(plan):
                naive = claims.explored(naive)
            verdicts.append(
                dataclasses.replace(
                    naive,
                    method="plain paired t (ignores fold overlap)",
                    note=f"{naive.note} Takes folds as independent, which they are not.".strip(),
                )
            )
    m = multiplicity.family_size(declared.family, activations=len(plan.activations), datasets=len(found))
    return claims.settle(verdicts, m=m, alpha=declared.alpha)


INDEPENDENT = 1e-12
"""Held-out over training items as if folds did not overlap; not 0, by which the corrected t knows the plain one."""


def gains(cube: pd.DataFrame, plan: Plan, activation: str) -> pd.DataFrame:
    """Equation (1) for one activation under every checkpoint rule: ``effects.improvement`` with a column ``rule``."""
    rows = claims.claimed(cube, plan)
    metric = plan.declaration.metric
    frames = []
    columns = {plan.declaration.rule: f"heldout/{metric}"}
    columns |= {rule: f"outcome.{rule}/heldout/{metric}" for rule in rules(rows, metric) if rule not in columns}
    for dataset in sorted(rows["dataset"].unique()):
        for rule, column in columns.items():
            table = scores(rows, dataset=dataset, metric=column, activations=plan.activations)
            frame = effects.improvement(table, activation, alpha=plan.declaration.alpha)
            frame.insert(2, "rule", rule)
            frames.append(frame)
    empty = pd.DataFrame(columns=pd.Index([*effects.IMPROVEMENT[:2], "rule", *effects.IMPROVEMENT[2:]]))
    return pd.concat(frames, ignore_index=True) if frames else empty
