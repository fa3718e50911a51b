"""Ray Tune's searchers by name, and those of the user by import path.

**Your own**: ``algorithm: "mylab.search:make"`` is a function or class that is given those of these keywords that it
names, and the study's ``search.options``:

- ``space``: flat key (``activation.k``, ``training.lr``) -> Tune's domain (``ray.tune.uniform(...)``)
- ``metric`` and ``mode``: what is looked for (``validation/loss``) and whether to ``min`` or ``max`` it
- ``seed``: an integer of 32 bits; all of its random numbers come from it
- ``samples``: the suggestions that there will be, at most

It gives a ``ray.tune.search.Searcher``. Of that ``set_search_properties(metric, mode, space)`` is called, then
``suggest``, ``on_trial_complete`` and, where it has one, ``add_evaluated_point``, in an order that depends on results
alone. It must not look at the clock, at files or at other random numbers: a driver that was killed makes it anew and
tells it the same again. :mod:`sweeps.search.conformance` checks that.
"""

from __future__ import annotations

import importlib.util
import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sweeps.errors import StudyError
from sweeps.search.options import check_options, given, names_of
from sweeps.search.sequential import Maker
from sweeps.search.variants import Config
from sweeps.study import algorithms
from sweeps.study.sections import Search
from sweeps.study.space import Space
from sweeps.study.study import Mode
from trainer.catalogue import resolve, what
from trainer.errors import UnknownName
from trainer.spec import Options

OPTUNA: Mapping[str, str] = {
    "tpe": "TPESampler",
    "gp": "GPSampler",
    "cmaes": "CmaEsSampler",
    "qmc": "QMCSampler",
    "random": "RandomSampler",
    "brute_force": "BruteForceSampler",
    "nsgaii": "NSGAIISampler",
    "nsgaiii": "NSGAIIISampler",
}
"""``search.sampler`` -> Optuna's class."""
GIVEN = ("space", "metric", "mode", "seed", "samples")


def maker(search: Search, space: Space, *, mode: Mode, seed: int) -> Maker:
    """Of a search that learns. Raises :class:`StudyError` for what is not installed, and for options that it does not
    take."""
    known: dict[str, Callable[..., Maker]] = {
        "tpe": tpe, "optuna": _optuna, "hyperopt": _hyperopt, "nevergrad": _nevergrad, "bayesopt": _bayesopt, "ax": _ax
    }  # fmt: skip
    require(search)
    common: dict[str, Any] = {"metric": search.select_on, "mode": mode, "seed": seed}
    if ":" in search.algorithm:
        return _own(search, space, common)
    if search.algorithm == "tpe":
        return tpe(space, **common, options=search.options)
    if search.algorithm == "optuna":
        return _optuna(space, **common, sampler=search.sampler or "tpe", options=search.options)
    if search.algorithm == "nevergrad":
        workers = search.concurrent or algorithms.LEARNS_FROM
        budget = {"budget": space.trials(search.samples), "num_workers": workers}
        return _nevergrad(space, **common, options=search.options, budget=budget)
    return known[search.algorithm](space, **common, options=search.options)


def require(search: Search) -> None:
    """Raises :class:`StudyError` where a package is missing."""
    needed = algorithms.of(search.algorithm, search.sampler)
    if needed.module and importlib.util.find_spec(needed.module) is None:
        named = f"sampler: {search.sampler}" if search.algorithm == "optuna" else f"algorithm: {search.algorithm}"
        install = f"actsweep[{needed.extra}]" if needed.extra else needed.module
        raise StudyError(
            f"search.{named}: needs the module {needed.module}, which is not installed for {sys.executable}; "
            f"`pip install '{install}'`, or choose another: {', '.join(algorithms.ALGORITHMS)}"
        )


# -- Optuna ------------------------------------------------------------------------------------------------------------


def tpe(space: Space, *, metric: str, mode: Mode, seed: int, options: Options | None = None) -> Maker:
    """Optuna's tree-structured Parzen estimator."""
    return _optuna(space, metric=metric, mode=mode, seed=seed, sampler="tpe", options=options or {})


def _optuna(space: Space, *, metric: str, mode: Mode, seed: int, sampler: str, options: Options) -> Maker:
    with quiet():
        from optuna import samplers

        made = getattr(samplers, OPTUNA[sampler])
    check_options(f"search.options of sampler {sampler}", options, made, {"seed", "warn_independent_sampling"})
    # What it cannot relate it draws by itself; which kinds those are, the study was checked for.
    silent = {"warn_independent_sampling": False} if sampler in ("gp", "cmaes", "qmc") else {}

    def make(points: Sequence[Config]) -> Any:
        from ray.tune.search.optuna import OptunaSearch

        with quiet():
            chosen = made(seed=seed, **silent, **options)
            search = OptunaSearch(
                metric=metric, mode=mode, sampler=chosen, points_to_evaluate=[dict(point) for point in points]
            )
            search.set_search_properties(metric, mode, space.to_tune())
        return search

    return Maker(make=make, takes_points=True, failure="pruned" if sampler == "tpe" else "worst")


