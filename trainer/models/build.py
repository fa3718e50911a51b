"""Models, and how an activation gets into them.

A model is a function ``(*, channels, classes, **options) -> nn.Module`` that builds the network with ``nn.ReLU``
wherever an activation is to stand. :func:`build` seeds it, builds it, and only then puts the activation in the ReLUs'
places, so that the initial weights are a function of the seed and the model alone: folds pair across activations. A
model of one's own, named by its import path, follows the same rule.

ResNet-34 has 17 activation modules and 33 applications: the one of each block is used after its first batch-norm and
again after the addition. "Per layer" therefore means 17 sets of parameters.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from trainer.catalogue import MODELS, resolve
from trainer.models.placement import accept, factory, replace_relus
from trainer.spec import ActivationSpec, ModelSpec


def build(
    model: ModelSpec, activation: ActivationSpec, *, channels: int, classes: int, generator_seed: int
) -> nn.Module:
    """The model with its activation in place, on the CPU, in training mode.

    Its initial weights depend on ``generator_seed`` and ``model`` alone; the global generators are left as they were.
    Raises UnknownName for a model or activation that is not known, ValueError for an option or parameter that is not
    accepted, and for a model without a ReLU to replace.
    """
    make_model = resolve("model", model.name, MODELS)
    if not callable(make_model):
        raise ValueError(
            f"model {model.name!r}: got {type(make_model).__name__}, accepts a function of channels and classes"
        )
    accept("model", model.name, make_model, model.options, given=("channels", "classes"))
    make_activation = factory(activation)
    with torch.random.fork_rng(devices=[]), _python_generators(generator_seed):
        torch.manual_seed(generator_seed)
        built = make_model(channels=channels, classes=classes, **model.options)
        if not isinstance(built, nn.Module):
            raise ValueError(f"model {model.name!r}: got {type(built).__name__}, accepts a torch.nn.Module")
        names = replace_relus(built, make_activation)
    if not names:
        raise ValueError(
            f"model {model.name!r}: found no torch.nn.ReLU module to put the activation in; "
            "write nn.ReLU() as a module wherever the activation is to stand"
        )
    built.activation_names = names  # type: ignore[assignment]  # a plain attribute, which nn.Module allows
    return built


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
