"""No file and no function of the product is too long to be read at once, but where a comment says why."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("analysis", "slurm", "sweeps", "trainer")
FILE_LINES, FUNCTION_LINES = 350, 60
WHY = "# long:"
"""Begins the comment that excuses a function, on the line above it or on its first line."""


def too_long(root: Path) -> set[str]:
    """Files, and functions as ``file: name``."""
    found = set()
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            name, lines = path.relative_to(root).as_posix(), path.read_text(encoding="utf-8").splitlines()
            if len(lines) > FILE_LINES:
                found.add(name)
            found |= {f"{name}: {function}" for function in _long_functions(lines)}
    return found


def _long_functions(lines: list[str]) -> Iterator[str]:
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            around = lines[first - 2 : first - 1] + lines[node.lineno - 1 : node.body[0].lineno]
            excused = any(WHY in line for line in around)
            if node.end_lineno - node.lineno + 1 > FUNCTION_LINES and not excused:
                yield node.name


def test_files_and_functions_are_short() -> None:
    assert too_long(ROOT) == set()


def test_a_long_file_and_a_long_function_are_found(tmp_path: Path) -> None:
    body = "".join(f"    a = {number}\n" for number in range(FUNCTION_LINES))
    for package in PACKAGES:
        (tmp_path / package).mkdir()
    (tmp_path / "slurm" / "short.py").write_text("a = 1\n" * FILE_LINES)
    (tmp_path / "slurm" / "long.py").write_text("a = 1\n" * (FILE_LINES + 1))
    (tmp_path / "trainer" / "one.py").write_text(f"class A:\n  def long(self):\n{body}\n")
    (tmp_path / "trainer" / "two.py").write_text(f"{WHY} a table of numbers\ndef table():\n{body}\n")
    (tmp_path / "trainer" / "three.py").write_text(f"def table():  {WHY} a table\n{body}\n")
    assert too_long(tmp_path) == {"slurm/long.py", "trainer/one.py: long"}
