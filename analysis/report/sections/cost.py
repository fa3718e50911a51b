"""What each activation costs: time of an epoch, time to the checkpoint, the score at equal time, memory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from analysis.report import figure_style
from analysis.report.amounts import listed
from analysis.report.blocks import Block, Drawn, Notice, Section, Tabled, Text
from analysis.report.figure_style import INK, PALETTE, Plot
from analysis.report.figures.comparisons import ranged
from analysis.report.findings import Findings
from analysis.report.sections import accounted, budget, published
from analysis.report.tables import Table, decimals
from analysis.runs.schema import PEAK_MEMORY_MB, Status
from analysis.runs.wording import counted
from analysis.statistics import kinds, timing

NAMED = 12
METHODS = (
    "Times are of runs, not of epochs: a run gives the median of its epochs after the first. The ratio to the control "
    "is the geometric mean over pairs of runs on the same split and one kind of device, of training time alone, with "
    f"Student's t interval of its logarithm; fewer than {timing.LEAST_PAIRS} pairs have none. Nothing is tested.",
    "A kind of device is its model, how many packs share it, the threads of a pack, the precision and the trainer's "
    "sources. No time, energy or memory is averaged or compared over several kinds.",
    "Evaluation, and the rest (writing checkpoints and the journal), are medians of their own: the parts do not sum to "
    "the whole epoch's median. Times to the checkpoint, of whole trainings and equal times are of training and "
    "evaluation, without the rest.",
    "At equal time an epoch counts once it has ended; the mean is over the time in which every activation has a score.",
)


def timed_runs(findings: Findings) -> pd.DataFrame:
    """:func:`analysis.statistics.timing.runs` of the claimed runs."""
    return findings.once("timed runs", lambda of: timing.runs(of.claimed, of.curves))


def summarised(findings: Findings) -> pd.DataFrame:
    """:func:`analysis.statistics.timing.summary` of every data set; not to be asked where no run has a time."""
    timed = timed_runs(findings)
    return findings.once(
        "time summary",
        lambda of: pd.concat(
            [
                timing.summary(
                    timed[timed["dataset"] == dataset], of.plan_of(dataset).declaration.control, level=1 - of.alpha
                )
                for dataset in of.datasets
                if (timed["dataset"] == dataset).any()
            ],
            ignore_index=True,
        ),
    )


def section(findings: Findings) -> Section:
    timed = timed_runs(findings)
    blocks: list[Block] = []
    if left_out := int(timing.taken(findings.claimed).sum()):
        what = f"{counted(left_out, 'run')} of {len(findings.claimed)}"
        blocks.append(Text(f"Of times, {what} are left out: they were not trained here but taken from elsewhere."))
    if timed.empty:
        typed = published.times(findings)
        if not typed or not (findings.claimed["status"] == Status.IMPORTED).all():
            blocks.append(Notice("No training times were recorded with these runs.", tone="note"))
        blocks += typed
        return Section(anchor="cost", title="Cost", blocks=blocks)
    summary = summarised(findings)
    said = [
        *budget.spent(findings),
        *accounted.sentences(findings),
        *several(findings, summary),
        noise(timed, findings.cube),
    ]
    blocks += [Text(text) for text in said]
    blocks += [Drawn(plot) for plot in [*ratios(findings, summary), *bars(findings, summary)]]
    blocks.append(Tabled(epoch_table(summary, findings)))
    blocks.append(Tabled(total_table(findings, summary)))
    blocks += [Tabled(table) for table in (budget.energy(findings), accounted.places(findings)) if table is not None]
    blocks += published.times(findings)
    return Section(anchor="cost", title="Cost", blocks=blocks, methods=METHODS)


def several(findings: Findings, summary: pd.DataFrame) -> list[str]:
    """What was trained on which kinds of device, and who is not compared for it; empty where there is one kind."""
    said = []
    for dataset in findings.datasets:
        rows = summary[(summary["dataset"] == dataset) & (summary["kind"] != "")]
        each = rows.groupby("kind", sort=False)["runs"].sum()
        if len(each) < 2:
            continue
        where = f" on {dataset}" if len(findings.datasets) > 1 else ""
        told = ", ".join(f"{kind} ({counted(int(runs), 'run')})" for kind, runs in each.items())
        said.append(f"{counted(len(each), 'kind')} of device{where}: {told}. Times are compared within a kind alone.")
        control = findings.plan_of(dataset).declaration.control
        compared = set(rows.loc[rows["ratio"].notna(), "activation"])
        out = [label for label in dict.fromkeys(rows["activation"]) if label not in compared and label != control]
        if out:
            said.append(f"Whose time is not compared with that of {control}: {listed(out, NAMED)}; the table says why.")
    return said


def on_one_kind(summary: pd.DataFrame) -> pd.DataFrame:
    """Of each data set the rows on one kind of device, see :func:`analysis.statistics.timing.chosen_kind`; on the first
    where nothing is compared."""
    kept = []
    for _, rows in summary.groupby("dataset", sort=False):
        kept.append(rows[rows["kind"] == (timing.chosen_kind(rows) or rows["kind"].iloc[0])])
    return pd.concat(kept, ignore_index=True)


def _on(mine: pd.DataFrame, summary: pd.DataFrame) -> str:
    """On which kind a figure's rows were trained; "" where there is no other."""
    among = summary[summary["dataset"].isin(mine["dataset"]) & (summary["kind"] != "")]
    return f" On {' and '.join(dict.fromkeys(mine['kind']))} alone." if among["kind"].nunique() > 1 else ""


