"""A study folder that was moved or copied writes into itself, and its UI shows what lies there."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import pytest

from analysis.runs import schema
from sweeps.testing import invent_study
from sweeps.tracking import artifact_place
from sweeps.tracking.store import leave
from sweeps.tracking.tracker import Tracker
from sweeps.tracking.ui_server import ui

_spec = importlib.util.spec_from_file_location("views", Path(__file__).with_name("views.py"))
assert _spec is not None
assert _spec.loader is not None
views = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(views)


def report(folder: Path, text: str) -> Path:
    (folder / "report").mkdir(exist_ok=True)
    (folder / "report" / "report.html").write_text(text)
    return folder / "report"


def addresses(database: Path) -> set[str]:
    asked = "select artifact_location from experiments union all select artifact_uri from runs"
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return {str(row[0]) for row in connection.execute(asked)}


def test_a_moved_folder_writes_into_itself(tmp_path: Path, open_tracker: Callable[..., Tracker]) -> None:
    folder = tmp_path / "a study"
    invent_study(folder, [views.RELU], folds=1)
    tracker = open_tracker(folder)
    tracker.sync()
    tracker.log_report(report(folder, "first"))
    theirs = "file:///data/of/theirs"
    views.client_of(tracker).create_experiment("theirs", artifact_location=theirs)
    leave(tracker.store)
    moved = folder.rename(tmp_path / "100 µm")
    tracker = open_tracker(moved)
    tracker.log_report(report(moved, "second"))
    assert views.artifacts(tracker)["report/report.html"] == "second"
    tracker.sync()
    assert not folder.exists()
    now = addresses(moved / "mlflow.db")
    assert theirs in now
    assert not [one for one in now if one.startswith(folder.as_uri())]
    assert len([one for one in now if one.startswith((moved / "mlartifacts").as_uri())]) == 4  # experiment and runs
    assert views.trash(tracker) == 0


@pytest.mark.slow
def test_the_ui_of_a_copy_shows_the_copys_artifacts(tmp_path: Path, open_tracker: Callable[..., Tracker]) -> None:
    """While the UI is open, a sync writes into the copy, too."""
    folder, copy = tmp_path / "study", tmp_path / "copy"
    invent_study(folder, [views.RELU], folds=1)
    tracker = open_tracker(folder)
    tracker.sync()
    tracker.log_report(report(folder, "the study's"))
    shutil.copytree(folder, copy)
    (shown,) = (copy / "mlartifacts").rglob("report.html")
    shown.write_text("the copy's")
    asked = f"tags.`{schema.KIND}` = 'study'"
    (run,) = views.client_of(tracker).search_runs([views.experiment_of(tracker).experiment_id], asked)
    with ui(copy) as served:
        at = f"{served.address}/get-artifact?path=report/report.html&run_uuid={run.info.run_id}"
        for text in ("the copy's", "a later one"):
            with urlopen(at) as page:
                assert page.read().decode() == text
            open_tracker(copy).log_report(report(copy, "a later one"))
    assert [path.read_text() for path in (folder / "mlartifacts").rglob("report.html")] == ["the study's"]


def test_a_suites_store_goes_with_its_folder_and_not_with_one_member(tmp_path: Path, empty_store: Path) -> None:
    suite = tmp_path / "suite"
    for member in ("a", "b"):
        invent_study(suite / member, [views.RELU], folds=1, name=f"suite-{member}")
    shutil.copy(empty_store, suite / "all.db")
    for member in ("a", "b"):
        tracker = Tracker("sqlite:///../all.db", suite / member)
        tracker.sync()
        leave(tracker.store)
    moved = suite.rename(tmp_path / "moved")
    tracker = Tracker("sqlite:///../all.db", moved / "a")
    tracker.log_report(report(moved / "a", "a's"))
    assert views.artifacts(Tracker("sqlite:///../all.db", moved / "b")).keys() >= {"plan.json", "study.yaml"}
    assert not suite.exists()
    settled = addresses(moved / "all.db")
    assert not [one for one in settled if one.startswith(suite.as_uri())]
    alone = (moved / "b").rename(tmp_path / "alone")
    Tracker(f"sqlite:///{moved}/all.db", alone).sync()
    assert addresses(moved / "all.db") == settled


def test_addresses_are_changed_all_or_none(tmp_path: Path, open_tracker: Callable[..., Tracker]) -> None:
    folder = tmp_path / "study"
    invent_study(folder, [views.RELU], folds=1)
    tracker = open_tracker(folder)
    tracker.sync()
    leave(tracker.store)
    database = folder.rename(tmp_path / "moved") / "mlflow.db"
    before = {one for one in addresses(database) if one.startswith(folder.as_uri())}
    assert len(before) == 4
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("create trigger cut before update on runs begin select raise(abort, 'cut off'); end")
    with pytest.raises(sqlite3.Error, match="cut off"):
        artifact_place.settle(database)
    assert addresses(database) >= before
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("drop trigger cut")
    artifact_place.settle(database)
    assert not addresses(database) & before
