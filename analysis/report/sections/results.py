"""The numbers themselves: every split, means, what was searched, the per-fold tables of the papers."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from analysis.report.blocks import Block, Drawn, Notice, Section, Tabled, Text
from analysis.report.figures import comparisons
from analysis.report.findings import Findings
from analysis.report.sections import published
from analysis.report.tables import Table, decimals
from analysis.runs.published import part_of, parts_of
from analysis.runs.schema import SCORED
from analysis.statistics import claims, effects
from analysis.statistics.scores import sign

PART_WORDS = {"train_clean": "train", "heldout": "held-out"}
PAPER_METRICS = ("accuracy", "f1_weighted", "f1_macro", "auc")
WIDE = 8
LONG = 30


def raw(findings: Findings) -> Section:
    return Section(anchor="splits", title="Every split", blocks=[Drawn(plot) for plot in comparisons.points(findings)])


def section(findings: Findings) -> Section:
    blocks: list[Block] = [Drawn(plot) for plot in comparisons.forest(findings)]
    blocks += published.subjects(findings)
    blocks.append(Tabled(means(findings)))
    blocks += published.own(findings)
    blocks.append(Tabled(improvements(findings)))
    blocks.append(Tabled(sizes(findings)))
    searched = search(findings)
    if searched is not None:
        blocks += [
            Text(
                "Each activation's winner was chosen on validation metrics alone; the held-out part took no part in it."
            ),
            Tabled(searched),
        ]
    blocks += fold_tables(findings)
    return Section(anchor="results", title="Differences and means", blocks=blocks)


def means(findings: Findings) -> Table:
    name = findings.plan.declaration.metric
    rows = []
    for dataset in findings.datasets:
        table = findings.scores(dataset)
        of_set = findings.claimed[findings.claimed["dataset"] == dataset]
        chance = float(of_set["chance"].mean()) if of_set["chance"].notna().any() else math.nan
        for label in table.values.columns:
            values = table.values[label].dropna().to_numpy(dtype=float)
            low, high = (
                comparisons.mean_interval(values, table.ratio, 1 - findings.alpha) if len(values) else (math.nan,) * 2
            )
            mine = of_set[of_set["activation"] == label]
            rows.append(
                {
                    "dataset": dataset,
                    "activation": label,
                    "mean": values.mean() if len(values) else math.nan,
                    "sd": values.std(ddof=1) if len(values) > 1 else math.nan,
                    "low": low if len(values) >= 3 else math.nan,
                    "high": high if len(values) >= 3 else math.nan,
                    "min": values.min() if len(values) else math.nan,
                    "max": values.max() if len(values) else math.nan,
                    "n": len(values),
                    "seeds": table.seeds,
                    "diverged": table.diverged[label],
                    "epochs": float(mine.loc[mine["epochs"] > 0, "epochs"].median()),
                    "chance": chance,
                }
            )
    frame = pd.DataFrame(rows)
    digits = decimals(frame["mean"])
    return Table(
        name="table-2-means",
        title=f"{parts_of(findings.claimed, name).capitalize()} {name} by activation",
        caption=(
            "n counts splits; seeds are averaged within a split first. Interval of the mean with the standard error "
            "corrected for overlapping training parts. Diverged runs count as chance. No test."
        ),
        frame=frame,
        formats={
            **dict.fromkeys(("mean", "sd", "low", "high", "min", "max"), f".{digits}f"),
            **dict.fromkeys(("n", "seeds", "diverged", "epochs"), "d"),
            "chance": ".3f",
        },
        heads={
            "dataset": "data set",
            "low": f"{100 * (1 - findings.alpha):g} % from",
            "high": "to",
        },
    )


def improvements(findings: Findings) -> Table:
    frames = []
    for dataset in findings.datasets:
        table = findings.scores(dataset)
        scored = [label for label in table.values.columns if table.values[label].notna().any()]
        if len(scored) >= 2:
            frames += [effects.improvement(table, label, alpha=findings.alpha) for label in scored]
    frame = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=pd.Index(effects.IMPROVEMENT))
    frame = frame.drop(columns="metric")
    digits = decimals(frame["score"].astype(float))
    equation = (
        "100 (score − best other) / best other,"
        if sign(findings.metric) > 0
        else "100 (best other − score) / best other, so that positive is better,"
    )
    return Table(
        name="table-3-improvement",
        title="Against the best other activation, by equation (1) of the DSReLU paper",
        caption=(
            f"{equation} on means over splits and, as the paper does, on the best split; for the activation that "
            "leads, the best other is the runner-up. Beside it the mean paired difference to that other with its "
            "corrected interval, positive is better; the other was picked after the fact, so nothing is tested here."
        ),
        frame=frame,
        formats={
            **dict.fromkeys(("score", "runner_up_score"), f".{digits}f"),
            **dict.fromkeys(("difference", "low", "high"), f"+.{digits}f"),
            "percent": "+.2f",
            "n": "d",
        },
        heads={
            "dataset": "data set",
            "runner_up": "best other",
            "runner_up_score": "its score",
            "percent": "eq. (1), %",
        },
        fold=len(frame) > LONG,
    )


def sizes(findings: Findings) -> Table:
    frames = [
        effects.sizes(findings.scores(dataset), findings.plan_of(dataset).declaration.control, alpha=findings.alpha)
        for dataset in findings.datasets
    ]
    frame = pd.concat(frames, ignore_index=True).drop(columns=["metric", "low", "high"])
    digits = max(3, decimals(frame["difference"].astype(float)))
    return Table(
        name="table-4-effects",
        title="Effect sizes",
        caption=(
            "Against the control over n paired splits; no test. Relative change of the error: −10 % is a tenth fewer "
            "errors. A12: chance that a split of this activation does better than one of the control, ties for half."
        ),
        frame=frame,
        formats={
            "difference": f"+.{digits}f",
            "relative_error_change": "%",
            **dict.fromkeys(("d_z", "cliff_delta", "rank_biserial"), "+.2f"),
            "a12": ".2f",
            **dict.fromkeys(("n", "wins", "ties", "losses"), "d"),
        },
        heads={
            "dataset": "data set",
            "relative_error_change": "error change",
            "cliff_delta": "Cliff's delta",
            "a12": "A12",
            "rank_biserial": "rank-biserial",
        },
        fold=len(frame) > LONG,
    )


def search(findings: Findings) -> Table | None:
    frames = [
        claims.winners(study.cube, study.plan).assign(selects_on=study.plan.search_selects_on)
        for study in findings.studies
        if (study.cube["phase"] == "search").any()
    ]
    if not frames:
        return None
    frame = pd.concat(frames, ignore_index=True)
    frame["setting"] = [setting(findings, str(row["dataset"]), row["trial"]) for row in frame.to_dict(orient="records")]
    order = [
        "dataset",
        "activation",
        "settings",
        "complete",
        "trial",
        "setting",
        "selects_on",
        "score",
        "folds",
        "note",
    ]
    return Table(
        name="table-5-search",
        title="Settings searched and winners",
        caption="Complete: settings whose every fold finished; only they can win. Score: mean over the search's folds.",
        frame=frame[order],
        formats={"settings": "d", "complete": "d", "score": f".{decimals(frame['score'])}f", "folds": "d"},
        heads={"dataset": "data set", "settings": "settings tried", "selects_on": "chosen on", "trial": "winner"},
    )


def setting(findings: Findings, dataset: str, trial: object) -> str:
    """A trial's searched parameters in words."""
    rows = findings.cube[(findings.cube["dataset"] == dataset) & (findings.cube["trial"] == trial)]
    if rows.empty or trial is None:
        return ""
    row = rows.iloc[0]
    names = [str(name) for name in rows.columns if str(name).startswith("activation.")]
    of_set = findings.cube[findings.cube["dataset"] == dataset]
    names += [
        str(name)
        for name in rows.columns
        if str(name).startswith("training.") and of_set[name].astype(str).nunique() > 1
    ]
    shown = [(name.split(".", 1)[1], row[name]) for name in names if pd.notna(row[name])]
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float | np.floating) else f"{name} {value}" for name, value in shown
    )


