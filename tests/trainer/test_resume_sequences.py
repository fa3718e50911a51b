"""Recurrent networks and texts: a fold that is killed ends as one that was not, and folds pair across activations."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainer import entry, journal, preflight
from trainer.codec import to_text
from trainer.spec import ActivationSpec, DataSpec, FoldSpec, Launch, ModelSpec, Pack, SplitSpec

MODELS = {
    "gru": ModelSpec(name="gru", options={"layers": "6,4", "dense": "5", "reading": "mopgru"}),
    "lstm": ModelSpec(name="lstm", options={"layers": "6,4", "dense": "5", "where": "candidate"}),
    "text_cnn": ModelSpec(name="text_cnn", options={"embedding": 8, "maps": 4}),
    "text_gru": ModelSpec(name="text_gru", options={"embedding": 8, "layers": "6"}),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Signs and questions that can be told apart, by a shift and by a word."""
    rng = np.random.default_rng(1)
    signs, questions = tmp_path / "data/isl-keypoints", tmp_path / "data/trec"
    signs.mkdir(parents=True)
    questions.mkdir()
    labels = np.arange(48) % 3
    steps = rng.normal(size=(48, 5, 258)) + labels[:, None, None]
    np.savez(
        signs / "isl-keypoints.npz", sequences=steps.astype(np.float32), labels=labels, signs=np.array(list("abc"))
    )
    rows = "".join(f"{place},{'abc'[label]},{place // 3}\n" for place, label in enumerate(labels))
    (signs / "sequences.csv").write_text(f"row,sign,sequence\n{rows}")
    lines = [f"{'ABC'[label] * 3}:x w{rng.integers(9)} k{label} w{rng.integers(9)} ?\n" for label in labels]
    (questions / "TREC.train").write_text("".join(lines))
    (questions / "TREC.test").write_text("".join(lines[:6]))
    return tmp_path / "data"


def specified(small: Any, model: str, activation: str = "apalu", **changes: Any) -> FoldSpec:
    texts = model.startswith("text")
    return small(  # type: ignore[no-any-return]
        model=MODELS[model],
        data=DataSpec(name="trec" if texts else "isl_keypoints"),
        split=SplitSpec(folds=3, validation=0.25),
        activation=ActivationSpec(name=activation),
        batch=7,
        epochs=4,
        **changes,
    )


def pack(spec: FoldSpec, root: Path, folder: Path) -> Pack:
    return Pack(launches=(Launch(spec=spec, folder=str(folder)),), data_root=str(root), device="cpu")


def told(folder: Path) -> Any:
    history = journal.read_fold(folder)
    assert history.end is not None
    epochs = [(record.epoch, dict(record.metrics), dict(record.activation)) for record in history.epochs]
    return epochs, history.end.status, history.end.outcomes


def kept(folder: Path) -> dict[str, Any]:
    with np.load(max(folder.glob("attempt-*")) / "predictions.npz") as stored:
        return {name: stored[name] for name in stored.files}


@pytest.mark.slow
@pytest.mark.parametrize("model", list(MODELS))
def test_a_fold_that_is_killed_ends_as_one_that_was_not(
    small: Any, root: Path, tmp_path: Path, killed_after: Callable[[Pack, int], None], model: str
) -> None:
    spec = specified(small, model)
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    entry.run(to_text(pack(spec, root, calm)))
    killed_after(pack(spec, root, killed), 2)
    assert list(json.loads(entry.run(to_text(pack(spec, root, killed))))["folds"].values()) == ["finished"]
    history = journal.read_fold(killed)
    assert history.start is not None
    assert history.start.resumed_epoch in (1, 2)
    assert told(killed) == told(calm)
    first, second = kept(calm), kept(killed)
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("model", ["gru", "text_cnn"])
def test_activations_get_the_same_items_and_floors(small: Any, root: Path, tmp_path: Path, model: str) -> None:
    starts = []
    for activation in ("relu", "apalu"):
        spec = specified(small, model, activation, trial=activation)
        entry.run(to_text(pack(spec, root, tmp_path / activation)))
        start = journal.read_fold(tmp_path / activation).start
        assert start is not None
        starts.append((start.split_hash, start.floors, start.references))
        assert np.isfinite(list(told(tmp_path / activation)[0][-1][1].values())).all()
    assert starts[0] == starts[1]
    assert len(starts[0][1]) == 1


@pytest.mark.parametrize(
    ("split", "words"),
    [
        (SplitSpec(folds=3, stratify=False), "folds: {group: copies} keeps equal items on one side"),
        (SplitSpec(scheme="fixed", folds=1), "duplicates: drop they leave the held-out part"),
        (SplitSpec(folds=3, group="copies", stratify=False), ""),
    ],
)
def test_equal_texts_on_both_sides_are_told_of(small: Any, root: Path, split: SplitSpec, words: str) -> None:
    spec = dataclasses.replace(specified(small, "text_cnn"), split=split)
    found = preflight.tried([spec], root)
    assert found.problems == []
    told = [remark for remark in found.remarks if "equal one outside that part" in remark]
    assert (len(told) == 1 and told[0].endswith(words)) if words else told == []
