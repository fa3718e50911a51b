"""A budget is never passed, whatever nodes, schedulers and drivers do: a simulation in virtual time."""

from __future__ import annotations

import importlib
import json
import random
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slurm.errors import SubmissionRefused
from slurm.jobs import Costs, JobReport, JobState
from sweeps.driver import session
from sweeps.driver.driver import Driver
from sweeps.driver.packs import Node
from sweeps.folder import ledger
from sweeps.folder.records import BudgetReached, Completed, TrialAdded
from sweeps.folder.state import replay
from sweeps.study.reading import load
from sweeps.study.study import digest
from trainer import journal, meter
from trainer.codec import from_text
from trainer.spec import Launch, Pack
from trainer.testing import invented_end, invented_epoch, invented_start

STUDY = """
name: dear
seed: 3
data: {name: digits}
model: {name: tiny_cnn}
training: {epochs: 4, patience: null}
folds: {folds: 3}
search: {algorithm: random, samples: 6, folds: 2}
activations:
  - relu
  - {activation: dsrelu, space: {k: {uniform: [1, 9]}}}
  - {activation: prelu, space: {init: {uniform: [0.1, 0.5]}}}
control: relu
cluster: {max_retries: 50}
"""
EPOCH_S = {"relu": 8.0, "dsrelu": 13.0, "prelu": 21.0}
"""Mean, of what is simulated."""


@pytest.fixture(scope="module", autouse=True)
def _ray() -> None:
    importlib.import_module("ray.tune.search.variant_generator")  # which leaves traces in the process


class Killed(Exception):
    """The driver's process is gone."""


@dataclass
class Job:
    pack: Pack
    chance: random.Random
    ready_at: float
    state: JobState = JobState.PENDING
    runs: int = 0
    began: float = 0.0
    next_at: float = 0.0
    """When the epoch in hand ends."""
    deadline: float = 0.0
    todo: list[list[int]] = field(default_factory=list)
    """Index of the launch, epochs done, attempt."""


