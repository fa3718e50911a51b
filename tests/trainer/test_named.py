"""What is said of things that are named by import path and are not what they are wanted as."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from trainer.errors import UnknownName
from trainer.named import Named, places, problems
from trainer.spec import ActivationSpec, ModelSpec
from trainer.tasks.task import find

LAB = """
import torch
from torch import nn

def swish(x):
    return x * x.sigmoid()

def maker(alpha=1.0):
    return nn.ELU(alpha)

def halves(alpha=1.0):
    return alpha / 2

class Plain:
    def __call__(self, x):
        return x

class Straight(torch.autograd.Function):
    pass

class MyAct(nn.Module):
    def __init__(self, alpha=1.0):
        super().__init__()
        if alpha <= 0:
            raise ValueError("alpha is to be positive")

    def forward(self, x):
        return x

class Reader:
    pass

class Points:
    def load(self, root, options):
        pass

ready, points, nothing = MyAct(), Points(), None
"""
NO_MODULE = (
    "which is no torch.nn.Module; accepts such a class: write `class Plain(torch.nn.Module)`, call super().__init__() "
    "first in its __init__, and give it forward(self, x)"
)
GIVES = "accepts a torch.nn.Module class, or a function that makes such a module"
ITSELF = (
    "accepts the class itself, as mylab_named:MyAct with its arguments under params: every place in a model gets a "
    "module of its own"
)
MAKER = "accepts a class or function that makes the model of channels and outputs, anew for each fold"
READER = "accepts an object with the methods of trainer.datasets.reader.Reader: about, load and prepare"
CLASS = "accepts a torch.nn.Module class: write one whose forward(self, x) gives"
OWN = "or name torch's own, torch.nn:"
ONLY = "a function can be named only if it makes such a module of what is under params"


@pytest.fixture(autouse=True)
def _lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mylab_named.py").write_text(LAB)
    monkeypatch.syspath_prepend(str(tmp_path))


def said(*, activation: str = "", model: str = "", reader: str = "", **params: float | str) -> list[str]:
    return problems(
        Named(
            activations=(ActivationSpec(name=activation, params=params),) if activation else (),
            models=(ModelSpec(name=model, options=params),) if model else (),
            readers=(reader,) if reader else (),
        )
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("torch.nn.functional:relu", f"got a function of input; {CLASS} relu(x), {OWN}ReLU; {ONLY}"),
        ("torch.nn.functional:elu_", f"got a function of a tensor; {CLASS} elu_(x), {OWN}ELU; {ONLY}"),
        ("torch:tanh", f"got a function of a tensor; {CLASS} tanh(x), {OWN}Tanh; {ONLY}"),
        ("mylab_named:swish", f"got a function of x; {CLASS} swish(x); {ONLY}"),
        ("mylab_named:halves", f"got a function that gives an object of the class float; {GIVES}"),
        ("mylab_named:Plain", f"got the class Plain, {NO_MODULE}"),
        ("mylab_named:Straight", f"got the class Straight, a torch.autograd.Function; {CLASS} Straight.apply(x)"),
        ("mylab_named:ready", f"got an object of the class MyAct; {ITSELF}"),
        ("mylab_named:nothing", "got an object of the class NoneType; accepts a torch.nn.Module class"),
        ("torch.nn:functional", "got the Python module torch.nn.functional; accepts a torch.nn.Module class"),
        ("torch.nn:Relu", "module torch.nn has no 'Relu'; did you mean ReLU?"),
        ("mylab_named:MyActt", "module mylab_named has no 'MyActt'; did you mean MyAct?"),
        ("no_lab:A", "cannot import 'no_lab:A' (No module named 'no_lab'); is its package installed here?"),
    ],
)  # fmt: skip
def test_what_is_no_activation_gets_its_message(name: str, message: str) -> None:
    assert said(activation=name) == [f"activation {name!r}: {message}"]


@pytest.mark.parametrize(
    ("name", "option", "nearest"),
    [
        ("torch.nn:LeakyReLU", "negativ_slope", "negative_slope"),
        ("torch.nn:ELU", "alhpa", "alpha"),
        ("torch.nn:GELU", "aproximate", "approximate"),
        ("torch.nn:Softplus", "treshold", "threshold"),
        ("mylab_named:MyAct", "alfa", "alpha"),
    ],
)
def test_a_misspelt_option_is_refused_with_the_nearest(name: str, option: str, nearest: str) -> None:
    (problem,) = said(activation=name, **{option: 1.0})
    assert problem.startswith(f"activation {name!r}: unknown option {option!r}, accepts ")
    assert problem.endswith(f"; did you mean {nearest!r}?")


def test_what_a_constructor_says_is_told_with_its_name() -> None:
    wrong = said(activation="mylab_named:MyAct", alpha=-1.0)
    assert wrong == ["activation 'mylab_named:MyAct': ValueError: alpha is to be positive"]


def test_what_is_right_is_not_spoken_of() -> None:
    assert said(activation="torch.nn:LeakyReLU", negative_slope=0.2) == []
    assert said(model="torchvision.models:resnet18") == []
    for name in ("torch.nn:SiLU", "mylab_named:maker", "mylab_named:MyAct"):
        assert said(activation=name) == []
    assert said(reader="mylab_named:points") == []


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"model": "mylab_named:ready"}, f"got an object of the class MyAct; {MAKER}"),
        ({"model": "mylab_named:nothing"}, f"got an object of the class NoneType; {MAKER}"),
        ({"model": "mylab_named:makr"}, "module mylab_named has no 'makr'; did you mean maker?"),
        ({"reader": "mylab_named:Reader"}, f"got the class Reader; {READER}"),
        ({"reader": "mylab_named:maker"}, f"got a function; {READER}"),
        ({"reader": "mylab_named:point"}, "module mylab_named has no 'point'; did you mean points?"),
    ],
)  # fmt: skip
def test_models_and_readers_that_are_none_get_their_message(asked: dict[str, str], message: str) -> None:
    (problem,) = said(**asked)
    assert message in problem


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mylab_named:swish", "got a function; accepts a subclass of trainer.tasks.task.Task"),
        ("mylab_named:ready", "got an object of the class MyAct; accepts a subclass"),
        ("mylab_named:Points", "got the class Points; accepts a subclass"),
        ("mylab_named:Pionts", "module mylab_named has no 'Pionts'; did you mean Points?"),
        ("mylab_named.Points", "an import path has a colon before its last name; mylab_named:Points"),
    ],
)
def test_tasks_that_are_none_get_their_message(name: str, message: str) -> None:
    with pytest.raises(UnknownName) as caught:
        find(name, {})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (ModelSpec(name="torchvision.resnt18"), "torchvision has no such network; did you mean torchvision.resnet18"),
        (ModelSpec(name="torchvision.resnet18", options={"stm": 1}), "unknown option 'stm', accepts stem"),
        (ModelSpec(name="torchvision.resnet18", options={"keep": "gelu"}), "keep: it applies no gelu; it has relu"),
    ],
)
def test_a_network_of_a_library_is_built_to_see_whether_it_can_be(model: ModelSpec, said: str) -> None:
    (problem,) = problems(Named(activations=(), models=(model,), readers=()))
    assert said in problem


def test_and_to_say_where_activations_stand_in_it() -> None:
    model = ModelSpec(name="torchvision.mobilenet_v3_small", options={"keep": "hardswish"})
    assert places(Named(activations=(), models=(model,), readers=())) == (
        "14 places, 14 applications of relu; left as it is: 19 places, 19 applications of hardswish, 9 places, 9 "
        "applications of hardsigmoid"
    )


def test_it_answers_as_a_process_of_its_own() -> None:
    asked = Named(activations=(ActivationSpec(name="torch.nn:Relu"),), models=(), readers=())
    line = [sys.executable, "-P", "-m", "trainer.named"]
    run = subprocess.run(line, input=json.dumps(dataclasses.asdict(asked)), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    (problem,) = json.loads(run.stdout.splitlines()[-1])["problems"]
    assert "did you mean ReLU?" in problem
