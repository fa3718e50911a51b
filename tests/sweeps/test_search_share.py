"""What keeping a search's items to themselves is for, on the simulation of tests/bench."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

FILE = Path(__file__).parents[1] / "bench" / "bench_search_share.py"


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_search_share", FILE)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made  # dataclasses look their module up
    try:
        spec.loader.exec_module(made)
    finally:
        del sys.modules[spec.name]
    return made


@pytest.mark.slow
def test_a_winner_keeps_its_gain_on_fresh_items_only_where_the_search_had_items_of_its_own(bench: ModuleType) -> None:
    before = bench.simulate(600, 0.0, pick="best", studies=150, seed=5)
    after = bench.simulate(600, 0.4, pick="best", studies=150, seed=5)
    assert before.touched == 1
    assert before.gain - before.fresh > 4 * before.gain_se
    assert after.touched == 0
    assert abs(after.gain - after.fresh) < 3 * after.gain_se


@pytest.mark.slow
def test_what_nothing_selected_shows_its_true_gain_either_way(bench: ModuleType) -> None:
    for share in (0.0, 0.4):
        found = bench.simulate(600, share, pick="random", studies=150, seed=6)
        assert abs(found.gain - found.fresh) < 3 * found.gain_se
