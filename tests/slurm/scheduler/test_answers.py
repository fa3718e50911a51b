"""Every message of Slurm's commands that is known leads to what its class says, and is there for a reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from slurm import executor
from slurm.errors import SubmissionRefused, SubmissionRejected
from slurm.jobs import Costs, JobState
from slurm.profile import Profile
from slurm.scheduler import answers, commands, poller, sbatch_errors
from slurm.scheduler.answers import Means
from slurm.scheduler.cluster import SlurmCluster
from slurm.scheduler.commands import Answer, Scheduler
from slurm.scheduler.sbatch_errors import Meaning
from slurm.scheduler.squeue import Queue, Row

FAILED = "sbatch: error: Batch job submission failed: "


class World:
    """A scheduler that knows the jobs that it took; sbatch took one where it is told to before it fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self.words, self.takes = "", False
        self.rows: list[Row] = []
        self.cancelled: list[str] = []
        self.calls = 0
        self.now = 1e9
        monkeypatch.setattr(executor, "submit_array", self._submit)
        monkeypatch.setattr(executor, "place_pickle", lambda *_: None)
        monkeypatch.setattr(Scheduler, "queue", self._queue)
        monkeypatch.setattr(Scheduler, "ask", self._ask)
        monkeypatch.setattr("slurm.scheduler.cluster.shutil.which", lambda _: "/usr/bin/sbatch")
        profile = Profile(
            name="lab", executor="slurm", partition="gpu", time_min=60, max_array_size=1001, poll_min_s=1, poll_max_s=8
        )
        self.cluster = SlurmCluster(profile, tmp_path, now=lambda: self.now)
        self.folder = tmp_path

    def _submit(self, *_: object, name: str, **__: object) -> str:
        self.calls += 1
        job = str(100 + self.calls)
        if not self.words or self.takes:
            self.rows.append(Row(job=job, name=name, word="PENDING", node=None))
        if self.words:
            words, self.words = self.words, ""
            raise executor.SbatchError(words)
        return job

    def _queue(self, names: list[str]) -> Queue:
        return Queue(rows=tuple(row for row in self.rows if row.name in names), whole=True)

    def _ask(self, *words: str) -> Answer:
        self.cancelled += words[1:]
        return Answer(code=0, out="", err="")

    def submit(self, name: str = "n") -> list[str]:
        return self.cluster.submit("m:f", ["a"], name=name, folder=self.folder)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    return World(monkeypatch, tmp_path)


def lines_of(*means: Meaning) -> list[sbatch_errors.Known]:
    return [line for line in sbatch_errors.known() if line.means in means]


def shown(line: sbatch_errors.Known) -> str:
    return line.example[:50]


@pytest.mark.parametrize("line", lines_of(Meaning.LATER, Meaning.LATER_AND_FEWER), ids=shown)
def test_what_passes_is_waited_for_and_tried_again(world: World, line: sbatch_errors.Known) -> None:
    world.words = FAILED + line.example
    with pytest.raises(SubmissionRefused):
        world.submit()
    assert not list(world.folder.glob("n*")), "nothing is left of it"
    with pytest.raises(SubmissionRefused, match="asked again in"):
        world.submit()
    assert world.calls == 1
    if line.means is Meaning.LATER_AND_FEWER:
        assert world.cluster.room(0) == 0
    world.now += 10
    assert world.submit() == ["102"]
    assert len(world.rows) == 1


@pytest.mark.parametrize("line", lines_of(Meaning.UNCERTAIN), ids=shown)
def test_what_may_have_been_taken_is_looked_for_before_another_is_sent(world: World, line: sbatch_errors.Known) -> None:
    world.words, world.takes = FAILED + line.example, True
    assert world.submit() == ["101"], "it is there, and is ours"
    assert world.calls == 1
    world.takes, world.words = False, FAILED + line.example
    with pytest.raises(SubmissionRefused):
        world.submit("other")
    late = Row(job="110", name="other.0", word="PENDING", node=None)
    world.rows.append(late)  # it got through after all
    world.now += 30
    world.cluster.poll(["101"])
    assert world.cancelled == ["110"], "given up, and cancelled"


@pytest.mark.parametrize("line", lines_of(Meaning.NEVER), ids=shown)
def test_what_a_person_must_change_ends_it(world: World, line: sbatch_errors.Known) -> None:
    world.words = FAILED + line.example
    with pytest.raises(SubmissionRejected) as caught:
        world.submit()
    assert line.example in str(caught.value)
    assert world.calls == 1
    assert not world.rows


