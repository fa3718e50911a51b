"""What is looked at before a suite is run: of each study what is looked at before that is run alone."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeVar

from sweeps.driver import needs, neighbours, preflight, receivers
from sweeps.driver.preflight import Checked
from sweeps.errors import FolderBusy, StudyError
from sweeps.folder.lock import busy, held
from sweeps.study.study import Study
from sweeps.suite import folder
from sweeps.suite.suite import Suite, folder_of
from sweeps.tracking.store import Store
from sweeps.view import before_run
from sweeps.view.before_run import Looked

T = TypeVar("T")


def look(suite: Suite, path: Path, *, quick: bool = False) -> dict[str, Looked]:
    """By member. Writes nothing. Raises as :func:`sweeps.suite.folder.check` and, with what is wrong with all studies,
    as :func:`sweeps.view.before_run.look`."""
    folder.check(suite, path)
    if folder.is_suite(path) and held(path):
        raise FolderBusy(busy(path))
    if not quick:
        receivers.refuse_missing(suite.notify)
    silent: set[Store] = set()

    def attempt(study: Study, below: Path) -> Looked:
        return before_run.look(study, below, quick=quick, silent=silent)

    return _of_each(suite, path, suite.studies, attempt)


def tried(suite: Suite, path: Path, members: Collection[str]) -> dict[str, Checked]:
    """Tries studies of a suite that grows, by member. Raises :class:`StudyError` with what is wrong with all."""
    receivers.refuse_missing(suite.notify)
    silent: set[Store] = set()

    def attempt(study: Study, below: Path) -> Checked:
        beside = neighbours.look(study, below, silent)
        with needs.as_started(study, below):
            found = preflight.check(study)
        return found._replace(remarks=[*beside, *found.remarks])

    return _of_each(suite, path, members, attempt)


def _of_each(suite: Suite, path: Path, members: Collection[str], attempt: Callable[[Study, Path], T]) -> dict[str, T]:
    wrong: list[str] = []
    found: dict[str, T] = {}
    for member in members:
        try:
            found[member] = attempt(suite.studies[member], folder_of(path, member))
        except StudyError as error:
            wrong.append(str(error))
    if wrong:
        raise StudyError("\n".join(wrong))
    return found
