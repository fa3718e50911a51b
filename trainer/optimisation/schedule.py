"""The learning rate over the epochs and steps of one stage.

All but the plateau are functions of epoch and step alone, so that nothing of theirs has to survive an interruption. The
plateau is torch's own, told to count as Keras does; its state is in the checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from trainer.optimisation import facts
from trainer.spec import TrainingSpec


class Schedule:
    """Sets the learning rate of ``optimizer`` before each step of a stage of ``epochs`` epochs."""

    def __init__(self, optimizer: torch.optim.Optimizer, training: TrainingSpec, epochs: int) -> None:
        declared = training.schedule
        self._optimizer, self._base, self._epochs = optimizer, training.lr, epochs
        self._name = declared.name
        self._options: dict[str, Any] = dict(declared.options)
        self._warmup = float(self._options.get("warmup", 0.0))
        self._plateau = self._make_plateau() if self._name == "plateau" else None
        self._epoch, self._steps = 1, 1

    @property
    def told(self) -> float | None:
        """The learning rate as it is now, where this moves it."""
        moves = self._name != "none" or self._warmup > 0
        return float(self._optimizer.param_groups[0]["lr"]) if moves else None

    def begin_epoch(self, epoch: int, steps: int) -> None:
        """Before the ``steps`` steps of an epoch of the stage (counted from 1)."""
        self._epoch, self._steps = max(epoch, 1), steps
        self.set_step(0)

    def set_step(self, step: int) -> None:
        """Before a step of the epoch (counted from 0)."""
        if (rate := self._rate(step)) is not None:
            for group in self._optimizer.param_groups:
                group["lr"] = rate

    def end_epoch(self, metrics: Mapping[str, float]) -> None:
        """Told what was measured after an epoch, as ``part/metric``."""
        loss = metrics.get(f"{self._options.get('watch')}/loss")
        if self._plateau is not None and loss is not None and self._epoch >= self._warmup:
            self._plateau.step(loss)

    def state(self) -> dict[str, Any]:
        """Plain values."""
        return {} if self._plateau is None else self._plateau.state_dict()

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of :meth:`state`; the optimiser restores the rate itself."""
        if self._plateau is not None:
            self._plateau.load_state_dict(state)

    def _rate(self, step: int) -> float | None:
        """The rate for a step; None where it stays as it is."""
        done = (self._epoch - 1) * self._steps + step
        if self._name == "one_cycle":
            return self._one_cycle(done)
        warming = self._warmup * self._steps
        rising = min((done + 1) / warming, 1.0) if warming else 1.0
        if self._plateau is not None:
            # Once it has risen, the rate is the plateau's to change.
            return self._base * rising if done + 1 <= warming + 1 and warming else None
        return self._of_epoch() * rising

    def _of_epoch(self) -> float:
        if self._name == "cosine":
            floor = float(self._options["floor"])
            done = max(self._epoch - 1 - self._warmup, 0.0) / max(self._epochs - self._warmup, 1e-9)
            return floor + (self._base - floor) * (1 + math.cos(math.pi * done)) / 2
        if self._name == "multistep":
            passed = facts.milestones(self._options["milestones"], self._epochs)
            return self._base * float(self._options["gamma"]) ** sum(self._epoch > end for end in passed)
        return self._base

    def _one_cycle(self, done: int) -> float:
        """Cosine up and cosine down, as Smith's policy is commonly read (arXiv 1708.07120; torch's OneCycleLR)."""
        total = self._epochs * self._steps
        low = self._base / self._options["start"]
        top, end = self._options["rise"] * total - 1, total - 1
        if done <= top:
            return _between(low, self._base, done / top if top > 0 else 1.0)
        return _between(self._base, low / self._options["end"], (done - top) / max(end - top, 1e-9))

    def _make_plateau(self) -> ReduceLROnPlateau:
        """Keras acts in the epoch in which it has waited ``patience`` times, and counts the last epoch of a rest; torch
        acts one later, and does not."""
        return ReduceLROnPlateau(
            self._optimizer,
            factor=self._options["factor"],
            patience=self._options["patience"] - 1,
            threshold=self._options["min_delta"],
            threshold_mode="abs",
            cooldown=max(self._options["cooldown"] - 1, 0),
            min_lr=self._options["floor"],
            eps=0.0,
        )


def _between(first: float, last: float, share: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * min(share, 1.0))) / 2
