"""Any of Tune's searchers that suggests one setting at a time, driven so that it can be replayed.

Suggestion ``n`` knows the results of trials 0 to ``n - concurrent``, whatever else is over, told in that order. A
searcher that has no answer yet is told one result more at a time, as they come, until it has. So neither the cluster's
timing nor a killed driver changes what is suggested.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sweeps.errors import SweepError
from sweeps.search.variants import Config, key, plain, variants
from sweeps.study.space import Domain, Space
from sweeps.study.study import Mode
from trainer.spec import Scalar

TRIES = 50
"""Suggestions in a row that were all tried before or broke a relation, until one is drawn at random instead."""
ROUNDING = 1e-9
"""Of a domain's width: so far beyond its bounds a suggestion is taken for rounded, and set back."""


@dataclass(frozen=True, kw_only=True)
class Maker:
    """How one of Tune's searchers is made, and what it can be told."""

    make: Callable[[Sequence[Config]], Any]
    """Of settings to suggest before its own: a ``ray.tune.search.Searcher`` that knows its space."""
    takes_points: bool
    """Whether it can be given such settings."""
    failure: Literal["pruned", "worst"]
    """A setting that failed is told as neither result nor error, which the searcher counts among the bad ones; or, to
    one that would ignore it, with the worst result so far."""


class Sequential:
    """``metric``: what is told, or all of it for a search of several objectives, whose failures are pruned.
    ``concurrent``: trials in flight."""

    def __init__(
        self,
        space: Space,
        samples: int,
        maker: Maker,
        *,
        seed: int,
        metric: str | Sequence[str],
        mode: Mode,
        concurrent: int,
    ) -> None:
        self.count = space.trials(samples)
        self.first: Config | None = dict(space.first) if space.first is not None else None
        """What suggestion 0 is to be; may be set until it is asked for."""
        self._space, self._maker, self._concurrent = space, maker, concurrent
        self._metrics = (metric,) if isinstance(metric, str) else tuple(metric)
        self._worst: Callable[[float, float], float] = max if mode == "min" else min
        self._tune: Any = None
        self._ends: dict[int, tuple[tuple[float, ...] | None, bool]] = {}
        self._told = 0
        self._silent_at = -1
        """Results told when the searcher had no answer."""
        self._asked: list[Config] = []
        self._next: Config | None = None
        self._names: dict[int, str] = {}
        """Tune's names of our trials; none for those that are not its own suggestions."""
        self._suggested = 0
        self._bad: float | None = None
        self._failed: list[int] = []
        """Trials that failed before any had a result."""
        self._drawn = variants(space, seed)

    def ready(self, index: int) -> bool:
        if index >= self.count or index < len(self._asked):
            return True
        if not all(trial in self._ends for trial in range(index - self._concurrent + 1)):
            return False
        if self._next is None:
            self._next = self._suggest(index)
        return self._next is not None

    def ask(self, index: int) -> Config | None:
        if index >= self.count:
            return None
        while len(self._asked) <= index:
            number = len(self._asked)
            assert self.ready(number), f"suggestion {number} was asked for before trial {self._needs(number)} was over"
            assert self._next is not None
            self._asked.append(self._next)
            self._next = None
        return dict(self._asked[index])

    def complete(self, index: int, metrics: Mapping[str, float] | None, *, lost: bool = False) -> None:
        values = tuple((metrics or {}).get(name, math.nan) for name in self._metrics)
        self._ends[index] = (values if all(map(math.isfinite, values)) else None, lost)

    def _needs(self, index: int) -> int:
        return max(index - self._concurrent, self._told)

    # -- suggestions ---------------------------------------------------------------------------------------------------

    def _suggest(self, index: int) -> Config | None:
        """None while the searcher waits for a result that is not there."""
        if index == 0 and self.first is not None:
            return self._first(self.first)
        while self._told <= index - self._concurrent:
            self._tell_next()
        while True:
            if self._silent_at < self._told:
                answered, config = self._attempt(index)
                if config is not None:
                    return config
                if answered:
                    break
                self._silent_at = self._told
            if self._told >= index:
                break
            if self._told not in self._ends:
                return None
            self._tell_next()
        return next(config for config in self._drawn if self._new(config))

    def _first(self, first: Config) -> Config:
        if self._maker.takes_points and self._space.has(first):
            self._open([first])
            self._suggested = 1
            if _is_setting(self._tune.suggest("0")):  # to a rounding the same
                self._names[0] = "0"
        return dict(first)

    def _attempt(self, index: int) -> tuple[bool, Config | None]:
        """A suggestion that is new; whether the searcher had an answer at all."""
        self._open([])
        for _ in range(TRIES):
            name = str(self._suggested)
            suggested = self._tune.suggest(name)
            if not _is_setting(suggested):
                return False, None
            self._suggested += 1
            config = accepted(self._space, suggested)
            if self._new(config):
                self._names[index] = name
                return True, config
            self._tune.on_trial_complete(name, error=True)  # an error is forgotten: nothing was learnt
        return True, None

    def _new(self, config: Config) -> bool:
        return key(config) not in {key(other) for other in self._asked} and self._space.fulfils(config)

    def _open(self, points: Sequence[Config]) -> None:
        if self._tune is None:
            self._tune = self._maker.make(points)

    # -- results -------------------------------------------------------------------------------------------------------

    def _tell_next(self) -> None:
        index, self._told = self._told, self._told + 1
        values, lost = self._ends[index]
        if lost:
            self._tell(index, None, error=True)
        elif values is not None:
            self._bad = values[0] if self._bad is None else self._worst(self._bad, values[0])
            self._tell(index, values)
            for failed in self._failed:
                self._tell(failed, (self._bad,))
            self._failed.clear()
        elif self._maker.failure == "pruned" or self._bad is not None:
            self._tell(index, None if self._bad is None or self._maker.failure == "pruned" else (self._bad,))
        else:
            self._failed.append(index)

    def _tell(self, index: int, values: tuple[float, ...] | None, *, error: bool = False) -> None:
        self._open([])
        name = self._names.get(index)
        if name is not None:
            told = None if values is None else dict(zip(self._metrics, values, strict=True))
            self._tune.on_trial_complete(name, told, error=error)
        elif not error and len(self._metrics) == 1 and self._space.has(self._asked[index]):
            value = None if values is None else values[0]
            with contextlib.suppress(NotImplementedError):  # one that learns from its own suggestions alone
                self._tune.add_evaluated_point(dict(self._asked[index]), value, pruned=value is None)


