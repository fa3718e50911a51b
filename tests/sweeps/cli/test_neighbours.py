"""What a store holds under a study's name is told before anything is trained or written; every remedy that is named
works."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from analysis.errors import SourceError
from analysis.runs import load, schema
from sweeps.cli import driving, suites
from sweeps.cli.main import main
from sweeps.driver import preflight, session
from sweeps.study.planner import UNSEEN
from sweeps.tracking.store import configure_mlflow, initialise
from sweeps.tracking.tracker import Tracker

configure_mlflow()
TINY = """
name: tiny
data: {{name: wine}}
model: {{name: mlp}}
training: {{epochs: {epochs}, patience: null}}
folds: {{folds: 2}}
activations: [relu, elu]
tracking: {{uri: "{uri}"}}
"""
SUITE = """
suite: both
question: "?"
studies:
  a: {base: tiny.yaml}
  b: {base: tiny.yaml, training: {epochs: 5}}
"""


@pytest.fixture(scope="module")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    database = tmp_path_factory.mktemp("store") / "all.db"
    initialise(database)
    return database


@pytest.fixture
def uri(tmp_path: Path, empty_file: Path) -> str:
    (tmp_path / "shared").mkdir()
    shutil.copy(empty_file, tmp_path / "shared" / "all.db")
    return f"sqlite:///{tmp_path}/shared/all.db"


@pytest.fixture(autouse=True)
def nothing_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither tried nor driven: stores are asked before both."""
    monkeypatch.setattr(preflight, "check", lambda _: preflight.Checked([], "", UNSEEN))
    monkeypatch.setattr(driving, "drive", lambda *_, **__: None)
    monkeypatch.setattr(suites, "drive", lambda *_, **__: None)


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    with contextlib.chdir(folder):
        done = CliRunner(catch_exceptions=False).invoke(main, words, prog_name="actsweep")
    return subprocess.CompletedProcess(words, done.exit_code, done.stdout, done.stderr)


def client(uri: str) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


def started(home: Path, uri: str, *, epochs: int = 3) -> Path:
    """A study that another person began, as its experiment has it."""
    home.mkdir()
    (home / "tiny.yaml").write_text(TINY.format(uri=uri, epochs=epochs))
    done = run(home, "run", "tiny.yaml")
    assert done.returncode == 0, done.stderr
    Tracker(uri, home / "runs" / "tiny").sync()
    return home / "runs" / "tiny"


def test_a_clash_is_refused_before_anything_is_written_and_each_remedy_works(tmp_path: Path, uri: str) -> None:
    theirs, ours = started(tmp_path / "theirs", uri), tmp_path / "ours"
    ours.mkdir()
    (ours / "tiny.yaml").write_text(TINY.format(uri=uri, epochs=4))
    refused = run(ours, "run", "tiny.yaml")
    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    digests = re.search(r"digest ([0-9a-f]+), this one has ([0-9a-f]+)", line)
    assert digests
    assert digests[1] != digests[2]
    assert f"{uri}: experiment 'tiny' holds another study of that name" in line
    assert re.search(rf"it is of \S+, folder \S*{theirs}, declared 20", line)
    assert "Rename or delete that experiment in MLflow and run again; or give this study another name:" in line
    assert [path.name for path in ours.iterdir()] == ["tiny.yaml"]

    (ours / "other.yaml").write_text(TINY.format(uri=uri, epochs=4).replace("tiny", "other"))
    assert run(ours, "run", "other.yaml").returncode == 0  # another name
    known = client(uri).get_experiment_by_name("tiny").experiment_id
    client(uri).rename_experiment(known, "tiny of theirs")
    assert run(ours, "run", "tiny.yaml", "--folder", "renamed").returncode == 0
    client(uri).rename_experiment(known, "tiny")
    client(uri).delete_experiment(known)
    done = run(ours, "run", "tiny.yaml")
    assert done.returncode == 0, done.stderr
    Tracker(uri, ours / "runs" / "tiny").sync()
    (mine,) = client(uri).search_experiments()[:1]
    assert re.fullmatch(r"tiny \(.+, [0-9a-f]{6}\)", mine.name)
    Tracker(uri, theirs).sync()  # which takes its experiment out of the trash again
    assert client(uri).get_experiment(known).lifecycle_stage == "active"
    assert client(uri).get_experiment(mine.experiment_id).lifecycle_stage == "active"
    assert run(ours, "run", "tiny.yaml").returncode == 0  # goes on: its experiment is there


