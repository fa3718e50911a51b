"""The commands on a suite, as a user meets them."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from slurm.testing import FakeSlurm
from sweeps.cli import detached
from sweeps.cli.main import main
from sweeps.driver import sent
from sweeps.driver.preflight import Checked
from sweeps.study.planner import UNSEEN
from sweeps.suite import folder
from sweeps.suite.reading import load

SUITE = """
suite: tables
question: Is LELU better than ReLU on tables?
base:
  data: {name: wine}
  model: {name: mlp, hidden: "8"}
  training: {epochs: 2, batch: 64, patience: null}
  folds: {folds: 3}
  activations: [relu, lelu]
  cluster: {pack: 3}
studies:
  wine: {}
  cancer: {data: breast_cancer}
  digits: {data: digits}
"""


def call(*words: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "sweeps.cli", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900, stdin=subprocess.DEVNULL)


def asked(*words: str, folder: Path | None = None) -> Result:
    """The command in this process: what a process of its own adds, the suite that ran tries."""
    with contextlib.chdir(folder or Path.cwd()):
        return CliRunner().invoke(main, words)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A suite of three real data sets, trained and reported by one command."""
    home = tmp_path_factory.mktemp("suites")
    (home / "tables.yaml").write_text(SUITE)
    return home / "runs" / "tables", call("run", "tables.yaml", folder=home)


