"""What trivial predictors score on the same held-out parts, and which activations beat them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from analysis.report import floors
from analysis.report.amounts import level, listed
from analysis.report.blocks import Block, Section, Tabled, Text
from analysis.report.findings import Findings
from analysis.report.tables import Table, decimals
from analysis.runs.wording import counted
from analysis.statistics import floors as statistic
from analysis.statistics.floors import Floor, Standing

NAMED = 3
METHODS = (
    "A floor is what a predictor without a network scores on the same held-out parts, learned on the same training "
    "parts. An activation beats it where the corrected interval of their difference lies above 0; nothing is claimed "
    "of it, and no family is corrected for it.",
)


def unbeaten(findings: Findings) -> str:
    """What no activation beats, in one sentence for the first screen; empty where each floor is beaten by some."""
    several = len(findings.datasets) > 1
    said = []
    for dataset, found in floors.primary(findings).items():
        high = statistic.unbeaten(found)
        if not high:
            continue
        surely = [floor for floor in high if not floor.of(Standing.OPEN)]
        rest = [floor for floor in high if floor not in surely]
        where = f"On {dataset} no" if several else "No"
        means = "" if all(floor.by_interval for floor in high) else ", on average"
        parts = [f"{where} activation beats {either(surely)}"] if surely else []
        head = "none" if surely else f"{where} activation"
        parts += [f"{head} is shown to beat {either(rest)}"] if rest else []
        said.append(f"{'; '.join(parts)}{means}.")
    if len(said) > 2:
        sets = [dataset for dataset, found in floors.primary(findings).items() if statistic.unbeaten(found)]
        return f"No activation beats its best trivial predictor on {listed(sets, NAMED)}."
    return " ".join(said)


def either(found: Sequence[Floor]) -> str:
    names = [f"{floor.predictor} ({of(floor)})" for floor in found]
    shown, more = names[:NAMED], len(names) - NAMED
    shown += [f"{more} more"] if more > 0 else []
    return " or ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))


def of(floor: Floor) -> str:
    return f"{floor.metric.name} {level(floor.value, floor.metric)}"


def facts(findings: Findings) -> list[str]:
    """Of each data set the best floor, and who beats it."""
    several = len(floors.primary(findings)) > 1
    lines = [(f"{name}: " if several else "") + stands(found[0]) for name, found in floors.primary(findings).items()]
    more = len(lines) - NAMED
    return [*lines[:NAMED], *([f"{counted(more, 'more data set')} under Floors."] if more > 0 else [])]


def stands(floor: Floor) -> str:
    beaten, scored = floor.beaten_by, [one for one in floor.against if math.isfinite(one.estimate)]
    by = "" if floor.by_interval else " on average"
    if not beaten:
        who = "by none" if not floor.of(Standing.OPEN) else "by none for sure"
    elif len(beaten) == len(scored):
        who = "by all"
    else:
        who = f"by {len(beaten)} of {len(scored)} ({listed(beaten, NAMED)})"
    return f"{floor.predictor}, {of(floor)}: beaten {who}{by}."


def section(findings: Findings) -> Section | None:
    found = floors.every(findings)
    if not found:
        return None
    blocks: list[Block] = [*([Text(text)] if (text := unbeaten(findings)) else []), Tabled(table(found, findings.unit))]
    return Section(
        anchor="floors",
        title="Floors",
        blocks=blocks,
        methods=METHODS,
        record={"floors": [record(floor) for floor in found]},
    )


def record(floor: Floor) -> dict[str, object]:
    return {
        **{"dataset": floor.dataset, "metric": floor.metric.name, "predictor": floor.predictor, "n": floor.n},
        "value": floor.value if math.isfinite(floor.value) else None,
        "beaten_by": floor.beaten_by,
        "not_told_from": floor.of(Standing.OPEN),
        "by_interval": floor.by_interval,
    }


def table(found: Sequence[Floor], unit: str) -> Table:
    rows = []
    for floor in found:
        best = floor.best
        low, high = (best.interval if best else None) or (math.nan, math.nan)
        rows.append(
            {
                **{"dataset": floor.dataset, "metric": floor.metric.label, "predictor": floor.predictor},
                "value": floor.value,
                "best": best.activation if best else "",
                "difference": best.estimate if best else math.nan,
                **{"low": low, "high": high, "n": floor.n},
                "beaten_by": listed(floor.beaten_by, 6) or "none",
                "open": listed(floor.of(Standing.OPEN), 6),
            }
        )
    frame = pd.DataFrame(rows)
    digits = max(3, decimals(frame["value"]))
    level_said = f"{100 * found[0].against[0].level:g} %" if found[0].against else "95 %"
    return Table(
        name="table-2-floors",
        main=True,
        title="Against trivial predictors",
        caption=(
            f"What a predictor without a network scores, mean over n {unit}s; the activation that is furthest ahead of "
            "it (positive is better) with the corrected interval of that difference. Beaten: the interval lies above "
            "0; undecided: it holds 0. No test."
        ),
        frame=frame,
        formats={"value": f".{digits}f", **dict.fromkeys(("difference", "low", "high"), f"+.{digits}f"), "n": "d"},
        heads={
            **{"dataset": "data set", "value": "scores", "best": "furthest ahead", "low": f"{level_said} from"},
            **{"high": "to", "beaten_by": "beaten by", "open": "undecided"},
        },
        marked={(row, "beaten_by"): "worse" for row, text in enumerate(frame["beaten_by"]) if text == "none"},
        fold=len(frame) > 40,
    )
