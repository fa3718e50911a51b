"""The command line: the only place that prints or exits.

Exit codes: 0 done; 1 something failed (a cluster, a store, folds that were given up); 2 a wrong command or a wrong
study, profile or data file, and nothing was written; 3 planned folds are missing; 4 another driver holds the folder;
130 interrupted, nothing lost.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from sweeps.cli import (
    completion,
    editors,
    exit_codes,
    machine,
    planning,
    profiles,
    refusals,
    register,
    results,
    store,
    terminal,
)
from sweeps.cli.suites import or_suite

BEFORE, DURING = (
    ("new", "check", "probe", "plan", "studies", "data", "schema"),
    ("run", "resume", "extend", "tick", "status", "logs", "stop"),
)
AFTER, AROUND = ("sync", "ui", "compare", "report", "register"), ("doctor", "profile", "cluster", "store", "completion")
FOLDER = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))


class Commands(click.Group):
    """Lists commands in the order of a study's life and turns our errors into one message and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*BEFORE, *DURING, *AFTER, *AROUND]

    def main(self, *args: Any, **given: Any) -> Any:
        terminal.settle()
        return super().main(*args, **given)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            refusal = refusals.of(error)
            if refusal is None:
                raise
            click.echo(refusal.words, err=True)
            sys.exit(refusal.code)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="actsweep")
def main() -> None:
    """The honest comparison of neural activation functions, at cluster scale.

    A study file says what is compared; `run` searches, cross-validates and reports; `ui` shows every fold in MLflow.
    A suite file names several studies that ask one question; it, and its folder, is taken wherever a study is.

    \b
    Exit codes: 0 done; 1 something failed; 2 wrong command or file, nothing written;
    3 planned folds are missing; 4 another driver holds the folder; 130 interrupted.
    """


# -- before a run ------------------------------------------------------------------------------------------------------


@main.command()
@click.argument("study")
@click.option("--cluster", metavar="PROFILE", help="Where it would run: a shipped profile's name or a file.")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), help="Study folder (default: runs/NAME).")
@click.option("--measured", "measured", metavar="DIR", multiple=True, type=click.Path(path_type=Path, exists=True),
              help="Study folders whose epoch times the price is estimated from.")  # fmt: skip
@click.option("--quick", is_flag=True,
              help="Try neither data nor training, and be anywhere: no refusal of `run` that needs them.")  # fmt: skip
