"""What the design could have seen, and what would be needed to see more."""

from __future__ import annotations

import math

import pandas as pd

from analysis.report.blocks import Block, Notice, Section, Tabled, Text
from analysis.report.figures import curves as learning
from analysis.report.findings import Findings
from analysis.report.tables import Table, decimals
from analysis.runs.wording import counted
from analysis.statistics import power
from analysis.statistics.scores import pair
from analysis.statistics.verdict import Verdict, Word

TARGET = 0.8


def section(findings: Findings) -> Section:
    open_rows = [
        found for found in findings.verdicts if found.word in (Word.UNDECIDED, Word.CANNOT_TELL) and found.n >= 2
    ]
    blocks: list[Block] = []
    if open_rows:
        fold_seconds = {dataset: seconds(findings, dataset) for dataset in findings.datasets}
        frame = pd.concat([planned(findings, found, fold_seconds) for found in open_rows], ignore_index=True)
        observed = frame[(frame["sd_at"] == "observed") & (frame["effect"] == OBSERVED)]
        never = observed[observed["ceiling"].notna() & observed["repeats_needed"].isna()]
        blocks.append(
            Text(
                f"Of {counted(len(open_rows), 'open comparison')}, {len(never)} cannot reach {100 * TARGET:g} % power "
                "by repeats alone, if the true difference is the observed one"
                + ("; for those, only more seeds on each split or more data sets could tell." if len(never) else ".")
            )
        )
        blocks.append(Tabled(table(frame, findings.family)))
    unplanned = [found for found in findings.verdicts if found.word not in DECIDED and found not in open_rows]
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
        blocks.append(Notice("No comparison is left undecided, so there is no next step to plan.", tone="note"))
    return Section(anchor="power", title="Power and the next step", blocks=blocks)


OBSERVED = "as observed"
DECIDED = (Word.BETTER, Word.WORSE, Word.EQUIVALENT)
SHOWN = 8


def planned(findings: Findings, found: Verdict, fold_seconds: dict[str, float]) -> pd.DataFrame:
    """The planner's rows for one open comparison, by the rule that its verdict follows."""
    plan = findings.plan_of(found.dataset)
    scores = findings.scores(found.dataset)
    effects = {OBSERVED: abs(found.estimate)}
    rope = float(found.extras.get("rope", math.nan))
    if plan.declaration.rope is not None and rope > 0:
        effects["twice the declared equivalence"] = 2 * rope
    common = len(findings.common)
    return power.outlook(
        pair(scores, found.activation, found.control),
        folds=plan.folds,
        effects=effects,
        rope=rope if math.isfinite(rope) else 0.0,
        target=TARGET,
        alpha=findings.alpha,
        m=max(1, findings.family),
        # The matrix of section 7 compares all pairs over data sets.
        m_datasets=max(1, common * (common - 1) // 2),
        seeds=scores.seeds or 1,
        seconds_per_fold=fold_seconds[found.dataset],
    )


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
            f"Power of the words better and worse; {100 * TARGET:g} % is asked. The corrected resampled t must pass "
            f"alpha over a family of {family} (Bonferroni's bound on Holm), and the posterior must lie beyond "
            "practical equivalence; the harder of the two decides. The spread of the differences is itself uncertain: "
            "rows for the low, observed and high end of its chi-square interval. Detectable: smallest true "
            "difference that n splits see. Ceiling: power with endless repeats. Data sets: the fewest on which "
            "Wilcoxon's test over all pairs could pass at all, if every one agreed. Hours: device time of both "
            "activations."
        ),
        frame=frame,
        formats={
            **dict.fromkeys(("size", "sd", "detectable"), f".{digits}f"),
            **dict.fromkeys(("power", "ceiling"), ".2f"),
            **dict.fromkeys(("n", "repeats_needed", "seeds_needed", "datasets_needed"), "d"),
            "hours": ".1f",
        },
        heads={
            "dataset": "data set",
            "size": "difference",
            "sd_at": "spread at",
            "repeats_needed": "repeats",
            "seeds_needed": "seeds",
            "datasets_needed": "data sets",
        },
        fold=len(frame) > 18,
    )
