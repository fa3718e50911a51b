"""What a study may still spend: asked before anything is added or submitted."""

from __future__ import annotations

from collections.abc import Sequence

from sweeps.study.study import Study
from trainer.spec import FoldSpec


class Budget:
    """Of a study without a budget, everything is affordable."""

    def __init__(self, study: Study) -> None:
        self._study = study

    def affords(self, folds: Sequence[FoldSpec]) -> bool:
        """Whether these folds could be trained on top of all that was spent and promised before."""
        return self._study.budget is None