def test_a_study_that_was_begun_while_its_store_was_silent_goes_on_beside(tmp_path: Path, uri: str) -> None:
    ours = tmp_path / "ours"
    ours.mkdir()
    silent = "http://127.0.0.1:9"
    (ours / "tiny.yaml").write_text(TINY.format(uri=silent, epochs=4))
    done = run(ours, "run", "tiny.yaml")
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stdout.splitlines() if silent in line]
    assert len(told) == 1
    assert "nobody answers" in told[0]
    assert "The study goes on without it" in told[0]
    started(tmp_path / "theirs", uri)
    Tracker(uri, ours / "runs" / "tiny").sync()  # the silent store, which has both now
    assert len(client(uri).search_experiments()) == 3


def test_the_same_study_of_somebody_else_is_told_in_one_line(tmp_path: Path, uri: str) -> None:
    theirs, ours = started(tmp_path / "theirs", uri), tmp_path / "ours"
    ours.mkdir()
    shutil.copy(tmp_path / "theirs" / "tiny.yaml", ours)
    done = run(ours, "run", "tiny.yaml")
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if "is there already" in line]
    assert str(theirs) in line
    assert "lies beside" in line
    again = run(tmp_path / "theirs", "run", "tiny.yaml")
    assert "is there already" not in again.stdout  # it is their own


def test_an_experiment_that_is_none_of_ours_is_told_and_left_alone(tmp_path: Path, uri: str) -> None:
    client(uri).create_experiment("tiny")
    started(tmp_path / "ours", uri)
    names = {one.name for one in client(uri).search_experiments()}
    assert len(names) == 3
    assert {"Default", "tiny"} < names


def test_a_suite_tells_the_clashes_of_all_its_studies(tmp_path: Path, uri: str) -> None:
    for name in ("both-a", "both-b"):
        client(uri).create_experiment(name, tags={schema.STUDY_DIGEST: "fedcba9876543210"})
    (tmp_path / "tiny.yaml").write_text(TINY.format(uri=uri, epochs=3))
    (tmp_path / "both.yaml").write_text(SUITE)
    refused = run(tmp_path, "run", "both.yaml")
    assert refused.returncode == 2, refused.stderr
    assert [re.findall(r"experiment '(.*?)'", line) for line in refused.stderr.splitlines()] == [["both-a"], ["both-b"]]
    assert "it is of nobody known" in refused.stderr
    assert not (tmp_path / "runs").exists()


def test_a_grown_study_without_an_experiment_of_its_own_is_refused_on_a_clash(tmp_path: Path, uri: str) -> None:
    home = tmp_path / "ours"
    path = started(home, uri)
    known = client(uri).get_experiment_by_name("tiny").experiment_id
    more = (home / "tiny.yaml").read_text().replace("[relu, elu]", "[relu, elu, tanh]")
    (home / "more.yaml").write_text(more)
    client(uri).delete_experiment_tag(known, schema.SWEEP)
    client(uri).set_experiment_tag(known, schema.STUDY_DIGEST, "fedcba9876543210")
    before = (path / "study.yaml").read_text()
    refused = run(home, "extend", str(path), "more.yaml")
    assert refused.returncode == 2, refused.stdout
    assert f"or go on beside it with `actsweep resume {path}`" in refused.stderr
    assert (path / "study.yaml").read_text() == before
    assert run(home, "resume", str(path)).returncode == 0
    session.sync(path)
    assert len(client(uri).search_experiments()) == 3
    done = run(home, "extend", str(path), "more.yaml")  # now it has one
    assert done.returncode == 0, done.stderr


def test_a_study_is_read_by_its_sweep_and_an_ambiguous_name_is_told(tmp_path: Path, uri: str) -> None:
    for name in ("first", "second"):
        started(tmp_path / name, uri)
    client(uri).rename_experiment(client(uri).get_experiment_by_name("tiny").experiment_id, "renamed")
    with pytest.raises(SourceError, match=r"several studies named 'tiny'; the store has 'renamed', 'tiny \(.*; name"):
        load.load(uri, "tiny")
    with pytest.raises(SourceError, match=r"no runs of sweep beef yet; `actsweep sync DIR`"):
        load.load(uri, sweep="beef")
