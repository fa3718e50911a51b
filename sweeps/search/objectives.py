"""A search for several objectives at once: Optuna's samplers through Tune's OptunaSearch, in our order and replayable.

Nothing is weighed: the sampler looks for settings of which none is better in every objective. A setting without a value
of every objective is told as pruned, so that no sampler breeds from it or takes it for a good one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sweeps.search.options import check_options
from sweeps.search.sequential import Maker, Sequential
from sweeps.search.tune_searchers import OPTUNA, quiet, require
from sweeps.search.variants import Config
from sweeps.study import algorithms, objectives
from sweeps.study.space import Space
from sweeps.study.study import Mode, Study
from trainer.spec import Options


def make(study: Study, space: Space, seed: int) -> Sequential:
    """The searcher of one activation. Raises :class:`sweeps.errors.StudyError` for options that its sampler does not
    take, and for what is not installed."""
    search = study.search
    assert search is not None
    require(search)
    modes = [direction(study, name) for name in search.objectives]
    return Sequential(
        space,
        search.samples,
        maker(search.sampler or "tpe", space, search.objectives, modes, seed=seed, options=search.options),
        seed=seed,
        metric=search.objectives,
        mode=modes[0],
        concurrent=search.concurrent or algorithms.LEARNS_FROM,
    )


def direction(study: Study, name: str) -> Mode:
    """Which way an objective is better, in Tune's words."""
    if name in objectives.COSTS:
        return "min"
    return "min" if study.description.metric(name).better == "lower" else "max"


def maker(
    sampler: str, space: Space, metrics: Sequence[str], modes: Sequence[Mode], *, seed: int, options: Options
) -> Maker:
    """Of the named sampler of Optuna's. Raises :class:`sweeps.errors.StudyError` for options that it does not take."""
    with quiet():
        from optuna import samplers

        made = getattr(samplers, OPTUNA[sampler])
    check_options(f"search.options of sampler {sampler}", options, made, {"seed", "warn_independent_sampling"})
    silent = {"warn_independent_sampling": False} if sampler in ("gp", "qmc") else {}

    def build(points: Sequence[Config]) -> Any:
        from ray.tune.search.optuna import OptunaSearch

        with quiet():
            search = OptunaSearch(
                metric=list(metrics),
                mode=list(modes),
                sampler=made(seed=seed, **silent, **options),
                points_to_evaluate=[dict(point) for point in points],
            )
            search.set_search_properties(None, None, space.to_tune())
        return search

    return Maker(make=build, takes_points=True, failure="pruned")
