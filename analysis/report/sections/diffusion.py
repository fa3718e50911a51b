"""Whether the diffusion of a model on its mesh, which needs no held-out data, tells its true error, or its
over-fitting (Bigarella 2025; the claim was published without such a test)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.report import figure_style
from analysis.report.amounts import number
from analysis.report.blocks import Block, Drawn, Section, Tabled, Text
from analysis.report.figure_style import INK, Plot
from analysis.report.findings import Findings
from analysis.report.sections.robustness import measured
from analysis.report.tables import Table
from analysis.runs.frames import FLOOR
from analysis.runs.schema import SCORED
from analysis.runs.wording import counted
from analysis.statistics.association import Rho, spearman
from analysis.statistics.floors import truths

SCORE, EXCESS = "diffusion", "diffusion_excess"
ERRORS = ("mae", "rmse", "max_error")
NAMES = {SCORE: "diffusion", EXCESS: "distance of the diffusion from the true function's"}
METHODS = (
    "Diffusion (Bigarella 2025) compares second differences of the model at the nodes and the cell centres of a mesh "
    "with "
    "those of the data. The true function does not score 0, so that lower than it is no better: the distance from it "
    "is shown beside the score where the true function is known.",
    "Spearman's rho is over runs, with Fisher's interval by Bonett and Wright's standard error. Runs of one seed share "
    "their initial weights, which the interval does not know. Over-fitting is the held-out error less that on the "
    "training nodes, of the same weights.",
)


class Asked(NamedTuple):
    """A score of the model and what it ought to tell."""

    score: str
    against: str
    """Column of :func:`runs`: ``error`` or ``gap``."""
    said: str


def section(findings: Findings) -> Section | None:
    """None where no diffusion was measured."""
    if not measured(findings.claimed, SCORE):
        return None
    blocks: list[Block] = []
    for at, dataset in enumerate(findings.datasets):
        error, frame = runs(findings, dataset)
        if frame.empty:
            continue
        asked = questions(frame, error)
        blocks += [Text(answer(dataset, frame, one)) for one in asked]
        blocks.append(Drawn(scatter(findings, dataset, frame, error, at)))
        blocks.append(Tabled(table(dataset, frame, asked, at)))
    if not blocks:
        return None
    return Section(anchor="diffusion", title="Does diffusion tell the error", blocks=blocks, methods=METHODS)


def runs(findings: Findings, dataset: str) -> tuple[str, pd.DataFrame]:
    """The error that is set against the score, and of each run activation, scores, ``error`` and ``gap``."""
    rows = findings.claimed
    done = rows[(rows["dataset"] == dataset) & rows["status"].isin(SCORED)]
    known = [name for name in dict.fromkeys((findings.metric.name, *ERRORS)) if name in ERRORS and measured(done, name)]
    if not known:
        return "", pd.DataFrame()
    error = known[0]
    frame = done[["activation", "repeat", "fold"]].copy()
    for name in (SCORE, EXCESS):
        if measured(done, name):
            frame[name] = done[f"heldout/{name}"].astype(float)
    frame["error"] = done[f"heldout/{error}"].astype(float)
    if f"train_clean/{error}" in done:
        frame["gap"] = frame["error"] - done[f"train_clean/{error}"].astype(float)
    return error, frame.dropna(subset=["error"]).reset_index(drop=True) if SCORE in frame else pd.DataFrame()


def questions(frame: pd.DataFrame, error: str) -> list[Asked]:
    told = {"error": f"the true error (held-out {error})", "gap": f"over-fitting (held-out less training {error})"}
    return [
        Asked(score, against, said)
        for score in NAMES
        if score in frame
        for against, said in told.items()
        if against in frame and frame[against].notna().any()
    ]


def rho_of(frame: pd.DataFrame, asked: Asked) -> Rho:
    return spearman(array(frame[asked.score]), array(frame[asked.against]))


def array(column: pd.Series) -> npt.NDArray[np.float64]:
    return column.to_numpy(dtype=float)


def answer(dataset: str, frame: pd.DataFrame, asked: Asked) -> str:
    """Over all runs, in words that the interval bears."""
    found = rho_of(frame, asked)
    name, without = NAMES[asked.score], int(frame[asked.score].isna().sum())
    lost = f"; {counted(without, 'run')} without a score" if without else ""
    head = f"{dataset}: does the {name} tell {asked.said}? "
    if found.interval is None:
        return f"{head}Not known: {counted(found.n, 'run')} with both{lost}."
    numbers = f"rho {number(found.rho)} ({number(found.interval.low)} to {number(found.interval.high)}, n = {found.n})"
    if not found.told:
        return f"{head}Not shown: {numbers}{lost}."
    if found.rho < 0:
        return f"{head}No, the other way round: runs of a lower score have more of it, {numbers}{lost}."
    weak = "" if found.interval.low > 0.5 else ", but loosely" if found.interval.low < 0.3 else ""
    return f"{head}Yes{weak}: runs of a lower score have less of it, {numbers}{lost}."


def scatter(findings: Findings, dataset: str, frame: pd.DataFrame, error: str, at: int) -> Plot:
    labels = [label for label in findings.labels if (frame["activation"] == label).any()]
    colours = figure_style.colours(labels, findings.plan_of(dataset).declaration.control)
    shown = [score for score in NAMES if score in frame]
    with figure_style.new_figure(3.1, figure_style.WIDTH_IN) as figure:
        panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
        handles: dict[str, Any] = {}
        for panel, score in zip(panels, shown, strict=True):
            for at_label, label in enumerate(labels):
                mine = frame[frame["activation"] == label]
                marker = figure_style.MARKERS[(at_label // len(figure_style.PALETTE)) % len(figure_style.MARKERS)]
                handles[figure_style.clip(label)] = panel.scatter(
                    mine[score], mine["error"], s=13, alpha=0.75, linewidths=0, color=colours[label], marker=marker
                )
            if score == SCORE and (truth := truth_of(findings, dataset)) is not None:
                handles["the true function"] = panel.axvline(truth, color=INK, linestyle=(0, (4, 2)), linewidth=0.9)
            logarithmic(panel, frame[score], frame["error"])
            panel.set_xlabel(score.replace("_", " "))
        panels[0].set_ylabel(f"held-out {error}")
        figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=4, markerscale=1.4)
        return figure_style.render(
            figure,
            name=f"figure-10-diffusion{'' if at == 0 else f'-{at + 1}'}",
            title=f"Diffusion against the true error on {dataset}",
            caption="A point a run, at the declared checkpoint. Lower is better on both axes of the right panel"
            + (" alone." if len(shown) > 1 else ", were there one: the true function's score is not known."),
            data=frame,
        )


def logarithmic(panel: Any, x: pd.Series, y: pd.Series) -> None:
    """Axes whose values span more than a factor of twenty."""
    for values, scale in ((x, panel.set_xscale), (y, panel.set_yscale)):
        positive = values[values > 0]
        if len(positive) == len(values.dropna()) and len(positive) and positive.max() > 20 * positive.min():
            scale("log")


def truth_of(findings: Findings, dataset: str) -> float | None:
    """What the true function scores, where that is known."""
    rows = findings.claimed[findings.claimed["dataset"] == dataset]
    columns = [f"{FLOOR}{SCORE}/{name}" for name in sorted(truths(rows, findings.plan_of(dataset).metrics))]
    known = [column for column in columns if column in rows]
    return float(rows[known[0]].mean()) if known else None


def table(dataset: str, frame: pd.DataFrame, asked: list[Asked], at: int) -> Table:
    groups = [("all", frame), *((str(label), mine) for label, mine in frame.groupby("activation", sort=False))]
    rows = []
    for one in asked:
        for label, mine in groups:
            found = rho_of(mine, one)
            low, high = found.interval or (np.nan, np.nan)
            rows.append(
                {
                    **{"score": NAMES[one.score], "tells": one.said, "runs of": label},
                    **{"rho": found.rho, "low": low, "high": high, "n": found.n},
                }
            )
    return Table(
        name=f"table-25-diffusion{'' if at == 0 else f'-{at + 1}'}",
        title=f"Spearman's rho on {dataset}",
        caption="Over runs, with its 95 % interval; of all, and of each activation alone. Exploratory; no test.",
        frame=pd.DataFrame(rows),
        formats={**dict.fromkeys(("rho", "low", "high"), "+.2f"), "n": "d"},
        heads={"low": "95 % from", "high": "to"},
        fold=len(rows) > 12,
    )
