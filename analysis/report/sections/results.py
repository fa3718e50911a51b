"""The numbers themselves: every split, means, what was searched."""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np
import pandas as pd

from analysis.report import floors
from analysis.report.blocks import Block, Drawn, Section, Tabled
from analysis.report.figures import answer, comparisons
from analysis.report.findings import Findings
from analysis.report.sections import published
from analysis.report.tables import Table, decimals
from analysis.runs.metric import counting
from analysis.runs.published import parts_of
from analysis.runs.schema import ACTIVATION_PARAM, DEGREES, TRAINING_PARAM
from analysis.statistics import claims, effects
from analysis.statistics.floors import Floor

LONG = 30
FLOOR = "floor: "
LEAST_FOR_ALL = 10
"""Paired splits from which on effect sizes of ranks and of the spread are told."""
METHODS = (
    "Means, and gains and ranks of them, are over the splits that every activation with a score has: over splits of "
    "one's own they would also differ by what is easy and hard in them. Seeds are averaged within a split first, and a "
    "diverged run counts as knowing nothing.",
)


def raw(findings: Findings) -> Section | None:
    """The scores of the data sets whose scores the first screen does not draw."""
    blocks: list[Block] = [Drawn(plot) for plot in answer.further(findings)[1]]
    return Section(anchor="splits", title="Every split", blocks=blocks) if blocks else None


def section(findings: Findings) -> Section:
    blocks: list[Block] = [Drawn(plot) for plot in answer.further(findings)[0]]
    blocks += published.subjects(findings)
    blocks.append(Tabled(means(findings)))
    blocks += published.own(findings)
    if findings.dsrelu:
        blocks.append(Tabled(improvements(findings)))
    if findings.verdicts:
        blocks.append(Tabled(sizes(findings)))
    searched = search(findings)
    if searched is not None:
        blocks.append(Tabled(searched))
    blocks += published.fold_tables(findings)
    return Section(anchor="results", title="Differences and means", blocks=blocks, methods=METHODS)


def means(findings: Findings) -> Table:
    name, looked = findings.metric.name, counting(findings.plan.metrics, findings.metric.name)
    rows, primary_floors = [], floors.primary(findings)
    for dataset in findings.datasets:
        table = findings.scores(dataset)
        shared = table.shared
        of_set = findings.claimed[findings.claimed["dataset"] == dataset]
        known = looked.reference_column in of_set and of_set[looked.reference_column].notna().any()
        chance = float(of_set[looked.reference_column].mean()) if known else looked.reference
        for label in table.values.columns:
            values = shared[label].to_numpy(dtype=float) if label in shared else np.empty(0)
            low, high = (
                comparisons.mean_interval(values, table.ratio, 1 - findings.alpha, table.metric)
                if len(values)
                else (math.nan,) * 2
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
                    "note": table.sharing if len(values) < len(table.values) else "",
                }
            )
        rows += [floor_row(floor) for floor in primary_floors.get(dataset, [])]
    frame = pd.DataFrame(rows)
    digits = decimals(frame["mean"])
    return Table(
        name="table-2-means",
        main=True,
        title=f"{parts_of(findings.claimed, name).capitalize()} {name} by activation",
        caption=(
            f"n counts the {findings.unit}s that all activations have. Interval of the mean with the standard error "
            "corrected for overlapping training parts; no test."
            + (" In grey: predictors without a network." if primary_floors else "")
        ),
        marked={
            (row, str(name)): "grey"
            for row, label in enumerate(frame["activation"])
            for name in frame.columns
            if str(label).startswith(FLOOR)
        },
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
            "chance": "knowing nothing" if looked == findings.metric else f"knowing nothing, {looked.name}",
        },
    )


def floor_row(floor: Floor) -> dict[str, object]:
    return {
        **{"dataset": floor.dataset, "activation": f"{FLOOR}{floor.predictor}", "mean": floor.value, "n": floor.n},
        "note": "",
    }


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
        if findings.metric.better == "higher"
        else "100 (best other − score) / best other, so that positive is better,"
    )
    return Table(
        name="table-3-improvement",
        title="Against the best other activation, by equation (1) of the DSReLU paper",
        caption=(
            f"{equation} on means over {findings.unit}s and, as the paper does, on the best {findings.unit}; for the "
            "activation that leads, the best other is the runner-up. Beside it the mean paired difference to that "
            "other with its corrected interval, positive is better; the other was picked after the fact, so nothing is "
            "tested here."
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
    """Of few splits the two that still say something, and of more the rest, too."""
    frames = [
        effects.sizes(findings.scores(dataset), findings.plan_of(dataset).declaration.control, alpha=findings.alpha)
        for dataset in findings.datasets
    ]
    frame = pd.concat(frames, ignore_index=True).drop(columns=["metric", "difference", "low", "high"])
    if frame["n"].max() < LEAST_FOR_ALL:
        frame = frame.drop(columns=["d_z", "cliff_delta", "a12", "rank_biserial"])
    return Table(
        name="table-4-effects",
        title="Effect sizes",
        caption=(
            f"Against the control over n paired {findings.unit}s, without a test. Error change: −10 % is a tenth fewer "
            "errors" + ("; A12: chance that a split does better than one of the control." if "a12" in frame else ".")
        ),
        frame=frame,
        formats={
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
    frame["setting"] = [
        setting(findings, str(row["dataset"]), str(row["activation"]), row["trial"])
        for row in frame.to_dict(orient="records")
    ]
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
        caption=(
            "Complete: settings whose every fold finished. Winner: what the search chose by its score, a mean over its "
            "folds of what the column before names; the setting is shown as the runs behind the claims used it."
        ),
        frame=frame[order],
        formats={"settings": "d", "complete": "d", "score": f".{decimals(frame['score'])}f", "folds": "d"},
        heads={"dataset": "data set", "settings": "settings tried", "selects_on": "chosen on", "trial": "winner"},
    )


def setting(findings: Findings, dataset: str, label: str, trial: object) -> str:
    """An activation's parameters in words, an angle beside its tangent: "a 3.73 (75°), k 5". They are those of the runs
    that its claims rest on, and until there are any those of ``trial``, which its search chose."""
    claimed, cube = (frame[frame["dataset"] == dataset] for frame in (findings.claimed, findings.cube))
    varied = set(findings.plan_of(dataset).search_varies.get(label, ()))
    varied |= {
        str(name) for name in claimed.columns if str(name).startswith(TRAINING_PARAM) and claimed[name].nunique() > 1
    }
    used = words(claimed[claimed["activation"] == label], varied)
    return used or words(cube[cube["trial"] == trial], varied)


def words(rows: pd.DataFrame, varied: Collection[str]) -> str:
    """The activation's parameters and those training fields that are in ``varied``, as the first run had them."""
    names = [str(name) for name in rows.columns if str(name).startswith(ACTIVATION_PARAM)]
    names += [str(name) for name in rows.columns if name in varied and name not in names]
    known = rows[names].dropna(how="all")
    if known.empty:
        return ""
    row = known.iloc[0]
    shown = [name for name in names if pd.notna(row[name]) and name.removesuffix(DEGREES) not in {*names} - {name}]
    return ", ".join(f"{name.split('.', 1)[1]} {value(row[name])}{angle(row, name)}" for name in shown)


def value(found: object) -> str:
    return f"{found:.4g}" if isinstance(found, float | np.floating) else str(found)


def angle(row: pd.Series, name: str) -> str:
    """The angle whose tangent a parameter is, in brackets; empty where it is none."""
    found = row.get(name + DEGREES)
    return f" ({float(found):.4g}°)" if found is not None and pd.notna(found) else ""
