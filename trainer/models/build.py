"""Models, and how an activation gets into them.

A model is a function ``(**options) -> nn.Module`` that is given those of these keywords that it names:

- ``channels``: of an item; ``input_shape``: the whole (channels, height, width)
- ``outputs`` (also as ``classes``): numbers to give for an item
- ``vocabulary``: numbers that tokens go up to, exclusive, where items are tokens
- ``activation``: a function ``(channels=None, *, axis=1) -> nn.Module`` that makes the activation for one place;
  ``channels`` and ``axis`` say how many features there are and on which axis, for parameters per channel

It builds the network with an ``nn.ReLU`` wherever an activation is to stand, or with what ``activation`` makes.
:func:`build` seeds it, builds it, and only then puts the activation in the ReLUs' places; what an activation draws for
itself is drawn apart. So the initial weights are a function of the seed and the model alone: folds pair across
activations. A model of one's own, named by its import path, follows the same rule.

ResNet-34 has 17 activation modules and 33 applications: the one of each block is used after its first batch-norm and
again after the addition. "Per layer" therefore means 17 sets of parameters.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from trainer.catalogue import MODELS, resolve, what
from trainer.models.placement import Placing, accept, factory, keywords, replace_relus
from trainer.spec import ActivationSpec, ModelSpec

GIVEN = ("channels", "classes", "outputs", "input_shape", "vocabulary", "activation")
ALWAYS = ("channels", "classes")
"""What a model gets that takes any keyword."""


def build(
    model: ModelSpec,
    activation: ActivationSpec,
    *,
    outputs: int,
    input_shape: Sequence[int],
    generator_seed: int,
    vocabulary: int | None = None,
) -> nn.Module:
    """The model with its activation in place, on the CPU, in training mode.

    ``outputs``: numbers it is to give for an item of ``input_shape`` (channels, height, width). Its initial weights
    depend on ``generator_seed`` and ``model`` alone; the global generators are left as they were. Raises UnknownName
    for a model or activation that is not known, ValueError for an option or parameter that is not accepted, for a model
    without a place for the activation, and for one of tokens where there are none (``vocabulary`` None).
    """
    make_model = resolve("model", model.name, MODELS)
    accept_model(make_model, model)
    placing = Placing(factory(activation))
    given = {
        "channels": int(input_shape[0]),
        "classes": outputs,
        "outputs": outputs,
        "input_shape": tuple(input_shape),
        "vocabulary": vocabulary,
        "activation": placing,
    }
    named, _, open_ended = keywords(make_model)
    if "vocabulary" in named and vocabulary is None:
        raise ValueError(
            f"model {model.name!r}: reads tokens, and the data set has none; accepts a data set of texts (`actsweep "
            "data list` shows them), or choose another model"
        )
    filled = {name: given[name] for name in GIVEN if name in named or (open_ended and name in ALWAYS)}
    with torch.random.fork_rng(devices=[]), _python_generators(generator_seed):
        torch.manual_seed(generator_seed)
        built = make_model(**filled, **model.options)
        if not isinstance(built, nn.Module):
            raise ValueError(
                f"model {model.name!r}: got {what(make_model)} that gives {what(built)}; accepts one that gives a "
                "torch.nn.Module"
            )
        replace_relus(built, placing)
    names = placing.names(built)
    if not names:
        raise ValueError(
            f"model {model.name!r}: found no place for the activation; write nn.ReLU() as a module wherever it is to "
            "stand, or take the keyword activation and call it there"
        )
    built.activation_names = names  # type: ignore[assignment]  # a plain attribute, which nn.Module allows
    return built


def accept_model(make_model: object, model: ModelSpec) -> None:
    """Raises ValueError for what makes no model, and for options that it does not take."""
    if not callable(make_model) or isinstance(make_model, nn.Module):
        raise ValueError(
            f"model {model.name!r}: got {what(make_model)}; accepts a class or function that makes the model of "
            "channels and outputs, anew for each fold"
        )
    accept("model", model.name, make_model, model.options, given=GIVEN)


@contextmanager
def _python_generators(seed: int) -> Iterator[None]:
    """Seeds numpy's and Python's own global generators, which a user's model may draw its weights from, and leaves them
    as they were."""
    of_numpy, of_python = np.random.get_state(), random.getstate()
    np.random.seed(seed % 2**32)
    random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(of_numpy)
        random.setstate(of_python)
