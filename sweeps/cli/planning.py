"""The commands that look ahead: what would be needed to tell a difference."""

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
    from slurm.profile import load as load_profile
    from sweeps.study import shipped
    from sweeps.view import outlay

    found = shipped.find(study)
    profile = load_profile(cluster or found.cluster.profile)
    click.echo("\n".join(outlay.needed(found, profile, measured, size=size, target=target)))