def test_no_line_hides_another_and_none_is_there_twice() -> None:
    known = sbatch_errors.known()
    assert len({line.example.lower() for line in known}) == len(known)
    for line in known:
        first = next(each for each in known if re.search(each.pattern, line.example.lower()))
        assert first.pattern == line.pattern or first.means is line.means, line


@pytest.mark.parametrize("line", answers.known(), ids=lambda line: f"{line.command}-{line.example[-40:]}")
def test_each_line_of_the_other_commands_is_reached_by_its_example(line: answers.Known) -> None:
    assert answers.meanings(line.command, line.example) == {line.means}
    assert answers.meanings(line.command, f"*** welcome ***\n{line.example.upper()}\n") == {line.means}
    assert line.source
    assert line.command in ("squeue", "sacct", "scancel")


def test_what_nobody_knows_is_tried_again() -> None:
    assert answers.meanings("scancel", "scancel: error: something new") == {Means.LATER}
    assert answers.meanings("scancel", "") == {Means.LATER}


def of_command(name: str) -> list[answers.Known]:
    return [line for line in answers.known() if line.command == name]


def failing(monkeypatch: pytest.MonkeyPatch, command: str, words: str, *, code: int = 1) -> list[tuple[str, ...]]:
    """From now on a command fails with these words, without a process."""
    asked: list[tuple[str, ...]] = []

    def run(_: Scheduler, words_: tuple[str, ...]) -> Answer:
        asked.append(tuple(words_))
        return Answer(code=code, out="", err=words) if words_[0] == command else Answer(code=0, out="", err="")

    monkeypatch.setattr(commands.Scheduler, "_run", run)
    return asked


@pytest.mark.parametrize(
    "line", [line for line in answers.known() if line.command == "squeue"], ids=lambda line: line.example
)
def test_a_squeue_that_fails_loses_no_job_and_is_told_within_three_polls(
    world: World, monkeypatch: pytest.MonkeyPatch, line: answers.Known
) -> None:
    jobs = world.submit()
    monkeypatch.undo()
    failing(monkeypatch, "squeue", line.example)
    for number in range(1, 5):
        world.now += 100
        assert {report.state for report in world.cluster.poll(jobs).values()} == {JobState.PENDING}
        assert bool(world.cluster.trouble) == (number >= poller.UNSOUND_BEFORE_TOLD)
    assert line.example[-30:] in world.cluster.trouble


@pytest.mark.parametrize("code", [0, 1])
@pytest.mark.parametrize(
    "line", [line for line in answers.known() if line.command == "sacct"], ids=lambda line: line.example
)
def test_a_sacct_that_fails_says_nothing_of_any_job_whatever_its_exit_status(
    monkeypatch: pytest.MonkeyPatch, line: answers.Known, code: int
) -> None:
    failing(monkeypatch, "sacct", line.example, code=code)
    scheduler = Scheduler(Costs())
    assert scheduler.history("--jobs=100") is None
    assert scheduler.without_accounting == (line.means is Means.ABSENT)


@pytest.mark.parametrize(
    "line", [line for line in answers.known() if line.command == "scancel"], ids=lambda line: line.example
)
def test_a_scancel_that_fails_is_repeated_unless_there_is_nothing_to_cancel(
    world: World, monkeypatch: pytest.MonkeyPatch, line: answers.Known
) -> None:
    jobs = world.submit()
    monkeypatch.undo()
    asked = failing(monkeypatch, "scancel", line.example)
    world.cluster.cancel(jobs)
    for _ in range(2):
        world.now += 60
        world.cluster.poll(jobs)
    tried = sum(words[0] == "scancel" for words in asked)
    assert tried == (3 if line.means is Means.LATER else 1)


def test_a_scancel_of_several_is_repeated_where_one_of_them_may_still_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = world.submit()
    monkeypatch.undo()
    words = "\n".join(
        f"scancel: error: Kill job error on job id {job}: {why}"
        for job, why in (("100", "Invalid job id specified"), ("101", "Socket timed out on send/recv operation"))
    )
    asked = failing(monkeypatch, "scancel", words)
    world.cluster.cancel(jobs)
    world.now += 60
    world.cluster.poll(jobs)
    assert sum(words[0] == "scancel" for words in asked) == 2
