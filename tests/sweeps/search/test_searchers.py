"""Suggestions and stops: repeatable, replayable, independent of timing."""

import json
import logging
import math
import random
import subprocess
import sys

import pytest
import ray.tune  # noqa: F401  # it leaves its own hooks: here, not in the test that first needs it

from sweeps.search.schedulers import Asha, NoScheduler, make_scheduler
from sweeps.search.searchers import Sampled, Tpe, make_searcher
from sweeps.study.reading import load
from sweeps.study.space import parse, space

LOSS = "validation/loss"

CONTINUOUS = space(
    {"k": parse({"loguniform": [1, 20]}), "a": parse({"tan_degrees": [60, 85]})},
    {"lr": parse({"loguniform": [1e-4, 1e-2]})},
)
DISCRETE = space({"n": parse({"randint": [0, 4]}), "c": parse({"choice": ["x", True, None]})}, {})

STUDY = """
name: searched
seed: {seed}
data: digits
training: {{epochs: 9}}
search: {{algorithm: {algorithm}, samples: 6, first: none, scheduler: {scheduler}, select_on: {metric}}}
activations:
  - relu
  - {{activation: lelu, space: default}}
  - {{activation: apalu, space: default}}
"""


def study(*, seed=1, algorithm="random", scheduler="none", metric=LOSS):
    return load(STUDY.format(seed=seed, algorithm=algorithm, scheduler=scheduler, metric=metric))


def score(config):
    return abs(math.log(config["activation.k"] / 5)) + abs(config["activation.a"] - 75) / 10 + config["training.lr"]


def everything(searcher):
    """All suggestions, each trial over before the next one is asked for."""
    found = []
    while (config := searcher.ask(len(found))) is not None:
        found.append(config)
        searcher.complete(len(found) - 1, {LOSS: float(len(found))})
    return found


@pytest.mark.parametrize("algorithm", ["random", "tpe"])
def test_the_same_seed_suggests_the_same_and_another_seed_something_else(algorithm):
    first, again, other = (
        everything(make_searcher(study(seed=seed, algorithm=algorithm), "lelu")) for seed in (1, 1, 2)
    )
    assert first == again
    assert len(first) == 6
    assert not {json.dumps(config) for config in first} & {json.dumps(config) for config in other}


def test_each_activation_draws_for_itself():
    both = study()
    alone = both.model_copy(update={"activations": both.activations[:2]})
    assert everything(make_searcher(both, "lelu")) == everything(make_searcher(alone, "lelu"))


@pytest.mark.parametrize("domains", [CONTINUOUS, DISCRETE], ids=["continuous", "discrete"])
def test_suggestions_are_plain_values_that_json_gives_back(domains):
    for searcher in (Sampled(domains, 8, seed=3), Tpe(domains, 8, seed=3, metric=LOSS, mode="min", concurrent=1)):
        for config in everything(searcher):
            assert json.loads(json.dumps(config)) == config
            assert all(type(value) in (int, float, str, bool, type(None)) for value in config.values())


@pytest.mark.parametrize("concurrent", [1, 5])
def test_no_setting_is_suggested_twice_and_a_small_space_is_searched_whole(concurrent):
    for searcher in (
        Sampled(DISCRETE, 50, seed=3),
        Tpe(DISCRETE, 50, seed=3, metric=LOSS, mode="min", concurrent=concurrent),
    ):
        found = {json.dumps(config) for config in everything(searcher)}
        assert len(found) == searcher.count == 12


def test_a_pure_grid_is_tried_once_whatever_the_samples():
    grid = space({"k": parse({"grid_search": [1, 2, 5]})}, {"lr": parse({"grid_search": [0.1, 0.01]})})
    found = everything(Sampled(grid, 4, seed=1))
    assert sorted((config["activation.k"], config["training.lr"]) for config in found) == [
        (1, 0.01), (1, 0.1), (2, 0.01), (2, 0.1), (5, 0.01), (5, 0.1),
    ]  # fmt: skip


