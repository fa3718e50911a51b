"""Searches for several objectives: Optuna's order, whatever the cluster's timing, and what is refused."""

from __future__ import annotations

import json
import math
import random
import re
import warnings
from collections.abc import Callable, Iterator

import optuna
import pytest
import ray.tune  # noqa: F401  # sets hooks of the process when it is imported first, which is no test's doing

from sweeps.errors import StudyError
from sweeps.search.objectives import maker
from sweeps.search.searchers import Sampled, Searcher, make_searcher
from sweeps.search.sequential import Sequential
from sweeps.search.tune_searchers import OPTUNA
from sweeps.study import objectives
from sweeps.study.reading import load
from sweeps.study.space import parse, space
from sweeps.study.study import digest

GOOD, COST = "validation/accuracy", "epoch_s"
CONTINUOUS = space({"k": parse({"loguniform": [1, 20]})}, {"lr": parse({"uniform": [0.0, 1.0]})})
STUDY = """
name: two
data: digits
search: {{samples: 12, select_on: validation/accuracy, objectives: [validation/accuracy, epoch_s], {more}}}
activations:
  - relu
  - {{activation: lelu, space: default}}
  - {{activation: apalu, space: default}}
"""


def study(more: str = "algorithm: tpe", **changed: str):  # type: ignore[no-untyped-def]
    text = STUDY.format(more=more)
    for old, new in changed.items():
        text = text.replace(old, new)
    return load(text)


def searcher_of(name: str, seed: int = 5, *, samples: int = 20, concurrent: int = 1, **options: int) -> Searcher:
    return Sequential(
        CONTINUOUS,
        samples,
        maker(name, CONTINUOUS, (GOOD, COST), ("max", "min"), seed=seed, options=options),
        seed=seed,
        metric=(GOOD, COST),
        mode="max",
        concurrent=concurrent,
    )


def measured(config: dict) -> dict[str, float]:  # type: ignore[type-arg]
    """Better by a larger k, dearer by it, and worse in both the farther the rate is from a half."""
    off = (config["training.lr"] - 0.5) ** 2
    return {GOOD: math.log(config["activation.k"]) - off, COST: config["activation.k"] + 10 * off}


def everything(searcher: Searcher, tell: Callable[[dict], dict | None] = measured) -> list[dict]:  # type: ignore[type-arg]
    found: list[dict] = []  # type: ignore[type-arg]
    while (config := searcher.ask(len(found))) is not None:
        found.append(config)
        searcher.complete(len(found) - 1, tell(config))
    return found


# Every sampler that is named has these properties.

NAMES = pytest.mark.parametrize("name", [name for name in objectives.SAMPLERS if name != "gp"])


@NAMES
def test_the_same_seed_suggests_the_same_and_another_seed_something_else(name: str) -> None:
    first, again, other = (everything(searcher_of(name, seed)) for seed in (1, 1, 2))
    assert first == again
    assert len({json.dumps(config, sort_keys=True) for config in first}) == 20
    # QMC's points are one sequence, which a seed begins elsewhere.
    assert first != other


