"""The published setting is tried first, and every setting fulfils the relations: with every kind of search."""

import importlib
import inspect
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import ray.tune  # noqa: F401  # it leaves its own hooks: here, not in the test that first needs it

from sweeps.driver import decisions
from sweeps.errors import StudyError
from sweeps.folder.records import Completed, Published, TrialAdded, TrialStatus
from sweeps.search import published
from sweeps.search.per_activation import Searches
from sweeps.search.searchers import make_searcher
from sweeps.study import planner, relations
from sweeps.study.default_spaces import DEFAULTS, PARAMETERS
from sweeps.study.reading import load
from sweeps.study.study import digest, resolved_yaml
from sweeps.view import preview
from trainer import catalogue

LOSS = "validation/loss"
STUDY = """
name: first
data: digits
training: {{epochs: 3, lr: 1e-3}}
search: {{{search}}}
activations:
  - relu
  - {item}
control: relu
"""
DSRELU = "{activation: dsrelu, space: default}"
LEARN = ["algorithm: tpe", "algorithm: optuna, sampler: qmc", "algorithm: optuna, sampler: nsgaii"]


def study(item=DSRELU, search="samples: 5"):
    return load(STUDY.format(item=item, search=search))


def settings(found, value=lambda config: 1.0):
    label = found.searched()[0]
    searcher = make_searcher(found, label)
    every = []
    while (config := searcher.ask(len(every))) is not None:
        every.append(config)
        searcher.complete(len(every) - 1, {LOSS: value(config)})
    return every


# -- the first setting -------------------------------------------------------------------------------------------------


def test_the_table_of_defaults_is_that_of_the_classes():
    for name, known in PARAMETERS.items():
        module, _, attribute = catalogue.ACTIVATIONS[name].partition(":")
        parameters = inspect.signature(getattr(importlib.import_module(module), attribute)).parameters
        assert DEFAULTS.get(name, {}) == {each: parameters[each].default for each in known}, name


@pytest.mark.parametrize("search", ["samples: 5", *(f"{each}, samples: 5" for each in LEARN)])
def test_the_published_setting_is_the_first_of_the_samples(search):
    found = study(search=search)
    every = settings(found)
    assert every[0] == {"activation.a": 85.0, "activation.b": 10.0, "activation.k": 5.0}
    assert len(every) == 5 == planner.trials(found, "dsrelu", "search")
    params, training = found.space_of("dsrelu").resolve(every[0])
    assert params == {name: DEFAULTS["dsrelu"][name] for name in "abk"}
    assert training == {}


@pytest.mark.parametrize("search", ["samples: 1", "samples: 4", *(f"{each}, samples: 12" for each in LEARN)])
def test_a_winner_is_never_worse_than_the_published_setting(search):
    found = study(search=search)

    def loss(config):  # the published setting is a needle: nothing near it is any good
        return 0.1 if config["activation.k"] == 5.0 else 1.0 + config["activation.k"]

    every = settings(found, loss)
    trials = [
        TrialAdded(trial=f"t{n}", label="dsrelu", activation="dsrelu", phase="search", index=n, params={}, training={},
                   folds=(), config=config) for n, config in enumerate(every)
    ]  # fmt: skip
    completed = {
        f"t{n}": Completed(trial=f"t{n}", status=TrialStatus.FINISHED, metrics={LOSS: loss(config)})
        for n, config in enumerate(every)
    }
    assert decisions.winner(trials, completed, LOSS, found.better) == ("t0", 0.1)
    without = settings(study(search=search + ", first: none"), loss)
    assert min(map(loss, without)) > 1


def test_a_first_setting_outside_of_what_is_drawn_is_tried_as_it_is_and_said():
    found = study("{activation: alrelu, space: {alpha: {loguniform: [0.1, 0.3]}}}", "algorithm: tpe, samples: 4")
    assert settings(found)[0] == {"activation.alpha": 0.01}
    assert "first: alpha 0.01 (its own setting; outside of what is drawn: alpha)" in preview.design(found)


