"""Which epoch's weights each checkpoint rule picks, and when training has gone on long enough."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from trainer.checkpoint import copied
from trainer.tasks.description import LAST, RULE_PREFIX, Description
from trainer.tasks.metric import LOSS

Weights = dict[str, Any]
"""A model's state by name: tensors, and what its modules' ``get_extra_state`` gives."""


@dataclass(frozen=True, kw_only=True)
class Best:
    epoch: int
    score: float
    """Signed, so that more is better."""
    weights: Weights


class Selection:
    """The best weights so far by each rule. Only a strict improvement counts, so that ties go to the earliest epoch;
    two rules that pick the same epoch share one copy."""

    def __init__(self, scores: Mapping[str, int]) -> None:
        """``scores``: metric -> the sign that makes more of it better; its rule is ``validation_<metric>``."""
        self.scores = scores
        self.best: dict[str, Best] = {}

    def see(self, epoch: int, metrics: Mapping[str, float], weights: Weights) -> None:
        """Looks at the weights of a validated epoch; copies them where a rule prefers them."""
        copy: Weights | None = None
        for name, sign in self.scores.items():
            rule, score = RULE_PREFIX + name, sign * metrics[f"validation/{name}"]
            score = -math.inf if math.isnan(score) else score  # an area under no curve: any number is better
            if rule not in self.best or score > self.best[rule].score:
                copy = copy or copied(dict(weights))
                self.best[rule] = Best(epoch=epoch, score=score, weights=copy)

    def idle_epochs(self, epoch: int) -> int:
        """Epochs since the validation loss last fell."""
        best = self.best.get(RULE_PREFIX + LOSS)
        return epoch - best.epoch if best else 0

    def epochs(self, last: int) -> dict[str, int]:
        """Rule -> the epoch it picks after ``last`` epochs."""
        return {**{rule: best.epoch for rule, best in self.best.items()}, LAST: last}

    def weights(self, epoch: int) -> Weights | None:
        """The kept copy of an epoch's weights, if there is one."""
        return next((best.weights for best in self.best.values() if best.epoch == epoch), None)

    def state(self, last: int) -> dict[str, Any]:
        """Plain form for a checkpoint of epoch ``last``; what equals that epoch's own weights is not stored again."""
        rules = {rule: {"epoch": best.epoch, "score": best.score} for rule, best in self.best.items()}
        kept = {str(best.epoch): best.weights for best in self.best.values() if best.epoch != last}
        return {"rules": rules, "weights": kept}

    def restore(self, state: Mapping[str, Any], last: int, current: Weights) -> None:
        """The inverse of :meth:`state`. ``current``: the weights of epoch ``last``, on the device to keep copies on."""
        copies: dict[int, Weights] = {}
        for rule in (RULE_PREFIX + name for name in self.scores):
            if rule not in state["rules"]:
                continue
            epoch, score = state["rules"][rule]["epoch"], state["rules"][rule]["score"]
            if epoch not in copies:
                source = current if epoch == last else state["weights"][str(epoch)]
                copies[epoch] = {name: copied(source[name], _device(current[name])) for name in current}
            self.best[rule] = Best(epoch=epoch, score=score, weights=copies[epoch])


def _device(value: object) -> torch.device | None:
    return value.device if isinstance(value, torch.Tensor) else None


def scores(task: Description, declared: str) -> dict[str, int]:
    """What a fold's :class:`Selection` looks at: :meth:`Description.tracked` metrics and their signs."""
    names = (rule.removeprefix(RULE_PREFIX) for rule in task.tracked(declared) if rule != LAST)
    return {name: task.metric(name).sign for name in names}


def diverged(metrics: Mapping[str, float]) -> str | None:
    """The loss that is not finite, in words; None while all is well."""
    for name in ("train/loss", "validation/loss"):
        if name in metrics and not math.isfinite(metrics[name]):
            return f"{name} is {metrics[name]}"
    return None
