"""From journals to a report's table: each number stands in its own column."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import analysis
from analysis import notebook
from analysis.report import build
from analysis.report.findings import gather
from analysis.runs import load, simulated
from sweeps.cli.main import main
from sweeps.testing import InventedTrial, invent_study
from sweeps.tracking.tracker import Tracker
from sweeps.view import compared
from trainer.journal import read_fold

LABELS = ("relu", "dsrelu")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two activations on five folds, tracked and reported."""
    path = tmp_path_factory.mktemp("reported") / "study"
    invent_study(path, [InventedTrial(label=label) for label in LABELS], folds=5)
    assert Tracker(None, path).sync()
    build.write(list(load.load_all([str(path)])), path / "report")
    return path


@pytest.fixture(scope="module")
def scores(study: Path) -> dict[str, np.ndarray]:
    """Label -> the held-out accuracy of each fold, as its journal says."""
    found = {}
    for label in LABELS:
        histories = [read_fold(study / "trials" / f"{label}-c000" / f"fold-0-{fold}") for fold in range(5)]
        ends = [history.end for history in histories if history is not None and history.end is not None]
        found[label] = np.array([end.outcomes["validation_loss"].metrics["heldout/accuracy"] for end in ends])
    return found


def test_the_means_of_a_report_are_those_of_the_journals(study: Path, scores: dict[str, np.ndarray]) -> None:
    table = pd.read_csv(study / "report" / "tables" / "table-2-means.csv").set_index("activation")
    assert set(table.index) == set(LABELS)
    for label, values in scores.items():
        row = table.loc[label]
        assert row["n"] == len(values) == 5
        assert row["mean"] == pytest.approx(values.mean(), abs=1e-9)
        assert row["sd"] == pytest.approx(values.std(ddof=1), abs=1e-9)
        assert (row["min"], row["max"]) == pytest.approx((values.min(), values.max()), abs=1e-9)
        assert row["low"] < values.mean() < row["high"]
        assert row["mean"] - row["low"] == pytest.approx(row["high"] - row["mean"], abs=1e-9)
        assert row["chance"] == pytest.approx(0.1019)


def test_a_notebook_opens_the_folder_and_its_store_alike(study: Path) -> None:
    opened = analysis.open(study)
    assert repr(opened).startswith("<invented: 10 folds of relu, dsrelu. ")
    by_store = analysis.open(f"sqlite:///{study / 'mlflow.db'}")
    pd.testing.assert_frame_equal(opened.frame, by_store.frame)
    pd.testing.assert_frame_equal(opened.verdicts(), by_store.verdicts())


def test_the_difference_of_a_report_is_that_of_the_journals(study: Path, scores: dict[str, np.ndarray]) -> None:
    numbers = json.loads((study / "report" / "numbers.json").read_text(encoding="utf-8"))
    (row,) = numbers["tables"]["table-1-verdicts"]
    assert (row["activation"], row["control"], row["n"]) == ("dsrelu", "relu", 5)
    assert row["difference"] == pytest.approx(np.mean(scores["dsrelu"] - scores["relu"]), abs=1e-9)


def test_a_store_that_is_made_anew_gives_the_same_numbers(study: Path, tmp_path: Path) -> None:
    again = tmp_path / "study"
    shutil.copytree(study, again, ignore=shutil.ignore_patterns("mlflow.db*", "report"))
    assert Tracker(None, again).sync()
    build.write(list(load.load_all([str(again)])), again / "report")
    first, second = ((path / "report" / "numbers.json").read_text(encoding="utf-8") for path in (study, again))
    run_id = re.compile(r"\b[0-9a-f]{32}\b")
    assert first != second
    assert run_id.sub("run", first) == run_id.sub("run", second)


def test_compare_says_on_the_terminal_what_the_report_says(study: Path) -> None:
    """By the store: an invented folder has no study file that can be run."""
    uri = f"sqlite:///{study / 'mlflow.db'}"
    numbers = json.loads((study / "report" / "numbers.json").read_text(encoding="utf-8"))
    shown = CliRunner().invoke(main, ["compare", uri])
    assert shown.exit_code == 0, shown.output
    told = " ".join(shown.output.split())
    assert numbers["answer"]["sentence"] in told
    (row,) = numbers["tables"]["table-1-verdicts"]
    assert f"{row['difference']:+.3f}".replace("-", "\N{MINUS SIGN}") in told
    read = json.loads(CliRunner().invoke(main, ["compare", "--json", uri]).output)
    assert read["answer"] == numbers["answer"]
    assert read["verdicts"] == numbers["tables"]["table-1-verdicts"]
    assert read["means"] == numbers["tables"]["table-2-means"]
    assert (read["studies"], read["metric"]) == (["invented"], "accuracy")


@pytest.mark.parametrize("columns", [40, 80, 100, 400])
def test_compare_keeps_to_the_terminal_and_shows_every_number(columns: int, study: Path) -> None:
    several = [simulated.study(seed=3, name=name, dataset=name, epochs=4) for name in ("digits", "a_set_of_long_name")]
    found = notebook.Comparison(gather(several))
    text = compared.words(found, columns)
    assert max(map(len, text.splitlines())) <= min(max(columns, 80), 118)
    for name in ("means", "verdicts"):
        table = found.tabled(name)
        assert table is not None
        for row in table.texts():
            for at, cell in enumerate(row):
                if table.numeric()[at] and table.names[at] in compared.COLUMNS[name]:
                    assert f" {cell}" in text
    assert "Verdicts against relu" in text  # said once: it is the control of all
    uri = f"sqlite:///{study / 'mlflow.db'}"
    shown = CliRunner().invoke(main, ["compare", uri], env={"COLUMNS": str(columns)})
    assert "Verdicts on digits against relu" in shown.output
    assert max(map(len, shown.output.splitlines())) <= min(max(columns, 80), 118)


def test_the_readmes_example_for_a_notebook_prints_the_answer(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"From a notebook:\n\n```python\n(.+?)```", readme, re.DOTALL)
    folders = re.findall(r'"(runs/[\w-]+)"', example)
    for folder in folders:
        (tmp_path / folder).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / folder).symlink_to(study)
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})
    assert folders
    assert json.loads((study / "report" / "numbers.json").read_text())["answer"]["sentence"] in capsys.readouterr().out


def test_compare_refuses_what_is_no_study(tmp_path: Path) -> None:
    shown = CliRunner().invoke(main, ["compare", str(tmp_path)])
    assert shown.exit_code == 2
    assert "no mlflow.db" in shown.output
