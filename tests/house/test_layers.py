"""The import contracts of pyproject.toml hold, and can fail."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


def test_contracts_hold() -> None:
    run = lint(ROOT)
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("trainer/leak.py", "import mlflow", "trainer is a leaf"),
        ("sweeps/folder/leak.py", "from sweeps.driver import decisions", "the rooms of sweeps"),
        ("sweeps/view/leak.py", "from sweeps.cli import describe", "the rooms of sweeps"),
        ("sweeps/study/leak.py", "from sweeps.tracking import store", "the rooms of sweeps"),
        ("analysis/runs/leak.py", "from analysis.statistics import verdict", "the rooms of analysis"),
        ("analysis/statistics/leak.py", "from analysis.report import tables", "the rooms of analysis"),
    ],
)
def test_a_broken_contract_is_found(tmp_path: Path, module: str, line: str, contract: str) -> None:
    for package in ("analysis", "slurm", "sweeps", "trainer"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / module).write_text(f"{line}\n")
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports; import sys; sys.exit(lint_imports(no_cache=True))",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    assert run.returncode == 1
    (broken,) = [text for text in run.stdout.splitlines() if text.endswith(" BROKEN")]
    assert broken.startswith(contract)