@contextmanager
def quiet() -> Iterator[None]:
    """Optuna logs each new study to standard error, past the caller's logging, and warns of classes that may change:
    here, once per activation."""
    logger = logging.getLogger("optuna.storages._in_memory")

    def quiet(record: logging.LogRecord) -> bool:
        return "new study created" not in record.getMessage()

    logger.addFilter(quiet)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*experimental")
            yield
    finally:
        logger.removeFilter(quiet)


# -- the others that Ray carries ---------------------------------------------------------------------------------------


def _hyperopt(space: Space, *, metric: str, mode: Mode, seed: int, options: Options) -> Maker:
    from ray.tune.search.hyperopt import HyperOptSearch

    check_options("search.options of hyperopt", options, HyperOptSearch, {"metric", "mode", "random_state_seed"})

    def make(points: Sequence[Config]) -> Any:
        search = HyperOptSearch(
            metric=metric, mode=mode, random_state_seed=seed,
            points_to_evaluate=[dict(point) for point in points] or None, **options,
        )  # fmt: skip
        search.set_search_properties(metric, mode, space.to_tune())
        return search

    return Maker(make=make, takes_points=True, failure="worst")


def _nevergrad(
    space: Space, *, metric: str, mode: Mode, seed: int, options: Options, budget: Mapping[str, int]
) -> Maker:
    import nevergrad
    import numpy as np
    from ray.tune.search.nevergrad import NevergradSearch

    registry = nevergrad.optimizers.registry
    name = options.get("optimizer", "OnePlusOne")
    given("search.options of nevergrad", options, ("optimizer",))
    if name not in registry:
        raise StudyError(
            f"search.options.optimizer: got {name!r}; accepts one of Nevergrad's {len(registry)}, as OnePlusOne"
        )

    def make(points: Sequence[Config]) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of narrow domains, which the study chose
            searched = NevergradSearch.convert_search_space(space.to_tune())
        searched.random_state = np.random.RandomState(seed)
        return NevergradSearch(
            optimizer=registry[name], optimizer_kwargs=dict(budget), space=searched, metric=metric, mode=mode,
            points_to_evaluate=[dict(point) for point in points] or None,
        )  # fmt: skip

    return Maker(make=make, takes_points=True, failure="worst")


def _bayesopt(space: Space, *, metric: str, mode: Mode, seed: int, options: Options) -> Maker:
    from ray.tune.search.bayesopt import BayesOptSearch

    check_options("search.options of bayesopt", options, BayesOptSearch, {"metric", "mode", "random_state", "verbose"})

    class Forgiving(BayesOptSearch):  # type: ignore[misc]  # Ray is not typed
        """Draws another one for a random setting that was forgotten: it would wait for its result for ever."""

        def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
            if error and len(self._buffered_trial_results) < self.random_search_trials:
                self._total_random_search_trials -= 1
            super().on_trial_complete(trial_id, result, error)

    def make(points: Sequence[Config]) -> Any:
        search = Forgiving(
            metric=metric, mode=mode, random_state=seed, points_to_evaluate=[dict(point) for point in points], **options
        )
        search.set_search_properties(metric, mode, space.to_tune())
        return search

    return Maker(make=make, takes_points=True, failure="worst")


def _ax(space: Space, *, metric: str, mode: Mode, seed: int, options: Options) -> Maker:
    from ray.tune.search.ax import AxSearch

    given("search.options of ax", options, ())

    def make(points: Sequence[Config]) -> Any:
        search = AxSearch(
            metric=metric, mode=mode, points_to_evaluate=[dict(point) for point in points] or None,
            random_seed=seed, verbose_logging=False,
        )  # fmt: skip
        search.set_search_properties(metric, mode, space.to_tune())
        return search

    return Maker(make=make, takes_points=True, failure="worst")


# -- the user's own ----------------------------------------------------------------------------------------------------


def _own(search: Search, space: Space, common: Mapping[str, Any]) -> Maker:
    try:
        made = resolve("search algorithm", search.algorithm, {})
    except UnknownName as error:
        raise StudyError(f"search.algorithm: {error}") from error
    if not callable(made):
        raise StudyError(
            f"search.algorithm: {search.algorithm} is {what(made)}; accepts a function or class: {algorithms.MAKER}"
        )
    check_options(f"search.options of {search.algorithm}", search.options, made, GIVEN)

    def make(points: Sequence[Config]) -> Any:
        from ray.tune.search import Searcher

        named = names_of(made)
        offered = {**common, "space": space.to_tune(), "samples": space.trials(search.samples)}
        found = made(**{name: value for name, value in offered.items() if name in named}, **search.options)
        if not isinstance(found, Searcher):
            raise StudyError(
                f"search.algorithm: {search.algorithm} gave {what(found)}; accepts a ray.tune.search.Searcher: "
                f"{algorithms.MAKER}"
            )
        found.set_search_properties(common["metric"], common["mode"], space.to_tune())
        return found

    return Maker(make=make, takes_points=False, failure="worst")
