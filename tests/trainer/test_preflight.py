"""Models are tried before a study is: what would fail every fold is told at once, and what trains passes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from trainer import preflight
from trainer.datasets.digits import digits
from trainer.datasets.reader import Dataset
from trainer.datasets.validation import validate_dataset
from trainer.rehearsal import Rehearsed
from trainer.spec import ActivationSpec, DataSpec, FoldSpec, ModelSpec, SplitSpec, TrainingSpec

PLUG_INS = """
import torch
from torch import nn

class Raises(nn.Module):
    def forward(self, x):
        raise RuntimeError("my own mistake")

class Narrows(nn.Module):
    def forward(self, x):
        return x[:, :1]

def pixels(*, channels, classes):
    return nn.Sequential(nn.Conv2d(channels, classes, 1), nn.ReLU())
"""


@pytest.fixture
def plug_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "dry_plug_ins.py").write_text(PLUG_INS)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "dry_plug_ins"


def spec(activation: str = "relu", model: str = "tiny_cnn") -> FoldSpec:
    return FoldSpec(
        study="s", study_seed=0, phase="confirm", trial="t", repeat=0, fold=0, task="classification",
        data=DataSpec(name="digits", options={}), split=SplitSpec(), model=ModelSpec(name=model, options={}),
        activation=ActivationSpec(name=activation, params={}), training=TrainingSpec(),
    )  # fmt: skip


def test_what_trains_passes() -> None:
    specs = [spec(name) for name in ("relu", "dsrelu", "apalu", "prelu")]
    assert preflight.problems(specs, None) == []


def test_an_activation_that_raises_or_changes_the_shape_is_named_once(plug_ins: str) -> None:
    raises, narrows = spec(f"{plug_ins}:Raises"), spec(f"{plug_ins}:Narrows")
    again = dataclasses.replace(raises, fold=1)
    first, second = preflight.problems([raises, again, narrows], None)
    assert first == f"{plug_ins}:Raises: my own mistake"
    assert second.startswith(f"{plug_ins}:Narrows: ")


def test_a_model_that_gives_no_logits_is_told_what_is_accepted(plug_ins: str) -> None:
    (problem,) = preflight.problems([spec(model=f"{plug_ins}:pixels")], None)
    assert "gives (2, 10, 8, 8) for 2 items; accepts outputs (2, 10)" in problem


def made(labels: object, **changes: object) -> Dataset:
    plain = digits.load(None, {})
    return dataclasses.replace(plain, labels=np.asarray(labels), **changes)


LABELS = digits.load(None, {}).labels
WRONG = {
    "labels are float64; accepts whole numbers": {"labels": LABELS.astype(float)},
    "items are object; accepts whole numbers or floating point": {"items": digits.load(None, {}).items.astype(object)},
    "items hold NaN or infinite values": {"items": np.full((1797, 1, 8, 8), np.nan, np.float32)},
    "group 'writer' has shape (3,); accepts one of each of the 1797 items": {"groups": {"writer": np.arange(3)}},
    "fixed_heldout has shape (7,); accepts one of each": {"fixed_heldout": np.ones(7, bool)},
}


@pytest.mark.parametrize("words", WRONG)
def test_what_a_reader_of_ones_own_gives_wrong_is_told(words: str) -> None:
    assert words in "; ".join(validate_dataset(made(**{"labels": LABELS, **WRONG[words]})))


def test_a_sound_data_set_has_no_fault() -> None:
    assert validate_dataset(made(LABELS)) == []


def test_repeats_that_would_be_dealt_the_same_items_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = np.arange(1797) % 4
    grouped = made(LABELS, groups={"writer": groups})
    monkeypatch.setattr(type(digits), "load", lambda self, root, options: grouped)
    split = SplitSpec(folds=2, group="writer", validation=0.5)
    specs = [
        dataclasses.replace(spec(), split=split, repeat=repeat, fold=fold) for repeat in range(8) for fold in (0, 1)
    ]
    (problem,) = preflight.problems(specs, None)
    assert "are dealt the same items, so that one would be counted twice" in problem
    assert "with so few groups of 'writer' use fewer repeats or another seed" in problem


def test_a_batch_too_small_for_the_model_is_told() -> None:
    alone = dataclasses.replace(spec(model="resnet18"), training=TrainingSpec(batch=1))
    (problem,) = preflight.problems([alone], None)
    assert "Expected more than 1 value per channel" in problem


def test_each_model_is_built_once_however_many_folds_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []

    def rehearse(spec: FoldSpec, *rest: object, resume: bool) -> Rehearsed:
        built.append(spec.activation.name)
        return Rehearsed([], [])

    monkeypatch.setattr(preflight, "_rehearse", rehearse)
    specs = [dataclasses.replace(spec(name), fold=fold) for name in ("relu", "elu") for fold in range(4)]
    assert preflight.problems(specs, None) == []
    assert built == ["relu", "elu"]
