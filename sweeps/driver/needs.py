"""What a study needs of its surroundings: a data root where its data set has files, an import path where it names
modules of the user's own. What it does not need is neither kept nor missed."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sweeps.errors import StudyError
from sweeps.folder import layout, surroundings
from sweeps.folder.surroundings import DATA, IMPORTS, Surroundings
from sweeps.study.study import Study


def here(study: Study) -> Surroundings:
    """Those of this process, without a data root that the study does not ask for."""
    now = surroundings.here()
    return now if _asks_for_data_root(study) else dataclasses.replace(now, data_root=None)


def kept(study: Study, path: Path) -> Surroundings:
    """What the study's folder keeps; of one that an earlier version made, or that is not there yet, what can be known
    now. Raises :class:`StudyError` for a damaged file."""
    if (found := surroundings.read(path)) is not None:
        return found
    now = here(study)
    return surroundings.of_earlier_version(path, now) if _asks_for_data_root(study) else now


@contextmanager
def as_started(study: Study, path: Path) -> Iterator[None]:
    """This process as when the study in ``path`` was started, or as it is where there is none yet. Raises as
    :func:`check`."""
    known = kept(study, path)
    if (path / layout.STUDY).exists():
        check(study, known, path)
    elif known.data_root is not None and not Path(known.data_root).is_dir():
        raise StudyError(
            f"{study.name}: {DATA} is {known.data_root}, and there is no such folder here; correct it, or set root: in "
            "the study"
        )
    with surroundings.entered(known), contextlib.chdir(known.folder() or Path()):
        yield


def differences(study: Study, path: Path) -> list[str]:
    """What this process' environment says otherwise than what is kept and used; a sentence each."""
    now = here(study)
    return surroundings.differences(
        kept(study, path), now if _own_modules(study) else dataclasses.replace(now, import_path=()), path
    )


def check(study: Study, found: Surroundings, path: Path) -> None:
    """Raises :class:`StudyError` for data or modules that are not there: every fold would fail on it, node by node."""
    file, again = path / surroundings.FILE, f"actsweep resume {layout.quote_path(path)} --here"
    if study.root is not None and not Path(study.root).is_dir():
        raise StudyError(
            f"{path / layout.STUDY}: root is {study.root}, and there is no such folder here; bring it back, or correct "
            "root in that file: it is no part of the study's identity"
        )
    if found.data_root is not None and not Path(found.data_root).is_dir():
        raise StudyError(
            f"{file}: data_root is {found.data_root}, and there is no such folder here; bring it back, or name another "
            f"for the rest of the study: `{DATA}=FOLDER {again}`"
        )
    named = found.data_root is not None or surroundings.withheld(DATA) or ":" in study.data.name
    if not named and _asks_for_data_root(study):
        raise StudyError(
            f"{file}: data_root is null, and data set {study.data.name} lies below one; name it for the rest of the "
            f"study: `{DATA}=FOLDER {again}`"
        )
    gone = [entry for entry in found.import_path if not Path(entry).exists()]
    if gone and _own_modules(study):
        raise StudyError(
            f"{file}: import_path has {', '.join(gone)}, which is not there, and the study names modules of your own; "
            f"bring it back, or name the whole path for the rest of the study: `{IMPORTS}=FOLDER {again}`"
        )


def _asks_for_data_root(study: Study) -> bool:
    """Whether ACTSWEEP_DATA decides what is read: not where the study names its root, nor for a data set that comes
    with a package. One of the user's own may read it."""
    from trainer.datasets import preparation

    return study.root is None and (":" in study.data.name or bool(preparation.about(study.data.name).needs))


def _own_modules(study: Study) -> bool:
    named = [study.data.name, study.model.name, study.task.name, *(item.activation for item in study.activations)]
    if study.search is not None:
        named += [study.search.algorithm, study.search.scheduler.name]
    return any(":" in name for name in named)
