"""Whatever happens to drivers, workers and jobs, in any order: every text ends once in the drivers' eyes, with an end
that does not change later, and no worker is forgotten."""

from __future__ import annotations

import copy
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from slurm.errors import SubmissionRefused
from slurm.jobs import JobReport, JobState
from slurm.pool import place
from slurm.pool.cluster import GONE_AFTER_S, PoolCluster
from slurm.pool.testing import Inner, Run
from slurm.pool.tickets import DRIVER, Pool
from slurm.profile import Profile

PROFILE = Profile(name="site", executor="slurm", time=60, jobs="node", gpus_per_node=2, max_jobs=3)
MOVES = ("put", "withdraw", "seize", "end", "ask_to_end", "close", "reopen")
ENDS = st.sampled_from([JobState.FINISHED, JobState.FAILED, JobState.TIMED_OUT])
JOB_ENDS = st.sampled_from(
    [JobState.FINISHED, JobState.FAILED, JobState.NODE_FAILED, JobState.PREEMPTED, JobState.TIMED_OUT]
)


class Killed(BaseException):
    pass


class Lives:
    """Of a driver: each of its moves takes two, one before it and one after."""

    def __init__(self) -> None:
        self.left = 10**9

    def step(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed

    def of(self, thing: object, *moves: str) -> None:
        for move in moves:
            setattr(thing, move, self._stepped(getattr(thing, move)))

    def _stepped(self, move: Callable[..., Any]) -> Callable[..., Any]:
        def moved(*args: Any, **more: Any) -> Any:
            self.step()
            result = move(*args, **more)
            self.step()
            return result

        return moved


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.path = Path(tempfile.mkdtemp())
        self.jobs_folder = self.path / "jobs"
        self.inner, self.clock = Inner(room=3), 1000.0
        self.runs: list[Run] = []
        self.begun: dict[str, int] = {}
        """Names of submissions that the ledger has begun -> their texts."""
        self.active: set[str] = set()
        self.over: dict[str, JobReport] = {}
        self.cancelled: set[str] = set()

    @initialize()
    def first_driver(self) -> None:
        self.open()

    def open(self) -> None:
        self.lives = Lives()
        inner = copy.copy(self.inner)  # the scheduler's memory is shared, its commands are the driver's
        self.cluster = PoolCluster(PROFILE, inner, place.folder(self.jobs_folder), now=lambda: self.clock)
        self.lives.of(inner, "submit", "cancel")
        self.lives.of(self.cluster._fleet, "_write")
        self.lives.of(self.cluster._pool, *MOVES)
        for name in list(self.begun):
            found = self.cluster.recover(name, self.jobs_folder)
            self.active.update(found.values())
            del self.begun[name]

    def mortal(self, lives: int, deed: Any) -> None:
        """Does something, and goes on as another driver where that killed the first."""
        self.lives.left = lives
        try:
            deed()
        except Killed:
            self.open()
        self.lives.left = 10**9

    # -- the driver ----------------------------------------------------------------------------------------------------

    LIVES = st.integers(0, 30) | st.just(10**9)

    @precondition(lambda self: len(self.over) + len(self.active) < 20)
    @rule(count=st.integers(1, 4), avoid=st.sampled_from([(), (), ("n1",)]), lives=LIVES)
    def submit(self, count: int, avoid: tuple[str, ...], lives: int) -> None:
        name = f"s.1.{len(self.over) + len(self.active)}-{len(self.inner.jobs)}-{self.clock:.0f}.x"
        self.clock += 1
        self.begun[name] = count

        def deed() -> None:
            jobs = self.cluster.submit("m:f", ["{}"] * count, name=name, folder=self.jobs_folder, avoid=avoid)
            self.active.update(jobs)
            del self.begun[name]

        self.mortal(lives, deed)

    @rule(lives=LIVES)
    def poll(self, lives: int) -> None:
        self.mortal(lives, self.observe)

    def observe(self) -> None:
        reports = self.cluster.poll(sorted(self.active | self.over.keys()))
        for job, before in self.over.items():
            assert reports[job] == before, "an end changed"
        for job in sorted(self.active):
            if reports[job].state.over:
                self.over[job] = reports[job]
                self.active.discard(job)

    @rule(data=st.data(), lives=LIVES)
    def cancel(self, data: st.DataObject, lives: int) -> None:
        if self.active:
            jobs = data.draw(st.lists(st.sampled_from(sorted(self.active)), min_size=1, max_size=3))
            self.cancelled.update(jobs)
            self.mortal(lives, lambda: self.cluster.cancel(jobs))

    @rule()
    def another_driver(self) -> None:
        self.open()

    @rule(lives=LIVES)
    def release(self, lives: int) -> None:
        self.mortal(lives, self.cluster.release)

    @rule(seconds=st.sampled_from([1.0, 20.0, 100.0]))
    def wait(self, seconds: float) -> None:
        self.clock += seconds

    # -- the scheduler and the workers ---------------------------------------------------------------------------------

    @rule(fails=st.booleans())
    def scheduler(self, fails: bool) -> None:
        """Refuses, or does as it is told and gives no answer."""
        self.inner.refuse = SubmissionRefused("busy") if fails else None
        self.inner.answers = not fails or not self.inner.answers
        self.cluster.inner.refuse, self.cluster.inner.answers = self.inner.refuse, self.inner.answers

    @rule(data=st.data(), devices=st.integers(1, 3))
    def worker_begins(self, data: st.DataObject, devices: int) -> None:
        """Also one whose job runs already: it was started again, and the earlier run may live on."""
        if jobs := [job for job, state in self.inner.jobs.items() if not state.over]:
            self.runs.append(Run(self.inner, data.draw(st.sampled_from(jobs)), devices=devices))

    def alive(self) -> list[Run]:
        return [run for run in self.runs if run.inner.jobs[run.job] is JobState.RUNNING]

    @rule(data=st.data(), count=st.integers(1, 3))
    def take(self, data: st.DataObject, count: int) -> None:
        if runs := self.alive():
            run = data.draw(st.sampled_from(runs))
            before = {ticket.job for ticket in run.held}
            taken = {ticket.job for ticket in run.take(count)} - before
            assert not taken & self.over.keys(), "what was over was run again"

    @rule(data=st.data(), state=ENDS, back=st.booleans())
    def end(self, data: st.DataObject, state: JobState, back: bool) -> None:
        """Also by a worker whose job is over: it was cut off."""
        if runs := [run for run in self.runs if run.held]:
            run = data.draw(st.sampled_from(runs))
            ticket = data.draw(st.sampled_from(run.held))
            if back and run in self.alive():
                run.give_back(ticket)
            else:
                run.end(ticket, state)

    @rule(data=st.data(), state=JOB_ENDS, lives=LIVES)
    def node_is_cut_off(self, data: st.DataObject, state: JobState, lives: int) -> None:
        """Its job is over, and what runs there ends later."""
        if runs := [run for run in self.alive() if run.held]:
            run = data.draw(st.sampled_from(runs))
            self.inner.jobs[run.job] = state
            self.poll(lives)
            run.end(data.draw(st.sampled_from(run.held)), JobState.FINISHED)

    @rule(data=st.data(), state=JOB_ENDS)
    def job_ends(self, data: st.DataObject, state: JobState) -> None:
        if jobs := [job for job, now in self.inner.jobs.items() if not now.over]:
            self.inner.jobs[data.draw(st.sampled_from(jobs))] = state

    @rule(data=st.data())
    def requeued(self, data: st.DataObject) -> None:
        if runs := self.alive():
            self.inner.jobs[data.draw(st.sampled_from(runs)).job] = JobState.PENDING

    # -- what holds ----------------------------------------------------------------------------------------------------

    @invariant()
    def a_ticket_is_in_one_place(self) -> None:
        pool = Pool(place.folder(self.jobs_folder))
        held = [file for run, files in pool.taken_files().items() if run != DRIVER for file in files]
        everywhere = pool.open_files() + held
        assert len(everywhere) == len(set(everywhere))

    def teardown(self) -> None:
        """From here on all goes well: everything ends, and nothing stays."""
        try:
            self.inner.refuse, self.inner.answers = None, True
            self.open()
            for _ in range(60):
                self.clock += GONE_AFTER_S
                self.observe()
                if not self.active:
                    break
                for job, state in list(self.inner.jobs.items()):
                    if not state.over:
                        self.work_off(job)
            assert not self.active, "texts that never end"
            self.cluster.release()
            self.clock += 400
            self.cluster.poll([])
            waiting = {job for job, state in self.inner.jobs.items() if state is JobState.PENDING}
            assert not waiting, "workers that were forgotten"
            assert not {self.over[job].state for job in self.cancelled & self.over.keys()} & {JobState.PREEMPTED}
        finally:
            shutil.rmtree(self.path)

    def work_off(self, job: str) -> None:
        run = next((each for each in reversed(self.runs) if each.job == job), None)
        if run is None or self.inner.jobs[job] is JobState.PENDING:
            self.runs.append(run := Run(self.inner, job))
        for ticket in list(run.take()):
            run.end(ticket)
        run.leave()


Machine.TestCase.settings = settings(
    max_examples=50,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    report_multiple_bugs=False,
    phases=[Phase.explicit, Phase.generate],
)
TestPool = Machine.TestCase
