"""Asks another process what needs torch, so that this one stays small: JSON in, JSON out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any


def ask(module: str, question: object, failed: Callable[[str], Exception]) -> Any:
    """The answer of a module of the trainer to a question; raises what ``failed`` makes of its words where it gives
    none."""
    run = subprocess.run(
        [sys.executable, "-P", "-m", "actsweep_start", "-m", module],
        input=json.dumps(question),
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        check=False,
    )
    if run.returncode != 0:
        raise failed(run.stderr.strip())
    return json.loads(run.stdout.splitlines()[-1])