@NAMES
def test_suggestions_are_those_of_optuna_itself(name: str) -> None:
    """Ask and tell of an Optuna study with two directions, in the same order and with nothing of Tune's or ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        bare = optuna.create_study(
            directions=["maximize", "minimize"], sampler=getattr(optuna.samplers, OPTUNA[name])(seed=5)
        )
    space = {
        "activation.k": optuna.distributions.FloatDistribution(1, 20, log=True),
        "training.lr": optuna.distributions.FloatDistribution(0, 1),
    }
    expected = []
    for _ in range(20):
        trial = bare.ask(fixed_distributions=space)
        expected.append(dict(trial.params))
        bare.tell(trial, list(measured(trial.params).values()))
    assert everything(searcher_of(name)) == expected


@NAMES
def test_it_suggests_the_same_in_whatever_order_trials_end(name: str) -> None:
    configs = [list(_chaotic(searcher_of(name, concurrent=4), random.Random(seed))) for seed in (1, 2)]
    assert configs[0] == configs[1]


def _chaotic(searcher: Searcher, chaos: random.Random) -> Iterator[dict]:  # type: ignore[type-arg]
    asked: list[dict] = []  # type: ignore[type-arg]
    running: list[int] = []
    while len(asked) < searcher.count or running:
        if len(asked) < searcher.count and searcher.ready(len(asked)) and chaos.random() < 0.7:
            config = searcher.ask(len(asked))
            assert config is not None
            running.append(len(asked))
            asked.append(config)
            yield config
        elif running:
            index = running.pop(chaos.randrange(len(running)))
            searcher.complete(index, measured(asked[index]))


@pytest.mark.parametrize("name", ["tpe", "nsgaii"])
def test_a_setting_that_diverges_is_told_and_the_search_goes_on(name: str) -> None:
    options = {"population_size": 4} if name == "nsgaii" else {}
    found = everything(
        searcher_of(name, samples=30, **options),
        lambda config: None if config["activation.k"] > 10 else {GOOD: 1.0, COST: float("nan")},
    )
    assert len(found) == 30


def test_it_looks_at_every_objective() -> None:
    """The rate that is worse in both is left; without the cost, small k would be left too."""
    found = everything(searcher_of("tpe", samples=60))
    late = found[30:]
    assert sum(abs(config["training.lr"] - 0.5) < 0.25 for config in late) > 0.6 * len(late)
    small, large = (sum(low <= config["activation.k"] < high for config in late) for low, high in ((1, 4.5), (4.5, 20)))
    assert min(small, large) >= 5, "both ends of the front are looked at"


def test_a_small_space_is_searched_whole_and_nothing_is_tried_twice() -> None:
    small = space({"n": parse({"randint": [0, 4]}), "c": parse({"choice": ["x", True, None]})}, {})
    made = Sequential(
        small,
        50,
        maker("tpe", small, (GOOD, COST), ("max", "min"), seed=1, options={}),
        seed=1,
        metric=(GOOD, COST),
        mode="max",
        concurrent=3,
    )
    found = everything(made, lambda config: {GOOD: 1.0, COST: float(config["activation.n"])})
    assert len({json.dumps(config, sort_keys=True) for config in found}) == len(found) == 12


# What a study file says.


def test_the_searcher_is_the_one_that_the_study_names() -> None:
    assert isinstance(make_searcher(study("algorithm: optuna, sampler: nsgaii"), "lelu"), Sequential)
    assert isinstance(make_searcher(study("algorithm: random"), "lelu"), Sampled)


def test_the_budget_of_every_activation_is_the_same() -> None:
    assert {make_searcher(study(), label).count for label in ("lelu", "apalu")} == {12}


def test_a_study_without_objectives_keeps_its_digest() -> None:
    text = "name: two\ndata: digits\nsearch: {samples: 3}\nactivations: [relu, {activation: lelu, space: default}]\n"
    assert digest(load(text)) == digest(load(text.replace("samples: 3", "samples: 3, objectives: []")))


@pytest.mark.parametrize(
    ("more", "changed", "told"),
    [
        ("algorithm: tpe", {"epoch_s]": "epoch_time]"}, "epoch_time.*accepts .*epoch_s.*did you mean epoch_s"),
        ("algorithm: tpe", {"epoch_s]": "heldout/accuracy]"}, "heldout/accuracy.*accepts validation/"),
        ("algorithm: tpe", {"epoch_s]": "validation/accuracy]"}, "accepts each objective once"),
        ("algorithm: tpe", {", epoch_s]": "]"}, "accepts two or more"),
        ("algorithm: tpe", {"[validation/accuracy, epoch_s]": "[epoch_s, validation/accuracy]"}, "select_on first"),
        ("algorithm: tpe, scheduler: asha", {}, "accepts none with search.objectives"),
        ("algorithm: tpe, race: {first: 2}", {}, "accepts null with several objectives"),
        ("algorithm: optuna, sampler: cmaes", {}, "sampler.*accepts tpe, nsgaii"),
        ("algorithm: hyperopt", {}, "algorithm.*accepts random, grid, tpe or optuna"),
    ],
)
def test_what_does_not_go_together_is_refused(more: str, changed: dict[str, str], told: str) -> None:
    with pytest.raises(StudyError) as caught:
        study(more, **changed)
    assert re.search(told, str(caught.value)), str(caught.value)


def test_an_option_that_the_sampler_does_not_take_is_named_with_the_nearest() -> None:
    with pytest.raises(StudyError, match=r"sampler nsgaii: got populationsize: 4; .*did you mean population_size"):
        make_searcher(study("algorithm: optuna, sampler: nsgaii, options: {populationsize: 4}"), "lelu")


def test_every_named_sampler_is_one_that_can_be_made() -> None:
    assert set(objectives.SAMPLERS) <= set(OPTUNA)


def test_each_activation_tries_its_own_setting_first_where_the_study_says_so() -> None:
    with_first = study("algorithm: optuna, sampler: nsgaii, first: default")
    assert make_searcher(with_first, "lelu").ask(0) == {"activation.beta": 0.4}
