"""A reader of the user's own: what it does wrong is told by name, before anything is trained."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweeps.driver import preflight
from sweeps.errors import StudyError
from sweeps.study.reading import load
from trainer import preflight as trying

READERS = """
import numpy as np
from trainer.datasets.reader import Dataset

class Mine:
    def __init__(self, **changed):
        self.changed = changed
    def load(self, root, options):
        if self.changed.get("raises"):
            raise KeyError("train.csv")
        if self.changed.get("gives"):
            return {}
        made = dict(name="mine", items=np.zeros((90, 1, 6, 6), "float32"), labels=np.arange(90) % 3,
                    classes=("a", "b", "c"), mean=(0.0,), std=(1.0,), digest="0" * 64)
        return Dataset(**(made | self.changed))

good, raises, gives, no_reader = Mine(), Mine(raises=True), Mine(gives=True), 7
labels, short = Mine(labels=np.arange(90) % 5), Mine(labels=np.arange(80) % 3)
flat, mean = Mine(items=np.zeros((90, 36), "float32")), Mine(mean=(0.0, 0.0, 0.0))
"""


@pytest.fixture
def own_readers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``READERS`` as a module of the user's, here and for the process that tries it."""
    (tmp_path / "own_readers.py").write_text(READERS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)


@pytest.fixture
def tried_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that tries a study is this one: its program is given the same text, and its answer is read from what
    it prints."""

    def ask(module: str, question: object, failed: object) -> Any:
        assert module == trying.__name__
        monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(question)))
        with contextlib.redirect_stdout(io.StringIO()) as said:
            trying.main()
        return json.loads(said.getvalue().splitlines()[-1])

    monkeypatch.setattr(preflight, "ask", ask)


@pytest.mark.usefixtures("own_readers", "tried_here")
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Mine", "got the class Mine; accepts an object"),
        ("no_reader", "got a int; accepts an object"),
        ("raises", "its load raises KeyError: 'train.csv'"),
        ("gives", "load gives dict; accepts a trainer.datasets.reader.Dataset"),
        ("labels", "labels are 0 to 4; accepts 0 to 2"),
        ("short", r"labels have shape \(80,\); accepts one of each of the 90 items"),
        ("flat", r"items have shape \(90, 36\); accepts \[n, channels, height, width\]"),
        ("mean", "mean and std have 3 and 1 numbers; accepts 1"),
    ],
)
def test_a_reader_that_gives_no_data_set_is_told_what_is_accepted(name: str, told: str) -> None:
    study = load(f"name: mine\ndata: {{name: 'own_readers:{name}'}}\nmodel: tiny_cnn\nactivations: [relu, lelu]\n")
    with pytest.raises(StudyError, match=f"data set 'own_readers:{name}': {told}"):
        preflight.check(study)


@pytest.mark.usefixtures("own_readers")
def test_a_good_one_is_ready() -> None:
    study = load("name: mine\ndata: {name: 'own_readers:good'}\nmodel: tiny_cnn\nactivations: [relu, lelu]\n")
    assert preflight.check(study)[:2] == ([], "2 places, 2 applications of relu")


def test_what_a_data_set_has_to_say_of_its_files_comes_back(tmp_path: Path) -> None:
    rows = np.c_[np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2]
    rows[6] = rows[4]
    np.savetxt(tmp_path / "mine.csv", rows, delimiter=",", header="a,b,c,label", comments="")
    study = load(
        f"name: mine\nroot: {tmp_path}\ndata: {{name: table, path: mine.csv, target: label}}\nmodel: tiny_cnn\n"
        "activations: [relu]\nfolds: {folds: 2}\n"
    )
    assert any("row 5 = row 7" in remark for remark in preflight.check(study).remarks)


def test_its_cost_is_said_before(tmp_path: Path) -> None:
    """Both ends of a space, and for what is the user's own a checkpoint."""
    shipped = load("name: mine\ndata: {name: digits}\nmodel: tiny_cnn\nactivations: [relu, tanh]\n")
    assert preflight.cost(shipped) == (
        "before a run: 2 settings tried with one training step on real items; about 6 s for a ResNet-34 at 32x32 on "
        "one core, and the time to read the data"
    )
    text = "name: mine\ndata: {name: digits}\nmodel: resnet34\nsearch: {samples: 2}\nactivations:\n  - relu\n"
    own = [f"  - {{activation: 'lab:A{i}', label: a{i}, space: {{s: {{uniform: [0, 1]}}}}}}\n" for i in range(30)]
    said = preflight.cost(load(text + "".join(own), check_files=False))
    assert "61 settings tried" in said
    assert "30 activations again after a checkpoint; about 46 s for" in said


def test_a_study_that_wants_gpus_is_refused_where_a_partition_gives_none(tmp_path: Path) -> None:
    lab = tmp_path / "lab.yaml"
    lab.write_text("executor: slurm\ntime: 60\npartitions: [{name: gpu}, {name: cpu, gpus_per_pack: 0}]\n")
    text = "name: mine\ndata: digits\nmodel: tiny_cnn\nactivations: [relu, lelu]\n"
    text += "cluster: {profile: PROFILE, device: cuda}\n"
    with pytest.raises(
        StudyError, match=r"cluster.device: got cuda, and profile lab gives packs no GPU in partition cpu"
    ):
        preflight.check(load(text.replace("PROFILE", str(lab))))
