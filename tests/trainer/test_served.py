"""A fold's kept weights as a function: what it says of held-out items is what the fold said of them."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_diabetes

from trainer import entry, served, serving
from trainer.codec import from_text, to_text
from trainer.datasets.reader import About, Dataset
from trainer.errors import DataError, OtherVersion, SpecError
from trainer.journal import read_fold
from trainer.spec import ActivationSpec, DataSpec, FoldSpec, Launch, ModelSpec, Pack, Scalar, SplitSpec, TrainingSpec

BASE = FoldSpec(
    study="s",
    study_seed=3,
    phase="confirm",
    trial="t",
    repeat=0,
    fold=1,
    data=DataSpec(name="digits"),
    split=SplitSpec(folds=3, validation=0.2),
    model=ModelSpec(name="mlp", options={"hidden": "8", "batch_norm": True}),
    activation=ActivationSpec(name="dsrelu"),
    training=TrainingSpec(epochs=3, lr=1e-2, patience=None),
)


class Progression:
    """What diabetes came to after a year, of the user's own reading."""

    about = About(title="progression", licence="", citation="", source="", needs="")

    def load(self, root: Path | None, options: Mapping[str, Scalar]) -> Dataset:
        items, values = load_diabetes(return_X_y=True, scaled=False)
        return Dataset(
            name="progression",
            items=items.reshape(-1, 1, 1, 10),
            values=values[:, None],
            kind="table",
            standardise="fold",
            digest="d" * 64,
        )

    prepare = load


progression = Progression()


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lab", sys.modules[__name__])


def fold_of(spec: FoldSpec, place: Path, root: Path | None = None) -> Path:
    """The fold, trained to its end."""
    folder = place / "trials" / spec.trial / spec.folder
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(to_text(spec), encoding="utf-8")
    data_root = str(root) if root else None
    pack = Pack(launches=(Launch(spec=spec, folder=str(folder)),), data_root=data_root, keep="best", device="cpu")
    assert json.loads(entry.run(to_text(pack)))["folds"] == {f"{spec.trial}/{spec.folder}": "finished"}
    return folder


def question(fold: Path, place: Path, root: Path | None = None) -> serving.Question:
    history = read_fold(fold)
    assert history is not None
    place.mkdir()
    (place / served.WEIGHTS).write_bytes((fold / "attempt-1" / "best.pt").read_bytes())
    return serving.Question(
        folder=str(place),
        fold=str(fold),
        predictions=str(fold / "attempt-1" / "predictions.npz"),
        data_digest=history.start.data_digest,
        data_root=str(root) if root else None,
        own_folder=None,
    )