def test_random_search_holds_to_its_concurrency():
    searcher = Sampled(CONTINUOUS, 4, seed=1, concurrent=2)
    assert [searcher.ready(index) for index in (0, 1)] == [True, True]
    searcher.ask(0), searcher.ask(1)
    assert not searcher.ready(2)
    searcher.complete(1, None)
    assert searcher.ready(2)
    assert all(Sampled(CONTINUOUS, 4, seed=1).ready(index) for index in range(5))


def test_tpe_waits_for_the_trials_it_may_know_and_for_no_other():
    searcher = Tpe(CONTINUOUS, 6, seed=1, metric=LOSS, mode="min", concurrent=3)
    for index in range(3):
        assert searcher.ready(index)
        searcher.ask(index)
    searcher.complete(1, {LOSS: 1.0})
    searcher.complete(2, {LOSS: 1.0})
    assert not searcher.ready(3)
    with pytest.raises(AssertionError, match="before trial 0 was over"):
        searcher.ask(3)
    searcher.complete(0, {LOSS: 1.0})
    assert searcher.ready(3)


@pytest.mark.parametrize("seed", range(3))
def test_tpe_suggests_the_same_in_whatever_order_trials_end(seed):
    """A cluster's timing: trials of the window end in random order, more of them than must."""
    chaos = random.Random(seed)
    searcher = Tpe(CONTINUOUS, 20, seed=5, metric=LOSS, mode="min", concurrent=4)
    configs, running = [], []
    while len(configs) < 20 or running:
        if len(configs) < 20 and searcher.ready(len(configs)) and chaos.random() < 0.7:
            running.append(len(configs))
            configs.append(searcher.ask(len(configs)))
        elif running:
            done = running.pop(chaos.randrange(len(running)))
            searcher.complete(done, {LOSS: score(configs[done])} if done % 7 else None)

    straight = Tpe(CONTINUOUS, 20, seed=5, metric=LOSS, mode="min", concurrent=4)
    expected = []
    for index in range(20):
        if index >= 4:
            done = index - 4
            straight.complete(done, {LOSS: score(expected[done])} if done % 7 else None)
        expected.append(straight.ask(index))
    assert configs == expected


def test_tpe_learns():
    learned, blind = (
        [score(config) for config in run]
        for run in (
            _minimised(Tpe(CONTINUOUS, 60, seed=2, metric=LOSS, mode="min", concurrent=1)),
            _minimised(Sampled(CONTINUOUS, 60, seed=2)),
        )
    )
    assert sorted(learned[30:])[15] < 0.5 * sorted(blind[30:])[15]


def _minimised(searcher):
    found = []
    while (config := searcher.ask(len(found))) is not None:
        found.append(config)
        searcher.complete(len(found) - 1, {LOSS: score(config)})
    return found


def test_tpe_takes_a_failure_for_bad_and_a_loss_for_nothing():
    """The best is at the border of a half that fails, which it leaves; where nodes died instead, it learns nothing."""
    low = {}
    for name, told in {"fails": {"metrics": None}, "lost": {"metrics": None, "lost": True}}.items():
        searcher = Tpe(space({"x": parse({"uniform": [0, 1]})}, {}), 60, seed=4, metric=LOSS, mode="min", concurrent=1)
        for index in range(60):
            x = searcher.ask(index)["activation.x"]
            searcher.complete(index, **(told if x < 0.5 else {"metrics": {LOSS: x}}))
            low[name] = low.get(name, 0) + (x < 0.5 and index >= 30)
    assert low["fails"] < low["lost"] / 2, low


def test_a_metric_that_is_not_finite_counts_as_a_failure():
    searcher = Tpe(CONTINUOUS, 14, seed=1, metric=LOSS, mode="min", concurrent=1)
    for index in range(14):
        assert searcher.ask(index) is not None
        searcher.complete(index, {LOSS: math.nan if index % 2 else math.inf})


def test_accuracy_is_searched_upwards():
    searcher = Tpe(
        space({"x": parse({"uniform": [0, 1]})}, {}), 60, seed=4, metric="validation/accuracy", mode="max", concurrent=1
    )
    found = []
    for index in range(60):
        found.append(searcher.ask(index)["activation.x"])
        searcher.complete(index, {"validation/accuracy": found[-1]})
    assert sum(found[30:]) / 30 > 0.8


