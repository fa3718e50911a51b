"""``actsweep extend``: tries what a study grows to, makes its folder so, and drives on."""

from __future__ import annotations

from pathlib import Path

import click


def extend(
    folder: Path, named: str, *, cluster: str | None, here: bool, detach: bool, no_report: bool, interval_s: float
) -> None:
    from sweeps.cli import detached, driving
    from sweeps.driver import alike, growing, neighbours, preflight
    from sweeps.study import shipped

    found = shipped.find(named)
    profile = shipped.on_profile(found, cluster).cluster.profile if cluster is not None else None
    new, _ = growing.planned(folder, found, named, profile=profile)
    if new.cluster.profile != found.cluster.profile:
        click.echo(f"goes on with profile {new.cluster.profile}, as before (--cluster names another)")
    if detach:
        detached.check(new)
    beside = neighbours.look(new, folder)
    with growing.as_started(folder, new, here=here):
        remarks, places, same = preflight.check(new)
    for remark in [*beside, *remarks, alike.words(same)]:
        click.echo(remark)
    record = growing.extend(folder, new, named, places, same)
    for words in record.changes.values():
        click.echo(f"extended: {words}")
    click.echo(f"study folder: {folder} (goes on where it ended)")
    if detach:
        click.echo(detached.submit(folder, interval_s, no_report=no_report))
        return
    driving.drive(folder, no_report=no_report, interval_s=interval_s)
