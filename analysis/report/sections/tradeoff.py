"""What activations gain and what that costs, where a search looked for both: a picture, a table, and no verdict."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from analysis.report.amounts import listed
from analysis.report.blocks import Block, Drawn, Notice, Section, Tabled, Text
from analysis.report.figures import tradeoff as figures
from analysis.report.findings import Findings
from analysis.report.sections import cost
from analysis.report.tables import Table, decimals
from analysis.runs.schema import SECONDS_TRAIN
from analysis.runs.wording import counted
from analysis.statistics import kinds, timing, tradeoff

METHODS = (
    "An activation, or a setting, is on the front where none other is at least as good in both objectives and better "
    f"in one. How firm that is: the shared splits are drawn {tradeoff.RESAMPLES:,} times with replacement, and the "
    "share of draws in which it is on the front is told. Folds of one cross-validation share their training items, so "
    "these shares are no probabilities of anything; nothing is tested and nothing is claimed of the front.",
)
NAMED = 12
OF_TIME = ("ratio", "ratio_low", "ratio_high", "pairs")
Times = dict[tuple[str, str], dict[str, float]]
"""Data set and activation -> what is known of its training time against the control's."""


def section(findings: Findings) -> Section | None:
    """None where no search looked for several objectives."""
    if not any(plan.search_objectives for plan in findings.plans):
        return None
    named = list(dict.fromkeys(name for plan in findings.plans for name in plan.search_objectives))
    blocks: list[Block] = [
        Text(
            f"The searches looked for {' and '.join(named)} together. What was confirmed of each is its best setting "
            f"by {findings.plan.search_selects_on}; nothing here decides between gain and cost."
        )
    ]
    found = standing(findings)
    pictures = figures.confirmed(findings, found)
    if pictures:
        blocks += [Text(text) for text in sentences(findings, found)]
        blocks += [Drawn(plot) for plot in pictures]
        blocks.append(Tabled(table(findings, found)))
    else:
        blocks.append(Notice(why_none(findings), tone="note"))
    tried = settings(findings)
    plot = figures.searched(findings, tried)
    blocks += [Text(text) for text in mixed(findings)]
    blocks += [Drawn(plot)] if plot else []
    blocks += [Tabled(settings_table(tried))] if len(tried) else []
    return Section(anchor="tradeoff", title="Gain and cost", blocks=blocks, methods=METHODS)


def aside(findings: Findings) -> list[Block]:
    """The picture alone, for the appendix of a report on studies that looked for one objective."""
    if any(plan.search_objectives for plan in findings.plans):
        return []
    return [Drawn(plot) for plot in figures.confirmed(findings, standing(findings))]


def standing(findings: Findings) -> pd.DataFrame:
    """One row a data set and activation: difference (low, high, n) to the control, ratio of training times (ratio_low,
    ratio_high, pairs), front, and often, the share of draws in which it is on it."""
    return findings.once("gain and cost", _standing)


def _standing(findings: Findings) -> pd.DataFrame:
    timed = cost.timed_runs(findings)
    summarised = cost.on_one_kind(cost.summarised(findings)) if len(timed) else timed
    known = summarised.to_dict(orient="records")
    summary = {
        (str(row["dataset"]), str(row["activation"])): {name: float(row[name]) for name in OF_TIME} for row in known
    }
    frames = []
    for dataset in findings.datasets:
        plan = findings.plan_of(dataset)
        control = plan.declaration.control
        rows = [_row(findings, summary, dataset, label, control) for label in plan.activations]
        frame = pd.DataFrame(rows)
        frame["front"] = tradeoff.front(frame["difference"].to_numpy(float), frame["ratio"].to_numpy(float))
        frame["often"] = math.nan
        if frame["ratio"].notna().any():
            scores = findings.scores(dataset)
            kind = summarised.loc[summarised["dataset"] == dataset, "kind"].iloc[0]
            times = tradeoff.epoch_times(scores, findings.claimed, timed[timed["kind"] == kind], control)
            rng = np.random.Generator(np.random.PCG64([findings.seed, findings.datasets.index(dataset)]))
            share = tradeoff.often(scores, times, rng)
            frame["often"] = frame["activation"].map(share).where(frame["ratio"].notna())
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def _row(findings: Findings, summary: Times, dataset: str, label: str, control: str) -> dict[str, object]:
    row: dict[str, object] = {"dataset": dataset, "activation": label, "control": control}
    if label == control:
        row |= {"difference": 0.0, "low": 0.0, "high": 0.0, "n": len(findings.scores(dataset).shared)}
    else:
        found = findings.verdict(dataset, label)
        low, high = (findings.possible(found) if found else None) or (math.nan, math.nan)
        row |= {"difference": found.estimate if found else math.nan, "low": low, "high": high}
        row["n"] = found.n if found else 0
    unknown = {**dict.fromkeys(OF_TIME, math.nan), "pairs": 0.0}
    return row | summary.get((dataset, label), unknown)


