"""A study folder brought to life: made, opened, driven, paused."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from types import FrameType
from typing import Any, Self

from analysis.plan import from_json, to_json
from slurm.jobs import Costs
from sweeps import folder, store
from sweeps.complaints import nearest
from sweeps.driver import Driver
from sweeps.errors import StudyError, SweepError, TrackingError
from sweeps.lock import Lock, held
from sweeps.packing import Node
from sweeps.progress import Snapshot, counted, jobs, snapshot
from sweeps.study import Study, digest, load, resolved_yaml
from sweeps.submission import CALL
from trainer.spec import FoldSpec

SETTLE_S = 10.0
"""How long a shared file system may keep a journal's last lines from this host."""


def shipped() -> dict[str, str]:
    """The studies that come with the package: name -> text."""
    files = resources.files("sweeps").joinpath("studies").iterdir()
    return {file.name.removesuffix(".yaml"): file.read_text() for file in files if file.name.endswith(".yaml")}


def find(reference: str) -> Study:
    """A study by file, or by name among those shipped. Raises :class:`StudyError`."""
    path = Path(reference)
    if path.is_file() or path.suffix in (".yaml", ".yml"):
        return load(path)
    known = shipped()
    if reference in known:  # also where a folder here happens to have its name
        return load(known[reference], origin=f"{reference}.yaml")
    if (path / folder.STUDY).is_file():
        raise StudyError(
            f"{path}: a study's folder, not its file; go on with it by `actsweep resume {folder.shown(path)}`"
        )
    raise StudyError(_unknown(reference, "neither a file nor one of the shipped studies"))


def text_of(name: str) -> str:
    """The text of a shipped study. Raises :class:`StudyError`."""
    known = shipped()
    if name not in known:
        raise StudyError(_unknown(name, "not one of the shipped studies"))
    return known[name]


def _unknown(name: str, what: str) -> str:
    near = nearest(name, shipped())
    return f"{name}: {what}{near + ' `actsweep' if near else '; `actsweep'} studies` lists them"


def on_profile(study: Study, profile: str) -> Study:
    """The study, to be run elsewhere; its numbers' identity is unchanged."""
    return study.model_copy(update={"cluster": study.cluster.model_copy(update={"profile": _absolute(profile)})})


def _absolute(profile: str) -> str:
    return str(Path(profile).absolute()) if Path(profile).is_file() else profile


def make(study: Study, path: Path, command: Sequence[str]) -> bool:
    """Lays out the study's folder; False where it is there already for the same study. Raises :class:`StudyError` for a
    folder of another study. A folder without ``study.yaml``, which is written last, was never made."""
    from sweeps import provenance

    existing = path / folder.STUDY
    if existing.exists():
        if digest(opened(path)) == digest(study):
            return False
        raise StudyError(
            f"{path}: holds another version of study {study.name!r} (digest {digest(opened(path))}, this is "
            f"{digest(study)}). Runs of different settings do not mix: choose another folder with --folder"
        )
    try:
        store.locate(study.tracking.uri, path)
    except TrackingError as error:  # before anything is written
        raise StudyError(str(error)) from error
    declared_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    folder.write_aside(path / folder.PLAN, to_json(study.plan(declared_at)))
    provenance.record(path, provenance.collect(command, Path.cwd()))
    folder.write_aside(existing, resolved_yaml(study))
    return True


def opened(path: Path) -> Study:
    """The study of a folder. Raises :class:`StudyError` where there is none, and where ``study.yaml`` is no longer what
    was declared in ``plan.json`` before the first run."""
    file = path / folder.STUDY
    if not file.is_file():
        raise StudyError(f"{path}: not a study folder (it has no {folder.STUDY}); `actsweep run STUDY` makes one")
    study = load(file, check_files=False)
    declared = path / folder.PLAN
    if declared.is_file():
        planned = from_json(declared.read_text(encoding="utf-8")).study_digest
        if planned != digest(study):
            raise StudyError(
                f"{file}: was changed after its study was declared (digest {planned} in {folder.PLAN}, now "
                f"{digest(study)}); restore it, or run the changed file in another folder"
            )
    return study


def data_root(study: Study) -> str | None:
    """The study's ``root``, else ACTSWEEP_DATA, absolute; None for neither."""
    named = study.root or os.environ.get("ACTSWEEP_DATA")
    return str(Path(named).expanduser().absolute()) if named else None


@contextmanager
def driving(path: Path, *, call: str = CALL) -> Iterator[Driver]:
    """A driver on the folder, with its lock held. Raises :class:`sweeps.errors.FolderBusy`. ``call`` as in Driver."""
    from slurm.cluster import open_cluster
    from slurm.profile import load as load_profile
    from sweeps.tracking import Tracker
    from trainer import code

    study = opened(path)
    profile = load_profile(study.cluster.profile)
    lock = Lock(path)
    try:
        cluster = open_cluster(profile, path / "jobs")
        tracker = Tracker(study.tracking.uri, path)
        settle_s = SETTLE_S if profile.executor == "slurm" else 0.0
        node = Node(
            data_root=data_root(study),
            scratch=study.cluster.scratch or profile.scratch,
            code=code.digest(),
            device=profile.device_for(study.cluster.device),
        )
        driver = Driver(path, study, cluster, tracker, node, settle_s=settle_s, call=call)
        driver.on_tick = lock.beat
        try:
            yield driver
        finally:
            driver.close()
    finally:
        lock.release()


