"""What is said after a suite's run: of each study what is said of a study, and what the driver cost once."""

from __future__ import annotations

from dataclasses import dataclass

from sweeps.folder.layout import quote_path
from sweeps.suite.driver import SuiteDriver
from sweeps.view import after_run as of_study
from sweeps.view.after_run import Line
from sweeps.view.footprint import footprint


@dataclass(frozen=True, kw_only=True)
class AfterRun:
    lines: tuple[Line, ...]
    lost: bool
    """Whether planned folds have no score, so that a report is only made where incomplete ones are allowed."""
    failed: bool
    """Whether a study was set aside."""
    stopped: bool
    """Whether a study's jobs were cancelled on request."""
    incomplete: bool
    """Whether the claims lack something that was planned."""
    reportable: bool
    """Whether there is a study that is finished."""
    troubles: str
    """Why studies were set aside, a line each."""


def after_run(driver: SuiteDriver) -> AfterRun:
    lines = [Line(text=footprint(driver.shared.costs).words())]
    lost = incomplete = False
    for member in driver.members:
        if member.trouble:
            lines.append(Line(text=f"{member.name}: set aside: {member.trouble}", problem=True))
        if member.driver is None:
            continue
        after = of_study.after_run(member.driver, finished=member.done)
        lost, incomplete = lost or after.lost, incomplete or after.incomplete
        lines += [
            Line(text=f"{member.name}: {line.text}", problem=line.problem)
            for line in after.lines[1:]  # the first is what its driver cost, which is the suite's here
            if member.done or line.problem
        ]
    failed = any(member.trouble for member in driver.members)
    stopped = any(member.stopped for member in driver.members)
    if failed or stopped:
        word = "stopped" if stopped and not failed else "not finished"
        path = quote_path(driver.suite.path)
        lines.append(Line(text=f"{word}; go on with `actsweep resume {path}`", problem=failed))
    return AfterRun(
        lines=tuple(lines),
        lost=lost or failed,
        failed=failed,
        stopped=stopped,
        incomplete=incomplete,
        reportable=any(member.done for member in driver.members),
        troubles="\n".join(f"{member.name}: {member.trouble}" for member in driver.members if member.trouble),
    )
