"""Training progress: its readings against the numbers of the DSReLU paper and its authors' logs, and one tensor for all
layers."""

from __future__ import annotations

import copy
import io
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainer.activations.dsrelu import DSReLU
from trainer.activations.progress import READINGS, Progress, progress_at, tie


def tangent(degrees: float) -> float:
    return math.tan(math.radians(degrees))


@pytest.mark.parametrize(
    ("angles", "k", "slopes"),
    [
        ((85, 10), 5, (10.576, 5.803, 1.030)),
        ((75, 30), 5, (3.493, 2.155, 0.817)),
        ((80, 15), 10, (5.635, 2.970, 0.304)),
        ((70, 35), 5, (2.592, 1.724, 0.856)),
    ],
)
def test_slopes_at_start_middle_and_end(angles: tuple[int, int], k: float, slopes: tuple[float, ...]) -> None:
    a, b = (tangent(angle) for angle in angles)
    for t, slope in zip((0.0, 0.5, 1.0), slopes, strict=True):
        module = DSReLU(a=a, b=b, k=k, progress="constant", t=t)
        assert module.slope().item() == pytest.approx(slope, abs=5.1e-4)
        torch.testing.assert_close(module(torch.tensor([2.0, -2.0])), torch.tensor([2 * module.slope().item(), -2.0]))


def test_defaults_are_the_papers() -> None:
    assert DSReLU().slope().item() == pytest.approx(10.576, abs=5e-4)


class Follower(nn.Module):
    """A plug-in that follows progress, and is none of ours."""

    t: Tensor

    def __init__(self, *, progress: str = "epoch") -> None:
        super().__init__()
        self.progress = progress
        self.register_buffer("t", torch.tensor(0.0))

    def forward(self, x: Tensor) -> Tensor:
        return x * (1 + self.t)


def network(reading: str, **params: Any) -> nn.Sequential:
    return nn.Sequential(
        *(DSReLU(progress=reading, **params), nn.Linear(3, 3), DSReLU(progress=reading, **params)),
        nn.Sequential(DSReLU(progress=reading, **params)),
    )


def layers(model: nn.Module) -> list[Any]:
    return [module for module in model.modules() if isinstance(module, DSReLU | Follower)]


def tied(model: nn.Module) -> Progress:
    progress = tie(model)
    assert progress is not None
    return progress


@pytest.mark.parametrize("reading", sorted(set(READINGS) - {"released"}))
def test_all_layers_read_one_tensor(reading: str) -> None:
    model = network(reading)
    progress = tied(model)
    assert all(layer.t is progress.tensor for layer in layers(model))
    assert progress.tensor.shape == ()
    assert progress.tensor.dtype == torch.float32
    assert progress.per_step == (reading in ("step", "epochs"))


def test_a_model_without_progress_has_none_to_tie() -> None:
    assert tie(nn.Sequential(nn.Linear(2, 2), nn.ReLU())) is None


def moved(reading: str, epochs: int, steps: int) -> list[float]:
    """t in every training step of a whole training."""
    progress = tied(network(reading))
    seen = []
    for epoch in range(1, epochs + 1):
        progress.set_epoch(epoch, epochs, steps)
        for step in range(steps):
            progress.set_step(step)
            seen.append(progress.tensor.item())
    return seen


def test_reading_by_epoch() -> None:
    assert moved("epoch", 3, 2) == [0.0, 0.0, 0.5, 0.5, 1.0, 1.0]
    assert moved("epoch", 1, 2) == [0.0, 0.0]


def test_reading_by_step() -> None:
    assert moved("step", 2, 3) == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert moved("step", 1, 1) == [0.0]


def test_reading_by_epochs_done() -> None:
    assert moved("epochs", 3, 2) == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
    model = network("epochs", a=tangent(75), b=tangent(30))
    progress = tied(model)
    progress.set_epoch(3, 50, 625)
    assert model[0].slope().item() == pytest.approx(tangent(30), abs=0.01), "after two epochs the slope is near b"


