"""How every figure looks and is rendered: one style, a colour-blind-safe palette, vector and raster files whose bytes
are the same for the same input, and an inline form that follows the page's light or dark colours.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.runs.metric import Metric

WIDTH_IN = 7.2
PER_FIGURE = 3
"""Data sets side by side in one figure."""
FEW = 8
"""As many activations as lines of one panel can be told apart."""

INK, MUTED, FAINT = "#010101", "#767676", "#d8d8d8"
# Okabe and Ito's colours; the page has lighter ones for its dark scheme under the same variables.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#7f7f00")
VARIABLES = {INK: "currentColor", MUTED: "var(--muted)", FAINT: "var(--faint)"} | {
    colour: f"var(--c{number})" for number, colour in enumerate(PALETTE, start=1)
}
MARKERS = ("o", "s", "^")
DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1)))

STYLE: dict[str, Any] = {
    "svg.hashsalt": "actsweep",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.4,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "figure.constrained_layout.use": True,
    "path.simplify": True,
}


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A drawn figure with the numbers behind it."""

    name: str
    """File name without its ending."""
    title: str
    caption: str
    """Says n, the test and the correction, where there are any."""
    svg: str
    png: bytes
    data: pd.DataFrame

    @property
    def half(self) -> bool:
        """Whether two of it stand beside each other."""
        return float(self.svg.split('viewBox="0 0 ', 1)[1].split(" ", 1)[0]) < 0.6 * 72 * WIDTH_IN

    @property
    def inline(self) -> str:
        """The SVG for a page: colours as CSS variables, identifiers of its own, no fixed size."""
        text = self.svg[self.svg.index("<svg") :]
        for colour, variable in VARIABLES.items():
            text = text.replace(colour, variable)
        text = re.sub(r'\bid="([^"]+)"', rf'id="{self.name}-\1"', text)
        text = re.sub(r'href="#([^"]+)"', rf'href="#{self.name}-\1"', text)
        text = re.sub(r"url\(#([^)]+)\)", rf"url(#{self.name}-\1)", text)
        text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
        head, rest = text.split(">", 1)
        head = re.sub(r' (?:width|height)="[^"]*"', "", head)
        return f'{head} role="img" aria-label="{_attribute(self.title)}">{rest}'

    def _repr_html_(self) -> str:
        """As a notebook shows it: readable on light and dark."""
        image = base64.b64encode(self.svg.replace(INK, "#000000").encode()).decode()
        style = "background: white; max-width: 100%"
        return f'<img alt="{_attribute(self.title)}" style="{style}" src="data:image/svg+xml;base64,{image}">'

    def save(self, folder: Path) -> None:
        (folder / f"{self.name}.svg").write_text(self.svg.replace(INK, "#000000"), encoding="utf-8")
        (folder / f"{self.name}.png").write_bytes(self.png)
        self.data.to_csv(folder / f"{self.name}.csv", index=False, lineterminator="\n")


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


@contextmanager
def new_figure(height_in: float, width_in: float = WIDTH_IN) -> Iterator[Figure]:
    """A figure in the house's style; draw and :func:`render` it inside the block."""
    with mpl.rc_context(STYLE):
        yield Figure(figsize=(width_in, height_in))


def render(figure: Figure, *, name: str, title: str, caption: str, data: pd.DataFrame) -> Plot:
    vector, raster = io.BytesIO(), io.BytesIO()
    engine = figure.get_layout_engine()
    if engine is not None:
        # Once, and then off: each file would lay the figure out anew.
        engine.execute(figure)
        figure.set_layout_engine("none")
    figure.savefig(vector, format="svg", metadata={"Date": None, "Creator": None})
    figure.savefig(raster, format="png", dpi=120, facecolor="white", metadata={"Software": None})
    return Plot(
        name=name, title=title, caption=caption, svg=vector.getvalue().decode(), png=raster.getvalue(), data=data
    )


