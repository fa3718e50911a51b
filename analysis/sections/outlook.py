"""What the design could have seen, what would be needed to see more, and what the report cannot say."""

from __future__ import annotations

import pandas as pd

from analysis import learning, power
from analysis.blocks import Block, Listing, Notice, Section, Tabled, Text
from analysis.findings import Findings
from analysis.tables import Table, decimals
from analysis.verdict import Word

TARGET = 0.8


def section(findings: Findings) -> Section:
    open_rows = [
        found for found in findings.verdicts if found.word in (Word.UNDECIDED, Word.CANNOT_TELL) and found.n >= 2
    ]
    blocks: list[Block] = []
    if not open_rows:
        blocks.append(Notice("No comparison is left undecided, so there is no next step to plan.", tone="note"))
    else:
        frames = []
        fold_seconds = {dataset: seconds(findings, dataset) for dataset in findings.datasets}
        for found in open_rows:
            plan = findings.plan_of(found.dataset)
            pairs = findings.pairs(found.dataset, found.activation)
            effects = {"as observed": abs(found.estimate)}
            rope = float(found.extras.get("rope", float("nan")))
            if plan.declaration.rope is not None and rope > 0:
                effects["the declared equivalence"] = rope
            frames.append(
                power.outlook(
                    pairs,
                    folds=plan.folds,
                    effects=effects,
                    target=TARGET,
                    alpha=findings.alpha,
                    m=max(1, findings.family),
                    seeds=findings.scores(found.dataset).seeds or 1,
                    seconds_per_fold=fold_seconds[found.dataset],
                )
            )
        frame = pd.concat(frames, ignore_index=True)
        never = frame[
            (frame["sd_at"] == "observed") & frame["repeats_needed"].isna() & (frame["effect"] == "as observed")
        ]
        blocks.append(
            Text(
                f"Of {len(open_rows)} undecided comparisons, {len(never)} would stay so however often the folds were "
                "repeated, if the true difference is the observed one: they need more seeds on each split, or "
                "more data sets."
            )
        )
        blocks.append(Tabled(table(frame, findings.family)))
    return Section(anchor="power", title="Power and the next step", blocks=blocks)


def seconds(findings: Findings, dataset: str) -> float:
    """Median training time of one fold."""
    curves = findings.curves[findings.curves["dataset"] == dataset]
    present = [name for name in learning.SECONDS if name in curves]
    if not present or curves.empty:
        return float("nan")
    return float(curves[present].sum(axis=1).groupby(curves["run_id"], sort=False).sum().median())


def table(frame: pd.DataFrame, family: int) -> Table:
    kept = frame.drop(columns=["control"]).reset_index(drop=True)
    digits = max(4, decimals(kept["size"]))
    return Table(
        name="table-14-power",
        title="What would be needed",
        caption=(
            f"Corrected resampled t at alpha over a family of {family} (Bonferroni's bound on Holm), for "
            f"{TARGET:.0%} power. The spread of the differences is itself uncertain: rows for the low, observed "
            "and high end of its chi-square interval. Detectable: smallest true difference that n splits see. "
            "Ceiling: power with endless repeats. Hours: device time of both activations."
        ),
        frame=kept,
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
        fold=len(kept) > 18,
    )


def limits(findings: Findings) -> Section:
    claimed, plans = findings.claimed, findings.plans
    searched = [plan for plan in plans if any(plan.search_trials.values())]
    budgets = {count for plan in searched for count in plan.search_trials.values()}
    seeds = max((findings.scores(dataset).seeds for dataset in findings.datasets), default=1)
    items = [
        "Training parts of folds overlap. The corrected tests allow for it by a rule of thumb that is right on "
        "average, not for every data set.",
        f"{len(findings.datasets)} data set{'s' if len(findings.datasets) > 1 else ''}, one model each: a verdict "
        "speaks of these, trained like this.",
        f"{seeds} seed{'s' if seeds > 1 else ''} a split: differences between splits and between seeds "
        + ("can be told apart." if seeds > 1 else "cannot be told apart."),
        (
            f"Settings were searched with {', '.join(map(str, sorted(budgets)))} tries per activation"
            + ("; the budgets are not equal." if len(budgets) > 1 else ", the same for each.")
            if searched
            else "No settings were searched: every activation ran with the settings of the study file, which may suit "
            "some better than others."
        ),
        "Early stopping and the checkpoint looked at the validation part of each fold; the held-out part was used for "
        "the report alone."
        if bool(claimed["verifiable"].all())
        else "Imported numbers: what was held out, and from what, cannot be checked.",
        "Wherever a leader or runner-up is named, it was found in these numbers, not declared before them.",
    ]
    if any(plan.claims_phase == "search" for plan in plans):
        items.append("Claims rest on the search phase: exploratory until confirmed on fresh splits.")
    lost = int((~claimed["status"].isin(("finished", "imported"))).sum())
    if lost:
        items.append(f"{lost} of {len(claimed)} planned runs have no score of their own; section 3 lists them.")
    return Section(anchor="limits", title="Limits", blocks=[Listing(items)])
