"""What is told of a study's end, to whom, how often, and what is written down of it."""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from sweeps.cli.telling import told
from sweeps.driver import session
from sweeps.errors import CodeDrift, FolderBusy
from sweeps.folder import layout, ledger, notices, reported
from sweeps.folder.growth_records import Extended
from sweeps.folder.lock import Lock
from sweeps.folder.notices import Book, Outcome
from sweeps.folder.records import Finished
from sweeps.folder.reported import Said
from sweeps.notify import events, sending, telling
from sweeps.notify.telling import tell
from sweeps.study.study import digest
from sweeps.view import status

_spec = importlib.util.spec_from_file_location("ends", Path(__file__).with_name("ends.py"))
assert _spec is not None
assert _spec.loader is not None
ends = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(ends)
SECRET, ended, made, paused, submitted = (ends.SECRET, ends.ended, ends.made, ends.paused, ends.submitted)
PAUSES: list[float] = []


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    PAUSES.clear()
    monkeypatch.setattr(sending, "ANSWER_S", 0.3)


def quick(path: Path, problem: str = "", *, by_cron: bool = False) -> list[str]:
    return [said.text for said in tell(path, problem, by_cron=by_cron, sleep=PAUSES.append)]


def test_an_end_is_told_once_whoever_looks_again(tmp_path: Path, hook: Any) -> None:
    path = made(tmp_path / "runs" / "small")
    assert quick(path) == []  # it is under way
    ended(path)
    assert quick(path) == ["told: the address in $HOOK"]
    assert [quick(path), quick(path, by_cron=True)] == [[], []]
    (values,) = hook.values
    assert values["event"] == "finished"
    assert (values["name"], values["question"], values["folder"]) == ("small", "Is it over?", str(path))
    assert values["folds"] == {"planned": 2, "done": 2, "lost": 0}
    assert values["epoch_hours"] == 120 / 3600
    assert hook.texts[0].startswith("study small finished: 2 of 2 folds done; its epochs took 2 min 00 s\n")
    assert f"no report yet: `actsweep report {path}`" in hook.texts[0]
    assert hook.got[0]["content"] == hook.texts[0]
    assert hook.headers[0]["Idempotency-Key"] == values["id"]
    assert hook.headers[0]["Content-Type"].startswith("application/json")


def test_what_was_told_is_forgotten_when_the_study_goes_on(tmp_path: Path, hook: Any) -> None:
    path = made(tmp_path / "small")
    ended(path)
    quick(path)
    known = session.opened(path)
    grown = Extended(
        number=1,
        old_digest=digest(known),
        new_digest=digest(known),
        time=4.0,
        changes={},
        added=(),
        searched_again=(),
        folds_done={},
        folds_planned={},
        looks=0,
        reported=False,
    )
    ends.wrote(path, grown)
    assert quick(path) == []
    ends.wrote(path, Finished(time=5.0))
    assert quick(path) == ["told: the address in $HOOK"]
    assert len({values["id"] for values in hook.values}) == 2


def test_what_was_planned_and_is_not_there_is_told_as_a_failure(tmp_path: Path, hook: Any) -> None:
    path = made(tmp_path / "small")
    ended(path, given_up=True)
    quick(path)
    (values,) = hook.values
    assert values["event"] == "failed"
    assert values["why"] == ["1 fold without a score: node failed 4 times"]
    assert values["folds"] == {"planned": 2, "done": 1, "lost": 1}
    assert "study small ended, and needs somebody: 1 of 2 folds done, 1 without a score" in hook.texts[0]


def test_the_first_screen_of_a_report_of_this_end_is_told(tmp_path: Path, hook: Any) -> None:
    path = made(tmp_path / "small")
    (path / "report").mkdir()
    (path / "report" / "report.html").write_text("")
    ended(path)
    layout.write_aside(path / layout.REPORTED, json.dumps({"time": 2.0, "page": str(path / "report/report.html")}))
    now = events.stands(path)
    assert events.reported(path, now.ended_at) is None  # it is of an earlier end
    reported.note(path, path / "report" / "report.html", Said(answer="ReLU it is."))
    quick(path)
    assert hook.values[0]["answer"] == "ReLU it is."
    assert hook.texts[0].splitlines()[1:] == [
        "ReLU it is.",
        f"report: {socket.gethostname()}:{path}/report/report.html",
    ]


@pytest.mark.parametrize(("on", "heard"), [("[finished, failed]", []), ("stopped", ["stopped"])])
def test_a_stop_is_told_where_that_is_asked_for(tmp_path: Path, hook: Any, on: str, heard: list[str]) -> None:
    path = made(tmp_path / "small", f"{{url: $HOOK, on: {on}}}")
    paused(path)
    paused(path)  # of a suite, jobs are cancelled first and waited for then
    quick(path)
    quick(path)
    assert [values["event"] for values in hook.values] == heard
    submitted(path, 1)
    assert quick(path) == []  # it goes on
    paused(path)
    quick(path)
    assert len(hook.got) == 2 * len(heard)


