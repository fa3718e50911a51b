"""What helps to write a file: its JSON Schema."""

from __future__ import annotations

import json

import click


@click.command()
@click.argument("kind", type=click.Choice(["study", "suite", "profile"]))
def schema(kind: str) -> None:
    """Print the JSON Schema of a study's, suite's or profile's file, with what each key means.

    Editors that know YAML's language server complete and check a file beside it:

    \b
      actsweep schema study > study.schema.json
      # yaml-language-server: $schema=study.schema.json     as a line of the file

    What holds between keys only `actsweep check` can say."""
    from slurm import schema as profiles
    from sweeps.study import schema as studies
    from sweeps.suite import schema as suites

    made = {"study": studies.study, "suite": suites.suite, "profile": profiles.profile}[kind]()
    click.echo(json.dumps(made, indent=1, ensure_ascii=False))