def columns(
    figure: Figure, titles: Sequence[str], *, ratios: Sequence[float] | None = None, rows: int = 1, sharey: bool = True
) -> Any:
    """Panels side by side that share their rows; an array (rows, len(titles))."""
    panels = figure.subplots(rows, len(titles), sharey=sharey, squeeze=False, height_ratios=ratios)
    for panel, title in zip(panels[0], titles, strict=True):
        panel.set_title(clip(title, 72 // len(titles)), loc="left")
    for panel in panels.flat:
        panel.xaxis.set_major_locator(MaxNLocator(3 if len(titles) > 2 else 6))
    return panels


def label_rows(panel: Any, labels: Sequence[str], *, longest: int = 24) -> None:
    """Labels on the rows of a panel, the first on top; short ones, so that they never eat the figure."""
    panel.set_yticks(np.arange(len(labels)), [clip(label, longest) for label in labels])
    panel.set_ylim(len(labels) - 0.4, -0.6)
    panel.grid(axis="y", visible=False)
    panel.tick_params(axis="y", length=0, pad=7)  # room for the triangles of what lies off the scale


def clip(text: str, longest: int = 24) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def row_height(rows: int) -> float:
    """Inches for a panel of labelled rows."""
    return 1.0 + 0.24 * max(rows, 2)


def groups(datasets: Sequence[str]) -> list[list[str]]:
    """Data sets, as many together as one figure carries."""
    return [list(datasets[at : at + PER_FIGURE]) for at in range(0, len(datasets), PER_FIGURE)]


def colours(labels: Sequence[str], control: str) -> dict[str, str]:
    """A colour a label: the control in ink, the rest through the palette."""
    rest = [label for label in labels if label != control]
    return {control: INK} | {label: PALETTE[at % len(PALETTE)] for at, label in enumerate(rest)}


def dashes(labels: Sequence[str], control: str) -> dict[str, Any]:
    rest = [label for label in labels if label != control]
    return {control: "-"} | {label: DASHES[(at // len(PALETTE)) % len(DASHES)] for at, label in enumerate(rest)}


def limits(values: Any, *, least: float | None = None, most: float | None = None) -> tuple[float, float]:
    """Ends of an axis that shows the bulk of the values: all of them, unless some lie three ranges of the middle half
    away, as diverged runs do. It stops at the ``least`` and ``most`` that a value can be."""
    array = np.asarray(values, dtype=float).ravel()
    array = array[np.isfinite(array)]
    if not len(array):
        return 0.0, 1.0
    low, high = np.quantile(array, [0.25, 0.75])
    reach = 3 * max(high - low, 1e-9)
    kept = array[(array >= low - reach) & (array <= high + reach)]
    first, last = float(kept.min()), float(kept.max())
    pad = 0.06 * (last - first) or 0.01 * max(abs(first), 1e-3)
    low, high = first - pad, last + pad
    return low if least is None else max(low, least), high if most is None else min(high, most)


def stop_at_bounds(panel: Any, metric: Metric, axis: Literal["x", "y"] = "y") -> None:
    """Cuts an axis of a metric's values where the metric ends."""
    low, high = panel.get_xlim() if axis == "x" else panel.get_ylim()
    low = low if metric.low is None else max(low, metric.low)
    high = high if metric.high is None else min(high, metric.high)
    (panel.set_xlim if axis == "x" else panel.set_ylim)(low, high)


def mark_off_scale(panel: Any, values: Any, rows: Any, ends: tuple[float, float], *, form: str = "{:.3g}") -> bool:
    """Marks values off the scale by triangles at its ends, with the farthest value of each row beside it, written by
    ``form``; whether there were any."""
    array, place = np.asarray(values, dtype=float), np.asarray(rows, dtype=float)
    found = False
    for end, marker, outside, far in (
        (ends[0], "<", array < ends[0], np.min),
        (ends[1], ">", array > ends[1], np.max),
    ):
        if not outside.any():
            continue
        found = True
        where = place[outside]
        panel.scatter(np.full(len(where), end), where, s=26, marker=marker, color=PALETTE[1], clip_on=False, zorder=5)
        for row in np.unique(np.floor(where + 0.5)):
            mine = outside & (np.floor(place + 0.5) == row)
            said = form.format(far(array[mine])).replace("-", "−")
            side = "left" if marker == "<" else "right"
            panel.annotate(
                said,
                (end, float(place[mine].mean())),
                xytext=(5 if marker == "<" else -5, 1),
                textcoords="offset points",
                **{"ha": side, "va": "bottom", "fontsize": 7, "color": INK, "zorder": 6},
            )
    panel.set_xlim(*ends)
    return found


OFF_SCALE = " A triangle at an edge, with its value, lies beyond the scale."
