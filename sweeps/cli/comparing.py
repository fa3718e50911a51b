"""What finished studies found, on the terminal."""

from __future__ import annotations

import json

import click


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="DIR|URI...")
@click.option(
    "--experiment", "experiments", multiple=True, metavar="NAME", help="Experiment of a URI; default: all of ours."
)
@click.option("--allow-incomplete", is_flag=True, help="Compare although planned folds are missing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for a program to read.")
def compare(sources: tuple[str, ...], experiments: tuple[str, ...], allow_incomplete: bool, as_json: bool) -> None:
    """Say what studies found: the answer, means and verdicts of their report, without writing one.

    Several studies of one metric are compared together, as one report has them."""
    from analysis.notebook import Comparison
    from analysis.report.findings import gather
    from sweeps.cli import reporting
    from sweeps.view import compared

    found = reporting.gathered(sources, experiments)
    comparison = Comparison(gather(found.studies, allow_incomplete=allow_incomplete or found.unpaid))
    for note in found.notes:
        click.echo(note, err=True)
    click.echo(json.dumps(compared.record(comparison), indent=1) if as_json else compared.words(comparison))
