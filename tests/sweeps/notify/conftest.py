"""A webhook on this machine."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_spec = importlib.util.spec_from_file_location("ends", Path(__file__).with_name("ends.py"))
assert _spec is not None
assert _spec.loader is not None
ends = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(ends)


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    made = ends.Hook()
    monkeypatch.setenv("HOOK", made.address)
    yield made
    made.silent.set()
    made.server.shutdown()
    made.server.server_close()
