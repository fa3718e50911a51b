"""What runs and their experiment say of themselves in MLflow, whoever writes the view and however it was cut off."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis.errors import SourceError
from analysis.runs import frames, load, schema
from analysis.runs.metric import Metric
from analysis.runs.plan import Extension
from sweeps.folder import reported
from sweeps.folder.reported import Said
from sweeps.testing import decide, invent_attempt, invent_study
from sweeps.tracking import experiment
from sweeps.tracking.folder_reader import FolderReader
from sweeps.tracking.run_content import compared, fold_run
from sweeps.tracking.run_inputs import origin_tags, started_from
from sweeps.tracking.run_values import NOTE, epoch_points
from sweeps.tracking.tracker import Tracker
from sweeps.view import answered
from trainer.codec import from_text
from trainer.journal import FoldHistory, Outcome, Status
from trainer.spec import FoldSpec
from trainer.tasks.description import describe
from trainer.testing import invented_end, invented_epoch, invented_start, rewrite

_spec = importlib.util.spec_from_file_location("views", Path(__file__).with_name("views.py"))
assert _spec is not None
assert _spec.loader is not None
views = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(views)

Open = Callable[..., Tracker]
SAID = Said(
    answer="dsrelu is *better* than relu by 1.2 points.",
    warnings=("One seed a split.",),
    studies=("invented",),
    verdicts={"relu-c000": "control", "dsrelu-c007": "better than relu: +0.012"},
)


def of(tracker: Tracker) -> Any:
    """The experiment as MLflow has it."""
    return tracker._index.api.get_experiment(tracker._index.experiment)


# The runs.


def test_a_data_set_is_named_once_and_the_splits_held_out_part_by_every_activation(
    tmp_path: Path, open_tracker: Open
) -> None:
    invent_study(tmp_path, [views.RELU, views.DSRELU], folds=2)
    tracker = open_tracker(tmp_path)
    tracker.sync()
    found = views.view(tracker)
    training = ("digits", "da7a" * 4, (("mlflow.data.context", "training"),))
    for trial in ("relu-c000", "dsrelu-c007"):
        assert found[f"invented/{trial}"]["inputs"] == [training]
        for fold in range(2):
            held = ("digits held out", f"{0:08x}{fold:08x}", (("mlflow.data.context", "eval"),))
            assert found[f"invented/{trial}/0-{fold}"]["inputs"] == [training, held]
    tracker.sync()
    assert views.view(tracker) == found
    assert views.view(tracker) == views.rebuilt(tmp_path, open_tracker, tmp_path)


def test_a_data_set_that_a_killed_process_did_not_name_is_named_by_the_next(
    tmp_path: Path, open_tracker: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    (tmp_path / "study").mkdir()
    invent_study(tmp_path / "study", [views.RELU], folds=2)
    tracker = open_tracker(tmp_path / "study")

    def dies(*_: Any, **__: Any) -> None:
        raise ConnectionError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_inputs", dies)
        assert not tracker.close()
    other = open_tracker(tmp_path / "study")
    assert other.close()
    assert views.view(other) == views.rebuilt(tmp_path / "study", open_tracker, tmp_path)
    assert len(views.view(other)["invented/relu-c000/0-0"]["inputs"]) == 2


def test_every_run_names_user_source_and_commit_of_whoever_started_the_study(
    tmp_path: Path, open_tracker: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    invent_study(tmp_path, [views.RELU], folds=1)
    said = {
        "user": "anna",
        "command": ["/opt/bin/actsweep", "run", "--folder", "x", "studies/mine.yaml"],
        "git": {"commit": "c0ffee", "branch": "trial"},
    }
    (tmp_path / "provenance.json").write_text(json.dumps(said))
    monkeypatch.setenv("LOGNAME", "bert")
    tracker = open_tracker(tmp_path)
    tracker.sync()
    for run in views.view(tracker).values():
        assert (
            run["tags"].items()
            >= {
                "mlflow.user": "anna",
                "mlflow.source.name": "studies/mine.yaml",
                "mlflow.source.type": "LOCAL",
                "mlflow.source.git.commit": "c0ffee",
                "mlflow.source.git.branch": "trial",
                schema.COMMIT: "c0ffee",
            }.items()
        )


@pytest.mark.parametrize(
    ("command", "source"),
    [
        (["/usr/bin/actsweep", "run", "digits"], "digits"),
        (["actsweep", "run", "--folder", "runs/x", "a b/s.yml"], "a b/s.yml"),
        (["/usr/bin/actsweep", "new", "--yes"], "actsweep new --yes"),
        ([], ""),
    ],
)
def test_the_source_is_the_study_file_that_the_command_names(command: list[str], source: str) -> None:
    assert started_from(command) == source


@pytest.mark.parametrize("said", [{}, {"git": None, "command": 3, "user": ["x"]}, {"git": {"commit": None}}])
def test_a_provenance_that_says_nothing_gives_no_tags(said: dict[str, Any]) -> None:
    assert origin_tags(said) == {}


def test_many_layers_are_summed_up_and_few_shown_one_by_one() -> None:
    few = invented_epoch(metrics={"train/loss": 1.0}, activation={f"layer{at}/a": float(at) for at in range(4)})
    shown = {point.key for point in epoch_points(few, frozenset({"loss"})) if not point.key.startswith(schema.DETAIL)}
    assert shown == {"train/loss", *(f"activation/layer{at}/a" for at in range(4))}
    values = {f"layer{at}/a": float(at) for at in range(5)} | {"layer0/b": 2.0, "layer1/b": math.nan}
    many = {point.key: point.value for point in epoch_points(invented_epoch(activation=values), frozenset())}
    assert (many["learned/a/mean"], many["learned/a/min"], many["learned/a/max"]) == (2.0, 0.0, 4.0)
    assert all(math.isnan(many[f"learned/b/{word}"]) for word in ("mean", "min", "max"))
    assert {name for name in many if "activation" in name} == {f"detail/activation/{name}" for name in values}
    run = frames.Run(run_id="r", artifacts="", tags={}, params={}, metrics=many)
    learned = frames.to_learned([run])
    assert (
        dict(zip(learned["layer"] + "/" + learned["parameter"], learned["value"], strict=True)).keys() == values.keys()
    )


@pytest.mark.parametrize(
    ("task", "options"), [("classification", {}), ("regression", {}), ("one_class", {"embedding": 8})]
)
def test_of_any_task_a_fold_shows_its_declared_scores_and_few_curves(
    tmp_path: Path, task: str, options: dict[str, Any]
) -> None:
    """The rest stands below, and the frames have all of it under its journal's names."""
    invent_study(tmp_path, [views.RELU], folds=1)
    reader, described = FolderReader.open(tmp_path), describe(task, options)
    metrics = tuple(Metric(**dataclasses.asdict(one)) for one in described.metrics)
    declaration = dataclasses.replace(reader.plan.declaration, metric=described.primary, rule="validation_loss")
    plan = dataclasses.replace(reader.plan, task=task, metrics=metrics, declaration=declaration)
    text = (tmp_path / "trials" / "relu-c000" / "fold-0-0" / "spec.json").read_text()
    measured = {f"{part}/{name}": 0.5 for part in ("train", "validation", "train_clean") for name in described.names}
    scored = {f"{part}/{name}": 0.25 for part in ("heldout", "validation", "train_clean") for name in described.names}
    history = FoldHistory(
        start=invented_start(),
        epochs=(invented_epoch(metrics=measured, utilisation={"gpu_percent": 90.0}, learning_rate=0.1),),
        end=invented_end(
            rule="validation_loss",
            outcomes={rule: Outcome(epoch=1, metrics=scored) for rule in ("validation_loss", "last")},
        ),
        attempts=1,
    )
    run = fold_run(plan, reader.trial("relu-c000"), from_text(FoldSpec, text), history, 0.0, None, {})
    sent = {point.key: point.value for point in (*run.points_after(0), *run.final)}
    curves = {f"{part}/{name}" for part in ("train", "validation") for name in ("loss", described.primary)}
    heldout = {f"heldout/{name}" for name in described.names}
    assert {name for name in sent if not name.startswith("detail/")} == curves | heldout | {"learning_rate"}
    row = frames.to_row(
        frames.Run(run_id="r", artifacts="", tags=run.tags, params=run.params, metrics=sent), plan, None
    )
    for name, value in scored.items():
        assert (row[name], row[f"outcome.validation_loss/{name}"]) == (value, value)
    assert all(row[f"outcome.last/{name}"] == 0.25 for name in heldout)
    kept = {schema.column(name) for name in sent}
    assert {f"validation/{name}" for name in described.names} <= kept
    assert {"seconds/train", "seconds/evaluate", "seconds/rest", "memory/peak_mb", "utilisation/gpu_percent"} <= kept