def test_an_error_is_told_once_until_something_could_be_submitted(tmp_path: Path, hook: Any) -> None:
    path = made(tmp_path / "small")
    for _ in range(3):
        quick(path, "lab.act changed", by_cron=True)
    assert hook.values[0]["why"] == ["lab.act changed"]
    assert len(hook.got) == 1
    quick(path, "another error")
    submitted(path, 1)
    quick(path, "lab.act changed")
    assert [values["why"][0] for values in hook.values] == ["lab.act changed", "another error", "lab.act changed"]
    assert "go on with `actsweep resume" in hook.texts[0]


def test_errors_of_a_command_are_told_and_pass_through(tmp_path: Path, hook: Any) -> None:
    path = made(tmp_path / "small")
    with pytest.raises(CodeDrift), told(path):
        raise CodeDrift("mylab.act changed, see https://u:p@host/x")
    with pytest.raises(FolderBusy), told(path):  # another driver is at work
        raise FolderBusy("held")
    with pytest.raises(KeyboardInterrupt), told(path):  # this process is asked to end
        raise KeyboardInterrupt
    with pytest.raises(SystemExit), told(path) as ending:
        sys.exit(setattr(ending, "problem", "wine: set aside"))
    assert [values["why"] for values in hook.values] == [["mylab.act changed, see https://***"], ["wine: set aside"]]


def test_a_ledger_that_cannot_be_read_is_told(tmp_path: Path, hook: Any) -> None:
    path = made(tmp_path / "small")
    (path / ledger.FILE).write_text("nothing\n")
    quick(path, "the ledger is damaged")
    quick(path, "the ledger is damaged")
    assert [values["folds"] for values in hook.values] == [None]
    assert hook.texts[0].startswith("study small ended, and needs somebody\nthe ledger is damaged\n")


# -- receivers that do not answer as they should -----------------------------------------------------------------------


def test_a_webhook_that_is_down_is_asked_again_and_told_in_one_line(tmp_path: Path, hook: Any) -> None:
    path = made(tmp_path / "small")
    ended(path)
    hook.answers = [503, 500, 429, 502]
    assert quick(path) == ["not told: the address in $HOOK answered 502 Bad Gateway"]
    assert [*telling.PAUSES_S, 0.0] == PAUSES
    told_so = "finished: the address in $HOOK could not be told: answered 502 Bad Gateway; the next `actsweep resume`"
    assert told_so in status.read(path).words()
    hook.answers = [503]
    assert quick(path) == ["told: the address in $HOOK"]
    assert len({values["id"] for values in hook.values}) == 1
    assert "finished: the address in $HOOK was told" in status.read(path).words()
    assert json.loads(status.read(path).json())["notice"]["event"] == "finished"


def test_a_webhook_that_is_always_down_is_given_up(tmp_path: Path, hook: Any) -> None:
    path = made(tmp_path / "small")
    ended(path)
    hook.answers = [503] * 100
    for _ in range(9):
        quick(path, by_cron=True)
    assert len(hook.got) == notices.REFUSALS


@pytest.mark.parametrize("answer", [301, 302, 307, 400, 403, 404, 410])
def test_an_answer_that_is_no_refusal_for_now_is_not_asked_again(tmp_path: Path, hook: Any, answer: int) -> None:
    path = made(tmp_path / "small")
    ended(path)
    hook.answers = [answer]
    (said,) = quick(path)
    assert said.startswith(f"not told: the address in $HOOK answered {answer} ")
    assert quick(path) == []
    assert len(hook.got) == 1


def test_a_webhook_that_falls_silent_gets_it_once_more(tmp_path: Path, hook: Any) -> None:
    path = made(tmp_path / "small")
    ended(path)
    hook.answers = [None, None, None]
    assert quick(path) == ["not told: the address in $HOOK did not answer (timed out)"]
    assert quick(path) == []
    assert len(hook.got) == notices.UNKNOWNS == 2
    assert len({values["id"] for values in hook.values}) == 1
    assert "it is not known whether the address in $HOOK was told" in status.read(path).words()