def test_training_fields_have_the_study_s_own_value_first():
    found = study("{activation: elu, space: default, training: {lr: {loguniform: [1e-4, 1e-2]}}}")
    assert settings(found)[0] == {"activation.alpha": 1.0, "training.lr": 1e-3}


def test_a_grid_has_the_first_setting_on_top_only_where_it_lacks_it():
    on, off = "{grid_search: [0.01, 0.1]}", "{grid_search: [0.02, 0.1]}"
    for domain, count in ((on, 2), (off, 3)):
        found = study(f"{{activation: alrelu, space: {{alpha: {domain}}}}}", "algorithm: grid")
        every = settings(found)
        assert every[0] == {"activation.alpha": 0.01}
        assert len(every) == count == planner.trials(found, "alrelu", "search")
        assert len({json.dumps(config) for config in every}) == count


def test_what_was_written_before_is_tried_as_before():
    found = study(search="samples: 5, first: none")
    text = resolved_yaml(found)
    earlier = "\n".join(line for line in text.splitlines() if "first:" not in line)
    again = load(earlier, written_out=True)
    assert again.search.first == "none"
    assert digest(again) == digest(found)
    assert digest(study()) != digest(found)
    assert settings(again) == settings(found)


ACT = "from torch import nn\nclass Act(nn.Module):\n    def __init__(self, k=3.0, j={j}):\n        super().__init__()\n"


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{':'.join(sys.path[:3])}")
    published.own_defaults.cache_clear()
    (tmp_path / "ownact.py").write_text(ACT.format(j=2))
    yield tmp_path / "ownact.py"
    published.own_defaults.cache_clear()


OWN = '{activation: "ownact:Act", label: own, space: {k: {uniform: [0, 9]}, j: {randint: [0, 9]}}}'


def test_an_activation_of_the_user_s_says_its_setting_and_keeps_it_for_good(own):
    found = study(OWN)
    searches = Searches(found)
    assert searches.unpublished == {"own"}
    record = searches.publish("own")
    assert record == Published(label="own", config={"activation.j": 2, "activation.k": 3.0})
    assert searches.ask("own", 0) == record.config
    assert "first: j 2, k 3 (its own setting)" in preview.design(found)

    own.write_text(ACT.format(j=7))  # the class changes while the study is under way
    published.own_defaults.cache_clear()
    again = Searches(found)
    again.replay([record])
    assert again.ask("own", 0) == record.config
    assert [again.ask("own", n) for n in range(1, 5)] == [searches.ask("own", n) for n in range(1, 5)]


def test_one_without_a_default_goes_without(own):
    own.write_text(ACT.replace("j={j}", "*, j"))
    found = study(OWN)
    assert Searches(found).publish("own").config is None
    assert "first: drawn like the others, since ownact:Act has no default for j" in preview.design(found)


# -- relations ---------------------------------------------------------------------------------------------------------


def related(where, search="samples: 6", a="{uniform: [0.1, 3]}", b="{uniform: [0.1, 3]}", more=""):
    where = json.dumps(where)
    return study(f"{{activation: dsrelu, space: {{a: {a}, b: {b}{more}}}, where: {where}}}", search)


@pytest.mark.parametrize("search", ["samples: 12", *(f"{each}, samples: 12" for each in LEARN)])
def test_every_setting_fulfils_the_relations_and_the_budget_stays(search):
    every = settings(related(["a > b + 0.5", "a * b < 2"], search))
    assert len(every) == 12
    assert all(c["activation.a"] > c["activation.b"] + 0.5 for c in every)
    assert all(c["activation.a"] * c["activation.b"] < 2 for c in every)


