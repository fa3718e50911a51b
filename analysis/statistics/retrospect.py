"""What repeating until decided would have trained of a study that has all of its repeats.

To try the rule on a pilot, or on simulated studies, before declaring it.
"""

from __future__ import annotations

import dataclasses
import math

import pandas as pd

from analysis.errors import DeclarationError
from analysis.runs.load import Study
from analysis.statistics import claims, sequential, units
from analysis.statistics.sequential import Looks


def until_decided(study: Study, *, first: int = 2) -> Study:
    """The study as it would be with its repeats for the most and ``first`` at the beginning: its plan with the
    boundaries, and the runs that the rule asks for. Raises :class:`~analysis.errors.DeclarationError` where ``first``
    is more than it has."""
    most = len(study.plan.repeats)
    if not 1 <= first <= most:
        raise DeclarationError(f"first {first}: accepts 1 to {most}, the repeats that the study has")
    rows = claims.claimed(study.cube, study.plan)
    ratio = units.overlap(rows, units.unit_of(rows)).ratio
    looks = Looks(study.plan.folds, round(ratio, 6) if math.isfinite(ratio) else 0.0, first, most)
    declared = study.plan.declaration
    rule = sequential.boundaries(
        looks, labels=len(study.plan.activations), family=declared.family, alpha=declared.alpha
    )
    plan = dataclasses.replace(study.plan, until_decided=rule)
    has = dict.fromkeys(plan.activations, first)
    while True:
        kept = _trained(rows, has, plan.repeats)
        course = claims.followed(kept, plan)
        asked = {label for pair in course.open for label in pair if has[label] < most}
        if not asked:
            break
        has |= {label: has[label] + 1 for label in asked}
    others = study.cube[study.cube["phase"] != plan.claims_phase]
    cube = pd.concat([others, kept]).sort_index().reset_index(drop=True)
    curves = study.curves[study.curves["run_id"].isin(set(cube["run_id"]))].reset_index(drop=True)
    return dataclasses.replace(study, cube=cube, curves=curves, plan=plan)


def _trained(rows: pd.DataFrame, has: dict[str, int], repeats: tuple[int, ...]) -> pd.DataFrame:
    place = rows["repeat"].map({repeat: at for at, repeat in enumerate(repeats)})
    return rows[place < rows["activation"].map(has)]
