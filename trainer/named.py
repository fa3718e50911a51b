"""Tries what a study names by import path, without data: each thing is found, is what it is wanted as, and takes what
is given to it. ``python -P -m trainer.named`` says in a few seconds what :mod:`trainer.preflight` would find before a
run; a process of its own, because the user's modules load torch.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from trainer.catalogue import DATASETS, MODELS, library, resolve, what
from trainer.codec import from_plain
from trainer.spec import ActivationSpec, ModelSpec


@dataclass(frozen=True, kw_only=True)
class Named:
    """Import paths and networks of libraries alone: what comes with the package is known without torch."""

    activations: tuple[ActivationSpec, ...]
    models: tuple[ModelSpec, ...]
    readers: tuple[str, ...]


NOMINAL = (3, 224, 224)
"""Items of the networks of a library, for counting what they apply: that depends on no size."""


def problems(named: Named) -> list[str]:
    """What is wrong with what is named, each said once."""
    found: dict[str, None] = {}
    for kind, name, attempt in _attempts(named):
        try:
            attempt()
        except Exception as error:  # the user's own modules may raise anything
            said = str(error) or type(error).__name__
            found[said if name in said else f"{kind} {name!r}: {type(error).__name__}: {said}"] = None
    return list(found)


def _attempts(named: Named) -> Iterator[tuple[str, str, Callable[[], object]]]:
    from trainer.models import placement

    for activation in named.activations:
        yield "activation", activation.name, lambda it=activation: placement.factory(it)(8, 1)  # type: ignore[misc]
    for model in named.models:
        yield "model", model.name, lambda it=model: _model(it)  # type: ignore[misc]
    for name in named.readers:
        yield "data set", name, lambda it=name: _reader(it)  # type: ignore[misc]


def _model(model: ModelSpec) -> None:
    from trainer.models import build

    build.accept_model(resolve("model", model.name, MODELS), model)
    if library(model.name):
        places(Named(activations=(), models=(model,), readers=()))


def places(named: Named) -> str:
    """Where activations would stand in a library's network, in words; "" where no model is one."""
    from trainer.models import build, placement

    for model in named.models:
        if library(model.name):
            relu = ActivationSpec(name="relu")
            built = build.build(model, relu, outputs=10, input_shape=NOMINAL, generator_seed=0)
            return placement.places(built)
    return ""


def _reader(name: str) -> None:
    reader = resolve("data set", name, DATASETS)
    if isinstance(reader, type) or not callable(getattr(reader, "load", None)):
        raise ValueError(
            f"data set {name!r}: got {what(reader)}; accepts an object with the methods of "
            "trainer.datasets.reader.Reader: about, load and prepare"
        )


def main() -> None:
    """Reads a :class:`Named` as JSON from standard input; its last line of output is, as JSON, the problems and, where
    there are none, the places."""
    named = from_plain(Named, json.load(sys.stdin))
    found = problems(named)
    print(json.dumps({"problems": found, "places": "" if found else places(named)}))  # noqa: T201  # its answer


if __name__ == "__main__":
    main()
