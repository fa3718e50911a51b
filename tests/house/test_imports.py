"""No module imports itself in a circle, not even inside a function or for its types alone; and a circle is found."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path

import grimp
import pytest

PACKAGES = ("analysis", "slurm", "sweeps", "trainer")


def imports(*packages: str) -> dict[str, set[str]]:
    """Module -> the modules of these packages that it imports."""
    graph = grimp.build_graph(*packages, cache_dir=None)
    return {module: set(graph.find_modules_directly_imported_by(module)) for module in graph.modules}


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """The modules of one circle, in order; empty where there is none."""
    done: set[str] = set()
    for start in sorted(graph):
        path: list[str] = []
        todo = [(start, iter(sorted(graph[start])))] if start not in done else []
        while todo:
            module, rest = todo[-1]
            if len(path) < len(todo):
                path.append(module)
            following = next(rest, None)
            if following is None:
                done.add(module)
                todo.pop()
                path.pop()
            elif following in path:
                return path[path.index(following) :]
            elif following not in done:
                todo.append((following, iter(sorted(graph[following]))))
    return []


def test_no_module_is_imported_in_a_circle() -> None:
    graph = imports(*PACKAGES)
    assert len(graph) > 150, "the packages were not read"
    assert circle(graph) == []


def test_a_circle_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "ring"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "alone.py").write_text("from ring import one\n")
    (package / "one.py").write_text("from ring import two\n")
    (package / "two.py").write_text("from ring.three import value\n")
    (package / "three.py").write_text("def late():\n    from ring import one\n    return one\nvalue = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    try:
        assert circle(imports("ring")) == ["ring.one", "ring.two", "ring.three"]
    finally:
        sys.modules.pop("ring", None)
