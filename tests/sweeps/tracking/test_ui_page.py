"""The page on which the MLflow UI opens: a study's runs, or those of a suite's studies beside each other."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path

from sweeps.tracking import ui_server
from sweeps.tracking.store import locate


def folders(root: Path, *names: str) -> list[Path]:
    with contextlib.closing(sqlite3.connect(root / "mlflow.db")) as database:
        database.execute("create table experiments (experiment_id integer, name text, lifecycle_stage text)")
        rows = [(at, name, "active") for at, name in enumerate(names, 3)]
        database.executemany("insert into experiments values (?, ?, ?)", rows)
        database.commit()
    for name in names:
        (root / name).mkdir()
        (root / name / "plan.json").write_text(json.dumps({"study": name}))
    return [root / name for name in names]


def test_one_study_opens_on_its_runs(tmp_path: Path) -> None:
    (study,) = folders(tmp_path, "alone")
    store = locate("sqlite:///../mlflow.db", study)
    assert ui_server._page(store, [study]) == "/#/experiments/3/runs?workflowType=machine_learning"


def test_several_open_beside_each_other(tmp_path: Path) -> None:
    studies = folders(tmp_path, "one", "other")
    page = ui_server._page(locate("sqlite:///../mlflow.db", studies[0]), studies)
    assert page == "/#/compare-experiments/s?experiments=%5B%223%22%2C%224%22%5D&workflowType=machine_learning"


def test_a_relative_store_is_taken_from_the_studys_folder(tmp_path: Path) -> None:
    assert locate("sqlite:///../mlflow.db", tmp_path / "member").database == tmp_path / "mlflow.db"