def _is_setting(suggested: object) -> bool:
    """Neither None (not now) nor FINISHED (no more)."""
    return isinstance(suggested, Mapping)


def accepted(space: Space, suggested: Mapping[str, Any]) -> Config:
    """A searcher's suggestion as plain values of the space. Raises :class:`SweepError` for one that is none."""
    config = plain(suggested)
    if config.keys() != space.domains.keys():
        raise SweepError(
            f"the search suggested {dict(suggested)}; accepts a value for each of {', '.join(space.domains)}, and for "
            "nothing else"
        )
    return {name: _inside(name, space.domains[name], value) for name, value in config.items()}


def _inside(name: str, domain: Domain, value: Scalar) -> Scalar:
    value = domain.matching(value)
    if domain.size is None and isinstance(value, float):
        low, high = (float(bound) for bound in domain.args[:2])  # type: ignore[arg-type]  # numbers, of a continuum
        if low - ROUNDING * (high - low) <= value <= high + ROUNDING * (high - low):
            return min(max(value, low), high)
    elif domain.kind == "quniform" and isinstance(value, float):
        low, high, quantum = (float(bound) for bound in domain.args)  # type: ignore[arg-type]
        steps = value / quantum
        if abs(steps - round(steps)) < 1e-6 and low - 1e-6 * quantum <= value <= high + 1e-6 * quantum:
            return value
    elif domain.has(value):
        return value
    raise SweepError(f"the search suggested {value!r} for {name}; accepts {domain.words()}")
