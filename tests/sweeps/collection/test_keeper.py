"""One MLflow store for all studies below a folder."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from analysis.runs import schema
from analysis.runs.plan import from_json, to_json
from sweeps.collection import keeper as keeping
from sweeps.collection.keeper import HOME, Keeper
from sweeps.testing import InventedTrial, invent_attempt, invent_study
from sweeps.tracking import run_updates, tracker
from sweeps.tracking.run_values import NOTE
from sweeps.tracking.store import configure_mlflow, connect

configure_mlflow()

pytestmark = [pytest.mark.slow]

Add = Callable[..., Path]


@pytest.fixture
def heard() -> list[str]:
    return []


@pytest.fixture
def keeper(root: Path, heard: list[str]) -> Iterator[Keeper]:
    with Keeper(root, heard.append) as keeper:
        yield keeper


def runs(keeper: Keeper) -> dict[str, dict[str, Any]]:
    """Folder of the study -> its runs by key, of the experiments that are shown."""
    api = connect(keeper.store)
    found = {}
    for experiment in api.search_experiments():
        folder = experiment.tags[NOTE].split("folder ")[1].split()[0]
        held = api.search_runs([experiment.experiment_id], max_results=1000)
        found[folder] = {run.data.tags[schema.KEY]: run for run in held}
    return found


def files(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_studies_of_one_name_are_shown_apart_and_kept_up_to_date(
    root: Path, add: Add, keeper: Keeper, heard: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = add("one"), add("anna/one", write_folds=False)
    add("there", uri="https://mlflow.invalid")
    before = files(one)
    keeper.refresh()
    assert keeper.troubles == {}
    assert files(one) == before  # the study's own store, too
    assert heard == ["anna/one: reads 4 folds", "one: reads 4 folds"]
    shown = runs(keeper)
    assert {name: len(held) for name, held in shown.items()} == {"one": 7, "anna/one": 1}
    assert list(keeper.elsewhere()) == ["there"]

    names = [page.name for page in keeper.pages()]
    assert names == ["studies", "anna/one", "one"]
    notes = [experiment.tags[NOTE] for experiment in connect(keeper.store).search_experiments()]
    assert any(note.startswith("accuracy: relu 0.") and ", dsrelu 0." in note for note in notes)

    # A study that runs: the next look reads its news alone, and nothing of the other's.
    invent_attempt(other, "relu-c000/fold-0-1", epochs=2)
    read: list[str] = []
    fold = run_updates.RunUpdates.fold
    monkeypatch.setattr(run_updates.RunUpdates, "fold", lambda self, key: [read.append(key), fold(self, key)][1])
    keeper.refresh()
    assert set(read) == {"relu-c000/fold-0-1"}
    assert runs(keeper)["anna/one"]["digits/relu-c000/0-1"].info.status == "RUNNING"
    assert len(heard) == 2
    notes = [experiment.tags[NOTE] for experiment in connect(keeper.store).search_experiments()]
    assert all(note.count("folder ") == 1 for note in notes)
    assert all("**Question.**" in note for note in notes)


def test_what_was_shown_already_costs_nothing_and_what_is_gone_is_gone(
    root: Path, add: Add, heard: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    add("one")
    other = add("other", "other")
    with Keeper(root, heard.append) as first:
        first.refresh()
        with Keeper(root, heard.append) as second:
            second.refresh()
            assert (first.writes, second.writes) == (True, False)
            assert [page.name for page in second.pages()] == ["studies", "one", "other"]
    monkeypatch.setattr(tracker, "Tracker", None)  # nothing is read
    with Keeper(root, heard.append) as later:
        later.refresh()
        assert set(runs(later)) == {"one", "other"}
        shutil.rmtree(other)
        later.refresh()
        assert set(runs(later)) == {"one"}
        monkeypatch.undo()
        shutil.rmtree(root / HOME)  # also while it is shown
        later.refresh()
        assert set(runs(later)) == {"one"}
        assert later.writes
    assert len(heard) == 3


def test_one_damaged_study_keeps_no_other_from_being_shown(root: Path, add: Add, keeper: Keeper) -> None:
    add("good")
    bad = add("bad", "bad")
    (bad / "trials" / "relu-c000" / "trial.json").write_text("{")
    keeper.refresh()
    assert list(keeper.troubles) == ["bad"]
    assert "trial.json" in keeper.troubles["bad"]
    assert len(runs(keeper)["good"]) == 7
    shutil.copy(root / "good" / "trials" / "relu-c000" / "trial.json", bad / "trials" / "relu-c000" / "trial.json")
    keeper.refresh()
    assert keeper.troubles == {}
    assert len(runs(keeper)["bad"]) == 7


def test_where_the_folder_cannot_be_written_the_users_cache_is_taken(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(keeping.os, "access", lambda path, mode: False)
    home = keeping.home(root)
    assert home.is_relative_to(tmp_path / "cache" / "actsweep" / "ui")
    assert keeping.home(root) == home
    assert keeping.home(tmp_path) != home


def test_the_list_names_a_few_means_and_says_that_there_are_more(root: Path, add: Add, keeper: Keeper) -> None:
    folder = add("many")
    trials = [InventedTrial(label=f"label {number}") for number in range(7)]
    plan = dataclasses.replace(from_json((folder / "plan.json").read_text()), study="many")
    shutil.rmtree(folder)
    invent_study(folder, trials, name="many", folds=1, epochs=1)
    (folder / "plan.json").write_text(to_json(plan))
    keeper.refresh()
    (experiment,) = connect(keeper.store).search_experiments()
    words = experiment.tags[NOTE].split("\n")[0]
    assert words.startswith("accuracy: label ")
    assert words.endswith(", and more")
    assert words.count("label") == 5
