"""A search for several objectives at once: Optuna's samplers through Tune's OptunaSearch, in our order and replayable.

Nothing is weighed: the sampler looks for settings of which none is better in every objective. Importing this module
loads nothing of Ray; making a searcher does.
"""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from slurm.messages import nearest
from sweeps.errors import StudyError
from sweeps.search import searchers
from sweeps.search.searchers import Config
from sweeps.study import objectives
from sweeps.study.space import Space
from sweeps.study.study import Mode, Study
from trainer.spec import Scalar

CONCURRENT = searchers.TPE_CONCURRENT
TRIES = searchers.TPE_TRIES
CLASSES = {
    "tpe": "TPESampler",
    "nsgaii": "NSGAIISampler",
    "nsgaiii": "NSGAIIISampler",
    "gp": "GPSampler",
    "qmc": "QMCSampler",
    "random": "RandomSampler",
}


def make(study: Study, space: Space, seed: int) -> SeveralObjectives:
    """The searcher of one activation. Raises :class:`StudyError` for options that its sampler does not take."""
    search = study.search
    assert search is not None
    modes = [direction(study, name) for name in search.objectives]
    return SeveralObjectives(
        space,
        search.samples,
        metrics=search.objectives,
        modes=modes,
        sampler=sampler(search.sampler or "tpe", seed, search.options),
        seed=seed,
        concurrent=search.concurrent or CONCURRENT,
    )


def direction(study: Study, name: str) -> Mode:
    """Which way an objective is better, in Tune's words."""
    if name in objectives.COSTS:
        return "min"
    return "min" if study.description.metric(name).better == "lower" else "max"


def sampler(name: str, seed: int, options: Mapping[str, Scalar]) -> Any:
    """Optuna's sampler of that name. Raises :class:`StudyError` for options that it does not take."""
    import optuna

    kind = getattr(optuna.samplers, CLASSES[name])
    takes = [key for key in inspect.signature(kind).parameters if key != "seed"]
    for key in options:
        if key not in takes:
            accepted = f"accepts {', '.join(takes)}{nearest(key, takes)}"
            raise StudyError(f"search.options.{key}: sampler {name} ({kind.__name__}) {accepted}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # the study file asked for it by name
        return kind(seed=seed, **options)


class SeveralObjectives:
    """Suggestion ``n`` knows the results of trials 0 to ``n - concurrent``, whatever else is over. A setting without a
    value of every objective is told as pruned: no sampler breeds from it or takes it for a good one."""

    def __init__(
        self,
        space: Space,
        samples: int,
        *,
        metrics: Sequence[str],
        modes: Sequence[Mode],
        sampler: Any,
        seed: int,
        concurrent: int,
    ) -> None:
        from ray.tune.search.optuna import OptunaSearch

        self.count = space.trials(samples)
        self._metrics, self._concurrent = tuple(metrics), concurrent
        self._ends: dict[int, tuple[dict[str, float] | None, bool]] = {}
        self._told = 0
        self._asked: list[Config] = []
        self._names: dict[int, str] = {}
        """Tune's names of our trials; none for those drawn at random instead."""
        self._fallback = searchers._variants(space, seed)
        self._optuna = OptunaSearch(metric=list(metrics), mode=list(modes), sampler=sampler)
        with searchers._without_greeting():
            self._optuna.set_search_properties(None, None, space.to_tune())

    def ready(self, index: int) -> bool:
        return index >= self.count or all(trial in self._ends for trial in range(index - self._concurrent + 1))

    def ask(self, index: int) -> Config | None:
        if index >= self.count:
            return None
        while len(self._asked) <= index:
            self._asked.append(self._suggest(len(self._asked)))
        return dict(self._asked[index])

    def complete(self, index: int, metrics: Mapping[str, float] | None, *, lost: bool = False) -> None:
        found = {name: (metrics or {}).get(name, math.nan) for name in self._metrics}
        self._ends[index] = (found if all(map(math.isfinite, found.values())) else None, lost)

    def _suggest(self, index: int) -> Config:
        assert self.ready(index), f"suggestion {index} was asked for before trial {index - self._concurrent} was over"
        for trial in range(self._told, index - self._concurrent + 1):
            values, lost = self._ends[trial]
            if trial in self._names:
                self._optuna.on_trial_complete(self._names[trial], values, error=lost)
            self._told = trial + 1
        known = {searchers._key(config) for config in self._asked}
        for attempt in range(TRIES):
            name = f"{index}.{attempt}"
            config = searchers._plain(self._optuna.suggest(name))
            if searchers._key(config) not in known:
                self._names[index] = name
                return config
            self._optuna.on_trial_complete(name, error=True)  # an error is forgotten: the setting was told once already
        # A small space: one that is drawn at random is tried, and the sampler does not hear of it.
        return next(config for config in self._fallback if searchers._key(config) not in known)
