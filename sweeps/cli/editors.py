"""What helps to write a file: a first study from five answers, and the JSON Schema for an editor."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
@click.argument("kind", type=click.Choice(["study", "suite", "profile"]))
@click.option("--markdown", is_flag=True, help="Tables for people instead: each key, what it accepts, its default.")
def schema(kind: str, markdown: bool) -> None:
    """Print the JSON Schema of a study's, suite's or profile's file, with what each key means.

    Editors that know YAML's language server complete and check a file beside it:

    \b
      actsweep schema study > study.schema.json
      # yaml-language-server: $schema=study.schema.json     as a line of the file

    What holds between keys only `actsweep check` can say."""
    from slurm import schema as profiles
    from sweeps.study import reference
    from sweeps.study import schema as studies
    from sweeps.suite import schema as suites

    made = {"study": studies.study, "suite": suites.suite, "profile": profiles.profile}[kind]()
    if markdown:
        elsewhere = {"base": "Its keys are a study's."} if kind == "suite" else {}
        click.echo(reference.chapter(kind, made, elsewhere), nl=False)
        return
    click.echo(json.dumps(made, indent=1, ensure_ascii=False))


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--data", metavar="NAME", help="Data set, by a name that `actsweep data list` has or an import path.")
@click.option("--option", "options", metavar="KEY=VALUE", multiple=True, help="Option of the data set's reader.")
@click.option("--activations", metavar="NAMES", help="With commas between them; relu, or the first, is the control.")
@click.option("--samples", type=click.IntRange(min=0), help="Settings to try for each activation; 0: as published.")
@click.option("--repeats", type=click.IntRange(min=1), help="Of all folds, to claim on.")
@click.option("--cluster", metavar="PROFILE", help="Where it runs: a shipped profile's name, or a file.")
@click.option("--yes", is_flag=True, help="Ask nothing: what is not given is as proposed.")
def new(
    file: Path,
    data: str | None,
    options: tuple[str, ...],
    activations: str | None,
    samples: int | None,
    repeats: int | None,
    cluster: str | None,
    yes: bool,
) -> None:
    """Write a first study to FILE, with comments, from five questions.

    What an option answers is not asked. Network and training are those of a shipped study of the same data."""
    from sweeps.cli import describe
    from sweeps.folder.layout import quote_path, write_aside
    from sweeps.study import draft
    from sweeps.study.reading import load

    if file.suffix not in (".yaml", ".yml"):
        raise click.UsageError(f"{file}: a study's file ends in .yaml")
    if file.exists():
        raise click.UsageError(f"{file}: is there already; remove it, or choose another name")

    def answer(given: str | None, number: int, question: str, proposed: str) -> str:
        if given is not None or yes:
            return proposed if given is None else given
        return click.prompt(f"{number}/5 {question}", default=proposed)

    def count(given: int | None, number: int, question: str, proposed: int, least: int) -> int:
        if given is not None or yes:
            return proposed if given is None else given
        return click.prompt(f"{number}/5 {question}", default=proposed, type=click.IntRange(min=least))

    first = draft.Answers(name=file.stem)
    named, *pairs = answer(data, 1, "Data set (and its options, as table file=my.csv)", first.data).split()
    listed = answer(activations, 2, "Activations, the control among them", ", ".join(first.activations))
    try:
        chosen = describe.to_options([*pairs, *options])
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    answers = draft.Answers(
        name=file.stem,
        data=named,
        options=chosen,
        activations=tuple(name.strip() for name in listed.split(",") if name.strip()),
        samples=count(samples, 3, "Settings to try for each (0: as published)", first.samples, 0),
        repeats=count(repeats, 4, "Repeats of all folds, to claim on", first.repeats, 1),
        profile=answer(
            cluster, 5, "Cluster profile: a name that `actsweep profile list` has, or a file", first.profile
        ),
    )
    text = draft.write(answers)
    load(text, origin=str(file), check_files=False)  # or a refusal, and nothing is written
    write_aside(file, text)
    click.echo(f"{file}: written; `actsweep check {quote_path(file)}` says what it comes to")
