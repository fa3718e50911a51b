"""A study goes on with what it was started with, from whichever shell it is driven."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sweeps.driver import needs, session
from sweeps.errors import StudyError
from sweeps.folder import ledger, surroundings
from sweeps.folder.records import GaveUp, JobOver, Submitted
from sweeps.folder.state import replay
from sweeps.study import shipped
from sweeps.study.reading import load
from sweeps.study.study import Study
from trainer.codec import from_text
from trainer.journal import read_fold
from trainer.spec import Pack

ROOT = Path(__file__).parents[3]
PRETEND = "trainer.testing:pretend"
PROFILE = "name: here\nexecutor: local\nmax_jobs: 2\nmem_gb: 0.5\n"
LAB = """
import pathlib
import numpy as np
from torch import nn
from trainer.datasets.reader import About, Dataset

class Mine(nn.Module):
    def forward(self, x):
        return x.relu() - 0.1 * (-x).relu()

class Points:
    about = About(title="Points", licence="ours", citation="none", source="made here", needs="points.npz")

    def load(self, root, options):
        assert pathlib.Path("notes.txt").read_text() == "here"
        kept = np.load(root / "points.npz")
        return Dataset(name="points", items=kept["items"], labels=kept["labels"], classes=("a", "b"), digest="5" * 64)

    prepare = load

points = Points()
"""
MAKE = f"""
import json, sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from sweeps.driver import session
from sweeps.study import shipped
from sweeps.study.reading import load
session.make(shipped.on_profile(load(Path("mine.yaml")), "here.yaml"), Path("runs/mine"), ["test"])
"""
CALL = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from sweeps.cli.main import main; main(sys.argv[1:])"
OWN = """
name: mine
data: {name: "mylab_kept:points"}
model: tiny_cnn
training: {epochs: 2, batch: 16, patience: null}
folds: {folds: 2}
activations: [relu, {activation: "mylab_kept:Mine", label: mine}]
"""
MNIST = "name: digits-of-mnist\ndata: {name: mnist}\nmodel: tiny_cnn\nfolds: {folds: 2}\nactivations: [relu, elu]\n"
DIGITS = MNIST.replace("mnist", "digits")


@pytest.fixture(autouse=True)
def _quick_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTSWEEP_PRETEND_EPOCH_S", "0")


def made(folder: Path, text: str = MNIST) -> tuple[Study, Path]:
    (folder / "here.yaml").write_text(PROFILE)
    study = shipped.on_profile(load(text), str(folder / "here.yaml"))
    session.make(study, folder / "study", ["test"])
    return study, folder / "study"


def packs(path: Path) -> list[Pack]:
    """What was submitted."""
    claims = sorted((path / "jobs").glob("*/claim.json"))
    return [from_text(Pack, json.loads(claim.read_text())["text"]) for claim in claims]


def bare(*words: str) -> subprocess.CompletedProcess[str]:
    """A command of actsweep as cron gives it: no environment at all, in the root folder."""
    line = ["env", "-i", "OMP_NUM_THREADS=1", sys.executable, "-P", "-c", CALL, *words]
    return subprocess.run(line, cwd="/", capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)


def wait_for_journals(path: Path) -> None:
    """Until each fold that was submitted has written its end, as it has long before cron's next tick."""
    until = time.monotonic() + 120
    folders = [spec.parent for spec in (path / "trials").glob("*/fold-*/spec.json")]
    while not all((found := read_fold(folder)) and found.end for folder in folders):
        assert time.monotonic() < until
        time.sleep(0.2)


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """A user's folder with modules, data and a study that was made from a shell that names both, relatively."""
    import numpy as np

    generator = np.random.default_rng(3)
    labels = np.arange(80) % 2
    items = generator.normal(size=(80, 1, 8, 8)).astype(np.float32) + labels[:, None, None, None]
    (tmp_path / "sets").mkdir()
    np.savez(tmp_path / "sets" / "points.npz", items=items, labels=labels)
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "mylab_kept.py").write_text(LAB)
    (tmp_path / "notes.txt").write_text("here")
    (tmp_path / "mine.yaml").write_text(OWN)
    (tmp_path / "here.yaml").write_text(PROFILE)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), "modules", "not there"]),
        "ACTSWEEP_DATA": "sets",
    }
    run = subprocess.run([sys.executable, "-P", "-c", MAKE], cwd=tmp_path, env=environment, capture_output=True)
    assert run.returncode == 0, run.stderr
    return tmp_path


