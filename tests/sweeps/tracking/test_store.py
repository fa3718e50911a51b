"""Where a study's MLflow store is: what a URI can name and what it cannot."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from analysis.errors import IncompleteFolds
from sweeps.cli import reporting
from sweeps.driver import session
from sweeps.errors import StudyError, TrackingError
from sweeps.folder.layout import quote_path
from sweeps.study.reading import load
from sweeps.testing import InventedTrial, invent_study
from sweeps.tracking.store import initialise, locate
from sweeps.tracking.tracker import Tracker

STUDY = "name: mine\ndata: {name: digits}\nactivations: [relu, dsrelu]\n"


def test_spaces_and_other_alphabets_are_addressed(tmp_path: Path) -> None:
    folder = tmp_path / "näher α β"
    folder.mkdir()
    assert locate(None, folder).uri == f"sqlite:///{folder}/mlflow.db"


@pytest.mark.parametrize("sign", ["?", "#", "%"])
def test_a_path_that_no_uri_can_have_is_refused_before_anything_is_written(sign: str, tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match="choose another folder"):
        locate(f"sqlite:///{tmp_path}/a{sign}b/all.db", tmp_path)
    with pytest.raises(StudyError, match="MLflow cannot address a SQLite file in a path with"):
        session.make(load(STUDY), tmp_path / f"a{sign}b", ["run"])
    assert not list(tmp_path.iterdir())


def test_a_relative_store_is_taken_from_the_study_files_folder(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(STUDY + "tracking: {uri: 'sqlite:///all.db'}\n")
    assert load(tmp_path / "mine.yaml").tracking.uri == f"sqlite:///{tmp_path}/all.db"


def test_a_damaged_store_is_told_with_its_remedy(tmp_path: Path) -> None:
    invent_study(tmp_path, [InventedTrial(label="relu")])
    (tmp_path / "mlflow.db").write_bytes(b"no database" * 500)
    tracker = Tracker(None, tmp_path)
    with pytest.raises(TrackingError, match="builds it anew") as refused:
        tracker.sync()
    assert "SELECT" not in str(refused.value)


def test_a_plan_that_is_gone_or_damaged_is_named(tmp_path: Path) -> None:
    invent_study(tmp_path, [InventedTrial(label="relu")])
    for text in ("{", None):
        (tmp_path / "plan.json").unlink(missing_ok=True)
        if text is not None:
            (tmp_path / "plan.json").write_text(text)
        with pytest.raises(TrackingError, match=r"plan\.json: cannot be read \(.*restore it"):
            Tracker(None, tmp_path).sync()


def test_a_path_is_shown_as_it_can_be_pasted() -> None:
    assert quote_path(Path("runs/my study")) == "'runs/my study'"
    assert quote_path(Path("runs/smoke")) == "runs/smoke"


def test_a_study_without_a_finished_fold_has_nothing_to_report(tmp_path: Path) -> None:
    invent_study(tmp_path, [InventedTrial(label="relu")], write_folds=False)
    assert Tracker(None, tmp_path).sync().folds == 3
    with pytest.raises(IncompleteFolds, match="no fold has finished, so there is nothing to report"):
        reporting.write(
            [f"sqlite:///{tmp_path}/mlflow.db"],
            None,
            imported=(),
            experiments=(),
            allow_incomplete=True,
            pdf_wanted=False,
        )


def test_a_new_store_waits_for_the_disk_once_and_those_who_open_it_as_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    waits, synced = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda number: waits.append(number) or synced(number))
    seen: list[int] = []

    class Watched(SqlAlchemyStore):
        def __init__(self, uri: str, artifacts: str) -> None:
            super().__init__(uri, artifacts)
            with self.engine.connect() as connection:
                seen.append(connection.exec_driver_sql("PRAGMA synchronous").scalar())

    monkeypatch.setattr("mlflow.store.tracking.sqlalchemy_store.SqlAlchemyStore", Watched)
    initialise(tmp_path / "mlflow.db")
    Watched(f"sqlite:///{tmp_path}/mlflow.db", "").engine.dispose()
    off, full = 0, 2
    assert seen == [off, full]
    assert len(waits) == 1
