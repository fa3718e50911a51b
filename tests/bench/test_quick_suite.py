"""Whether ``tests/run --quick`` catches what it is there to catch: each fault is put into a copy of the tree.

python -m pytest tests/bench/test_quick_suite.py
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[2]
FAULTS = {
    "a sign in a formula": (
        "trainer/activations/lelu.py",
        "return torch.add(curved, negative, alpha=self.beta.value)",
        "return torch.add(curved, negative, alpha=-self.beta.value)",
    ),
    "each fold is its neighbour": (
        "trainer/splits.py",
        "parts=spec.folds, seed=seed)[fold]",
        "parts=spec.folds, seed=seed)[fold - 1]",
    ),
    "a fold too many is dealt": (
        "trainer/splits.py",
        "parts=spec.folds, seed=seed)[fold]",
        "parts=spec.folds + 1, seed=seed)[fold]",
    ),
    "a ledger's replay forgets what is completed": (
        "sweeps/folder/state.py",
        "self.completed[record.trial] = record",
        "pass",
    ),
    "a section of the report raises": (
        "analysis/report/sections/results.py",
        "blocks: list[Block] = [Drawn(plot) for plot in comparisons.forest(findings)]",
        "raise RuntimeError('no section')",
    ),
    "two columns of a report's table are swapped": (
        "analysis/report/sections/results.py",
        '"low": low if len(values) >= 3 else math.nan,\n                    "high": high',
        '"low": high if len(values) >= 3 else math.nan,\n                    "high": low',
    ),
}


def quick(tree: Path) -> subprocess.CompletedProcess[str]:
    """The tests of ``tests/run --quick`` on a tree, up to the first that fails."""
    chosen = re.search(r"quick='(.+)'", (ROOT / "tests" / "run").read_text(encoding="utf-8"))
    assert chosen is not None
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "2", "--dist", "loadfile", "-m", chosen[1]]
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, env=environment)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what the tests need."""
    place = tmp_path / "tree"
    left_out = shutil.ignore_patterns("__pycache__")
    for name in ("analysis", "slurm", "sweeps", "tests", "trainer"):
        shutil.copytree(ROOT / name, place / name, ignore=left_out)
    for name in ("README.md", "constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, place / name)
    return place


def test_the_tree_passes_as_it_is(tree: Path) -> None:
    done = quick(tree)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_caught(fault: str, tree: Path) -> None:
    name, before, after = FAULTS[fault]
    text = (tree / name).read_text(encoding="utf-8")
    assert text.count(before) == 1
    (tree / name).write_text(text.replace(before, after), encoding="utf-8")
    done = quick(tree)
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    assert done.returncode != 0, done.stdout[-3000:]
    assert failed, done.stdout[-3000:] + done.stderr[-3000:]
    print(f"{fault}: {', '.join(failed)}")
