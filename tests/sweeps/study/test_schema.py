"""The schemas that editors get: they take every file that comes with the package, and refuse what a schema can."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from slurm import schema as profiles
from slurm import yaml_reader
from sweeps.study import schema as studies
from sweeps.study.reading import load
from sweeps.suite import schema as suites

ROOT = Path(__file__).parents[3]
OF = {
    "study": (studies.study, ROOT / "sweeps/studies", ROOT / "tests/sweeps/study/broken"),
    "suite": (suites.suite, ROOT / "sweeps/suites", None),
    "profile": (profiles.profile, ROOT / "slurm/profiles", ROOT / "tests/slurm/broken"),
}
BEYOND = {
    "study/02-duplicate-key": "YAML",
    "study/04-impossible-range": "two values of one domain",
    "study/08-missing-file": "whether a file is there",
    "study/10-control-and-labels": "labels and the control",
    "study/12-not-yaml": "YAML",
    "study/13-unequal-budget": "sizes of spaces",
    "profile/02-duplicate-key": "YAML",
    "profile/09-too-short": "the limit and the lead",
    "profile/14-not-yaml": "YAML",
    "profile/16-foreign-tags": "YAML",
    "profile/21-jobs-of-several-packs": "sums of what packs and jobs need",
    "profile/20-partitions-of-pools": "whether a partition says what its profile says",
}
"""What a schema cannot say of a broken file, by what it would have to know."""


@pytest.fixture(scope="module")
def validators() -> dict[str, jsonschema.protocols.Validator]:
    made = {kind: of[0]() for kind, of in OF.items()}
    for each in made.values():
        jsonschema.Draft202012Validator.check_schema(each)
    return {kind: jsonschema.Draft202012Validator(each) for kind, each in made.items()}


def plain(path: Path) -> Any:
    return yaml_reader.parse(path.read_text(), str(path), ValueError).value


@pytest.mark.parametrize("kind", OF)
def test_every_file_that_is_shipped_is_taken(kind: str, validators: dict[str, Any]) -> None:
    files = sorted(OF[kind][1].glob("*.yaml"))
    assert files
    wrong = {
        path.name: [(error.json_path, error.message[:200]) for error in found]
        for path in files
        if (found := list(validators[kind].iter_errors(plain(path))))
    }
    assert wrong == {}


BROKEN = [(kind, path) for kind in ("study", "profile") for path in sorted(OF[kind][2].glob("*.yaml"))]  # type: ignore[union-attr]


@pytest.mark.parametrize(("kind", "path"), BROKEN, ids=lambda value: getattr(value, "stem", value))
def test_every_broken_file_is_refused_that_a_schema_can_refuse(
    kind: str, path: Path, validators: dict[str, Any]
) -> None:
    beyond = f"{kind}/{path.stem}" in BEYOND
    try:
        value = plain(path)
    except ValueError:
        assert beyond
        return
    refused = list(validators[kind].iter_errors(value))
    assert bool(refused) is not beyond, [error.message[:200] for error in refused]


@pytest.mark.parametrize(
    "text",
    [
        "activations: [{activation: apalu, space: {a: [0.1, 0.2]}}]",
        "activations: [{activation: dsrelu, space: {a: {uniform: [0, 1], choice: [1]}}}]",
        "activations: [relu, {activation: relu, training: {epochs: 3}}]",
        "activations: [relu]\nfolds: {scheme: block, folds: 1}",
        "activations: [relu]\ntraining: {schedule: {warmup: 3}}",
        "activations: [relu]\nsearch: {select_on: heldout/loss}",
        "activations: [relu]\nmodel: rasnet18",
        "activations: [relu]\ncluster: {pack: 0}",
        "activations: [relu]\ntracking: {url: x}",
        "activations: [relu, {activation: elu, params: {alhpa: 1}}]",
        "activations: [relu, {activation: lelu, params: {beta: 1.5}}]",
        "activations: [relu, {activation: lelu, params: {trainable: 1}}]",
        "activations: [relu, {activation: gelu, params: {approximate: tahn}}]",
        "search: {}\nactivations: [relu, {activation: lelu, space: {beta: {choice: [0.5, 2]}}}]",
        "search: {}\nactivations: [{activation: relu, space: {alpha: {uniform: [0, 1]}}}]",
    ],
)
def test_what_no_broken_file_has_is_refused_too(text: str, validators: dict[str, Any]) -> None:
    value = yaml_reader.parse(f"name: x\ndata: digits\n{text}\n", "text", ValueError).value
    assert list(validators["study"].iter_errors(value))


@pytest.mark.parametrize(
    "activation",
    [
        "{activation: dsrelu, params: {a: {tan_degrees: 75}, progress: step}}",
        "{activation: dsrelu, space: {a: {tan_degrees: [60, 85]}, k: {loguniform: [1, 20]}}}",
        "{activation: lelu, params: {beta: 1, trainable: true, granularity: channel}}",
        "{activation: lelu, space: default}",
        "{activation: lelu, space: {beta: {quniform: [0.2, 0.8, 0.2]}, granularity: {choice: [layer, channel]}}}",
        "{activation: 'mylab.act:Mine', params: {any: 1}, label: mine}",
    ],
)
def test_what_an_activation_takes_is_taken(activation: str, validators: dict[str, Any]) -> None:
    """By the schema and by the reader alike."""
    search = "search: {samples: 2}\n" if "space" in activation else ""
    text = f"name: x\ndata: digits\n{search}activations: [relu, {activation}]\n"
    load(text)
    assert list(validators["study"].iter_errors(yaml_reader.parse(text, "text", ValueError).value)) == []


@pytest.mark.parametrize("kind", OF)
def test_every_key_says_what_it_means(kind: str) -> None:
    made = OF[kind][0]()
    silent = [
        f"{name}.{key}"
        for name, held in {"": made, **made["$defs"]}.items()
        for one in (held, *held.get("anyOf", []))
        for key, meaning in one.get("properties", {}).items()
        if not (meaning.get("description") or any("$ref" in each for each in (meaning, *meaning.get("anyOf", []))))
    ]
    assert silent == []


def test_a_default_is_what_a_file_gets_that_says_nothing() -> None:
    made = studies.study()
    text = (
        "name: x\ndata: digits\nsearch: {}\nbudget: {gpu_hours: 1}\n"
        "activations: [relu, {activation: lelu, space: default}]\n"
    )
    got = load(text).model_dump(mode="json")
    there = [key for key in got if got[key] is not None]
    said = {**made["properties"], **{f"{key}.{name}": held for key in there for name, held in below(made, key).items()}}
    wrong = {
        path: (held["default"], value)
        for path, held in said.items()
        if "default" in held and (value := at(got, path)) != held["default"] and not isinstance(value, dict)
    }
    assert wrong == {}


def below(made: dict[str, Any], key: str) -> dict[str, Any]:
    held = made["properties"][key]
    for one in (held, *held.get("anyOf", [])):
        if "$ref" in one:
            found = made["$defs"][one["$ref"].rpartition("/")[2]]
            return dict(found.get("properties") or found["anyOf"][-1]["properties"])
    return {}


def at(value: Any, path: str) -> Any:
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else value
    return value


@pytest.mark.parametrize("kind", OF)
def test_each_shipped_file_names_the_schema_that_lies_beside_it(kind: str) -> None:
    """To write it anew: ``actsweep schema KIND > FOLDER/KIND.schema.json``."""
    make, folder, _ = OF[kind]
    assert json.loads((folder / f"{kind}.schema.json").read_text(encoding="utf-8")) == make()
    line = f"# yaml-language-server: $schema={kind}.schema.json\n"
    assert [path.name for path in folder.glob("*.yaml") if not path.read_text(encoding="utf-8").startswith(line)] == []
