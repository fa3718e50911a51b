"""Deep SVDD: what it says of itself, what it refuses, and folds that are killed."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from trainer import entry, journal, preflight
from trainer.codec import to_text
from trainer.datasets.digits import digits
from trainer.errors import DataError
from trainer.spec import ActivationSpec, DataSpec, Launch, ModelSpec, Pack, SplitSpec
from trainer.tasks import task as tasks
from trainer.tasks.description import describe
from trainer.tasks.one_class import facts, shortcuts
from trainer.tasks.one_class.task import OneClass

# -- what it says of itself --------------------------------------------------------------------------------------------


def test_a_network_that_gives_one_answer_is_noticed(one_class, trained):
    learner = trained(one_class())
    assert learner.task.remarks() == {}
    with torch.no_grad():
        for parameter in learner.model.encoder.parameters():
            parameter.mul_(1e-6)
    learner.evaluate("heldout")
    assert "collapsed" in learner.task.remarks()["spread"]


def test_a_fold_that_ends_in_the_first_stage_says_why_it_ranks_nothing(one_class, trained):
    learner = trained(one_class(), epochs=1)
    found = learner.evaluate("heldout")
    assert np.isnan(found["auroc"])
    assert learner.task.remarks()["auroc"] == "stopped before there was a centre"
    assert learner.outcome() == {}


@pytest.mark.parametrize(
    ("activation", "model", "words"),
    [
        ("relu", "svdd_lenet", []),
        ("apalu", "svdd_lenet", []),
        ("prelu", "svdd_lenet", []),
        ("softplus", "svdd_lenet", ["Softplus gives 0.69 at 0"]),
        ("sigmoid", "svdd_lenet", ["Sigmoid gives 0.5 at 0"]),
        (f"{__name__}:Shifted", "svdd_lenet", ["Shifted gives 0.25 at 0"]),
        ("relu", "mlp", ["the model has biases (1.bias, 4.bias, 7.bias)"]),
    ],
)
def test_what_lets_a_network_give_one_answer_is_said_beforehand(one_class, activation, model, words, monkeypatch):
    monkeypatch.setitem(sys.modules, __name__, _Here())
    options = {"normal": 3} if model == "mlp" else {"normal": 3, "autoencoder_epochs": 1}
    given = ModelSpec(name=model, options={"dropout": 0.1} if model == "mlp" else {})
    made = one_class(activation=ActivationSpec(name=activation), model=given, options=options)
    told = made.fitted().cautions()
    assert len(told) == len(words)
    assert all(word in sentence for word, sentence in zip(words, told, strict=True))


class Shifted(torch.nn.Module):
    def forward(self, x):
        return torch.relu(x) + 0.25


class _Here:
    """This file as a module: pytest imports it under no name that an import path could give."""

    def __getattr__(self, name):
        return globals()[name]


def test_preflight_passes_cautions_on(one_class, thirds, monkeypatch):
    monkeypatch.setattr(preflight, "_stored", lambda spec, root: thirds)
    specs = [
        dataclasses.replace(one_class(activation=ActivationSpec(name=name)).spec, fold=0)
        for name in ("relu", "softplus", "sigmoid")
    ]
    found = preflight.tried(specs, None)
    assert found.problems == []
    assert [remark.split(" gives")[0] for remark in found.remarks[-2:]] == [
        "task one_class: Softplus",
        "task one_class: Sigmoid",
    ]


# -- bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"options": {"normal": 11}}, r"normal is 11; accepts the name of one of its 10 classes \(0, 1, "),
        ({"options": {"normal": "three"}}, r"normal is 'three'; accepts"),
        ({"options": {}}, r"not said which class is normal; accepts task: \{name: one_class, normal: 0\}"),
        ({"split": SplitSpec(scheme="cases", folds=10, validation=0.0)}, r"knows 1 cases \(3\) for 10 folds"),
        ({"split": SplitSpec(scheme="cases", folds=9, validation=0.0), "options": {}}, r"10 cases .* for 9 folds"),
        ({"split": SplitSpec(folds=300)}, r"class '\d' has \d+ items for 300 folds"),
        ({"options": {"normal": 1, "autoencoder_epochs": 5}}, r"autoencoder_epochs is 5 of training.epochs 5"),
        ({"model": ModelSpec(name="mlp")}, r"the model has no decoder for an autoencoder"),
        ({"options": {"normal": 1, "embedding": 3}, "model": ModelSpec(name="tiny_cnn")}, None),
    ],
)
def test_what_cannot_be_trained_is_told_once_before_it_is(one_class, thirds, monkeypatch, changes, words):
    monkeypatch.setattr(preflight, "_stored", lambda spec, root: thirds)
    specs = [one_class(activation=ActivationSpec(name=name), **changes).spec for name in ("relu", "elu", "tanh")]
    found = preflight.problems(specs, None)
    if words is None:
        assert found == []
        return
    (problem,) = found
    assert re.search(words, problem)


def test_data_without_two_classes_are_refused(thirds):
    with pytest.raises(DataError, match="has no labels; one class is told from others by them"):
        tasks.fitting("one_class", {"normal": 1}, dataclasses.replace(thirds, labels=None, classes=()))
    one = dataclasses.replace(thirds, labels=np.zeros_like(thirds.labels), classes=("a",))
    with pytest.raises(DataError, match="has the class 'a' alone"):
        tasks.fitting("one_class", {"normal": 0}, one)


def test_a_heldout_part_without_normal_items_is_refused(one_class, thirds):
    without = dataclasses.replace(thirds, fixed_heldout=thirds.fixed_heldout & (thirds.labels != 3))
    with pytest.raises(DataError, match="no items of the normal class 3,"):
        one_class(dataset=without).learner()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"normal": True}, "normal: got True, accepts a class's name or its number"),
        ({"normal": 1.5}, "normal: got 1.5"),
        ({"autoencoder_epochs": -1}, "autoencoder_epochs: got -1"),
        ({"autoencoder_epochs": False}, "autoencoder_epochs: got False"),
        ({"embedding": 0}, "task one_class: embedding: got 0"),
        ({"nromal": 3}, "unknown option 'nromal', accepts normal, .*; did you mean normal?"),
        ({"autoencoder_lr": 0.1}, "none without autoencoder_epochs"),
        ({"autoencoder_epochs": 2, "autoencoder_lr": 0}, "autoencoder_lr: got 0"),
        ({"autoencoder_epochs": 2, "autoencoder_weight_decay": -1.0}, "autoencoder_weight_decay: got -1.0"),
    ],
)
def test_options_are_read_strictly(options, words):
    with pytest.raises(ValueError, match=words):
        describe("one_class", options)


def test_what_is_read_without_torch_is_what_the_task_takes():
    taken = {name for name, item in inspect.signature(OneClass).parameters.items() if item.kind is item.KEYWORD_ONLY}
    assert set(facts.OPTIONS) == taken
    code = (
        "import sys, trainer.testing, trainer.tasks.one_class.facts\n"
        "assert not {'torch', 'sklearn', 'scipy'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-P", "-c", code], check=True)


def test_an_own_model_whose_outputs_or_decoder_do_not_fit_is_refused(one_class, monkeypatch, trained):
    monkeypatch.setitem(sys.modules, __name__, _Here())
    with pytest.raises(ValueError, match=r"decoder gives \(1, 4, 4\), accepts the shape of an item, \(1, 8, 8\)"):
        trained(one_class(model=ModelSpec(name=f"{__name__}:Small")), epochs=1)
    with pytest.raises(ValueError, match=r"gives \(7,\) numbers an item, accepts the embedding's \(32,\)"):
        one_class(model=ModelSpec(name=f"{__name__}:Small"), options={"normal": 1}).fitted()


class Small(torch.nn.Module):
    """Neither its embedding nor what its decoder makes has the right size."""

    def __init__(self, *, channels, outputs):
        super().__init__()
        self.encode = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.LazyLinear(7), torch.nn.ReLU())
        self.encode(torch.zeros(2, channels, 8, 8))
        self.decoder = torch.nn.Sequential(torch.nn.Linear(7, 16), torch.nn.Unflatten(1, (1, 4, 4)))

    def forward(self, x):
        return self.encode(x)


# -- killed and resumed ------------------------------------------------------------------------------------------------


def resolved(folder):
    history = journal.read_fold(Path(folder))
    return (
        [(record.epoch, record.stage, record.metrics, record.activation) for record in history.epochs],
        history.end.outcomes,
        history.end.remarks,
        history.start.floors,
        history.start.case,
    )


@pytest.mark.slow
@pytest.mark.parametrize("epoch", [1, 2, 4], ids=["in stage 1", "at the border", "in stage 2"])
def test_a_fold_that_is_killed_ends_as_one_that_was_not(one_class, tmp_path, killed_after, epoch):
    whole = digits.load(None, {})
    thirds = {"x": whole.items[:, 0], "y": whole.labels, "held": np.arange(len(whole.items)) % 3 == 0}
    np.savez(tmp_path / "digits.npz", **thirds)
    names = {"path": "digits.npz", "items": "x", "labels": "y", "heldout": "held"}
    spec = dataclasses.replace(
        one_class(options={"autoencoder_epochs": 2}, split=SplitSpec(scheme="cases", folds=10, validation=0.0)).spec,
        data=DataSpec(name="arrays", options=names),
        fold=7,
        activation=ActivationSpec(name="apalu"),
    )

    def pack(where):
        launch = Launch(spec=spec, folder=str(tmp_path / where))
        return Pack(launches=(launch,), data_root=str(tmp_path), device="cpu")

    entry.run(to_text(pack("calm")))
    killed_after(pack("killed"), epoch)
    result = json.loads(entry.run(to_text(pack("killed"))))
    assert list(result["folds"].values()) == ["finished"]
    assert journal.read_fold(tmp_path / "killed").start.resumed_epoch == epoch
    assert resolved(tmp_path / "killed") == resolved(tmp_path / "calm")
    kept = [np.load(max((tmp_path / where).glob("attempt-*")) / "predictions.npz") for where in ("calm", "killed")]
    assert all(np.array_equal(kept[0][name], kept[1][name]) for name in ("indices", "normal", "labels", "score"))
    records = resolved(tmp_path / "calm")[0]
    assert [stage for _, stage, _, _ in records] == ["autoencoder"] * 2 + ["one_class"] * 3
    assert resolved(tmp_path / "calm")[4] == "7"


def test_shortcuts_do_not_look_into_the_decoder(one_class):
    learner = one_class(activation=ActivationSpec(name="softplus")).fitted()
    (told,) = shortcuts.found(learner.model, lambda: learner.outputs("train"))
    assert "Softplus" in told
