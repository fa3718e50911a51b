"""A suite's budget: one cap for all of its studies, of which each has a share of its own from the beginning.

Each study keeps its share as it keeps a budget of its own, so that the sum is never passed, whoever drives them and
whatever is killed. The shares are in proportion to the training steps that each plans at most; they are equal where
that is not known of one of them. What a study leaves is not given to another: a share that grew with what others
happened to leave would hang on the order in which they ran.
"""

from __future__ import annotations

from collections.abc import Mapping

from sweeps.study import planner
from sweeps.study.sections import Budget
from sweeps.study.study import Study
from sweeps.suite.suite import Suite
from sweeps.view import preview, progress


def shared(budget: Budget | None, studies: Mapping[str, Study]) -> dict[str, Study]:
    """The studies, each with its share; as they are where the suite has no budget."""
    if budget is None:
        return dict(studies)
    weights = _weights(studies)
    return {
        member: study.model_copy(
            update={"budget": budget.model_copy(update={"gpu_hours": budget.gpu_hours * weights[member]})}
        )
        for member, study in studies.items()
    }


def words(suite: Suite) -> list[str]:
    """What each study may use; empty where there is no budget."""
    if suite.budget is None:
        return []
    how = "by the training steps that each plans" if _known(suite.studies) else "equally, as not all sizes are known"
    each = ", ".join(
        f"{member} {study.budget.gpu_hours:.3g}" for member, study in suite.studies.items() if study.budget is not None
    )
    return [f"budget: {suite.budget.gpu_hours:g} GPU-hours for all, shared {how}: {each}"]


def _weights(studies: Mapping[str, Study]) -> dict[str, float]:
    """Shares of one."""
    steps = _known(studies) or dict.fromkeys(studies, 1.0)
    whole = sum(steps.values())
    return {member: count / whole for member, count in steps.items()}


def _known(studies: Mapping[str, Study]) -> dict[str, float] | None:
    """Training steps that each study plans at most; None where the size of a data set is not known."""
    found: dict[str, float] = {}
    for member, study in studies.items():
        items = preview.items_of(study.data.name, study.data.options)
        if items is None:
            return None
        found[member] = sum(
            size.epochs * max(1.0, items * planner.trained_share(study, phase) / study.training.batch)
            for phase, size in progress.sizes(study).items()
        )
    return found
