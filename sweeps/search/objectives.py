"""A search for several objectives at once: Optuna's samplers through Tune's OptunaSearch, in our order and replayable.

Nothing is weighed: the sampler looks for settings of which none is better in every objective. Importing this module
loads nothing of Ray; making a searcher does.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from slurm.messages import nearest
from sweeps.errors import StudyError
from sweeps.search.sequential import Maker, Sequential
from sweeps.search.tune_searchers import OPTUNA, quiet
from sweeps.search.variants import Config
from sweeps.study import algorithms, objectives
from sweeps.study.space import Space
from sweeps.study.study import Mode, Study
from trainer.spec import Scalar

CLASSES = {name: OPTUNA[name] for name in objectives.SAMPLERS}


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
        concurrent=search.concurrent or algorithms.LEARNS_FROM,
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


class SeveralObjectives(Sequential):
    """A setting without a value of every objective is told as pruned: no sampler breeds from it or takes it for a good
    one."""

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
        def made(points: Sequence[Config]) -> Any:
            from ray.tune.search.optuna import OptunaSearch

            with quiet():
                search = OptunaSearch(
                    metric=list(metrics),
                    mode=list(modes),
                    sampler=sampler,
                    points_to_evaluate=[dict(point) for point in points],
                )
                search.set_search_properties(None, None, space.to_tune())
            return search

        maker = Maker(make=made, takes_points=True, failure="pruned")
        super().__init__(space, samples, maker, seed=seed, metric=metrics, mode=modes[0], concurrent=concurrent)
