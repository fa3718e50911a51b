"""Commands around cluster profiles: those that are shipped, and one for the site that this machine belongs to."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def profile() -> None:
    """Cluster profiles: list them, show one, write one for this site."""


@profile.command("list")
def profile_list() -> None:
    """Name the profiles that come with actsweep."""
    from slurm import profile as profiles
    from sweeps.view import preview

    for name in profiles.names():
        click.echo(f"{name:20} {preview.headline(profiles.text_of(name))}")


@profile.command("show")
@click.argument("name")
def profile_show(name: str) -> None:
    """Print the profile NAME, to be saved and changed."""
    from slurm import profile as profiles

    click.echo(profiles.text_of(name), nl=False)


@profile.command("new")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--partition", metavar="NAME", help="Partition of its packs (default: the one with GPUs).")
@click.option("--account", metavar="NAME", help="Account that pays (default: the first of yours that may).")
@click.option("--test", "tested", is_flag=True, help="Send one tiny job through it, and say what it found.")
def profile_new(file: Path, partition: str | None, account: str | None, tested: bool) -> None:
    """Ask the Slurm of this machine what it is, and write a profile for it to FILE.

    Asks sinfo, scontrol and sacctmgr; what they do not tell stands at the top of the file. sbatch says whether it takes
    the profile; where it refuses, other ways to ask for GPUs and memory are tried (--test-only, nothing is sent)."""
    from slurm import profile as profiles
    from slurm.jobs import Costs
    from slurm.pool import outfit
    from slurm.scheduler import rehearsal
    from slurm.scheduler.cluster import render
    from slurm.scheduler.commands import Scheduler
    from slurm.site import asking, facts, profile_text, try_out
    from slurm.site.asking import Way
    from sweeps.folder import surroundings
    from sweeps.folder.layout import quote_path, write_aside

    if file.suffix not in (".yaml", ".yml"):
        raise click.UsageError(f"{file}: a profile's file ends in .yaml")
    if file.exists():
        raise click.UsageError(f"{file}: is there already; remove it, or choose another name")
    site = facts.ask(Scheduler(Costs()))
    chosen = profile_text.choose(site, partition)

    def ask(way: Way) -> rehearsal.Rehearsal | None:
        made = profiles.parse(profile_text.write(site, chosen, way), source=str(file))
        return rehearsal.rehearse(render(outfit.as_sent(made), 1, name="profile", folder=Path("jobs")).scripts)

    way, answer = asking.fit(site, chosen, asking.first(site, chosen, account), ask)
    text = profile_text.write(site, chosen, way)
    made = profiles.parse(text, source=str(file))  # what it writes, it reads
    write_aside(file, text)
    click.echo(f"{file}: partition {chosen.name}; look it through, then `--cluster {quote_path(file)}`")
    for what, why in site.unknown.items():
        click.echo(f"not learnt: {what} ({why})")
    if answer is not None:
        click.echo(f"sbatch --test-only{' refuses it' if answer.refused else ''}: {answer.words}")
    if tested:
        folder = Path(f"{file.with_suffix('')}-test").absolute()
        click.echo(try_out.try_out(surroundings.here().for_nodes(made), folder, say=click.echo))
