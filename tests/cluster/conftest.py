"""Real Slurm for the tests: development clusters per session, and a stand-in for training that needs no torch."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from types import ModuleType

import pytest

from slurm.dev import cluster as devcluster
from slurm.dev.cluster import DevCluster, Shape
from slurm.errors import SubmissionRefused
from slurm.jobs import JobReport, JobState, Retry, retry
from slurm.profile import Profile
from slurm.scheduler.cluster import SlurmCluster

STAND_IN = '''
"""A pack of one fold as a cluster sees it: claims an attempt, writes an epoch at a time, goes on where an earlier
attempt was, saves and leaves on a signal, and ends itself when a newer attempt is there."""
import json, os, signal, time
from pathlib import Path
from types import ModuleType

def train(text):
    task = json.loads(text)
    folder = Path(task["folder"])
    left = []
    for number in (signal.SIGTERM, signal.SIGUSR2):
        signal.signal(number, lambda number, frame: left.append(number))
    number = 1
    while True:
        try:
            (folder / f"attempt-{number}").mkdir(parents=True)
            break
        except FileExistsError:
            number += 1
    done = 0
    for earlier in range(1, number):
        journal = folder / f"attempt-{earlier}" / "journal.jsonl"
        if journal.exists():
            lines = [json.loads(line) for line in journal.read_text().splitlines()]
            done = max([done, *(line["epoch"] for line in lines if "epoch" in line)])
    with (folder / f"attempt-{number}" / "journal.jsonl").open("a") as journal:
        def write(**record):
            names = {"gpu": "CUDA_VISIBLE_DEVICES", "node": "SLURMD_NODENAME", "job": "SLURM_JOB_ID"}
            record |= {key: os.environ.get(name) for key, name in names.items()}
            record |= {"at": time.time(), "pid": os.getpid()}
            journal.write(json.dumps(record) + "\\n")
            journal.flush()
        write(start=done)
        for epoch in range(done + 1, task["epochs"] + 1):
            if (folder / f"attempt-{number + 1}").exists():
                write(superseded=True)
                return json.dumps({"interrupted": False})
            time.sleep(task["seconds"])
            write(epoch=epoch)
            if left and epoch < task["epochs"]:
                write(interrupted=sorted(set(left)))
                return json.dumps({"interrupted": True})
        write(end="finished")
    return json.dumps({"interrupted": False})
'''


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fold:
    """A stand-in's folder, and what its attempts wrote."""

    folder: Path
    epochs: int

    def text(self, seconds: float) -> str:
        return json.dumps({"folder": str(self.folder), "epochs": self.epochs, "seconds": seconds})

    def lines(self) -> list[dict[str, object]]:
        """Records of all attempts in order."""
        found = []
        for number in range(1, 100):
            journal = self.folder / f"attempt-{number}" / "journal.jsonl"
            if journal.exists():
                found += [{**json.loads(line), "attempt": number} for line in journal.read_text().splitlines()]
        return found

    def attempts(self) -> int:
        return len(list(self.folder.glob("attempt-*")))

    def last_epoch(self) -> int:
        return max([0, *(int(str(line["epoch"])) for line in self.lines() if "epoch" in line)])

    def ended(self) -> int:
        return sum("end" in line for line in self.lines())

    def done_exactly_once(self) -> bool:
        return self.ended() == 1 and {line["epoch"] for line in self.lines() if "epoch" in line} == set(
            range(1, self.epochs + 1)
        )


