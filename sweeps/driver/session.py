"""A study folder brought to life: made, opened, driven, paused."""

from __future__ import annotations

import dataclasses
import datetime
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.runs.plan import Plan, Sameness, from_json, to_json
from slurm.jobs import Cluster
from sweeps.driver import account, accounted, decisions, needs, other_version, profiles, sent
from sweeps.driver.driver import Driver
from sweeps.driver.interrupt import Interrupt
from sweeps.driver.packs import Node, own_names
from sweeps.driver.submission import CALL
from sweeps.errors import StudyError, TrackingError
from sweeps.folder import decided, extension, layout, ledger, own_code, place, probed, surroundings, sweep_name
from sweeps.folder.journals import Journals
from sweeps.folder.lock import Lock, held
from sweeps.folder.state import replay
from sweeps.folder.surroundings import Surroundings
from sweeps.study import planner
from sweeps.study.reading import load
from sweeps.study.study import Study, digest, resolved_yaml
from sweeps.tracking import store
from sweeps.wording import counted, jobs
from trainer.tasks.description import Description
from trainer.tasks.metric import Metric

if TYPE_CHECKING:
    from slurm.profile import Profile

JOURNAL_LAG_S = 10.0
"""How long a shared file system may keep a journal's last lines from this host."""


def make(
    study: Study,
    path: Path,
    command: Sequence[str],
    places: str = "",
    same: Sameness = planner.UNSEEN,
    *,
    named: str = "STUDY",
) -> bool:
    """Lays out the study's folder; False where it is there already for the same study. ``places``: where its
    activations stand in the model, in words, and ``same``: which of them are one function, for the plan. Others, and
    what is raised, as in :func:`refuse`. A folder without ``study.yaml``, which is written last, was never made."""
    from sweeps.folder import provenance

    if refuse(study, path, named):
        return False
    own_code.keep(path, own_names(study), frozen=study.cluster.own_code == "frozen")
    declared_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    declared = dataclasses.replace(planner.plan(study, declared_at, places, same), sweep=sweep_name.new())
    layout.write_aside(path / layout.PLAN, to_json(declared))
    provenance.write(path, provenance.collect(command, Path.cwd()))
    surroundings.write(path, needs.here(study))
    place.settle(path)
    if (measured := probed.read(probed.beside(path))) is not None:
        probed.write(path, measured)
    layout.write_aside(path / layout.STUDY, resolved_yaml(study))
    return True


def refuse(study: Study, path: Path, named: str = "STUDY") -> bool:
    """Whether the folder is the study's already. Writes nothing. Raises :class:`StudyError` for a folder of another
    study and for a store that is none, and OSError for a folder that cannot be made or written. ``named``: as the user
    names the study's file."""
    if (path / layout.SUITE).exists():
        raise StudyError(f"{path}: holds a suite, and a study has a folder of its own; choose another with --folder")
    layout.refuse_unwritable(path)
    if (path / layout.STUDY).exists():
        place.refuse_copy(path)
        if digest(known := opened(path)) != digest(study):
            raise StudyError(other_version.refused(path, known, study, named))
        return True
    try:
        store.locate(study.tracking.uri, path)
    except TrackingError as error:
        raise StudyError(str(error)) from error
    probed.read(probed.beside(path))  # a budget begins with it
    return False


def refuse_changed(study: Study, path: Path) -> None:
    """Raises for a folder with which its driver would not go on: :class:`sweeps.errors.LedgerError` for a ledger that
    cannot be read, :class:`sweeps.errors.CodeDrift` for code of the user's own that is another than before, where
    anything is still to be trained. Writes nothing."""
    state = replay(ledger.read(path / ledger.FILE))
    ledger.refuse_foreign(path, state, digest(study))
    if not state.trials or next(decisions.open_folds(state), None) is not None:
        frozen, warn = study.cluster.own_code == "frozen", study.cluster.on_drift == "warn"
        own_code.refuse_drift(path, own_names(study), frozen=frozen, warn=warn)


def opened(path: Path) -> Study:
    """The study of a folder. Raises :class:`StudyError` where there is none, and where ``study.yaml`` is no longer what
    was declared in ``plan.json`` before the first run."""
    if (staged := extension.read(path)) is not None:  # decided, and not in every file yet
        task = _planned(from_json(staged.plan))
        return load(staged.study, origin=str(path / extension.FILE), check_files=False, task=task, written_out=True)
    file = path / layout.STUDY
    if not file.is_file():
        if (path / layout.SUITE).is_file():
            below = ", ".join(sorted(found.parent.name for found in path.glob(f"*/{layout.STUDY}")))
            raise StudyError(f"{path}: a suite's folder, where a study's is asked for; name one below it: {below}")
        raise StudyError(f"{path}: not a study folder (it has no {layout.STUDY}); `actsweep run STUDY` makes one")
    declared = path / layout.PLAN
    if not declared.is_file():
        return load(file, check_files=False, written_out=True)
    plan = from_json(declared.read_text(encoding="utf-8", errors="replace"))
    study = load(file, check_files=False, task=_planned(plan), written_out=True)
    if plan.study_digest != digest(study):
        raise StudyError(
            f"{file}: was changed after its study was declared (digest {plan.study_digest} in {layout.PLAN}, now "
            f"{digest(study)}); restore it, or run the changed file in another folder"
        )
    return study


def _planned(plan: Plan) -> Description:
    """The study's task as it was declared: a folder is read where the user's own task is not installed."""
    return Description(
        name=plan.task,
        metrics=tuple(Metric(**dataclasses.asdict(metric)) for metric in plan.metrics),
        primary=plan.declaration.metric,
        stratifies=True,
    )


