"""What becomes of the probabilities as the zone of practical equivalence widens, and the test of equivalence."""

from __future__ import annotations

import pandas as pd

from analysis.report.blocks import Block, Drawn, Section, Tabled
from analysis.report.figures import comparisons
from analysis.report.findings import Findings
from analysis.report.tables import Table


def section(findings: Findings) -> Section | None:
    blocks: list[Block] = [Drawn(plot) for plot in comparisons.rope_widths(findings)]
    tested = equivalence(findings)
    if tested is not None:
        blocks.append(Tabled(tested))
    return Section(anchor="posterior", title="How sure", blocks=blocks) if blocks else None


def equivalence(findings: Findings) -> Table | None:
    """The two one-sided tests; None where there is no width to test against."""
    tested = [found for found in findings.verdicts if "p_equivalence" in found.extras]
    if not tested:
        return None
    frame = pd.DataFrame(
        [
            {
                **{"dataset": found.dataset, "activation": found.activation, "control": found.control},
                "rope": float(found.extras["rope"]),
                "p_equivalence": float(found.extras["p_equivalence"]),
                "p_equivalence_adjusted": float(found.extras["p_equivalence_adjusted"]),
                "n": found.n,
            }
            for found in tested
        ]
    )
    return Table(
        name="table-4-equivalence",
        title="Practical equivalence",
        caption=(
            "A low p speaks for a difference within ± the half-width: the larger p of two one-sided corrected "
            f"resampled t tests over n paired {findings.unit}s, then {findings.corrected.replace('after', 'by')}."
        ),
        frame=frame,
        formats={"rope": ".4g", "p_equivalence": "p", "p_equivalence_adjusted": "p", "n": "d"},
        heads={
            "dataset": "data set",
            "rope": "half-width",
            "p_equivalence": "p (equivalence)",
            "p_equivalence_adjusted": "p (looks)" if findings.looks else "p (Holm)",
        },
        fold=len(frame) > 15,
    )
