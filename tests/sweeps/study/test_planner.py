"""What a study comes to: phases, repeats, trials, folds, their specifications and the declared plan."""

import json
from pathlib import Path

import pytest

from analysis.runs.plan import from_json, to_json
from sweeps.study import planner
from sweeps.study.reading import load
from sweeps.study.study import Study, digest
from trainer.codec import from_text, to_text
from trainer.spec import FoldSpec

HERE = Path(__file__).parent
LEAST = "name: least\ndata: digits\nactivations: [gelu, relu]\n"
SEARCHED = """
name: searched
data: {name: digits}
training: {epochs: 8, lr: 1e-3}
folds: {folds: 3, repeats: 2}
search: {samples: 4, folds: 2, epochs: 3}
activations:
  - relu
  - {activation: dsrelu, params: {k: 5}, space: default, training: {weight_decay: 0.1}}
"""


def full() -> Study:
    return load(HERE / "study_examples" / "full.yaml")


def test_angles_and_options_reach_the_specification():
    study = full()
    specs = planner.fold_specs(
        study, phase="confirm", trial="t", label="dsrelu-75", params={"b": 0.5}, training={"batch": 64}
    )
    assert specs[0].activation.params == {"k": 5, "a": pytest.approx(3.7320508), "b": 0.5}
    assert specs[0].model.options == {"stem": "small"}
    assert (specs[0].training.batch, specs[0].training.epochs) == (64, 8)
    assert all(from_text(FoldSpec, to_text(spec)) == spec for spec in specs)
    own = planner.fold_specs(study, phase="search", trial="t", label="dsrelu", training={"lr": 0.01})[0]
    assert (own.training.lr, own.training.weight_decay, own.training.epochs) == (0.01, 1e-4, 4)
    mine = planner.fold_specs(study, phase="confirm", trial="t", label="MyAct")[0]
    assert mine.activation.name == "mylab.act:MyAct"
    assert mine.activation.params == {"name": "x", "on": True, "level": None}


def folds_of(study, phase):
    return [(spec.repeat, spec.fold) for spec in planner.fold_specs(study, phase=phase, trial="t", label="relu")]


def test_the_winners_are_confirmed_on_repeats_that_the_search_did_not_see():
    study = load(SEARCHED)
    assert planner.phases(study) == ("search", "confirm")
    assert folds_of(study, "search") == [(0, 0), (0, 1)]
    assert folds_of(study, "confirm") == [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)], (
        "as many repeats as folds.repeats"
    )
    assert [planner.trials(study, label, "search") for label in study.compared()] == [0, 4]
    assert [planner.trials(study, label, "confirm") for label in study.compared()] == [1, 1]
    three = planner.repeats(load(SEARCHED + "confirm: {repeats: 3}"), "confirm")
    assert three == (1, 2, 3)


def test_without_confirmation_claims_rest_on_the_search():
    study = load(SEARCHED + "confirm: false")
    assert planner.phases(study) == ("search",)
    assert [planner.trials(study, label, "search") for label in study.compared()] == [1, 4], (
        "relu needs its folds there too"
    )
    assert planner.repeats(study, "confirm") == ()
    plan = planner.plan(study, "2026-01-01T00:00:00Z")
    assert (plan.claims_phase, plan.repeats, plan.folds) == ("search", (0,), 2)


def test_without_a_search_everything_is_confirmation():
    study = load(LEAST + "folds: {folds: 2, repeats: 3}")
    assert planner.phases(study) == ("confirm",)
    assert folds_of(study, "confirm") == [(repeat, fold) for repeat in range(3) for fold in range(2)]
    assert planner.trials(study, "relu", "search") == 0
    assert study.searched() == ()


def test_a_fixed_held_out_part_is_one_fold():
    study = load(LEAST + "folds: {scheme: fixed, repeats: 2}")
    assert folds_of(study, "confirm") == [(0, 0), (1, 0)]


def test_the_plan_says_what_each_search_varies():
    plan = planner.plan(load(SEARCHED), "now")
    assert plan.search_varies == {"dsrelu": ("activation.a", "activation.b")}, (
        "k is fixed; nothing is searched for relu"
    )
    tuned = planner.plan(load(SEARCHED + "space: {training: {lr: {loguniform: [1e-4, 1e-2]}}}"), "now")
    assert tuned.search_varies["relu"] == ("training.lr",)
    assert tuned.search_varies["dsrelu"][-1] == "training.lr"


@pytest.mark.parametrize(
    ("more", "search", "confirm"),
    [
        ("", 0.4 * (2 / 3) * 0.8, (1 - 0.6 / 3) * 0.8),
        ("confirm: false", (2 / 3) * 0.8, None),
    ],
)
def test_a_fold_trains_on_what_its_phase_leaves_it(more: str, search: float, confirm: float | None):
    study = load(SEARCHED + more)
    assert planner.trained_share(study, "search") == pytest.approx(search)
    if confirm is not None:
        assert planner.trained_share(study, "confirm") == pytest.approx(confirm)


def test_the_plan_says_what_was_declared():
    study = full()
    plan = planner.plan(study, "2026-01-01T00:00:00Z")
    assert plan.model == "resnet34(stem=small)"
    assert plan.search_trials == {"relu": 4, "dsrelu-75": 4, "dsrelu": 4, "MyAct": 4}
    assert plan.study_digest == digest(study)
    assert (plan.declaration.control, plan.declaration.metric, plan.declaration.rope) == ("relu", "f1_macro", 0.005)


def test_a_plan_says_where_activations_stand_and_one_of_before_says_nothing() -> None:
    made = planner.plan(load(SEARCHED), "now", "17 places, 33 applications of relu")
    text = to_json(made)
    assert from_json(text).places == "17 places, 33 applications of relu"
    earlier = json.loads(text)
    del earlier["places"]
    assert from_json(json.dumps(earlier)).places == ""
