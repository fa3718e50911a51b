"""The pages on which the MLflow UI opens: a study's prepared views, or those of several studies."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from analysis.runs.plan import from_json, to_json
from sweeps.testing import InventedTrial, invent_study
from sweeps.tracking import pages, shared_views, ui_server
from sweeps.tracking.store import Store, locate

VIEWS = {f"mlflow.sharedViewState.{key}": "{}" for key in ("comparison", "folds", "of a person")}


def study(folder: Path, name: str, sweep: str = "5eeb") -> Path:
    invent_study(folder, [InventedTrial(label="relu")], name=name, write_folds=False)
    plan = folder / "plan.json"
    plan.write_text(to_json(dataclasses.replace(from_json(plan.read_text()), sweep=sweep)))
    return folder


def store(root: Path, *experiments: tuple[int, str, str, Mapping[str, str]]) -> Store:
    """Experiments: id, name, lifecycle stage, tags."""
    with closing(sqlite3.connect(root / "mlflow.db")) as database:
        database.execute("create table experiments (experiment_id integer, name text, lifecycle_stage text)")
        database.execute("create table experiment_tags (key text, value text, experiment_id integer)")
        for number, name, stage, tags in experiments:
            database.execute("insert into experiments values (?, ?, ?)", (number, name, stage))
            rows = [(key, value, number) for key, value in tags.items()]
            database.executemany("insert into experiment_tags values (?, ?, ?)", rows)
        database.commit()
    return locate(f"sqlite:///{root}/mlflow.db", root)


def test_a_study_opens_on_its_comparison(tmp_path: Path) -> None:
    """Whatever its experiment is called, and whoever else's has its name."""
    folder = study(tmp_path / "one", "alone")
    renamed = (3, "renamed", "active", {"actsweep.sweep": "5eeb"} | VIEWS)
    found = pages.of_study(store(tmp_path, (2, "alone", "active", {"actsweep.sweep": "07e7"}), renamed), folder)
    assert [page.name for page in found] == ["comparison", "folds"]
    runs = "/#/experiments/3/runs?workflowType=machine_learning&viewStateShareKey="
    assert found[0].url == f"{runs}comparison&compareRunsMode=TABLE"
    assert found[1].url == f"{runs}folds&compareRunsMode=CHART"
    assert "accuracy" in found[0].shows


def test_runs_of_an_earlier_version_are_listed(tmp_path: Path) -> None:
    folder = study(tmp_path / "one", "alone")
    (page,) = pages.of_study(store(tmp_path, (7, "alone", "active", {})), folder)
    assert page.url == "/#/experiments/7/runs?workflowType=machine_learning"
    assert "actsweep sync" in page.shows


@pytest.mark.parametrize("stage", ["deleted", "active"])
def test_a_study_without_runs_has_no_page(tmp_path: Path, stage: str) -> None:
    folder = study(tmp_path / "one", "alone")
    held = store(tmp_path, (7, "alone", stage, {"actsweep.sweep": "another"}))
    assert pages.of_study(held, folder) == []
    (folder / "plan.json").write_text("{")
    assert pages.of_study(held, folder) == []
    (tmp_path / "mlflow.db").unlink()
    assert pages.of_study(held, study(tmp_path / "other", "alone")) == []


def test_several_studies_show_each_comparison_and_all_together(tmp_path: Path) -> None:
    folders = [study(tmp_path / name, name, name) for name in ("one", "other")]
    tags = [{"actsweep.sweep": name} | VIEWS for name in ("one", "other")]
    held = store(tmp_path, (3, "one", "active", tags[0]), (4, "other", "active", tags[1]))
    found = ui_server._pages(held, tmp_path, folders)
    assert [page.name for page in found] == ["one", "other", "all"]
    assert all("viewStateShareKey=comparison" in page.url for page in found[:2])
    assert "experiments=%5B%223%22%2C%224%22%5D" in found[2].url
    assert pages.beside(held, folders[:1]) == []


def test_an_address_names_no_search_of_its_own() -> None:
    """The UI takes a view's state only where the address says nothing of what the state says."""
    view = shared_views.View(key="k", shows="", opens="TABLE", state={})
    assert view.query == "viewStateShareKey=k&compareRunsMode=TABLE"


def test_a_relative_store_is_taken_from_the_studys_folder(tmp_path: Path) -> None:
    assert locate("sqlite:///../mlflow.db", tmp_path / "member").database == tmp_path / "mlflow.db"