def test_what_a_search_and_a_rule_look_at_is_compared(tmp_path: Path) -> None:
    invent_study(tmp_path, [views.RELU], folds=1)
    plan = FolderReader.open(tmp_path).plan
    assert compared(plan) == {"loss", "accuracy"}
    declaration = dataclasses.replace(plan.declaration, rule="validation_f1_macro")
    objectives = ("validation/auc", "epoch_s")
    searched = dataclasses.replace(
        plan, declaration=declaration, search_selects_on="validation/auc", search_objectives=objectives
    )
    assert compared(searched) == {"loss", "accuracy", "f1_macro", "auc"}


def test_runs_of_the_version_before_are_replaced_and_until_then_refused(tmp_path: Path, open_tracker: Open) -> None:
    folder = tmp_path / "study"
    keys = invent_study(folder, [views.RELU, views.DSRELU], folds=2, write_folds=False)
    for key in keys[:3]:
        invent_attempt(folder, key, epochs=4, status=Status.FINISHED)
    invent_attempt(folder, keys[3], epochs=2)
    tracker = open_tracker(folder)
    tracker.sync()
    api = tracker._index.api
    for run in api.search_runs([tracker._index.experiment]):
        api.set_tag(run.info.run_id, schema.SCHEMA_TAG, "2")
    with pytest.raises(SourceError, match=r"earlier version of actsweep; `actsweep sync DIR` writes them anew"):
        load.load(folder)
    other = open_tracker(folder)
    other.sync()
    assert views.view(other) == views.rebuilt(folder, open_tracker, tmp_path)
    assert set(load.load(folder).cube["status"]) == {"finished", "missing"}


