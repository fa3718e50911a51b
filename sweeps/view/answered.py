"""What a report said of one of its studies, for the study's folder and its view in MLflow."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeps.folder.reported import Said

if TYPE_CHECKING:
    from analysis.runs.load import Study

CALLED = {"better": "better than", "worse": "worse than", "equivalent": "equivalent to"}
"""A verdict's word, before the control's name; any other stands alone."""


def said(folder: Path, studies: Sequence[Study], page: Path) -> Said | None:
    """``studies``: those of the report whose ``page`` is there. None where the folder's is not one of them."""
    from analysis.runs.plan import from_json
    from analysis.runs.schema import PLAN_ARTIFACT

    plan = from_json((folder / PLAN_ARTIFACT).read_text(encoding="utf-8", errors="replace"))
    mine = [study for study in studies if study.folder == folder or study.plan == plan]
    answer = json.loads((page.parent / "numbers.json").read_text(encoding="utf-8")).get("answer")
    if not mine or answer is None:
        return None
    return Said(
        answer=answer["sentence"],
        warnings=tuple(answer["warnings"]),
        studies=tuple(study.plan.study for study in studies),
        verdicts=_verdicts(mine[0], answer["comparisons"]),
    )


def _verdicts(study: Study, comparisons: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """By the trial that the claims rest on. Where several reported studies have one data set, the report calls it by
    the study's name, too."""
    from analysis.statistics.claims import claimed

    rows = claimed(study.cube, study.plan)
    trials = dict(zip(rows["activation"], rows["trial"], strict=True))
    called = {name for data in set(rows["dataset"]) for name in (data, f"{data} ({study.plan.study})")}
    found = {trials.get(study.plan.declaration.control, ""): "control"}
    for one in comparisons:
        if one["dataset"] in called and one["control"] == study.plan.declaration.control:
            found[trials.get(one["activation"], "")] = words(one)
    return {trial: text for trial, text in found.items() if trial}


def words(comparison: Mapping[str, Any]) -> str:
    """As ``better than relu: +0.0123 (95 % interval 0.004 to 0.0206)``. Positive: better than the control."""
    word, control = comparison["word"], comparison["control"]
    text = f"{CALLED[word]} {control}" if word in CALLED else f"{word}, against {control}"
    if comparison["difference"] is None:
        return text
    text += f": {comparison['difference']:+.3g}"
    if comparison["low"] is None or comparison["high"] is None:
        return text
    return f"{text} ({100 * comparison['level']:.3g} % interval {comparison['low']:.3g} to {comparison['high']:.3g})"
