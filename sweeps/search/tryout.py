"""Tries a study's searchers and schedulers before anything is written: installed, of their kind, and taking what the
study gives them. Costs nothing where a study names only what was checked with the file, else a second for Ray, or what
importing the user's own costs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sweeps.errors import StudyError, SweepError
from sweeps.search.variants import Config
from sweeps.study.sections import Search
from sweeps.study.study import Study

SUGGESTIONS = 3
T = TypeVar("T")


def check(study: Study) -> None:
    """Raises :class:`StudyError` for what would stop the search."""
    search = study.search
    if search is None or not study.searched() or _plain(search):
        return
    from sweeps.search.schedulers import make_scheduler

    for label in study.searched():
        first = _tried(study, f"search.algorithm: {search.algorithm}", lambda it=label: _suggestions(study, it))  # type: ignore[misc]
        if ":" in search.algorithm and first != _suggestions(study, label):
            raise StudyError(
                f"{study.name}: search.algorithm: {search.algorithm} suggests something else when it is made again "
                "with the same seed; accepts a search whose random numbers all come from the seed that it is given"
            )
        where = f"search.scheduler: {search.scheduler.name}"
        stopping = _tried(study, where, lambda it=label: make_scheduler(study, it))  # type: ignore[misc]
        _tried(study, where, lambda it=stopping: it.result(0, 1, {search.select_on: 0.5}))  # type: ignore[misc]


def _plain(search: Search) -> bool:
    """Whether there is nothing to try: a sampled search or the estimator with its own options, and such a scheduler."""
    known = search.algorithm in ("random", "grid", "tpe") and search.scheduler.name in ("none", "asha")
    return known and not search.options and not search.scheduler.options


def _suggestions(study: Study, label: str) -> list[Config | None]:
    from sweeps.search.searchers import make_searcher

    assert study.search is not None
    searcher = make_searcher(study, label)
    found: list[Config | None] = []
    for index in range(min(SUGGESTIONS, searcher.count)):
        found.append(searcher.ask(index))
        searcher.complete(index, {study.search.select_on: 1.0 / (1 + index)})
    return found


def _tried(study: Study, where: str, attempt: Callable[[], T]) -> T:
    try:
        return attempt()
    except StudyError as error:
        raise StudyError(f"{study.name}: {error}") from error
    except SweepError as error:
        raise StudyError(f"{study.name}: {where}: {error}") from error
    except Exception as error:  # the libraries and the user's own may raise anything
        raise StudyError(f"{study.name}: {where}: {type(error).__name__}: {error or 'no message'}") from error
