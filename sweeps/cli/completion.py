"""Shell completion: click's own, with the values that this product knows. Loads nothing heavy, writes nothing, and is
silent about a folder that is broken."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from importlib import resources
from pathlib import Path

import click
from click.shell_completion import CompletionItem, get_completion_class

VARIABLE = "_ACTSWEEP_COMPLETE"
STUDY, SUITE = "study.yaml", "suite.yaml"
MOST = 2000
"""Values offered at once."""
Values = Iterable[str]


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what makes SHELL complete the commands, options and values of actsweep.

    For this shell alone, or as a line of its start-up file:

    \b
      eval "$(actsweep completion bash)"       ~/.bashrc
      eval "$(actsweep completion zsh)"        ~/.zshrc, after compinit
      actsweep completion fish | source        ~/.config/fish/config.fish

    It completes shipped studies, suites and profiles, study folders, trials and folds, data sets. Nothing is written.
    """
    made = get_completion_class(shell)
    assert made is not None
    click.echo(made(context.find_root().command, {}, "actsweep", VARIABLE).source(), nl=False)


def attach(group: click.Group, above: str = "") -> None:
    """Gives the parameters of all commands their values, by what they are called."""
    for name, command in group.commands.items():
        for parameter in command.params:
            values = _OF.get(f"{above}{name} {parameter.name}") or _OF.get(str(parameter.name))
            if values is not None and not isinstance(parameter.type, click.Choice):
                setattr(parameter, "shell_complete", _completer(values))  # noqa: B010  # of this one alone
        if isinstance(command, click.Group):
            attach(command, f"{name} ")


Finder = Callable[[click.Context, str], list[CompletionItem]]


def _completer(find: Finder) -> Finder:
    def complete(context: click.Context, incomplete: str) -> list[CompletionItem]:
        try:
            return find(context, incomplete)[:MOST]
        except Exception:  # whatever is wrong with a folder, a command will say
            return []

    return complete


def _items(values: Values, incomplete: str) -> list[CompletionItem]:
    """Of the values, those that begin so; not those that a shell would take apart."""
    fitting = dict.fromkeys(value for value in values if value.startswith(incomplete) and value.split() == [value])
    return [CompletionItem(value) for value in fitting]


def _shipped(package: str, folder: str) -> list[str]:
    files = resources.files(package).joinpath(folder).iterdir()
    return sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml"))


def _or_file(names: Values, incomplete: str) -> list[CompletionItem]:
    """Names, and files of YAML here; where none begins so, whatever file there is."""
    here = sorted(path.name for path in Path().iterdir() if path.suffix in (".yaml", ".yml"))
    found = _items([*names, *here], incomplete)
    return found or [CompletionItem(incomplete, type="file")]


def _studies(_: click.Context, incomplete: str) -> list[CompletionItem]:
    return _or_file([*_shipped("sweeps", "studies"), *_shipped("sweeps", "suites")], incomplete)


def _shipped_studies(_: click.Context, incomplete: str) -> list[CompletionItem]:
    return _items([*_shipped("sweeps", "studies"), *_shipped("sweeps", "suites")], incomplete)


def _profiles(_: click.Context, incomplete: str) -> list[CompletionItem]:
    return _or_file(_shipped("slurm", "profiles"), incomplete)


def _shipped_profiles(_: click.Context, incomplete: str) -> list[CompletionItem]:
    return _items(_shipped("slurm", "profiles"), incomplete)


def _datasets(_: click.Context, incomplete: str) -> list[CompletionItem]:
    from trainer.catalogue import DATASETS

    return _items(DATASETS, incomplete)


def _folders(_: click.Context, incomplete: str) -> list[CompletionItem]:
    """Folders of studies and suites: below runs/, here, and below what is named already."""
    places = [f"{incomplete.rpartition('/')[0]}/"] if "/" in incomplete else ["runs/", ""]
    found = [f"{place}{name}" for place in places for name in _below(Path(place or "."))]
    return _items(found, incomplete) or [CompletionItem(incomplete, type="dir")]


def _below(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    names = sorted(entry.name for entry in os.scandir(folder) if not entry.name.startswith(".") and entry.is_dir())
    return [name for name in names if (folder / name / STUDY).is_file() or (folder / name / SUITE).is_file()]


def _trials(context: click.Context, incomplete: str) -> list[CompletionItem]:
    folder = Path(context.params["folder"])
    if (folder / SUITE).is_file():
        found = [f"{member}/{name}" for member in _below(folder) for name in _names(folder / member / "trials")]
    else:
        found = _names(folder / "trials")
    return _items(found, incomplete)


def _folds(context: click.Context, incomplete: str) -> list[CompletionItem]:
    member, _, trial = str(context.params["trial"]).rpartition("/")
    found = _names(Path(context.params["folder"]) / member / "trials" / trial)
    folds = [name for name in found if name.startswith("fold-")]
    return _items(folds if incomplete.startswith("f") else [name.removeprefix("fold-") for name in folds], incomplete)


def _names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())


_OF: dict[str, Finder] = {
    "study": _studies,
    "studies show name": _shipped_studies,
    "profile show name": _shipped_profiles,
    "data show name": _datasets,
    "data prepare name": _datasets,
    "data": _datasets,
    "folder": _folders,
    "trial": _trials,
    "fold": _folds,
    "measured": _folders,
    "sources": _folders,
    "cluster": _profiles,
}
"""Parameter, or command and parameter -> its values."""
