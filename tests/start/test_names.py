"""Other things that bear our packages' names: ours are found, and what is hidden is told where it was wanted."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMES = ("analysis", "slurm", "sweeps", "trainer")
STUDY = """
name: mine
data: {{name: digits}}
model: {{name: tiny_cnn}}
training: {{epochs: 1, patience: null}}
folds: {{folds: 2}}
activations: [relu, {{activation: "{activation}", label: mine}}]
"""


def in_project(folder: Path, *words: str, first: bool = True) -> subprocess.CompletedProcess[str]:
    """The command line as a user starts it who has ``folder`` on PYTHONPATH, before or behind ours."""
    path = [str(folder), str(ROOT)] if first else [str(ROOT), str(folder)]
    return subprocess.run(
        [sys.executable, "-P", "-m", "actsweep_start", *words], cwd=folder, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
    )  # fmt: skip


@pytest.fixture(params=["file", "package", "namespace", "installed"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder in which something else bears each of the four names."""
    for name in NAMES:
        if request.param == "file":
            (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong one')\n")
            continue
        (tmp_path / name).mkdir()
        (tmp_path / name / "act.py").write_text("from torch import nn\nclass MyAct(nn.ReLU):\n    pass\n")
        if request.param != "namespace":
            (tmp_path / name / "__init__.py").write_text("VERSION = 1\n")
        if request.param == "installed":
            info = tmp_path / f"{name}-9.0.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.0\n")
            (info / "top_level.txt").write_text(f"{name}\n")
    return tmp_path


def test_every_command_works(project: Path) -> None:
    for words in (["--help"], ["check", "smoke", "--quick"], ["studies"]):
        ran = in_project(project, *words)
        assert (ran.returncode, ran.stderr) == (0, ""), words


@pytest.mark.slow
@pytest.mark.parametrize("project", ["file", "namespace"], indirect=True)
def test_doctor_names_what_is_hidden(project: Path) -> None:
    ran = in_project(project, "doctor")
    assert "Traceback" not in ran.stderr
    for name in NAMES:
        assert re.search(rf"note .*{project}/{name}(\.py)? is hidden by actsweep's own package {name};", ran.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("project", ["package", "installed"], indirect=True)
def test_a_study_runs_to_its_report(project: Path) -> None:
    """Trial before a run, driver, jobs and report: each process finds ours."""
    study = project / "study.yaml"
    study.write_text(STUDY.format(activation="torch.nn:Tanh"))
    ran = in_project(project, "run", str(study), "--folder", str(project / "out"), "--interval", "0.1")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert (project / "out" / "report" / "report.html").exists()


@pytest.mark.parametrize("project", ["file", "package"], indirect=True)
def test_what_is_wanted_and_hidden_is_told_with_the_way_out(project: Path) -> None:
    study = project / "study.yaml"
    study.write_text(STUDY.format(activation="trainer.act:MyAct"))
    ran = in_project(project, "run", str(study), "--folder", str(project / "out"))
    assert ran.returncode == 2
    assert "Traceback" not in ran.stderr
    assert re.search(
        rf"trainer\.act:MyAct.*{project}/trainer(\.py)? is hidden by actsweep's own package trainer; give yours "
        r"another name, or move it into a package of another name \(mylab\.trainer", ran.stderr,
    )  # fmt: skip
    assert not (project / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("project", ["package"], indirect=True)
def test_a_module_of_ones_own_that_imports_a_hidden_one_is_told_too(project: Path) -> None:
    (project / "act.py").write_text("from slurm.act import MyAct\n")
    study = project / "study.yaml"
    study.write_text(STUDY.format(activation="act:MyAct"))
    ran = in_project(project, "run", str(study), "--folder", str(project / "out"))
    assert ran.returncode == 2
    assert re.search(rf"act:MyAct.*{project}/slurm(\.py)? is hidden by actsweep's own package slurm;", ran.stderr)


def test_a_name_that_was_imported_before_is_let_go(tmp_path: Path) -> None:
    (tmp_path / "trainer.py").write_text("")
    code = (
        "import sys, trainer; assert trainer.__file__ == sys.argv[1]\n"
        "import actsweep_start; actsweep_start.ours_first(); actsweep_start.ours_first()\n"
        "import trainer.spec; assert len([f for f in sys.meta_path if type(f).__name__ == '_OursFirst']) == 1"
    )
    ran = subprocess.run(
        [sys.executable, "-P", "-c", code, str(tmp_path / "trainer.py")], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr


def test_ones_own_modules_of_other_names_are_found_where_they_were(tmp_path: Path) -> None:
    (tmp_path / "yaml.py").write_text("print('mine')\n")
    (tmp_path / "ask.py").write_text("import sys, yaml, trainer; print(sys.argv[1:])\n")
    ran = in_project(tmp_path, "-u", "-m", "ask", "-u", "word")
    assert ran.stdout == "mine\n['-u', 'word']\n", ran.stderr
