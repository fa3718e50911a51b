"""A task that no product file knows, from its study file to a report: lower is better, nothing bounds it."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from analysis.runs import load as runs
from sweeps.errors import StudyError
from sweeps.study.reading import load
from trainer.journal import read_fold

OWN = Path(__file__).parent / "own"
STUDY = """
name: visits
question: Does LELU come nearer to the number of visits than ReLU?
seed: 3
task: counts:Counts
data: {name: "counts:visits"}
model: {name: "counts:network", width: 8}
training: {epochs: 6, batch: 32, lr: 2e-2, patience: null, checkpoint_rule: validation_off_by}
folds: {folds: 3, repeats: 1, validation: 0.25}
search: {algorithm: random, samples: 2, select_on: validation/within_one}
confirm: {repeats: 1}
activations:
  - relu
  - {activation: lelu, space: default}
  - {activation: apalu, params: {granularity: channel}}
control: relu
report: {rope: 0.05}
"""


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The modules of ``own`` can be imported, here and in the processes that are started."""
    monkeypatch.syspath_prepend(str(OWN))
    monkeypatch.setenv("PYTHONPATH", str(OWN), prepend=os.pathsep)


def command(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-P", "-m", "sweeps.cli", *words]
    return subprocess.run(line, cwd=cwd, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the study was run."""
    place = tmp_path_factory.mktemp("visits")
    (place / "visits.yaml").write_text(STUDY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(OWN), prepend=os.pathsep)
        run = command("run", "visits.yaml", "--interval", "0.1", cwd=place)
    assert run.returncode == 0, run.stderr + run.stdout
    return place


@pytest.mark.slow
@pytest.mark.usefixtures("own")
def test_it_runs_from_its_study_file_to_a_report(ran: Path) -> None:
    folder = ran / "runs" / "visits"
    fold = folder / "trials" / "relu-c000" / "fold-1-0"
    history = read_fold(fold)
    assert history is not None
    assert history.end is not None
    assert history.end.outcomes.keys() == {"validation_loss", "validation_off_by", "last"}
    declared = history.end.outcomes["validation_off_by"]
    assert declared.epoch == 1 + int(np.argmin([record.metrics["validation/off_by"] for record in history.epochs]))
    assert history.start.references.keys() == {"loss", "off_by", "within_one"}
    kept = np.load(fold / "attempt-1" / "predictions.npz")
    assert str(kept["task"]) == "counts:Counts"
    off_by = np.abs(kept["rate"] - kept["counts"]).mean()
    assert off_by == pytest.approx(declared.metrics["heldout/off_by"], rel=1e-5)
    assert declared.metrics["heldout/off_by"] < history.start.references["off_by"]

    plan = json.loads((folder / "plan.json").read_text())
    assert [metric["name"] for metric in plan["metrics"]] == ["loss", "off_by", "within_one"]
    assert plan["declaration"]["metric"] == "off_by"
    page = (folder / "report" / "report.md").read_text()
    assert "off_by" in page
    for word in ("accuracy", "f1_", "commonest class"):
        assert word not in page.lower(), word

    study = runs.load(folder)
    chosen = study.cube[study.cube["selected"]]["trial"].unique().tolist()
    ledger = [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]
    assert chosen == [record["trial"] for record in ledger if record["kind"] == "selected" and record["among"]]
    scores = study.cube[study.cube["phase"] == "confirm"].groupby("activation")["heldout/off_by"].mean()
    assert study.cube.loc[study.cube["phase"] == "confirm", "n_heldout_searched"].eq(0).all()
    numbers = json.loads((folder / "report" / "numbers.json").read_text())["tables"]["table-1-verdicts"]
    for row in numbers:  # nearer is better
        assert row["difference"] == pytest.approx(scores["relu"] - scores[row["activation"]], abs=1e-9)


@pytest.mark.slow
def test_its_folder_is_read_where_the_task_is_not_installed(ran: Path) -> None:
    for words in (("status", "runs/visits"), ("report", "runs/visits")):
        told = command(*words, cwd=ran)
        assert told.returncode == 0, told.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("validation/within_one", "validation/accuracy", "accepts validation/loss, validation/off_by, validation/with"),
        ("validation_off_by", "validation_of_by", "accepts validation_loss, validation_off_by, validation_within_one"),
        ("rope: 0.05", "metric: auc", 'report.metric: got "auc"; accepts loss, off_by, within_one'),
        ("validation: 0.25", "validation: 0.25, stratify: true", "accepts false: task counts:Counts has no classes"),
        ("counts:Counts", "counts:Visits", "task 'counts:Visits': got the class Visits; accepts a subclass"),
        ("counts:Counts", "nowhere:Counts", "task 'nowhere:Counts': cannot import"),
    ],
)
def test_what_the_task_does_not_know_is_refused_with_what_it_does(old: str, new: str, told: str) -> None:
    with pytest.raises(StudyError) as caught:
        load(STUDY.replace(old, new))
    assert told in str(caught.value)


@pytest.mark.slow
@pytest.mark.usefixtures("own")
def test_a_data_set_that_does_not_fit_the_task_is_told_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "visits.yaml").write_text(STUDY.replace('"counts:visits"', "digits").replace(", width: 8", ""))
    run = command("run", "visits.yaml", cwd=tmp_path)
    assert run.returncode == 2
    assert "task counts:Counts: has no values; counts need one number an item" in run.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("own")
def test_a_task_that_lacks_a_part_is_told_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "visits.yaml").write_text(STUDY.replace("counts:Counts", "counts:Unfinished"))
    run = command("run", "visits.yaml", cwd=tmp_path)
    assert run.returncode == 2
    assert "Unfinished" in run.stderr
    assert "abstract method" in run.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.usefixtures("own")
def test_a_studys_direction_is_its_tasks() -> None:
    study = load(STUDY)
    assert study.better("heldout/off_by", 1.0, 2.0)
    assert not study.better("validation/within_one", 0.1, 0.2)
    assert not study.better("validation/loss", math.nan, 1.0)
    assert (study.mode, study.folds.stratify, study.report.metric) == ("max", False, "off_by")
