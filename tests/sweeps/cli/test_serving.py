"""``actsweep ui`` of a folder of studies, as a user meets it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from sweeps.testing import InventedTrial, invent_study


@pytest.mark.slow
def test_all_studies_are_shown_and_the_server_ends_with_its_terminal(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    for name in ("one", "other"):
        invent_study(root / name, [InventedTrial(label="relu")], name=f"study-{name}", folds=1, epochs=1)
    (root / "broken").mkdir()
    (root / "broken" / "plan.json").write_text("{")
    asked = [sys.executable, "-m", "actsweep_start", "-m", "sweeps.cli", "ui", str(root)]
    process = subprocess.Popen(asked, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
    watch = threading.Timer(120, process.kill)
    watch.start()
    try:
        assert process.stdout is not None
        said: list[str] = []
        while len(said) < 9 and (line := process.stdout.readline()):
            said.append(line.rstrip())
        opened = next(line for line in said if line.startswith("MLflow UI: "))
        address = opened.removeprefix("MLflow UI: ").partition("/#/")[0]
        assert {"one: reads 1 fold", "other: reads 1 fold"} <= set(said)
        assert [line for line in said if "viewStateShareKey=comparison" in line]
        with urlopen(f"{address}/health") as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGHUP)
        rest, errors = process.communicate()
        assert process.returncode == 0, errors
        assert rest.endswith("closed\n")
        assert "broken: left out: " in errors
        with pytest.raises(URLError):
            urlopen(f"{address}/health")
    finally:
        watch.cancel()
        process.kill()
