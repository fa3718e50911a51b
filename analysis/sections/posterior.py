"""The posterior of each difference, and what becomes of it as the region of practical equivalence widens."""

from __future__ import annotations

from analysis import figures
from analysis.blocks import Block, Drawn, Notice, Section
from analysis.findings import Findings


def section(findings: Findings) -> Section:
    blocks: list[Block] = [Drawn(plot) for plot in [*figures.posteriors(findings), *figures.rope_widths(findings)]]
    if not blocks:
        blocks.append(Notice("No difference could be tested, so there is no posterior to draw.", tone="note"))
    return Section(anchor="posterior", title="How sure", blocks=blocks)
