"""The commands that end a driver tell it: by hand, by cron, as a job, of a suite; and after kills around the end."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import ray.tune  # noqa: F401  # it leaves its own hooks: here, not in the test that first needs it
from click.testing import CliRunner, Result

from slurm.errors import ClusterError
from sweeps.cli import detached, reporting
from sweeps.cli.main import main
from sweeps.driver.driver import Driver
from sweeps.errors import StudyError
from sweeps.folder import layout
from sweeps.folder.ledger import Ledger
from sweeps.folder.notices import FILE
from sweeps.folder.records import Finished
from sweeps.notify import telling
from sweeps.suite import folder
from sweeps.suite.reading import load

_spec = importlib.util.spec_from_file_location("ends", Path(__file__).with_name("ends.py"))
assert _spec is not None
assert _spec.loader is not None
ends = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(ends)

TRAINED = """
name: trained
question: Is it ELU?
data: {name: wine}
model: {name: mlp, hidden: "8"}
training: {epochs: 2, batch: 64, patience: null}
folds: {folds: 2}
activations: [relu, elu]
cluster: {pack: 2}
notify: $HOOK
"""
SUITE = """
suite: both
question: Is it ELU?
base:
  data: {name: wine}
  model: {name: mlp, hidden: "8"}
  training: {epochs: 1, batch: 64, patience: null}
  folds: {folds: 2}
  activations: [relu]
