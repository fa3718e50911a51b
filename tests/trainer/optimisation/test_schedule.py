"""Learning rates over epochs and steps, against formulas written down here and against Keras' counting."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from torch import nn

from trainer.optimisation import optimizer
from trainer.optimisation.facts import SCHEDULES
from trainer.optimisation.schedule import Schedule
from trainer.part_options import filled
from trainer.spec import ActivationSpec, ModelSpec, ScheduleSpec, TrainingSpec


def scheduled(name: str, epochs: int, *, lr: float = 1.0, **options: object) -> tuple[Schedule, torch.optim.Optimizer]:
    spec = ScheduleSpec(name=name, options=filled(name, options, SCHEDULES[name]))
    training = TrainingSpec(epochs=epochs, optimizer="sgd", lr=lr, schedule=spec)
    moved = optimizer.make(training, [nn.Parameter(torch.zeros(2))], nn.Identity())
    return Schedule(moved, training, epochs), moved


def rates(name: str, epochs: int, steps: int = 4, losses: Sequence[float] = (), **options: object) -> list[list[float]]:
    schedule, moved = scheduled(name, epochs, **options)
    found = []
    for epoch in range(1, epochs + 1):
        schedule.begin_epoch(epoch, steps)
        inside = []
        for step in range(steps):
            schedule.set_step(step)
            inside.append(moved.param_groups[0]["lr"])
        found.append(inside)
        loss = losses[epoch - 1] if losses else 0.0
        schedule.end_epoch({"train/loss": loss, "validation/loss": loss})
    return found


def test_without_a_schedule_the_rate_stays() -> None:
    assert rates("none", 3) == [[1.0] * 4] * 3


def test_cosine_goes_from_the_rate_to_the_floor() -> None:
    found = [inside[0] for inside in rates("cosine", 10, floor=0.1)]
    assert found == pytest.approx([0.1 + 0.9 * (1 + math.cos(math.pi * done / 10)) / 2 for done in range(10)])


def test_multistep_falls_after_its_milestones_in_epochs_or_shares() -> None:
    expected = [1.0] * 2 + [0.2] * 3 + [0.04]
    for milestones in ([2, 5], "2,5"):
        found = [inside[0] for inside in rates("multistep", 6, milestones=milestones, gamma=0.2)]
        assert found == pytest.approx(expected)
    shares = [inside[0] for inside in rates("multistep", 10, milestones=[0.5], gamma=0.1)]
    assert shares == pytest.approx([1.0] * 5 + [0.1] * 5)


def test_a_warm_up_rises_step_by_step_and_then_is_over() -> None:
    flat = [rate for inside in rates("none", 3, steps=4, warmup=1.5) for rate in inside]
    assert flat == pytest.approx([min((step + 1) / 6, 1.0) for step in range(12)])


def test_one_cycle_is_torchs() -> None:
    epochs, steps = 5, 6
    moved = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    torchs = torch.optim.lr_scheduler.OneCycleLR(moved, 1.0, total_steps=epochs * steps, cycle_momentum=False)
    expected = []
    for _ in range(epochs * steps):
        expected.append(moved.param_groups[0]["lr"])
        moved.step()
        torchs.step()
    flat = [rate for inside in rates("one_cycle", epochs, steps) for rate in inside]
    assert flat == pytest.approx(expected)


def keras(
    losses: Sequence[float], *, factor: float, patience: int, cooldown: int, delta: float, floor: float
) -> list[float]:
    """Rates of each epoch by Keras' ReduceLROnPlateau, written down from its documentation."""
    rate, best, wait, rest, found = 1.0, math.inf, 0, 0, []
    for loss in losses:
        found.append(rate)
        if rest > 0:
            rest, wait = rest - 1, 0
        if loss < best - delta:
            best, wait = loss, 0
        elif rest == 0:
            wait += 1
            if wait >= patience:
                rate, rest, wait = max(rate * factor, floor), cooldown, 0
    return found


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("cooldown", [0, 1, 3])
@pytest.mark.parametrize("patience", [1, 2, 4])
def test_a_plateau_counts_as_keras_does(seed: int, cooldown: int, patience: int) -> None:
    losses = torch.rand(40, generator=torch.Generator().manual_seed(seed)).tolist()
    options = {"factor": 0.5, "patience": patience, "cooldown": cooldown, "floor": 1e-3}
    found = rates("plateau", 40, 1, losses, watch="train", min_delta=0.01, **options)
    assert [inside[0] for inside in found] == pytest.approx(keras(losses, delta=0.01, **options))  # type: ignore[arg-type]


def test_decay_moves_what_it_is_for() -> None:
    from trainer.models.build import build

    model = build(
        ModelSpec(name="tiny_cnn"),
        ActivationSpec(name="apalu"),
        outputs=3,
        input_shape=(1, 8, 8),
        generator_seed=1,
    )
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    own = {name for name in names.values() if "raw" in name}
    flat = {name for name, parameter in model.named_parameters() if parameter.ndim < 2}
    assert own
    for decay, spared in (("all", set()), ("no_activation", own), ("weights_only", own | flat)):
        training = TrainingSpec(weight_decay=0.1, decay=decay)
        groups = optimizer.make(training, list(model.parameters()), model).param_groups
        still = {names[id(one)] for group in groups if group["weight_decay"] == 0 for one in group["params"]}
        moved = {names[id(one)] for group in groups if group["weight_decay"] > 0 for one in group["params"]}
        assert (still, moved) == (spared, set(names.values()) - spared)


def test_gradients_are_clipped_together() -> None:
    weights = [nn.Parameter(torch.zeros(3)), nn.Parameter(torch.zeros(4))]
    training = TrainingSpec(optimizer="sgd", lr=1.0, momentum=0.0, clip_norm=2.0)
    moved = optimizer.make(training, weights, nn.Identity())
    for weight in weights:
        weight.grad = torch.full_like(weight, 10.0)
    optimizer.clip(training, moved)
    assert float(torch.cat([weight.grad for weight in weights]).norm()) == pytest.approx(2.0, rel=1e-5)
