"""Fixtures: payloads that need nothing, importable by the jobs that the tests start."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from slurm.jobs import Cluster, JobReport
from slurm.profile import Profile

PAYLOADS = '''
import json, os, signal, sys, time
from pathlib import Path

def shout(text):
    print("working on", text)
    return text.upper()

def fail(text):
    raise ValueError(f"cannot work on {text}")

def environment(text):
    return json.dumps({**{key: os.environ.get(key) for key in json.loads(text)}, "flags": sys.flags.safe_path})

def loaded(text):
    return json.dumps(sorted(sys.modules))

def count(text):
    """Notes each start, then waits for a file."""
    folder = Path(text)
    (folder / f"start-{os.getpid()}").touch()
    while not (folder / "go").exists():
        time.sleep(0.02)
    (folder / f"end-{os.getpid()}").touch()
    return "counted"

def saving(text):
    """Saves and leaves on a signal, as a trainer does."""
    left = []
    for number in (signal.SIGTERM, signal.SIGUSR2):
        signal.signal(number, lambda number, frame: left.append(number))
    Path(text).touch()
    while not left:
        time.sleep(0.02)
    return json.dumps({"interrupted": True, "signals": left})

def deaf(text):
    Path(text).touch()
    time.sleep(60)
    return "never"

def vanish(text):
    print("about to go", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

def vanish_silently(text):
    os.kill(os.getpid(), signal.SIGKILL)
'''


@pytest.fixture
def payloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a module of payloads that jobs can import."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "job_payloads.py").write_text(PAYLOADS)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return "job_payloads"


@pytest.fixture
def local() -> Profile:
    return Profile(name="test", executor="local", mem_gb=0.1, max_jobs=2, gpus_per_pack=0)


@pytest.fixture
def wait() -> Callable[..., dict[str, JobReport]]:
    """Polls until the jobs are over, or until a condition on their reports holds."""

    def wait(
        cluster: Cluster,
        jobs: Collection[str],
        until: Callable[[dict[str, JobReport]], bool] = lambda reports: all(r.state.over for r in reports.values()),
        seconds: float = 30.0,
    ) -> dict[str, JobReport]:
        end = time.monotonic() + seconds
        while not until(reports := dict(cluster.poll(jobs))):
            assert time.monotonic() < end, f"still waiting: {reports}"
            time.sleep(0.02)
        return reports

    return wait
