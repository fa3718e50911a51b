"""What trivial predictors score, against scikit-learn's own and against numbers that were measured before."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from trainer import batches, splits
from trainer.catalogue import DATASETS, resolve
from trainer.datasets.reader import Dataset
from trainer.learner import Learner
from trainer.spec import ActivationSpec, DataSpec, FoldSpec, ModelSpec, SplitSpec, TrainingSpec
from trainer.tasks.classification import floors
from trainer.tasks.classification.task import Classification


def learner(dataset: Dataset, model: str = "mlp", **split: Any) -> Learner:
    dealing = SplitSpec(**({"folds": 3} | split))
    spec = FoldSpec(
        study="floors",
        study_seed=1,
        phase="confirm",
        trial="t",
        repeat=0,
        fold=dealing.folds - 1,
        data=DataSpec(name=dataset.name),
        split=dealing,
        model=ModelSpec(name=model),
        activation=ActivationSpec(name="relu"),
        training=TrainingSpec(epochs=1, checkpoint_rule="last"),
    )
    strata = Classification.strata(dataset)
    dealt = splits.split(dataset, dealing, strata, phase="confirm", seed=1, repeat=0, fold=spec.fold)
    data = batches.resident(dataset, torch.device("cpu"))
    made = Learner(spec, dataset, data, dealt, Classification(dataset))
    made.fit()
    return made


def rows(found: Learner, part: str) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Stored items of a part, each as one row, and their labels."""
    told = found.part(part)  # type: ignore[arg-type]
    return told.stored().flatten(1).double().numpy(), told.targets.numpy()


def made_up(kind: str, shape: tuple[int, int, int], n: int = 90, **facts: Any) -> Dataset:
    rng = np.random.default_rng(6)
    labels = np.arange(n) % 3
    items = rng.normal(size=(n, *shape)) * rng.uniform(0.1, 30.0, size=shape) + labels[:, None, None, None]
    given = {"items": items.astype(np.float32), "standardise": "fold", **facts}
    return Dataset(name="x", labels=labels, classes=("a", "b", "c"), kind=kind, digest="d", **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "shape"), [("table", (1, 1, 5)), ("signal", (2, 1, 7)), ("sequence", (1, 4, 3))])
def test_the_nearest_item_is_scikit_learns_on_standardised_numbers(kind: str, shape: tuple[int, int, int]) -> None:
    found = learner(made_up(kind, shape))
    inputs = [found.part(part).inputs().flatten(1).numpy() for part in ("train", "heldout")]
    (_, train), (_, heldout) = rows(found, "train"), rows(found, "heldout")
    share = KNeighborsClassifier(1, algorithm="brute").fit(inputs[0], train).score(inputs[1], heldout)
    scores = found.floors()[floors.NEIGHBOUR]
    assert scores["accuracy"] == pytest.approx(share)
    assert scores.keys() == {"accuracy", "f1_weighted", "f1_macro"}


def test_a_table_has_a_regression_on_its_numbers() -> None:
    found = learner(made_up("table", (1, 1, 5)))
    (train, labels), (heldout, expected) = rows(found, "train"), rows(found, "heldout")
    scale = StandardScaler().fit(train)
    model = LogisticRegression(max_iter=1000).fit(scale.transform(train), labels)
    scores = found.floors()[floors.NUMBERS]
    assert scores["accuracy"] == pytest.approx(model.score(scale.transform(heldout), expected))
    probabilities = model.predict_proba(scale.transform(heldout))
    assert scores["loss"] == pytest.approx(-np.log(probabilities[np.arange(len(expected)), expected]).mean())
    assert 0.5 < scores["auc"] <= 1.0


def test_brightness_alone_gives_away_pictures_that_differ_in_it() -> None:
    labels = np.arange(60) % 2
    noise = np.random.default_rng(1).integers(0, 40, (60, 1, 8, 8))
    images = (noise + 60 * labels[:, None, None, None]).astype(np.uint8)
    bright = Dataset(name="x", items=images, labels=labels, classes=("dark", "light"), digest="d")
    assert learner(bright).floors()[floors.BRIGHTNESS]["accuracy"] == 1.0
    large = images.repeat(8, axis=2).repeat(8, axis=3)
    wide = Dataset(name="x", items=large, labels=labels, classes=("dark", "light"), digest="d")
    assert learner(wide, "tiny_cnn").floors().keys() == {floors.BRIGHTNESS}


