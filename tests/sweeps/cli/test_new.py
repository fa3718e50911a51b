"""A first study without an editor: questions and flags to a file that checks and runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sweeps.cli.main import main
from sweeps.driver.preflight import bounds
from sweeps.study import draft
from sweeps.study.reading import load
from trainer import catalogue, preflight


def new(file: Path, *words: str, typed: str = "") -> Result:
    return CliRunner().invoke(main, ["new", str(file), *words], input=typed)


@pytest.mark.parametrize("samples", [0, 4])
def test_every_data_set_gets_a_study_that_is_accepted(samples: int) -> None:
    for name in catalogue.DATASETS:
        study = load(draft.write(draft.Answers(name="first", data=name, samples=samples)), check_files=False)
        assert study.data.name == name
        assert bool(study.searched()) is bool(samples)
        assert study.compared() == draft.ACTIVATIONS


def test_five_questions_are_asked_and_their_answers_are_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "wines.yaml"
    asked = new(file, typed="wine\nrelu, lelu, elu\n3\n4\nexample-gpu\n")
    assert asked.exit_code == 0, asked.output
    assert [f"{number}/5 " in asked.output for number in range(1, 6)] == [True] * 5
    study = load(file)
    assert (study.name, study.data.name, study.compared(), study.control) == (
        "wines",
        "wine",
        ("relu", "lelu", "elu"),
        "relu",
    )
    assert study.search is not None
    assert study.confirm is not None
    assert (study.search.samples, study.confirm.repeats, study.cluster.profile) == (3, 4, "example-gpu")
    assert f"actsweep check {file}" in asked.output


@pytest.mark.parametrize(
    ("activations", "asked"),
    [
        (["relu"], "How well does relu do on wine?"),
        (["elu", "relu"], "Is elu better than relu on wine?"),
        (["tanh", "elu", "lelu"], "Is one of elu, lelu better than tanh on wine?"),
    ],
)
def test_the_question_fits_how_many_are_compared(activations: list[str], asked: str) -> None:
    text = draft.write(draft.Answers(name="first", data="wine", activations=activations))
    assert load(text, check_files=False).question == asked
    assert text.splitlines()[1] == f"# {asked}"


def test_flags_answer_and_nothing_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    asked = new(
        file, "--data", "table", "--option", "file=my.csv", "--activations", "tanh,elu", "--repeats", "3", "--yes"
    )
    assert asked.exit_code == 0, asked.output
    assert "/5" not in asked.output
    study = load(file, check_files=False)
    assert (study.control, study.data.options["file"], study.folds.repeats) == ("tanh", "my.csv", 3)


def test_the_options_of_a_data_set_may_stand_behind_its_name(tmp_path: Path) -> None:
    asked = new(tmp_path / "a.yaml", "--yes", "--data", "mnist per_class=50")
    assert asked.exit_code == 0, asked.output
    assert load(tmp_path / "a.yaml").data.options == {"per_class": 50}


@pytest.mark.parametrize("data", ["digits", "wine", "breast_cancer", "diabetes", "diabetes target=quantity", "table"])
def test_what_is_written_can_be_run(data: str, tmp_path: Path) -> None:
    """Classification, regression, and a table of one's own, as far as data go: what no shipped study declares for this
    very data set is not in the file."""
    rows = "".join(f"{row * row % 11},{row * row % 7},{row % 3}\n" for row in range(60))
    (tmp_path / "mine.csv").write_text(f"a,b,kind\n{rows}")
    options = " path=mine.csv target=kind" if data == "table" else ""
    asked = new(tmp_path / "a.yaml", "--data", f"{data}{options}", "--activations", "relu,lelu", "--yes")
    assert asked.exit_code == 0, asked.output
    study = load(tmp_path / "a.yaml")
    assert study.question == f"Is lelu better than relu on {data.split()[0]}?"
    assert study.task.name == ("regression" if "quantity" in data else "classification")
    assert preflight.problems(list(bounds(study)), tmp_path) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--data", "digitz"], "did you mean digits?"),
        (["--activations", "relu, lulu"], "lelu"),
        (["--activations", ""], "at least one activation"),
        (["--activations", "relu,elu,relu"], "got relu more than once"),
        (["--option", "lead"], "KEY=VALUE"),
        (["--samples", "-1"], "--samples"),
    ],
)
def test_a_wrong_answer_is_told_and_nothing_is_written(tmp_path: Path, words: list[str], said: str) -> None:
    asked = new(tmp_path / "wrong.yaml", "--yes", *words)
    assert asked.exit_code == 2
    assert said in asked.output
    assert "Traceback" not in asked.output
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("mine")
    asked = new(tmp_path / "a.yaml", "--yes")
    assert (asked.exit_code, (tmp_path / "a.yaml").read_text()) == (2, "mine")
    assert new(tmp_path / "a.txt", "--yes").exit_code == 2


def test_a_name_that_can_be_no_studys_is_told(tmp_path: Path) -> None:
    asked = new(tmp_path / "My Study.yaml", "--yes")
    assert asked.exit_code == 2
    assert "names a folder" in asked.output
