"""Which searches there are, and what each takes. A literal table: a study is checked without Ray or any of them.

:mod:`sweeps.search.tune_searchers` makes them; tests hold this table to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from slurm.messages import nearest
from sweeps.study.domain import KINDS, Domain, Kind

NUMBERS: tuple[Kind, ...] = ("uniform", "loguniform", "quniform", "randint")
DRAWN: tuple[Kind, ...] = (*NUMBERS, "choice")
LEARNS_FROM = 4
"""Trials in flight of an algorithm that learns from those that are over, where ``search.concurrent`` is null."""


@dataclass(frozen=True, kw_only=True)
class Algorithm:
    """``takes``: kinds of domains. ``instead``: what to write for the others. ``module`` and ``extra``: what it needs
    beyond the product's own dependencies, and the extra that installs it. ``least``: searched numbers that it needs."""

    title: str
    takes: tuple[Kind, ...] = DRAWN
    instead: str = "write choice instead of grid_search"
    learns: bool = True
    module: str = ""
    extra: str = ""
    least: int = 1


ALGORITHMS: dict[str, Algorithm] = {
    "random": Algorithm(title="random search", takes=KINDS, learns=False),
    "grid": Algorithm(
        title="grid search", takes=("grid_search",), instead="list its values, or search at random", learns=False
    ),
    "tpe": Algorithm(title="tree-structured Parzen estimator (Optuna)"),
    "optuna": Algorithm(title="Optuna"),
    "hyperopt": Algorithm(title="HyperOpt's tree-structured Parzen estimator", module="hyperopt", extra="hyperopt"),
    "nevergrad": Algorithm(
        title="Nevergrad",
        takes=("uniform", "loguniform", "randint", "choice"),
        instead="write uniform or choice (quantums it drops)",
        module="nevergrad",
        extra="nevergrad",
    ),
    "bayesopt": Algorithm(
        title="Bayesian optimisation with a Gaussian process (bayesian-optimization)",
        takes=("uniform",),
        instead="write uniform, or choose algorithm: optuna with sampler: gp, which takes every kind",
        module="bayes_opt",
        extra="bayesopt",
    ),
    "ax": Algorithm(
        title="Ax",
        takes=("uniform", "loguniform", "randint", "choice"),
        instead="write uniform or choice (quantums it drops)",
        module="ax",
        extra="ax",
    ),
}
"""Of Ray Tune's searchers, those that suggest one setting at a time for the spaces of a study. An import path names
another one."""

SAMPLERS: dict[str, Algorithm] = {
    "tpe": Algorithm(title="tree-structured Parzen estimator"),
    "gp": Algorithm(title="Gaussian process", module="torch"),
    "cmaes": Algorithm(
        title="CMA-ES",
        takes=NUMBERS,
        instead="write numbers (values of a list it draws at random), or choose sampler: tpe",
        module="cmaes",
        extra="cmaes",
        least=2,
    ),
    "qmc": Algorithm(
        title="quasi-Monte Carlo (Sobol)",
        takes=NUMBERS,
        instead="write numbers (values of a list it draws at random), or choose sampler: random",
    ),
    "random": Algorithm(title="independent draws"),
    "brute_force": Algorithm(
        title="every setting, in random order",
        takes=("quniform", "randint", "choice"),
        instead="write quniform, randint or choice: it tries every value there is",
    ),
    "nsgaii": Algorithm(title="NSGA-II"),
    "nsgaiii": Algorithm(title="NSGA-III"),
}
"""Optuna's samplers, by ``search.sampler``. Its grid is ``algorithm: grid``, or ``brute_force``."""

SCHEDULERS: dict[str, str] = {
    "none": "every setting trains to its end",
    "asha": "asynchronous successive halving",
    "median": "median stopping rule",
    "hyperband": "HyperBand",
}
REFUSED_SCHEDULERS: dict[str, str] = {
    **dict.fromkeys(
        ("pbt", "pb2", "pbt_replay", "population_based_training"),
        "changes a setting while it trains and copies weights from one setting to another: what came out would be a "
        "schedule of settings, not one that could be confirmed on fresh folds",
    ),
    "resource_changing": "changes the devices of a trial while it trains; jobs of a study have what the profile gives",
    **dict.fromkeys(
        ("hb_bohb", "bohb"),
        "lets the search suggest a setting only when a bracket of it has been paused; hyperband stops alike, with any "
        "search",
    ),
}

MAKER = "make(space, metric, mode, seed, samples)"
"""What an import path under ``search.algorithm`` leads to; :mod:`sweeps.search.tune_searchers` has its contract."""
SCHEDULER_MAKER = "make(metric, mode, epochs)"


def wrong_algorithm(name: str) -> str | None:
    """What is accepted instead of a name that is no algorithm; None for one that is."""
    if name in SAMPLERS and name not in ALGORITHMS:
        return f"accepts {_listed(ALGORITHMS)}; {name} is one of Optuna's: {{algorithm: optuna, sampler: {name}}}"
    return _wrong("algorithm", name, ALGORITHMS, "mylab.search:make", MAKER)


def wrong_scheduler(name: str) -> str | None:
    if name.lower() in REFUSED_SCHEDULERS:
        return f"accepts {_listed(SCHEDULERS)}, not {name}: it {REFUSED_SCHEDULERS[name.lower()]}"
    return _wrong("scheduler", name, SCHEDULERS, "mylab.sched:make", SCHEDULER_MAKER)


def _wrong(kind: str, name: str, known: Iterable[str], example: str, maker: str) -> str | None:
    if name in known:
        return None
    module, colon, attribute = name.partition(":")
    if colon and all(part.isidentifier() for part in (*module.split("."), *attribute.split("."))):
        return None
    named = list(known)
    return f"accepts {_listed(named)}, or your own by its import path, as {example}: {maker}{nearest(name, named)}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def of(algorithm: str, sampler: str | None) -> Algorithm:
    """What a search by name is; one by import path takes everything that can be drawn."""
    if algorithm == "optuna":
        return SAMPLERS[sampler or "tpe"]
    return ALGORITHMS.get(algorithm, Algorithm(title=algorithm))


def refused_domains(
    algorithm: str, sampler: str | None, domains: Iterable[tuple[str, Domain]]
) -> Iterator[tuple[str, str]]:
    """(key, what is accepted) of every domain that the search does not take."""
    what = of(algorithm, sampler)
    said = f"search.algorithm: {algorithm}" + (f" and sampler: {sampler}" if sampler else "")
    for key, domain in domains:
        if domain.kind in what.takes:
            continue
        if domain.kind == "grid_search":
            yield key, f"accepts no grid_search with {said}; write choice instead"
        else:
            yield key, f"accepts {' or '.join(what.takes)} with {said}; {what.instead}"


def words(algorithm: str, sampler: str | None) -> str:
    """For people: ``algorithm optuna, sampler gp (Gaussian process)``."""
    title = of(algorithm, sampler).title
    if algorithm == "optuna":
        return f"algorithm optuna, sampler {sampler or 'tpe'} ({title})"
    return f"algorithm {algorithm}" + (f" ({title})" if title not in (algorithm, f"{algorithm} search") else "")
