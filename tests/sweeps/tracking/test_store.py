"""Where a study's MLflow store is: what a URI can name and what it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.errors import IncompleteFolds
from sweeps.cli import reporting
from sweeps.driver import session
from sweeps.errors import StudyError, TrackingError
from sweeps.folder.layout import quote_path
from sweeps.study.reading import load
from sweeps.testing import InventedTrial, invent_study
from sweeps.tracking.store import locate
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
