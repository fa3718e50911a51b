"""Builds the models that specifications ask for and trains nothing: ``python -P -m trainer.dry`` finds in seconds what
would fail every fold of a trial hours later. A process of its own, because it loads torch."""

from __future__ import annotations

import json
import sys

from trainer.spec import FoldSpec, from_plain


def problems(specs: list[FoldSpec], *, channels: int, classes: int) -> list[str]:
    """What is wrong with the models and activations of ``specs``, each said once."""
    from trainer import models

    found: dict[str, None] = {}
    for spec in specs:
        try:
            models.build(spec.model, spec.activation, channels=channels, classes=classes, generator_seed=0)
        except Exception as error:  # a user's own class may raise anything
            found[f"{spec.activation.name}: {error}" if spec.activation.name not in str(error) else str(error)] = None
    return list(found)


def main() -> None:
    """Reads ``{"channels": n, "classes": n, "specs": [...]}`` from standard input, prints the problems as JSON."""
    asked = json.load(sys.stdin)
    specs = [from_plain(FoldSpec, raw) for raw in asked["specs"]]
    print(json.dumps(problems(specs, channels=asked["channels"], classes=asked["classes"])))  # noqa: T201  # its answer


if __name__ == "__main__":
    main()