def fold_tables(findings: Findings) -> list[Block]:
    """Per-fold metrics by activation, train and held-out: the DSReLU paper's Tables 1 to 3 for any study."""
    blocks: list[Block] = []
    for dataset in findings.datasets:
        rows = findings.claimed[findings.claimed["dataset"] == dataset]
        labels = [label for label in findings.plan_of(dataset).activations if (rows["activation"] == label).any()]
        rows = rows[rows["status"].isin(SCORED)]  # a diverged run may have scored before it broke
        imported = bool((rows["status"] == "imported").all())
        long = []
        for metric in PAPER_METRICS:
            given = [
                part
                for part in ("train_clean", "train", "validation", "heldout")
                if f"{part}/{metric}" in rows and rows[f"{part}/{metric}"].notna().any()
            ]
            if "train_clean" in given and "train" in given:
                given.remove("train")
            if part_of(rows, metric) == "validation":
                given.remove("heldout")
            for part in given:
                column = f"{part}/{metric}"
                wide = rows.pivot_table(index=["repeat", "fold"], columns="activation", values=column, aggfunc="mean")
                wide = wide.reindex(columns=labels).reset_index()
                long.append(wide.assign(part=PART_WORDS.get(part, part), metric=metric))
        if not long:
            continue
        frame = pd.concat(long, ignore_index=True)[["metric", "part", "repeat", "fold", *labels]]
        if len(labels) > WIDE or len(frame) > 12 * LONG:
            keys = ["metric", "part"]
            melted = frame.melt([*keys, "repeat", "fold"], var_name="activation", value_name="value")
            stats = melted.groupby([*keys, "activation"], sort=False)["value"].agg(
                ["mean", "std", "min", "max", "count"]
            )
            frame, labels = stats.reset_index(), ["mean", "std", "min", "max"]
            caption = "Mean, sd and range over splits; the single folds are in the appendix. No test."
            formats = {**dict.fromkeys(labels, ".4f"), "count": "d"}
        else:
            caption = (
                "As published; each row is taken as a fold."
                if imported
                else "At the declared checkpoint; train is measured at rest in evaluation mode where it was, a dash is "
                "a run whose score does not count. Repeat and fold name the split, so a row is one split for all "
                "activations."
            ) + " No test."
            formats = {**dict.fromkeys(labels, ".4f"), "repeat": "d", "fold": "d"}
        blocks.append(
            Tabled(
                Table(
                    name=f"table-6-folds-{findings.datasets.index(dataset) + 1}",
                    title=f"Metrics by fold on {dataset}",
                    caption=caption,
                    frame=frame,
                    formats=formats,
                    fold=True,
                )
            )
        )
    if not blocks:
        blocks.append(Notice("No per-fold metrics beside the primary one were recorded.", tone="note"))
    return blocks
