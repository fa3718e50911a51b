"""Ray Tune's searchers and schedulers, one of each per activation, in this process and without actors.

Both are deterministic and can be replayed: the same seed and the same calls give the same suggestions and the same
stops. A searcher that learns takes results in the order of its trials and never more than it may know
(:meth:`Searcher.ready`), so that neither the cluster's timing nor a killed driver changes what it suggests. Importing
this module loads nothing of Ray; making a searcher does (about a second and 180 MB).
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from sweeps.study.space import Space
from sweeps.study.study import Mode, Study
from trainer.spec import Scalar

Config = dict[str, Scalar]
"""A suggestion: flat key (``activation.k``, ``training.lr``) -> searched number, plain Python values."""

TPE_CONCURRENT = 4
TPE_TRIES = 50
"""Suggestions in a row that were all tried before, until one is drawn at random instead: small spaces only."""


class Searcher(Protocol):
    count: int
    """Suggestions there will be."""

    def ready(self, index: int) -> bool:
        """Whether suggestion ``index`` may be asked for now."""
        ...

    def ask(self, index: int) -> Config | None:
        """Suggestion ``index``, the next one or one that was asked for before; None from :attr:`count` on."""
        ...

    def complete(self, index: int, metrics: Mapping[str, float] | None, *, lost: bool = False) -> None:
        """Tells how a trial ended. No metrics (or none that counts) is the worst result there can be, as for a setting
        that diverges; ``lost`` says that nothing was learnt about the setting at all."""
        ...


def make_searcher(study: Study, label: str) -> Searcher:
    """The searcher of one activation, seeded by the study's seed and the label."""
    search = study.search
    assert search is not None
    space, seed = study.space_of(label), _seed(study.seed, label)
    if search.objectives and search.algorithm not in ("random", "grid"):
        from sweeps.search import objectives

        return objectives.make(study, space, seed)
    if search.algorithm == "tpe":
        concurrent = search.concurrent or TPE_CONCURRENT
        return Tpe(space, search.samples, seed=seed, metric=search.select_on, mode=study.mode, concurrent=concurrent)
    return Sampled(space, search.samples, seed=seed, concurrent=search.concurrent)


class Sampled:
    """Random and grid search: what Tune's BasicVariantGenerator gives with the same seed, without repetitions."""

    def __init__(self, space: Space, samples: int, *, seed: int, concurrent: int | None = None) -> None:
        self.count = space.trials(samples)
        self._concurrent = concurrent
        self._configs = _distinct(space, seed)
        self._asked: list[Config] = []
        self._over: set[int] = set()

    def ready(self, index: int) -> bool:
        in_flight = len(self._asked) - len(self._over)
        return index >= self.count or self._concurrent is None or in_flight < self._concurrent

    def ask(self, index: int) -> Config | None:
        if index >= self.count:
            return None
        while len(self._asked) <= index:
            self._asked.append(next(self._configs))
        return dict(self._asked[index])

    def complete(self, index: int, metrics: Mapping[str, float] | None, *, lost: bool = False) -> None:
        self._over.add(index)


class Tpe:
    """Tree-structured Parzen estimator: Tune's OptunaSearch. Its first ten settings are drawn at random.

    Suggestion ``n`` knows the results of trials 0 to ``n - concurrent``, whatever else is over.
    """

    def __init__(self, space: Space, samples: int, *, seed: int, metric: str, mode: Mode, concurrent: int) -> None:
        from ray.tune.search.optuna import OptunaSearch

        self.count = space.trials(samples)
        self._metric, self._concurrent = metric, concurrent
        self._ends: dict[int, tuple[float | None, bool]] = {}
        self._told = 0
        self._asked: list[Config] = []
        self._names: dict[int, str] = {}
        """Tune's names of our trials; none for those drawn at random instead."""
        self._fallback = _variants(space, seed)
        self._optuna = OptunaSearch(metric=metric, mode=mode, seed=seed)
        with _without_greeting():
            self._optuna.set_search_properties(metric, mode, space.to_tune())

    def ready(self, index: int) -> bool:
        return index >= self.count or all(trial in self._ends for trial in range(index - self._concurrent + 1))

    def ask(self, index: int) -> Config | None:
        if index >= self.count:
            return None
        while len(self._asked) <= index:
            self._asked.append(self._suggest(len(self._asked)))
        return dict(self._asked[index])

    def complete(self, index: int, metrics: Mapping[str, float] | None, *, lost: bool = False) -> None:
        value = (metrics or {}).get(self._metric, math.nan)
        self._ends[index] = (value if math.isfinite(value) else None, lost)

    def _suggest(self, index: int) -> Config:
        assert self.ready(index), f"suggestion {index} was asked for before trial {index - self._concurrent} was over"
        for trial in range(self._told, index - self._concurrent + 1):
            self._tell(trial)
            self._told = trial + 1
        known = {_key(config) for config in self._asked}
        for attempt in range(TPE_TRIES):
            name = f"{index}.{attempt}"
            config = _plain(self._optuna.suggest(name))
            if _key(config) not in known:
                self._names[index] = name
                return config
            self._optuna.on_trial_complete(name, error=True)  # an error is forgotten: the setting was told once already
        return next(config for config in self._fallback if _key(config) not in known)

    def _tell(self, index: int) -> None:
        value, lost = self._ends[index]
        name = self._names.get(index)
        if name is not None:
            # Neither result nor error: pruned, which the estimator counts among the bad ones.
            self._optuna.on_trial_complete(name, None if value is None else {self._metric: value}, error=lost)
        elif not lost:
            self._optuna.add_evaluated_point(dict(self._asked[index]), value, pruned=value is None)


def _distinct(space: Space, seed: int) -> Iterator[Config]:
    """Variants, each once. Ends never by itself: ask for no more than there are."""
    seen: set[str] = set()
    for config in _variants(space, seed):
        if _key(config) not in seen:
            seen.add(_key(config))
            yield config


def _variants(space: Space, seed: int) -> Iterator[Config]:
    """Tune's variants, sample after sample, for ever."""
    import numpy as np
    from ray.tune.search.variant_generator import generate_variants

    generator = np.random.default_rng(seed)
    unresolved = {"config": space.to_tune()}
    while True:
        for _, spec in generate_variants(unresolved, random_state=generator):
            yield _plain(spec["config"])


def _plain(config: Mapping[str, Any]) -> Config:
    """With numpy's scalars as Python's, so that JSON gives the same values back."""
    return {key: value.item() if hasattr(value, "item") else value for key, value in sorted(config.items())}


def _key(config: Mapping[str, Scalar]) -> str:
    return json.dumps(config, sort_keys=True)


def _seed(study_seed: int, label: str) -> int:
    """Each activation draws from a stream of its own, so that adding one leaves the others' settings alone."""
    return int.from_bytes(hashlib.sha256(f"search/{study_seed}/{label}".encode()).digest()[:4], "big")


@contextmanager
def _without_greeting() -> Iterator[None]:
    """Optuna logs each new study to standard error, past the caller's logging: here, once per activation."""
    logger = logging.getLogger("optuna.storages._in_memory")

    def quiet(record: logging.LogRecord) -> bool:
        return "new study created" not in record.getMessage()

    logger.addFilter(quiet)
    try:
        yield
    finally:
        logger.removeFilter(quiet)
