"""How many settings of a space fulfil its relations: counted where there are few, found by drawing where not. Pure.

What is found by drawing is found with the same numbers every time: the budget of a study is part of its plan.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from sweeps.study.domain import Domain
from trainer.spec import Scalar

MOST_COUNTED = 20_000
"""Settings that are counted one by one; more are judged by as many draws."""
LEAST_SHARE = 1e-3
"""Of the settings drawn, at least this share has to fulfil the relations: a search draws again until one does."""

Config = dict[str, Scalar]
Fulfils = Callable[[Mapping[str, Scalar]], bool]


@dataclass(frozen=True, kw_only=True)
class Feasible:
    """What of a space fulfils its relations."""

    per_combination: tuple[int | None, ...]
    """For each combination of the grid_search domains of which some setting does: how many do; None: a continuum."""
    tried: int
    """Settings that were looked at."""
    fulfilling: int
    """Of them, those that do."""
    example: Mapping[str, Scalar] | None
    """One that does, as a searcher would give it."""


def look(domains: Mapping[str, Domain], fulfils: Fulfils) -> Feasible:
    sizes = [domain.size for domain in domains.values()]
    if None not in sizes and math.prod(size for size in sizes if size is not None) <= MOST_COUNTED:
        return _counted(domains, fulfils)
    return _drawn(domains, fulfils)


def _counted(domains: Mapping[str, Domain], fulfils: Fulfils) -> Feasible:
    keys = list(domains)
    grid = [key for key in keys if domains[key].kind == "grid_search"]
    found: dict[tuple[Scalar, ...], int] = {}
    tried, example = 0, None
    for values in itertools.product(*(domains[key].every() for key in keys)):
        tried += 1
        config = dict(zip(keys, values, strict=True))
        if fulfils(config):
            example = example or config
            combination = tuple(config[key] for key in grid)
            found[combination] = found.get(combination, 0) + 1
    return Feasible(per_combination=tuple(found.values()), tried=tried, fulfilling=sum(found.values()), example=example)


def _drawn(domains: Mapping[str, Domain], fulfils: Fulfils) -> Feasible:
    draw = random.Random(0)
    combinations = list(itertools.islice(_combinations(domains), MOST_COUNTED))
    each = max(1, MOST_COUNTED // len(combinations))
    per_combination: list[int | None] = []
    found: list[Config] = []
    for combination in combinations:
        before = len(found)
        for _ in range(each):
            config = {key: combination.get(key, _draw(domain, draw)) for key, domain in domains.items()}
            if fulfils(config):
                found.append(config)
        if len(found) - before >= max(1, LEAST_SHARE * each):
            per_combination.append(None)
    return Feasible(
        per_combination=tuple(per_combination),
        tried=each * len(combinations),
        fulfilling=len(found),
        example=found[0] if found else None,
    )


def _combinations(domains: Mapping[str, Domain]) -> Iterator[Config]:
    grid = {key: domain.args for key, domain in domains.items() if domain.kind == "grid_search"}
    for values in itertools.product(*grid.values()):
        yield dict(zip(grid, values, strict=True))


def _draw(domain: Domain, draw: random.Random) -> Scalar:
    if domain.size is not None:
        return domain.numbered(draw.randrange(domain.size))
    low, high = (float(bound) for bound in domain.args)  # type: ignore[arg-type]  # parse() let only numbers in
    return (
        math.exp(draw.uniform(math.log(low), math.log(high)))
        if domain.kind == "loguniform"
        else draw.uniform(low, high)
    )
