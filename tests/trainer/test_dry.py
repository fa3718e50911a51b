"""Models are tried before a study is: what would fail every fold is told at once, and what trains passes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from trainer import dry
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
    assert dry.problems(specs, None) == []


def test_an_activation_that_raises_or_changes_the_shape_is_named_once(plug_ins: str) -> None:
    raises, narrows = spec(f"{plug_ins}:Raises"), spec(f"{plug_ins}:Narrows")
    again = dataclasses.replace(raises, fold=1)
    first, second = dry.problems([raises, again, narrows], None)
    assert first == f"{plug_ins}:Raises: my own mistake"
    assert second.startswith(f"{plug_ins}:Narrows: ")


def test_a_model_that_gives_no_logits_is_told_what_is_accepted(plug_ins: str) -> None:
    (problem,) = dry.problems([spec(model=f"{plug_ins}:pixels")], None)
    assert "gives (2, 10, 8, 8) for 2 items; accepts logits (2, 10)" in problem
