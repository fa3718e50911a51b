"""Does the claim stand? The verdicts under every other choice that could have been declared."""

from __future__ import annotations

import dataclasses
import math
import re

import pandas as pd

from analysis.runs.plan import Plan
from analysis.statistics import claims, effects, multiplicity
from analysis.statistics.scores import pair, scores
from analysis.statistics.verdict import Verdict, Word

CLAIMS = (Word.BETTER, Word.WORSE, Word.EQUIVALENT)


def incomparable(declared: Verdict, other: Verdict) -> str:
    """Why the words of one comparison under two choices say nothing of each other, in a few words that complete "not
    compared: "; empty where they may be compared.

    A word can only change where both could have come out. Without a zone of equivalence, or with one that was declared
    on one side and taken by default on the other, neither "equivalent" nor what a zone kept from being "better" can be
    held against the other side.
    """
    refused = other.word is Word.CANNOT_TELL and "power" not in other.extras
    if declared.word is Word.DESCRIPTIVE:
        return "nothing can be claimed of it"
    if other.word is Word.DESCRIPTIVE or refused:
        # What is open stays open there.
        why = "too few splits have a score there" if refused else "nothing can be claimed of it there"
        return why if declared.word in CLAIMS else ""
    by_zone = Word.EQUIVALENT in (declared.word, other.word) or claims.SMALL in declared.reason + other.reason
    if not by_zone or _alike(declared, other):
        return ""
    if not all(math.isfinite(_zone(one)) for one in (declared, other)):
        return "there is no zone of equivalence there"
    return "the zone of equivalence there is not the declared one"


def _zone(verdict: Verdict) -> float:
    return float(verdict.extras.get("rope", math.nan))


def _alike(declared: Verdict, other: Verdict) -> bool:
    """Zones that came about in the same way."""
    both = (declared, other)
    return all(math.isfinite(_zone(one)) for one in both) and len({one.extras["rope_declared"] for one in both}) == 1


def changes(declared: Verdict, other: Verdict) -> bool:
    """Whether the conclusion is another; what is left open stays open, whether undecided or beyond what could be
    told."""
    if incomparable(declared, other):
        return False
    one, two = (word if word in CLAIMS else None for word in (declared.word, other.word))
    return one is not two


def rules(cube: pd.DataFrame, metric: str) -> list[str]:
    """The checkpoint rules under which the runs were scored, by name."""
    pattern = re.compile(rf"outcome\.(.+)/heldout/{re.escape(metric)}")
    return sorted(found.group(1) for name in cube.columns if (found := pattern.fullmatch(str(name))))


def plain(cube: pd.DataFrame, plan: Plan) -> list[Verdict]:
    """The comparisons with the variance of the plain paired t, which ignores fold overlap, decided by the same rule as
    if it were right; for contrast only, so that nothing is given of data sets whose units do not overlap."""
    declared = plan.declaration
    rows = claims.claimed(cube, plan)
    found = sorted(rows["dataset"].unique())
    verdicts = []
    for dataset in found:
        for (label, control), table in claims.tables(rows[rows["dataset"] == dataset], plan).items():
            if not table.ratio:
                continue
            pairs = dataclasses.replace(pair(table, label, control), ratio=0.0)
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
    return claims.decide_all(verdicts, m=m, alpha=declared.alpha)


def gains(cube: pd.DataFrame, plan: Plan, activation: str) -> pd.DataFrame:
    """Equation (1) for one activation under every checkpoint rule: ``effects.improvement`` with a column ``rule``."""
    rows = claims.claimed(cube, plan)
    metric = plan.declaration.metric
    frames = []
    columns = {plan.declaration.rule: f"heldout/{metric}"}
    columns |= {rule: f"outcome.{rule}/heldout/{metric}" for rule in rules(rows, metric) if rule not in columns}
    for dataset in sorted(rows["dataset"].unique()):
        for rule, column in columns.items():
            table = scores(rows, dataset=dataset, metric=plan.primary, column=column, activations=plan.activations)
            frame = effects.improvement(table, activation, alpha=plan.declaration.alpha)
            frame.insert(2, "rule", rule)
            frames.append(frame)
    empty = pd.DataFrame(columns=pd.Index([*effects.IMPROVEMENT[:2], "rule", *effects.IMPROVEMENT[2:]]))
    return pd.concat(frames, ignore_index=True) if frames else empty
