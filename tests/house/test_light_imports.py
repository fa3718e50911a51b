"""What a process may load: checked in a subprocess, and the check itself is checked."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "torchvision", "ray", "mlflow", "submitit", "pydantic", "pandas", "matplotlib", "scipy", "sklearn")


def loaded(statement: str) -> set[str]:
    """Top-level packages that a fresh interpreter has after ``statement``."""
    code = f"{statement}\nimport sys; print(' '.join(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    run = subprocess.run([sys.executable, "-P", "-c", code], check=True, capture_output=True, text=True, timeout=120)
    return set(run.stdout.split())


@pytest.mark.parametrize(
    "module", ["trainer", "trainer.entry", "trainer.spec", "trainer.journal", "trainer.catalogue", "trainer.errors"]
)
def test_reading_and_checking_loads_nothing_heavy(module: str) -> None:
    assert not loaded(f"import {module}") & set(HEAVY)


def test_the_cli_says_its_help_without_torch_ray_or_mlflow() -> None:
    statement = (
        "import contextlib, io\n"
        "from click.testing import CliRunner\n"
        "from sweeps.cli.main import main\n"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0"
    )
    assert not loaded(statement) & {"torch", "ray", "mlflow", "pandas", "matplotlib", "submitit"}


def test_a_node_loads_no_ray_mlflow_or_pydantic() -> None:
    """The pack entry with everything that training a fold imports."""
    statement = (
        "import trainer.entry, trainer.pack, trainer.fold, trainer.models.build, trainer.catalogue as c\n"
        "for kind, names in (('activation', c.ACTIVATIONS), ('model', c.MODELS), ('data set', c.DATASETS)):\n"
        "    for name in names: c.resolve(kind, name, names)"
    )
    found = loaded(statement)
    assert "torch" in found
    assert not found & {"ray", "mlflow", "pydantic", "submitit"}


def test_the_check_can_fail() -> None:
    assert "sklearn" in loaded("import sklearn")