@pytest.fixture(scope="session")
def environment() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="session")
def stand_in(environment: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Name of the stand-in for training, as submit takes it."""
    folder = tmp_path_factory.mktemp("modules")
    (folder / "stand_in.py").write_text(STAND_IN)
    environment.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    return "stand_in:train"


@pytest.fixture(scope="session")
def start_cluster() -> Iterator[Callable[[Shape], DevCluster]]:
    """Starts development clusters that end with the session."""
    missing = devcluster.missing_packages(Shape())
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: apt-get install {' '.join(missing)}")
    started: list[DevCluster] = []

    def start(shape: Shape) -> DevCluster:
        folder = Path(tempfile.mkdtemp(prefix="actsweep-"))
        started.append(devcluster.up(folder=folder, shape=shape))
        return started[-1]

    yield start
    for cluster in started:
        cluster.end()
        shutil.rmtree(cluster.folder)


@pytest.fixture(scope="session")
def main_cluster(start_cluster: Callable[[Shape], DevCluster]) -> DevCluster:
    """Four nodes with four GPUs each, accounting, short time-outs."""
    return start_cluster(Shape(slurmd_timeout_s=8, requeue_wait_s=5, settings={"KillWait": "5"}))


@pytest.fixture
def dev(main_cluster: DevCluster) -> Iterator[DevCluster]:
    """The main development cluster, reached by this test's commands; whole again when the test is over, however, and
    rid of the jobs that it left: the next one would wait for them."""
    with pytest.MonkeyPatch.context() as patch:  # not the test's own, which the test may undo
        patch.setenv("SLURM_CONF", str(main_cluster.conf))
        before = queued()
        yield main_cluster
        daemons = main_cluster.status().daemons
        if not daemons["slurmctld"]:
            main_cluster.start_controller()
        for node in main_cluster.nodes:
            if not daemons[node]:
                main_cluster.start_node(node)
        if left := queued() - before:
            subprocess.run(["scancel", *sorted(left)], check=True)
            end = time.monotonic() + 60
            while queued() & left:
                assert time.monotonic() < end, f"jobs {sorted(left)} do not end"
                time.sleep(0.2)


def queued() -> set[str]:
    """The jobs of the cluster that ``SLURM_CONF`` names."""
    done = subprocess.run(["squeue", "--noheader", "--format=%A"], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.fixture
def salloc(monkeypatch: pytest.MonkeyPatch, dev: DevCluster) -> Callable[..., str]:
    """Makes this process one of a new allocation, as salloc does for what it starts; gives the job's id. ``dev``
    ends it with the test."""

    def make(*words: str) -> str:
        command = ["salloc", "--no-shell", "--partition=main", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        job = done.stderr.split("Granted job allocation ")[1].split()[0]
        monkeypatch.setenv("SLURM_JOB_ID", job)
        return job

    return make


@pytest.fixture
def profile() -> Profile:
    """For the development cluster, with quick polling."""
    return Profile(
        name="test",
        executor="slurm",
        partition="main",
        gpus_per_pack=1,
        mem_gb=0.25,
        time_min=10,
        signal_lead_s=30,
        poll_min_s=0.5,
        poll_max_s=2.0,
    )


@pytest.fixture
def folds(tmp_path: Path) -> Callable[..., list[Fold]]:
    """Makes stand-in folds."""

    def make(count: int, epochs: int = 3) -> list[Fold]:
        return [Fold(folder=tmp_path / "folds" / f"fold-{number}", epochs=epochs) for number in range(count)]

    return make


@pytest.fixture
def wait() -> Callable[..., dict[str, JobReport]]:
    """Polls until the jobs are over, or until a condition on their reports holds."""

    def wait(
        cluster: SlurmCluster,
        jobs: Collection[str],
        until: Callable[[dict[str, JobReport]], bool] = lambda reports: all(r.state.over for r in reports.values()),
        seconds: float = 120.0,
    ) -> dict[str, JobReport]:
        end = time.monotonic() + seconds
        while not until(reports := dict(cluster.poll(jobs))):
            assert time.monotonic() < end, f"still waiting: {reports}"
            time.sleep(0.1)
        return reports

    return wait


@pytest.fixture
def drive() -> Callable[..., dict[str, JobReport]]:
    """What a driver does, in small: gives as much as there is room for, waits, and submits what is worth a retry."""

    def drive(
        cluster: SlurmCluster, call: str, texts: Sequence[str], folder: Path, seconds: float = 180.0, pause: float = 0.2
    ) -> dict[str, JobReport]:
        end = time.monotonic() + seconds
        waiting, reports, number = list(texts), {}, 0
        under_way: dict[str, str] = {}
        while waiting or under_way:
            assert time.monotonic() < end, (len(waiting), under_way)
            reports |= cluster.poll(list(under_way))
            for job in [job for job in under_way if reports[job].state.over]:
                text = under_way.pop(job)
                if reports[job].state is not JobState.FINISHED and retry(reports[job].state) is not Retry.NEVER:
                    waiting.append(text)
            if waiting and (room := cluster.room(len(under_way))):
                try:
                    jobs = cluster.submit(call, waiting[:room], name=f"part-{number}", folder=folder)
                except SubmissionRefused:
                    jobs = []
                number += 1
                under_way |= dict(zip(jobs, waiting, strict=False))
                waiting = waiting[len(jobs) :]
            time.sleep(pause)
        return reports

    return drive


@pytest.fixture
def slurm() -> Callable[..., str]:
    """Runs one of Slurm's commands as another user of the cluster would."""

    def run(*words: str) -> str:
        done = subprocess.run(words, capture_output=True, text=True, env=dict(os.environ), check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def console() -> ModuleType:
    """``console.py`` beside this file."""
    spec = importlib.util.spec_from_file_location("console", Path(__file__).with_name("console.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module
