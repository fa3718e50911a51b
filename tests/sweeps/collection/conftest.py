"""Folders of studies with invented numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.runs.plan import from_json, to_json
from sweeps.testing import InventedTrial, invent_study

Add = Callable[..., Path]
TRIALS = [InventedTrial(label="relu"), InventedTrial(label="dsrelu", params={"a": 3.7})]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "runs").mkdir()
    return tmp_path / "runs"


@pytest.fixture
def add(root: Path) -> Add:
    """Adds a study below the folder; each has a sweep of its own unless one is named."""

    def added(at: str, name: str = "digits", sweep: str = "", uri: str = "", write_folds: bool = True) -> Path:
        folder = root / at
        invent_study(folder, TRIALS, name=name, folds=2, epochs=2, write_folds=write_folds)
        plan = folder / "plan.json"
        found = dataclasses.replace(from_json(plan.read_text()), sweep=sweep or f"{at:0>16}")
        plan.write_text(to_json(found))
        if uri:
            (folder / "study.yaml").write_text(f"name: {name}\ntracking: {{uri: {uri}}}\n")
        return folder

    return added
