"""The activations' parameters: their shapes, DSReLU's slope over training, and what was found of searched knobs."""

from __future__ import annotations

from analysis import shapes
from analysis.blocks import Block, Drawn, Notice, Section, Tabled
from analysis.findings import Findings
from analysis.tables import Table


def section(findings: Findings) -> Section:
    plots = (shapes.slopes(findings), shapes.curves(findings))
    blocks: list[Block] = [Drawn(plot) for plot in plots if plot is not None]
    slopes = shapes.slope_table(findings)
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
                )
            )
        )
    return Section(anchor="knobs", title="Shapes and knobs", blocks=blocks or [Notice("No known shapes.", tone="note")])
