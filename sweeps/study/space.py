"""Search spaces: what is searched for one activation, the relations that every setting fulfils, and the budget that
they make. Pure. :mod:`sweeps.study.domain` has the domains.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sweeps.study import feasible
from sweeps.study.domain import KINDS, TAN, Domain, Kind, SpaceError, check_angle, parse, tan_degrees
from sweeps.study.relations import ACTIVATION, TRAINING, Relation
from trainer.spec import Options, Scalar

__all__ = [
    "ACTIVATION", "KINDS", "TAN", "TRAINING", "Domain", "Kind", "Space", "SpaceError", "check_angle", "parse", "space",
    "tan_degrees",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Space:
    """All that is searched for one activation: flat key (``activation.k``, ``training.lr``) -> domain, in order."""

    domains: Mapping[str, Domain]
    relations: tuple[Relation, ...] = ()
    """What every setting fulfils."""
    fixed: Mapping[str, Scalar] = field(default_factory=dict)
    """Values, by flat key, of what relations name and nothing searches."""
    first: Mapping[str, Scalar] | None = None
    """The setting that is tried before all others, as a searcher would give it; it counts as one of the samples."""

    @property
    def empty(self) -> bool:
        return not self.domains

    @property
    def pure_grid(self) -> bool:
        """Whether nothing is drawn: repeating a sample would only repeat the grid."""
        return all(domain.kind == "grid_search" for domain in self.domains.values())

    @property
    def grid(self) -> tuple[str, ...]:
        """Keys of the grid_search domains, whose combinations are each tried once per sample."""
        return tuple(key for key, domain in self.domains.items() if domain.kind == "grid_search")

    @property
    def feasible(self) -> feasible.Feasible:
        """What of the space fulfils its relations."""
        return _look(tuple(self.domains.items()), self.relations, tuple(self.fixed.items()))

    @property
    def size(self) -> int | None:
        """How many different settings there are; None for a continuum."""
        sizes = self._per_combination()
        return None if None in sizes else sum(size for size in sizes if size is not None)

    def _per_combination(self) -> tuple[int | None, ...]:
        """Different settings of each combination of the grid."""
        if self.relations:
            return self.feasible.per_combination
        combinations = math.prod(len(self.domains[key].args) for key in self.grid)
        drawn = [domain.size for domain in self.domains.values() if domain.kind != "grid_search"]
        each = None if None in drawn else math.prod(size for size in drawn if size is not None)
        return (each,) * combinations

    def trials(self, samples: int) -> int:
        """Different settings that ``samples`` samples make: the budget. 1 where nothing is searched. Where all of a
        finite space is tried, a first setting that is none of it comes to that; else it is one of the samples."""
        each = 1 if self.pure_grid else samples
        sizes = self._per_combination()
        count = sum(each if size is None else min(each, size) for size in sizes)
        whole = count == self.size and self.first is not None and not self.has(self.first)
        return count + 1 if whole and (self.pure_grid or count < samples * len(sizes)) else count

    def fulfils(self, config: Mapping[str, Scalar]) -> bool:
        """Whether a searcher's setting fulfils the relations."""
        if not self.relations:
            return True
        values = {**self.fixed, **self._values(config)}
        return all(relation.holds(values) for relation in self.relations)

    def has(self, config: Mapping[str, Scalar]) -> bool:
        """Whether a setting is one that can be drawn."""
        return config.keys() == self.domains.keys() and all(
            self.domains[key].has(value) for key, value in config.items()
        )

    def ends(self) -> tuple[tuple[Options, Options], ...]:
        """Activation parameters and training fields at both ends of the space, and of the setting that is tried first;
        where an end breaks a relation, a setting that does not."""
        found = [{name: domain.extremes()[end] for name, domain in self.domains.items()} for end in (0, -1)]
        kept = [
            values for values in found if all(relation.holds({**self.fixed, **values}) for relation in self.relations)
        ]
        inside = [] if len(kept) == len(found) else [self.feasible.example]
        every = [*kept, *(self._values(config) for config in (*inside, self.first) if config is not None)]
        return tuple((_below(values, ACTIVATION), _below(values, TRAINING)) for values in every)

    def _values(self, config: Mapping[str, Scalar]) -> dict[str, Scalar]:
        return {name: self.domains[name].value(searched) for name, searched in config.items()}

    def to_tune(self) -> dict[str, Any]:
        """For Tune's searchers: flat key -> domain or grid."""
        return {key: domain.to_tune() for key, domain in self.domains.items()}

    def resolve(self, config: Mapping[str, Scalar]) -> tuple[Options, Options]:
        """Activation parameters and training overrides of a searcher's configuration, angles turned into slopes."""
        values = self._values(config)
        return _below(values, ACTIVATION), _below(values, TRAINING)


@lru_cache(maxsize=256)
def _look(
    domains: tuple[tuple[str, Domain], ...], relations: tuple[Relation, ...], fixed: tuple[tuple[str, Scalar], ...]
) -> feasible.Feasible:
    """A space is made anew whenever it is asked for, and looking takes a while."""
    made = Space(domains=dict(domains), relations=relations, fixed=dict(fixed))
    return feasible.look(made.domains, made.fulfils)


def space(
    activation: Mapping[str, Domain],
    training: Mapping[str, Domain],
    *,
    relations: Iterable[Relation] = (),
    fixed: Mapping[str, Scalar] | None = None,
    first: Mapping[str, Scalar] | None = None,
) -> Space:
    """The space of one activation. Keys are sorted, so that the order of a file decides nothing."""
    flat = {ACTIVATION + name: domain for name, domain in activation.items()}
    flat |= {TRAINING + name: domain for name, domain in training.items()}
    return Space(domains=dict(sorted(flat.items())), relations=tuple(relations), fixed=fixed or {}, first=first)


def _below(values: Mapping[str, Scalar], prefix: str) -> Options:
    return {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}
