"""What a fold's run says of floors, cases, stages and remarks, and what the analysis reads of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from analysis.runs import frames, plan
from analysis.runs.frames import Run
from sweeps.testing import InventedTrial, invent_study
from sweeps.tracking import run_content
from sweeps.tracking.folder_reader import FolderReader
from trainer.journal import FoldHistory, read_fold

FLOORS = {
    "mean of the training targets": {"accuracy": 0.2, "loss": 2.5},
    "PCA residual, 32 components": {"accuracy": 0.955},
    "α-spline (cubic)": {"loss": -0.0},
}


def history(folder: Path) -> FoldHistory:
    found = read_fold(folder / "trials" / "relu-c000" / "fold-0-0")
    assert found is not None
    assert found.end is not None
    stages = ("first", "first", "second", "second")
    return dataclasses.replace(
        found,
        start=dataclasses.replace(found.start, floors=FLOORS, case="digit 3"),
        epochs=tuple(dataclasses.replace(one, stage=name) for one, name in zip(found.epochs, stages, strict=True)),
        end=dataclasses.replace(found.end, remarks={"loss": "all scores are equal"}),
    )


def test_what_a_fold_says_reaches_the_frames_in_its_own_words(tmp_path: Path) -> None:
    invent_study(tmp_path, [InventedTrial(label="relu")])
    reader = FolderReader.open(tmp_path)
    found = history(tmp_path)
    tags = run_content._start_tags(found)
    run = Run(run_id="r", artifacts="", tags=tags, params={}, metrics={})
    row = frames.to_row(run, plan.from_json((tmp_path / "plan.json").read_text()), None)
    assert reader.plan.study == row["study"]
    assert row["case"] == "digit 3"
    assert row["stages"] == "first 2, second 2"
    assert row["remark/loss"] == "all scores are equal"
    floors = {name: value for name, value in row.items() if name.startswith("floor/")}
    assert floors == {
        f"floor/{metric}/{predictor}": score for predictor, scores in FLOORS.items() for metric, score in scores.items()
    }


def test_the_frames_know_what_a_folds_seconds_depend_on(tmp_path: Path) -> None:
    invent_study(tmp_path, [InventedTrial(label="relu")])
    found = history(tmp_path)
    first = dataclasses.replace(found.start, device_name="another")
    last = dataclasses.replace(found.start, threads=4, environment={"slots": "2"}, resumed_epoch=2)
    moved = dataclasses.replace(found, start=last, starts=(first, last))
    for now, row in ((found, (1, 1, -1)), (moved, (2, 4, 3))):
        run = Run(run_id="r", artifacts="", tags=run_content._start_tags(now), params={}, metrics={})
        read = frames.to_row(run, plan.from_json((tmp_path / "plan.json").read_text()), None)
        assert (read["slots"], read["threads"], read["timed_from"]) == row
