"""Races over a cluster that runs packs in this process, in any order, with settings whose truth is known."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import random
import signal
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import pytest

from analysis.runs import plan as planning
from slurm.jobs import Costs, JobReport, JobState
from sweeps.driver import racing, session
from sweeps.driver.driver import Driver
from sweeps.driver.packs import Node
from sweeps.folder import decided, ledger
from sweeps.folder.ledger import Ledger
from sweeps.folder.records import (
    Completed,
    FoldsAdded,
    LedgerRecord,
    Raced,
    Reported,
    Submitted,
    Submitting,
    TrialStatus,
)
from sweeps.folder.state import State, replay
from sweeps.study.reading import load
from sweeps.testing import decisions, numbers
from trainer.spec import FoldSpec
from trainer.testing import pretended

STUDY = """
name: raced
seed: 3
data: {name: digits}
model: {name: tiny_cnn}
training: {epochs: 2, patience: null}
folds: {folds: 5}
search: {algorithm: random, samples: 8, race: {}}
activations:
  - relu
  - {activation: dsrelu, space: {k: {uniform: [1, 9]}}}
control: relu
"""
FORTY = STUDY.replace("samples: 8", "samples: 20").replace(
    "  - relu", "  - relu\n  - {activation: apalu, space: {a: {uniform: [1, 9]}}}"
)


def drawn(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) / 2**32


def truth(spec: FoldSpec) -> float:
    """How bad a setting is on average: best where its parameter is 5."""
    values = [abs(float(value) - 5) for name, value in spec.activation.params.items() if name in ("k", "a")]
    return sum(values) if spec.phase == "search" else 0.0


def score(spec: FoldSpec, epoch: int) -> float:
    """Validation loss: the setting's truth, what is hard in its fold, noise."""
    noise = sum(drawn(f"{spec.digest} {number}") for number in range(12)) - 6
    return 10 + truth(spec) + drawn(f"{spec.repeat} {spec.fold}") + 0.1 * noise + 1 / epoch


class InProcess:
    """Runs packs in this process, some at each poll, in an order of ``seed``; what it was given outlives it."""

    def __init__(self, home: Path, seed: int = 0, call: Callable[[str], str] = pretended.pretend) -> None:
        self._call = call
        self.costs, self._file, self._chance = Costs(), home / "in-process.json", random.Random(seed)
        self._begun: dict[str, dict[str, str]] = json.loads(self._file.read_text()) if self._file.exists() else {}
        self._over: set[str] = set()

    def submit(
        self, call: str, texts: Sequence[str], *, name: str, folder: Path, avoid: Collection[str] = ()
    ) -> list[str]:
        self._begun[name] = {f"{name}.{at}": text for at, text in enumerate(texts)}
        aside = self._file.with_suffix(".aside")
        aside.write_text(json.dumps(self._begun))
        aside.replace(self._file)
        return list(self._begun[name])

    def recover(self, name: str, folder: Path) -> dict[int, str]:
        return dict(enumerate(self._begun.get(name, {})))

    def poll(self, jobs: Collection[str]) -> Mapping[str, JobReport]:
        texts = {job: text for pack in self._begun.values() for job, text in pack.items()}
        open_ = sorted(set(jobs) - self._over)
        states = {job: JobState.FINISHED if job in self._over else JobState.RUNNING for job in jobs}
        for job in self._chance.sample(open_, min(len(open_), 6)):
            self._call(texts[job])  # a fold that is over is left as it is
            self._over.add(job)
        return {job: JobReport(job=job, state=state) for job, state in states.items()}

    def cancel(self, jobs: Collection[str]) -> None:
        self._over.update(jobs)

    def room(self, active: int) -> int:
        return 1000 - active


@pytest.fixture(autouse=True)
def _known_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretended, "value", score)
    monkeypatch.setenv("ACTSWEEP_PRETEND_EPOCH_S", "0")


def driver_on(path: Path, seed: int = 0) -> Driver:
    study = session.opened(path)
    node = Node(data_root=None, scratch=None, code="")
    return Driver(path, study, InProcess(path, seed), None, node, call="trainer.testing:pretend")


