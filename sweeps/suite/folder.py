"""A suite's folder: ``suite.yaml`` and a study folder for each member; made, opened, told from other folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from slurm import messages, yaml_reader
from sweeps.driver import session
from sweeps.driver.preflight import Checked
from sweeps.errors import StudyError, TrackingError
from sweeps.folder import layout, place
from sweeps.folder.layout import quote_path
from sweeps.study.running import Notify
from sweeps.study.sections import Budget
from sweeps.study.study import Study, digest
from sweeps.suite.members import OWN
from sweeps.suite.reading import File
from sweeps.suite.suite import STORE, Suite, folder_of, study_name
from sweeps.tracking import store


@dataclass(frozen=True, kw_only=True)
class Opened:
    """What a suite's folder says of the suite; what is trained, the folders of its studies say."""

    path: Path
    name: str
    question: str
    budget: Budget | None
    notify: Notify | None
    members: tuple[str, ...]

    def folder(self, member: str) -> Path:
        return folder_of(self.path, member)

    def study(self, member: str) -> Study:
        """Raises :class:`StudyError` as :func:`sweeps.driver.session.opened`."""
        return session.opened(self.folder(member))


def is_suite(path: Path) -> bool:
    return (path / layout.SUITE).is_file()


def opened(path: Path) -> Opened:
    """The suite of a folder. Raises :class:`StudyError` where there is none."""
    file = path / layout.SUITE
    if not file.is_file():
        raise StudyError(f"{path}: not a suite's folder (it has no {layout.SUITE}); `actsweep run SUITE` makes one")
    document = yaml_reader.parse(file.read_text(encoding="utf-8"), str(file), StudyError)
    try:
        said = File.model_validate(document.value)
    except ValidationError as error:
        raise document.error(messages.problems(error, File)) from error
    members = tuple(said.studies)
    for member in members:
        if not (folder_of(path, member) / layout.STUDY).is_file():
            raise StudyError(
                f"{folder_of(path, member)}: {file} names it as a study of the suite, and it is none (it has no "
                f"{layout.STUDY}); restore the folder"
            )
    notify = said.notify.below(path.absolute()) if said.notify is not None else None
    return Opened(
        path=path, name=said.suite, question=said.question, budget=said.budget, notify=notify, members=members
    )


def members_of(path: Path) -> list[Path]:
    """The study folders of a suite's folder, in its order."""
    suite = opened(path)
    return [suite.folder(member) for member in suite.members]


def make(suite: Suite, path: Path, command: Sequence[str], tried: Mapping[str, Checked]) -> bool:
    """Lays out the suite's folder and those of its studies; False where they are there already for the same suite.
    ``tried``: member -> what was found when its study was tried. Raises :class:`StudyError` for a folder of another
    suite or of a study; nothing is written then. ``suite.yaml`` is written last: a folder without it was never made."""
    check(suite, path)
    existed = is_suite(path)
    for member in suite.studies:
        make_member(suite, path, member, command, tried)
    if existed:
        return False
    place.settle(path)
    layout.write_aside(path / layout.SUITE, manifest(suite))
    return True


def make_member(suite: Suite, path: Path, member: str, command: Sequence[str], tried: Mapping[str, Checked]) -> None:
    """Lays out the folder of one study; words as in :func:`make`."""
    found = tried.get(member)
    known = () if found is None else (found.places, found.same)
    session.make(suite.studies[member], folder_of(path, member), command, *known)


def check(suite: Suite, path: Path) -> None:
    """Raises :class:`StudyError` where the suite cannot be laid out in a folder, or goes on in it."""
    if (path / layout.STUDY).exists():
        raise StudyError(f"{path}: holds a study, and a suite has a folder of its own; choose another with --folder")
    try:
        store.locate(suite.first.tracking.uri, folder_of(path, next(iter(suite.studies))))
    except TrackingError as error:
        raise StudyError(str(error)) from error
    differing = list(_differing(suite, path))
    if differing:
        raise StudyError(
            f"{path}: holds another version of suite {suite.name!r}: {'; '.join(differing)}. Runs of different "
            f"settings do not mix: choose another folder with --folder; or, where it only grows, go on with it by "
            f"`actsweep extend {quote_path(path)} SUITE`"
        )
    if is_suite(path):
        place.refuse_copy(path)


def _differing(suite: Suite, path: Path) -> list[str]:
    known = list(opened(path).members) if is_suite(path) else []
    found = []
    for member, study in suite.studies.items():
        folder = folder_of(path, member)
        if known and member not in known:
            found.append(f"{member} is not in it")
        elif (folder / layout.STUDY).exists() and (there := digest(session.opened(folder))) != digest(study):
            found.append(f"{member} has digest {there}, here {digest(study)}")
    return found + [f"{member} is in it, and not here" for member in known if member not in suite.studies]


def manifest(suite: Suite) -> str:
    """``suite.yaml`` as the folder has it: each member is the study in the folder of its name, all defaults there."""
    own: dict[str, Any] = {"budget": None} if suite.budget is not None else {}  # each study's file has its share
    if suite.first.tracking.uri == STORE:
        own["tracking"] = {"uri": None}  # and names the suite's store as seen from there
    plain = _head(suite) | {
        "studies": {member: {"base": f"{member}/{layout.STUDY}", **own} for member in suite.studies},
    }
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=120)


def resolved_yaml(suite: Suite) -> str:
    """The suite with every study written out; :func:`sweeps.suite.reading.load` reads an equal one back."""
    studies: dict[str, Any] = {}
    for member, study in suite.studies.items():
        plain = study.model_dump(mode="json")
        if study.tracking.uri == STORE:
            plain["tracking"] = {"uri": None}
        if suite.budget is not None:
            plain["budget"] = None
        assert plain["name"] == study_name(suite.name, member)
        studies[member] = {key: value for key, value in plain.items() if key not in OWN}
    return yaml.safe_dump(_head(suite) | {"studies": studies}, sort_keys=False, allow_unicode=True, width=120)


def _head(suite: Suite) -> dict[str, Any]:
    budget = {"budget": suite.budget.model_dump(mode="json")} if suite.budget is not None else {}
    notify = {"notify": suite.notify.model_dump(mode="json")} if suite.notify is not None else {}
    return {"suite": suite.name, "question": suite.question, **budget, **notify}
