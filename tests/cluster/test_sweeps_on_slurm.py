"""Whole studies on a real Slurm: whatever happens on the way, they end as the undisturbed one does."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.runs import load as cubes
from slurm.dev.cluster import DevCluster
from slurm.dev.config import Shape
from sweeps.driver import session
from sweeps.driver.driver import Driver
from sweeps.folder import ledger
from sweeps.folder.records import Submitted, Submitting
from sweeps.study import shipped
from sweeps.study.reading import load
from sweeps.testing import attempts, decisions, numbers
from trainer.journal import read_fold

pytestmark = pytest.mark.cluster

PRETEND = "trainer.testing:pretend"
PROFILE = """
executor: slurm
partition: main
gpus_per_pack: 1
device: cpu
mem_gb: 0.25
time_min: 10
signal_lead_s: 30
poll_min_s: 0.5
poll_max_s: 2
environment: {ACTSWEEP_PRETEND_EPOCH_S: "0.4"}
driver: {time_min: 10, mem_gb: 0.5}
"""
STUDY = """
name: on-slurm
seed: 3
data: {name: digits}
model: {name: tiny_cnn}
training: {epochs: 8, patience: null}
folds: {folds: 3}
search: {algorithm: random, samples: 4, folds: 2}
activations:
  - relu
  - elu
  - {activation: dsrelu, space: {k: {uniform: [1, 9]}}}
control: relu
"""
DRIVE = f"""
import pathlib, sys
from sweeps.driver import session
with session.driving(pathlib.Path(sys.argv[1]), call={PRETEND!r}) as driver:
    session.drive(driver, lambda now: None, interval_s=0.2)