def test_a_trial_ends_though_its_folds_end_was_seen_before_it_was_decided(tmp_path: Path, open_tracker: Open) -> None:
    folder = tmp_path / "study"
    (key,) = invent_study(folder, [views.RELU], folds=1)
    (folder / "trials" / "relu-c000" / "decided.json").unlink()
    tracker = open_tracker(folder)
    tracker.note([key])
    assert tracker.flush()
    assert views.view(tracker)["invented/relu-c000"]["status"] == "RUNNING"
    decide(folder, "relu-c000")
    tracker.note([key])
    assert tracker.close()
    assert {run["status"] for run in views.view(tracker).values()} == {"FINISHED"}


def test_the_studys_run_is_made_anew_where_it_ended_otherwise(tmp_path: Path, open_tracker: Open) -> None:
    folder = tmp_path / "study"
    keys = invent_study(folder, [views.RELU], folds=2)
    tracker = open_tracker(folder)
    tracker.sync()
    first = views.view(tracker)["invented"]
    values = [views.view(tracker)[f"invented/relu-c000/0-{at}"]["latest"]["heldout/accuracy"] for at in range(2)]
    mean = sum(map(float, values)) / 2
    assert float(first["latest"]["control/mean/heldout/accuracy"]) == pytest.approx(mean)
    assert first["latest"]["folds/done"] == "2.0"

    def worse(line: dict[str, Any]) -> None:
        if line["kind"] == "end":
            line["outcomes"]["validation_loss"]["metrics"]["heldout/accuracy"] = 0.5
            line["time"] += 100

    rewrite(folder / "trials" / keys[0] / "attempt-1" / "metrics.jsonl", worse)
    tracker.sync()
    kept = views.view(tracker)
    assert float(kept["invented"]["latest"]["control/mean/heldout/accuracy"]) < mean
    assert kept == views.rebuilt(folder, open_tracker, tmp_path)


# The experiment.


