"""Why a study stands still: in the table, in the line, and in `status`, which another process asks for."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from slurm.clusters import open_cluster
from slurm.jobs import JobReport, JobState
from slurm.profile import load as load_profile
from slurm.testing import FakeSlurm
from sweeps.driver import session, waiting
from sweeps.driver.driver import Driver
from sweeps.driver.packs import Node
from sweeps.driver.waiting import FILE, Keeper, Reason, Waiting
from sweeps.folder.lock import Lock
from sweeps.study import shipped
from sweeps.study.reading import load
from sweeps.suite import folder as suites
from sweeps.suite import status as of_suite
from sweeps.suite.reading import load as load_suite
from sweeps.suite.suite import on_profile
from sweeps.tracking.tracker import Tracker
from sweeps.view import progress, status
from sweeps.view.screen import UNWATCHED, Show, line, screen
from sweeps.view.waiting import News, lines, short

PRIORITY = "Priority: waits behind jobs of higher priority"
GRES = "QOSMaxGRESPerUser: the QOS gives each user no more at a time; max_jobs in the profile keeps the queue short"
HELD = "JobHeldUser: held; `scontrol release JOB` frees it"
AT = 1795864800.0  # 2026-11-28 11:20 UTC


@pytest.fixture(autouse=True)
def _in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def reports(*reasons: str, start: float | None = None) -> list[JobReport]:
    return [
        JobReport(job=f"100_{task}", state=JobState.PENDING, reason=reason, expected_start=start)
        for task, reason in enumerate(reasons)
    ]


def test_reasons_are_grouped_the_most_frequent_first_with_what_to_do() -> None:
    known = [*reports(GRES, PRIORITY, PRIORITY, ""), JobReport(job="1", state=JobState.RUNNING, reason="")]
    seen = waiting.of(known, AT)
    assert (seen.running, seen.waiting) == (1, 4)
    assert short(seen, AT) == (
        "4 jobs waiting: 2 Priority; 1 QOSMaxGRESPerUser: the QOS gives each user no more at a time "
        "(max_jobs in the profile keeps the queue short)"
    )
    first, *rest = lines(seen, alive=True, now=AT + 12)
    assert first == "1 job running, 4 waiting, as its driver saw 12 s ago:"
    assert rest == [f"  2 {PRIORITY}", f"  1 {GRES}", "  1 of which nothing was said yet"]


def test_the_same_reason_with_other_nodes_is_the_same_reason() -> None:
    words = "ReqNodeNotAvail, UnavailableNodes:gpu[3-4]: nodes are down; `sinfo -R` says why"
    seen = waiting.of(reports(words, words, words.replace("[3-4]", "7"), "SomethingNew"))
    assert [(reason.name, reason.count) for reason in seen.reasons] == [("ReqNodeNotAvail", 3), ("SomethingNew", 1)]
    assert "UnavailableNodes:gpu[3-4]" in short(seen)
    assert "1 SomethingNew" in short(seen)


@pytest.mark.parametrize(("count", "ids"), [(1, "100_0"), (3, "100_0,100_1,100_2"), (9, "100")])
def test_a_command_names_the_jobs(count: int, ids: str) -> None:
    assert f"(`scontrol release {ids}` frees it)" in short(waiting.of(reports(*[HELD] * count)))


def test_jobs_that_are_no_schedulers_are_not_named_in_its_commands() -> None:
    known = [dataclasses.replace(report, job="study.a1.0.pack.3") for report in reports(HELD)]
    assert "`scontrol release JOB`" in short(waiting.of(known))


def test_what_nobody_explained_says_nothing_and_a_slot_of_this_machine_is_a_reason() -> None:
    assert short(waiting.of(reports("", ""))) == ""
    assert short(waiting.of([])) == ""
    assert short(waiting.of(reports("waits for a free slot"))) == "1 job waiting: waits for a free slot"
    lost = JobReport(job="1", state=JobState.UNKNOWN, reason="Slurm says ODD")
    assert short(waiting.of([lost])) == "1 job waiting: Slurm says ODD"


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (AT + 3600, "first start expected at 12:20 (the scheduler's guess, which moves as jobs come and go)"),
        (AT + 86400, "first start expected 2026-11-29 11:20"),
        (AT - 1, ""),
        (None, ""),
    ],
)
def test_the_expected_start_is_a_guess_in_local_time(start: float | None, words: str) -> None:
    seen = waiting.of([*reports(PRIORITY, start=start), *reports(PRIORITY, start=start and start + 50)], AT)
    assert words in short(seen, AT)
    assert ("expected" in short(seen, AT)) == bool(words)
    assert ("expected" in "\n".join(lines(seen, alive=True, now=AT))) == bool(words)


def snapshot_of(known: list[JobReport]) -> progress.Snapshot:
    study = load(STUDY)
    from sweeps.folder.journals import Journals
    from sweeps.folder.records import Opened
    from sweeps.folder.state import replay

    opened = Opened(sweep="a", study="s", study_digest="d", time=0.0)
    return progress.snapshot(study, replay([opened]), Journals(Path("/nowhere")), known)


STUDY = """
name: shown
data: {name: digits}
model: {name: tiny_cnn}
training: {epochs: 2, patience: null}
folds: {folds: 3}
activations: [relu, dsrelu]
cluster: {pack: 1}
"""


def test_line_and_table_say_it_and_a_start_clears_it() -> None:
    held = snapshot_of(reports(HELD, HELD))
    drawn = io.StringIO()
    Console(file=drawn, width=100).print(screen(held, UNWATCHED))
    for shown in (line(held, UNWATCHED), " ".join(drawn.getvalue().split())):
        assert "0 jobs running, 2 waiting" in shown
        assert "2 jobs waiting: JobHeldUser: held (`scontrol release 100_0,100_1` frees it)" in shown
    started = snapshot_of(
        [dataclasses.replace(report, state=JobState.RUNNING, reason="") for report in reports("", "")]
    )
    assert "2 jobs running, 0 waiting" in line(started, UNWATCHED)
    assert "jobs waiting:" not in line(started, UNWATCHED)


def test_in_a_pipe_a_reason_is_told_when_it_is_first_given_and_not_with_each_poll() -> None:
    unsaid, said, other = (snapshot_of(reports(*reasons)) for reasons in (("", ""), (PRIORITY, PRIORITY), (HELD, HELD)))
    out = io.StringIO()
    moments = iter(range(20))
    with Show(Console(file=out, width=80), lambda: float(next(moments))) as show:
        for now in (unsaid, said, said, unsaid, said, other, said, other):
            show(now)
    told = [text.split(" | ")[4] if text.count(" | ") > 3 else "" for text in out.getvalue().splitlines()]
    assert [text.partition(":")[2][:12].strip() for text in told] == ["", "Priority", "JobHeldUser"]


def test_a_reason_that_comes_back_after_a_while_is_news() -> None:
    news, seen = News(), waiting.of(reports(HELD))
    assert [news(now, at) for now, at in ((seen, 0.0), (seen, 599.0), (seen, 1100.0), (waiting.NOTHING, 1200.0))] == [
        1
    ] * 4
    assert news(seen, 1800.0) == 2


def test_the_file_is_written_with_changes_and_anew_while_jobs_wait(tmp_path: Path) -> None:
    now = [AT]
    keeper = Keeper(tmp_path, lambda: now[0])
    written: list[float] = []
    for after, known in (
        (0, [PRIORITY]),
        (1, [HELD]),
        (6, [HELD]),
        (30, [HELD]),
        (61 + 6, [HELD]),
        (80, []),
        (900, []),
    ):
        now[0] = AT + after
        keeper.note(reports(*known), "")
        found = waiting.read(tmp_path)
        assert found is not None
        written.append(found.time - AT)
    assert written == [0, 0, 6, 6, 67, 80, 80]
    for after, at in ((920, 920), (930, 920), (990, 990)):  # what MLflow lacks is told without jobs that wait, too
        now[0] = AT + after
        keeper.note([], "", tracking="the server is down")
        assert waiting.read(tmp_path) == Waiting(time=AT + at, tracking="the server is down")
    assert waiting.read(tmp_path / "elsewhere") is None
    for torn in ("", "{", "[]", '{"schema": 2}', '{"schema": 1, "reasons": [1]}'):
        (tmp_path / FILE).write_text(torn)
        assert waiting.read(tmp_path) is None


def test_a_folder_that_takes_no_file_keeps_no_driver_from_its_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    Keeper(tmp_path / "file", time.time).note(reports(HELD), "")


def test_what_several_studies_wait_for_is_counted_together() -> None:
    one = waiting.of(reports(PRIORITY, HELD, start=AT + 9), AT, "squeue does not answer")
    other = waiting.of([*reports(HELD), JobReport(job="7", state=JobState.RUNNING)], AT - 40, "squeue does not answer")
    behind = Waiting(tracking="the server is down")
    both = waiting.together([one, other, waiting.NOTHING, behind, behind])
    assert (both.running, both.waiting, both.time, both.expected_start) == (1, 3, AT - 40, AT + 9)
    assert [(reason.name, reason.count) for reason in both.reasons] == [("JobHeldUser", 2), ("Priority", 1)]
    assert (both.trouble, both.tracking) == ("squeue does not answer", "the server is down")


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    fake = FakeSlurm(tmp_path / "slurm")
    monkeypatch.setenv("PATH", f"{fake.install()}:{os.environ['PATH']}")
    return fake


PROFILE = "executor: slurm\npartition: gpu\ntime: 60\nmax_array_size: 100\npoll_min_s: 0.001\npoll_max_s: 0.002\n"


def test_status_says_why_while_the_driver_lives_and_how_old_that_is_when_it_is_gone(
    fake: FakeSlurm, tmp_path: Path
) -> None:
    profile = tmp_path / "lab.yaml"
    profile.write_text(PROFILE)
    path = tmp_path / "study"
    study = shipped.on_profile(load(STUDY), str(profile))
    session.make(study, path, ["test"])
    cluster = open_cluster(load_profile(str(profile)), path / "jobs")
    driver = Driver(path, study, cluster, None, Node(data_root=None, scratch=None, code=""))
    lock = Lock(path)
    driver.tick()
    jobs = list(fake.jobs())
    assert len(jobs) == 6
    fake.put(jobs[0], "PENDING", reason="launch failed requeued held")
    for job in jobs[1:3]:
        fake.put(job, "REQUEUE_HOLD", reason="BeginTime")
    for job in jobs[3:]:
        fake.put(job, "PENDING", reason="QOSMaxGRESPerUser", start=time.time() + 86400 * 2)
    time.sleep(0.01)
    driver.tick()
    shown = line(progress.view(driver), UNWATCHED)
    assert "0 jobs running, 6 waiting" in shown
    for name in ("launch failed requeued held", "REQUEUE_HOLD", "3 QOSMaxGRESPerUser", "first start expected 20"):
        assert name in shown
    driver._waiting_for._last = None  # not to wait until it is written again
    driver.tick()
    found = status.read(path)
    assert "0 jobs running, 6 waiting, as its driver saw 0 s ago:" in found.words()
    assert f"2 REQUEUE_HOLD: put back into the queue and held; `scontrol release {jobs[1]},{jobs[2]}`" in found.words()
    assert json.loads(found.json())["waiting"]["reasons"][0]["count"] == 3
    lock.release()
    kept = json.loads((path / FILE).read_text())
    (path / FILE).write_text(json.dumps(kept | {"time": kept["time"] - 7200}))
    assert "as its last driver saw 2 h 00 min ago; nobody has looked since" in status.read(path).words()
    for job in jobs:
        fake.put(job, "RUNNING", node="gpu1")
    time.sleep(0.01)
    driver.tick()
    assert "6 jobs running, 0 waiting" in line(progress.view(driver), UNWATCHED)
    assert "QOSMaxGRESPerUser" not in line(progress.view(driver), UNWATCHED)
    # And a driver that is a job says to whoever asks that MLflow does not take what it sends.
    driver.tracker = Tracker("http://127.0.0.1:9", path)
    driver.track(at_once=True)
    driver._waiting_for._last = None
    driver.tick()
    stand, behind = status.read(path).words().partition("6 jobs running, 0 waiting, ")[2].splitlines()[:2]
    assert stand == "as its last driver saw 0 s ago; nobody has looked since:"
    assert behind.startswith("  MLflow is behind: MLflow store http://127.0.0.1:9: nobody answers; ")
    driver.close()


def test_the_status_of_a_suite_says_it_of_all_its_studies(tmp_path: Path) -> None:
    text = "suite: two\nquestion: Is it?\nbase:\n" + "\n".join(
        f"  {each}" for each in STUDY.replace("name: shown\n", "").splitlines() if each
    )
    profile = tmp_path / "lab.yaml"
    profile.write_text(PROFILE)
    suite = on_profile(load_suite(text + "\nstudies:\n  a: {}\n  b: {seed: 4}\n"), str(profile))
    path = tmp_path / "suite"
    suites.make(suite, path, ["test"], {})
    from sweeps.folder.ledger import Ledger
    from sweeps.folder.records import Opened, Submitted, Submitting
    from sweeps.study.study import digest

    for member, reason in (("a", HELD), ("b", PRIORITY)):
        ledger = Ledger(path / member)
        study = session.opened(path / member)
        ledger.write(
            Opened(sweep="a", study=study.name, study_digest=digest(study), time=0.0),
            Submitting(batch=0, name="n", packs=(("relu-c000/fold-0-0",),), time=1.0),
            Submitted(batch=0, jobs=("100_0",)),
        )
        ledger.close()
        Keeper(path / member, time.time).note(reports(reason), "")
    words, _ = of_suite.shown(path)
    assert "0 jobs running, 2 waiting, as its last driver saw 0 s ago" in words
    assert "1 JobHeldUser: held; `scontrol release 100_0` frees it" in words
    assert "1 Priority: waits behind jobs of higher priority" in words
    assert json.loads(of_suite.shown(path, as_json=True)[0])["studies"]["a"]["waiting"]["waiting"] == 1


def test_values_go_to_the_file_and_back(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path, lambda: AT)
    keeper.note(reports(HELD, start=AT + 5), "the queue is full")
    assert waiting.read(tmp_path) == Waiting(
        time=AT, waiting=1, reasons=(Reason(count=1, words=HELD, jobs=("100_0",)),), expected_start=AT + 5,
        trouble="the queue is full",
    )  # fmt: skip
