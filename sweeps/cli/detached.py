"""The driver as a job of its own: one core, no GPU, requeued by Slurm before its limit until the study is finished."""

from __future__ import annotations

import json
import secrets
import signal
from pathlib import Path
from types import FrameType
from typing import NoReturn

from sweeps.cli.telling import Ending, told
from sweeps.driver import needs, sent, session
from sweeps.errors import FolderBusy, StudyError
from sweeps.folder import place
from sweeps.folder.layout import quote_path
from sweeps.folder.lock import busy, held
from sweeps.study.study import Study


class _Terminated(BaseException):
    """Slurm asks the job to end: like Ctrl-C, nothing may catch it on its way."""


def check(study: Study) -> None:
    """Raises :class:`StudyError` for a study whose jobs are not submitted to Slurm."""
    from slurm.profile import load

    profile = load(study.cluster.profile)
    if profile.executor != "slurm":
        raise StudyError(
            f"{study.name}: --detach needs a profile with executor: slurm, {profile.name} has {profile.executor}; give "
            "--cluster"
        )


def submit(path: Path, interval_s: float, *, no_report: bool = False) -> str:
    """Submits the driver of the study or suite in ``path``; says how to follow it. Raises as :func:`check`."""
    from slurm.clusters import open_cluster
    from slurm.profile import load
    from sweeps.suite import folder

    suite = folder.opened(path) if folder.is_suite(path) else None
    first = path if suite is None else suite.folder(suite.members[0])
    study = session.opened(first)
    check(study)
    place.refuse_copy(path)
    if held(path):
        raise FolderBusy(busy(path))
    sent.cancel(path, study)  # this one takes the place of one that waits
    profile = load(study.cluster.profile)
    jobs = path / "jobs"
    jobs.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"path": str(path.absolute()), "interval_s": interval_s, "no_report": no_report})
    name = f"{study.name if suite is None else suite.name}.driver.{secrets.token_hex(3)}"
    driver = needs.kept(study, first).for_nodes(profile.for_driver())
    (job,) = open_cluster(driver, jobs).submit(sent.CALL, [text], name=name, folder=jobs)
    where = quote_path(path)
    return f"the driver is job {job}; follow it with `actsweep status {where}`, stop it with `actsweep stop {where}`"


def resume(path: Path, interval_s: float, *, no_report: bool, retry_failed: bool, here: bool) -> None:
    """As :func:`submit`, for a folder that is there: what is to be tried again, and what holds from now on, is written
    down before the job is sent."""
    import click

    from sweeps.cli.driving import say_again
    from sweeps.suite import driver, folder

    suite = folder.is_suite(path)
    check(session.opened(folder.members_of(path)[0] if suite else path))
    if not here:
        for difference in driver.differences(path) if suite else session.differences(path):
            click.echo(difference, err=True)
    if retry_failed or here:
        with driver.driving(path, here=here) if suite else session.driving(path, here=here) as again:
            if retry_failed:
                say_again(again.retry_failed())
    click.echo(submit(path, interval_s, no_report=no_report))


def run(text: str) -> str:
    """Drives the study or suite to its report; on Slurm's warning says that it was interrupted, and is requeued."""
    asked = json.loads(text)
    path = Path(asked["path"])
    before = {number: signal.signal(number, _terminate) for number in (signal.SIGTERM, signal.SIGUSR2)}
    try:
        with told(path) as ending:
            lost = _drive(path, asked["interval_s"], ending)
            if lost is not None and not asked.get("no_report", False):
                from sweeps.cli import reporting

                reporting.write([str(path)], None, allow_incomplete=lost)
    except _Terminated:
        return json.dumps({"interrupted": True})
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return json.dumps({"interrupted": False})


def _drive(path: Path, interval_s: float, ending: Ending) -> bool | None:
    """Whether folds were lost on the way to the end; None where it has not come to an end, or a report to nothing."""
    from sweeps.suite import after_run, driver, folder
    from sweeps.view import status

    if folder.is_suite(path):
        with driver.driving(path) as driving:
            driver.drive(driving, lambda now: None, interval_s=interval_s)
            after = after_run.after_run(driving)
        ending.problem = after.troubles
        return after.lost if after.reportable and not after.stopped else None
    with session.driving(path) as alone:
        finished = session.drive(alone, lambda now: None, interval_s=interval_s)
    return bool(status.without_score(path)) if finished else None


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise _Terminated
