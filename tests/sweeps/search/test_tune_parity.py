"""Our use of Tune's searchers and schedulers against ``tune.Tuner`` itself: same suggestions, same stops."""

import importlib.util
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("parity", Path(__file__).with_name("parity.py"))
parity = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(parity)

TESTED = [
    *((each, stops) for each in ("random", "grid") for stops in ("asha", "median", "hyperband")),
    ("tpe", "asha"),
    ("optuna/gp", "none"),
    ("optuna/nsgaii", "median"),
    ("optuna/qmc", "asha"),
    ("optuna/random", "none"),
    ("optuna/brute_force", "median"),
]
"""At least one pair of everything that is installed with the product; ``tests/bench/bench_tune_parity.py`` has all."""


@pytest.mark.slow
def test_settings_and_stops_are_those_of_the_tuner(tmp_path):
    theirs = parity.reference(TESTED, tmp_path)
    stops = 0
    for pair, found in theirs.items():
        wrong, settings, stopped = parity.differences(pair, found)
        assert not wrong, (pair, wrong)
        assert settings >= 8, pair
        assert stopped < settings, pair
        stops += stopped
    assert stops >= 20, "hardly anything was stopped: nothing to compare"


def test_the_pairs_have_every_search_and_scheduler_that_comes_with_the_product():
    from sweeps.study import algorithms

    shipped = {each for each, _ in parity.PAIRS}
    assert shipped >= {"random", "grid", "tpe", *(f"optuna/{name}" for name in algorithms.SAMPLERS)}
    assert {stops for _, stops in parity.PAIRS} == set(algorithms.SCHEDULERS)
    assert set(TESTED) <= set(parity.PAIRS)
