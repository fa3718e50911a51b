"""Prints, as JSON, the defaults that a class by import path gives to its keyword arguments: ``python -P -m
trainer.own_defaults mylab.act:MyAct``. A process of its own, because the user's modules load torch.
"""

from __future__ import annotations

import inspect
import json
import math
import sys

from trainer.catalogue import ACTIVATIONS, resolve
from trainer.spec import Options


def defaults(name: str) -> Options | None:
    """Those that are numbers, texts, true, false or null; None where the class does not show its arguments."""
    made = resolve("activation", name, ACTIVATIONS)
    try:
        parameters = inspect.signature(made).parameters
    except (TypeError, ValueError):
        return None
    values = {name: parameter.default for name, parameter in parameters.items()}
    return {name: value for name, value in values.items() if _plain(value)}


def _plain(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, bool | int | str)


if __name__ == "__main__":
    print(json.dumps(defaults(sys.argv[1])))  # noqa: T201  # its answer