@pytest.mark.slow
def test_ticks_from_cron_train_what_a_shell_began(lab: Path) -> None:
    path = lab / "runs" / "mine"
    for _ in range(10):
        tick = bare("tick", str(path))
        assert tick.returncode == 0, tick.stderr
        records = list(ledger.read(path / ledger.FILE))
        if replay(records).finished:
            break
        wait_for_journals(path)
    assert replay(records).finished
    assert not [record for record in records if isinstance(record, JobOver) and record.counted]
    assert {pack.data_root for pack in packs(path)} == {str(lab / "sets")}
    again = ["run", str(lab / "mine.yaml"), "--cluster", str(lab / "here.yaml"), "--folder", str(path), "--no-report"]
    for command in (again, ["sync", str(path)]):
        done = bare(*command)
        assert done.returncode == 0, done.stderr
        assert "ACTSWEEP_DATA" not in done.stderr


@pytest.mark.slow
def test_data_that_are_gone_cost_no_retry_and_are_named_with_the_way_out(lab: Path) -> None:
    path = lab / "runs" / "mine"
    (lab / "sets").rename(lab / "elsewhere")
    for command in ("tick", "resume"):
        done = bare(command, str(path))
        assert done.returncode == 2
        assert f"{path / surroundings.FILE}: data_root is {lab / 'sets'}, and there is no such folder" in done.stderr
        assert f"`ACTSWEEP_DATA=FOLDER actsweep resume {path} --here`" in done.stderr
        assert "Traceback" not in done.stderr
    assert not (path / "jobs").exists()
    assert bare("stop", str(path)).returncode == 0
    line = ["env", "-i", f"ACTSWEEP_DATA={lab / 'elsewhere'}", sys.executable, "-P", "-c", CALL, "resume", str(path)]
    done = subprocess.run([*line, "--here", "--no-report"], cwd="/", capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert {pack.data_root for pack in packs(path)} == {str(lab / "elsewhere")}


def test_a_data_root_named_now_is_said_and_the_one_kept_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("ACTSWEEP_DATA", str(tmp_path / "one"))
    _, path = made(tmp_path)
    assert session.differences(path) == []
    monkeypatch.setenv("ACTSWEEP_DATA", str(tmp_path / "other"))
    (said,) = session.differences(path)
    assert said == (
        f"ACTSWEEP_DATA is {tmp_path / 'other'} here, the study was started with {tmp_path / 'one'}, and goes on so; "
        f"`actsweep resume {path} --here` takes this shell's from now on"
    )
    with session.driving(path, call=PRETEND) as driver:
        driver.tick()
    assert {pack.data_root for pack in packs(path)} == {str(tmp_path / "one")}
    assert os.environ["ACTSWEEP_DATA"] == str(tmp_path / "other")
    with session.driving(path, call=PRETEND, here=True) as driver:
        assert driver.node.data_root == str(tmp_path / "other")
    assert session.differences(path) == []
    monkeypatch.delenv("ACTSWEEP_DATA")
    with session.driving(path, call=PRETEND, here=True) as driver:  # a shell that says nothing changes nothing
        assert driver.node.data_root == str(tmp_path / "other")


def test_a_mount_that_goes_away_puts_submissions_off_until_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("ACTSWEEP_DATA", str(tmp_path / "data"))
    _, path = made(tmp_path)
    with session.driving(path, call=PRETEND) as driver:
        (tmp_path / "data").rmdir()
        for _ in range(6):
            driver.tick()
        assert driver.refused == f"the data root {tmp_path / 'data'} is not there; nothing is submitted until it is"
        assert not [record for record in ledger.read(path / ledger.FILE) if isinstance(record, Submitted | GaveUp)]
        (tmp_path / "data").mkdir()
        session.drive(driver, lambda now: None, interval_s=0.02)
        assert driver.refused == ""
        assert not driver.state.spent


def test_what_a_study_does_not_need_is_not_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("ACTSWEEP_DATA", str(tmp_path / "data"))
    _, path = made(tmp_path, DIGITS)
    monkeypatch.setenv("ACTSWEEP_DATA", "/somewhere/else")
    assert session.differences(path) == []
    (tmp_path / "data").rmdir()
    with session.driving(path, call=PRETEND) as driver:
        assert driver.node.data_root is None


def test_a_root_of_the_study_goes_before_the_environment_and_is_named_where_it_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sets").mkdir()
    monkeypatch.setenv("ACTSWEEP_DATA", "/somewhere/else")
    _, path = made(tmp_path, f"{MNIST}root: {tmp_path / 'sets'}\n")
    with session.driving(path, call=PRETEND) as driver:
        assert driver.node.data_root == str(tmp_path / "sets")
    (tmp_path / "sets").rmdir()
    with pytest.raises(StudyError, match=rf"{path / 'study.yaml'}: root is {tmp_path / 'sets'}, and there is no"):
        session.driving(path).__enter__()


def test_a_set_below_a_data_root_is_refused_where_none_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ACTSWEEP_DATA", raising=False)
    _, path = made(tmp_path)
    with pytest.raises(StudyError, match="data_root is null, and data set mnist lies below one"):
        session.driving(path).__enter__()
    assert not (path / "jobs").exists()


def test_a_folder_of_an_earlier_version_keeps_the_root_that_its_provenance_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("ACTSWEEP_DATA", str(tmp_path / "data"))
    _, path = made(tmp_path)
    (path / surroundings.FILE).unlink()
    (path / "place.json").unlink()
    monkeypatch.delenv("ACTSWEEP_DATA")
    with session.driving(path, call=PRETEND) as driver:
        assert driver.node.data_root == str(tmp_path / "data")
    kept = surroundings.read(path)
    assert kept is not None
    assert kept.data_root == str(tmp_path / "data")


def test_modules_that_are_gone_are_named_where_the_study_has_some_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modules = tmp_path / "modules"
    modules.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(modules), prepend=os.pathsep)
    own = DIGITS.replace("elu]", '{activation: "mylab_kept:Mine", label: mine}]')
    for name, text in (("plain", DIGITS), ("own", own)):
        (tmp_path / name).mkdir()
        made(tmp_path / name, text)
    modules.rmdir()
    with session.driving(tmp_path / "plain" / "study", call=PRETEND):
        pass
    path = tmp_path / "own" / "study"
    with pytest.raises(StudyError, match=re.escape(f"import_path has {modules}, which is not there")):
        session.driving(path, call=PRETEND).__enter__()
    with session.driving(path, call=PRETEND, to_stop=True):
        pass


