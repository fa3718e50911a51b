"""The commands that look ahead: what would be needed to tell a difference, and what an epoch takes."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("study")
@click.option("--detect", "size", required=True, type=click.FloatRange(min=0, min_open=True), metavar="SIZE",
              help="The true difference to be told, in units of report.metric.")  # fmt: skip
@click.option("--power", "target", default=0.8, show_default=True, help="With this power.",
              type=click.FloatRange(0.5, 0.999))  # fmt: skip
@click.option("--cluster", metavar="PROFILE", help="Where it would run, for its price.")
@click.option("--measured", "measured", metavar="DIR", multiple=True, type=click.Path(path_type=Path, exists=True),
              help="Study folders of the same data and model: the pilot (default: those in runs/).")  # fmt: skip
def plan(study: str, size: float, target: float, cluster: str | None, measured: tuple[Path, ...]) -> None:
    """Say what STUDY would need to tell a difference: repeats, folds, hours, money.

    The spread of the differences comes from a pilot; where no number of repeats is enough, says what is."""
    from sweeps.driver import profiles
    from sweeps.study import shipped
    from sweeps.view import outlay

    found = shipped.find(study)
    profile = profiles.of(found, cluster)
    click.echo("\n".join(outlay.needed(found, profile, measured, size=size, target=target)))


@click.command()
@click.argument("study")
@click.option("--cluster", metavar="PROFILE", help="Where to run: a shipped profile's name or a file.")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False),
              help="The study's folder; the probe's is beside it (default: runs/NAME).")  # fmt: skip
def probe(study: str, cluster: str | None, folder: Path | None) -> None:
    """Measure an epoch of each activation of STUDY where it will run, and price the study from that.

    One small job for each activation, in a folder beside the study's. A budget begins with what was measured."""
    from sweeps.driver import probing, profiles
    from sweeps.folder import probed
    from sweeps.study import shipped
    from sweeps.view import outlay, preview

    found = shipped.find(study)
    profile = profiles.of(found, cluster)
    path = folder or Path("runs") / found.name
    there = probed.beside(path)
    measured = probing.run(found, there, profile)
    probing.keep(measured, there, path)
    lines = [*probing.words(measured), preview.price(found, [there], profile)]
    lines += outlay.check(found, profile, [there], pilots=[*Path("runs").glob("*"), path])
    click.echo("\n".join(lines))
