"""Settings drawn as Tune draws them, in plain values."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from sweeps.study.space import Space
from trainer.spec import Scalar

Config = dict[str, Scalar]
"""A suggestion: flat key (``activation.k``, ``training.lr``) -> searched number, plain Python values."""


def variants(space: Space, seed: int) -> Iterator[Config]:
    """Tune's variants, sample after sample, for ever."""
    import numpy as np
    from ray.tune.search.variant_generator import generate_variants

    generator = np.random.default_rng(seed)
    unresolved = {"config": space.to_tune()}
    while True:
        for _, spec in generate_variants(unresolved, random_state=generator):
            yield plain(spec["config"])


def plain(config: Mapping[str, Any]) -> Config:
    """With numpy's scalars as Python's, so that JSON gives the same values back."""
    return {name: value.item() if hasattr(value, "item") else value for name, value in sorted(config.items())}


def key(config: Mapping[str, Scalar]) -> str:
    """One text for equal settings."""
    return json.dumps(config, sort_keys=True)