def test_credentials_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "token=abcdef"
    secret.mkdir()
    monkeypatch.setenv("ACTSWEEP_DATA", str(secret))
    monkeypatch.setenv("PYTHONPATH", "https://me:hidden@host/wheel.zip")
    _, path = made(tmp_path)
    text = (path / surroundings.FILE).read_text()
    assert "abcdef" not in text
    assert "hidden" not in text
    with session.driving(path, call=PRETEND) as driver:  # the environment goes on to say it
        assert driver.node.data_root == str(secret)


def test_a_folder_whose_name_reminds_of_a_credential_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [tmp_path / "tokenizer", tmp_path / "secrets"]
    for folder in folders:
        folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, folders)))
    assert surroundings.here().import_path == tuple(map(str, folders))


def test_a_damaged_file_is_named_with_the_way_out(tmp_path: Path) -> None:
    study, path = made(tmp_path, DIGITS)
    (path / surroundings.FILE).write_text('{"schema": 1, "data_rot": null}')
    with pytest.raises(StudyError, match=rf"{path / surroundings.FILE}: cannot be read .*correct it, or delete it"):
        needs.kept(study, path)


def test_the_batch_script_finds_modules_and_starts_where_the_study_was_started(tmp_path: Path) -> None:
    from slurm.profile import parse
    from slurm.scheduler.cluster import render

    kept = surroundings.Surroundings(
        data_root=None, import_path=("/home/me/my lab", "/opt/lib"), python=sys.executable,
        working_folder=str(tmp_path), slurm_conf=None, slurm_commands=None,
    )  # fmt: skip
    profile = parse("executor: slurm\ntime: 60\n", source="lab.yaml")
    (script,) = render(kept.for_nodes(profile), 1, name="mine", folder=tmp_path).scripts
    assert "export PYTHONPATH='/home/me/my lab:/opt/lib'\n" in script
    assert f"#SBATCH --chdir={tmp_path}\n" in script
    own = parse("executor: slurm\ntime: 60\nenvironment: {PYTHONPATH: /node/lib}\n", source="lab.yaml")
    (script,) = render(kept.for_nodes(own), 1, name="mine", folder=tmp_path).scripts
    assert "export PYTHONPATH=/node/lib\n" in script


def test_slurms_commands_and_configuration_are_found_without_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sbatch").write_text("#!/bin/sh\n")
    (tmp_path / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("SLURM_CONF", "/etc/lab/slurm.conf")
    kept = surroundings.here()
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("SLURM_CONF")
    with surroundings.entered(kept):
        assert os.environ["PATH"] == f"/nowhere:{tmp_path}"
        assert os.environ["SLURM_CONF"] == "/etc/lab/slurm.conf"
    assert os.environ["PATH"] == "/nowhere"
    assert "SLURM_CONF" not in os.environ
