"""A sweep's experiment is its own, whatever its name: found, restored, told from others, and never taken from them."""

from __future__ import annotations

import dataclasses
import importlib.util
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis.runs import plan as planning
from analysis.runs import schema
from sweeps.errors import TrackingError
from sweeps.folder import place
from sweeps.testing import invent_attempt, invent_study
from sweeps.tracking.run_values import NOTE
from sweeps.tracking.tracker import Tracker
from trainer.journal import Status

_spec = importlib.util.spec_from_file_location("views", Path(__file__).with_name("views.py"))
assert _spec is not None
assert _spec.loader is not None
views = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(views)


def declare(folder: Path, sweep: str = "", *, digest: str = "0123456789abcdef", declared_at: str = "") -> Path:
    """A finished study of one activation and two folds."""
    invent_study(folder, [views.RELU], folds=2, epochs=2)
    plan = planning.from_json((folder / "plan.json").read_text())
    when = declared_at or plan.declaration.declared_at
    declaration = dataclasses.replace(plan.declaration, declared_at=when)
    plan = dataclasses.replace(plan, sweep=sweep, study_digest=digest, declaration=declaration)
    (folder / "plan.json").write_text(planning.to_json(plan))
    return folder


@pytest.fixture
def shared(tmp_path: Path, empty_store: Path) -> str:
    """A store that is nobody's own."""
    (tmp_path / "shared").mkdir()
    shutil.copy(empty_store, tmp_path / "shared" / "all.db")
    return f"sqlite:///{tmp_path}/shared/all.db"


def names(tracker: Tracker) -> dict[str, str]:
    """Name -> state of all experiments but MLflow's own."""
    from mlflow.entities import ViewType

    found = views.client_of(tracker).search_experiments(view_type=ViewType.ALL)
    return {one.name: one.lifecycle_stage for one in found if one.experiment_id != "0"}


def test_two_sweeps_of_one_study_live_side_by_side(tmp_path: Path, shared: str, open_tracker: Any) -> None:
    ours, theirs = declare(tmp_path / "ours", "a" * 16), declare(tmp_path / "theirs", "b" * 16)
    (theirs / "provenance.json").write_text('{"user": "anna", "host": "node7"}')
    for _ in range(2):
        for folder in (ours, theirs):
            Tracker(shared, folder).sync()
    tracker = Tracker(shared, ours)
    assert names(tracker) == {"invented": "active", "invented (anna, bbbbbb)": "active"}
    assert views.trash(tracker) == 0
    assert views.view(tracker) == views.rebuilt(ours, open_tracker, tmp_path)
    assert views.view(Tracker(shared, theirs)) == views.rebuilt(theirs, open_tracker, tmp_path)
    owner = views.experiment_of(Tracker(shared, theirs)).tags["actsweep.owner"]
    assert owner == f"anna, folder node7:{theirs}, declared 2025-10-09T08:00:00+00:00"


def test_a_renamed_experiment_is_recognised_and_keeps_the_name_that_people_gave_it(tmp_path: Path, shared: str) -> None:
    tracker = Tracker(shared, declare(tmp_path / "study", "a" * 16))
    tracker.sync()
    client, known = views.client_of(tracker), views.experiment_of(tracker)
    client.rename_experiment(known.experiment_id, "our digits")
    client.create_experiment("invented", tags={schema.STUDY_DIGEST: "0123456789abcdef", schema.SWEEP: "b" * 16})
    tracker.sync()
    assert names(tracker) == {"our digits": "active", "invented": "active"}
    assert client.search_runs([client.get_experiment_by_name("invented").experiment_id]) == []


def test_an_experiment_in_the_trash_is_taken_out_with_its_runs(tmp_path: Path, shared: str, open_tracker: Any) -> None:
    folder = declare(tmp_path / "study", "a" * 16)
    tracker = Tracker(shared, folder)
    tracker.sync()
    known = views.experiment_of(tracker)
    views.client_of(tracker).delete_experiment(known.experiment_id)
    tracker.sync()
    assert views.experiment_of(tracker).experiment_id == known.experiment_id
    assert names(tracker) == {"invented": "active"}
    assert views.view(tracker) == views.rebuilt(folder, open_tracker, tmp_path)


def test_of_several_experiments_of_one_sweep_the_first_is_kept(tmp_path: Path, shared: str) -> None:
    tracker = Tracker(shared, declare(tmp_path / "study", "a" * 16))
    tracker.sync()
    views.client_of(tracker).create_experiment("merged", tags={schema.SWEEP: "a" * 16})
    tracker.sync()
    assert names(tracker) == {"invented": "active", "merged": "deleted"}
    assert views.experiment_of(tracker).name == "invented"


@pytest.mark.parametrize("tags", [{}, {schema.STUDY_DIGEST: "fedcba9876543210"}, {schema.SWEEP: "b" * 16}])
@pytest.mark.parametrize("trashed", [False, True])
def test_an_experiment_of_the_name_that_is_not_ours_is_left_alone(
    tmp_path: Path, shared: str, tags: dict[str, str], trashed: bool
) -> None:
    tracker = Tracker(shared, declare(tmp_path / "study", "a" * 16))
    client = views.client_of(tracker)
    theirs = client.create_experiment("invented", tags=tags)
    run = client.create_run(theirs, tags={schema.KEY: "invented"}).info.run_id
    if trashed:
        client.delete_experiment(theirs)
    tracker.sync()
    before = client.get_experiment(theirs)
    assert before.tags == tags
    assert before.lifecycle_stage == ("deleted" if trashed else "active")
    assert client.get_run(run).info.lifecycle_stage == before.lifecycle_stage
    assert views.experiment_of(tracker).name == "invented (user unknown, aaaaaa)"