def test_optuna_does_not_write_over_the_table(capfd):
    Tpe(CONTINUOUS, 2, seed=1, metric=LOSS, mode="min", concurrent=1).ask(0)
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("optuna.storages._in_memory").filters == []


def test_asha_stops_what_is_not_among_the_best_third_at_a_rung():
    scheduler = Asha(metric=LOSS, mode="min", epochs=9, grace_epochs=1, reduction_factor=3)
    values = [1.0, 2.0, 0.5, 3.0]
    assert [scheduler.result(index, 1, {LOSS: value}) for index, value in enumerate(values)] == [
        False,
        True,
        False,
        True,
    ]
    assert not scheduler.result(0, 2, {LOSS: 9.0}), "epoch 2 is no rung"
    assert not scheduler.result(0, 3, {LOSS: 0.9})
    assert not scheduler.result(2, 2, {LOSS: 0.4})
    assert scheduler.result(2, 3, {LOSS: 0.95})


def test_asha_never_stops_the_first_nor_at_the_last_epoch_and_repeats_its_answers():
    scheduler = Asha(metric="validation/accuracy", mode="max", epochs=4, grace_epochs=2, reduction_factor=2)
    assert [scheduler.result(0, epoch, {"validation/accuracy": 0.9}) for epoch in (1, 2, 3, 4)] == [False] * 4
    scheduler.complete(0, None)
    assert [scheduler.result(1, epoch, {"validation/accuracy": 0.1}) for epoch in (1, 2)] == [False, True]
    assert [scheduler.result(1, epoch, {"validation/accuracy": 0.95}) for epoch in (2, 1)] == [True, True]
    scheduler.complete(1, None)
    scheduler.complete(1, None)
    scheduler.complete(2, None)


def test_asha_replayed_decides_the_same():
    chaos = random.Random(0)
    events, epochs = [], dict.fromkeys(range(12), 0)
    scheduler = Asha(metric=LOSS, mode="min", epochs=9, grace_epochs=1, reduction_factor=3)
    while epochs:
        index = chaos.choice(sorted(epochs))
        epochs[index] += 1
        value = chaos.random() / epochs[index]
        stop = scheduler.result(index, epochs[index], {LOSS: value})
        events.append((index, epochs[index], value, stop))
        if stop or epochs[index] == 9:
            scheduler.complete(index, None)
            del epochs[index]
    again = Asha(metric=LOSS, mode="min", epochs=9, grace_epochs=1, reduction_factor=3)
    for index, epoch, value, stop in events:
        assert again.result(index, epoch, {LOSS: value}) is stop
        if stop or epoch == 9:
            again.complete(index, None)
    assert any(stop for *_, stop in events)


def test_a_study_chooses_its_scheduler():
    assert isinstance(make_scheduler(study(), "lelu"), NoScheduler)
    assert not make_scheduler(study(), "lelu").result(0, 1, {LOSS: 1.0})
    asha = make_scheduler(study(scheduler="{name: asha, grace_epochs: 2}"), "lelu")
    assert [asha.result(index, 1, {LOSS: float(index)}) for index in range(5)] == [False] * 5
    assert [asha.result(index, 2, {LOSS: float(index)}) for index in range(5)] == [False, True, True, True, True]


def test_importing_the_search_loads_nothing_of_ray_and_making_a_searcher_starts_none():
    code = """
import sys
from sweeps.search.schedulers import Asha
from sweeps.search.searchers import Sampled, Tpe
from sweeps.study.space import parse, space
assert not {"ray", "optuna", "torch"} & set(sys.modules)
domains = space({"k": parse({"uniform": [0, 1]})}, {})
Sampled(domains, 2, seed=1).ask(0)
Tpe(domains, 2, seed=1, metric="validation/loss", mode="min", concurrent=1).ask(0)
asha = Asha(metric="validation/loss", mode="min", epochs=3, grace_epochs=1, reduction_factor=3)
asha.result(0, 1, {"validation/loss": 1.0})
import ray
assert not ray.is_initialized()
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=120)
