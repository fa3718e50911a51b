"""What may be claimed: one row a data set and rival."""

from __future__ import annotations

import math

import pandas as pd

from analysis.report.blocks import Section, Tabled
from analysis.report.findings import Findings
from analysis.report.tables import Table, decimals
from analysis.runs.published import parts_of
from analysis.statistics import design
from analysis.statistics.units import Unit
from analysis.statistics.verdict import Verdict, Word

CLASSES = {Word.BETTER: "better", Word.WORSE: "worse", Word.EQUIVALENT: "equivalent"}


METHODS = (
    "Corrected resampled t (Nadeau and Bengio 2003; Bouckaert and Frank 2004): t = d / (s sqrt(1/n + n2/n1)) on n − 1 "
    "degrees of freedom, d and s the mean and standard deviation of the n paired differences, n2/n1 the held-out items "
    "over those that the fold's training could see. Approximate: no unbiased variance estimate exists for one "
    "cross-validation.",
    "Bayesian correlated t (Benavoli and others 2017): the mean difference is Student t with the same centre, scale "
    "and degrees of freedom, so P(worse), P(same) and P(better) are the same evidence.",
    "Pairing is by the hash of the split; failed and missing runs are left out and n says so.",
)


FIXED = (
    "Better or worse needs two things: Holm's p (1979) over the declared family at most alpha, and the posterior "
    "beyond practical equivalence. Equivalent needs P(same) and the p of two one-sided tests (Schuirmann 1987), by "
    "Holm likewise. Intervals are not adjusted; the family's size stays as planned when a comparison is missing."
)
LOOKED = (
    "Better or worse needs two things: p over all looks and the declared family at most alpha, and the posterior "
    "beyond practical equivalence. Equivalent needs P(same) and the p of two one-sided tests (Schuirmann 1987), over "
    "looks and family likewise. Intervals hold over the looks, not over the family; its size stays as planned when a "
    "comparison is missing."
)


def section(findings: Findings) -> Section | None:
    if not findings.verdicts:
        return None
    followed = FIXED if not findings.looks else LOOKED
    methods = (*METHODS, followed, *(text for unit, text in UNITS.items() if unit in units_of(findings)))
    return Section(anchor="verdicts", title="Verdicts", blocks=[Tabled(table(findings))], methods=methods)


UNITS = {
    Unit.CASE: "Where folds are cases, a case is the unit: its repeats are averaged, n counts cases, and n2/n1 is 0, "
    "since cases train on items of their own.",
    Unit.SEED: "Where every run has the same split, a seed is the unit: n counts seeds, n2/n1 is 0, and a verdict "
    "speaks of the luck of training on this split alone.",
}


def units_of(findings: Findings) -> set[Unit]:
    return {table.unit for dataset in findings.datasets if not (table := findings.scores(dataset)).ratio}


def note(found: Verdict) -> str:
    """The verdict's note, but for what the columns say."""
    if not {"power", "detectable", "difference_asked"} <= found.extras.keys():
        return found.note
    return found.note.replace(design.weak(found), "").strip()


def table(findings: Findings) -> Table:
    verdicts = findings.verdicts
    frame = pd.DataFrame(
        [
            {
                "dataset": found.dataset,
                "activation": found.activation,
                "verdict": str(found.word),
                "control": found.control,
                "difference": found.estimate,
                **dict(zip(("low", "high"), findings.possible(found) or (math.nan, math.nan), strict=True)),
                "worse": found.probabilities.worse if found.probabilities else math.nan,
                "same": found.probabilities.same if found.probabilities else math.nan,
                "better": found.probabilities.better if found.probabilities else math.nan,
                "p": math.nan if found.p_adjusted is None else found.p_adjusted,
                "n": found.n,
                "detectable": float(found.extras.get("detectable", math.nan)),
                "note": note(found),
            }
            for found in verdicts
        ]
    )
    digits = max(3, decimals(frame[["difference", "low", "high"]].to_numpy()))
    level = f"{100 * (1 - findings.alpha):g} %"
    name = findings.plan.declaration.metric
    return Table(
        name="table-1-verdicts",
        main=True,
        title="Verdicts",
        caption=(
            f"Mean paired difference of {parts_of(findings.claimed, name)} {name} to the control over n "
            f"{findings.unit}s, positive is better, with its {level} interval. p by the corrected resampled t, "
            f"two-sided, {findings.corrected}; P by the Bayesian correlated t; "
            "tells: the smallest true difference with 80 % power."
        ),
        frame=frame,
        formats={
            **dict.fromkeys(("difference", "low", "high"), f"+.{digits}f"),
            **dict.fromkeys(("worse", "same", "better"), ".3f"),
            "p": "p",
            "n": "d",
            "detectable": f".{digits}f",
        },
        heads={
            "dataset": "data set",
            "low": f"{level} from",
            "high": "to",
            "worse": "P(worse)",
            "same": "P(same)",
            "better": "P(better)",
            "p": "p (looks)" if findings.looks else "p (Holm)",
            "detectable": "tells",
        },
        marked={(row, "verdict"): CLASSES[found.word] for row, found in enumerate(verdicts) if found.word in CLASSES},
    )
