"""Which activation is registered, and what the report says of it: by its statistics, in its words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.notebook import Comparison
from analysis.report import conclusion
from analysis.runs.wording import counted
from sweeps.errors import StudyError

CONTROL = "control"
"""In place of a verdict's word, for the activation that the others are compared with."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """One activation of a study, with the trial that the claims rest on."""

    label: str
    trial: str
    runs: pd.DataFrame
    """Its rows of ``findings.claimed``: the folds of that trial."""
    metric: str
    mean: float
    """Held-out, over the ``n`` units that all activations have; as the report's table of means."""
    sd: float
    """nan for one unit."""
    n: int
    unit: str
    word: str
    """Of its verdict against the control; "control" for the control itself."""
    why: str
    """A sentence: by which numbers it was chosen, or that it was asked for."""
    verdict: str
    """Sentences on it alone."""
    answer: Sequence[str]
    """The report's answer, and what changes how it is to be read."""


def choose(found: Comparison, label: str | None) -> Chosen:
    """``label`` None: the activation with the best held-out mean; of several equal ones the control, then the first of
    the study. Raises :class:`StudyError` for a label that the study does not have, or one without a result."""
    findings = found.findings
    (dataset,) = findings.datasets
    table = findings.scores(dataset)
    known = list(findings.plan.activations)
    if label is not None and label not in known:
        raise StudyError(f"--activation {label}: {findings.plan.study} compares {', '.join(known)}; name one of them")
    means = {str(name): float(mean) for name, mean in table.shared.mean().items() if math.isfinite(mean)}
    if (label not in means) if label is not None else not means:
        raise StudyError(
            f"{findings.plan.study}: {label or 'no activation'} has no held-out {findings.metric.name} that counts; "
            "let the study finish (`actsweep resume`)"
        )
    control, sign = findings.control, findings.metric.sign
    ranked = sorted(means, key=lambda name: (-sign * means[name], name != control, known.index(name)))
    taken = label or ranked[0]
    values = table.shared[taken]
    runs = findings.claimed[findings.claimed["activation"] == taken]
    return Chosen(
        label=taken,
        trial=str(runs["trial"].iloc[0]),
        runs=runs,
        metric=findings.metric.name,
        mean=means[taken],
        sd=float(values.std(ddof=1)) if len(values) > 1 else math.nan,
        n=len(values),
        unit=str(table.unit),
        word=_word(found, dataset, taken),
        why=_why(found, means, ranked, taken, asked=label is not None),
        verdict=_verdict(found, dataset, taken),
        answer=[*found.sentences, *found.warnings],
    )


def _why(found: Comparison, means: dict[str, float], ranked: Sequence[str], taken: str, *, asked: bool) -> str:
    metric, best = found.findings.metric.name, ranked[0]
    level = [name for name in ranked if means[name] == means[best]]
    of = counted(len(ranked), "activation")
    if taken not in level:
        return (
            f"{taken} was asked for. The best held-out mean {metric} of {of} is {best}'s, {means[best]:.4g}; "
            f"{taken}'s is {means[taken]:.4g}."
        )
    others = [name for name in level if name != taken]
    shared = f", as {', '.join(others)} has" if others else ""
    asked_for = f"{taken} was asked for. It" if asked else taken
    return (
        f"{asked_for} has the best held-out mean {metric} of {of}, {means[taken]:.4g}{shared}: a mean, not a verdict."
    )


def _word(found: Comparison, dataset: str, label: str) -> str:
    if label == found.findings.control:
        return CONTROL
    verdict = found.findings.verdict(dataset, label)
    return "not compared" if verdict is None else str(verdict.word)


def _verdict(found: Comparison, dataset: str, label: str) -> str:
    findings = found.findings
    if label == findings.control:
        return f"{label} is the control, with which the others are compared."
    verdict = findings.verdict(dataset, label)
    if verdict is None:
        return f"{label} was not compared with {findings.control}."
    if verdict.word in conclusion.DECIDED:
        return conclusion.decided(findings, [verdict])
    return " ".join(conclusion.undecided(findings, [verdict], alone=True))