def test_relations_are_of_slopes_not_of_angles():
    found = related(["a - b > 1"], a="{tan_degrees: [40, 60]}", b="{tan_degrees: [10, 30]}")
    for config in settings(found)[1:]:
        slopes = [math.tan(math.radians(config[f"activation.{name}"])) for name in "ab"]
        assert slopes[0] - slopes[1] > 1


def test_relations_may_name_what_is_fixed_what_has_a_default_and_training():
    found = study(
        '{activation: dsrelu, params: {b: 2.0}, space: {a: {uniform: [1, 20]}}, where: ["a > b", "a < k", '
        '"training.lr < a"]}'
    )
    assert all(2 < config["activation.a"] < 5 for config in settings(found))
    assert "where" not in found.activation("relu").model_dump(exclude_defaults=True)


def test_a_grid_leaves_out_what_breaks_a_relation_and_its_budget_counts_what_remains():
    three = "{grid_search: [1, 2, 3]}"
    found = related(["a > b"], "algorithm: grid, first: none", a=three, b=three)
    every = settings(found)
    assert sorted((c["activation.a"], c["activation.b"]) for c in every) == [(2, 1), (3, 1), (3, 2)]
    assert planner.trials(found, "dsrelu", "search") == 3
    mixed = related(["a > b"], "samples: 4, first: none", a="{grid_search: [1, 2, 9]}", b="{uniform: [1.5, 3]}")
    of = [config["activation.a"] for config in settings(mixed)]
    assert planner.trials(mixed, "dsrelu", "search") == len(of) == 8
    assert (of.count(2), of.count(9)) == (4, 4)


def test_a_published_setting_that_breaks_a_relation_is_not_tried():
    found = related(["a < 2"])
    assert all(config["activation.a"] < 2 for config in settings(found))
    assert "the setting of dsrelu breaks a < 2" in preview.design(found)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (["a > c"], "names c; dsrelu has a, b, k, progress, t"),
        (["a > aa"], "did you mean a?"),
        (["a >"], "accepts one comparison of names, numbers"),
        (["a > b and b > 1"], "accepts one comparison an entry"),
        (["a + b"], "accepts one comparison"),
        (["__import__('os').system('x') > a"], "not __import__('os').system('x')"),
        (["a ** 2 > b"], "not a ** 2"),
        (["a > 'x'"], "not 'x'"),
        (["a is b"], "accepts > >= < <= == !=, not is"),
        (["1 < 2"], "names a parameter at least"),
        (["k > 1"], "accepts a relation with something that is searched in it"),
        (["progress > a"], "accepts names of numbers; one of them may be 'epoch'"),
        (["a > 10"], "no setting fulfils this: 0 of 20000 settings tried"),
        (["a > b", "b > a"], "no setting fulfils this"),
        (["a > 2.999"], "hardly a setting fulfils this"),
        ([3], "accepts a list of relations in quotes"),
    ],
    ids=str,
)
def test_a_wrong_relation_is_refused_in_one_message(where, message):
    with pytest.raises(StudyError) as caught:
        related(where)
    assert message in str(caught.value)
    assert "where" in str(caught.value)


def test_the_ends_that_are_tried_before_a_run_fulfil_the_relations():
    made = related(["a > b"], a="{uniform: [0.5, 3]}", b="{uniform: [1, 4]}").space_of("dsrelu")
    assert len(made.ends()) == 2  # both ends break it: one that does not, and the published setting
    assert all(params["a"] > params["b"] for params, _ in made.ends())


def test_a_division_by_0_is_no_relation_fulfilled():
    assert not relations.parse("1 / a > 0").holds({"activation.a": 0})


def test_reading_a_study_with_relations_loads_nothing_of_ray():
    code = f"""
import sys
from sweeps.study.reading import load
load({STUDY.format(item="{activation: dsrelu, space: default, where: ['a > b']}", search="samples: 5")!r})
assert not {{"ray", "torch", "optuna"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120, cwd=Path(__file__).parents[3])
