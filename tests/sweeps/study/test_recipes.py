"""The training section beyond an optimiser and a rate: recipes, schedules, augmentation, what weight decay is for."""

from __future__ import annotations

import pytest

from sweeps.errors import StudyError
from sweeps.study.reading import load
from sweeps.study.recipes import RECIPES
from sweeps.study.study import digest, resolved_yaml
from trainer.spec import AugmentSpec

LEAST = "name: least\ndata: digits\nactivations: [relu, apalu]\n"


def trained(training: str) -> object:
    return load(LEAST + f"training: {training}").training


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_written_out_and_reads_back_the_same(name: str) -> None:
    study = load(LEAST + f"training: {{recipe: {name}}}\n")
    text = resolved_yaml(study)
    assert "recipe" not in text
    assert load(text, written_out=True) == study
    assert digest(load(text, written_out=True)) == digest(study)


def test_what_a_study_says_itself_wins_over_its_recipe() -> None:
    training = load(LEAST + "training: {recipe: resnet-cifar, epochs: 8, augment: [flip]}").training
    assert (training.epochs, training.lr, training.schedule.name) == (8, 0.1, "cosine")
    assert [one.name for one in training.augment] == ["flip"]


def test_augmentation_has_a_short_form_and_writes_its_options_out() -> None:
    training = load(LEAST + "training: {augment: [flip, {crop: 2}, {colour: {brightness: 0.2}}]}").training
    assert training.augment == (
        AugmentSpec(name="flip", options={"axis": "horizontal", "probability": 0.5}),
        AugmentSpec(name="crop", options={"padding": 2}),
        AugmentSpec(name="colour", options={"brightness": 0.2, "contrast": 0.4, "saturation": 0.4}),
    )


def test_weight_decay_spares_activations_unless_a_study_says_otherwise_or_is_of_before() -> None:
    assert load(LEAST + "training: {weight_decay: 0.0005}").training.decay == "no_activation"
    assert load(LEAST + "training: {weight_decay: 0.0005, decay: all}").training.decay == "all"
    assert load(LEAST).training.decay == "all"
    tuned = "search: {samples: 2}\nspace: {training: {weight_decay: {loguniform: [1e-5, 1e-3]}}}"
    assert load(LEAST + tuned).training.decay == "no_activation"
    assert load(LEAST + "training: {weight_decay: 0.0005}", written_out=True).training.decay == "all"


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ("{recipe: resnet-cifra}", 'study:4: training.recipe: got "resnet-cifra"; accepts resnet-cifar'),
        ("{schedule: cosin}", "training.schedule: schedule: got 'cosin'; accepts none, cosine"),
        (
            "{schedule: {name: cosine, warm: 3}}",
            "cosine.warm: got 3; unknown key; accepts floor, warmup",
        ),
        ("{schedule: {name: multistep, milestones: [9, 3]}}", "accepts ascending numbers above 0"),
        ("{epochs: 9, schedule: {name: multistep, milestones: [3, 9]}}", "accepts epochs below training.epochs, 9"),
        ("{epochs: 4, schedule: {name: cosine, warmup: 4}}", "accepts less than training.epochs, 4"),
        ("{schedule: one_cycle, patience: 9}", "training.patience: got 9; accepts null with schedule: one_cycle"),
        ("{nesterov: true}", "training.nesterov: got true; accepts false with optimizer: adam"),
        ("{schedule: {name: cosine, floor: 0.01}, lr: 1e-3}", "schedule.floor: got 0.01; accepts at most lr, 0.001"),
        ("{schedule: plateau, evaluate_every: 2}", "training.evaluate_every: got 2; accepts 1 with a plateau"),
        ("{init_gain: own}", "accepts scheme with init: default"),
        ("{augment: flip}", "accepts a list of crop, flip"),
        ("{augment: [flop]}", "got 'flop'; accepts crop, flip"),
        ("{augment: [flip, flip]}", "accepts each augmentation once"),
        ("{augment: [mixup, cutmix]}", "accepts mixup or cutmix, not both"),
        ("{augment: [{crop: 0}]}", "crop.padding: got 0; accepts a whole number from 1"),
        ("{clip_norm: 0}", "training.clip_norm: got 0; accepts a number greater than 0"),
        ("{label_smoothing: 1}", "training.label_smoothing: got 1; accepts a number less than 1"),
    ],
)
def test_what_is_refused_says_why(training: str, message: str) -> None:
    with pytest.raises(StudyError) as caught:
        load(LEAST + f"training: {training}")
    assert message in str(caught.value)


def test_what_a_search_or_one_activation_would_train_with_is_looked_at_too() -> None:
    nesterov = "training: {optimizer: sgd, nesterov: true}\nsearch: {samples: 2}\n"
    with pytest.raises(StudyError, match="nesterov: got true; accepts false with optimizer: adam"):
        load(LEAST + nesterov + "space: {training: {optimizer: {choice: [sgd, adam]}}}")
    own = LEAST.replace("apalu", "{activation: apalu, training: {momentum: 0}}")
    with pytest.raises(StudyError, match="accepts false with momentum: 0"):
        load(own + "training: {optimizer: sgd, nesterov: true}")
    steps = "training: {epochs: 9, schedule: {name: multistep, milestones: [5]}}\nsearch: {samples: 2, epochs: 3}\n"
    with pytest.raises(StudyError, match=r"accepts epochs below search\.epochs, 3"):
        load(LEAST + steps + "space: {training: {lr: {choice: [0.1, 0.2]}}}")


def test_one_cycle_trains_to_its_end() -> None:
    assert load(LEAST + "training: {schedule: one_cycle}").training.patience is None


def test_a_plateau_on_a_part_that_is_not_there_is_refused() -> None:
    with pytest.raises(StudyError, match=r"accepts train with folds.validation: 0, since nothing is validated"):
        load(LEAST + "folds: {validation: 0}\ntraining: {schedule: plateau}")
