"""Which studies lie below a folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sweeps.collection import found

Add = Callable[..., Path]
SUITE = """\
suite: two
question: Which is better?
studies: {one: {}, other: {}}
"""


def suite(root: Path, add: Add) -> Path:
    for member in ("one", "other"):
        add(f"two/{member}", f"two-{member}")
    (root / "two" / "suite.yaml").write_text(SUITE)
    return root / "two"


def test_studies_and_suites_are_found_also_one_folder_deeper(root: Path, add: Add) -> None:
    suite(root, add)
    add("plain")
    add("anna/plain")
    add("too/deep/plain")
    add(".hidden")
    (root / "notes").mkdir()
    looked = found.look(root)
    assert [study.name for study in looked.studies] == ["anna/plain", "plain", "two/one", "two/other"]
    assert looked.left_out == {}
    assert {study.plan.study for study in looked.studies} == {"digits", "two-one", "two-other"}


def test_what_cannot_be_shown_is_named_and_the_rest_is_found(root: Path, add: Add) -> None:
    add("good")
    (add("torn") / "plan.json").write_text("{")
    later = add("later") / "plan.json"
    later.write_text(json.dumps(json.loads(later.read_text()) | {"schema": 99}))
    (add("lost") / "plan.json").unlink()
    (add("scribbled") / "study.yaml").write_text("tracking: [")
    (root / "binary").mkdir()
    (root / "binary" / "plan.json").write_bytes(b"\xff\xfe")
    (suite(root, add) / "suite.yaml").write_text("suite: [")
    looked = found.look(root)
    assert [study.name for study in looked.studies] == ["good", "two/one", "two/other"]
    assert set(looked.left_out) == {"torn", "later", "lost", "scribbled", "binary", "two"}
    assert "99" in looked.left_out["later"]
    assert all("\n" not in why for why in looked.left_out.values())


@pytest.mark.parametrize("marked", [True, False])
def test_a_copy_is_told_from_the_study(root: Path, add: Add, marked: bool) -> None:
    from sweeps.folder import place

    original = add("z-original")
    if marked:  # by the version that names places
        place.settle(original)
    shutil.copytree(original, root / "z-original-copy")
    looked = found.look(root)
    assert [study.name for study in looked.studies] == ["z-original"]
    assert list(looked.left_out) == ["z-original-copy"]


def test_only_a_folder_of_studies_is_one(root: Path, add: Add) -> None:
    assert not found.is_collection(root)
    assert not found.is_collection(root / "missing")
    folder = add("study")
    assert found.is_collection(root)
    assert not found.is_collection(folder)
    (folder / "study.yaml").unlink()
    assert not found.is_collection(folder)  # damaged, and still a study's
    assert not found.is_collection(suite(root, add))


def test_a_studys_server_is_known(root: Path, add: Add) -> None:
    add("here")
    add("there", uri="https://mlflow.example.org")
    (add("listed") / "study.yaml").write_text("- a list\n")
    assert [study.uri for study in found.look(root).studies] == [None, None, "https://mlflow.example.org"]
