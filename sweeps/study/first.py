"""The setting that each search tries first (``search.first: default``): the activation as it is published.

It is made of the defaults of all that is searched: of a parameter, what the activation's class has where nothing is
said; of a training field, the study's own value. It is tried as it is, also where it lies outside the domain: the
domain says what is drawn. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping

from sweeps.study.default_spaces import DEFAULTS
from sweeps.study.domain import Domain
from sweeps.study.relations import ACTIVATION, TRAINING
from trainer.spec import Options, Scalar

Config = dict[str, Scalar]


def defaults_of(activation: str) -> Options | None:
    """None for an activation by import path: its class is known where torch is."""
    return None if ":" in activation else DEFAULTS.get(activation, {})


def setting(domains: Mapping[str, Domain], defaults: Options, training: Options) -> Config | None:
    """As a searcher would give it; None where something that is searched has no default. ``training``: the study's own
    values."""
    found: Config = {}
    for key, domain in domains.items():
        known, name = (defaults, key.removeprefix(ACTIVATION)) if key.startswith(ACTIVATION) else (
            training, key.removeprefix(TRAINING)
        )  # fmt: skip
        if name not in known:
            return None
        value = known[name]
        if domain.tan and (isinstance(value, bool) or not isinstance(value, int | float)):
            return None
        found[key] = domain.searched(value)
    return found


def lacking(domains: Mapping[str, Domain], defaults: Options) -> list[str]:
    """Searched parameters that have no default."""
    names = [key.removeprefix(ACTIVATION) for key in domains if key.startswith(ACTIVATION)]
    return [name for name in names if name not in defaults]
