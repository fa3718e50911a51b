"""Any one file of a study folder is damaged at random: what is said names it, or the damage is harmless; and a driver
that goes on comes to the numbers of the undisturbed study, or refuses and names the file."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import ray.tune  # noqa: F401  # it leaves its own hooks: here, not in the test that first needs it
from click.testing import CliRunner

from analysis.errors import AnalysisError
from slurm.errors import ClusterError
from sweeps.cli.main import main
from sweeps.driver import session
from sweeps.errors import SweepError
from sweeps.folder import layout, ledger, place
from sweeps.folder.state import replay
from sweeps.study import shipped
from sweeps.study.reading import load
from sweeps.testing import numbers
from sweeps.view import damages, status
from sweeps.view.after_run import after_run
from trainer.errors import TrainerError

PRETEND = "trainer.testing:pretend"
OURS = (SweepError, ClusterError, TrainerError, AnalysisError)
STUDY = """
name: pretended
seed: 3
data: {name: digits}
model: {name: tiny_cnn}
training: {epochs: 2, patience: null}
folds: {folds: 2}
search: {algorithm: random, samples: 2, folds: 1}
activations:
  - relu
  - {activation: dsrelu, space: {k: {uniform: [1, 9]}}}
control: relu
"""
ROUNDS = int(os.environ.get("ACTSWEEP_DAMAGE_ROUNDS", "4"))
"""Of each study; more to search for what nobody thought of."""
NOT_OURS = ("mlflow.db", "mlartifacts", "pretend.yaml")
"""MLflow's store has tests of its own."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return begun(tmp_path_factory.mktemp("finished") / "study", ticks=None)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its driver was killed when the search had ended; the jobs went on to their end."""
    return begun(tmp_path_factory.mktemp("running") / "study", ticks=4)


def begun(path: Path, *, ticks: int | None) -> Path:
    profile = path.parent / "pretend.yaml"
    profile.write_text("name: pretend\nexecutor: local\nmax_jobs: 4\nmem_gb: 0.5\n")
    session.make(shipped.on_profile(load(STUDY), str(profile)), path, ["test"])
    with session.driving(path, call=PRETEND) as driver:
        if ticks is None:
            assert session.drive(driver, lambda now: None, interval_s=0.02)
        for _ in range(ticks or 0):
            driver.tick()
            time.sleep(1.0)
    return path


def flip(data: bytes, drawn: random.Random) -> bytes:
    at = drawn.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << drawn.randrange(8))]) + data[at + 1 :]


def truncate(data: bytes, drawn: random.Random) -> bytes:
    return data[: drawn.randrange(len(data))]


def zero(data: bytes, drawn: random.Random) -> bytes:
    at = drawn.randrange(len(data))
    end = min(len(data), at + drawn.randrange(1, 512))
    return data[:at] + bytes(end - at) + data[end:]


def delete(data: bytes, drawn: random.Random) -> None:
    return None


HARMS: tuple[Callable[[bytes, random.Random], bytes | None], ...] = (flip, truncate, zero, delete)


def harmed(source: Path, target: Path, drawn: random.Random) -> tuple[Path, Path, str]:
    """A copy that is the study, with one file damaged: the copy, the file, how."""
    path = Path(shutil.copytree(source, target / "study"))
    (path / place.FILE).unlink()
    place.settle(path)
    files = [file for file in sorted(path.rglob("*")) if file.is_file() and file.stat().st_size]
    file = drawn.choice([file for file in files if file.relative_to(path).parts[0] not in NOT_OURS])
    harm = drawn.choice(HARMS)
    left = harm(file.read_bytes(), drawn)
    file.unlink() if left is None else file.write_bytes(left)
    return path, file, harm.__name__


def told_by(*words: str) -> str:
    """What a command says; whatever goes wrong has to be an error of ours, in words."""
    done = CliRunner().invoke(main, list(words))
    assert done.exception is None or isinstance(done.exception, SystemExit), (words, done.exc_info)
    assert "Traceback" not in done.output
    return done.output


def gone_on(path: Path) -> tuple[str, bool]:
    """As `actsweep resume --retry-failed`: what it says, and whether it was refused."""
    try:
        with session.driving(path, call=PRETEND) as driver:
            said = [f"again: {fold}" for fold in driver.retry_failed()] + driver.mend()
            assert session.drive(driver, lambda now: None, interval_s=0.02)
            said += [line.text for line in after_run(driver, finished=True).lines if line.problem]
            return "\n".join(said), False
    except OURS as error:
        return str(error), True


def one(source: Path, target: Path, undisturbed: dict[str, object], seed: int) -> None:
    drawn = random.Random(seed)
    path, file, how = harmed(source, target, drawn)
    what = f"seed {seed}: {how} {file.relative_to(path)}"
    said = told_by("status", str(path)) + told_by("status", str(path), "--verify")
    more, refused = gone_on(path)
    said += more
    if refused:
        assert file.name in said, f"{what}: refused, and the file is not named: {said}"
        return
    assert numbers(path) == undisturbed, f"{what}: other numbers; said: {said}"
    assert not status.read(path, verify=True).damaged, what
    assert replay(ledger.read(path / ledger.FILE)).finished, what
    assert not damages.found(path), what


@pytest.mark.slow
@pytest.mark.parametrize("which", ["finished", "running"])
def test_any_one_damaged_file_is_told_or_harmless(
    which: str, finished: Path, running: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    source: Path = request.getfixturevalue(which)
    undisturbed = numbers(finished)
    assert (source / layout.STUDY).is_file()
    begin = int(os.environ.get("ACTSWEEP_DAMAGE_SEED", "0"))
    wrong = []
    for seed in range(begin, begin + ROUNDS):
        try:
            one(source, tmp_path / str(seed), undisturbed, seed)
        except Exception as error:
            wrong.append(f"seed {seed}: {type(error).__name__}: {error}")
        shutil.rmtree(tmp_path / str(seed))
    assert not wrong, "\n".join(wrong)
