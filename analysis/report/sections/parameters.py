"""The activations' parameters: their shapes, DSReLU's slope over training, and how much each searched one matters."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.report import figure_style
from analysis.report.blocks import Block, Drawn, Section, Tabled, Text
from analysis.report.figure_style import PALETTE, Plot
from analysis.report.figures import activations
from analysis.report.findings import Findings
from analysis.report.tables import Table
from analysis.runs.schema import DEGREES
from analysis.runs.wording import counted
from analysis.statistics import dsrelu, parameter_gate, parameter_importance, races

MOST = 12
"""Searches that are analysed in one report; the rest are named."""
FEW = 4
"""Up to this many get functional ANOVA."""
PANELS = 8
METHODS = (
    "How much a parameter matters is tested by conditional randomisation: it is dealt anew among the settings, as it "
    "could have come with the other parameters, a smooth regression on ranks (ridge on cosines and their products) is "
    "fitted again, and its R² on unseen settings, each predicted by the others, is held against the true one. Where "
    "a searcher has made parameters hang together, p is approximate.",
    "Partial dependence and interactions are expectations of random forests over the settings.",
)


@dataclass(frozen=True)
class Search:
    dataset: str
    activation: str
    column: str
    settings: pd.DataFrame
    parameters: list[str]


def section(findings: Findings) -> Section | None:
    plots = (activations.slopes(findings), activations.realised(findings), activations.curves(findings))
    blocks: list[Block] = [Drawn(plot) for plot in plots if plot is not None]
    slopes = activations.slope_table(findings)
    if len(slopes):
        numbers = [str(name) for name in slopes.columns if name != "activation"]
        blocks.append(
            Tabled(
                Table(
                    name="table-20-slopes",
                    title="DSReLU's slopes",
                    caption="The logistic does not reach a and b: s(0) and s(1) are what training sees. No test.",
                    frame=slopes,
                    formats=dict.fromkeys(numbers, ".4g"),
                    fold=len(slopes) > 20,
                )
            )
        )
    found = gated(findings)
    blocks += found
    if not blocks:
        return None
    return Section(
        anchor="parameters",
        title="Shapes and parameters",
        blocks=blocks,
        methods=METHODS if any(isinstance(block, Tabled) for block in found) else (),
    )


def searches(findings: Findings) -> list[Search]:
    """Those with varied parameters and enough finished settings to be looked at."""
    found = []
    for dataset in findings.datasets:
        plan = findings.plan_of(dataset)
        cube = findings.cube[findings.cube["dataset"] == dataset]
        if not (cube["phase"] == "search").any():
            continue
        for label in plan.activations:
            table = parameter_importance.settings(cube, label, column=plan.search_selects_on)
            varied = parameter_importance.parameters_of(table)
            if varied and len(table) >= parameter_importance.LEAST_SETTINGS:
                found.append(Search(dataset, label, plan.search_selects_on, table, varied))
    return found


def gated(findings: Findings) -> list[Block]:
    every = searches(findings)
    if not every:
        return []
    # Searches of the activation's own parameters come before those of the optimiser's.
    own = [one for one in every if any(name.startswith("activation.") for name in one.parameters)]
    looked = [*own, *(one for one in every if one not in own)][:MOST]
    rng = np.random.Generator(np.random.PCG64(findings.seed))
    frames = [
        parameter_importance.importance(
            one.settings,
            rng,
            parameters=one.parameters,
            fanova=len(looked) <= FEW,
        ).assign(dataset=one.dataset, activation=one.activation)
        for one in looked
    ]
    frame = pd.concat(frames, ignore_index=True)
    passed = int(frame["passes"].sum())
    blocks: list[Block] = [
        *compared_on(findings, looked),
        Text(
            f"{passed} of {counted(len(frame), 'searched parameter')} with a detectable effect on the search's score. "
            + (
                f"{counted(len(every) - len(looked), 'further search', 'further searches')} left out."
                if len(every) > len(looked)
                else ""
            )
        ),
        Tabled(importance_table(frame)),
    ]
    blocks += [
        Drawn(plot)
        for plot in (dependence(findings, looked, frame, rng), interactions(findings, looked, frame, rng))
        if plot
    ]
    ends = derived(
        [one for one in looked if len({dsrelu.A, dsrelu.B, dsrelu.K} & set(one.parameters)) >= 2],
        rng,
    )
    if ends is not None:
        blocks.append(Tabled(ends))
    return blocks


def compared_on(findings: Findings, looked: list[Search]) -> list[Block]:
    """Of searches whose settings raced, on how many folds they are compared here."""
    raced = [one for one in looked if races.dropped(searched(findings, one)).any()]
    if not raced:
        return []
    folds = sorted({int(one.settings["folds"].max()) for one in raced})
    return [
        Text(
            f"Settings of {counted(len(raced), 'search', 'searches')} raced: dropped ones have fewer folds, so every "
            f"setting counts with its mean over the {' or '.join(map(str, folds))} that all of them have."
        )
    ]


def searched(findings: Findings, one: Search) -> pd.DataFrame:
    cube = findings.cube
    return cube[(cube["dataset"] == one.dataset) & (cube["activation"] == one.activation) & (cube["phase"] == "search")]


def derived(looked: list[Search], rng: np.random.Generator) -> Table | None:
    """The gate once more for searches of DSReLU's a, b and k, on the slopes that these make; None where there are
    none."""
    frames = [
        parameter_importance.importance(
            one.settings,
            rng,
            parameters=parameter_importance.parameters_of(one.settings, derived=True),
            fanova=False,
        ).assign(dataset=one.dataset, activation=one.activation)
        for one in looked
    ]
    if not frames:
        return None
    return dataclasses.replace(
        importance_table(pd.concat(frames, ignore_index=True)),
        name="table-21-derived",
        title="The slopes in place of a, b and k",
        caption=(
            "The same gate on what a, b and k come to. Each slope stands alone, since the three determine one another, "
            "so they may share one effect."
        ),
    )


def short(parameter: str) -> str:
    return parameter.split(".", 1)[1] if "." in parameter else parameter


def angles(cube: pd.DataFrame, one: Search, parameter: str) -> str:
    """The range of the angles whose tangents a parameter's values are, in brackets; empty where they are none."""
    if parameter + DEGREES not in cube:
        return ""
    mine = cube[(cube["dataset"] == one.dataset) & (cube["activation"] == one.activation)]
    found = pd.to_numeric(mine[parameter + DEGREES], errors="coerce").dropna()
    return f" ({found.min():.4g}° to {found.max():.4g}°)" if len(found) else ""