def made(path: Path, text: str = STUDY) -> Path:
    session.make(load(text), path, ["test"])
    return path


def finish(driver: Driver, ticks: int = 5000) -> Driver:
    try:
        while not driver.done:
            driver.tick()
            ticks -= 1
            assert ticks, "the study did not finish"
    finally:
        driver.close()
    return driver


def records(path: Path) -> list[LedgerRecord]:
    return list(ledger.read(path / ledger.FILE))


def looks(path: Path) -> list[Raced]:
    return [record for record in records(path) if isinstance(record, Raced)]


def outcome(path: Path) -> object:
    """All that was decided and trained."""
    rounds = sorted(
        (record.trial, record.round, record.folds) for record in records(path) if isinstance(record, FoldsAdded)
    )
    raced = sorted((look.label, look.round, look.compared, dict(look.dropped)) for look in looks(path))
    return decisions(path), raced, rounds, numbers(path)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("undisturbed") / "study"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretended, "value", score)
        finish(driver_on(made(path)))
    return path


def state_of(path: Path) -> State:
    return replay(records(path))


def depth(state: State, trial: str) -> float:
    return abs(float(state.trials[trial].params["k"]) - 5)  # type: ignore[arg-type]


def test_settings_that_are_shown_to_be_worse_get_no_further_folds(undisturbed: Path) -> None:
    state = state_of(undisturbed)
    assert [look.round for look in looks(undisturbed)] == list(range(len(looks(undisturbed))))
    assert len(looks(undisturbed)[0].compared) == 8
    assert state.dropped
    planned = planning.from_json((undisturbed / "plan.json").read_text()).search_race
    assert planned is not None
    assert planned.folds == (2, 3, 4, 5)
    for look in looks(undisturbed):
        left = [trial for trial in look.compared if trial not in look.dropped]
        assert left
        for trial in look.dropped:
            assert len(state.trials[trial].folds) == planned.folds[look.round]
            assert depth(state, trial) > min(depth(state, other) for other in left)


def test_the_winner_is_chosen_among_those_with_all_folds(undisturbed: Path) -> None:
    state = state_of(undisturbed)
    won = state.selected["dsrelu"]
    searched = racing.searched(state, "dsrelu")
    left = racing.running(state.races["dsrelu"])
    assert won.trial in left
    assert won.among == len(searched) == 8
    if len(left) > 1:
        assert {len(state.trials[trial].folds) for trial in left} == {5}
    values = {trial: state.completed[trial].metrics["validation/loss"] for trial in left}
    assert won.trial == min(values, key=values.__getitem__)
    assert won.value == values[won.trial]


def test_a_dropped_trial_says_why_in_its_folder(undisturbed: Path) -> None:
    state = state_of(undisturbed)
    for trial in state.dropped:
        said = decided.read(undisturbed / "trials" / trial)
        assert said is not None
        assert said.status is TrialStatus.FINISHED
        assert said.dropped == state.dropped[trial]
        assert "Gupta's subset rule" in said.dropped
        assert f"after {len(state.trials[trial].folds)} of 5 folds its validation/loss is worse" in said.dropped
    others = [trial for trial in state.trials if trial not in state.dropped]
    told = [decided.read(undisturbed / "trials" / trial) for trial in others]
    assert [one.dropped for one in told if one] == [""] * len(others)


