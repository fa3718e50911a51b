"""What a section of a report is made of; how it looks is the templates' business."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from analysis.report.figure_style import Plot
from analysis.report.tables import Table


@dataclass(frozen=True)
class Text:
    text: str
    kind: Literal["text"] = "text"


@dataclass(frozen=True)
class Notice:
    """A sentence that must not be missed."""

    text: str
    tone: Literal["note", "warn"] = "warn"
    kind: Literal["notice"] = "notice"


@dataclass(frozen=True)
class Facts:
    """Terms and what they are."""

    facts: Sequence[tuple[str, str]]
    kind: Literal["facts"] = "facts"


@dataclass(frozen=True)
class Listing:
    items: Sequence[str]
    kind: Literal["listing"] = "listing"


@dataclass(frozen=True)
class Tabled:
    table: Table
    kind: Literal["table"] = "table"


@dataclass(frozen=True)
class Drawn:
    plot: Plot
    kind: Literal["plot"] = "plot"


@dataclass(frozen=True, kw_only=True)
class Screen:
    """The first thing that is read: question, answer, what changes its reading, one figure or two, and a few facts."""

    question: str
    answer: Sequence[str]
    """Sentences."""
    warnings: Sequence[str]
    plots: Sequence[Plot]
    facts: Sequence[tuple[str, Sequence[str]]]
    """Terms and the sentences about each."""
    record: Mapping[str, object]
    """The answer as plain values, for ``numbers.json``."""
    kind: Literal["screen"] = "screen"


@dataclass(frozen=True)
class Pasted:
    """Text to copy as it stands; also a file of that name beside the page."""

    name: str
    title: str
    text: str
    kind: Literal["pasted"] = "pasted"


Block = Text | Notice | Facts | Listing | Tabled | Drawn | Screen | Pasted


@dataclass(frozen=True, kw_only=True)
class Section:
    anchor: str
    title: str
    blocks: list[Block] = field(default_factory=list)
    methods: Sequence[str] = ()
    """How its numbers are made, a sentence or two each: stands once, under "How to read this"."""
    record: Mapping[str, object] = field(default_factory=dict)
    """Plain values for ``numbers.json``, by key."""

    @property
    def opening(self) -> bool:
        """Is the first screen, which is never folded."""
        return any(isinstance(block, Screen) for block in self.blocks)

    def tables(self) -> list[Table]:
        return [block.table for block in self.blocks if isinstance(block, Tabled)]

    def plots(self) -> list[Plot]:
        drawn = [block.plot for block in self.blocks if isinstance(block, Drawn)]
        return [plot for block in self.blocks if isinstance(block, Screen) for plot in block.plots] + drawn

    def pasted(self) -> list[Pasted]:
        return [block for block in self.blocks if isinstance(block, Pasted)]
