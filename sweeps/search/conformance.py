"""What every searcher and scheduler has to hold to, for those of your own as for the shipped ones.

    from sweeps.search.conformance import scheduler_checks, searcher_checks

    assert searcher_checks("mylab.search:make", options={"width": 3}) == []
    assert scheduler_checks("mylab.sched:make") == []

Both give what is wrong, a text each; nothing is trained. ``SEARCHERS`` and ``SCHEDULERS`` have the single checks, which
raise AssertionError, for cases of your own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from sweeps.errors import StudyError
from sweeps.search.scheduler_conformance import SCHEDULERS, SchedulerCase
from sweeps.search.schedulers import TrialScheduler, scheduler
from sweeps.search.searcher_conformance import SEARCHERS, SearcherCase
from sweeps.search.searchers import Sampled, Searcher
from sweeps.search.sequential import Sequential
from sweeps.search.tune_searchers import maker
from sweeps.search.unlike import METRIC
from sweeps.study import algorithms, relations
from sweeps.study.sections import Scheduler, Search
from sweeps.study.space import Space, parse, space
from trainer.spec import Options

NUMBERS = space({"a": parse({"uniform": [0.0, 4.0]}), "b": parse({"uniform": [0.0, 4.0]})}, {})
RELATED = Space(domains=NUMBERS.domains, relations=(relations.parse("a > b"),))
SMALL = space({"n": parse({"choice": [1, 2, 3, 4]}), "w": parse({"choice": ["x", "y", None]})}, {})


def searcher_checks(
    algorithm: str,
    *,
    sampler: str | None = None,
    options: Options | None = None,
    spaces: Sequence[Space] | None = None,
    samples: int = 14,
) -> list[str]:
    """What is wrong with a searcher, by name or import path. ``spaces``: of your own; else two numbers, the same under
    a relation, and a small one of lists, where it takes them."""
    search = Search(algorithm=algorithm, sampler=sampler, options=dict(options or {}), samples=samples)
    taken = algorithms.of(algorithm, sampler).takes
    every = spaces if spaces is not None else (NUMBERS, RELATED, SMALL)
    found: list[str] = []
    for each in every:
        if all(domain.kind in taken for domain in each.domains.values()):
            seeded = algorithm != "grid" and each.size is None and sampler != "qmc"
            case = SearcherCase(make=_make_searcher(search, each), space=each, seeded=seeded)
            found += _problems(algorithm, {name: partial(check, case) for name, check in SEARCHERS.items()})
    return list(dict.fromkeys(found))


def scheduler_checks(name: str, *, options: Options | None = None, trials: int = 12, epochs: int = 9) -> list[str]:
    """What is wrong with a scheduler, by name or import path."""
    chosen = Scheduler(name=name, options=dict(options or {}))

    def make() -> TrialScheduler:
        return scheduler(chosen, metric=METRIC, mode="min", epochs=epochs, trials=trials, seed=1)

    case = SchedulerCase(make=make, trials=trials, epochs=epochs)
    return _problems(name, {check: partial(each, case) for check, each in SCHEDULERS.items()})


def _make_searcher(search: Search, each: Space) -> Callable[[int], Searcher]:
    def make(seed: int) -> Searcher:
        if not algorithms.of(search.algorithm, search.sampler).learns:
            return Sampled(each, search.samples, seed=seed)
        made = maker(search, each, mode="min", seed=seed)
        return Sequential(
            each, search.samples, made, seed=seed, metric=METRIC, mode="min", concurrent=algorithms.LEARNS_FROM
        )

    return make


def _problems(who: str, checks: Mapping[str, Callable[[], None]]) -> list[str]:
    found = []
    for name, check in checks.items():
        try:
            check()
        except StudyError:
            raise
        except Exception as error:  # a plug-in may raise anything
            said = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
            found.append(f"{who}: {name}: {said}")
    return found


__all__ = [
    "METRIC", "NUMBERS", "RELATED", "SCHEDULERS", "SEARCHERS", "SMALL", "SchedulerCase", "SearcherCase",
    "scheduler_checks", "searcher_checks",
]  # fmt: skip