def sentences(findings: Findings, found: pd.DataFrame) -> list[str]:
    """Who is on the front of each data set, by the estimates, and how often under resampling."""
    said = []
    for dataset in findings.datasets:
        rows = found[(found["dataset"] == dataset) & found["front"]]
        if rows.empty:
            continue
        where = f" on {dataset}" if len(findings.datasets) > 1 else ""
        names = [
            str(row["activation"]) + (f" (in {row['often']:.0%} of the draws)" if math.isfinite(row["often"]) else "")
            for row in rows.to_dict(orient="records")
        ]
        out = len(found[(found["dataset"] == dataset) & found["ratio"].notna()]) - len(rows)
        rest = f"; of {counted(out, 'other')} another is at least as good in both" if out else ""
        said.append(f"On the front{where}: {listed(names, NAMED)}{rest}. This describes these runs.")
    return said


def why_none(findings: Findings) -> str:
    """Why no picture of the confirmed activations can be drawn."""
    if SECONDS_TRAIN not in findings.curves:
        return "No training times were recorded, so that gain cannot be shown against them."
    timed = cost.timed_runs(findings)
    if len(timed) and timed["packed"].astype(bool).all():
        return (
            "Every run shared its device, so that an epoch's time is its neighbours', too: gain cannot be shown "
            "against it. `cluster: {pack: fold}` gives each fold a device of its own."
        )
    return (
        f"No two activations have runs with {timing.LEAST_EPOCHS} timed epochs on the same split and kind of device, "
        "so that gain cannot be shown against time."
    )


def settings(findings: Findings) -> pd.DataFrame:
    """Of every search: activation, trial, score, epoch_s, folds, front, selected, and the column that it chose by."""
    frames = []
    for study in findings.studies:
        plan = study.plan
        if not plan.search_objectives:
            continue
        column = plan.search_selects_on
        sign = next((one.sign for one in plan.metrics if column.endswith(f"/{one.name}")), 1)
        cube = findings.cube[findings.cube["study"] == plan.study]
        tried = cube[cube["phase"] == "search"]
        found = tradeoff.settings(tried, timing.runs(tried, study.curves, warmup=1), column, sign=sign)
        chosen = tried.groupby("trial")["selected"].first()
        dataset = str(cube["dataset"].iloc[0])
        frames.append(
            found.assign(
                dataset=dataset,
                selected=found["trial"].map(chosen).fillna(False).astype(bool),
                up=sign > 0,
            )
        )
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def mixed(findings: Findings) -> list[str]:
    """Searches for cost whose settings were timed on several kinds of device, a sentence each."""
    said = []
    for study in findings.studies:
        rows = findings.cube[(findings.cube["study"] == study.plan.study) & (findings.cube["phase"] == "search")]
        if "epoch_s" not in study.plan.search_objectives or rows.empty:
            continue
        timed = timing.runs(rows, study.curves, warmup=1)
        for label, mine in timed.groupby("activation", sort=False):
            if mine["kind"].nunique() > 1:
                said.append(
                    f"The search of {label} was told seconds of several kinds of device ({kinds.spread(mine)} of its "
                    "runs), which differ by more than its settings do: what it chose between them by time is not to be "
                    "trusted. Its settings are shown by the times of the first kind alone."
                )
    return said


def table(findings: Findings, found: pd.DataFrame) -> Table:
    level = f"{100 * (1 - findings.alpha):g} %"
    digits = max(3, decimals(found[["difference", "low", "high"]].to_numpy()))
    frame = found.drop(columns="control").assign(front=found["front"].map({True: "yes", False: "no"}))
    frame["front"] = frame["front"].where(found["ratio"].notna() & found["difference"].notna(), "not known")
    return Table(
        name="table-28-tradeoff",
        main=True,
        title="Gain, cost, and who is on the front",
        caption=(
            f"Difference of held-out {findings.metric.name} to the control over n {findings.unit}s (positive is "
            f"better) and ratio of an epoch's training time, with {level} intervals, not adjusted. Descriptive: "
            f"on the front by the estimates, and in how many of {tradeoff.RESAMPLES:,} draws of the shared splits."
        ),
        frame=frame.reset_index(drop=True),
        formats={
            **dict.fromkeys(("difference", "low", "high"), f"+.{digits}f"),
            **dict.fromkeys(("ratio", "ratio_low", "ratio_high"), ".3f"),
            "often": ".0%",
            **dict.fromkeys(("n", "pairs"), "d"),
        },
        heads={
            "dataset": "data set",
            "low": f"{level} from",
            "high": "to",
            "ratio": "time ratio",
            "ratio_low": f"{level} from",
            "ratio_high": "to",
            "front": "on the front",
            "often": "draws",
        },
    )


def settings_table(tried: pd.DataFrame) -> Table:
    frame = tried[["dataset", "activation", "trial", "kind", "score", "epoch_s", "folds", "front", "selected"]]
    yes = {True: "yes", False: "no"}
    return Table(
        name="table-28-settings",
        title="Every setting that was tried, its score and its time",
        caption=(
            "Means over a setting's folds; on the front of its own search where no other setting is better in both. "
            "The settings themselves stand in the tracking store, by the name of the trial."
        ),
        frame=frame.assign(front=frame["front"].map(yes), selected=frame["selected"].map(yes)).reset_index(drop=True),
        formats={"score": ".4f", "epoch_s": ".4g", "folds": "d"},
        heads={
            "dataset": "data set",
            "kind": "device",
            "epoch_s": "s an epoch",
            "front": "on the front",
            "selected": "chosen",
        },
        fold=True,
    )