def test_no_look_sees_what_was_held_out(tmp_path: Path, undisturbed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Held-out scores turned round: all that is decided stays."""
    plain = pretended._scores

    def turned(spec: FoldSpec, part: str, loss: float) -> dict[str, float]:
        return plain(spec, part, 30 - loss if part == "heldout" else loss)

    monkeypatch.setattr(pretended, "_scores", turned)
    path = made(tmp_path / "study")
    finish(driver_on(path))
    assert outcome(path)[:3] == outcome(undisturbed)[:3]  # type: ignore[index]
    assert outcome(path) != outcome(undisturbed)


def test_no_order_of_results_decides_anything(undisturbed: Path, tmp_path: Path) -> None:
    for seed in (1, 2, 3):
        path = made(tmp_path / str(seed))
        finish(driver_on(path, seed))
        assert outcome(path) == outcome(undisturbed)


def test_searchers_hear_of_the_first_round_alone(tmp_path: Path) -> None:
    asha = "algorithm: tpe, scheduler: {name: asha, grace_epochs: 1, reduction_factor: 2}"
    text = STUDY.replace("algorithm: random", asha).replace("epochs: 2", "epochs: 4")
    path = made(tmp_path / "study", text)
    finish(driver_on(path))
    state = state_of(path)
    first_ends: dict[str, int] = {}
    for record in records(path):
        if isinstance(record, Completed):
            first_ends[record.trial] = first_ends.get(record.trial, 0) + 1
        if isinstance(record, Reported):
            assert first_ends.get(record.trial, 0) == 0
    assert max(first_ends.values()) > 1
    stopped = list(state.stopping)
    assert stopped
    for look in state.races["dsrelu"]:
        assert not set(stopped) & set(look.compared)
    finish(driver_on(path))  # a replay of its searcher suggests the same


class Stopped(BaseException):
    pass


def behind_every_record(end: Callable[[], object]) -> Callable[..., None]:
    """A ``Ledger.write`` that ends the driver behind every record, but for the second try of a submission, or nothing
    would ever be submitted."""
    plain = Ledger.write

    def write(self: Ledger, *written: LedgerRecord) -> None:
        plain(self, *written)
        *_, before, last = [None, *ledger.read(self.path)]
        again = isinstance(before, Submitted) and not any(before.jobs) and isinstance(last, Submitting)
        if not again:
            end()

    return write


def test_a_driver_stopped_behind_every_record_decides_and_trains_the_same(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made(tmp_path / "study")
    stops = 0

    def stop() -> None:
        raise Stopped

    monkeypatch.setattr(Ledger, "write", behind_every_record(stop))
    while True:
        try:
            driver = driver_on(path, stops)
        except Stopped:
            stops += 1
            continue
        try:
            finish(driver)
            break
        except Stopped:
            stops += 1
    assert stops >= sum(not isinstance(record, Submitting) for record in records(path))
    assert outcome(path) == outcome(undisturbed)


@pytest.mark.slow
def test_forty_trials_killed_behind_every_record_end_as_the_undisturbed_study(tmp_path: Path) -> None:
    """SIGKILL, after each record of the ledger, of a process of its own; and at random moments beside."""
    alone = made(tmp_path / "alone", FORTY)
    finish(driver_on(alone))
    assert len(state_of(alone).of_phase("search")) == 40
    assert state_of(alone).dropped
    path = made(tmp_path / "killed", FORTY)
    kills, chance = 0, random.Random(5)
    while not (state := state_of(path)).finished:
        del state
        if (child := os.fork()) == 0:
            _driven_until_killed(path, kills, at_random=chance.random() < 0.1)
        chance.random()
        _, how = os.waitpid(child, 0)
        assert os.WIFSIGNALED(how) or os.WEXITSTATUS(how) == 0, "the driver failed"
        kills += os.WIFSIGNALED(how)
    assert kills > 0.8 * sum(not isinstance(record, Submitting) for record in records(path))  # a few met none
    assert outcome(path) == outcome(alone)


def _driven_until_killed(path: Path, seed: int, *, at_random: bool) -> None:
    """In a child: never returns."""
    try:
        die = functools.partial(os.kill, os.getpid(), signal.SIGKILL)
        if at_random:
            signal.setitimer(signal.ITIMER_REAL, 0.3 * random.Random(seed).random())
            signal.signal(signal.SIGALRM, lambda number, frame: die())
        else:
            Ledger.write = behind_every_record(die)  # type: ignore[method-assign]
        finish(driver_on(path, seed))
        os._exit(0)
    except BaseException:
        os._exit(1)