@pytest.mark.parametrize(("epochs", "batches", "t"), [(44, 625, 0.0704), (91, 1275, 0.0714), (56, 1095, 0.0511)])
def test_reading_as_released_moves_the_stem_alone(epochs: int, batches: int, t: float) -> None:
    """The three runs of the authors' logs."""
    model = network("released", a=tangent(75), b=tangent(30))
    progress = tied(model)
    stem, *blocks = layers(model)
    assert all(block.t is blocks[0].t for block in blocks)
    progress.set_epoch(1, 150, batches)
    assert stem.t.item() == pytest.approx(1 / batches), "the first step of t comes before the first training pass"
    for epoch in range(1, epochs + 1):
        progress.set_epoch(epoch, 150, batches)
        progress.set_step(batches - 1)
    assert stem.t.item() == pytest.approx(t, abs=5e-5)
    assert [block.t.item() for block in blocks] == [0.0] * 2
    assert blocks[0].slope().item() == pytest.approx(3.493, abs=5e-4)
    if batches == 625:
        assert stem.slope().item() == pytest.approx(3.40, abs=5e-3)


def test_constant_stays() -> None:
    model = network("constant", t=0.3)
    progress = tied(model)
    progress.set_epoch(5, 10, 2)
    progress.set_step(1)
    assert model[0].t.item() == pytest.approx(0.3)


def test_t_is_written_from_float64() -> None:
    progress = tied(network("step"))
    progress.set_epoch(2, 7, 11)
    progress.set_step(5)
    assert progress.tensor.item() == torch.tensor(16 / 76, dtype=torch.float64).float().item()


def test_loading_a_state_keeps_the_tie_and_restores_t() -> None:
    model = network("epoch")
    tied(model).set_epoch(4, 11, 2)
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    buffer.seek(0)
    state = torch.load(buffer, weights_only=True)
    assert [name for name in state if name.endswith(".t")] == ["0.t", "2.t", "3.0.t"]

    resumed = network("epoch")
    progress = tied(resumed)
    resumed.load_state_dict(state)
    assert progress.tensor.item() == pytest.approx(0.3)
    progress.set_epoch(5, 11, 2)
    assert [layer.t.item() for layer in layers(resumed)] == pytest.approx([0.4] * 3)
    x = torch.tensor([1.0, -1.0, 2.0])
    assert not torch.equal(resumed[0](x), model[0](x))


def test_a_copy_is_tied_anew_and_keeps_its_t() -> None:
    model = network("epoch")
    tied(model).set_epoch(2, 3, 1)
    twin = copy.deepcopy(model)
    tied(twin).set_epoch(3, 3, 1)
    assert [layer.t.item() for layer in layers(model)] == [0.5] * 3
    assert [layer.t.item() for layer in layers(twin)] == [1.0] * 3


def test_a_model_in_bf16_keeps_t_in_fp32() -> None:
    model = network("epoch").to(torch.bfloat16)
    tied(model).set_epoch(3, 1001, 1)
    assert model[0].t.item() == pytest.approx(0.002, rel=1e-6)


def test_a_plug_in_takes_part() -> None:
    model = nn.Sequential(Follower(), Follower())
    progress = tied(model)
    progress.set_epoch(3, 5, 1)
    assert model(torch.ones(1)).item() == pytest.approx(1.5 * 1.5)


def test_readings_may_not_mix() -> None:
    with pytest.raises(ValueError, match=r"got the readings epoch, step in one model, accepts one for all its layers"):
        tie(nn.Sequential(Follower(), Follower(progress="step")))


def test_an_unknown_reading_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"got reading 'weekly', accepts one of epoch, step, epochs, released, constant"
    ):
        tie(Follower(progress="weekly"))


def test_t_with_axes_is_refused() -> None:
    module = Follower()
    module.t = torch.zeros(2)
    with pytest.raises(ValueError, match=r"got a buffer t of shape \[2\], accepts a 0-d tensor"):
        tie(module)


@pytest.mark.parametrize(("epoch", "step"), [(0, 0), (4, 0), (1, 2), (1, -1)])
def test_a_place_outside_the_training_is_refused(epoch: int, step: int) -> None:
    with pytest.raises(ValueError, match=rf"got epoch {epoch} of 3, step {step} of 2"):
        progress_at("epoch", epoch=epoch, epochs=3, steps=2, step=step)
