"""Searchers, one of each per activation, in this process and without actors.

All are deterministic and can be replayed: the same seed and the same calls give the same suggestions. A searcher that
learns takes results in the order of its trials and never more than it may know (:meth:`Searcher.ready`), so that
neither the cluster's timing nor a killed driver changes what it suggests. Importing this module loads nothing of Ray;
making a searcher does (about a second and 180 MB).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Protocol

from sweeps.search.sequential import Sequential
from sweeps.search.tune_searchers import maker, tpe
from sweeps.search.variants import Config, key, variants
from sweeps.study import algorithms
from sweeps.study.space import Space
from sweeps.study.study import Mode, Study


class Searcher(Protocol):
    count: int
    """Suggestions there will be."""
    first: Config | None
    """What suggestion 0 is to be; None: what the search comes to. May be set until it is asked for."""

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
    """The searcher of one activation, seeded by the study's seed and the label. Raises
    :class:`sweeps.errors.StudyError` for one that is not installed or is none."""
    search = study.search
    assert search is not None
    space, seed = study.space_of(label), _seed(study.seed, label)
    if search.objectives and search.algorithm not in ("random", "grid"):
        from sweeps.search import objectives

        return objectives.make(study, space, seed)
    if not algorithms.of(search.algorithm, search.sampler).learns:
        return Sampled(space, search.samples, seed=seed, concurrent=search.concurrent)
    return Sequential(
        space,
        search.samples,
        maker(search, space, mode=study.mode, seed=seed),
        seed=seed,
        metric=search.select_on,
        mode=study.mode,
        concurrent=search.concurrent or algorithms.LEARNS_FROM,
    )


class Sampled:
    """Random and grid search: what Tune's BasicVariantGenerator gives with the same seed, without repetitions and
    without what breaks a relation."""

    def __init__(self, space: Space, samples: int, *, seed: int, concurrent: int | None = None) -> None:
        self.count = space.trials(samples)
        self.first: Config | None = dict(space.first) if space.first is not None else None
        self._concurrent = concurrent
        self._drawn = variants(space, seed)
        self._space, self._samples = space, samples
        self._seen: set[str] = set()
        self._of_combination: Counter[str] = Counter()
        """Settings so far of each combination of the grid."""
        self._asked: list[Config] = []
        self._over: set[int] = set()

    def ready(self, index: int) -> bool:
        in_flight = len(self._asked) - len(self._over)
        return index >= self.count or self._concurrent is None or in_flight < self._concurrent

    def ask(self, index: int) -> Config | None:
        if index >= self.count:
            return None
        while len(self._asked) <= index:
            own = not self._asked and self.first is not None
            found = self._taken(self.first) if own and self.first is not None else next(self._distinct())
            self._asked.append(found)
        return dict(self._asked[index])

    def complete(self, index: int, metrics: Mapping[str, float] | None, *, lost: bool = False) -> None:
        self._over.add(index)

    def _distinct(self) -> Iterator[Config]:
        """Settings that were not there before. Ends never by itself: ask for no more than there are."""
        for config in self._drawn:
            full = self._space.relations and self._of_combination[self._combination(config)] >= self._samples
            if key(config) not in self._seen and not full and self._space.fulfils(config):
                yield self._taken(config)

    def _taken(self, config: Config) -> Config:
        self._seen.add(key(config))
        self._of_combination[self._combination(config)] += 1
        return config

    def _combination(self, config: Config) -> str:
        return key({name: config[name] for name in self._space.grid})


class Tpe(Sequential):
    """Tree-structured Parzen estimator: Tune's OptunaSearch. Its first ten settings are drawn at random."""

    def __init__(self, space: Space, samples: int, *, seed: int, metric: str, mode: Mode, concurrent: int) -> None:
        made = tpe(space, metric=metric, mode=mode, seed=seed)
        super().__init__(space, samples, made, seed=seed, metric=metric, mode=mode, concurrent=concurrent)


def _seed(study_seed: int, label: str) -> int:
    """Each activation draws from a stream of its own, so that adding one leaves the others' settings alone."""
    return int.from_bytes(hashlib.sha256(f"search/{study_seed}/{label}".encode()).digest()[:4], "big")
