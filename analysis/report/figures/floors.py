"""Lines at what trivial predictors score, in the figures of scores and of differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from analysis.report import figure_style
from analysis.report.amounts import level
from analysis.report.figure_style import PALETTE
from analysis.statistics.floors import Floor

MOST = 3
"""Floors that are drawn, the best first."""
LINE_IN = 0.17
STYLES: tuple[Any, ...] = ((0, (5, 2)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
COLOUR = PALETTE[6]


@dataclass
class Lines:
    """The floors of a figure's panels: one style a predictor, a legend, and what lies too far off to be drawn."""

    floors: Sequence[Floor]
    handles: dict[str, Any] = field(default_factory=dict)
    beyond: dict[str, None] = field(default_factory=dict)

    @classmethod
    def of(cls, found: dict[str, list[Floor]], datasets: Sequence[str]) -> Lines:
        names = dict.fromkeys(floor.predictor for name in datasets for floor in found.get(name, [])[:MOST])
        shown = [floor for name in datasets for floor in found.get(name, []) if floor.predictor in list(names)[:MOST]]
        return cls(shown)

    @property
    def names(self) -> list[str]:
        return list(dict.fromkeys(floor.predictor for floor in self.floors))

    @property
    def height_in(self) -> float:
        """Of the legend, at its most."""
        return LINE_IN * len(self.names) + (0.1 if self.floors else 0.0)

    def widened(self, dataset: str, at: Any, ends: tuple[float, float]) -> tuple[float, float]:
        """The ends of a panel's axis, moved to the floors that lie no further off than the panel is wide; ``at`` gives
        a floor's place."""
        low, high = ends
        span = high - low
        for floor in self.floors:
            place = at(floor)
            if floor.dataset == dataset and low - span <= place <= high + span:
                ends = min(ends[0], place - 0.04 * span), max(ends[1], place + 0.04 * span)
        return ends

    def draw(self, panel: Any, dataset: str, at: Any, ends: tuple[float, float]) -> None:
        """A line at each floor between the ends."""
        for floor in self.floors:
            if floor.dataset != dataset:
                continue
            place, name = at(floor), floor.predictor
            if not ends[0] <= place <= ends[1]:
                self.beyond[f"{name} ({level(floor.value, floor.metric)})"] = None
                continue
            style = STYLES[self.names.index(name) % len(STYLES)]
            line = panel.axvline(place, linestyle=style, color=COLOUR, linewidth=1.1, zorder=1)
            # The value, where it is the same in every panel.
            values = {level(one.value, one.metric) for one in self.floors if one.predictor == name}
            said = f"{name}: {values.pop()}" if len(values) == 1 else name
            self.handles[figure_style.clip(said, 46)] = line

    @property
    def caption(self) -> str:
        """What the lines are, for a caption; empty without floors."""
        parts = ["broken lines: predictors without a network"] if self.handles else []
        parts += [f"off the scale: {', '.join(self.beyond)}"] if self.beyond else []
        return "".join(f"; {part}" for part in parts)
