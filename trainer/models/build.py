"""Models, and how an activation gets into them.

A model is a function ``(**options) -> nn.Module`` that is given those of these keywords that it names:

- ``channels``: of an item; ``input_shape``: the whole (channels, height, width)
- ``outputs`` (also as ``classes``): numbers to give for an item
- ``vocabulary``: numbers that tokens go up to, exclusive, where items are tokens
- ``activation``: a function ``(channels=None, *, axis=1) -> nn.Module`` that makes the activation for one place;
  ``channels`` and ``axis`` say how many features there are and on which axis, for parameters per channel

It builds the network with an ``nn.ReLU`` wherever an activation is to stand, or with what ``activation`` makes.
:func:`build` seeds it, builds it, and only then puts the activation in the places of its own (``replacement.py`` says
which); what an activation draws for itself is drawn apart. So the initial weights are a function of the seed and the
model alone: folds pair across activations. A model of one's own, named by its import path, follows the same rule.

ResNet-34 has 17 activation modules and 33 applications: the one of each block is used after its first batch-norm and
again after the addition. "Per layer" therefore means 17 sets of parameters.
"""

from __future__ import annotations

import random
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from trainer.catalogue import MODELS, library, resolve, what
from trainer.models import replacement
from trainer.models.placement import Placing, accept, factory, generators_kept, keywords
from trainer.models.replacement import KEEP, REPLACE, Wish
from trainer.models.trial import Seen, watch
from trainer.spec import ActivationSpec, ModelSpec, Scalar

GIVEN = ("channels", "classes", "outputs", "input_shape", "vocabulary", "activation")
ALWAYS = ("channels", "classes")
"""What a model gets that takes any keyword."""
REMEMBERED = 64
_SEEN: dict[Hashable, Seen] = {}
"""Trials of networks of this process, by what makes them: the folds of a pack and a study's activations share them."""


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
    options, wish = accept_model(make_model, model)
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
        built = make_model(**filled, **options)
        if not isinstance(built, nn.Module):
            raise ValueError(
                f"model {model.name!r}: got {what(make_model)} that gives {what(built)}; accepts one that gives a "
                "torch.nn.Module"
            )
        key = None if wish.decides else (make_model, given["input_shape"], *filled.items(), *options.items())
        seen = _trial(built, placing, input_shape, model.name, key)
        uses = replacement.replace(built, placing, wish, seen, model.name)
        if seen is not None and any(item.site is not None and item.kind in wish.wanted for item in seen.applied):
            with generators_kept():
                replacement.check(built, placing, wish, seen, input_shape, model.name)
    names = placing.names(built)
    if not names:
        raise ValueError(
            f"model {model.name!r}: found no place for the activation; write nn.ReLU() as a module wherever it is to "
            "stand, or take the keyword activation and call it there"
        )
    # plain attributes, which nn.Module allows
    built.activation_names = names  # type: ignore[assignment]
    built.activation_uses = uses  # type: ignore[assignment]
    return built


def _trial(
    built: nn.Module, placing: Placing, input_shape: Sequence[int], name: str, key: Hashable | None
) -> Seen | None:
    """What the network applies; None for one that cannot be tried, whose first step will say why. Raises ValueError for
    a library's that does not take such items: nothing but their size or its options can be the reason.

    ``key``: of all that the network is made of. The activation of a network that decides itself may be what fails, so
    such a one has none and is tried each time."""
    paths = dict(built.named_modules())
    known = None if key is None else _SEEN.get(key)
    if known is not None and all(item.module in paths for item in known.applied):
        return known
    try:
        with generators_kept():
            seen = watch(built, input_shape, frozenset(item for item in paths.values() if placing.made(item)))
    except Exception as error:  # whatever the network raises
        if library(name) is None:
            return None
        size = "x".join(map(str, input_shape))
        raise ValueError(
            f"model {name!r}: does not take items of {size} ({type(error).__name__}: {error}); accepts larger items, "
            "another network, or options that fit it to them"
        ) from error
    if key is not None:
        if len(_SEEN) >= REMEMBERED:
            _SEEN.clear()
        _SEEN[key] = seen
    return seen


def accept_model(make_model: object, model: ModelSpec) -> tuple[dict[str, Scalar], Wish]:
    """The options that go to the model, and what the study says of its non-linear functions. Raises ValueError for what
    makes no model, and for options that it does not take."""
    if not callable(make_model) or isinstance(make_model, nn.Module):
        raise ValueError(
            f"model {model.name!r}: got {what(make_model)}; accepts a class or function that makes the model of "
            "channels and outputs, anew for each fold"
        )
    own = keywords(make_model)[0]
    of_places = {name: model.options[name] for name in (KEEP, REPLACE) if name in model.options and name not in own}
    options = {name: value for name, value in model.options.items() if name not in of_places}
    accept("model", model.name, make_model, options, given=GIVEN)
    wish = Wish.of(model.name, of_places.get(KEEP), of_places.get(REPLACE), decides="activation" in own)
    return options, wish


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