def forget_the_sweep(tracker: Tracker) -> str:
    """Makes the experiment that of an earlier version, which named no sweep; its id."""
    known = views.experiment_of(tracker).experiment_id
    with sqlite3.connect(str(tracker.store.database)) as connection:
        connection.execute("delete from experiment_tags where key in (?, 'actsweep.owner')", (schema.SWEEP,))
        connection.execute("update tags set value = '2' where key = ?", (schema.SCHEMA_TAG,))
    connection.close()
    return str(known)


def test_an_earlier_versions_experiment_is_adopted_by_its_own_study_alone(
    tmp_path: Path, shared: str, open_tracker: Any
) -> None:
    ours = declare(tmp_path / "ours")
    later = declare(tmp_path / "later", declared_at="2026-01-01T08:00:00+00:00")
    tracker = Tracker(shared, ours)
    tracker.sync()
    known = forget_the_sweep(tracker)
    views.client_of(tracker).rename_experiment(known, "renamed since")
    other = Tracker(shared, later)
    other.sync()
    assert views.experiment_of(other).experiment_id != known
    tracker.sync()
    assert views.experiment_of(tracker).experiment_id == known
    assert views.view(tracker) == views.rebuilt(ours, open_tracker, tmp_path)


def test_the_experiment_in_the_studys_own_file_is_its_own_whatever_its_runs_say(
    tmp_path: Path, open_tracker: Callable[..., Tracker]
) -> None:
    tracker = open_tracker(declare(tmp_path / "study"))
    tracker.sync()
    known = forget_the_sweep(tracker)
    client = views.client_of(tracker)
    for run in client.search_runs([known]):
        client.delete_run(run.info.run_id)
    client.delete_experiment(known)
    tracker.sync()
    assert views.experiment_of(tracker).experiment_id == known
    assert views.view(tracker) == views.rebuilt(tracker.folder, open_tracker, tmp_path)


def test_what_people_added_to_runs_stays(tmp_path: Path, open_tracker: Callable[..., Tracker]) -> None:
    tracker = open_tracker(declare(tmp_path / "study"))
    tracker.sync()
    client = views.client_of(tracker)
    runs = client.search_runs([views.experiment_of(tracker).experiment_id])
    for run in runs:
        client.set_tag(run.info.run_id, "lab", "good")
        client.set_tag(run.info.run_id, NOTE, "look at this")
        client.set_tag(run.info.run_id, schema.DATASET, "changed")
    for _ in range(2):
        tracker.sync()
    for run in runs:
        tags = client.get_run(run.info.run_id).data.tags
        assert (tags["lab"], tags[NOTE], tags[schema.DATASET]) == ("good", "look at this", "digits")


def test_an_unchanged_study_costs_no_request_for_each_run(
    tmp_path: Path, open_tracker: Callable[..., Tracker], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    tracker = open_tracker(declare(tmp_path / "study"))
    tracker.sync()
    asked: list[str] = []
    for name in [
        name
        for name in dir(SqlAlchemyStore)
        if name.split("_")[0] in ("get", "set", "log", "update", "create", "delete", "search")
    ]:
        original = getattr(SqlAlchemyStore, name)

        def count(self: Any, *given: Any, name: str = name, original: Any = original, **named: Any) -> Any:
            asked.append(name)
            return original(self, *given, **named)

        monkeypatch.setattr(SqlAlchemyStore, name, count)
    tracker.sync()
    writes = [name for name in asked if name.split("_")[0] not in ("get", "search")]
    assert writes == []
    assert asked.count("search_runs") == 1
    assert len(asked) < 8, asked


def test_what_people_delete_while_a_driver_is_at_work_is_made_again(
    tmp_path: Path, open_tracker: Callable[..., Tracker]
) -> None:
    folder = tmp_path / "study"
    keys = invent_study(folder, [views.RELU], folds=3, epochs=2, write_folds=False)
    tracker = open_tracker(folder)
    client = views.client_of(tracker)
    for number, key in enumerate(keys):
        invent_attempt(folder, key, epochs=2, status=Status.FINISHED)
        if number == 1:
            for run in client.search_runs([views.experiment_of(tracker).experiment_id]):
                client.delete_run(run.info.run_id)
        if number == 2:
            client.delete_experiment(views.experiment_of(tracker).experiment_id)
        tracker.note([key])
        assert tracker.flush(), tracker.trouble
    assert tracker.close(), tracker.trouble
    found = views.view(tracker)
    assert found["invented"]["status"] == "FINISHED"
    assert found == views.rebuilt(folder, open_tracker, tmp_path)


def test_a_copy_never_writes_where_the_studys_runs_are(
    tmp_path: Path, shared: str, open_tracker: Callable[..., Tracker]
) -> None:
    folder, copy = declare(tmp_path / "study", "a" * 16), tmp_path / "copy"
    place.settle(folder)
    Tracker(shared, folder).sync()
    shutil.copytree(folder, copy)
    shutil.rmtree(copy / "trials" / "relu-c000" / "fold-0-1" / "attempt-1")
    with pytest.raises(TrackingError, match=rf"copy of the study in {folder}.*`actsweep sync {folder}`.*remove that"):
        Tracker(shared, copy).sync()
    assert "invented/relu-c000/0-1" in views.view(Tracker(shared, folder))
    open_tracker(copy).sync()  # its own store is its own
    Tracker(shared, folder).sync()  # the first remedy
    shutil.rmtree(folder)  # the second
    Tracker(shared, copy).sync()
    assert "invented/relu-c000/0-1" not in views.view(Tracker(shared, copy))