def test_words_are_counted_as_scikit_learn_counts_them() -> None:
    rng = np.random.default_rng(8)
    labels = np.arange(120) % 3
    items = rng.integers(1, 12, (120, 1, 1, 9))
    items[:, 0, 0, 0] = np.where(rng.random(120) < 0.7, 2 + labels, 5)
    items[rng.random(120) < 0.3, 0, 0, 6:] = 0
    texts = Dataset(
        name="x", items=items, labels=labels, classes=("a", "b", "c"), kind="tokens", vocabulary=12, digest="d"
    )
    found = learner(texts, "text_cnn")
    words = [
        [" ".join(f"w{int(t)}" for t in row if t) for row in rows(found, part)[0]] for part in ("train", "heldout")
    ]
    counter = CountVectorizer()
    model = LogisticRegression(max_iter=1000).fit(counter.fit_transform(words[0]), rows(found, "train")[1])
    scores = found.floors()
    assert scores.keys() == {floors.WORDS}
    assert scores[floors.WORDS]["accuracy"] == pytest.approx(
        model.score(counter.transform(words[1]), rows(found, "heldout")[1])
    )


def test_the_heldout_part_teaches_nothing() -> None:
    whole = made_up("table", (1, 1, 5))
    first = learner(whole).floors()[floors.NUMBERS]["loss"]
    found = learner(whole)
    changed = whole.items.copy()
    changed[found.part("heldout").index.numpy()[1:]] += 100.0
    one = learner(Dataset(**{**whole.__dict__, "items": changed}))
    kept = [list(floors.said(each, "table", 3))[1].scores[0] for each in (found, one)]
    assert torch.equal(*kept)
    assert one.floors()[floors.NUMBERS]["loss"] != first


def test_large_sets_are_compared_in_part_and_the_name_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floors, "HELDOUT", 20)
    monkeypatch.setattr(floors, "FEWEST", 5)
    monkeypatch.setattr(floors, "PRODUCTS", 20.0 * 7 * 10)
    names = learner(made_up("signal", (1, 1, 7))).floors().keys()
    assert names == {"nearest training item of 10 for 20 held-out items"}
    monkeypatch.setattr(floors, "FEWEST", 11)
    assert learner(made_up("signal", (1, 1, 7))).floors() == {}


def test_all_folds_and_two_runs_have_the_same_predictors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floors, "HELDOUT", 20)
    monkeypatch.setattr(floors, "PRODUCTS", 20.0 * 7 * 300)
    found = [learner(made_up("signal", (1, 1, 7), n=1000), folds=folds).floors() for folds in (7, 7, 8)]
    assert found[0] == found[1]
    assert found[0].keys() == found[2].keys()


def test_a_class_that_is_not_trained_has_the_least_probability() -> None:
    table = made_up("table", (1, 1, 5))
    assert table.labels is not None
    heldout = np.zeros(90, bool)
    heldout[table.labels == 2] = True
    fixed = Dataset(**{**table.__dict__, "fixed_heldout": heldout})
    scores = learner(fixed, scheme="fixed", folds=1, validation=0.0, stratify=False).floors()
    assert scores[floors.NUMBERS]["accuracy"] == 0.0
    assert scores[floors.NUMBERS]["loss"] == pytest.approx(floors.SURE)
    assert np.isfinite([value for each in scores.values() for name, value in each.items() if name != "auc"]).all()


def test_one_trained_class_has_no_regression() -> None:
    table = made_up("table", (1, 1, 5))
    assert table.labels is not None
    fixed = Dataset(**{**table.__dict__, "fixed_heldout": table.labels > 0})
    scores = learner(fixed, scheme="fixed", folds=1, validation=0.0, stratify=False).floors()
    assert scores.keys() == {floors.NEIGHBOUR}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "model", "split", "predictor", "share"),
    [
        ("isl_keypoints", "mlp", {"scheme": "block", "folds": 6, "validation": 0.0}, floors.NEIGHBOUR, 0.72),
        ("trec", "text_cnn", {"scheme": "fixed", "folds": 1, "validation": 0.0}, floors.WORDS, 0.842),
    ],
)
def test_on_real_data_they_score_what_was_measured_before(
    name: str,
    model: str,
    split: dict[str, Any],
    predictor: str,
    share: float,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    if not (root := os.environ.get("ACTSWEEP_DATA")):
        pytest.skip("NOT TESTED: the real signs and questions (ACTSWEEP_DATA is not set)")
    monkeypatch.setenv("ACTSWEEP_CACHE", str(tmp_path))
    dataset = resolve("data set", name, DATASETS).load(Path(root), {})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert learner(dataset, model, **split).floors()[predictor]["accuracy"] == pytest.approx(share)
