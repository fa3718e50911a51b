"""A suite goes on with a file that has grown: each of its studies as a study grows, and further studies beside them.

Each study's growth is decided in one write of its own, and a study that was extended already is passed over: a suite
whose extension was cut off is extended to its end by the same command. ``suite.yaml`` is written last.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sweeps.driver import growing
from sweeps.driver.preflight import Checked
from sweeps.errors import FolderBusy, StudyError
from sweeps.folder import layout, place
from sweeps.folder.layout import quote_path
from sweeps.folder.lock import Lock, busy, held
from sweeps.study.study import digest
from sweeps.suite import folder
from sweeps.suite.suite import Suite, folder_of


@dataclass(frozen=True, kw_only=True)
class Planned:
    """What an extension comes to."""

    suite: Suite
    """Where it goes on: on the profile that it has, unless another was named."""
    grown: tuple[str, ...]
    """Members whose study is another than before."""
    added: tuple[str, ...]
    """Members that come to it."""


def planned(path: Path, declared: Suite, named: str, *, profile: str | None = None) -> Planned:
    """What the suite in a folder becomes. ``named``: the file, in messages. Raises :class:`StudyError` with all that is
    no growth, member by member; and where nothing grows."""
    known = folder.opened(path)
    wrong = [
        f"{path}: {member} is in it and not in {named}; a member is not removed, what it trained is in the data"
        for member in known.members
        if member not in declared.studies
    ]
    if known.name != declared.name:
        wrong.append(f"{path}: holds suite {known.name}, {named} is of {declared.name}; name its own file")
    if wrong:
        raise StudyError("\n".join(wrong))
    studies, grown = dict(declared.studies), []
    before = known.study(known.members[0])
    for member, study in declared.studies.items():
        cluster = study.cluster.model_copy(update={"profile": profile or before.cluster.profile})
        studies[member] = study.model_copy(update={"cluster": cluster})
        if member not in known.members or digest(known.study(member)) == digest(study):
            continue
        try:
            studies[member], _ = growing.planned(folder_of(path, member), study, named, profile=cluster.profile)
            grown.append(member)
        except StudyError as error:
            wrong.append(str(error))
    if wrong:
        raise StudyError("\n".join(wrong))
    added = tuple(member for member in studies if member not in known.members)
    suite = dataclasses.replace(declared, studies=studies)
    if not grown and not added and (path / layout.SUITE).read_text(encoding="utf-8") == folder.manifest(suite):
        raise StudyError(f"{path}: is the suite of {named} already; go on with `actsweep resume {quote_path(path)}`")
    return Planned(suite=suite, grown=tuple(grown), added=added)


def extend(path: Path, plan: Planned, named: str, command: list[str], tried: Mapping[str, Checked]) -> list[str]:
    """Makes the folder that of the grown suite; what grew, a sentence each. ``tried``: what trying its studies found,
    of those that are new or other than before. Raises :class:`FolderBusy` while a driver is alive."""
    place.refuse_copy(path)
    for one in (path, *folder.members_of(path)):
        if held(one):
            raise FolderBusy(busy(one))
    lock = Lock(path)
    try:
        said = []
        for member in plan.grown:
            found = tried[member]
            study = plan.suite.studies[member]
            record = growing.extend(folder_of(path, member), study, named, found.places, found.same)
            said += [f"{member}: {words}" for words in record.changes.values()]
        for member in plan.added:
            folder.make_member(plan.suite, path, member, command, tried)
            said.append(f"{member}: a further study")
        layout.write_aside(path / layout.SUITE, folder.manifest(plan.suite))
        return said
    finally:
        lock.release()
