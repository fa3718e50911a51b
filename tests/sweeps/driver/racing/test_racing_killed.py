"""Races whose driver is stopped or killed behind its records decide the same."""

from __future__ import annotations

import functools
import json
import os
import random
import signal
import time
import types
from collections.abc import Callable
from pathlib import Path

import pytest
import races

from sweeps.folder.ledger import Ledger
from sweeps.folder.records import LedgerRecord
from trainer.testing import pretended


class Stopped(BaseException):
    pass


ALIKE = ("trial_added", "reported", "completed", "job_over")
"""Records of which a study of forty trials has hundreds."""


def behind_records(end: Callable[[], object], *, alike: int = 1) -> Callable[..., None]:
    """A ``Ledger.write`` that ends the driver behind every record, of those in ``ALIKE`` behind one of so many; but not
    behind the second try of a submission, or nothing would ever be submitted."""
    plain = Ledger.write

    def write(self: Ledger, *written: LedgerRecord) -> None:
        plain(self, *written)
        if not written:
            return
        lines = self.path.read_bytes().splitlines()
        *_, before, last = [{}, *map(json.loads, lines[-2:])]
        again = last["kind"] == "submitting" and before.get("kind") == "submitted" and not any(before["jobs"])
        if not again and (last["kind"] not in ALIKE or len(lines) % alike == 0):
            end()

    return write


def test_a_driver_stopped_behind_every_record_decides_and_trains_the_same(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = races.made(tmp_path / "study")
    stops = 0

    def stop() -> None:
        raise Stopped

    monkeypatch.setattr(Ledger, "write", behind_records(stop))
    while True:
        try:
            driver = races.driver_on(path, stops)
        except Stopped:
            stops += 1
            continue
        try:
            races.finish(driver)
            break
        except Stopped:
            stops += 1
    assert stops > 0.6 * len(races.records(path))  # some records are written together
    assert races.outcome(path) == races.outcome(undisturbed)


@pytest.mark.slow
@pytest.mark.usefixtures("undisturbed")  # which loads Ray before the test begins
def test_forty_trials_killed_behind_their_records_end_as_the_undisturbed_study(tmp_path: Path) -> None:
    """Racing, then repeats until decided; SIGKILL of processes of their own, behind every decision of race and looks
    and behind one in six of the records that tell of a fold or trial. At random moments beside."""
    alone = races.made(tmp_path / "alone", races.DECIDED)
    races.finish(races.driver_on(alone))
    assert len(races.state_of(alone).of_phase("search")) == 40
    assert races.state_of(alone).dropped
    assert races.state_of(alone).looks
    path = races.made(tmp_path / "killed", races.DECIDED)
    assert killed_until_done(path, alike=6) > 40
    assert races.outcome(path) == races.outcome(alone)


@pytest.mark.slow
@pytest.mark.usefixtures("undisturbed")  # which loads Ray before the test begins
@pytest.mark.parametrize(("gpu_hours", "pays"), [(1.0, True), (0.45, False)])
def test_a_study_with_a_budget_decides_alike_however_often_the_driver_is_killed(
    gpu_hours: float, pays: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Epochs that say that they took ten seconds. Where the budget pays for all, kills change nothing; where it does
    not, what it pays for goes by what was spent, which it never passes, and is the same for every activation."""
    monkeypatch.setattr(pretended, "time", types.SimpleNamespace(time=time.time, sleep=lambda seconds: None))
    monkeypatch.setenv("ACTSWEEP_PRETEND_EPOCH_S", "10")
    text = races.DECIDED + f"budget: {{gpu_hours: {gpu_hours}}}\n"
    path = races.made(tmp_path / "killed", text)
    assert killed_until_done(path, alike=12) > 25
    state = races.state_of(path)
    assert state.spending.spent_s < 3600 * gpu_hours
    if pays:
        alone = races.made(tmp_path / "alone", text)
        races.finish(races.driver_on(alone))
        assert state.budget_reached is None
        assert races.outcome(path) == races.outcome(alone)
    else:
        assert state.budget_reached is not None
        settings = [sum(trial.label == label for trial in state.of_phase("search")) for label in ("dsrelu", "apalu")]
        assert 1 < settings[0] == settings[1] < 20


def killed_until_done(path: Path, *, alike: int) -> int:
    """How many processes were killed until one of them finished the study."""
    kills, chance = 0, random.Random(5)
    while True:
        at_random_s = 0.5 * chance.random() if chance.random() < 0.1 else 0.0
        if (child := os.fork()) == 0:
            _driven_until_killed(path, kills, at_random_s, alike)
        _, how = os.waitpid(child, 0)
        if not os.WIFSIGNALED(how):
            assert os.WEXITSTATUS(how) == 0, "the driver failed"
            return kills
        kills += 1


def _driven_until_killed(path: Path, seed: int, at_random_s: float, alike: int) -> None:
    """In a child: never returns."""
    try:
        die = functools.partial(os.kill, os.getpid(), signal.SIGKILL)
        if at_random_s:
            signal.signal(signal.SIGALRM, lambda number, frame: die())
            signal.setitimer(signal.ITIMER_REAL, at_random_s)
        else:
            Ledger.write = behind_records(die, alike=alike)  # type: ignore[method-assign]
        races.finish(races.driver_on(path, seed))
        os._exit(0)
    except BaseException:
        os._exit(1)
