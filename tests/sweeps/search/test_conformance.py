"""The suite for plug-in authors: the shipped searchers and schedulers pass, and each check finds a wrong one."""

import importlib.util
import random
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import ray.tune  # noqa: F401  # it leaves its own hooks: here, not in the test that first needs it

from sweeps.search import conformance
from sweeps.search.conformance import (
    METRIC,
    NUMBERS,
    SCHEDULERS,
    SEARCHERS,
    SchedulerCase,
    SearcherCase,
    scheduler_checks,
    searcher_checks,
)
from sweeps.search.searchers import Sampled
from sweeps.study import algorithms
from sweeps.study.space import parse, space

GRID = space({"a": parse({"grid_search": [1, 2]}), "b": parse({"grid_search": [0.1, 0.2]})}, {})
SHIPPED = [(name, None) for name in algorithms.ALGORITHMS if name != "optuna"]
SHIPPED += [("optuna", sampler) for sampler in algorithms.SAMPLERS]
SLOW = {("optuna", "gp"), ("ax", None), ("bayesopt", None), ("hyperopt", None), ("nevergrad", None)}


@pytest.fixture(autouse=True)
def own(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).with_name("own")))
    yield
    sys.modules.pop("searches", None)


def cases(pairs):
    return [pytest.param(*pair, marks=[pytest.mark.slow] if pair in SLOW else [], id="-".join(filter(None, pair)))
            for pair in pairs]  # fmt: skip


@pytest.mark.parametrize(("algorithm", "sampler"), cases(SHIPPED))
def test_every_shipped_search_conforms(algorithm, sampler):
    module = algorithms.of(algorithm, sampler).module
    if module and importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed")
    spaces = (GRID,) if algorithm == "grid" else None
    assert searcher_checks(algorithm, sampler=sampler, spaces=spaces) == []


@pytest.mark.parametrize("name", algorithms.SCHEDULERS)
def test_every_shipped_scheduler_conforms(name):
    if name != "none":
        assert scheduler_checks(name) == []
    assert scheduler_checks("asha", options={"brackets": 3}) == []


def test_searches_and_schedulers_of_the_user_conform():
    assert searcher_checks("searches:Halving", options={"width": 0.2}) == []
    assert searcher_checks("searches:Silent") == []
    assert scheduler_checks("searches:WorstHalf", options={"share": 0.3}) == []
    assert scheduler_checks("searches:Pausing") == []


@pytest.mark.parametrize(
    ("path", "check"),
    [
        ("searches:Unseeded", "deterministic"),
        ("searches:Remembering", "replayable"),
        ("searches:Wandering", "in its space"),
        ("searches:Forgetful", "in its space"),
    ],
)
def test_a_wrong_search_by_import_path_is_found(path, check):
    found = searcher_checks(path, spaces=[NUMBERS])
    assert any(f"{path}: {check}: " in text for text in found), found


class Wrong(Sampled):
    """A searcher that does one thing wrong."""

    def __init__(self, seed=1, count=14):
        super().__init__(NUMBERS, count, seed=seed)
        self.results = {}

    def complete(self, index, metrics, *, lost=False):
        self.results[index] = metrics
        super().complete(index, metrics, lost=lost)


class Tossing(Wrong):
    def ask(self, index):
        config = super().ask(index)
        return config and {**config, "activation.a": random.uniform(0, 4)}


class Counting(Wrong):
    lives = 0

    def __init__(self, seed=1):
        Counting.lives += 1
        super().__init__(seed=seed + Counting.lives)


class Peeking(Wrong):
    def ask(self, index):
        config = super().ask(index)
        return config and {**config, "activation.a": len(self.results) / 10}


class Spending(Wrong):
    def ask(self, index):
        return super().ask(index) or {"activation.a": index / 10, "activation.b": 1.0}


class Repeating(Wrong):
    def ask(self, index):
        return super().ask(0 if index == 3 else index)


class Raw(Wrong):
    def ask(self, index):
        config = super().ask(index)
        return config and {**config, "activation.a": np.float64(config["activation.a"])}


class Outside(Wrong):
    def ask(self, index):
        config = super().ask(index)
        return config and {**config, "activation.a": 4.5}


@pytest.mark.parametrize(
    ("wrong", "check"),
    [
        (Tossing, "deterministic"),
        (Counting, "replayable"),
        (Peeking, "order-independent"),
        (Spending, "equal budgets"),
        (Repeating, "equal budgets"),
        (Raw, "in its space"),
        (Outside, "in its space"),
    ],
)
def test_each_check_of_searches_finds_the_wrong_one(wrong, check):
    case = SearcherCase(make=lambda seed: wrong(seed), space=NUMBERS)
    with pytest.raises(AssertionError):
        SEARCHERS[check](case)


def test_the_checks_of_searches_pass_the_right_one():
    for check in SEARCHERS.values():
        check(SearcherCase(make=lambda seed: Wrong(seed), space=NUMBERS))


class Patient:
    """Stops what is above a line; the right one."""

    def __init__(self):
        self.said = {}

    def result(self, index, epoch, metrics):
        return self.said.setdefault((index, epoch), self.decide(index, epoch, metrics[METRIC]))

    def decide(self, index, epoch, value):
        return epoch == 3 and value > 0.9

    def complete(self, index, metrics):
        pass


class Coin(Patient):
    def decide(self, index, epoch, value):
        return random.random() < 0.2


class Lifelong(Patient):
    seen = 0

    def decide(self, index, epoch, value):
        Lifelong.seen += 1
        return Lifelong.seen % 17 == 0


class Hasty(Patient):
    def __init__(self):
        super().__init__()
        self.begun = time.monotonic()

    def decide(self, index, epoch, value):
        return time.monotonic() - self.begun > 1000


class Moody(Patient):
    def result(self, index, epoch, metrics):
        self.said[index, epoch] = self.said.get((index, epoch), 0) + 1
        return self.said[index, epoch] == 2


class Strict(Patient):
    def decide(self, index, epoch, value):
        return True


class Numpy(Patient):
    def decide(self, index, epoch, value):
        return np.bool_(epoch == 3)


@pytest.mark.parametrize(
    ("wrong", "check"),
    [
        (Coin, "deterministic"),
        (Lifelong, "replayable"),
        (Hasty, "independent of time"),
        (Moody, "repeats its answers"),
        (Strict, "lets some end"),
        (Numpy, "lets some end"),
    ],
)
def test_each_check_of_schedulers_finds_the_wrong_one(wrong, check):
    with pytest.raises(AssertionError):
        SCHEDULERS[check](SchedulerCase(make=wrong, trials=12, epochs=9))


def test_the_checks_of_schedulers_pass_the_right_one():
    for check in SCHEDULERS.values():
        check(SchedulerCase(make=Patient, trials=12, epochs=9))


def test_every_check_has_a_wrong_one_here():
    assert set(SEARCHERS) == {"deterministic", "replayable", "order-independent", "equal budgets", "in its space"}
    assert set(SCHEDULERS) == {
        "deterministic", "replayable", "independent of time", "repeats its answers", "lets some end",
    }  # fmt: skip
    assert conformance.RELATED.relations
