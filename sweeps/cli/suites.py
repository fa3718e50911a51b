"""The commands on a suite, wherever they take a study: each says of all its studies what it says of one."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from sweeps.cli import exit_codes

if TYPE_CHECKING:
    from sweeps.cli.telling import Ending
    from sweeps.driver.preflight import Checked
    from sweeps.suite.driver import SuiteDriver
    from sweeps.suite.suite import Suite


def or_suite(command: Callable[..., None]) -> Callable[..., None]:
    """The command, which goes to the function of its name here where what it is given is a suite."""
    of_suite: Callable[..., None] = globals()[command.__name__]

    @wraps(command)
    def either(**given: Any) -> None:
        from sweeps.suite import folder, shipped

        if "study" in given:
            found = shipped.find(given["study"])
            if found is not None:
                of_suite(**given | {"study": found})
                return
        elif folder.is_suite(given["folder"]):
            of_suite(**given)
            return
        command(**given)

    return either


def check(
    study: Suite, cluster: str | None, folder: Path | None, measured: tuple[Path, ...], quick: bool, resolved: bool,
    as_json: bool,
) -> None:  # fmt: skip
    from sweeps.driver import profiles
    from sweeps.suite import before_run, checked
    from sweeps.suite import folder as suites
    from sweeps.suite.suite import on_profile

    suite = on_profile(study, cluster) if cluster is not None else study
    if resolved:
        profiles.of(suite.first)
        click.echo(suites.resolved_yaml(suite), nl=False)
        return
    path = folder or Path("runs") / suite.name
    looked = before_run.look(suite, path, quick=quick)
    if as_json:
        text = json.dumps(checked.record(suite, looked, path, measured, quick=quick), indent=1)
    else:
        text = "\n".join(checked.words(suite, looked, path, measured, quick=quick))
    click.echo(text)


def run(
    study: Suite, folder: Path | None, cluster: str | None, detach: bool, no_report: bool, interval_s: float
) -> None:
    from sweeps.cli import detached
    from sweeps.suite import before_run
    from sweeps.suite import folder as suites
    from sweeps.suite.suite import on_profile
    from sweeps.view import checked

    suite = on_profile(study, cluster) if cluster is not None else study
    path = folder or Path("runs") / suite.name
    if detach:
        detached.check(suite.first)
    looked = before_run.look(suite, path)
    _say_tried(suite, {member: each.checked for member, each in looked.items()})
    made = suites.make(suite, path, sys.argv, {member: each.checked for member, each in looked.items()})
    click.echo(checked.where(path, goes_on=not made, kind="suite"))
    if detach:
        click.echo(detached.submit(path, interval_s, no_report=no_report))
        return
    drive(path, no_report=no_report, interval_s=interval_s)


def extend(
    folder: Path, study: Suite, cluster: str | None, here: bool, detach: bool, no_report: bool, interval_s: float
) -> None:
    from sweeps.cli import detached
    from sweeps.suite import before_run, growing
    from sweeps.suite.suite import on_profile

    named = "the suite's file"
    profile = on_profile(study, cluster).first.cluster.profile if cluster is not None else None
    plan = growing.planned(folder, study, named, profile=profile)
    if detach:
        detached.check(plan.suite.first)
    tried = before_run.tried(plan.suite, folder, (*plan.grown, *plan.added))
    _say_tried(plan.suite, tried)
    for words in growing.extend(folder, plan, named, sys.argv, tried):
        click.echo(f"extended: {words}")
    click.echo(f"suite folder: {folder} (goes on where it ended)")
    if detach:
        click.echo(detached.submit(folder, interval_s, no_report=no_report))
        return
    drive(folder, no_report=no_report, interval_s=interval_s, here=here)


def _say_tried(suite: Suite, tried: Mapping[str, Checked]) -> None:
    from sweeps.driver import alike

    for member, found in tried.items():
        for remark in found.remarks:
            click.echo(f"{member}: {remark}")
        if found.places:
            click.echo(f"{member}: {suite.studies[member].model.name}: {found.places}")
    for said in dict.fromkeys(alike.words(each.same) for each in tried.values()):  # the activations are the same
        click.echo(said)


def resume(folder: Path, retry_failed: bool, here: bool, detach: bool, no_report: bool, interval_s: float) -> None:
    from sweeps.cli import detached

    if detach:
        detached.resume(folder, interval_s, no_report=no_report, retry_failed=retry_failed, here=here)
    else:
        drive(folder, no_report=no_report, interval_s=interval_s, retry_failed=retry_failed, here=here)


def drive(path: Path, *, no_report: bool, interval_s: float, retry_failed: bool = False, here: bool = False) -> None:
    """Drives the suite in ``path`` to its report, tells who is to be told, and says how it went. Exits where there is
    more to do."""
    from sweeps.cli.telling import told

    with told(path) as ending:
        _drive(path, ending, no_report=no_report, interval_s=interval_s, retry_failed=retry_failed, here=here)


def _drive(path: Path, ending: Ending, *, no_report: bool, interval_s: float, retry_failed: bool, here: bool) -> None:
    from rich.console import Console

    from sweeps.cli.driving import report, say_after, say_again, say_mended
    from sweeps.suite import after_run, driver, status

    if not here:
        _say_differences(path)
    with driver.driving(path, here=here) as driving:
        try:
            if retry_failed:
                say_again(driving.retry_failed())
            say_mended(driving.mend())
            with status.Show(Console()) as show:
                driver.drive(driving, lambda now: show(status.of_driver(now)), interval_s=interval_s)
        except KeyboardInterrupt:
            _interrupted(driving, path)
        after = after_run.after_run(driving)
    say_after(after.lines)
    ending.problem = after.troubles
    if after.stopped:
        sys.exit(exit_codes.INTERRUPTED)
    if not no_report and after.reportable:
        report(path, allow_incomplete=after.lost)
    if after.failed:
        sys.exit(exit_codes.FAILED)
    if after.incomplete:
        sys.exit(exit_codes.INCOMPLETE)


def _say_differences(path: Path) -> None:
    from sweeps.suite import driver

    for difference in driver.differences(path):
        click.echo(difference, err=True)


def _interrupted(driving: SuiteDriver, path: Path) -> NoReturn:
    """Ctrl-C: as for a study, with the jobs of all."""
    from sweeps.cli.driving import leave

    live = sum(len(member.driver.state.folds_of) for member in driving.members if member.driver is not None)
    leave(path, live, driving.pause, driving.shared.costs)


def tick(folder: Path) -> None:
    from sweeps.cli.telling import told

    with told(folder, by_cron=True) as ending:
        _tick(folder, ending)


def _tick(folder: Path, ending: Ending) -> None:
    from sweeps.suite import driver, status

    _say_differences(folder)
    with driver.driving(folder) as driving:
        driving.tick()
        driving.track()
        now = status.of_driver(driving)
        click.echo(status.one_line(now))
    troubled = [f"{line.member}: {line.trouble}" for line in now.lines if line.trouble]
    for said in troubled:
        click.echo(said, err=True)
    ending.problem = "\n".join(troubled)
    if troubled:
        sys.exit(exit_codes.FAILED)


def status(folder: Path, as_json: bool, verify: bool) -> None:
    from sweeps.suite import status as overview

    text, damaged = overview.shown(folder, as_json=as_json, verify=verify)
    click.echo(text)
    if verify and damaged:
        sys.exit(exit_codes.FAILED)


def logs(folder: Path, trial: str, fold: str | None, lines: int) -> None:
    from sweeps.errors import StudyError
    from sweeps.suite import folder as suites
    from sweeps.view import status as overview

    suite = suites.opened(folder)
    member, _, inside = trial.partition("/")
    if member not in suite.members or not inside:
        raise StudyError(
            f"{folder}: got {trial!r}; of a suite, accepts MEMBER/TRIAL, as {suite.members[0]}/{inside or trial}, with "
            f"one of {', '.join(suite.members)}"
        )
    click.echo(overview.logs(suite.folder(member), inside, fold, lines))


def stop(folder: Path) -> None:
    from sweeps.cli.telling import tell
    from sweeps.suite import driver

    for line in driver.stop(folder):
        click.echo(line)
    tell(folder)


def sync(folder: Path) -> None:
    from sweeps.suite import driver
    from sweeps.suite import folder as suites
    from sweeps.view import damages

    for line in [*driver.sync(folder), *(said for path in suites.members_of(folder) for said in damages.found(path))]:
        click.echo(line)


def ui(folder: Path, port: int | None) -> None:
    from sweeps.cli.serving import serve
    from sweeps.suite import folder as suites
    from sweeps.tracking import ui_server

    suite, members = suites.opened(folder), suites.members_of(folder)
    uri = suite.study(suite.members[0]).tracking.uri
    serve(lambda: ui_server.ui(folder, uri, port=port, studies=members))