def view(driver: Driver) -> Snapshot:
    """How the sweep stands after a tick."""
    return snapshot(
        driver.study,
        driver.state,
        driver.journals,
        driver.jobs.values(),
        put_off=driver.refused,
        tracking=driver.tracking_problem,
    )


def drive(driver: Driver, show: Callable[[Driver], None], *, interval_s: float) -> bool:
    """Ticks until the study is finished (True) or was asked to stop (False). KeyboardInterrupt is the caller's."""
    request = driver.path / folder.STOP
    with Interrupt() as interrupt:
        while True:
            driver.tick()
            show(driver)
            if driver.done:
                request.unlink(missing_ok=True)
                return True
            if request.exists():
                driver.pause()
                request.unlink(missing_ok=True)
                return False
            interrupt.wait(interval_s)


class Interrupt:
    """Keeps Ctrl-C until a decision step is over, so that nothing a step calls can swallow it. A second Ctrl-C does not
    wait. Elsewhere than in the main thread, where signals cannot be heard, it only waits."""

    def __init__(self) -> None:
        self._asked = False
        self._before: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def wait(self, seconds: float) -> None:
        """Raises KeyboardInterrupt once asked to."""
        end = time.monotonic() + seconds
        while not self._asked and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))
        if self._asked:
            raise KeyboardInterrupt

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """What a driver cost the machine and the scheduler."""

    cpu_s: float
    peak_memory_mb: float
    calls: dict[str, int]

    def words(self) -> str:
        calls = ", ".join(f"{count} {name}" for name, count in sorted(self.calls.items())) or "no scheduler calls"
        return f"driver: {self.cpu_s:.1f} s of CPU, {self.peak_memory_mb:.0f} MB at most, {calls}"


def footprint(costs: Costs) -> Footprint:
    import resource

    usage = resource.getrusage(resource.RUSAGE_SELF)
    scale = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return Footprint(
        cpu_s=usage.ru_utime + usage.ru_stime, peak_memory_mb=usage.ru_maxrss / scale, calls=dict(costs.calls)
    )


def ready(study: Study) -> None:
    """Raises what would stop every fold: a profile that is none, a module that is not installed, a data set that is not
    there or cannot be dealt to these folds, a model or an activation that cannot be built at the bounds of its space.
    Data set and torch are loaded by another process, so that the driver stays small."""
    from slurm.profile import load as load_profile

    load_profile(study.cluster.profile)
    for name in {study.activation(label).activation for label in study.compared()} | {study.model.name}:
        module = name.partition(":")[0]
        if ":" in name and not _importable(module):
            raise StudyError(
                f"{study.name}: {name}: there is no module {module} here; install it for {sys.executable}, or put its "
                "folder on PYTHONPATH, here and on the nodes"
            )
    asked = {"data_root": data_root(study), "specs": [dataclasses.asdict(spec) for spec in _bounds(study)]}
    run = subprocess.run(
        [sys.executable, "-P", "-m", "trainer.dry"], input=json.dumps(asked), capture_output=True, text=True
    )
    if run.returncode != 0:
        raise SweepError(f"{study.name}: cannot be tried here:\n{run.stderr.strip()}")
    if found := json.loads(run.stdout.splitlines()[-1]):
        raise StudyError("\n".join(f"{study.name}: {problem}" for problem in found))


def _bounds(study: Study) -> Iterator[FoldSpec]:
    """A fold of each activation in each phase, at both ends of its space; of the first activation every fold, so that
    every split is dealt once."""
    for phase in study.phases():
        for label in study.compared():
            domains = study.space_of(label).domains
            for end in (0, -1):
                ends = {
                    key.partition(".")[2]: domain.extremes()[end] for key, domain in domains.items() if key[0] == "a"
                }
                specs = study.fold_specs(phase=phase, trial="t", label=label, params=ends)
                yield from specs if label == study.compared()[0] and end == 0 else specs[:1]


def _importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def stop(path: Path, *, wait_s: float = 120.0) -> str:
    """Cancels the jobs of a study: through its driver where one lives, wherever it runs, else itself."""
    opened(path)
    request = path / folder.STOP
    if held(path):
        folder.write_aside(request, "")
        deadline = time.monotonic() + wait_s
        while request.exists() and held(path):
            if time.monotonic() > deadline:
                return f"the driver has not answered for {wait_s:.0f} s; it stops its jobs at its next step"
            time.sleep(0.2)
        if not request.exists():
            return f"the driver stopped its jobs; go on with `actsweep resume {folder.shown(path)}`"
    with driving(path) as driver:
        request.unlink(missing_ok=True)
        if driver.done:
            return f"nothing to stop: the study in {path} is finished"
        driver.pause()
        count = len(driver.state.folds_of)
    return f"{jobs(count)} cancelled; go on with `actsweep resume {folder.shown(path)}`"


def sync(path: Path) -> str:
    """Makes MLflow say what the folder says. Raises :class:`sweeps.errors.FolderBusy` while a driver writes it."""
    from sweeps.tracking import Tracker

    study = opened(path)
    lock = Lock(path)
    try:
        synced = Tracker(study.tracking.uri, path).sync()
    finally:
        lock.release()
    return f"MLflow has {counted(synced.trials, 'trial')} and {counted(synced.folds, 'fold')} of {study.name}"
