"""The reference of keys is what the schemas say, whole, and every link of it leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from sweeps.cli.main import main
from sweeps.study import algorithms
from sweeps.study.sections import Race, Search
from sweeps.study.study import Study

FILE = Path(__file__).parents[3] / "sweeps" / "reference.md"
KINDS = ("study", "suite", "profile")


@pytest.fixture(scope="module")
def text() -> str:
    return FILE.read_text(encoding="utf-8")


def row(text: str, section: str, key: str) -> list[str]:
    """Accepted, default and meaning of a key."""
    table = text.partition(f"### {section}\n" if section else "## Keys of a study file\n")[2].partition("\n#")[0]
    (line,) = [line for line in table.splitlines() if line.startswith(f"| `{key}` |")]
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[2:-1]]


def test_the_file_is_what_the_command_prints(text: str) -> None:
    """To write it anew: ``for kind in study suite profile; do actsweep schema $kind --markdown; done``."""
    printed = [CliRunner().invoke(main, ["schema", kind, "--markdown"]).stdout for kind in KINDS]
    assert "".join(printed) == text


def test_a_key_is_looked_up_with_what_it_accepts_its_default_and_its_meaning(text: str) -> None:
    race = row(text, "study: `search`", "race")
    assert race[:2] == ["`null`, or [a section](#study-searchrace)", "`null`"]
    assert "round by round" in race[2]
    for key, field in Race.model_fields.items():
        assert row(text, "study: `search.race`", key)[1] == f"`{field.default}`"
    assert row(text, "study: `training`", "lr") == [
        "a number above 0",
        "`0.0001`",
        "The optimiser's learning rate, at the begin of a schedule where there is one.",
    ]
    assert row(text, "study: `search`", "samples")[:2] == ["a whole number from 1", "`10`"]
    assert row(text, "study: `activations[]`", "activation")[1] == "needed"
    assert row(text, "", "activations")[0].startswith("a list of: a name, or an import path")  # the short form
    assert row(text, "study: `search`", "scheduler")[0].startswith("`asha`, ")
    assert row(text, "domains", "randint")[2] == "[low, high], whole numbers, high excluded"


def test_samplers_are_named(text: str) -> None:
    assert [name for name in algorithms.SAMPLERS if name not in row(text, "study: `search`", "sampler")[2]] == []


def test_every_key_of_a_study_has_its_row(text: str) -> None:
    assert [key for key in Study.model_fields if not row(text, "", key)] == []
    assert [key for key in Search.model_fields if not row(text, "study: `search`", key)] == []


def test_every_cell_says_something_and_rows_have_four(text: str) -> None:
    rows = [re.split(r"(?<!\\)\|", line) for line in text.splitlines() if line.startswith("| `")]
    assert len(rows) > 200
    assert [cells for cells in rows if len(cells) != 6 or not (cells[2].strip() and cells[4].strip())] == []


def test_every_link_leads_to_a_heading(text: str) -> None:
    headings = {re.sub(r"[^a-z0-9_ -]", "", line.lstrip("# ").lower()).replace(" ", "-")
                for line in text.splitlines() if line.startswith("#")}  # fmt: skip
    links = set(re.findall(r"\]\(#([^)]*)\)", text))
    assert len(links) > 12
    assert links - headings == set()
    names = [line for line in text.splitlines() if line.startswith("#")]
    assert len(names) == len(set(names))  # or a link would lead to another one
