"""``tests/run`` fails where a check of it fails."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

RUN = Path(__file__).parents[1] / "run"
CALLS = ("ruff check", "ruff format", "mypy", "lint-imports", "pytest")


def done(folder: Path, fails: str, *words: str) -> subprocess.CompletedProcess[str]:
    """One run whose programs all do nothing, well, but one."""
    programs = folder / "venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("python", "ruff", "mypy", "lint-imports"):
        program = programs / name
        program.write_text(f"""#!/bin/sh
case "{name} $*" in "{fails}"*|"python -m {fails}"*) exit 1;; esac
""")
        program.chmod(0o755)
    (folder / "tests").mkdir()
    (folder / "tests" / "run").write_text(RUN.read_text(encoding="utf-8"), encoding="utf-8")
    (programs / "apt-get").write_text("#!/bin/sh\nexit 1\n")  # nothing is installed here
    (programs / "apt-get").chmod(0o755)
    environment = {
        **os.environ,
        "ACTSWEEP_VENV": str(folder / "venv"),
        "PATH": "/usr/bin:/bin",
        "PYTEST_DEBUG_TEMPROOT": str(folder),
    }
    return subprocess.run(
        ["bash", str(folder / "tests" / "run"), *words], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("words", [(), ("--quick",), ("-k", "some")], ids=" ".join)
@pytest.mark.parametrize("fails", ["nothing", *CALLS])
def test_whatever_check_fails_the_whole_fails(fails: str, words: tuple[str, ...], tmp_path: Path) -> None:
    left_out = words == ("--quick",) and fails in ("mypy", "lint-imports")
    code = done(tmp_path, fails, *words).returncode
    assert (code == 0) == (fails == "nothing" or left_out)
