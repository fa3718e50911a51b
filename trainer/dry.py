"""Builds the models that specifications ask for, sends two blank items through each, and trains nothing:
``python -P -m trainer.dry`` finds in seconds what would fail every fold of a trial hours later. A process of its own,
because it loads torch."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from trainer.spec import FoldSpec, from_plain


def problems(specs: list[FoldSpec], *, shape: Sequence[int], classes: int) -> list[str]:
    """What is wrong with the models and activations of ``specs``, each said once. ``shape``: of an item, channels
    first."""
    import torch

    from trainer import models

    found: dict[str, None] = {}
    for spec in specs:
        try:
            model = models.build(spec.model, spec.activation, channels=shape[0], classes=classes, generator_seed=0)
            with torch.no_grad():
                got = tuple(model(torch.zeros(2, *shape)).shape)
            if got != (2, classes):
                raise ValueError(f"model {spec.model.name!r}: gives {got} for 2 items; accepts logits (2, {classes})")
        except Exception as error:  # a user's own class may raise anything
            found[f"{spec.activation.name}: {error}" if spec.activation.name not in str(error) else str(error)] = None
    return list(found)


def main() -> None:
    """Reads ``{"shape": [...], "classes": n, "specs": [...]}`` from standard input, prints the problems as JSON."""
    asked = json.load(sys.stdin)
    specs = [from_plain(FoldSpec, raw) for raw in asked["specs"]]
    print(json.dumps(problems(specs, shape=asked["shape"], classes=asked["classes"])))  # noqa: T201  # its answer


if __name__ == "__main__":
    main()
