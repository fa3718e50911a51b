"""Commands around studies: those that are shipped, the data sets, this machine, the development cluster."""

from __future__ import annotations

from pathlib import Path

import click

from sweeps.cli import exit_codes


@click.group(invoke_without_command=True)
@click.pass_context
def studies(ctx: click.Context) -> None:
    """The studies and suites that come with actsweep: list them, show or copy one."""
    if ctx.invoked_subcommand is None:
        from sweeps.study import shipped
        from sweeps.suite import shipped as suites
        from sweeps.view import preview

        known = sorted([*shipped.shipped().items(), *suites.shipped().items()])
        for heading, small in (("For two CPU cores:", True), ("As in a paper, for GPUs or many cores:", False)):
            click.echo(heading)
            for name, text in known:
                if preview.for_a_cpu(name) is small:
                    click.echo(f"  {name:29} {preview.headline(text)}")


@studies.command("show")
@click.argument("name")
def studies_show(name: str) -> None:
    """Print the study or suite NAME, to be saved and changed."""
    from sweeps.study import shipped
    from sweeps.suite import shipped as suites

    click.echo(suites.shipped().get(name) or shipped.text_of(name), nl=False)


@click.group()
def data() -> None:
    """The data sets: list them, show one's terms, prepare one."""


@data.command("list")
def data_list() -> None:
    """Name every data set and say what it needs."""
    from trainer.datasets import preparation

    for name in preparation.names():
        click.echo(f"{name:20} {preparation.about(name).title}")


@data.command("show")
@click.argument("name")
def data_show(name: str) -> None:
    """Licence, citation, source, files and options of the data set NAME."""
    from sweeps.cli import describe
    from trainer.datasets import preparation

    click.echo(describe.describe_dataset(name, preparation.about(name)))


@data.command("prepare")
@click.argument("name")
@click.option("--root", type=click.Path(path_type=Path, file_okay=False), envvar="ACTSWEEP_DATA",
              help="Folder that holds the data sets (default: $ACTSWEEP_DATA).")  # fmt: skip
@click.option("--option", "options", metavar="KEY=VALUE", multiple=True, help="Reader option, as in a study's data.")
@click.option("--download", is_flag=True, help="Fetch what is missing, where the set's terms allow it.")
def data_prepare(name: str, root: Path | None, options: tuple[str, ...], download: bool) -> None:
    """Check the files of the data set NAME, convert them once, print counts."""
    from sweeps.cli import describe
    from trainer.datasets import preparation

    try:
        chosen = describe.to_options(options)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    click.echo(describe.describe_preparation(preparation.prepare(name, root, chosen, download=download)))


@click.command()
@click.option("--cluster", metavar="PROFILE", help="Also check this profile's cluster.")
def doctor(cluster: str | None) -> None:
    """Check this machine: packages, devices, data, scheduler."""
    from sweeps.view import doctor as examine

    findings = examine.examine(cluster)
    for finding in findings:
        click.echo(finding.words())
    if any(finding.level == "wrong" for finding in findings):
        click.get_current_context().exit(exit_codes.FAILED)


@click.group()
def cluster() -> None:
    """A private Slurm on this machine, to try it all without one."""


@cluster.command("up")
@click.option("--nodes", default=4, show_default=True, type=click.IntRange(1, 64))
@click.option("--gpus-per-node", default=4, show_default=True, type=click.IntRange(0, 16))
def cluster_up(nodes: int, gpus_per_node: int) -> None:
    """Start it from Slurm's packages, in a folder of its own; touches no system service."""
    from slurm.dev import cluster as devcluster
    from sweeps.cli import describe

    click.echo(describe.describe_cluster(devcluster.up(nodes=nodes, gpus_per_node=gpus_per_node)))


@cluster.command("status")
def cluster_status() -> None:
    """Say whether it runs, and how its nodes are."""
    from slurm.dev import cluster as devcluster
    from sweeps.cli import describe

    click.echo(describe.describe_status(devcluster.status()))


@cluster.command("down")
def cluster_down() -> None:
    """Stop it and leave no process."""
    from slurm.dev import cluster as devcluster

    devcluster.down()
    click.echo("the development cluster is gone")
