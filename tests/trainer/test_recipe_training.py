"""Folds with a schedule, augmentation, clipping and an initialisation: paired, resumed to the bit, and right by eye."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from trainer.augmentation.apply import Augmentation
from trainer.augmentation.facts import AUGMENTATIONS
from trainer.datasets.reader import Dataset
from trainer.inputs import Inputs
from trainer.models.initialisation import GAINS, even_out, initialise, own_gain
from trainer.models.placement import factory
from trainer.optimisation.facts import SCHEDULES
from trainer.part_options import filled
from trainer.preflight import problems
from trainer.spec import ActivationSpec, AugmentSpec, FoldSpec, ScheduleSpec, SplitSpec

CPU = torch.device("cpu")


def augment(*names: str, **options: object) -> tuple[AugmentSpec, ...]:
    return tuple(AugmentSpec(name=name, options=filled(name, options, AUGMENTATIONS[name].options)) for name in names)


def scheduled(name: str, **options: object) -> ScheduleSpec:
    return ScheduleSpec(name=name, options=filled(name, options, SCHEDULES[name]))


RECIPE = {
    "augment": augment("crop", "rotate", "colour", "cutout", "mixup"),
    "clip_norm": 0.5,
    "label_smoothing": 0.1,
    "init": "he_normal",
    "init_gain": "own",
}
SCHEDULED = [
    scheduled("plateau", watch="train", patience=1, min_delta=1.0),
    scheduled("cosine"),
    scheduled("one_cycle"),
]


def images(count: int = 12, channels: int = 3, dtype: type = np.uint8) -> Dataset:
    generator = np.random.default_rng(5)
    items = generator.integers(1, 255, (count, channels, 8, 10)).astype(dtype)
    return Dataset(
        name="noise",
        items=items,
        labels=np.arange(count) % 2,
        classes=("a", "b"),
        mean=(0.3,) * channels,
        std=(0.5,) * channels,
        digest="0" * 64,
    )


def augmentation(specs: tuple[AugmentSpec, ...], data: Dataset, epoch: int = 1, fold: int = 0) -> Augmentation:
    made = Augmentation(specs, data, Inputs(data))
    count = len(data.items)
    made.begin_epoch(count, [(0, count // 2), (count // 2, count)], CPU, 0, fold, epoch, study_seed=3)
    return made


@pytest.mark.parametrize("schedule", SCHEDULED, ids=lambda schedule: schedule.name)
def test_a_resumed_fold_has_the_same_rates_draws_and_numbers(
    small, packed, left_after, history_of, schedule: ScheduleSpec
) -> None:
    spec: FoldSpec = small(epochs=4, schedule=schedule, **RECIPE)
    calm = history_of(packed(spec, where="calm"))
    pack = packed(spec)
    left_after(pack, 2)
    resumed = history_of(pack)
    assert resumed.start.resumed_epoch == 2
    told = [(one.metrics, one.learning_rate) for one in calm.epochs]
    assert [(one.metrics, one.learning_rate) for one in resumed.epochs] == told
    assert resumed.end.outcomes == calm.end.outcomes
    assert len({rate for _, rate in told}) > 1


@pytest.mark.slow
def test_a_fold_that_is_killed_has_the_same_rates_draws_and_numbers(small, packed, killed_after, history_of) -> None:
    spec: FoldSpec = small(epochs=4, schedule=SCHEDULED[0], **RECIPE)
    calm = history_of(packed(spec, where="calm"))
    pack = packed(spec)
    killed_after(pack, 2)
    resumed = history_of(pack)
    assert resumed.start.resumed_epoch in (1, 2)
    told = [(one.metrics, one.learning_rate) for one in calm.epochs]
    assert [(one.metrics, one.learning_rate) for one in resumed.epochs] == told
    assert resumed.end.outcomes == calm.end.outcomes


@pytest.mark.parametrize(
    "names", [("crop", "flip"), ("rotate", "translate", "colour"), ("cutout", "mixup"), ("cutmix",)]
)
def test_draws_are_of_seed_repeat_fold_and_epoch_alone(names: tuple[str, ...]) -> None:
    data = images()
    items = torch.from_numpy(data.items)

    def made(epoch: int = 1, fold: int = 0) -> torch.Tensor:
        drawn = augmentation(augment(*names), data, epoch, fold)
        stored = drawn.stored(items[:6], 0, 6)
        return drawn.standardised(Inputs(data)(stored, torch.float32), 0, 6)[0]

    assert torch.equal(made(), made())
    assert not torch.equal(made(), made(epoch=2))
    assert not torch.equal(made(), made(fold=1))


def test_crop_moves_whole_images_and_fills_with_0_as_stored() -> None:
    data = images()
    items = torch.from_numpy(data.items)
    drawn = augmentation(augment("crop", padding=2), data)
    moved = drawn.stored(items, 0, len(items))
    (draws,) = drawn._draws
    for one, (down, right) in enumerate(zip(draws["down"].tolist(), draws["right"].tolist(), strict=True)):
        wide = torch.nn.functional.pad(items[one], (2, 2, 2, 2))
        assert torch.equal(moved[one], wide[:, 2 + down : 10 + down, 2 + right : 12 + right])


def test_flips_are_of_about_half_the_items() -> None:
    data = images(400)
    drawn = augmentation(augment("flip"), data)
    turned = drawn.stored(torch.from_numpy(data.items), 0, 400)
    same = (turned == torch.from_numpy(data.items)).flatten(1).all(dim=1)
    back = (turned.flip(3) == torch.from_numpy(data.items)).flatten(1).all(dim=1)
    assert bool((same | back).all())
    assert 0.35 < float(back.float().mean()) < 0.65


def test_turning_by_nothing_and_colouring_by_nothing_leave_images_as_they_are() -> None:
    data = images()
    items = Inputs(data)(torch.from_numpy(data.items), torch.float32)
    drawn = augmentation(augment("rotate", "colour"), data)
    for draws in drawn._draws:
        for name in draws:
            draws[name] = torch.zeros_like(draws[name]) if name == "angle" else torch.ones_like(draws[name])
    torch.testing.assert_close(drawn.standardised(items, 0, 12)[0], items, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_items_and_losses_are_mixed_by_the_same_share(name: str) -> None:
    data = images()
    drawn = augmentation(augment(name), data)
    flat = torch.zeros(6, 3, 8, 10)
    flat += torch.arange(6.0)[:, None, None, None]
    mixed, blend = drawn.standardised(flat, 0, 6)
    expected = blend.share * torch.arange(6.0) + (1 - blend.share) * torch.arange(6.0)[blend.partner]
    torch.testing.assert_close(mixed.mean(dim=(1, 2, 3)), expected)


def test_what_is_not_meant_for_such_items_is_refused_before_anything_is_trained(small) -> None:
    from trainer.spec import DataSpec, ModelSpec

    spec = small(data=DataSpec(name="wine"), model=ModelSpec(name="mlp"), augment=augment("flip"))
    (words,) = problems([spec], None)
    assert "flip is for items of kind image, and these are of kind table; accepts noise, mixup" in words
    (words,) = problems([small(augment=augment("crop", padding=9))], None)
    assert "crop.padding is 9, and the items are 8x8; accepts at most 8" in words


@pytest.mark.parametrize(("name", "gain"), [("relu", math.sqrt(2)), ("tanh", 1.5925), ("selu", 1.0)])
def test_the_own_gain_is_what_the_literature_has(name: str, gain: float) -> None:
    assert own_gain(factory(ActivationSpec(name=name))(1, 1)) == pytest.approx(gain, abs=2e-3)


@pytest.mark.parametrize("scheme", GAINS)
def test_draws_of_two_activations_differ_by_their_gain_alone(scheme: str) -> None:
    def made(name: str) -> tuple[torch.Tensor, float]:
        layer = nn.Linear(40, 30)
        make = lambda: factory(ActivationSpec(name=name))(1, 1)  # noqa: E731
        initialise(layer, scheme, "own", make, input_shape=(1, 1, 40), vocabulary=None, seed=4)  # type: ignore[arg-type]
        return layer.weight.detach(), own_gain(make())

    (one, gain), (other, other_gain) = made("relu"), made("tanh")
    torch.testing.assert_close(one / gain, other / other_gain)


@pytest.mark.parametrize(
    ("scheme", "sd"),
    [
        ("he_normal", math.sqrt(2 / 300)),
        ("he_uniform", math.sqrt(2 / 300)),
        ("glorot_normal", math.sqrt(2 / 500)),
        ("glorot_uniform", math.sqrt(2 / 500)),
    ],
)
def test_a_scheme_has_its_standard_deviation(scheme: str, sd: float) -> None:
    layer = nn.Linear(300, 200)
    initialise(layer, scheme, "scheme", nn.ReLU, input_shape=(1, 1, 300), vocabulary=None, seed=1)  # type: ignore[arg-type]
    assert float(layer.weight.detach().std()) == pytest.approx(sd, rel=0.02)
    assert not layer.bias.any()


def test_measured_gains_give_every_layer_outputs_of_one_spread() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        model = nn.Sequential(nn.Linear(50, 400), nn.Softplus(), nn.Linear(400, 300), nn.Tanh(), nn.Linear(300, 20))
        even_out(model, (50,), None)
        x = torch.randn(500, 50)
    for layer in model:
        x = layer(x)
        if isinstance(layer, nn.Linear):
            assert float(x.detach().std()) == pytest.approx(1.0, abs=0.15)


def test_label_smoothing_is_refused_where_there_are_no_classes(small) -> None:
    from trainer.spec import DataSpec, ModelSpec

    spec = small(
        task="regression",
        data=DataSpec(name="diabetes", options={"target": "quantity"}),
        model=ModelSpec(name="mlp"),
        split=SplitSpec(stratify=False),
        label_smoothing=0.1,
    )
    (words,) = problems([spec], None)
    assert "training.label_smoothing: got 0.1; accepts 0 with a task that has no classes" in words


def test_evaluation_is_never_augmented(small, packed, history_of) -> None:
    plain = history_of(packed(small(epochs=1, lr=1e-30), where="plain"))
    changed = history_of(packed(small(epochs=1, lr=1e-30, augment=augment("flip", "cutout", "mixup"))))
    heldout = [history.end.outcomes["last"].metrics["heldout/loss"] for history in (plain, changed)]
    assert heldout[0] == pytest.approx(heldout[1], rel=0.2)
    assert plain.epochs[0].metrics["train/loss"] != changed.epochs[0].metrics["train/loss"]
