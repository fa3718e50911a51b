"""The figure of the planned folds by status."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from analysis.report import figure_style
from analysis.report.figure_style import FAINT, PALETTE, Plot
from analysis.report.findings import Findings
from analysis.runs.schema import SCORED, Status
from analysis.runs.wording import counted

VERMILION, PINK, ORANGE, SKY = PALETTE[1], PALETTE[3], PALETTE[4], PALETTE[5]
STATUS_COLOURS: dict[str, str] = {
    Status.FINISHED: SKY,
    Status.IMPORTED: FAINT,
    Status.DIVERGED: VERMILION,
    Status.STOPPED: ORANGE,
    Status.FAILED: PINK,
    Status.INFRA_FAILED: PINK,
    Status.MISSING: "none",
    Status.RUNNING: "none",
}


def drawn(findings: Findings) -> Plot:
    """Planned folds by activation and split, coloured by status."""
    frame = findings.claimed[["dataset", "activation", "repeat", "fold", "status"]]
    labels = findings.labels
    datasets = findings.datasets
    with figure_style.new_figure(figure_style.row_height(len(labels)) + 0.3) as figure:
        panels = figure.subplots(1, len(datasets), sharey=True, squeeze=False)[0]
        used: dict[str, Any] = {}
        for panel, dataset in zip(panels, datasets, strict=True):
            mine = frame[frame["dataset"] == dataset]
            splits = {key: at for at, key in enumerate(sorted(set(zip(mine["repeat"], mine["fold"], strict=True))))}
            for row, label in enumerate(labels):
                one = mine[mine["activation"] == label]
                states = [""] * len(splits)
                for repeat, fold, status in zip(one["repeat"], one["fold"], one["status"], strict=True):
                    states[splits[repeat, fold]] = status
                for begin, width, status in stretches(states):
                    if not status:
                        continue
                    empty = STATUS_COLOURS.get(status, "none") == "none"
                    used[status] = panel.barh(
                        row,
                        width,
                        left=begin,
                        height=0.8,
                        color="none" if empty else STATUS_COLOURS[status],
                        edgecolor=VERMILION if empty else "none",
                        hatch="////" if empty else ("xx" if status == Status.DIVERGED else ""),
                        linewidth=0.6,
                    )
            panel.set_title(figure_style.clip(dataset, 66 // len(datasets)), loc="left")
            panel.set_xlim(0, max(len(splits), 1))
            panel.set_xticks([0, len(splits)])
            panel.set_xlabel("split")
            figure_style.label_rows(panel, labels)
            panel.grid(visible=False)
        figure.legend(
            list(used.values()), list(used), loc="outside lower center", ncols=min(len(used), 5) or 1, handlelength=1.2
        )
        finished = int(frame["status"].isin(SCORED).sum())
        return figure_style.render(
            figure,
            name="figure-0-completeness",
            title="Planned folds by status",
            caption=(
                f"{finished} of {counted(len(frame), 'planned fold')} with a result. One column a split, by repeat and "
                "fold."
            ),
            data=frame,
        )


def stretches(states: Sequence[str]) -> list[tuple[int, int, str]]:
    """(begin, length, state) of the runs of equal states."""
    result: list[tuple[int, int, str]] = []
    for at, state in enumerate(states):
        if result and result[-1][2] == state:
            begin, length, _ = result[-1]
            result[-1] = (begin, length + 1, state)
        else:
            result.append((at, 1, state))
    return result