def test_nobody_at_the_address_is_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made(tmp_path / "small")
    ended(path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HOOK", f"http://127.0.0.1:{free.getsockname()[1]}/{SECRET}")
        (said,) = quick(path)
    assert said == "not told: the address in $HOOK not reached (Connection refused)"
    assert SECRET not in (path / notices.FILE).read_text()


def test_an_address_that_is_not_here_is_told_and_asked_for_again(
    tmp_path: Path, hook: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made(tmp_path / "small")
    ended(path)
    monkeypatch.delenv("HOOK")
    assert quick(path)[0].startswith("not told: notify.url: $HOOK is not set here; ")
    assert "finished: the address in $HOOK is not told yet" in status.read(path).words()
    monkeypatch.setenv("HOOK", hook.address)
    assert quick(path) == ["told: the address in $HOOK"]


def test_a_command_gets_the_facts(tmp_path: Path) -> None:
    path = made(tmp_path / "small", "[sh, -c, 'cat > told.json; env > told.env']")
    ended(path)
    assert quick(path) == ["told: command sh"]
    body = json.loads((path / "told.json").read_text())
    known = (path / "told.env").read_text().splitlines()
    assert f"ACTSWEEP_NOTICE_ID={body['actsweep']['id']}" in known
    assert {"ACTSWEEP_EVENT=finished", "ACTSWEEP_NAME=small", f"ACTSWEEP_FOLDER={path}"} <= set(known)


def test_a_command_that_fails_is_not_run_again(tmp_path: Path, hook: Any) -> None:
    path = made(tmp_path / "small", "[sh, -c, 'echo x >> ran; echo no mail to $HOOK >&2; exit 3']")
    ended(path)
    assert quick(path) == ["not told: command sh ended with 3: no mail to https://***"]
    assert quick(path) == []
    assert (path / "ran").read_text() == "x\n"


def test_a_command_that_hangs_is_ended_with_what_it_started(tmp_path: Path) -> None:
    begun = time.monotonic()
    command = ("sh", "-c", "trap '' TERM; sleep 60 & echo $! > child; wait")
    outcome, said = sending.run(command, "/bin/sh", {}, {}, tmp_path, end_s=0.4)
    assert (outcome, said) == (Outcome.REJECTED, "had not ended after 0 s, and was")
    assert time.monotonic() - begun < 20
    child = int((tmp_path / "child").read_text())
    until = time.monotonic() + 10  # the signal is sent; the process ends a moment later
    while (alive := _runs(child)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not alive


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_two_receivers_are_told_apart(tmp_path: Path, hook: Any) -> None:
    path = made(tmp_path / "small", "{url: $HOOK, command: [sh, -c, exit 1]}")
    ended(path)
    assert quick(path) == ["told: the address in $HOOK", "not told: command sh ended with 1"]
    assert quick(path) == []
    assert len(hook.got) == 1


# -- kills -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_kill_at_any_record_tells_once_or_twice_with_one_id(
    number: int, after: bool, tmp_path: Path, hook: Any, fork: Callable[[Callable[[], object]], int]
) -> None:
    """Records: the notice is due, it is about to be handed over, what became of it."""
    path = made(tmp_path / "small")
    ended(path)
    write, count = Book.write, [0]

    def killed(book: Book, record: notices.Record) -> None:
        if after:
            write(book, record)
        if count[0] == number:
            os.kill(os.getpid(), signal.SIGKILL)
        count[0] += 1
        if not after:
            write(book, record)

    def child() -> None:
        Book.write = killed  # type: ignore[method-assign]
        tell(path)

    _, how = os.waitpid(fork(child), 0)
    assert os.WTERMSIG(how) == signal.SIGKILL
    quick(path)
    quick(path)
    twice = (number, after) == (2, False)  # it had come, and nobody wrote that down
    assert len(hook.got) == 1 + twice
    assert len({values["id"] for values in hook.values}) == 1


def test_kills_while_it_is_handed_over_repeat_it_once_at_most(
    tmp_path: Path, hook: Any, fork: Callable[[Callable[[], object]], int]
) -> None:
    path = made(tmp_path / "small")
    ended(path)
    child = [0]
    hook.before = lambda: os.kill(child[0], signal.SIGKILL)
    for _ in range(4):
        child[0] = fork(lambda: (time.sleep(0.1), tell(path)))
        os.waitpid(child[0], 0)
    assert len(hook.got) == 2
    assert len({values["id"] for values in hook.values}) == 1
    assert "not known whether the address in $HOOK was told (its driver ended" in status.read(path).words()


def test_a_torn_line_is_cut_off(tmp_path: Path, hook: Any) -> None:
    path = made(tmp_path / "small")
    ended(path)
    (path / notices.FILE).write_text('{"kind":"due","sch')
    assert quick(path) == ["told: the address in $HOOK"]
    assert quick(path) == []


def test_a_damaged_line_is_told_and_nothing_is_sent(tmp_path: Path, hook: Any) -> None:
    path = made(tmp_path / "small")
    ended(path)
    (path / notices.FILE).write_text("{}\n")
    (said,) = quick(path)
    assert f"{notices.FILE}:1: not a notice" in said
    assert f"{notices.FILE}:1: not a notice" in status.read(path).words()
    assert hook.got == []


def test_another_driver_that_is_at_work_is_left_to_tell(tmp_path: Path, hook: Any) -> None:
    path = made(tmp_path / "small")
    ended(path)
    lock = Lock(path)
    assert quick(path) == []
    lock.release()
    assert quick(path) != []


def test_a_full_disk_is_told_but_not_again_and_again(
    tmp_path: Path, hook: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made(tmp_path / "small")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(notices.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        quick(path, "no space left", by_cron=True)
    assert hook.got == []
    assert quick(path, "no space left")[0] == "told: the address in $HOOK"
    assert (path / notices.FILE).read_text() == ""


def test_the_address_is_in_no_file(tmp_path: Path, hook: Any) -> None:
    path = made(tmp_path / "small")
    hook.answers = [404]
    ended(path)
    quick(path)
    quick(path, f"cannot ask {hook.address}")
    holding = [file for file in path.rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()]
    assert holding == []
