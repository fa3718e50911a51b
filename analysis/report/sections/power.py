"""What the design could have seen, and what would be needed to see more."""

from __future__ import annotations

import math

import pandas as pd

from analysis.report.blocks import Block, Notice, Section, Tabled, Text
from analysis.report.figures import curves as learning
from analysis.report.findings import Findings
from analysis.report.tables import Table, decimals
from analysis.runs.wording import counted
from analysis.statistics import outlook, power
from analysis.statistics.power import NextStep
from analysis.statistics.units import Unit
from analysis.statistics.verdict import Verdict, Word

TARGET = 0.8


def section(findings: Findings) -> Section | None:
    open_rows = open_(findings)
    blocks: list[Block] = []
    if open_rows:
        fold_seconds = {dataset: seconds(findings, dataset) for dataset in findings.datasets}
        steps = next_steps(findings)
        frame = pd.concat([planned(findings, found, fold_seconds) for found in open_rows], ignore_index=True)
        never = sum(not step.reachable for step in steps)
        blocks.append(
            Text(
                f"Of {counted(len(open_rows), 'open comparison')}, {never} cannot be decided for sure with "
                f"{100 * TARGET:g} % power by any number of repeats, if the true difference is the observed one."
            )
        )
        blocks.append(Tabled(table(frame, findings.family)))
    blocks += [Text(line) for line in cases(findings)]
    spoken = [*open_rows, *open_cases(findings)]
    unplanned = [found for found in findings.verdicts if found.word not in DECIDED and found not in spoken]
    if unplanned:
        named = [f"{found.dataset}, {found.activation} against {found.control}" for found in unplanned]
        more = f"; and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
        blocks.append(
            Notice(
                f"No next step can be planned for {counted(len(named), 'comparison')} left as "
                f"{' or '.join(sorted({str(found.word) for found in unplanned}))}: {'; '.join(named[:SHOWN])}{more}.",
                tone="note",
            )
        )
    if not blocks:
        return None
    return Section(anchor="power", title="Power and the next step", blocks=blocks, methods=METHODS if open_rows else ())


METHODS = (
    "Power is that of the corrected resampled t by the noncentral t distribution, at alpha over the family "
    "(Bonferroni's bound on Holm), and of the posterior beyond practical equivalence; the harder of the two decides. A "
    "difference within practical equivalence is planned for the word equivalent, by two one-sided corrected t tests.",
    "The spread of the differences is itself uncertain: rows stand for the low, observed and high end of its "
    "chi-square interval. The ceiling is the power with endless repeats.",
    "More folds hold out less of the data, which lowers n_test/n_train; the spread is taken to grow with the square "
    "root of their number, its bound from above. Device time is taken to be in proportion to the items trained on.",
    "Data sets needed are the fewest on which Wilcoxon's test over all pairs could pass at all, if every one agreed.",
)
OBSERVED = "as observed"
DECIDED = (Word.BETTER, Word.WORSE, Word.EQUIVALENT)
SHOWN = 8


