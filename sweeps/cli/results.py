"""What finished studies found: on the terminal, and as a report."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

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
    if as_json:
        click.echo(json.dumps(compared.record(comparison), indent=1))
    else:
        click.echo(compared.words(comparison, shutil.get_terminal_size((compared.MOST, 24)).columns))


@click.command()
@click.argument("sources", nargs=-1, metavar="[DIR|URI]...")
@click.option("--import", "imported", multiple=True, metavar="CSV", type=click.Path(path_type=Path, exists=True),
              help="A published table (or a folder of them), shown as not verifiable.")  # fmt: skip
@click.option(
    "--experiment", "experiments", multiple=True, metavar="NAME", help="Experiment of a URI; default: all of ours."
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Where to write (default: DIR/report).")
@click.option("--allow-incomplete", is_flag=True, help="Report although planned folds are missing.")
@click.option("--pdf", is_flag=True, help="Also write report.pdf, with a Chromium on this machine.")
def report(
    sources: tuple[str, ...],
    imported: tuple[Path, ...],
    experiments: tuple[str, ...],
    out: Path | None,
    allow_incomplete: bool,
    pdf: bool,
) -> None:
    """Write the report of folders, stores or published tables."""
    if not sources and not imported:
        raise click.UsageError("name a study folder, a tracking URI, or --import CSV")
    from sweeps.cli import reporting

    for line in reporting.write(
        sources, out, imported=imported, experiments=experiments, allow_incomplete=allow_incomplete, pdf_wanted=pdf
    ):
        click.echo(line)
