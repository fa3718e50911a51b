from __future__ import annotations

import json
import subprocess
from dataclasses import asdict
from pathlib import Path

import pytest

from sweeps.folder.provenance import MAX_DIFF, collect, mask, mask_command, write


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", str(folder), *identity, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "work")
    (folder / "act.py").write_text("slope = 75\n")
    git(folder, "add", "act.py")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def test_commit_branch_and_diff_of_the_current_repository(repository: Path) -> None:
    clean = collect(["actsweep", "run"], repository).git
    assert (clean.commit, clean.branch) == (git(repository, "rev-parse", "HEAD"), "work")
    assert (clean.dirty, clean.diff, clean.untracked) == (False, "", 0)
    (repository / "act.py").write_text("slope = 60\n")
    (repository / "notes.txt").write_text("private words")
    below = repository / "below"
    below.mkdir()
    dirty = collect(["actsweep", "run"], below).git
    assert dirty.dirty
    assert "-slope = 75\n+slope = 60" in dirty.diff
    assert dirty.untracked == 1
    assert "private words" not in dirty.diff


def test_a_diff_of_data_is_cut(repository: Path) -> None:
    (repository / "act.py").write_text("0123456789\n" * (MAX_DIFF // 10))
    diff = collect([], repository).git.diff
    assert len(diff) < MAX_DIFF + 100
    assert "... cut: " in diff


def test_no_repository_and_no_commit_are_no_error(tmp_path: Path) -> None:
    assert collect([], tmp_path).git.commit == ""
    assert collect([], tmp_path / "missing").git.commit == ""
    git(tmp_path, "init", "-q")
    assert collect([], tmp_path).git.commit == ""


def test_only_the_allowlist_of_the_environment_is_kept(tmp_path: Path) -> None:
    environment = {
        "OMP_NUM_THREADS": "2",
        "MLFLOW_TRACKING_PASSWORD": "hunter2",
        "MLFLOW_TRACKING_URI": "http://anna:hunter2@host",
        "AWS_SECRET_ACCESS_KEY": "hunter2",
        "HOME": "/home/hunter2",
    }
    provenance = collect(["actsweep", "run", "study.yaml"], tmp_path, environment=environment)
    assert provenance.environment == {"OMP_NUM_THREADS": "2"}
    assert "hunter2" not in json.dumps(asdict(provenance))


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (["--password", "hunter2", "run"], ("--password", "***", "run")),
        (["--api-key=hunter2"], ("--api-key=***",)),
        (["--token", "--force"], ("--token", "--force")),
        (["--uri", "https://anna:hunter2@host/x"], ("--uri", "https://***@host/x")),
        (["run", "study.yaml", "--port", "5000"], ("run", "study.yaml", "--port", "5000")),
    ],
)
def test_credentials_in_a_command_are_masked(words: list[str], kept: tuple[str, ...]) -> None:
    assert mask_command(words) == kept


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('+PASSWORD = "hunter2"', '+PASSWORD = "***"'),
        ("+  db_secret_key: hunter2", "+  db_secret_key: ***"),
        ("+{'access_token': 'hunter2', 'k': 5}", "+{'access_token': '***', 'k': 5}"),
        ("+count the tokens of a sentence", "+count the tokens of a sentence"),
        ("+lr = 0.1", "+lr = 0.1"),
    ],
)
def test_credentials_in_a_diff_are_masked(text: str, kept: str) -> None:
    assert mask(text) == kept


def test_masking_a_long_line_takes_no_time() -> None:
    line = "x" * MAX_DIFF
    assert mask(line) == line
    line = "token" * (MAX_DIFF // 5)
    assert mask(line) == line


def test_versions_host_and_time_are_there(tmp_path: Path) -> None:
    provenance = collect(["actsweep"], tmp_path)
    assert {"torch", "mlflow", "ray", "numpy"} <= set(provenance.versions)
    assert provenance.host
    assert provenance.time.endswith("+00:00")
    assert provenance.python.startswith("3.")


def test_what_was_collected_is_written(repository: Path, tmp_path: Path) -> None:
    write(tmp_path, collect(["actsweep", "run"], repository))
    written = json.loads((tmp_path / "provenance.json").read_text())
    assert written["command"] == ["actsweep", "run"]
    assert written["git"]["commit"]
