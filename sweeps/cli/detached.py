"""The driver as a job of its own: one core, no GPU, requeued by Slurm before its limit until the study is finished."""

from __future__ import annotations

import json
import secrets
import signal
from pathlib import Path
from types import FrameType
from typing import NoReturn

from sweeps.driver import needs, session
from sweeps.errors import FolderBusy, StudyError
from sweeps.folder import place
from sweeps.folder.layout import quote_path
from sweeps.folder.lock import busy, held
from sweeps.study.study import Study

CALL = "sweeps.cli.detached:run"


class _Terminated(BaseException):
    """Slurm asks the job to end: like Ctrl-C, nothing may catch it on its way."""


def check(study: Study) -> None:
    """Raises :class:`StudyError` for a study that runs on this machine."""
    from slurm.profile import load

    profile = load(study.cluster.profile)
    if profile.executor != "slurm":
        raise StudyError(
            f"{study.name}: --detach needs a Slurm profile, {profile.name} runs on this machine; give --cluster"
        )


def submit(path: Path, interval_s: float) -> str:
    """Submits the driver of the study in ``path``; says how to follow it. Raises as :func:`check`."""
    from slurm.clusters import open_cluster
    from slurm.profile import load

    study = session.opened(path)
    check(study)
    place.refuse_copy(path)
    if held(path):
        raise FolderBusy(busy(path))
    profile = load(study.cluster.profile)
    jobs = path / "jobs"
    jobs.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"path": str(path.absolute()), "interval_s": interval_s})
    name = f"{study.name}.driver.{secrets.token_hex(3)}"
    driver = needs.kept(study, path).for_nodes(profile.for_driver())
    (job,) = open_cluster(driver, jobs).submit(CALL, [text], name=name, folder=jobs)
    where = quote_path(path)
    return f"the driver is job {job}; follow it with `actsweep status {where}`, stop it with `actsweep stop {where}`"


def run(text: str) -> str:
    """Drives the study to its report; on Slurm's warning says that it was interrupted, and is requeued."""
    asked = json.loads(text)
    path = Path(asked["path"])
    before = {number: signal.signal(number, _terminate) for number in (signal.SIGTERM, signal.SIGUSR2)}
    try:
        with session.driving(path) as driver:
            finished = session.drive(driver, lambda now: None, interval_s=asked["interval_s"])
        if finished:
            from sweeps.cli import reporting
            from sweeps.view import status

            lost = bool(status.without_score(path))
            reporting.write([str(path)], None, allow_incomplete=lost)
    except _Terminated:
        return json.dumps({"interrupted": True})
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return json.dumps({"interrupted": False})


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise _Terminated