def planned(findings: Findings, found: Verdict, fold_seconds: dict[str, float]) -> pd.DataFrame:
    """The planner's rows for one open comparison, by the rule that its verdict follows."""
    rope = rope_of(found)
    effects = {OBSERVED: abs(found.estimate)}
    if findings.plan_of(found.dataset).declaration.rope is not None and rope > 0:
        effects["twice the declared equivalence"] = 2 * rope
    common = len(findings.common)
    return outlook.outlook(
        findings.pair_of(found),
        folds=findings.plan_of(found.dataset).folds,
        effects=effects,
        rope=rope,
        target=TARGET,
        alpha=findings.alpha,
        m=max(1, findings.family),
        # The matrix over data sets compares all pairs.
        m_datasets=max(1, common * (common - 1) // 2),
        seconds_per_fold=fold_seconds[found.dataset],
    )


def open_(findings: Findings) -> list[Verdict]:
    """Comparisons for which further trainings can be planned."""
    return [found for found in undecided(findings) if findings.scores(found.dataset).unit is not Unit.CASE]


def open_cases(findings: Findings) -> list[Verdict]:
    """Comparisons over cases, of which further trainings make no more."""
    return [found for found in undecided(findings) if findings.scores(found.dataset).unit is Unit.CASE]


def undecided(findings: Findings) -> list[Verdict]:
    return [found for found in findings.verdicts if found.word in (Word.UNDECIDED, Word.CANNOT_TELL) and found.n >= 2]


def cases(findings: Findings) -> list[str]:
    """How many cases would decide what is open over cases, the fewest first."""
    said = []
    for found in open_cases(findings):
        goal = power.Goal(abs(found.estimate), rope_of(found), findings.alpha, max(1, findings.family))
        needed = power.units_needed(findings.pair_of(found), goal, target=TARGET)
        told = "tell the observed difference" if goal.aim == "difference" else "show the two to be equivalent"
        which = f"{needed} cases like these {found.n}" if needed else "no number of cases"
        where = f" on {found.dataset}" if len(findings.datasets) > 1 else ""
        said.append(
            (
                math.inf if needed is None else needed,
                f"{found.activation} against {found.control}{where}: {which} would {told} with {100 * TARGET:g} % "
                "power. Repeats add no cases: they only average out the luck of a seed.",
            )
        )
    return [text for _, text in sorted(said, key=lambda one: one[0])]


def next_steps(findings: Findings) -> list[NextStep]:
    """What would decide each of the :func:`open_` comparisons, in their order."""

    def make(findings: Findings) -> list[NextStep]:
        each = {dataset: seconds(findings, dataset) for dataset in findings.datasets}
        return [next_step(findings, found, each) for found in open_(findings)]

    return findings.once("next steps", make)


def next_step(findings: Findings, found: Verdict, fold_seconds: dict[str, float]) -> NextStep:
    """What would decide one open comparison, by the rule that its verdict follows."""
    return power.next_step(
        findings.pair_of(found),
        folds=findings.plan_of(found.dataset).folds,
        estimate=found.estimate,
        rope=rope_of(found),
        target=TARGET,
        alpha=findings.alpha,
        m=max(1, findings.family),
        seconds_per_fold=fold_seconds[found.dataset],
    )


def price(step: NextStep) -> tuple[bool, int]:
    """The cheapest first, what cannot be reached last."""
    return not step.reachable, step.trainings


def rope_of(found: Verdict) -> float:
    """The half-width of practical equivalence that a verdict was decided by; 0 where there was none."""
    rope = float(found.extras.get("rope", math.nan))
    return rope if math.isfinite(rope) else 0.0


def seconds(findings: Findings, dataset: str) -> float:
    """Median training time of one fold."""
    curves = findings.curves[findings.curves["dataset"] == dataset]
    present = [name for name in learning.SECONDS if name in curves]
    if not present or curves.empty:
        return float("nan")
    return float(curves[present].sum(axis=1).groupby(curves["run_id"], sort=False).sum().median())


def table(frame: pd.DataFrame, family: int) -> Table:
    digits = max(4, decimals(frame["size"]))
    return Table(
        name="table-14-power",
        title="What would be needed",
        caption=(
            "What the present splits tell of a difference, and the cheapest design that tells it with "
            f"{100 * TARGET:g} % power in a family of {family}; a dash is out of reach."
        ),
        frame=frame,
        formats={
            **dict.fromkeys(("size", "sd", "detectable"), f".{digits}f"),
            **dict.fromkeys(("power", "ceiling"), ".2f"),
            **dict.fromkeys(("n", "repeats_needed", "cheapest_folds", "cheapest_repeats", "trainings"), "d"),
            "datasets_needed": "d",
            "cheapest_ratio": ".3f",
            "hours": ".1f",
        },
        heads={
            "dataset": "data set",
            "size": "difference",
            "sd_at": "spread at",
            "repeats_needed": "repeats of the present folds",
            "cheapest_folds": "cheapest: folds",
            "cheapest_repeats": "x repeats",
            "cheapest_ratio": "n_test/n_train",
            "aim": "planned for",
            "datasets_needed": "data sets",
        },
        fold=len(frame) > 18,
    )
