"""The checks of searchers: each takes a case and raises AssertionError. :mod:`sweeps.search.conformance` runs them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sweeps.search.searchers import Searcher
from sweeps.search.unlike import METRIC, difference, other_randomness
from sweeps.search.variants import Config
from sweeps.study.space import Space


@dataclass(frozen=True, kw_only=True)
class SearcherCase:
    """``make``: a fresh searcher of a seed. ``seeded``: whether another seed gives other settings."""

    make: Callable[[int], Searcher]
    space: Space
    seeded: bool = True


def _value(config: Config) -> float | None:
    """A stand-in for training: some settings fail."""
    numbers = [value for value in config.values() if isinstance(value, int | float)]
    total = sum((value - 1.5) ** 2 for value in numbers) + 0.1 * sum(value is None for value in config.values())
    return None if any(value > 3.7 for value in numbers) else total


def _end(searcher: Searcher, index: int, config: Config) -> None:
    value = _value(config)
    searcher.complete(index, None if value is None else {METRIC: value}, lost=index == 5)


def in_order(searcher: Searcher, *, at_once: int = 1) -> list[Config]:
    """All suggestions, with so many trials in flight, which end in their order."""
    found: list[Config] = []
    ended = 0
    while True:
        while ended < len(found) and (len(found) - ended >= at_once or not searcher.ready(len(found))):
            _end(searcher, ended, found[ended])
            ended += 1
        assert searcher.ready(len(found)), f"suggestion {len(found)} is not to be had though all before it are over"
        config = searcher.ask(len(found))
        if config is None or len(found) > searcher.count:
            return found
        found.append(config)


def is_deterministic(case: SearcherCase) -> None:
    """The same seed suggests the same, whatever other random numbers there are; another seed something else."""
    with other_randomness(1):
        first = in_order(case.make(1))
    with other_randomness(2):
        again, other = in_order(case.make(1)), in_order(case.make(2))
    assert first == again, f"the same seed suggested {difference(first, again)}"
    assert not case.seeded or first != other, "seeds 1 and 2 suggest the same"


def is_replayable(case: SearcherCase) -> None:
    """Made anew after any trial, and told the same again, it goes on as it would have."""
    whole = in_order(case.make(1))
    for ended in range(0, len(whole), 3):
        anew = case.make(1)
        for index, config in enumerate(whole[: ended + 1]):
            suggested = anew.ask(index)
            assert suggested == config, f"replayed to trial {ended}, suggestion {index} is {suggested}, it was {config}"
            if index < ended:
                _end(anew, index, config)


def knows_no_more(case: SearcherCase) -> None:
    """In whatever order trials end, and however long they take, it suggests the same."""
    expected = _in_some_order(case.make(1), None)
    for seed in (1, 2, 3):
        found = _in_some_order(case.make(1), random.Random(seed))
        assert found == expected, f"in another order of ends it suggested {difference(expected, found)}"


def _in_some_order(searcher: Searcher, chaos: random.Random | None) -> list[Config]:
    found: list[Config] = []
    running: list[int] = []
    while len(found) < searcher.count or running:
        more = len(found) < searcher.count and searcher.ready(len(found))
        if more and (chaos is None or not running or chaos.random() < 0.6):
            config = searcher.ask(len(found))
            assert config is not None, f"suggestion {len(found)} of {searcher.count} is missing"
            running.append(len(found))
            found.append(config)
        else:
            assert running, f"suggestion {len(found)} is not to be had though all before it are over"
            ended = running.pop(0 if chaos is None else chaos.randrange(len(running)))
            _end(searcher, ended, found[ended])
    return found


def spends_its_budget(case: SearcherCase) -> None:
    """As many different settings as were promised, and then none."""
    searcher = case.make(1)
    found = in_order(searcher)
    assert len(found) == searcher.count, f"{len(found)} settings, {searcher.count} were promised"
    texts = [json.dumps(config, sort_keys=True) for config in found]
    twice = next((text for text in texts if texts.count(text) > 1), None)
    assert twice is None, f"{twice} was suggested more than once"
    assert searcher.ask(searcher.count) is None, "a setting more than were promised"


def stays_in_its_space(case: SearcherCase) -> None:
    """Every setting has a value for each parameter, of its domain, as plain as JSON, and fulfils the relations."""
    for config in in_order(case.make(1)):
        odd = [value for value in config.values() if type(value) not in (int, float, str, bool, type(None))]
        assert not odd, f"{odd[0]!r} is a {type(odd[0]).__module__}.{type(odd[0]).__name__}, not a plain value"
        assert json.loads(json.dumps(config)) == config
        assert case.space.has(config), f"{config} is outside of the space"
        assert case.space.fulfils(config), f"{config} breaks {[item.text for item in case.space.relations]}"


SEARCHERS: Mapping[str, Callable[[SearcherCase], None]] = {
    "deterministic": is_deterministic,
    "replayable": is_replayable,
    "order-independent": knows_no_more,
    "equal budgets": spends_its_budget,
    "in its space": stays_in_its_space,
}
