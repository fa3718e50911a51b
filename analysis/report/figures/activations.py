"""The activations' own curves, drawn as they start and as they were learned, and DSReLU's slope."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from analysis.report import figure_style
from analysis.report.figure_style import FAINT, INK, PALETTE, Plot
from analysis.report.findings import Findings
from analysis.runs.schema import DEGREES
from analysis.runs.wording import counted
from analysis.statistics import dsrelu as schedule
from analysis.statistics.functions import FORMULAS, STARTS, Params, value


def catalogue_name(findings: Findings, label: str) -> str:
    rows = findings.claimed[findings.claimed["activation"] == label]
    names = rows["activation_name"].dropna() if "activation_name" in rows else pd.Series(dtype=object)
    found = [str(name) for name in names if name]
    return found[0] if found else label


def starts(findings: Findings, label: str) -> list[dict[str, float]]:
    """The distinct parameters that the label's claimed runs began with."""
    rows = findings.claimed[(findings.claimed["activation"] == label) & (findings.claimed["run_id"] != "")]
    names = [str(name) for name in rows.columns if str(name).startswith("activation.")]
    found: dict[tuple[tuple[str, float], ...], None] = {}
    for record in rows[names].to_dict(orient="records"):
        numbers = {
            str(name).removeprefix("activation."): float(number)
            for name, number in record.items()
            if isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number)
        }
        found[tuple(sorted(numbers.items()))] = None
    return [dict(key) for key in found]


def drawn_labels(findings: Findings) -> list[str]:
    return [label for label in findings.labels if catalogue_name(findings, label) in FORMULAS]


def curves(findings: Findings) -> Plot | None:
    """Every known activation as it starts and, where it learns, as each layer ended."""
    labels = drawn_labels(findings)
    if not labels:
        return None
    x = np.linspace(-3, 3, 121)
    rows: list[pd.DataFrame] = []
    learned = findings.learned
    with figure_style.new_figure(0.5 + 1.45 * math.ceil(len(labels) / 4)) as figure:
        panels = figure.subplots(math.ceil(len(labels) / 4), 4, sharex=True, squeeze=False)
        for panel in panels.flat[len(labels) :]:
            panel.set_visible(False)
        for panel, label in zip(panels.flat, labels, strict=False):
            name = catalogue_name(findings, label)
            began = starts(findings, label) or [{}]
            ended = by_layer(learned[learned["activation"] == label])
            for layer, params in ended.items():
                y = value(name, x, {**began[0], **params})
                panel.plot(x, y, color=PALETTE[1], linewidth=0.7, alpha=0.6)
                rows.append(pd.DataFrame({"activation": label, "curve": f"learned, {layer}", "x": x, "y": y}))
            moments = (0.0, 0.5, 1.0) if name == "dsrelu" else (0.0,)
            for params in began[:3]:
                for at, t in enumerate(moments):
                    y = value(name, x, {**params, **({"t": t} if name == "dsrelu" else {})})
                    panel.plot(x, y, color=INK, linewidth=1.4, linestyle=("-", "--", ":")[at])
                    text = f"start, t = {t:g}" if name == "dsrelu" else "start"
                    rows.append(pd.DataFrame({"activation": label, "curve": text, "x": x, "y": y}))
            panel.axhline(0, color=FAINT, linewidth=0.8, zorder=0)
            panel.axvline(0, color=FAINT, linewidth=0.8, zorder=0)
            panel.grid(visible=False)
            panel.set_title(figure_style.clip(label, 20), loc="left", fontsize=8.5)
            panel.locator_params(axis="y", nbins=4)
        return figure_style.render(
            figure,
            name="figure-8-shapes",
            title="The activations' shapes",
            caption=(
                "Dark: as training starts (DSReLU: solid t = 0, dashed 0.5, dotted 1); orange: learned parameters of "
                "each layer, mean over the runs of the claims phase. Scales differ between panels."
            ),
            data=pd.concat(rows, ignore_index=True),
        )