def series(place: Path) -> Path:
    steps = np.random.default_rng(2).normal(size=150).cumsum() + 40
    lines = [f"2020-01-01T{at // 60:02}:{at % 60:02}:00,{level:.6f}" for at, level in enumerate(steps)]
    (place / "walk.csv").write_text("time,level\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return place


def walk(**options: str | bool) -> FoldSpec:
    given = {"path": "walk.csv", "time": "time", "target": "level", "window": 6, **options}
    return dataclasses.replace(
        BASE,
        task="forecast",
        data=DataSpec(name="series", options=given),
        split=SplitSpec(scheme="time", folds=3, validation=0.25, stratify=False, purge=6),
    )


def regression(**options: str | bool) -> FoldSpec:
    split = dataclasses.replace(BASE.split, stratify=False)
    return dataclasses.replace(
        BASE, task="regression", task_options=options, data=DataSpec(name="lab:progression"), split=split
    )


CASES = {
    "classes of images": (BASE, (10,), "float32"),
    "in half precision": (
        dataclasses.replace(BASE, training=dataclasses.replace(BASE.training, precision="bf16")),
        (10,),
        "float32",
    ),
    "a convolution": (dataclasses.replace(BASE, model=ModelSpec(name="tiny_cnn")), (10,), "float32"),
    "standardised by fold": (dataclasses.replace(BASE, data=DataSpec(name="wine")), (3,), "float32"),
    "values": (regression(), (1,), "float64"),
    "values as they are": (regression(scale_targets=False), (1,), "float64"),
    "levels": (walk(), (), "float64"),
    "one class": (
        dataclasses.replace(
            BASE,
            task="one_class",
            task_options={"normal": 3, "embedding": 4},
            model=ModelSpec(name="mlp", options={"hidden": "8"}),
        ),
        (),
        "float64",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_it_says_of_the_held_out_items_what_the_fold_said(case: str, tmp_path: Path) -> None:
    spec, shape, dtype = CASES[case]
    root = series(tmp_path) if spec.data.name == "series" else None
    said = serving.answer(question(fold_of(spec, tmp_path, root), tmp_path / "model", root))
    assert said.compared > 10
    assert said.largest <= (1e-4 if case == "levels" else 0.0)  # windows are rounded to float32
    assert (said.gives_shape, said.gives_dtype) == (shape, dtype)
    model = served._load_pyfunc(str(tmp_path / "model"))
    assert model.predict(np.zeros((2, *said.shape), said.dtype)).shape == (2, *shape)


def test_windows_without_a_level_give_changes(tmp_path: Path) -> None:
    root, spec = series(tmp_path), walk(relative=True)
    said = serving.answer(question(fold_of(spec, tmp_path, root), tmp_path / "model", root))
    assert said.compared > 10
    assert said.largest < 1e-9
    assert said.gives.startswith("the change that is predicted")


def test_other_data_or_other_weights_than_the_fold_s_are_refused(tmp_path: Path) -> None:
    fold = fold_of(BASE, tmp_path)
    asked = question(fold, tmp_path / "model")
    with pytest.raises(DataError, match="is not what the fold was trained on"):
        serving.answer(dataclasses.replace(asked, data_digest="0" * 64))
    other = fold_of(dataclasses.replace(BASE, trial="u"), tmp_path)
    (tmp_path / "model" / "best.pt").write_bytes((other / "attempt-1" / "best.pt").read_bytes())
    with pytest.raises(SpecError, match="is of fold"):
        serving.answer(asked)
    (tmp_path / "model" / "best.pt").write_bytes((fold / "attempt-1" / "best.pt").read_bytes()[:2000])
    with pytest.raises(SpecError, match="is not whole"):
        serving.answer(asked)
    (tmp_path / "model" / "best.pt").write_bytes((fold / "attempt-1" / "best.pt").read_bytes())
    with np.load(asked.predictions) as kept:
        arrays = {**kept, "probabilities": kept["probabilities"][::-1]}
    np.savez(asked.predictions, **arrays)
    with pytest.raises(DataError, match="its weights do not give its predictions here"):
        serving.answer(asked)


def test_items_of_another_shape_or_type_are_refused_and_narrower_ones_taken(tmp_path: Path) -> None:
    serving.answer(question(fold_of(BASE, tmp_path), tmp_path / "model"))
    model = served.Served(tmp_path / "model")
    for items in (np.zeros((2, 8, 8), np.uint8), np.zeros((0, 1, 8, 8), np.uint8), np.zeros((1, 3, 8, 8), np.uint8)):
        with pytest.raises(ValueError, match="accepts n x 1x8x8"):
            model.predict(items)
    with pytest.raises(ValueError, match="got float64, accepts uint8"):
        model.predict(np.zeros((1, 1, 8, 8)))
    assert model.predict(np.zeros((1, 1, 8, 8), bool)).shape == (1, 10)


def test_a_model_of_another_version_is_told(tmp_path: Path) -> None:
    serving.answer(question(fold_of(BASE, tmp_path), tmp_path / "model"))
    facts = json.loads((tmp_path / "model" / served.FACTS).read_text())
    (tmp_path / "model" / served.FACTS).write_text(json.dumps({**facts, "schema": 99}))
    with pytest.raises(OtherVersion, match="registered model of schema 99"):
        served.Served(tmp_path / "model")


def test_a_data_set_that_says_nothing_has_all_that_a_model_asks_of_one() -> None:
    from trainer.datasets.digits import digits

    dataset = digits.load(None, {})
    facts = served.Facts.of(dataset)
    assert from_text(served.Facts, to_text(facts)) == facts
    assert served.Facts.of(facts.blank()) == facts
    assert not np.asarray(facts.blank().items).any()