def data_root(study: Study) -> str | None:
    """The study's ``root``, else ACTSWEEP_DATA, absolute; None for neither."""
    named = study.root or os.environ.get("ACTSWEEP_DATA")
    return str(Path(named).expanduser().absolute()) if named else None


def differences(path: Path) -> list[str]:
    """What this process' environment says otherwise than what the folder keeps and uses; a sentence each."""
    return needs.differences(opened(path), path)


@contextmanager
def driving(
    path: Path, *, call: str = CALL, here: bool = False, to_stop: bool = False, cluster: Cluster | None = None
) -> Iterator[Driver]:
    """A driver on the folder, with its lock held and in the surroundings that the folder keeps. Raises
    :class:`sweeps.errors.FolderBusy`, and :class:`StudyError` for a copy of a study and for data that are gone.

    ``call`` as in Driver. ``here``: what this process' environment says is kept from now on. ``to_stop``: nothing will
    be submitted, so that data and modules need not be there. ``cluster``: one that is shared with other studies; None:
    one of its own."""
    study = opened(path)
    place.refuse_copy(path)
    lock = Lock(path)
    try:
        extension.complete(path)
        study = opened(path)  # as it is now that nobody else changes it
        kept = needs.kept(study, path)
        if here:
            kept = kept.replaced_by(needs.here(study))
        if not to_stop:
            needs.check(study, kept, path)
        if kept != surroundings.read(path):
            surroundings.write(path, kept)
        place.settle(path)
        with surroundings.entered(kept), _driver(study, path, lock, kept, call, cluster) as driver:
            yield driver
    finally:
        lock.release()


def node_for(study: Study, profile: Profile) -> Node:
    """What the study's packs are told on this profile."""
    from trainer import code

    return Node(
        data_root=data_root(study),
        scratch=study.cluster.scratch or profile.scratch,
        code=code.digest(),
        device=profile.device_for(study.cluster.device),
        devices=max(here.gpus_per_pack or 1 for here in profile.places),  # wherever a pack lands, no budget is passed
        profile=profile,
    )


@contextmanager
def _driver(
    study: Study, path: Path, lock: Lock, kept: Surroundings, call: str, cluster: Cluster | None
) -> Iterator[Driver]:
    from slurm.clusters import open_cluster, settled
    from sweeps.tracking.tracker import Tracker

    profile = settled(kept.for_nodes(profiles.of(study)))
    cluster = cluster or open_cluster(profile, path / "jobs")
    tracker = Tracker(study.tracking.uri, path)
    journal_lag_s = 0.0 if profile.executor == "local" else JOURNAL_LAG_S
    driver = Driver(path, study, cluster, tracker, node_for(study, profile), journal_lag_s=journal_lag_s, call=call)
    driver.on_tick = lock.beat
    try:
        yield driver
    finally:
        driver.close()


def drive(driver: Driver, show: Callable[[Driver], None], *, interval_s: float) -> bool:
    """Ticks until the study is finished (True) or was asked to stop (False). KeyboardInterrupt is the caller's."""
    request = driver.path / layout.STOP
    with Interrupt() as interrupt:
        while True:
            driver.tick()
            show(driver)
            if driver.done:
                request.unlink(missing_ok=True)
                return True
            if request.exists():
                driver.pause()
                request.unlink(missing_ok=True)
                return False
            interrupt.wait(interval_s)


def stop(path: Path, *, wait_s: float = 120.0) -> str:
    """Cancels the jobs of a study: through its driver where one lives, wherever it runs, else itself."""
    study = opened(path)
    place.refuse_copy(path)
    if (said := stopped_by_driver(path, wait_s)) is not None:
        return said
    drivers = sent.cancel(path, study)
    count = cancelled(path)
    if count is None:
        return f"nothing to stop: the study in {path} is finished"
    also = f" and its driver, job {drivers[-1]}," if drivers else ""
    return f"{jobs(count)}{also} cancelled; go on with `actsweep resume {layout.quote_path(path)}`"


def stopped_by_driver(path: Path, wait_s: float) -> str | None:
    """Asks the driver of a study or suite to stop its jobs, and what became of that; None where none lives."""
    request = path / layout.STOP
    if not held(path):
        return None
    layout.write_aside(request, "")
    deadline = time.monotonic() + wait_s
    while request.exists() and held(path):
        if time.monotonic() > deadline:
            return f"the driver has not answered for {wait_s:.0f} s; it stops its jobs at its next step"
        time.sleep(0.2)
    if request.exists():
        return None
    return f"the driver stopped its jobs; go on with `actsweep resume {layout.quote_path(path)}`"


def cancelled(path: Path) -> int | None:
    """Cancels the jobs of a study without a driver, as its driver; how many there were, None where it is finished."""
    with driving(path, to_stop=True) as driver:
        (path / layout.STOP).unlink(missing_ok=True)
        if driver.done:
            return None
        driver.pause()
        return len(driver.state.folds_of)


def sync(path: Path) -> str:
    """Makes MLflow say what the folder says. Raises :class:`sweeps.errors.FolderBusy` while a driver writes it."""
    from sweeps.tracking.tracker import Tracker

    study = opened(path)
    lock = Lock(path)
    try:
        extension.complete(path)
        state = replay(ledger.read(path / ledger.FILE))
        decided.write_all(path / "trials", state)
        journals = Journals(path / "trials")
        account.write(path, account.of(study, state, journals))
        if state.finished:
            accounted.settle(path, study, journals)
        synced = Tracker(study.tracking.uri, path).sync()
    finally:
        lock.release()
    return f"MLflow has {counted(synced.trials, 'trial')} and {counted(synced.folds, 'fold')} of {study.name}"