"""
Run = Callable[..., str]


def made(folder: Path, study: str = STUDY, profile: str = PROFILE) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "lab.yaml").write_text(profile)
    session.make(shipped.on_profile(load(study), str(folder / "lab.yaml")), folder / "study", ["test"])
    return folder / "study"


def finish(driver: Driver, until: Callable[[], bool] = lambda: False, limit_s: float = 150) -> None:
    deadline = time.monotonic() + limit_s
    while not driver.done and not until():
        driver.tick()
        time.sleep(0.2)
        assert time.monotonic() < deadline, driver.refused or "the study did not finish"


def training(path: Path) -> list[Path]:
    """Folds that have begun and are not over."""
    folders = [spec.parent for spec in (path / "trials").glob("*/fold-*/spec.json")]
    return [folder for folder in folders if (found := read_fold(folder)) is not None and found.end is None]


def held_out(path: Path) -> list[tuple[object, ...]]:
    cube = cubes.load(path).cube
    columns = ["activation", "phase", "trial", "repeat", "fold", "status", "heldout/accuracy", "validation/loss"]
    return sorted(map(tuple, cube[columns].itertuples(index=False)))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, main_cluster: DevCluster) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(main_cluster.conf))
        path = made(tmp_path_factory.mktemp("undisturbed") / "lab")
        with session.driving(path, call=PRETEND) as driver:
            finish(driver)
            assert driver.cluster.costs.calls["sbatch"] <= 4
    return path


@pytest.mark.usefixtures("dev")
def test_each_fold_is_trained_once_and_slurm_agrees(undisturbed: Path, slurm: Run) -> None:
    assert set(attempts(undisturbed).values()) == {1}
    written = list(ledger.read(undisturbed / ledger.FILE))
    jobs = [job for record in written if isinstance(record, Submitted) for job in record.jobs]
    names = {record.name for record in written if isinstance(record, Submitting)}
    listed = slurm("sacct", "-X", "-n", "-P", "-o", "JobID,JobName,State", "--starttime", "now-1hour").splitlines()
    ours = {line.split("|")[0] for line in listed if any(line.split("|")[1].startswith(name) for name in names)}
    assert ours == set(jobs)


@pytest.mark.slow
@pytest.mark.usefixtures("dev")
def test_a_driver_killed_again_and_again_loses_and_doubles_nothing(undisturbed: Path, tmp_path: Path) -> None:
    path, chance, kills = made(tmp_path / "lab"), random.Random(2), 0
    while True:
        child = subprocess.Popen([sys.executable, "-P", "-c", DRIVE, str(path)], start_new_session=True)
        try:
            assert child.wait(timeout=2.5 + 3 * chance.random() if kills < 4 else 120) == 0
            break
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            kills += 1
    assert kills >= 2
    assert numbers(path) == numbers(undisturbed)
    assert decisions(path) == decisions(undisturbed)
    assert set(attempts(path).values()) == {1}
    assert held_out(path) == held_out(undisturbed)


@pytest.mark.slow
def test_requeue_scancel_preemption_and_an_absent_controller_change_nothing(
    dev: DevCluster, undisturbed: Path, tmp_path: Path, slurm: Run
) -> None:
    path = made(tmp_path / "lab")
    with session.driving(path, call=PRETEND) as driver:
        finish(driver, until=lambda: len(training(path)) >= 4)
        live = sorted(driver.state.folds_of)
        slurm("scontrol", "requeue", live[0])
        slurm("scancel", live[1])
        finish(driver, until=lambda: len(attempts(path)) >= 10)
        slurm("sbatch", "--partition=urgent", "--gpus-per-node=4", "--nodes=1", "--output=/dev/null", "--wrap=sleep 2")
        dev.stop_controller()
        for _ in range(20):
            driver.tick()
            time.sleep(0.2)
        dev.start_controller()
        finish(driver)
        assert not driver.state.gave_up
    assert numbers(path) == numbers(undisturbed)
    assert decisions(path) == decisions(undisturbed)
    assert max(attempts(path).values()) >= 2
    assert held_out(path) == held_out(undisturbed)


@pytest.mark.slow
def test_a_node_that_is_cut_off_trains_on_and_spoils_nothing(
    dev: DevCluster, undisturbed: Path, tmp_path: Path
) -> None:
    path = made(tmp_path / "lab", profile=PROFILE.replace('"0.4"', '"2.5"'))
    with session.driving(path, call=PRETEND) as driver:

        def under_way() -> bool:
            trained = any((found := read_fold(folder)) and found.epochs for folder in training(path))
            return trained and any(report.node for report in driver.jobs.values())

        finish(driver, until=under_way)
        node = min(report.node for report in driver.jobs.values() if report.node)
        dev.kill_node(node)
        try:
            finish(driver, until=lambda: max(attempts(path).values()) >= 2)
        finally:
            dev.start_node(node)
        finish(driver, limit_s=240)
        assert not driver.state.gave_up
    assert numbers(path) == numbers(undisturbed)
    assert held_out(path) == held_out(undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize(
    "shape",
    [Shape(nodes=2, accounting=False, max_array_size=4), Shape(nodes=2, max_submit=3)],
    ids=["small arrays without accounting", "a submit limit"],
)
def test_a_narrow_site_delays_and_changes_nothing(
    shape: Shape,
    start_cluster: Callable[[Shape], DevCluster],
    undisturbed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SLURM_CONF", str(start_cluster(shape).conf))
    path = made(tmp_path / "lab", profile=PROFILE + f"accounting: {str(shape.accounting).lower()}\n")
    with session.driving(path, call=PRETEND) as driver:
        finish(driver)
        assert not driver.state.gave_up
    assert numbers(path) == numbers(undisturbed)
    assert decisions(path) == decisions(undisturbed)
    assert set(attempts(path).values()) == {1}


@pytest.mark.slow
def test_a_study_paused_twice_goes_on_where_there_is_but_one_node(
    start_cluster: Callable[[Shape], DevCluster], undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = start_cluster(Shape(nodes=1, accounting=False))
    monkeypatch.setenv("SLURM_CONF", str(cluster.conf))
    path = made(tmp_path / "lab", profile=PROFILE + "accounting: false\n")
    for _ in range(2):
        with session.driving(path, call=PRETEND) as driver:
            finish(driver, until=lambda: len(training(path)) >= 2)
            driver.pause()
    with session.driving(path, call=PRETEND) as driver:
        finish(driver)
        assert not driver.state.gave_up
    assert numbers(path) == numbers(undisturbed)
    assert decisions(path) == decisions(undisturbed)
    assert held_out(path) == held_out(undisturbed)
    cluster.end()


@pytest.mark.slow
@pytest.mark.usefixtures("dev")
def test_the_time_limit_ends_in_resumed_folds(undisturbed: Path, tmp_path: Path) -> None:
    profile = PROFILE.replace("time_min: 10\nsignal_lead_s: 30", "time_min: 1\nsignal_lead_s: 25")
    path = made(tmp_path / "lab", profile=profile.replace('"0.4"', '"3"'))
    with session.driving(path, call=PRETEND) as driver:
        finish(driver, limit_s=400)
        assert not driver.state.gave_up
    assert max(attempts(path).values()) >= 2
    assert numbers(path) == numbers(undisturbed)


@pytest.mark.slow
@pytest.mark.usefixtures("dev")
def test_jobs_of_trials_that_asha_stops_leave_the_queue_and_the_saving_is_told(tmp_path: Path, slurm: Run) -> None:
    from sweeps.view.savings import savings

    asha = STUDY.replace("samples: 4", "samples: 6, scheduler: {name: asha, grace_epochs: 1, reduction_factor: 2}")
    path = made(tmp_path / "lab", asha, PROFILE.replace('"0.4"', '"1.5"'))
    with session.driving(path, call=PRETEND) as driver:
        finish(driver)
        saved = savings(driver.study, driver.state, path / "trials")
    assert saved is not None
    assert saved.epochs > 0
    assert "of device time saved" in saved.words()
    deadline = time.monotonic() + 20
    while "on-slurm" in slurm("squeue", "-h", "-o", "%j") and time.monotonic() < deadline:
        time.sleep(0.5)
    assert "on-slurm" not in slurm("squeue", "-h", "-o", "%j")


@pytest.mark.slow
@pytest.mark.usefixtures("dev")
def test_a_detached_driver_trains_for_real_and_reports(tmp_path: Path) -> None:
    """The real trainer on the nodes, the driver itself a job, and the same numbers as on this machine."""
    study = (
        STUDY.replace("epochs: 8", "epochs: 2, batch: 256").replace("  - elu\n", "").replace("samples: 4", "samples: 1")
    )
    path = made(tmp_path / "lab", study)
    command = [sys.executable, "-P", "-m", "sweeps.cli", "run", str(path / "study.yaml"), "--folder", str(path)]
    begun = subprocess.run([*command, "--detach"], capture_output=True, text=True, timeout=120)
    assert begun.returncode == 0, begun.stderr
    assert "the driver is job" in begun.stdout
    deadline = time.monotonic() + 200
    while not (path / "report" / "report.html").exists():
        assert time.monotonic() < deadline, begun.stdout
        time.sleep(1)
    here = tmp_path / "here"
    session.make(shipped.on_profile(load(study), "local"), here, ["test"])
    with session.driving(here) as driver:
        finish(driver)
    assert numbers(path) == numbers(here)