def noise(timed: pd.DataFrame, cube: pd.DataFrame) -> str:
    """How many of the timed runs are noisy, and how many shared their device. ``cube``: every run."""
    loud, packed = int(timed["noisy"].sum()), int(timed["packed"].sum())
    beside = int((kinds.slots(cube[cube["run_id"].isin(timed["run_id"])]) > 1).sum())
    said = [
        f"{loud} of {counted(len(timed), 'run')} noisy: within the run the middle half of its training times spans "
        f"over {timing.NOISY_SPREAD:.0%}, or the last quarter differs from the first by over {timing.NOISY_DRIFT:.0%}."
    ]
    if packed:
        said.append(f"{packed} shared a device and take no part in the times.")
    if beside:
        said.append(f"{beside} had other packs on their device, and are compared with their like.")
    return " ".join(said if packed or beside else [*said, "None shared its device."])


def ratios(findings: Findings, summary: pd.DataFrame) -> list[Plot]:
    plots = []
    for at, group in enumerate(figure_style.groups(findings.datasets)):
        one = on_one_kind(summary)
        mine = one[one["dataset"].isin(group) & one["ratio"].notna()]
        labels = [label for label in findings.labels if (mine["activation"] == label).any()]
        if len(labels) < 2:
            continue
        with figure_style.new_figure(figure_style.row_height(len(labels))) as figure:
            for panel, dataset in zip(figure_style.columns(figure, group)[0], group, strict=True):
                panel.axvline(1.0, color=INK, linewidth=0.8, zorder=1)
                for record in mine[mine["dataset"] == dataset].to_dict(orient="records"):
                    row = labels.index(str(record["activation"]))
                    panel.plot([record["ratio_low"], record["ratio_high"]], [row, row], color=PALETTE[0], linewidth=1.6)
                    panel.plot([record["ratio"]], [row], "o", color=PALETTE[0], markersize=4.5)
                figure_style.label_rows(panel, labels)
                panel.set_xlabel("training time / control's")
            plots.append(
                figure_style.render(
                    figure,
                    name=f"figure-7-ratios{'' if at == 0 else f'-{at + 1}'}",
                    title="Training time of an epoch against the control's",
                    caption=(
                        f"Geometric mean of paired runs, n = {ranged({int(n) for n in mine['pairs']})}, with its "
                        f"{100 * (1 - findings.alpha):g} % interval. Evaluation and the rest take no part."
                        + _on(mine, summary)
                    ),
                    data=mine[
                        ["dataset", "activation", "control", "kind", "ratio", "ratio_low", "ratio_high", "pairs"]
                    ],
                )
            )
    return plots


def bars(findings: Findings, summary: pd.DataFrame) -> list[Plot]:
    plots = []
    for at, group in enumerate(figure_style.groups(findings.datasets)):
        one = on_one_kind(summary)
        mine = one[one["dataset"].isin(group) & one["train_s"].notna()]
        labels = [label for label in findings.labels if (mine["activation"] == label).any()]
        if not labels:
            continue
        parts = (
            ("train_s", "training", PALETTE[0]),
            ("evaluate_s", "evaluation", PALETTE[4]),
            ("rest_s", "rest", PALETTE[3]),
        )
        with figure_style.new_figure(figure_style.row_height(len(labels)) + 0.3) as figure:
            handles: dict[str, Any] = {}
            for panel, dataset in zip(figure_style.columns(figure, group)[0], group, strict=True):
                of_set = mine[mine["dataset"] == dataset].set_index("activation").reindex(labels)
                for at_row, (column, name, colour) in zip((-0.25, 0.0, 0.25), parts, strict=True):
                    width = of_set[column].fillna(0.0).to_numpy(dtype=float)
                    handles[name] = panel.barh(np.arange(len(labels)) + at_row, width, color=colour, height=0.25)
                figure_style.label_rows(panel, labels)
                panel.set_xlabel("seconds an epoch")
            figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=3)
            plots.append(
                figure_style.render(
                    figure,
                    name=f"figure-7-bars{'' if at == 0 else f'-{at + 1}'}",
                    title="Seconds an epoch",
                    caption=(
                        "Median over runs of each part's own median, so the parts do not add up; "
                        f"n = {ranged({int(n) for n in mine['runs']}, 'run')}." + _on(mine, summary)
                    ),
                    data=mine[["dataset", "activation", "kind", "train_s", "evaluate_s", "rest_s", "epoch_s", "runs"]],
                )
            )
    return plots


