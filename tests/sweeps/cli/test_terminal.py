"""Whatever the terminal and its encoding: no command fails for a sign, none writes what is not read."""

from __future__ import annotations

import ast
import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from sweeps.cli import terminal
from sweeps.cli.main import main
from sweeps.view.screen import Shown

ROOT = Path(__file__).parents[3]
POOR = {"LC_ALL": "C", "PYTHONUTF8": "0", "TERM": "dumb"}
"""A terminal that shows ASCII alone."""


def signs_of_ours() -> set[str]:
    """Signs beyond ASCII in the texts of our sources: all that we can print of our own."""
    found: set[str] = set()
    for package in ("analysis", "slurm", "sweeps", "trainer"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found |= {sign for sign in node.value if not sign.isascii() and sign != "\udc80"}
    return found


def test_each_sign_that_we_print_is_read_alike() -> None:
    unread = {sign for sign in signs_of_ours() if not "\ud800" <= sign <= "\udfff" and "\\" in terminal.read_as(sign)}
    assert unread == set()
    assert [terminal.read_as(sign) for sign in "±·→…×−²é─│┼█⠋"] == [
        "+-", "-", "->", "...", "x", "-", "^2", "e", "-", "|", "+", "#", "*",
    ]  # fmt: skip
    assert terminal.read_as("中") == "\\u4e2d"


def process(
    *words: str, folder: Path, environment: Mapping[str, str], typed: str | None = None
) -> tuple[int, bytes, bytes]:
    """The command as a process of its own; where something is ``typed``, on a terminal, with its errors in between."""
    command = [sys.executable, "-P", "-m", "sweeps.cli", *words]
    known = {key: value for key, value in os.environ.items() if not key.startswith(("LC_", "LANG", "PYTHONIO"))}
    if typed is None:
        done = subprocess.run(
            command, cwd=folder, env=known | environment, capture_output=True, stdin=subprocess.DEVNULL, timeout=300
        )
        return done.returncode, done.stdout, done.stderr
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        command, cwd=folder, env=known | environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    os.write(ours, typed.encode())
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:  # how a terminal says that nobody writes to it any longer
        pass
    os.close(ours)
    return child.wait(60), shown, b""


NAMED = 'name: named\nquestion: "Ist ±1 · besser – für Öl?"\ndata: wine\nmodel: mlp\nactivations: [relu, elu]\n'


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        (POOR, "question: Ist +-1 - besser - fur Ol?"),
        ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1"}, "question: Ist ±1 · besser - für Öl?"),
        ({"LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "cp1252"}, "question: Ist ±1 · besser – für Öl?"),
        ({"LC_ALL": "C"}, "question: Ist ±1 · besser – für Öl?"),
    ],
)
def test_what_is_printed_and_what_is_written(environment: dict[str, str], said: str, tmp_path: Path) -> None:
    folder = tmp_path / "Übung"
    folder.mkdir()
    (folder / "öl.yaml").write_text(NAMED, encoding="utf-8")
    code, shown, errors = process("check", "öl.yaml", "--resolved", folder=folder, environment=environment)
    assert (code, errors) == (0, b"")
    assert said in shown.decode(environment.get("PYTHONIOENCODING", "utf-8")).splitlines()
    code, shown, errors = process("check", "ö.yaml", folder=folder, environment=environment)
    assert (code, shown) == (2, b"")
    assert b"no such file; did you mean " in errors


@pytest.mark.parametrize("charset", ["ascii", "latin-1", "cp1252"])
@pytest.mark.parametrize("command", sorted(main.commands))
def test_help_in_every_encoding(charset: str, command: str) -> None:
    shown = CliRunner(charset=charset).invoke(main, [command, "--help"])
    assert shown.exit_code == 0, shown.exception
    assert CliRunner().invoke(main, [command, "--help"]).stdout.isascii() or charset != "ascii"
    shown.stdout_bytes.decode(charset)


def test_a_file_name_that_is_no_text_is_printed_as_it_is(tmp_path: Path) -> None:
    code, _, errors = process(os.fsdecode(b"check"), os.fsdecode(b"\xff.yaml"), folder=tmp_path, environment=POOR)
    assert code == 2
    assert errors.startswith(b"\xff.yaml: no such file")


def test_a_terminal_that_cannot_draw_gets_a_line_for_each_change(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(force_terminal=True, _environ={"TERM": "dumb"})
    with Shown(console) as shown:
        for at in range(3):
            shown.show(lambda: pytest.fail("drawn"), (at // 2,), lambda at=at: f"line {at}")  # type: ignore[misc]
            assert f"line {at // 2 * 2}" in capsys.readouterr().out or at == 1


COMMANDS = ("status", "status --json", "logs", "compare", "sync")


@pytest.mark.slow
def test_a_first_study_without_an_editor_on_the_poorest_of_terminals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``new`` by its questions, ``check``, ``run`` to the report; then the commands that read what they made."""
    folder = tmp_path / "Übung ±"
    folder.mkdir()
    (folder / "mylab.py").write_text(
        "from torch import nn\n\n\nclass Oel(nn.Module):\n    def forward(self, x):\n        return x.relu()\n",
        encoding="utf-8",
    )
    poor = POOR | {"PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}
    answers = "wine\nrelu, mylab:Oel\n0\n1\n\n"
    code, shown, _ = process("new", "oil.yaml", folder=folder, environment=poor, typed=answers)
    assert code == 0, shown
    assert b"oil.yaml: written; `actsweep check oil.yaml` says what it comes to" in shown
    code, shown, errors = process("check", "oil.yaml", folder=folder, environment=poor)
    assert (code, errors) == (0, b"")
    assert b"relu and Oel are the same function" in shown
    shown.decode("ascii")
    code, shown, _ = process("run", "oil.yaml", folder=folder, environment=poor, typed="")
    assert code == 0, shown
    shown.decode("ascii")
    assert shown.count(b"oil: ") >= 2  # a line for each change
    assert b"report: " in shown
    assert (folder / "runs/oil/report/report.html").is_file()
    monkeypatch.chdir(folder)
    for command in COMMANDS:
        name, *options = command.split()
        words = [name, "runs/oil", *options, *(["relu-c000"] if name == "logs" else [])]
        charset = "ascii" if "--json" in options else "latin-1"  # as ASCII, ``run`` said all of it before
        done = CliRunner(charset=charset).invoke(main, words)
        assert done.exit_code == 0, (command, done.output, done.exception)
        text = done.stdout_bytes.decode(charset)
        assert not any(torn in text for torn in ("Ã", "Â", "â\x80")), command
