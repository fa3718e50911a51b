"""What a study names of searches and schedulers is tried before anything is written, and refused in one message."""

import sys
from pathlib import Path

import pytest
import ray.tune  # noqa: F401  # it leaves its own hooks: here, not in the test that first needs it

from sweeps.errors import StudyError
from sweeps.search import tryout
from sweeps.study import algorithms
from sweeps.study.reading import load
from sweeps.view import preview

STUDY = """
name: tried
data: digits
training: {{epochs: 9}}
search: {{samples: 5, {search}}}
activations:
  - relu
  - {{activation: dsrelu, space: {{a: {domain}, k: {{uniform: [1, 9]}}}}}}
"""


@pytest.fixture(autouse=True)
def own(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).with_name("own")))
    yield
    sys.modules.pop("searches", None)


def study(search, domain="{uniform: [1, 9]}"):
    return load(STUDY.format(search=search, domain=domain))


@pytest.mark.parametrize(
    "search",
    [
        "algorithm: random",
        "algorithm: tpe, options: {n_startup_trials: 3}",
        "algorithm: optuna, sampler: nsgaii, options: {population_size: 4}",
        "algorithm: optuna",
        'algorithm: "searches:Halving", options: {width: 0.1}, scheduler: {name: "searches:WorstHalf", options: '
        "{share: 0.3}}",
        "scheduler: {name: asha, options: {brackets: 2}}",
        "scheduler: {name: median, grace_epochs: 2, options: {min_samples_required: 2}}",
        "scheduler: hyperband",
    ],
)
def test_what_is_right_passes_and_is_told(search):
    found = study(search)
    tryout.check(found)
    line = next(line for line in preview.design(found).splitlines() if line.startswith("search: algorithm"))
    assert found.search.algorithm in line
    assert f"scheduler {found.search.scheduler.name}" in line


@pytest.mark.parametrize(
    ("search", "message"),
    [
        (
            "algorithm: tpe, options: {n_startup_trails: 3}",
            "search.options of sampler tpe: got n_startup_trails: 3; accepts",
        ),
        ("algorithm: tpe, options: {n_startup_trails: 3}", "did you mean n_startup_trials?"),
        ("algorithm: tpe, options: {seed: 3}", "got seed: 3; accepts"),
        ("algorithm: tpe, options: {gamma: 3}", "got gamma: 3; accepts"),
        ("algorithm: optuna, sampler: nsgaii, options: {population_size: 1}", "search.algorithm: optuna: ValueError"),
        ('algorithm: "searches:Hlaving"', "has no 'Hlaving'; did you mean Halving?"),
        ('algorithm: "nowhere.search:make"', "cannot import 'nowhere.search:make'"),
        ('algorithm: "searches:no_searcher"', "accepts a ray.tune.search.Searcher"),
        ('algorithm: "searches:Unseeded"', "suggests something else when it is made again with the same seed"),
        ('algorithm: "searches:Wandering"', "for activation.a; accepts uniform 1 to 9"),
        ('algorithm: "searches:Forgetful"', "accepts a value for each of activation.a, activation.k"),
        ('algorithm: "searches:Halving", options: {widht: 1}', "got widht: 1; accepts width; did you mean width?"),
        ('scheduler: "searches:Halving"', "search.scheduler.options of searches:Halving: space is missing"),
        ('scheduler: "searches:population"', "copies weights from one setting to another"),
        ('scheduler: "searches:Meddling"', "asks Tune's controller for pause_trial; accepts schedulers that only stop"),
        ("scheduler: {name: asha, options: {bracket: 2}}", "got bracket: 2; accepts brackets; did you mean brackets?"),
        ("scheduler: {name: asha, options: {brackets: 0}}", "brackets must be positive"),
        ("scheduler: {name: median, options: {hard_stop: false}}", "got hard_stop: False; accepts"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_written(search, message):
    found = study(search)
    with pytest.raises(StudyError) as caught:
        tryout.check(found)
    assert message in str(caught.value)
    assert str(caught.value).startswith("tried: ")


@pytest.mark.parametrize(
    ("search", "domain", "message"),
    [
        ("algorithm: tep", None, "search.algorithm: got \"tep\"; accepts random, grid, tpe, optuna"),
        ("algorithm: cmaes", None, "cmaes is one of Optuna's: {algorithm: optuna, sampler: cmaes}"),
        ("algorithm: mylab.search", None, "or your own by its import path, as mylab.search:make"),
        ("algorithm: optuna, sampler: cmae", None, "did you mean cmaes?"),
        ("algorithm: tpe, sampler: gp", None, "accepts null with algorithm: tpe"),
        ("options: {x: 1}", None, "accepts none with algorithm: random"),
        ("scheduler: pbt", None, "changes a setting while it trains"),
        ("scheduler: hb_bohb", None, "hyperband stops alike"),
        ("scheduler: halving", None, "accepts none, asha, median, hyperband"),
        ("scheduler: {name: median, grace_epochs: 10}", None, "accepts at most the epochs of the search, 9"),
        ("scheduler: {name: hyperband, grace_epochs: 2}", None, "has no use for it"),
        ("scheduler: {name: none, options: {a: 1}}", None, "accepts none with name: none"),
        ("algorithm: bayesopt", "{loguniform: [1, 9]}", "accepts uniform with search.algorithm: bayesopt"),
        ("algorithm: nevergrad", "{quniform: [1, 9, 1]}", "accepts uniform or loguniform or randint or choice"),
        ("algorithm: optuna, sampler: cmaes", "{choice: [1, 2]}", "values of a list it draws at random"),
        ("algorithm: optuna, sampler: brute_force", "{uniform: [1, 2]}", "it tries every value there is"),
        ("algorithm: hyperopt", "{grid_search: [1, 2]}", "write choice instead"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused_with_the_file(search, domain, message):
    with pytest.raises(StudyError) as caught:
        study(search, domain or "{uniform: [1, 9]}")
    assert message in str(caught.value)


def test_cmaes_needs_two_numbers():
    text = STUDY.format(search="algorithm: optuna, sampler: cmaes", domain="{uniform: [1, 9]}")
    with pytest.raises(StudyError, match="accepts 2 searched numbers or more of each activation, dsrelu has 1"):
        load(text.replace(", k: {uniform: [1, 9]}", ""))


@pytest.mark.parametrize("algorithm", [name for name, facts in algorithms.ALGORITHMS.items() if facts.extra])
def test_what_is_not_installed_is_said_with_the_command(algorithm, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(StudyError, match=rf"`pip install 'actsweep\[{algorithm}\]'`"):
        tryout.check(study(f"algorithm: {algorithm}"))


def test_every_extra_of_a_search_is_one_of_the_package():
    pyproject = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    for facts in (*algorithms.ALGORITHMS.values(), *algorithms.SAMPLERS.values()):
        assert not facts.extra or f"\n{facts.extra} = [" in pyproject