def epoch_table(summary: pd.DataFrame, findings: Findings) -> Table:
    columns = [
        "dataset",
        "activation",
        "kind",
        "train_s",
        "mad_s",
        "ratio",
        "ratio_low",
        "ratio_high",
        "shift_s",
        "pairs",
    ]
    columns += ["evaluate_s", "rest_s", "epoch_s", "runs", "noisy_runs", "note"]
    frame = summary[columns].reset_index(drop=True)
    digits = max(2, decimals(frame["train_s"]) - 1)
    level = f"{100 * (1 - findings.alpha):g} %"
    return Table(
        name="table-16-epoch-time",
        title="Time of an epoch",
        caption=(
            "Seconds of training with their median absolute deviation over runs, the ratio to the control's with its "
            f"{level} interval, and the Hodges-Lehmann shift. Evaluation and the rest stand apart."
        ),
        frame=frame,
        formats={
            **dict.fromkeys(("train_s", "mad_s", "evaluate_s", "rest_s", "epoch_s"), f".{digits}f"),
            "shift_s": f"+.{digits}f",
            **dict.fromkeys(("ratio", "ratio_low", "ratio_high"), ".3f"),
            **dict.fromkeys(("pairs", "runs", "noisy_runs"), "d"),
        },
        heads={
            "dataset": "data set",
            "kind": "device",
            "train_s": "training, s",
            "evaluate_s": "evaluation, s",
            "rest_s": "rest, s",
            "epoch_s": "whole epoch, s",
            "mad_s": "MAD",
            "ratio_low": f"{level} from",
            "ratio_high": "to",
            "shift_s": "shift, s",
            "noisy_runs": "noisy",
        },
        fold=len(summary) > 30,
    )


def total_table(findings: Findings, summary: pd.DataFrame) -> Table:
    column = f"validation/{findings.metric.name}"
    areas = []
    for dataset in findings.datasets:
        _, found = timing.equal_time(findings.claimed, findings.curves, dataset=dataset, metric=findings.metric)
        areas.append(found.assign(dataset=dataset))
    area = pd.concat(areas, ignore_index=True)[["dataset", "activation", "kind", "at_end", "seconds", "area"]]
    keys = ["dataset", "activation", "kind"]
    columns = [*keys, "checkpoint_s", "checkpoint_ratio", "total_s", "total_ratio", "rest_total_s"]
    frame = summary[columns]
    frame = frame.merge(area, on=keys, how="left")
    if PEAK_MEMORY_MB in findings.curves:
        memory = findings.curves.merge(findings.claimed[["run_id", "kind"]], on="run_id")
        peak = memory.groupby(keys, sort=False, observed=True)[PEAK_MEMORY_MB].max()
        frame = frame.merge(peak.rename("memory_mb").reset_index(), on=keys, how="left")
    else:
        frame["memory_mb"] = math.nan
    return Table(
        name="table-17-total-time",
        title="Time to the checkpoint, whole training, and the score at equal time",
        caption=(
            f"Seconds of training and evaluation, medians over runs; at equal time: best {column} so far when the "
            "quickest activation's median run has ended, and the mean up to there, on the kind of device that the most "
            "activations have in common. Memory: peak over runs."
        ),
        frame=frame,
        formats={
            **dict.fromkeys(("checkpoint_s", "total_s", "rest_total_s", "seconds"), ".1f"),
            **dict.fromkeys(("checkpoint_ratio", "total_ratio"), ".2f"),
            **dict.fromkeys(("at_end", "area"), ".4f"),
            "memory_mb": ".0f",
        },
        heads={
            "dataset": "data set",
            "kind": "device",
            "checkpoint_s": "to checkpoint, s",
            "checkpoint_ratio": "ratio",
            "total_s": "whole, s",
            "total_ratio": "ratio",
            "rest_total_s": "rest, s",
            "at_end": "at equal time",
            "seconds": "that time, s",
            "area": "mean up to it",
            "memory_mb": "peak memory, MB",
        },
        fold=len(frame) > 30,
    )
