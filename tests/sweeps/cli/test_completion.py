"""Completion as a shell asks for it: a real bash with the printed script, and click's own answers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from sweeps.cli.completion import VARIABLE
from sweeps.cli.main import main
from trainer.catalogue import DATASETS

ROOT = Path(__file__).parents[3]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a study, a suite, a broken study and a folder that is none."""
    for trial in ("relu-c000", "dsrelu-s003"):
        for fold in ("fold-0-0", "fold-0-1"):
            (tmp_path / "runs/small/trials" / trial / fold).mkdir(parents=True)
            (tmp_path / "runs/both/wine/trials" / trial / fold).mkdir(parents=True)
    (tmp_path / "runs/small/study.yaml").write_text("name: small\n")
    (tmp_path / "runs/both/suite.yaml").write_text("suite: both\n")
    (tmp_path / "runs/both/wine/study.yaml").write_text("name: both-wine\n")
    (tmp_path / "runs/broken").mkdir()
    (tmp_path / "runs/broken/study.yaml").write_bytes(b"\xff")
    (tmp_path / "runs/broken/trials").write_text("no folder")
    (tmp_path / "runs/with a space").mkdir()
    (tmp_path / "runs/with a space/study.yaml").write_text("")
    (tmp_path / "other").mkdir()
    (tmp_path / "mine.yaml").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def offered(*words: str) -> list[str]:
    """What is offered for the last word; a shell's own files and folders as ``<file>`` and ``<dir>``."""
    found = ShellComplete(main, {}, "actsweep", VARIABLE).get_completions(list(words[:-1]), words[-1])
    return [item.value if item.type == "plain" else f"<{item.type}>" for item in found]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("res",), ["resume"]),
        (("schema", "s"), ["study", "suite"]),
        (("completion", ""), ["bash", "zsh", "fish"]),
        (("status", ""), ["runs/both", "runs/broken", "runs/small"]),
        (("status", "runs/s"), ["runs/small"]),
        (("status", "runs/both/"), ["runs/both/wine"]),
        (("status", "oth"), ["<dir>"]),
        (("resume", "runs/small", "--re"), ["--retry-failed"]),
        (("compare", "runs/small", "runs/b"), ["runs/both", "runs/broken"]),
        (("report", "runs/s"), ["runs/small"]),
        (("check", "min"), ["mine.yaml"]),
        (("check", "smo"), ["smoke"]),
        (("run", "elsewhere/st"), ["<file>"]),
        (("run", "smoke", "--cluster", "loc"), ["local"]),
        (("check", "smoke", "--measured", "runs/s"), ["runs/small"]),
        (("extend", "runs/small", "mi"), ["mine.yaml"]),
        (("data", "show", "cifar100_"), ["cifar100_sheets"]),
        (("data", "prepare", "dig"), ["digits"]),
        (("new", "x.yaml", "--data", "win"), ["wine"]),
        (("studies", "show", "smo"), ["smoke"]),
        (("studies", "show", "mine"), []),
        (("profile", "show", "example"), ["example-gpu"]),
        (("logs", "runs/small", ""), ["dsrelu-s003", "relu-c000"]),
        (("logs", "runs/small", "relu-c000", ""), ["0-0", "0-1"]),
        (("logs", "runs/small", "relu-c000", "f"), ["fold-0-0", "fold-0-1"]),
        (("logs", "runs/both", "wine/r"), ["wine/relu-c000"]),
        (("logs", "runs/both", "wine/relu-c000", "0-1"), ["0-1"]),
        (("logs", "runs/broken", ""), []),
        (("logs", "runs/nothing", ""), []),
        (("logs", "runs/small", "no-such", ""), []),
    ],
    ids=" ".join,
)
def test_what_is_offered(words: tuple[str, ...], expected: list[str], home: Path) -> None:
    assert offered(*words) == expected


def test_every_data_set_is_offered(home: Path) -> None:
    assert offered("data", "show", "") == list(DATASETS)


def bash(line: str, folder: Path) -> list[str]:
    """What a real bash offers at the end of a line, by the script that the command prints."""
    script = CliRunner().invoke(main, ["completion", "bash"]).stdout
    (folder / "bin").mkdir(exist_ok=True)
    command = folder / "bin" / "actsweep"
    command.write_text(
        f"#!{sys.executable} -P\nimport actsweep_start, sys\nsys.argv[0] = 'actsweep'\nactsweep_start.main()\n"
    )
    command.chmod(0o755)
    words = line.split(" ")
    asked = f"""{script}
COMP_WORDS=({" ".join(f"'{word}'" for word in words)}); COMP_CWORD={len(words) - 1}; COMPREPLY=()
_actsweep_completion actsweep "${{COMP_WORDS[-1]}}" 2>&1
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": f"{ROOT}:{ROOT}/sweeps/start"}
    done = subprocess.run(
        ["bash", "--norc", "-c", asked], cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_a_real_bash_completes(home: Path) -> None:
    assert bash("actsweep logs runs/small dsr", home) == ["dsrelu-s003"]
    assert bash("actsweep logs runs/broken ", home) == []  # and says nothing of what is wrong with it


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_script_names_the_command_and_the_variable_that_it_answers_to(shell: str) -> None:
    done = CliRunner().invoke(main, ["completion", shell], prog_name="python -m something")
    assert done.exit_code == 0
    assert f"{VARIABLE}={shell}_complete" in done.stdout
    assert "actsweep" in done.stdout
    assert "something" not in done.stdout


def test_completion_loads_nothing_heavy(home: Path) -> None:
    code = (
        "import sys\n"
        "from sweeps.cli.main import main\n"
        "try: main(prog_name='actsweep')\n"
        "finally: print([name for name in ('torch', 'ray', 'mlflow', 'pandas', 'pydantic', 'numpy') if name in "
        "sys.modules], file=sys.stderr)\n"
    )
    for line in ("actsweep logs runs/small ", "actsweep status ", "actsweep data show ", "actsweep run smo"):
        environment = {**os.environ, VARIABLE: "bash_complete", "COMP_WORDS": line, "PYTHONPATH": str(ROOT)}
        environment["COMP_CWORD"] = str(len(line.split(" ")) - 1)
        done = subprocess.run(
            [sys.executable, "-P", "-c", code], cwd=home, env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.stdout.startswith("plain,")
        assert done.stderr.strip() == "[]"