@click.option("--resolved", is_flag=True, help="Print the study with all defaults written out, and nothing else.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for a program, also of what is wrong.")
@refusals.as_json
@or_suite
def check(
    study: str, cluster: str | None, folder: Path | None, measured: tuple[Path, ...], quick: bool, resolved: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Validate STUDY (a file or a shipped name; of a study or a suite); show plan and price.

    Refuses what `run` would refuse, with the same words and exit code, and writes nothing. As before a run, reads the
    data and takes a training step of each activation: some seconds, and the time to read the data."""
    from sweeps.driver import profiles
    from sweeps.study import shipped
    from sweeps.study.study import resolved_yaml
    from sweeps.view import before_run, checked

    found = shipped.find(study)
    if cluster is not None:
        found = shipped.on_profile(found, cluster)
    if resolved:
        profiles.of(found)
        click.echo(resolved_yaml(found), nl=False)
        return
    path = folder or Path("runs") / found.name
    looked = before_run.look(found, path, study, quick=quick)
    # all of it, or a refusal and nothing
    if as_json:
        text = json.dumps(checked.record(found, looked, path, measured, quick=quick), indent=1)
    else:
        text = "\n".join(
            [*checked.words(found, looked, measured, quick=quick), *checked.same([looked]), looked.submission.words,
             checked.where(path, goes_on=looked.goes_on)]
        )  # fmt: skip
    click.echo(text)


# -- a run -------------------------------------------------------------------------------------------------------------


def _driver_options(command: Callable[..., None]) -> Callable[..., None]:
    @click.option("--no-report", is_flag=True, help="Stop after the last fold, without a report.")
    @click.option("--interval", "interval_s", default=1.0, show_default=True, type=click.FloatRange(0.05, 3600),
                  help="Seconds between two decision steps.")  # fmt: skip
    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        command(*args, **kwargs)

    return wrapped


@main.command()
@click.argument("study")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), help="Study folder (default: runs/NAME).")
@click.option("--cluster", metavar="PROFILE", help="Where to run: a shipped profile's name or a file.")
@click.option("--detach", is_flag=True, help="Submit the driver itself as a small Slurm job, and return.")
@_driver_options
@or_suite
def run(study: str, folder: Path | None, cluster: str | None, detach: bool, no_report: bool, interval_s: float) -> None:
    """Run STUDY (a file or a shipped name; of a study or a suite) to its report.

    Goes on where an earlier run of the same study in the same folder ended."""
    from sweeps.cli import detached, driving
    from sweeps.driver import session
    from sweeps.study import shipped
    from sweeps.view import before_run, checked

    found = shipped.find(study)
    if cluster is not None:
        found = shipped.on_profile(found, cluster)
    if detach:
        detached.check(found)
    path = folder or Path("runs") / found.name
    looked = before_run.look(found, path, study)
    for line in [*checked.remarks(found, looked), *checked.same([looked])]:
        click.echo(line)
    tried = looked.checked
    made = session.make(found, path, sys.argv, tried.places, tried.same, named=study)
    click.echo(checked.where(path, goes_on=not made))
    if detach:
        click.echo(detached.submit(path, interval_s, no_report=no_report))
        return
    driving.drive(path, no_report=no_report, interval_s=interval_s)


@main.command()
@FOLDER
@click.option("--retry-failed", is_flag=True,
              help="Try folds again that failed, were given up or are damaged, after fixing the cause.")  # fmt: skip
@click.option("--here", is_flag=True,
              help="Take ACTSWEEP_DATA and PYTHONPATH from this shell, from now on.")  # fmt: skip
@click.option("--detach", is_flag=True, help="Submit the driver itself as a small Slurm job, and return.")
@_driver_options
@or_suite
def resume(folder: Path, retry_failed: bool, here: bool, detach: bool, no_report: bool, interval_s: float) -> None:
    """Go on with the study in DIR, after whatever ended it.

    Uses the data root and PYTHONPATH that it was started with, and says where this shell's differ. Writes anew what of
    the folder follows from the ledger and is damaged, and says so."""
    from sweeps.cli import detached, driving

    if detach:
        detached.resume(folder, interval_s, no_report=no_report, retry_failed=retry_failed, here=here)
    else:
        driving.drive(folder, no_report=no_report, interval_s=interval_s, retry_failed=retry_failed, here=here)


@main.command()
@FOLDER
@click.argument("study")
@click.option("--cluster", metavar="PROFILE", help="Where to go on (default: where it ran).")
@click.option("--here", is_flag=True,
              help="Take ACTSWEEP_DATA and PYTHONPATH from this shell, from now on.")  # fmt: skip
@click.option("--detach", is_flag=True, help="Submit the driver itself as a small Slurm job, and return.")
@_driver_options
@or_suite
def extend(
    folder: Path, study: str, cluster: str | None, here: bool, detach: bool, no_report: bool, interval_s: float
) -> None:
    """Go on with DIR as STUDY says, a later version of its study file.

    For a study, finished or not, that only grows: more search.samples, more repeats, until: decided, further
    activations, another budget. What is trained already stays; what had been seen by now is kept and reported, and
    words that could depend on it are qualified. Anything else that differs is refused, and named. A suite grows as its
    studies do, and by further ones."""
    from sweeps.cli import growth

    growth.extend(folder, study, cluster=cluster, here=here, detach=detach, no_report=no_report, interval_s=interval_s)


@main.command()
@FOLDER
@or_suite
def tick(folder: Path) -> None:
    """Make one decision step in DIR and return.

    For cron, or for a job that resubmits itself: no environment is needed, what the study was started with is kept."""
    from sweeps.cli import driving, telling
    from sweeps.driver import session
    from sweeps.view import progress, screen

    with telling.told(folder, by_cron=True):
        driving.say_differences(folder)
        with session.driving(folder) as driver:
            driver.tick()
            driver.track(at_once=True)
            click.echo(screen.line(progress.view(driver), screen.UNWATCHED))


@main.command()
@FOLDER
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--verify", is_flag=True,
              help="Read every file of folds that are over; exit 1 where one is not as it was written.")  # fmt: skip
@or_suite
def status(folder: Path, as_json: bool, verify: bool) -> None:
    """Show how the study in DIR stands.

    From its files alone: changes nothing, asks no scheduler. Names files that are damaged, and what mends them.
    Why jobs wait is shown as the driver last saw it."""
    from sweeps.view import status as overview

    view = overview.read(folder, verify=verify)
    click.echo(view.json() if as_json else view.words())
    if verify and view.damaged:
        sys.exit(exit_codes.FAILED)


@main.command()
@FOLDER
@click.argument("trial")
@click.argument("fold", required=False)
@click.option("-n", "--lines", default=40, show_default=True, help="Lines of each log's end.")
@or_suite
def logs(folder: Path, trial: str, fold: str | None, lines: int) -> None:
    """Print the end of the job logs of TRIAL's FOLD.

    TRIAL as dsrelu-c000, of a suite as MEMBER/dsrelu-c000.
    FOLD as fold-0-2 or 0-2; all of the trial without it. Says also how each journal ended."""
    from sweeps.view import status as overview

    click.echo(overview.logs(folder, trial, fold, lines))


@main.command()
@FOLDER
@or_suite
def stop(folder: Path) -> None:
    """Cancel the jobs of the study in DIR.

    Checkpoints stay, and `resume` goes on from them."""
    from sweeps.cli import telling
    from sweeps.driver import session

    click.echo(session.stop(folder))
    telling.tell(folder)


# -- after a run -------------------------------------------------------------------------------------------------------


@main.command()
@FOLDER
@or_suite
def sync(folder: Path) -> None:
    """Bring MLflow up to date with the journals in DIR; safe to repeat."""
    from sweeps.driver import session
    from sweeps.view import damages

    click.echo("\n".join([session.sync(folder), *damages.found(folder)]))


@main.command()
@FOLDER
@click.option("--port", type=click.IntRange(1, 65535), help="Port on localhost (default: a free one).")
@or_suite
def ui(folder: Path, port: int | None) -> None:
    """Open the MLflow UI of DIR on localhost.

    DIR is a study's folder, a suite's, or one that holds several, as runs/: then all of them are shown in one UI, from
    a store of its own in DIR/.actsweep-ui that may be removed at any time. Prints the address of each prepared view;
    a study that tracks on a server is shown there, and nothing is started."""
    from sweeps.cli import serving
    from sweeps.driver import session
    from sweeps.tracking import ui_server

    if not serving.serve_all(folder, port):
        uri = session.opened(folder).tracking.uri
        serving.serve(lambda: ui_server.ui(folder, uri, port=port))


for _command in (
    planning.plan,
    planning.probe,
    machine.studies,
    machine.data,
    machine.doctor,
    profiles.profile,
    editors.new,
    editors.schema,
    results.compare,
    results.report,
    register.register,
    machine.cluster,
    store.store,
    completion.completion,
):
    main.add_command(_command)
completion.attach(main)

if __name__ == "__main__":
    main()