class Simulated:
    """A cluster in virtual time. Jobs keep their limit as :class:`trainer.meter.Meter` does; ``held_s`` is what they
    truly held, cut-off nodes included, which the driver does not see."""

    trouble = ""

    def __init__(self, chance: random.Random, trouble: float) -> None:
        self.now, self.chance, self.harm = 1e6, chance, trouble
        self.jobs: dict[str, Job] = {}
        self.names: dict[str, list[str]] = {}
        self.held_s = 0.0
        self.costs = Costs()

    # -- as the driver sees it -----------------------------------------------------------------------------------------

    def submit(
        self, call: str, texts: Sequence[str], *, name: str, folder: Path, avoid: Collection[str] = ()
    ) -> list[str]:
        for index, text in enumerate(texts):
            job = Job(from_text(Pack, text), random.Random(self.chance.random()), self.now + 5 * self.chance.random())
            self.jobs[f"{name}.{index}"] = job
        self.names[name] = [f"{name}.{index}" for index in range(len(texts))]
        if self.chance.random() < 0.2 * self.harm:
            raise SubmissionRefused("timed out; it may have got through")
        return self.names[name]

    def recover(self, name: str, folder: Path) -> dict[int, str]:
        return dict(enumerate(self.names.get(name, [])))

    def poll(self, jobs: Collection[str]) -> Mapping[str, JobReport]:
        return {job: JobReport(job=job, state=self.jobs[job].state, node="n1") for job in jobs}

    def cancel(self, jobs: Collection[str]) -> None:
        for name in jobs:
            if not self.jobs[name].state.over:
                self._end(self.jobs[name], JobState.CANCELLED_BY_US, told=self.jobs[name].state is JobState.RUNNING)

    def release(self) -> None:
        pass

    def room(self, active: int) -> int:
        return 4 - active

    # -- what happens --------------------------------------------------------------------------------------------------

    def sleep(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now += 0.5
            for job in self.jobs.values():
                self._step(job)

    def _step(self, job: Job) -> None:
        if job.state is JobState.PENDING and self.now >= job.ready_at:
            self._begin(job)
        elif job.state is JobState.RUNNING:
            if job.chance.random() < 0.004 * self.harm:
                self._strike(job)
            elif self.now >= job.deadline:
                self._end(job, JobState.FAILED, told=True, cut=True)
            elif self.now >= job.next_at:
                self._epoch(job)

    def _begin(self, job: Job) -> None:
        before = meter.held(Path(str(job.pack.meter)))
        job.state, job.began, job.runs = JobState.RUNNING, self.now, job.runs + 1
        assert job.pack.seconds is not None
        job.deadline = self.now + job.pack.seconds - (before.seconds if before else 0.0) - meter.LEAVING_S
        job.todo = []
        for index, launch in enumerate(job.pack.launches):
            history = journal.read_fold(Path(launch.folder))
            if history is None or history.end is None:
                job.todo.append([index, len(history.epochs) if history is not None else 0, 0])
        self._note(job, ended=False)
        starting = 3.0 + 4 * job.chance.random()
        job.next_at = self.now + starting + self._epoch_s(job)

    def _epoch_s(self, job: Job) -> float:
        label = job.pack.launches[0].spec.activation.name
        return EPOCH_S[label] * job.chance.choice([0.7, 1.0, 1.0, 1.1, 1.3, 1.0 + 2 * self.harm])

    def _epoch(self, job: Job) -> None:
        if not job.todo:
            self._end(job, JobState.FINISHED, told=True)
            return
        turn = min(job.todo, key=lambda item: item[1])
        launch = job.pack.launches[turn[0]]
        turn[1] += 1
        over = turn[1] >= launch.spec.training.epochs
        self._write(job, launch, turn, over)
        if over:
            job.todo.remove(turn)
        if not job.todo:
            self._end(job, JobState.FINISHED, told=True)
            return
        took = self._epoch_s(job)
        if self.now + took >= job.deadline and job.chance.random() < 0.7:  # else it is ended in the middle
            self._end(job, JobState.FINISHED, told=True, cut=True)
            return
        job.next_at = self.now + took

    def _write(self, job: Job, launch: Launch, turn: list[int], over: bool) -> None:
        fold = Path(launch.folder)
        if not turn[2]:
            turn[2] = journal.newest_number(fold) + 1
            journal.attempt_folder(fold, turn[2]).mkdir(parents=True)
        writer = journal.Writer(journal.attempt_folder(fold, turn[2]))
        began = not (journal.attempt_folder(fold, turn[2]) / journal.FILE).stat().st_size
        spec, epoch = launch.spec, turn[1]
        if began:
            writer.write(
                invented_start(
                    digest=spec.digest, attempt=turn[2], resumed_epoch=epoch - 1, time=self.now, host="n1", pid=1,
                    split_hash=f"{spec.repeat}{spec.fold}", references={"accuracy": 0.1}, environment={},
                )
            )  # fmt: skip
        loss = 1 / epoch + int(spec.digest[:4], 16) / 2**16
        metrics = {"validation/loss": loss, "validation/accuracy": 0.5, "train/loss": loss}
        took = EPOCH_S[spec.activation.name]
        writer.write(invented_epoch(epoch=epoch, time=self.now, metrics=metrics, train_s=took))
        if over:
            rule = spec.training.checkpoint_rule
            outcome = journal.Outcome(epoch=epoch, metrics={**metrics, "heldout/loss": loss})
            end = {"time": self.now, "status": journal.Status.FINISHED, "epochs": epoch, "reason": "all epochs"}
            writer.write(invented_end(**end, rule=rule, outcomes={rule: outcome, "last": outcome}))  # type: ignore[arg-type]
        writer.close()

    def _strike(self, job: Job) -> None:
        """A kill, a preemption that comes back by itself, or a node that is cut off and goes on unseen."""
        how = job.chance.choice(["killed", "requeued", "cut off", "silent"])
        if how == "killed":
            self._end(job, JobState.FAILED, told=False)
        elif how == "silent":  # gone before it could write what it held
            for path in Path(str(job.pack.meter)).glob("*.json"):
                path.write_text("")
            self._end(job, JobState.FAILED, told=False, note=False)
        elif how == "requeued":
            self._end(job, JobState.PENDING, told=job.chance.random() < 0.5)
            job.ready_at = self.now + 2
        else:
            self._end(job, JobState.NODE_FAILED, told=False)
            self.held_s += max(0.0, job.deadline - self.now)

    def _end(self, job: Job, state: JobState, *, told: bool, cut: bool = False, note: bool = True) -> None:
        if job.state is JobState.RUNNING:
            self.held_s += self.now - job.began
            if note:
                self._note(job, ended=told, cut=cut)
        job.state = state

    def _note(self, job: Job, *, ended: bool, cut: bool = False) -> None:
        folder = Path(str(job.pack.meter))
        folder.mkdir(parents=True, exist_ok=True)
        seen = self.now if ended else max(job.began, self.now - meter.BEAT_S * job.chance.random())
        run = {"began": job.began, "seen": seen, "ended": ended, "cut": cut}
        (folder / f"run-{job.runs}.json").write_text(json.dumps(run))


def driven(folder: Path, cap_s: float, seed: int, trouble: float, text: str = STUDY) -> tuple[Path, Simulated]:
    """A whole study under a budget; its driver is killed now and then, between two records of its ledger."""
    chance = random.Random(seed)
    cluster = Simulated(chance, trouble)
    path = folder / "study"
    study = load(text + f"budget: {{gpu_hours: {cap_s / 3600}}}\n")
    session.make(study, path, ["test"])
    driver = None
    for _ in range(4000):
        if driver is None:
            node = Node(data_root=None, scratch=None, code="")
            driver = Driver(path, study, cluster, None, node, clock=lambda: cluster.now, sleep=cluster.sleep)
            left = [chance.randrange(2, 60) if chance.random() < trouble else 10**9]
            write = driver.ledger.write

            def dying(*records: object, write: object = write, left: list[int] = left) -> None:
                write(*records)  # type: ignore[operator]
                left[0] -= 1
                if not left[0]:
                    raise Killed

            driver.ledger.write = dying  # type: ignore[method-assign, assignment]
        try:
            driver.tick()
        except Killed:
            driver.close()
            driver = None
            continue
        assert driver.budget.spent_s <= cap_s + 1e-6
        assert driver.budget.left_s >= -1e-6
        assert cluster.held_s <= cap_s, "jobs have held more than the budget"
        if driver.done:
            break
        cluster.sleep(2.0)
    assert driver is not None, "the driver was killed in its last step"
    assert driver.done, "the study did not end"
    driver.close()
    return path, cluster


def settings_tried(path: Path) -> dict[str, int]:
    records = list(ledger.read(path / ledger.FILE))
    added = {record.trial: record.label for record in records if isinstance(record, TrialAdded)}
    done = {record.trial for record in records if isinstance(record, Completed) and record.metrics}
    tried: dict[str, int] = {}
    for trial, label in added.items():
        if "-s" in trial and trial in done:
            tried[label] = tried.get(label, 0) + 1
    return tried


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    cap_s=st.sampled_from([60.0, 400.0, 900.0, 1500.0, 3000.0, 6000.0]),
    seed=st.integers(0, 10**6),
    trouble=st.sampled_from([0.0, 0.3, 1.0]),
)
@pytest.mark.slow
def test_what_is_held_never_passes_the_budget(cap_s: float, seed: int, trouble: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        driven(Path(folder), cap_s, seed, trouble)


def reached(path: Path) -> list[BudgetReached]:
    return [record for record in ledger.read(path / ledger.FILE) if isinstance(record, BudgetReached)]


def test_enough_budget_is_never_reached(tmp_path: Path) -> None:
    path, _ = driven(tmp_path, 20_000.0, 1, 0.0)
    assert not reached(path)
    assert settings_tried(path) == {"dsrelu": 6, "prelu": 6}


def test_a_search_ends_at_equal_numbers_and_the_winners_are_still_confirmed(tmp_path: Path) -> None:
    path, _ = driven(tmp_path, 2200.0, 2, 0.0)
    tried = settings_tried(path)
    assert tried["dsrelu"] == tried["prelu"]
    assert 1 <= tried["dsrelu"] < 6
    assert [record.phase for record in reached(path)] == ["search"]
    assert f"{6 - tried['dsrelu']} further setting" in reached(path)[0].what
    confirmed = {r.trial for r in ledger.read(path / ledger.FILE) if isinstance(r, Completed) and "-c" in r.trial}
    assert confirmed == {"relu-c000", "dsrelu-c000", "prelu-c000"}


def test_where_claims_are_not_paid_for_a_repeat_is_there_for_all_activations_or_for_none(tmp_path: Path) -> None:
    text = STUDY.replace("folds: {folds: 3}", "folds: {folds: 3, repeats: 6}").replace(
        "search: {algorithm: random, samples: 6, folds: 2}\n", ""
    )
    text = text.replace("space: {k: {uniform: [1, 9]}}", "params: {k: 3}").replace(
        "space: {init: {uniform: [0.1, 0.5]}}", "params: {init: 0.2}"
    )
    path, _ = driven(tmp_path, 2600.0, 4, 0.0, text)
    ended: dict[str, set[str]] = {}
    for end in (path / "trials").glob("*/fold-*"):
        history = journal.read_fold(end)
        if history is not None and history.end is not None:
            ended.setdefault(end.parent.name, set()).add(end.name.split("-")[1])
    assert [record.phase for record in reached(path)] == ["confirm"]
    assert "planned fold" in reached(path)[0].what
    assert set(map(frozenset, ended.values())) == {frozenset(ended["relu-c000"])}
    assert 1 <= len(ended["relu-c000"]) < 6


def test_a_greater_budget_goes_on_with_what_was_not_paid_for(tmp_path: Path) -> None:
    path, cluster = driven(tmp_path, 120.0, 3, 0.0)
    assert any(record.phase == "confirm" for record in reached(path))
    study = load(STUDY + "budget: {gpu_hours: 3}\n")
    node = Node(data_root=None, scratch=None, code="")
    state = replay(ledger.read(path / ledger.FILE))
    assert state.opened is not None
    lines = (path / ledger.FILE).read_text().replace(state.opened.study_digest, digest(study))
    (path / ledger.FILE).write_text(lines)
    driver = Driver(path, study, cluster, None, node, clock=lambda: cluster.now, sleep=cluster.sleep)
    assert not driver.done
    for _ in range(1000):
        driver.tick()
        if driver.done:
            break
        cluster.sleep(2.0)
    driver.close()
    state = replay(ledger.read(path / ledger.FILE))
    assert not state.unfinished()
    assert state.spending.spent_s > 120.0


def test_what_a_killed_driver_had_promised_is_promised_still(tmp_path: Path) -> None:
    path, _ = driven(tmp_path, 2200.0, 2, 0.0)
    whole = (path / ledger.FILE).read_text().splitlines(keepends=True)
    for cut in range(1, len(whole)):
        spending = replay_text(tmp_path / "cut", "".join(whole[:cut]))
        assert spending <= 2200.0 + 1e-6


def replay_text(folder: Path, text: str) -> float:
    folder.mkdir(exist_ok=True)
    (folder / ledger.FILE).write_text(text)
    state = replay(ledger.read(folder / ledger.FILE))
    return state.spending.spent_s + state.spending.promised_s(state.unanswered.values())


@pytest.mark.slow
@pytest.mark.parametrize("cap_s", [3300.0, 3500.0, 3700.0, 3900.0])
def test_a_search_that_has_tried_all_is_not_cut(tmp_path: Path, cap_s: float) -> None:
    path, _ = driven(tmp_path, cap_s, 6, 0.0)
    if settings_tried(path) == {"dsrelu": 6, "prelu": 6}:
        assert "search" not in [record.phase for record in reached(path)]
    assert not [record.what for record in reached(path) if record.what.startswith("0 ")]