notify: {command: [sh, -c, "cat > told.json; echo x >> ran"]}
studies: {wine: {}, cancer: {data: breast_cancer}}
"""


def call(*words: str) -> Result:
    return CliRunner().invoke(main, words, prog_name="actsweep")


@pytest.mark.slow
def test_a_study_tells_its_answer_and_kills_around_its_end_repeat_nothing(
    tmp_path: Path, hook: Any, monkeypatch: pytest.MonkeyPatch, fork: Callable[[Callable[[], object]], int]
) -> None:
    """The driver is killed as it decides that the study is finished, after that, in the report, and before it tells."""
    monkeypatch.chdir(tmp_path)
    Path("trained.yaml").write_text(TRAINED)
    write = Ledger.write

    def die(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def before_end(ledger: Ledger, *records: Any) -> None:
        if any(isinstance(record, Finished) for record in records):
            die()
        write(ledger, *records)

    def after_end(ledger: Ledger, *records: Any) -> None:
        write(ledger, *records)
        if any(isinstance(record, Finished) for record in records):
            die()

    path = Path("runs/trained")
    for target, name, instead in (
        (Ledger, "write", before_end),
        (Ledger, "write", after_end),
        (reporting, "write", die),
        (telling, "tell", die),
    ):

        def child(target: Any = target, name: str = name, instead: Any = instead) -> None:
            setattr(target, name, instead)
            call(*(["resume", str(path)] if path.exists() else ["run", "trained.yaml"]))

        _, how = os.waitpid(fork(child), 0)
        assert os.WIFSIGNALED(how), name
        assert hook.got == []
    done = call("resume", str(path))
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "told: the address in $HOOK")
    assert "told" not in call("resume", str(path), "--no-report").output
    (values,) = hook.values
    assert values["event"] == "finished"
    assert values["report"] == str((path / "report" / "report.html").absolute())
    numbers = json.loads((path / "report" / "numbers.json").read_text())
    assert values["answer"] == numbers["answer"]["sentence"] in hook.texts[0]
    assert "finished: the address in $HOOK was told" in call("status", str(path)).stdout
    holding = [file for file in tmp_path.rglob("*") if file.is_file() and ends.SECRET.encode() in file.read_bytes()]
    assert holding == []  # neither MLflow's file nor any of the folder's has the address


def test_a_suite_is_told_once_and_its_studies_are_not(tmp_path: Path) -> None:
    path = tmp_path / "both"
    folder.make(load(SUITE), path, ["test"], {})
    members = folder.members_of(path)
    for member in members:
        ends.begun(member)
    ends.ended(members[0])
    assert telling.tell(path) == []  # one of them is under way
    ends.ended(members[1])
    assert "told: command sh" in call("tick", str(path)).stdout
    assert "told" not in call("tick", str(path)).output
    assert telling.tell(path) == []
    assert (path / "ran").read_text() == "x\n"
    values = json.loads((path / "told.json").read_text())["actsweep"]
    assert (values["kind"], values["name"], values["event"]) == ("suite", "both", "finished")
    assert values["folds"] == {"planned": 4, "done": 4, "lost": 0}
    assert [file.parent.name for file in path.rglob(FILE)] == ["both"]
    assert "finished: command sh was told" in call("status", str(path)).stdout
    assert json.loads(call("status", str(path), "--json").stdout)["notice"]["event"] == "finished"


def test_what_a_suite_lacks_and_a_study_that_was_set_aside_are_told(tmp_path: Path, hook: Any) -> None:
    path = tmp_path / "both"
    folder.make(load(SUITE.replace("{command", "{url: $HOOK, on: [failed, stopped], command")), path, ["test"], {})
    first, second = folder.members_of(path)
    ends.begun(first)
    ends.begun(second)
    ends.paused(first)
    ends.paused(second)
    for problem in ("", "", "wine: the profile is gone", "wine: the profile is gone"):
        telling.tell(path, problem)
    ends.ended(first)
    ends.ended(second, given_up=True)
    telling.tell(path)
    assert [(values["event"], values["why"]) for values in hook.values] == [
        ("stopped", []),
        ("failed", ["wine: the profile is gone"]),
        ("failed", ["cancer: 1 fold without a score: node failed 4 times"]),
    ]


def test_a_suite_has_one_notify_for_all_of_its_studies() -> None:
    assert load(SUITE).notify is not None
    assert {study.notify for study in load(SUITE).studies.values()} == {None}
    for wrong, said in (
        (SUITE.replace("wine: {}", "wine: {notify: $HOOK}"), "studies.wine.notify: is the suite's to say: one notify"),
        (
            SUITE.replace("base:\n", "base:\n  notify: $HOOK\n"),
            "base.notify: is the suite's to say: write notify beside",
        ),
    ):
        with pytest.raises(StudyError, match=said):
            load(wrong)


def test_a_tick_by_cron_tells_the_end_once(tmp_path: Path, hook: Any) -> None:
    path = ends.made(tmp_path / "small")
    ends.ended(path)
    assert "told: the address in $HOOK" in call("tick", str(path)).stdout
    assert "told" not in call("tick", str(path)).stdout
    assert [values["event"] for values in hook.values] == ["finished"]


def test_a_driver_that_was_sent_tells_what_ended_it(tmp_path: Path, hook: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(driver: Driver) -> None:
        raise ClusterError("sbatch: your account is closed")

    path = ends.made(tmp_path / "small")
    monkeypatch.setattr(Driver, "tick", fails)
    asked = json.dumps({"path": str(path), "interval_s": 0.1})
    with pytest.raises(ClusterError):
        detached.run(asked)
    assert [values["why"] for values in hook.values] == [["sbatch: your account is closed"]]

    def terminated(driver: Driver) -> None:
        raise detached._Terminated

    monkeypatch.setattr(Driver, "tick", terminated)  # it is requeued, and goes on
    assert json.loads(detached.run(asked)) == {"interrupted": True}
    assert len(hook.got) == 1


def test_a_stop_by_hand_is_told_where_asked_for(tmp_path: Path, hook: Any) -> None:
    path = ends.made(tmp_path / "small", "{url: $HOOK, on: [stopped]}")
    ends.lost(path)
    done = call("stop", str(path))
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "told: the address in $HOOK")
    assert hook.texts[0].startswith("study small was stopped on request: 0 of 2 folds done\n")


@pytest.mark.parametrize(
    ("notify", "said"),
    [
        ("$NOT_SET", "notify.url: $NOT_SET is not set here; put the webhook's address into that variable"),
        ("{url: ./no-such-file}", "no-such-file cannot be read (No such file or directory); put"),
        ("{url: ./no-address}", "no-address holds is no address; accepts one that begins with https://"),
        ("no-such-program --now", "notify.command: there is no program no-such-program here"),
    ],
)
def test_check_and_run_refuse_what_could_not_be_told(
    notify: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("no-address").write_text("ftp://somewhere\n")
    Path("trained.yaml").write_text(TRAINED.replace("$HOOK", notify))
    for command in ("check", "run"):
        done = call(command, "trained.yaml")
        assert done.exit_code == 2
        assert said in done.stderr
        assert not Path("runs").exists()


def test_check_says_who_is_told(tmp_path: Path, hook: Any) -> None:
    file = tmp_path / "trained.yaml"
    (tmp_path / "address").write_text(f"\n{hook.address}\n")
    file.write_text(TRAINED.replace("$HOOK", "{url: ./address, command: [sh, tell], on: stopped}"))
    said = f"\nat its end: the address in {tmp_path}/address and command sh (there, here) is told of stopped\n"
    assert said in call("check", str(file)).stdout
    assert hook.got == []


def test_whom_a_study_tells_may_be_changed_in_its_folder(tmp_path: Path, hook: Any) -> None:
    path = ends.made(tmp_path / "small", "$OTHER")
    text = (path / layout.STUDY).read_text()
    (path / layout.STUDY).write_text(text.replace("$OTHER", "$HOOK"))
    ends.ended(path)
    assert [said.text for said in telling.tell(path)] == ["told: the address in $HOOK"]