def importance_table(frame: pd.DataFrame) -> Table:
    columns = [
        "dataset",
        "activation",
        "parameter",
        "word",
        "importance",
        "chance_95",
        "p",
        "r2",
        "fanova",
        "settings",
        "note",
    ]
    shown = frame[columns].assign(parameter=frame["parameter"].map(short)).rename(columns={"parameter": "knob"})
    if shown["fanova"].isna().all():
        shown = shown.drop(columns="fanova")
    return Table(
        name="table-21-knobs",
        title="Parameters and the gate",
        caption=(
            "Importance: R² on unseen settings that is lost where a parameter alone is dealt anew. An effect is "
            f"detectable where p after Holm over a search's parameters is at most {parameter_gate.LEVEL:g}."
        ),
        frame=shown,
        formats={**dict.fromkeys(("importance", "fanova", "chance_95", "r2"), ".2f"), "p": "p", "settings": "d"},
        heads={
            "dataset": "data set",
            "knob": "parameter",
            "chance_95": "by chance",
            "p": "p (Holm)",
            "r2": "R²",
            "word": "verdict",
        },
        fold=len(shown) > 24,
    )


def dependence(findings: Findings, looked: list[Search], frame: pd.DataFrame, rng: np.random.Generator) -> Plot | None:
    """Partial dependence of the parameters that pass, with the range over folds."""
    passing = frame[frame["passes"]].head(PANELS)
    parts = []
    for row in passing.to_dict(orient="records"):
        one = next(s for s in looked if (s.dataset, s.activation) == (row["dataset"], row["activation"]))
        cube = findings.cube[findings.cube["dataset"] == one.dataset]
        found = parameter_importance.partial_dependence(
            cube, one.activation, str(row["parameter"]), rng, column=one.column
        )
        if len(found):
            parts.append((one, str(row["parameter"]), found))
    if not parts:
        return None
    with figure_style.new_figure(0.5 + 1.7 * math.ceil(len(parts) / 3)) as figure:
        panels = figure.subplots(math.ceil(len(parts) / 3), 3, squeeze=False)
        for panel in panels.flat[len(parts) :]:
            panel.set_visible(False)
        for panel, (one, parameter, found) in zip(panels.flat, parts, strict=False):
            panel.fill_between(found["value"], found["low"], found["high"], color=PALETTE[0], alpha=0.2, linewidth=0)
            panel.plot(found["value"], found["mean"], color=PALETTE[0])
            panel.set_title(figure_style.clip(f"{one.activation}, {one.dataset}", 24), loc="left", fontsize=8.5)
            panel.set_xlabel(short(parameter) + angles(findings.cube, one, parameter))
            panel.locator_params(nbins=4)
        data = pd.concat(
            [found.assign(dataset=one.dataset, activation=one.activation) for one, _, found in parts], ignore_index=True
        )
        return figure_style.render(
            figure,
            name="figure-8-dependence",
            title="Partial dependence of the parameters that pass the gate",
            caption=(
                f"Expected {looked[0].column} as one parameter moves and the others stay as they were; the band is "
                "the range over one forest for each fold of the search. No test."
            ),
            data=data.rename(columns={"parameter": "knob"}),
        )


def interactions(
    findings: Findings, looked: list[Search], frame: pd.DataFrame, rng: np.random.Generator
) -> Plot | None:
    """A map of the two most important parameters, for the first search where two pass."""
    for one in looked:
        mine = frame[(frame["dataset"] == one.dataset) & (frame["activation"] == one.activation) & frame["passes"]]
        if len(mine) < 2:
            continue
        first, second = (str(name) for name in mine["parameter"].head(2))
        cube = findings.cube[findings.cube["dataset"] == one.dataset]
        grid = parameter_importance.interaction(cube, one.activation, (first, second), rng, column=one.column)
        if grid.empty:
            continue
        wide = grid.pivot(index="second", columns="first", values="expected")
        with figure_style.new_figure(3.0, 4.6) as figure:
            panel = figure.subplots()
            lines = panel.contour(wide.columns, wide.index, wide.to_numpy(), 8, colors=PALETTE[0], linewidths=1.1)
            panel.clabel(lines, fontsize=7, colors=figure_style.INK)
            panel.set_xlabel(short(first))
            panel.set_ylabel(short(second))
            return figure_style.render(
                figure,
                name="figure-8-interaction",
                title=f"Two parameters of {one.activation} together on {one.dataset}",
                caption=(
                    f"Expected {one.column} by a random forest over {counted(len(one.settings), 'setting')}. No test."
                ),
                data=grid.rename(columns={"first": short(first), "second": short(second)}),
            )
    return None
