"""What is looked at before a study is run. ``run`` and ``check`` refuse the same, because both ask here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from slurm.profile import Profile
from sweeps.driver import alike, named, needs, neighbours, preflight, profiles, session
from sweeps.driver.packs import own_names
from sweeps.driver.preflight import Checked
from sweeps.errors import FolderBusy
from sweeps.folder import own_code
from sweeps.folder.lock import busy, held
from sweeps.study.study import Study
from sweeps.tracking.store import Store
from sweeps.view import preview
from sweeps.view.preview import Submission


@dataclass(frozen=True, kw_only=True)
class Looked:
    checked: Checked
    profile: Profile
    """What packs run by."""
    submission: Submission
    goes_on: bool
    """Whether the folder is the study's already."""


def look(
    study: Study, path: Path, as_named: str = "STUDY", *, quick: bool = False, silent: set[Store] | None = None
) -> Looked:
    """Looks at all that could stop a study in the folder ``path`` before its first epoch. Writes nothing.

    ``as_named``: as the user names the study's file. ``quick``: without trying its data and its training, and wherever
    its cluster and its store are. ``silent``: as in :func:`sweeps.driver.neighbours.look`.

    Raises as :func:`sweeps.driver.session.refuse`, :func:`sweeps.driver.neighbours.look` (a clash of names),
    :func:`sweeps.driver.needs.as_started`, :func:`sweeps.driver.preflight.check` and, of a study that goes on,
    :func:`sweeps.driver.session.refuse_changed`; :class:`FolderBusy` while a driver has the folder; :class:`StudyError`
    for what sbatch would never take."""
    goes_on = session.refuse(study, path, as_named)
    if goes_on and held(path):
        raise FolderBusy(busy(path))
    if quick:
        profile = needs.kept(study, path).for_nodes(profiles.of(study))
        checked = Checked([], named.check(study), alike.check(study))
        return Looked(checked=checked, profile=profile, submission=preview.sent(study, profile), goes_on=goes_on)
    beside = neighbours.look(study, path, silent)
    with needs.as_started(study, path):
        checked = preflight.check(study)
        checked = checked._replace(remarks=[*beside, *checked.remarks])
        if goes_on:
            session.refuse_changed(study, path)
        else:
            own_code.refuse_large(own_names(study), frozen=study.cluster.own_code == "frozen")
        profile = needs.kept(study, path).for_nodes(profiles.of(study))
        submission = preview.sent(study, profile)
    return Looked(checked=checked, profile=profile, submission=submission, goes_on=goes_on)
