"""The three methods, trained through packs as a study trains them."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from trainer import entry, journal, serving
from trainer.codec import to_text
from trainer.fold import PREDICTIONS
from trainer.preflight import tried
from trainer.spec import ActivationSpec, DataSpec, FoldSpec, ModelSpec, Pack, SplitSpec
from trainer.tasks.anomaly.facts import METHODS

OWN = {
    "flow": {"heldout/auroc_hole", "heldout/auroc_big_hole"},
    "distillation": set(),
    "gaussian": {"heldout/pixel_auroc", "heldout/au_pro", "heldout/pretraining_accuracy"},
}


def trained(pack: Any) -> journal.FoldHistory:
    statuses = json.loads(entry.run(to_text(pack)))
    history = journal.read_fold(Path(pack.launches[0].folder))
    assert history is not None
    assert history.end is not None, statuses
    assert history.end.status == "finished", history.end.reason
    return history


def predicted(pack: Any) -> dict[str, np.ndarray]:
    folder = Path(pack.launches[0].folder)
    newest = journal.attempt_folder(folder, journal.attempts(folder)[-1])
    with np.load(newest / PREDICTIONS) as arrays:
        return dict(arrays)


def numbers(history: journal.FoldHistory) -> Any:
    assert history.end is not None
    epochs = [(record.epoch, {k: repr(v) for k, v in record.metrics.items()}) for record in history.epochs]
    return epochs, {
        rule: {name: repr(value) for name, value in outcome.metrics.items()}
        for rule, outcome in history.end.outcomes.items()
    }


@pytest.mark.parametrize("method", METHODS)
def test_scores_are_of_the_held_out_pictures_and_metrics_of_the_scores(
    method: str, fold: Callable[..., FoldSpec], trained_on: Callable[..., Any]
) -> None:
    kinds = {"kinds": "hole, big-hole"} if method == "flow" else {}
    pack = trained_on(fold(method, kinds))
    history, told = trained(pack), predicted(pack)
    assert history.end is not None
    metrics = history.end.outcomes["last"].metrics
    assert OWN[method] <= {name for name in metrics if not math.isnan(metrics[name]) or "pretraining" in name} | {
        "heldout/pretraining_accuracy"
    }
    assert len(told["indices"]) == len(told["score"]) == 6 + 4 + 3
    assert sorted(set(told["kind"])) == ["big-hole", "good", "hole"]
    assert (told["normal"] == (told["kind"] == "good")).all()
    assert metrics["heldout/auroc"] == pytest.approx(roc_auc_score(~told["normal"], told["score"]))
    assert metrics["heldout/average_precision"] == pytest.approx(
        average_precision_score(~told["normal"], told["score"])
    )
    if method == "flow":
        some = told["kind"] != "big-hole"
        assert metrics["heldout/auroc_hole"] == pytest.approx(roc_auc_score(~told["normal"][some], told["score"][some]))
    start = history.start
    assert start.floors["mean grey value, more is a defect"]["auroc"] == 1.0  # the squares are bright
    assert start.floors["mean grey value, less is a defect"]["auroc"] == 0.0
    assert ("one Gaussian of the frozen features" in start.floors) == (method == "flow")
    assert not any("size" in name for name in start.floors)  # which is the same for all
    assert "validation/auroc" not in history.epochs[-1].metrics
    if method == "gaussian":
        assert metrics["heldout/auroc"] > 0.9
        assert metrics["heldout/pixel_auroc"] > 0.8
        assert "held out" in history.end.remarks["loss"]
    else:
        assert start.n_train + start.n_validation == 12


@pytest.mark.parametrize("method", METHODS)
def test_a_fold_that_was_left_goes_on_to_the_same_bits(
    method: str,
    fold: Callable[..., FoldSpec],
    trained_on: Callable[..., Any],
    left_after: Callable[[Pack, int], None],
) -> None:
    spec = fold(method)
    whole, parted = trained_on(spec, where="whole"), trained_on(spec, where="parted")
    expected = trained(whole)
    left_after(parted, 2)
    resumed = trained(parted)
    assert numbers(resumed) == numbers(expected)
    assert resumed.start.resumed_epoch == 2 or len(journal.attempts(Path(parted.launches[0].folder))) == 2
    for name, array in predicted(whole).items():
        assert (predicted(parted)[name] == array).all(), name


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_a_killed_fold_goes_on_to_the_same_bits(
    method: str,
    fold: Callable[..., FoldSpec],
    trained_on: Callable[..., Any],
    killed_after: Callable[[Pack, int], None],
) -> None:
    spec = fold(method, epochs=8)
    whole, parted = trained_on(spec, where="whole"), trained_on(spec, where="parted")
    expected = trained(whole)
    killed_after(parted, 5)
    history = journal.read_fold(Path(parted.launches[0].folder))
    assert history is not None
    assert 5 <= len(history.epochs) < 8
    assert numbers(trained(parted)) == numbers(expected)


@pytest.mark.parametrize("method", METHODS)
def test_activations_share_items_order_and_initial_weights(
    method: str, fold: Callable[..., FoldSpec], trained_on: Callable[..., Any]
) -> None:
    """An activation that is ReLU under another name gives the same bits."""
    spec = fold(method, epochs=2)
    other = dataclasses.replace(spec, trial="other", activation=ActivationSpec(name="torch.nn:ReLU"))
    one, two = trained_on(spec, where="one"), trained_on(other, where="two")
    first, second = trained(one), trained(two)
    assert first.start.split_hash == second.start.split_hash
    assert first.start.data_digest == second.start.data_digest
    assert numbers(first) == numbers(second)


def test_no_defect_trains_or_validates(fold: Callable[..., FoldSpec], root: Path) -> None:
    """Whatever the split; also one that the data set did not declare."""
    import torch

    from trainer.tasks import task

    for method in METHODS:
        for split in (SplitSpec(scheme="fixed", folds=1, validation=0.25), SplitSpec(folds=3, validation=0.2)):
            spec = fold(method, split=split)
            data = _read(spec, root)
            dataset = task.derived(spec, data, torch.device("cpu"), root)
            kind = task.fitting(spec.task, spec.task_options, dataset)
            dealt = task.deal(kind, dataset, spec)
            names = np.array(dataset.classes)[dataset.labels]
            for part in (dealt.train, dealt.validation):
                assert not {"hole", "big-hole"} & set(names[part])
            made = kind(dataset, **spec.task_options)
            trains = set(names[made.trained_on(dealt)])
            assert trains == ({"pretraining: checks", "pretraining: stripes"} if method == "gaussian" else {"good"})


def test_each_product_is_a_case(fold: Callable[..., FoldSpec], trained_on: Callable[..., Any]) -> None:
    several = DataSpec(name="mvtec", options={"size": 32, "mode": "grey"})
    split = SplitSpec(scheme="cases", folds=2, validation=0.0)
    for method in METHODS:
        spec = fold(method, data=several, split=split, fold=1, epochs=1)
        pack = trained_on(spec, where=method)
        history, told = trained(pack), predicted(pack)
        assert history.start.case == "pill"
        assert {name.partition("/")[0] for name in told["kind"]} == {"pill"}


def test_products_are_not_learnt_together(
    fold: Callable[..., FoldSpec], root: Path, small: Callable[..., FoldSpec]
) -> None:
    spec = fold("flow", data=DataSpec(name="mvtec", options={"size": 32, "mode": "grey"}))
    (problem,) = tried([spec], root).problems
    assert "scheme: cases, folds: 2" in problem


@pytest.mark.parametrize(
    ("method", "options", "words"),
    [
        ("flow", {"weights": "no.pt"}, ("backbone resnet18", "no.pt", "state dictionary")),
        ("flow", {"weights": "package"}, ("no package", "random")),
        ("flow", {"weights": None}, ("without weights", "random as a control")),
        ("flow", {"backbone": "resnet19"}, ("resnet19", "resnet18")),
        ("flow", {"levels": "0,9"}, ("levels", "0 to 3")),
        ("flow", {"mse_weight": 0.1}, ("mse_weight is an option of distillation", "method is flow")),
        ("flow", {"kinds": "hule"}, ("'hule'", "'hole'")),
        ("flow", {"normal": "fine"}, ("none of its classes is 'fine'", "good")),
        ("distillation", {"levels": "1,2"}, ("the first ones",)),
        ("distillation", {"backbone": "alexnet"}, ("alexnet", "vgg16")),
        ("distillation", {"size": 36}, ("36 pixels", "multiples of 8")),
        ("distillation", {"levels": "0,1,2"}, ("say model: {name: cloner, teacher: resnet18, levels: 3}",)),
        ("gaussian", {"weights": "w.pt"}, ("trained with each activation", "compares nothing")),
        ("gaussian", {"pretrain": None}, ("pretrain: cifar10",)),
        ("gaussian", {"pretrain": "cifar11"}, ("cifar11", "cifar10")),
        ("gaussian", {"pretrain": "image_folder shapes"}, ("'shapes'", "key=value")),
        ("gaussian", {"pretrain": "wine"}, ("no images of two classes",)),
        ("gaussian", {"layers": "layer1"}, ("no layer 'layer1'",)),
        ("gaussian", {"layers": "8"}, ("'8'", "accepts layers that give maps")),
        ("gaussian", {"features": 99}, ("99", "24 or fewer")),
    ],
)
def test_what_does_not_fit_is_told_in_one_message_before_anything_is_trained(
    method: str, options: dict[str, Any], words: tuple[str, ...], fold: Callable[..., FoldSpec], root: Path
) -> None:
    spec = fold(method, options)
    given = {name: value for name, value in spec.task_options.items() if value is not None}
    (problem,) = tried([dataclasses.replace(spec, task_options=given)], root).problems
    for word in words:
        assert word in problem


def test_a_fold_without_defects_is_told_before_it_is_trained(fold: Callable[..., FoldSpec], root: Path) -> None:
    """Whose excerpt for the rehearsal has other numbers: 12 normal pictures come first in the data set."""
    import shutil

    assert tried([fold("flow", split=SplitSpec(scheme="fixed", folds=1, validation=0.0))], root).problems == []
    for kind in ("hole", "big-hole"):
        shutil.move(root / "mvtec" / "nut" / "test" / kind, root / kind)
    shutil.copytree(root / "mvtec" / "nut" / "test" / "good", root / "own" / "good")
    shutil.copytree(root / "hole", root / "own" / "hole")
    for number in range(1, 4):
        (root / "own" / "hole" / f"{number:03}.png").unlink()
    data = DataSpec(name="image_folder", options={"folder": "own", "size": 32, "mode": "grey"})
    specs = [
        fold("flow", data=data, fold=number, split=SplitSpec(folds=2, validation=0.0, stratify=False))
        for number in range(2)
    ]
    (problem,) = tried(specs, root).problems
    assert "no picture with a defect" in problem


def test_single_pixels_need_masks(fold: Callable[..., FoldSpec], root: Path) -> None:
    import shutil

    shutil.rmtree(root / "mvtec" / "nut" / "ground_truth")
    (problem,) = tried([fold("gaussian")], root).problems
    assert "no masks" in problem
    assert tried([fold("gaussian", {"pixel": False})], root).problems == []


def test_own_pictures_by_image_folder(
    fold: Callable[..., FoldSpec], root: Path, trained_on: Callable[..., Any]
) -> None:
    """Which has no held-out part of its own where the kinds of defect have no training pictures."""
    import shutil

    for kind in ("good", "hole"):
        shutil.copytree(root / "mvtec" / "nut" / "test" / kind, root / "own" / ("fine" if kind == "good" else kind))
    data = DataSpec(name="image_folder", options={"folder": "own", "size": 32, "mode": "grey"})
    spec = fold("flow", {"normal": "fine"}, data=data, split=SplitSpec(folds=2, validation=0.0), epochs=1)
    pack = trained_on(spec)
    trained(pack)
    assert set(predicted(pack)["kind"]) == {"fine", "hole"}


def test_a_model_that_is_no_flow_is_told_what_to_give(fold: Callable[..., FoldSpec], root: Path) -> None:
    (problem,) = tried([fold("flow", model=ModelSpec(name="mlp", options={"hidden": "8"}))], root).problems
    assert "as model: flow" in problem


def _read(spec: FoldSpec, root: Path) -> Any:
    from trainer.catalogue import DATASETS, resolve

    return resolve("data set", spec.data.name, DATASETS).load(root, spec.data.options)


@pytest.mark.parametrize("method", ["flow", "distillation", "gaussian"])
def test_kept_weights_score_what_the_task_makes_of_pictures_as_the_fold_did(
    method: str, fold: Callable[..., FoldSpec], trained_on: Callable[..., Any], tmp_path: Path
) -> None:
    spec = fold(method)
    pack = dataclasses.replace(trained_on(spec), keep="best")
    trained(pack)
    home, model = Path(pack.launches[0].folder), tmp_path / "model"
    model.mkdir()
    (home / "spec.json").write_text(to_text(spec))
    shutil.copy(home / "attempt-1" / "best.pt", model)
    asked = serving.Question(
        folder=str(model),
        fold=str(home),
        predictions=str(home / "attempt-1" / PREDICTIONS),
        data_digest="",
        data_root=pack.data_root,
        own_folder=None,
    )
    if method == "gaussian":
        with pytest.raises(ValueError, match="method gaussian scores pictures by what it learns of all training"):
            serving.answer(asked)
        return
    said = serving.answer(asked)
    assert (said.compared, said.gives_shape, said.derived) == (13, (), True)
    assert said.largest == 0