def test_the_description_says_question_answer_claims_and_folder(tmp_path: Path, open_tracker: Open) -> None:
    folder = tmp_path / "a study"
    invent_study(folder, [views.RELU, views.DSRELU], folds=1)
    tracker = open_tracker(folder)
    tracker.sync()
    before = of(tracker).tags[NOTE]
    assert "**Question.** Does the invented activation do better?" in before
    assert f"**Answer.** Not reported yet: `actsweep report '{folder}'` writes the report." in before
    assert "Control: relu. Claims rest on the confirm phase: accuracy on the held-out part" in before
    assert f"**Study folder.** `{folder}`" in before
    assert "report.html" not in before
    (folder / "report").mkdir()
    (folder / "report" / "report.html").write_text("<p>x</p>")
    reported.note(folder, folder / "report" / "report.html", SAID)
    tracker.log_report(folder / "report")
    after, found = of(tracker).tags[NOTE], views.view(tracker)
    assert r"dsrelu is \*better\* than relu by 1.2 points." in after
    assert "*Note.* One seed a split." in after
    assert time.strftime("(report of %Y-%m-%d", time.gmtime()) in after
    assert "not the last word" not in after
    run = tracker._index.runs["invented"].run_id
    assert f"(#/experiments/{tracker._index.experiment}/runs/{run}/artifacts/report/report.html)" in after
    assert found["invented/dsrelu-c007"]["tags"][schema.VERDICT] == "better than relu: +0.012"
    assert found["invented/relu-c000"]["tags"][schema.VERDICT] == "control"
    reported.note(folder, folder / "report" / "report.html", dataclasses.replace(SAID, verdicts={}))
    tracker = open_tracker(folder)
    tracker.sync()
    assert not any(schema.VERDICT in run["tags"] for run in views.view(tracker).values())


def test_a_report_that_is_older_than_folds_or_the_declaration_is_said_so(tmp_path: Path) -> None:
    keys = invent_study(tmp_path, [views.RELU], folds=3, write_folds=False)
    for key in keys[:2]:
        invent_attempt(tmp_path, key, epochs=2, status=Status.FINISHED)
    reported.note(tmp_path, tmp_path / "report.html", SAID)
    late = time.time() + 50
    reader = FolderReader.open(tmp_path)
    assert experiment.since(reader, late) == ""
    assert experiment.since(reader, 1_760_001_000.0) == "2 folds have ended since"
    assert "not the last word" not in experiment.description(reader)  # its time is after both ends
    invent_attempt(tmp_path, keys[2], epochs=2, status=Status.FINISHED)
    journal = tmp_path / "trials" / keys[2] / "attempt-1" / "metrics.jsonl"

    def later(line: dict[str, Any]) -> None:
        line["time"] = late + line["time"] % 10

    rewrite(journal, later)
    os.utime(journal, (late, late))
    grown = Extension(at="2999-01-01T00:00:00+00:00", old_digest="0" * 16, changes={"repeats": "1 more repeat"})
    for history, words in (
        ((), "**That report is not the last word**: 1 fold has ended since."),
        ((grown,), "the study was extended on 2999-01-01T00:00:00+00:00, and 1 fold has ended since"),
    ):
        plan = dataclasses.replace(reader.plan, history=history)
        assert words in experiment.description(dataclasses.replace(reader, plan=plan))


def test_a_report_of_several_studies_and_one_of_before_are_told_apart(tmp_path: Path) -> None:
    invent_study(tmp_path, [views.RELU], folds=1)
    reader = FolderReader.open(tmp_path)
    reported.note(tmp_path, tmp_path / "report.html", dataclasses.replace(SAID, studies=("invented", "a", "b")))
    assert ", with 2 other studies)" in experiment.description(reader)
    reported.note(tmp_path, tmp_path / "report.html")
    assert "A report was written on" in experiment.description(reader)
    (tmp_path / "reported.json").write_text("[]")
    assert "Not reported yet" in experiment.description(reader)


def test_a_description_stays_within_what_a_tag_takes(tmp_path: Path) -> None:
    invent_study(tmp_path, [views.RELU], folds=1)
    long = dataclasses.replace(SAID, answer="better " * 3000, warnings=("weak " * 3000,) * 9)
    reported.note(tmp_path, tmp_path / "report.html", long)
    text = experiment.description(FolderReader.open(tmp_path), "#/x")
    assert len(text) <= experiment.LONGEST
    assert f"**Study folder.** `{tmp_path}`" in text


@pytest.mark.parametrize(
    ("word", "difference", "interval", "words"),
    [
        ("better", 0.01234, (0.004, 0.02), "better than relu: +0.0123 (95 % interval 0.004 to 0.02)"),
        ("equivalent", -0.001, (-0.002, 0.0), "equivalent to relu: -0.001 (95 % interval -0.002 to 0)"),
        ("cannot tell at this n", 0.5, (None, None), "cannot tell at this n, against relu: +0.5"),
        ("descriptive only", None, (None, None), "descriptive only, against relu"),
    ],
)
def test_a_verdict_is_said_in_a_few_words(
    word: str, difference: float | None, interval: tuple[float | None, float | None], words: str
) -> None:
    low, high = interval
    one = {"word": word, "control": "relu", "difference": difference, "low": low, "high": high, "level": 0.95}
    assert answered.words(one) == words
