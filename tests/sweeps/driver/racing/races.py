"""A cluster that runs packs in this process, in any order, and settings whose truth is known."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from slurm.jobs import Costs, JobReport, JobState
from sweeps.driver import session
from sweeps.driver.driver import Driver
from sweeps.driver.packs import Node
from sweeps.folder import ledger
from sweeps.folder.records import (
    FoldsAdded,
    LedgerRecord,
    Looked,
    Raced,
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


DECIDED = FORTY + "confirm: {repeats: {first: 2, most: 6}, until: decided}\n"


def drawn(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) / 2**32


def truth(spec: FoldSpec) -> float:
    """How bad a setting is on average: best where its parameter is 5."""
    values = [abs(float(value) - 5) for name, value in spec.activation.params.items() if name in ("k", "a")]
    return 0.25 * sum(values) if spec.phase == "search" else -0.25 * (spec.activation.name == "dsrelu")


def score(spec: FoldSpec, epoch: int) -> float:
    """Validation loss: the setting's truth, what is hard in its fold, noise."""
    noise = sum(drawn(f"{spec.digest} {number}") for number in range(12)) - 6
    return 1 + truth(spec) + drawn(f"{spec.repeat} {spec.fold}") + 0.1 * noise + 1 / epoch


class InProcess:
    """Runs packs in this process, some at each poll, in an order of ``seed``; what it was given outlives it."""

    def __init__(self, home: Path, seed: int = 0, call: Callable[[str], str] = pretended.pretend) -> None:
        self._call = call
        self.trouble = ""
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

    def release(self) -> None:
        pass


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


def repeated(path: Path) -> list[object]:
    """Looks at the comparisons of the confirm phase."""
    return [record for record in records(path) if isinstance(record, Looked)]


def looks(path: Path) -> list[Raced]:
    return [record for record in records(path) if isinstance(record, Raced)]


def outcome(path: Path) -> object:
    """All that was decided and trained."""
    rounds = sorted(
        (record.trial, record.round, record.folds) for record in records(path) if isinstance(record, FoldsAdded)
    )
    raced = sorted((look.label, look.round, look.compared, look.further, dict(look.dropped)) for look in looks(path))
    return decisions(path), raced, [*rounds, *repeated(path)], numbers(path)


def state_of(path: Path) -> State:
    return replay(records(path))


def depth(state: State, trial: str) -> float:
    return abs(float(state.trials[trial].params["k"]) - 5)  # type: ignore[arg-type]
