"""The command that registers a study's winner as a model."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.argument("name")
@click.option("--activation", metavar="LABEL", help="Another than the winner; the control, too.")
@click.option("--fold", metavar="R-K", help="Repeat and fold, as 0-2 (default: the best validation score).")
@click.option("--allow-incomplete", is_flag=True, help="Register although planned folds are missing.")
def register(folder: Path, name: str, activation: str | None, fold: str | None, allow_incomplete: bool) -> None:
    """Register the weights of DIR's winner as the model NAME, in the study's MLflow store.

    The winner is the activation with the best held-out mean; whether it is better than the control is for the report's
    verdict to say, which goes into the description. Folds are several models: the one with the best validation score is
    taken. DIR is a study's folder, of a suite one below it. Weights are there where the study says cluster: {keep:
    best}. Once more for the same weights makes no version.

    mlflow.pyfunc.load_model("models:/NAME/1").predict(items) then gives class probabilities, values or scores, where
    actsweep is installed."""
    from analysis.notebook import Comparison
    from analysis.report.findings import gather
    from sweeps.cli import reporting
    from sweeps.driver import session
    from sweeps.registry import register as registry
    from sweeps.registry import shelf

    shelf.check_name(name)
    session.opened(folder)
    found = reporting.gathered([str(folder)])
    for note in found.notes:
        click.echo(note, err=True)
    comparison = Comparison(gather(found.studies, allow_incomplete=allow_incomplete or found.unpaid))
    for line in registry.register(folder, name, comparison, label=activation, fold=fold):
        click.echo(line)
