"""A task of more than one stage: each with an optimiser of its own, resumed anywhere to the same bits."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from trainer import journal
from trainer.datasets.reader import Dataset
from trainer.preflight import problems
from trainer.spec import DataSpec, FoldSpec, ModelSpec, SplitSpec, TrainingSpec
from trainer.tasks.metric import Metric
from trainer.tasks.task import Task
from trainer.tasks.view import Place, Stage, View


class CodeAndBack(nn.Module):
    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(features, width), nn.ReLU())
        self.decoder = nn.Linear(width, features)


def code_and_back(*, input_shape: tuple[int, ...], width: int = 5) -> nn.Module:
    return CodeAndBack(input_shape[-1], width)


class Distance(Task):
    """Codes rows, then draws their codes to the centre that they had after the first stage."""

    metrics = (
        Metric(name="loss", better="lower", low=0.0),
        Metric(name="spread", better="lower", low=0.0, heldout_only=True),
    )
    primary = "spread"

    centre: Tensor

    def __init__(self, dataset: Dataset, *, first: int = 2, shifted: float = 0.0, width: int = 5) -> None:
        super().__init__(dataset)
        self.first, self.width = first, width
        self.register_buffer("centre", torch.zeros(width))

    @classmethod
    def derived(cls, dataset: Dataset, place: Place, **options: object) -> Dataset:
        shift = cls.chosen(options)["shifted"]
        return dataclasses.replace(dataset, items=dataset.items + shift, digest=f"{shift:g}".rjust(64, "0"))

    @property
    def outputs(self) -> int:
        return self.width

    def stages(self, training: TrainingSpec) -> tuple[Stage, ...]:
        slow = dataclasses.replace(training, lr=training.lr / 10)
        return (
            Stage(name="coding", epochs=self.first, training=training),
            Stage(name="drawing", epochs=training.epochs - self.first, training=slow),
        )

    def trained(self, model: nn.Module) -> list[nn.Parameter]:
        return list((model if self.stage == "coding" else model.encoder).parameters())

    def begin_stage(self, view: View) -> None:
        if self.stage == "drawing":
            self.centre.copy_(view.outputs("train").mean(dim=0))

    def forward(self, model: nn.Module, inputs: Tensor) -> Tensor:
        code: Tensor = model.encoder(inputs)
        return model.decoder(code) - inputs.flatten(1) if self.stage == "coding" else code

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs if self.stage == "coding" else outputs - self.centre).pow(2).sum(dim=1).mean()

    def measure(self, outputs: Tensor, targets: Tensor, part: str) -> dict[str, float]:
        loss = float(self.loss(outputs, targets))
        return {"loss": loss, "spread": loss**0.5} if part == "heldout" else {"loss": loss}

    def floors(self, view: View) -> dict[str, dict[str, float]]:
        mean = view.part("train").inputs().mean(dim=0)
        return {"mean row": {"loss": float((view.part("heldout").inputs() - mean).pow(2).mean())}}

    def outcome(self, view: View) -> dict[str, float]:
        doubled = view.outputs_of(2 * view.part("heldout").stored())
        return {"doubled": float(doubled.norm())}

    def remarks(self) -> dict[str, str]:
        return {"spread": "told of the outcome"}


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lab", sys.modules[__name__])


@pytest.fixture
def staged(small: Callable[..., FoldSpec]) -> Callable[..., FoldSpec]:
    def make(options: dict[str, object] | None = None, **changes: object) -> FoldSpec:
        given = {"epochs": 5, "batch": 32, "checkpoint_rule": "last"} | changes
        return small(
            task="lab:Distance",
            task_options=options or {},
            data=DataSpec(name="wine"),
            split=SplitSpec(folds=3, validation=0.0, stratify=False),
            model=ModelSpec(name="lab:code_and_back"),
            **given,
        )

    return make


def numbers(history: journal.FoldHistory) -> object:
    assert history.end is not None
    return [(one.epoch, one.stage, one.metrics) for one in history.epochs], history.end.outcomes, history.start.floors


def test_epochs_are_numbered_through_and_name_their_stage(staged, packed, history_of) -> None:
    history = history_of(packed(staged()))
    assert [one.stage for one in history.epochs] == ["coding"] * 2 + ["drawing"] * 3
    assert [one.epoch for one in history.epochs] == [1, 2, 3, 4, 5]


def test_floors_outcome_and_remarks_are_written_down(staged, packed, history_of) -> None:
    history = history_of(packed(staged()))
    assert set(history.start.floors) == {"mean row"}
    assert history.end.remarks == {"spread": "told of the outcome"}
    assert {"heldout/spread", "heldout/doubled"} <= history.end.outcomes["last"].metrics.keys()


@pytest.mark.parametrize("epoch", [1, 2, 3, 4])
def test_a_signal_in_either_stage_or_between_them_costs_no_digit(
    staged, packed, left_after, history_of, epoch: int
) -> None:
    calm = history_of(packed(staged(), where="calm"))
    pack = packed(staged())
    left_after(pack, epoch)
    history = history_of(pack)
    assert history.start.resumed_epoch == epoch
    assert numbers(history) == numbers(calm)


def test_a_stage_without_epochs_is_left_out(staged, packed, history_of) -> None:
    history = history_of(packed(staged({"first": 0})))
    assert {one.stage for one in history.epochs} == {"drawing"}


def test_stages_that_are_not_the_training_are_refused_before_it(staged) -> None:
    (words,) = problems([staged({"first": 9})], None)
    assert "(coding 9, drawing -4)" in words
    assert "accepts stages that come to training.epochs, 5" in words


def test_both_stages_are_rehearsed(staged, monkeypatch) -> None:
    assert problems([staged()], None) == []
    monkeypatch.setattr(Distance, "begin_stage", lambda self, view: self.centre.add_(float("nan")))
    assert problems([staged()], None) != []


def test_an_option_that_a_task_does_not_take_is_refused_with_the_nearest(staged) -> None:
    (words,) = problems([staged({"frist": 2})], None)
    assert "unknown option 'frist', accepts first, shifted, width; did you mean 'first'?" in words


def test_folds_train_on_what_the_task_makes_of_the_data(staged, packed, history_of) -> None:
    plain, shifted = (history_of(packed(staged({"shifted": shift}), where=f"{shift}")) for shift in (0.0, 3.0))
    assert plain.start.data_digest != shifted.start.data_digest
    assert plain.start.split_hash != shifted.start.split_hash
    assert plain.start.digest != shifted.start.digest