def by_layer(learned: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Mean learned parameters over runs by layer; a per-channel parameter counts by its mean."""
    result: dict[str, dict[str, float]] = {}
    if learned.empty:
        return result
    kept = learned[~learned["parameter"].str.endswith("_std")]
    means = kept.groupby(["layer", "parameter"], sort=False)["value"].mean().reset_index()
    for layer, parameter, number in zip(means["layer"], means["parameter"], means["value"], strict=True):
        result.setdefault(str(layer), {})[str(parameter).removesuffix("_mean")] = float(number)
    return result


def slopes(findings: Findings) -> Plot | None:
    """DSReLU's slope s(t) for the settings in use."""
    used: dict[str, dict[str, float]] = {}
    for label in findings.labels:
        if catalogue_name(findings, label) == "dsrelu":
            for number, params in enumerate(starts(findings, label) or [{}]):
                used[label if number == 0 else f"{label} ({number + 1})"] = {**STARTS["dsrelu"], **params}
    if not used:
        return None
    t = np.linspace(0, 1, 101)
    rows: list[pd.DataFrame] = []
    with figure_style.new_figure(2.9) as figure:
        panel = figure.subplots()
        for at, (label, p) in enumerate(list(used.items())[: 2 * figure_style.FEW]):
            y = schedule.slope(t, p["a"], p["b"], p["k"])
            text = f"{figure_style.clip(label)}: k = {p['k']:.3g}, {tangent(p, 'a')} to {tangent(p, 'b')}"
            colour, dash = PALETTE[at % len(PALETTE)], figure_style.DASHES[(at // len(PALETTE)) % 3]
            panel.plot(t, y, color=colour, linestyle=dash, label=text)
            rows.append(pd.DataFrame({"setting": label, "a": p["a"], "b": p["b"], "k": p["k"], "t": t, "s": y}))
        panel.axhline(1.0, color=INK, linewidth=0.8, linestyle=":")
        panel.set_xlabel("training progress t")
        panel.set_ylabel("slope s(t)")
        panel.set_xlim(0, 1)
        figure.legend(*panel.get_legend_handles_labels(), loc="outside lower center", ncols=2)
        return figure_style.render(
            figure,
            name="figure-8-slope",
            title="DSReLU's slope over training",
            caption=(
                "s(t) = a + (b − a)/(1 + exp(−k(t − 0.5))) for the settings in use. Where it crosses the dotted line "
                "(s = 1) the function is the identity and the network nearly linear."
            ),
            data=pd.concat(rows, ignore_index=True),
        )


def tangent(params: Params, name: str) -> str:
    """A parameter with the angle whose tangent it is, where it is one."""
    degrees = params.get(name + DEGREES)
    return f"{params[name]:.3g}" + (f" ({degrees:.4g}°)" if degrees is not None else "")


def slope_table(findings: Findings) -> pd.DataFrame:
    """a, b, k with the angles whose tangents a and b are, where these were given, and the derived s(0), s(1), mean
    slope and the t at which s = 1 (nan where it never is)."""
    rows: list[dict[str, Any]] = []
    for label in findings.labels:
        if catalogue_name(findings, label) != "dsrelu":
            continue
        for params in starts(findings, label) or [{}]:
            p = {**STARTS["dsrelu"], **params}
            t = np.linspace(0, 1, 2001)
            y = schedule.slope(t, p["a"], p["b"], p["k"])
            rows.append(
                {
                    **{"activation": label, "a": p["a"], "b": p["b"], "k": p["k"]},
                    **{f"{name}, °": p[name + DEGREES] for name in ("a", "b") if name + DEGREES in p},
                    "s(0)": float(y[0]),
                    **{"s(1)": float(y[-1]), "mean slope": float(y.mean())},
                    "t where s = 1": schedule.crossing(p["a"], p["b"], p["k"]),
                }
            )
    return pd.DataFrame(rows)


def realised(findings: Findings) -> Plot | None:
    """The slope that DSReLU's runs really had after each epoch; None where no run says."""
    found = schedule.realised(findings.claimed[findings.claimed["run_id"] != ""])
    if found.empty:
        return None
    keys = ["dataset", "activation", "epoch"]
    bands = found.groupby(keys, sort=False)["slope"].agg(["median", "min", "max", "size"]).reset_index()
    with figure_style.new_figure(2.9) as figure:
        panel = figure.subplots()
        lines = bands.groupby(["dataset", "activation"], sort=False)
        for at, ((dataset, label), part) in enumerate(list(lines)[: 2 * figure_style.FEW]):
            colour, dash = PALETTE[at % len(PALETTE)], figure_style.DASHES[(at // len(PALETTE)) % 3]
            panel.fill_between(part["epoch"], part["min"], part["max"], color=colour, alpha=0.15, linewidth=0)
            text = f"{figure_style.clip(str(label))}, {figure_style.clip(str(dataset))}"
            panel.plot(part["epoch"], part["median"], color=colour, linestyle=dash, label=text)
        panel.axhline(1.0, color=INK, linewidth=0.8, linestyle=":")
        panel.set_xlabel("epoch")
        panel.set_ylabel("slope")
        figure.legend(*panel.get_legend_handles_labels(), loc="outside lower center", ncols=2)
        return figure_style.render(
            figure,
            name="figure-8-realised",
            title="The slope that the runs really had",
            caption=(
                f"Median and range over runs after each epoch ({counted(bands['size'].max(), 'run')} at most), as the "
                "reading of training progress in use moved it. Runs that stopped early never saw the rest of "
                "the schedule."
            ),
            data=bands,
        )
