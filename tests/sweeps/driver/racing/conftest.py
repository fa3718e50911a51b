"""What the tests of races share: ``races.py`` beside this file by its bare name, and a race that was left alone."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from trainer.testing import pretended

_spec = importlib.util.spec_from_file_location("races", Path(__file__).with_name("races.py"))
assert _spec is not None
assert _spec.loader is not None
races = importlib.util.module_from_spec(_spec)
sys.modules["races"] = races
_spec.loader.exec_module(races)


@pytest.fixture(autouse=True)
def _known_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretended, "value", races.score)
    monkeypatch.setenv("ACTSWEEP_PRETEND_EPOCH_S", "0")


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study ``races.STUDY``, finished; its ledger and folds are only to be read."""
    path = tmp_path_factory.mktemp("undisturbed") / "study"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretended, "value", races.score)
        races.finish(races.driver_on(races.made(path)))
    return path
