"""On the node: signals are heard whenever they come, and only the right ones end in a requeue."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from slurm import payload
from slurm.testing import FakeSlurm

NODE = """
import json, os, signal, sys, time
from slurm import payload
try:
    print("text", payload.call(sys.argv[1], sys.argv[2]))
except SystemExit as end:
    print("exit", end.code)
"""
LATE = '''
import json, os, signal, time
from pathlib import Path
Path(os.environ["UP"]).touch()
time.sleep(float(os.environ.get("IMPORT_S", "0")))

def work(text):
    """Takes a while before it has handlers, as one that imports torch does."""
    time.sleep(float(os.environ.get("BEFORE_S", "0")))
    heard = []
    for number in (signal.SIGTERM, signal.SIGUSR2):
        signal.signal(number, lambda number, frame: heard.append(number))
    Path(os.environ["UP"] + "-ready").touch()
    end = time.monotonic() + 5
    while not heard and time.monotonic() < end:
        time.sleep(0.02)
    return json.dumps({"interrupted": bool(heard), "started": True})
'''

Node = Callable[..., tuple[str, str]]


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    """Runs the payload as a task of an array, sends it a signal when a file is there, and gives what it printed."""
    (tmp_path / "late_payload.py").write_text(LATE)
    fake = FakeSlurm(tmp_path / "slurm")
    programs = fake.install()
    with fake.state() as state:
        state["jobs"]["12_3"] = {"word": "RUNNING", "name": "x", "node": "n", "reason": "", "forgotten": False}

    def run(
        number: signal.Signals, *, when: str = "up-ready", slurm: bool = True, **environment: str
    ) -> tuple[str, str]:
        up = tmp_path / "up"
        process = subprocess.Popen(
            [sys.executable, "-c", NODE, "late_payload:work", "{}"],
            env={
                **os.environ,
                "PYTHONPATH": str(tmp_path),
                "PATH": f"{programs}:{os.environ['PATH']}",
                "UP": str(up),
                "SUBMITIT_EXECUTOR": "slurm" if slurm else "local",
                "SLURM_JOB_ID": "15",
                "SLURM_ARRAY_JOB_ID": "12",
                "SLURM_ARRAY_TASK_ID": "3",
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        end = time.monotonic() + 20
        while not (tmp_path / when).exists():
            assert time.monotonic() < end
            time.sleep(0.01)
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
        return out.strip(), err

    run.fake = fake  # type: ignore[attr-defined]
    return run


def requeued(node: Node) -> list[list[str]]:
    fake: FakeSlurm = node.fake  # type: ignore[attr-defined]
    return fake.calls("scontrol")


def test_the_warning_before_the_limit_ends_in_a_requeue(node: Node) -> None:
    out, _ = node(signal.SIGUSR2)
    assert out == f"exit {128 + signal.SIGUSR2}"
    assert requeued(node) == [["requeue", "12_3"]]


def test_an_end_by_slurm_is_not_undone(node: Node) -> None:
    out, err = node(signal.SIGTERM)
    assert out == f"exit {128 + signal.SIGTERM}"
    assert requeued(node) == []
    assert "ended by Slurm" in err


def test_without_scontrol_the_text_is_given_back(node: Node, tmp_path: Path) -> None:
    (tmp_path / "slurm" / "bin" / "scontrol").unlink()
    out, err = node(signal.SIGUSR2, PATH="/usr/bin-without-slurm")
    assert json.loads(out.removeprefix("text ")) == {"interrupted": True, "started": True}
    assert "no scontrol" in err


def test_where_scontrol_refuses_the_text_is_given_back(node: Node) -> None:
    node.fake.refuse("scontrol", "slurm_requeue error: Access/permission denied")  # type: ignore[attr-defined]
    out, err = node(signal.SIGUSR2)
    assert out.startswith("text")
    assert "permission denied" in err


def test_outside_slurm_the_text_is_given_back_even_inside_a_job(node: Node) -> None:
    out, _ = node(signal.SIGTERM, slurm=False)
    assert out.startswith("text")
    assert requeued(node) == []


def test_a_signal_during_the_import_keeps_the_work_from_starting(node: Node, tmp_path: Path) -> None:
    out, _ = node(signal.SIGUSR2, when="up", IMPORT_S="0.5")
    assert out.startswith("exit")
    assert not (tmp_path / "up-ready").exists()
    assert len(requeued(node)) == 1


def test_a_signal_before_the_work_has_handlers_is_handed_on(node: Node) -> None:
    out, _ = node(signal.SIGUSR2, when="up", BEFORE_S="1.0")
    assert out == f"exit {128 + signal.SIGUSR2}"


@pytest.mark.parametrize("name", ["", "json", "json:", ":loads", "json:nothing", "json:__name__"])
def test_a_payload_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="module"):
        payload.find(name)


def test_a_payload_gives_text() -> None:
    assert payload.call("builtins:str", "said") == "said"
    with pytest.raises(TypeError, match="a text"):
        payload.call("builtins:int", "3")


def test_only_a_true_interruption_counts() -> None:
    assert payload.interrupted('{"interrupted": true}')
    for text in ('{"interrupted": false}', '{"interrupted": 1}', "[true]", "not json", ""):
        assert not payload.interrupted(text)


def test_the_payload_imports_the_standard_library_only() -> None:
    code = "import sys; before = set(sys.modules); import slurm.payload; print(*sorted(set(sys.modules) - before))"
    out = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {name.partition(".")[0] for name in out} <= set(sys.stdlib_module_names) | {"slurm"}