@pytest.mark.slow
def test_one_command_goes_from_a_file_to_one_report(ran: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    path, done = ran
    assert done.returncode == 0, done.stderr
    assert "wine: mlp: 1 place, 1 application of relu" in done.stdout
    assert "tables: 18/18 folds (wine 6/6, cancer 6/6, digits 6/6) | 36/36 epochs | 0 jobs | done" in done.stdout
    assert f"report: {path / 'report' / 'report.html'}" in done.stdout
    assert "MLflow: actsweep ui runs/tables" in done.stdout
    assert done.stdout.count("driver: ") == 1
    numbers = json.loads((path / "report" / "numbers.json").read_text())
    assert numbers["answer"]["question"] == "Is LELU better than ReLU on tables?"
    assert {row["dataset"] for row in numbers["answer"]["comparisons"]} == {"wine", "breast_cancer", "digits"}
    page = (path / "report" / "report.md").read_text()
    assert "3 data sets are too few to conclude for others (6 are needed)" in page
    assert (path / "mlflow.db").is_file()
    assert not list(path.glob("*/mlflow.db"))


@pytest.mark.slow
def test_every_command_takes_the_folder(ran: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    path, _ = ran
    assert "18/18" in asked("status", str(path)).stdout
    assert json.loads(asked("status", str(path), "--json").stdout)["studies"]["wine"]["finished"]
    assert "relu-c000/fold-0-2: finished after 2 epochs" in asked("logs", str(path), "cancer/relu-c000", "0-2").stdout
    assert "relu-c000/fold-0-1: finished" in asked("logs", str(path), "cancer/relu-c000/fold-0-1").stdout
    assert f"nothing to stop: the suite in {path} is finished" in asked("stop", str(path)).stdout
    for member in ("wine", "cancer", "digits"):
        assert f"MLflow has 2 trials and 6 folds of tables-{member}" in asked("sync", str(path)).stdout
    assert "done" in asked("tick", str(path)).stdout
    assert asked("status", str(path / "wine")).exit_code == 0


@pytest.mark.slow
def test_running_or_resuming_it_again_trains_nothing(ran: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    path, _ = ran
    before = {file: file.read_bytes() for file in path.glob("*/ledger.jsonl")}
    assert len(before) == 3
    done = asked("run", "tables.yaml", "--no-report", folder=path.parent.parent)
    assert (done.exit_code, "goes on where it ended" in done.stdout) == (0, True), done.stderr
    assert asked("resume", str(path), "--retry-failed", "--no-report").exit_code == 0
    assert {file: file.read_bytes() for file in before} == before


@pytest.mark.slow
def test_a_report_of_one_member_and_of_the_suite_stand_apart(
    ran: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    path, _ = ran
    assert asked("report", str(path / "wine"), "--out", str(tmp_path / "one")).exit_code == 0
    one = json.loads((tmp_path / "one" / "numbers.json").read_text())
    assert {row["dataset"] for row in one["answer"]["comparisons"]} == {"wine"}
    assert asked("report", str(path), "--out", str(tmp_path / "all")).exit_code == 0
    assert (tmp_path / "all" / "numbers.json").read_text() == (path / "report" / "numbers.json").read_text()


@pytest.mark.slow
def test_the_driver_as_a_job_drives_and_reports_a_suite(
    ran: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    path, _ = ran
    (path / "report" / "report.html").unlink()
    said = json.loads(detached.run(json.dumps({"path": str(path), "interval_s": 0.1})))
    assert said == {"interrupted": False}
    assert (path / "report" / "report.html").is_file()


def test_check_shows_every_member_and_the_total(tmp_path: Path) -> None:
    (tmp_path / "tables.yaml").write_text(SUITE)
    said = asked("check", str(tmp_path / "tables.yaml"), "--quick").stdout
    assert "suite tables: 3 studies: wine, cancer, digits" in said
    assert "question: Is LELU better than ReLU on tables?" in said
    for member in ("wine", "cancer", "digits"):
        assert f"study tables-{member}, digest " in said
    assert said.splitlines()[-1] == "-- all: 18 folds, at most 36 epochs, on profile local"
    resolved = asked("check", str(tmp_path / "tables.yaml"), "--resolved").stdout
    assert load(resolved) == load(tmp_path / "tables.yaml")


@pytest.mark.slow
def test_a_problem_of_any_member_is_told_before_anything_is_written(tmp_path: Path) -> None:
    text = (
        SUITE.partition("  wine: {}")[0]
        + "  digits: {data: digits, folds: {folds: 900}}\n  few: {folds: {folds: 800}}\n"
    )
    (tmp_path / "tables.yaml").write_text(text)
    done = asked("run", "tables.yaml", folder=tmp_path)
    assert done.exit_code == 2
    assert "tables-digits: " in done.stderr
    assert "tables-few: " in done.stderr
    assert "Traceback" not in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["tables.yaml"]


def test_a_suite_of_another_version_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "tables.yaml").write_text(SUITE)
    path = tmp_path / "runs" / "tables"
    folder.make(load(SUITE), path, ["test"], {})
    (tmp_path / "tables.yaml").write_text(SUITE.replace("epochs: 2", "epochs: 3"))
    before = sorted(tmp_path.rglob("*"))
    done = asked("run", "tables.yaml", folder=tmp_path)
    assert done.exit_code == 2
    assert "holds another version of suite 'tables': wine has digest" in done.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_a_suite_where_a_study_is_asked_for_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweeps.driver.preflight.check", lambda study: Checked([], "", UNSEEN))
    path = tmp_path / "runs" / "tables"
    folder.make(load(SUITE), path, ["test"], {})
    done = asked("run", str(path))
    assert done.exit_code == 2
    assert f"{path}: a suite's folder, not its file; go on with it by `actsweep resume {path}`" in done.stderr
    done = asked("logs", str(path), "relu-c000")
    assert done.exit_code == 2
    assert (
        "got 'relu-c000'; of a suite, accepts MEMBER/TRIAL, as wine/relu-c000, with one of wine, cancer" in done.stderr
    )
    done = asked("run", "smoke", "--folder", str(path))
    assert done.exit_code == 2
    assert f"{path}: holds a suite, and a study has a folder of its own" in done.stderr
    (tmp_path / "tables.yaml").write_text(SUITE)
    done = asked("run", str(tmp_path / "tables.yaml"), "--folder", str(path / "wine"))
    assert done.exit_code == 2
    assert "holds a study, and a suite has a folder of its own" in done.stderr


def test_shipped_suites_are_listed_and_shown() -> None:
    said = asked("studies").stdout
    small, large = said.split("As in a paper")
    assert "dsrelu-suite-cpu " in small
    assert "dsrelu-suite " in large
    assert "\n# Is DSReLU better than five" in asked("studies", "show", "dsrelu-suite").stdout


def test_a_detached_driver_is_one_job_for_the_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeSlurm(tmp_path / "slurm")
    monkeypatch.setenv("PATH", f"{fake.install()}:{os.environ['PATH']}")
    (tmp_path / "lab.yaml").write_text("executor: slurm\ntime_min: 60\nmem_gb: 2\ncpus_per_pack: 1\n")
    (tmp_path / "tables.yaml").write_text(SUITE)
    monkeypatch.setattr("sweeps.driver.preflight.check", lambda study: Checked([], "", UNSEEN))
    path = tmp_path / "runs" / "tables"
    words = ("run", str(tmp_path / "tables.yaml"), "--folder", str(path), "--detach")
    refused = asked(*words)
    assert refused.exit_code == 2
    assert "--detach needs a profile with executor: slurm" in refused.stderr
    assert not path.exists()
    done = asked(*words, "--cluster", str(tmp_path / "lab.yaml"))
    assert done.exit_code == 0, done.output
    assert f"follow it with `actsweep status {path}`" in done.stdout
    (script,) = path.glob("jobs/tables.driver.*/record.json")
    assert json.loads((script.parent / "texts.jsonl").read_text()) == json.dumps(
        {"path": str(path), "interval_s": 1.0, "no_report": False}
    )
    (waiting,) = sent.sent(path)
    assert f"its driver, job {waiting.job}, has not begun" in asked("status", str(path)).output
    assert f"its driver: job {waiting.job} cancelled" in asked("stop", str(path)).output
    assert fake.jobs()[waiting.job]["word"].startswith("CANCELLED")
