"""What a decision step takes and keeps does not grow with the trials that are over."""

from __future__ import annotations

import importlib
import os
import sys
import tracemalloc
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from sweeps.driver import session
from sweeps.driver.driver import Driver
from sweeps.driver.packs import Node
from sweeps.folder import damage, journals, ledger
from sweeps.folder.ledger import Ledger
from sweeps.folder.records import Completed, Exhausted, LedgerRecord, Opened, TrialAdded, TrialStatus
from sweeps.search.per_activation import Searches
from sweeps.stand_in import StandIn
from sweeps.study.reading import load
from sweeps.study.study import Study, digest
from sweeps.view import progress, status
from trainer.journal import Follow

STUDY = """
name: large
data: {{name: digits}}
model: {{name: tiny_cnn}}
training: {{epochs: 6, patience: null}}
folds: {{folds: {folds}}}
search: {{algorithm: random, samples: {samples}}}
activations: [relu, {{activation: dsrelu, space: default}}]
control: relu
"""


@pytest.fixture(scope="module", autouse=True)
def _search_is_loaded() -> None:
    importlib.import_module("ray.tune.search.variant_generator")  # changes the process that first loads it
    importlib.import_module("ray.tune.schedulers")


def driver_on(path: Path, cluster: StandIn) -> Driver:
    return Driver(path, session.opened(path), cluster, None, Node(data_root=None, scratch=None, code=""))


def far_on(path: Path, trials: int) -> None:
    """A study of which so many search trials are over, and twenty more are to come."""
    study = load(STUDY.format(folds=2, samples=trials + 20))
    session.make(study, path, ["test"])
    records = Ledger(path)
    opened = Opened(sweep="a", study=study.name, study_digest=digest(study), time=0.0)
    records.write(opened, *_ended(study, trials))
    records.close()


def _ended(study: Study, trials: int) -> list[LedgerRecord]:
    searches, found = Searches(study), list[LedgerRecord]()
    for index in range(trials):
        config = searches.ask("dsrelu", index)
        assert config is not None
        params, training = searches.resolve("dsrelu", config)
        name = f"dsrelu-s{index:03d}"
        folds = (f"{name}/fold-0-0", f"{name}/fold-0-1")
        found += [
            TrialAdded(trial=name, label="dsrelu", activation="dsrelu", phase="search", index=index, params=params,
                       training=training, folds=folds, config=config),
            Completed(trial=name, status=TrialStatus.FINISHED, metrics={"validation/loss": 1 / (1 + index)}, epochs=12,
                      seconds=1.0),
        ]  # fmt: skip
    return found


def steps(action: Any) -> int:
    """Python instructions that an action takes, whatever the machine does beside it."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    finally:
        sys.settrace(before)
    return count


def step_with_news(driver: Driver) -> None:
    driver.tick()
    progress.view(driver)


def test_a_step_takes_no_longer_after_many_trials(tmp_path: Path) -> None:
    taken: dict[int, list[int]] = {}
    for trials in (200, 2000):
        far_on(tmp_path / str(trials), trials)
        cluster = StandIn(4)
        driver = driver_on(tmp_path / str(trials), cluster)
        driver.tick()  # what is to come is added
        driver.tick()  # and compared, once, with what was trained already
        assert len(driver.state.trials) >= trials + 20
        taken[trials] = [steps(lambda: step_with_news(driver)) for _ in range(4)]  # noqa: B023  # called at once
        with cluster.still():
            taken[trials].append(steps(lambda: step_with_news(driver)))  # noqa: B023
        assert cluster.ended
        driver.close()
    few, many = taken[200], taken[2000]
    assert all(more <= 1.3 * less for less, more in zip(few, many, strict=True)), (few, many)


def test_few_kilobytes_are_kept_of_a_trial_that_is_over(tmp_path: Path) -> None:
    kept: dict[int, int] = {}
    for trials in (200, 1200):
        far_on(tmp_path / str(trials), trials)
        tracemalloc.start()
        try:
            driver = driver_on(tmp_path / str(trials), StandIn(4))
            kept[trials] = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        driver.close()
    assert (kept[1200] - kept[200]) / 1000 < 8000  # bytes: record, result, and what the search asked for


def test_how_a_large_study_stands_is_told_without_its_journals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    far_on(tmp_path / "study", 300)
    read: list[Path] = []
    monkeypatch.setattr(journals, "follow", lambda path, offset: (read.append(path), Follow([], offset, ()))[1])
    monkeypatch.setattr(damage, "GLANCE_S", 0.0)
    seen = status.read(tmp_path / "study")
    assert "not looked at for want of time: 600 folds that are over" in seen.words()
    now = seen.now
    assert (now.rows[0].trials_done, now.folds_done, now.epochs_done) == (300, 600, 3600)
    assert now.rows[0].best == pytest.approx(1 / 300)
    assert not read


def test_what_is_decided_together_is_forced_to_disk_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "study"
    session.make(load(STUDY.format(folds=2, samples=12)), path, ["test"])
    driver = driver_on(path, StandIn(30, epochs_a_poll=6))
    forced: list[int] = []
    write = driver.ledger.write
    monkeypatch.setattr(driver.ledger, "write", lambda *records: (forced.append(len(records)), write(*records))[1])
    driver.tick()
    forced.clear()
    driver.tick()  # all of them end
    driver.close()
    ends = [record for record in ledger.read(path / ledger.FILE) if isinstance(record, Completed)]
    assert len(ends) >= 12
    assert sum(bool(records) for records in forced) <= 8


def test_suggestions_come_in_portions_and_all_of_them_come(tmp_path: Path) -> None:
    path = tmp_path / "study"
    session.make(load(STUDY.format(folds=2, samples=120)), path, ["test"])
    driver = driver_on(path, StandIn(0))
    counts = []
    for _ in range(4):
        driver.tick()
        counts.append(len(driver.state.group("dsrelu", "search").trials))
    driver.close()
    assert counts == [50, 100, 120, 120]
    assert Exhausted(label="dsrelu", trials=120) in list(ledger.read(path / ledger.FILE))


@pytest.mark.slow
def test_a_large_study_is_driven_to_its_end_whoever_drives_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda number: None)  # a slow disk is none of this
    ended = {}
    for name, stops in (("at once", 10**9), ("killed", 40)):
        path = tmp_path / name
        session.make(load(STUDY.format(folds=2, samples=400)), path, ["test"])
        driver = driver_on(path, StandIn(25))
        for tick in range(1, 1000):
            driver.tick()
            if driver.done:
                break
            if tick % stops == 0:  # its jobs are lost with it
                driver.ledger.close()
                driver = driver_on(path, StandIn(25))
        assert driver.done
        driver.close()
        ended[name] = {trial: done.status.value for trial, done in driver.state.completed.items()}
        assert len(ended[name]) == 402
        assert driver.state.group("dsrelu", "search").open == 0
    assert ended["at once"].keys() == ended["killed"].keys()
