"""What the rehearsal before a run may cost; the numbers come from ``bench_preflight.py``."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest


def measure(*asked: Any) -> dict[str, float]:
    spec = importlib.util.spec_from_file_location("bench_preflight", Path(__file__).with_name("bench_preflight.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict[str, float] = module.measure(*asked)
    return found


def test_both_ends_of_a_space_are_tried_in_a_moment(tmp_path: Path) -> None:
    found = measure(3, "tiny_cnn", tmp_path)
    assert found["settings"] == 6
    assert found["cpu_s"] < 20


@pytest.mark.bench
def test_thirty_activations_on_resnet34_take_less_than_a_minute_of_one_core(tmp_path: Path) -> None:
    found = measure(30, "resnet34", tmp_path)
    assert found["settings"] == 60
    assert found["cpu_s"] < 60
