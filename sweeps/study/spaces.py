"""What is searched for each activation of a study: its own space, what is tuned for all, relations, first setting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sweeps.study import first as published
from sweeps.study import relations
from sweeps.study.relations import ACTIVATION, TRAINING, Relation
from sweeps.study.sections import Activation, TunedForAll
from sweeps.study.space import Domain, Space, space
from sweeps.study.training import Training
from trainer.spec import Options, Scalar


def bare(item: Activation, tuned: TunedForAll) -> Space:
    """Its domains alone, without relations and first setting. Its own ``training`` wins over what is tuned for all."""
    own = {name: value for name, value in item.training.items() if isinstance(value, Domain)}
    for_all = {name: domain for name, domain in tuned.training.items() if name not in item.training}
    return space(item.space, {**for_all, **own})


def of(item: Activation, tuned: TunedForAll, training: Training, *, first: bool) -> Space:
    """With relations and first setting. A relation that says something impossible is left out here:
    :mod:`sweeps.study.search_conflicts` tells of it."""
    domains = bare(item, tuned).domains
    fixed = dict(_fixed(item, training))
    said = tuple(
        relation
        for relation in map(relations.parse, item.where)
        if all(is_number(value) for value in values_of(relation, domains, fixed))
    )
    named = {name: fixed[name] for relation in said for name in relation.names if name not in domains}
    made = Space(domains=domains, relations=said, fixed=named)
    if not first or made.empty:
        return made
    return with_first(made, published.defaults_of(item.activation), training)


def with_first(made: Space, defaults: Options | None, training: Training) -> Space:
    """With the activation's own setting, where it has one that fulfils the relations. ``defaults``: of its class."""
    config = None if defaults is None else published.setting(made.domains, defaults, plain(training))
    if config is None or not made.fulfils(config):
        return made
    return Space(domains=made.domains, relations=made.relations, fixed=made.fixed, first=config)


def values_of(relation: Relation, domains: Mapping[str, Domain], fixed: Mapping[str, Scalar]) -> Iterator[object]:
    """All that its names may be, as the activation gets them; None for a name that is nothing."""
    for name in relation.names:
        yield from domains[name].extremes() if name in domains else (fixed.get(name),)


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def known(item: Activation, training: Training) -> dict[str, Scalar]:
    """What relations may name beside what is searched: flat key -> value."""
    return dict(_fixed(item, training))


def _fixed(item: Activation, training: Training) -> Iterator[tuple[str, Scalar]]:
    for name, value in {**(published.defaults_of(item.activation) or {}), **item.params}.items():
        yield ACTIVATION + name, value
    for name, value in plain(training).items():
        yield TRAINING + name, value
    for name, each in item.training.items():
        if not isinstance(each, Domain):
            yield TRAINING + name, each


def plain(training: Training) -> Options:
    """Fields of a training that are plain values."""
    values = {name: getattr(training, name) for name in Training.model_fields}
    return {
        name: value for name, value in values.items() if value is None or isinstance(value, bool | int | float | str)
    }
