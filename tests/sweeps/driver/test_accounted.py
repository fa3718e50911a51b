"""What a study cost, when it is over: by the site's accounts where there are any, else by the journals."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

import pytest

from analysis.errors import SourceError
from analysis.runs import accounting
from analysis.runs.accounting import COLUMNS, Accounting, JobRun, by_place, from_texts, to_csv, to_json
from slurm.jobs import Costs
from slurm.profile import load as load_profile
from slurm.scheduler import submissions
from slurm.scheduler.arrays import split
from slurm.testing import FakeSlurm
from sweeps.driver import accounted, holding, session
from sweeps.folder import probed
from sweeps.folder.journals import Journals
from sweeps.folder.ledger import Ledger
from sweeps.folder.probed import Epochs, Probed
from sweeps.folder.records import Finished, Opened, Submitted, Submitting, TrialAdded
from sweeps.study import shipped
from sweeps.study.reading import load
from sweeps.study.study import Study, digest
from sweeps.view import status
from trainer.journal import Status, Writer, attempt_folder
from trainer.testing import invented_end, invented_epoch, invented_start

TEXT = """
name: kept
data: {name: digits}
model: {name: tiny_cnn}
training: {epochs: 4, patience: null}
folds: {folds: 2}
activations: [relu, tanh]
control: relu
"""
SLURM = "executor: slurm\npartition: gpu\ntime: 60\nmax_array_size: 100\n"
FOLDS = ("relu-c000/fold-0-0", "relu-c000/fold-0-1")
BEGAN = {"Submit": "1795864000", "Eligible": "1795864060"}


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    fake = FakeSlurm(tmp_path / "slurm")
    monkeypatch.setenv("PATH", f"{fake.install()}:{os.environ['PATH']}")
    return fake


def trained(path: Path, fold: str, epochs: int) -> None:
    attempt_folder(path / "trials" / fold, 1).mkdir(parents=True)
    with contextlib.closing(Writer(attempt_folder(path / "trials" / fold, 1))) as writer:
        writer.write(invented_start(digest="d"))
        for epoch in range(1, epochs + 1):
            writer.write(invented_epoch(epoch=epoch, train_s=2.0, evaluate_s=0.75, rest_s=0.25))
        writer.write(invented_end(status=Status.FINISHED, epochs=epochs))


def made(tmp_path: Path, profile: str = SLURM, jobs: tuple[str, ...] = ("100_0", "100_1", "101")) -> tuple[Path, Study]:
    """A study that is over: two folds, a job each, and a second job for the second one."""
    (tmp_path / "lab.yaml").write_text(profile)
    path = tmp_path / "study"
    study = shipped.on_profile(load(TEXT), str(tmp_path / "lab.yaml"))
    session.make(study, path, ["test"])
    with contextlib.closing(Ledger(path)) as book:
        book.write(Opened(sweep="a", study="kept", study_digest=digest(study), time=0.0))
        book.write(
            TrialAdded(trial="relu-c000", label="relu", activation="relu", phase="confirm", index=0, params={},
                       training={}, folds=FOLDS, config={})
        )  # fmt: skip
        book.write(Submitting(batch=0, name="n", packs=((FOLDS[0],), (FOLDS[1],)), time=1795864000.0))
        book.write(Submitted(batch=0, jobs=jobs[:2]))
        book.write(Submitting(batch=1, name="m", packs=((FOLDS[1],),), time=1795864200.0))
        book.write(Submitted(batch=1, jobs=jobs[2:]))
        book.write(Finished(time=9.0))
    for fold in FOLDS:
        trained(path, fold, 4)
    return path, study


def submitted(path: Path, name: str, job: str, count: int) -> None:
    profile = load_profile(str(path.parent / "lab.yaml"))
    arrays = split(name, count, profile, largest=100, active={})
    submissions.begin(name, path / "jobs", "m:f", ["a"] * count, arrays).with_job(arrays[0], job).write()


def at_a_site(fake: FakeSlurm, path: Path) -> None:
    submitted(path, "n", "100", 2)
    submitted(path, "m", "101", 1)
    with fake.state() as state:
        for job in ("100_0", "100_1", "101"):
            state["jobs"][job] = {"name": job, "word": "COMPLETED", "node": "gpu1", "partition": "gpu"}
    tres = "billing=4,cpu=4,gres/gpu=1,gres/gpu:a100=1,mem=8G,node=1"
    ran = BEGAN | {"AllocTRES": tres, "TotalCPU": "00:40.000", "ConsumedEnergyRaw": "3600"}
    fake.account("100_0", ran | {"Start": "1795864120", "End": "1795864140", "ElapsedRaw": "20"})
    fake.account(
        "100_1",
        ran | {"Start": "1795864120", "End": "1795864130", "ElapsedRaw": "10", "State": "NODE_FAIL"},
        ran | {"Eligible": "1795864130", "Start": "1795864160", "End": "1795864190", "ElapsedRaw": "30"},
    )
    fake.account(
        "101", ran | {"Eligible": "1795864200", "Start": "1795864210", "End": "1795864230", "ElapsedRaw": "20"}
    )


def settle(path: Path, study: Study, costs: Costs | None = None) -> Accounting:
    accounted.settle(path, study, Journals(path / "trials"), costs)
    found = accounted.read(path)
    assert found is not None
    return found


def test_a_study_is_accounted_once_with_all_runs_of_its_jobs(fake: FakeSlurm, tmp_path: Path) -> None:
    path, study = made(tmp_path)
    at_a_site(fake, path)
    probed.write(
        path,
        Probed(
            device="A100", devices=1, starting_s=2.0, held_s=5.0,
            epochs={
                label: {"confirm": Epochs(seconds=2.5, first_s=3.0, memory_mb=10.0, energy_j=None)}
                for label in ("relu", "tanh")
            },
        ),
    )  # fmt: skip
    found = settle(path, study, costs := Costs())
    assert costs.calls == {"sacct": 1}
    assert (found.source, found.complete, found.jobs, found.why) == ("sacct", True, 3, "")
    assert [(run.job, run.run, run.state, run.waited_s, run.elapsed_s, run.trained_s) for run in found.runs] == [
        ("100_0", 1, "COMPLETED", 60.0, 20.0, 12.0),
        ("100_1", 1, "NODE_FAIL", 60.0, 10.0, 0.0),
        ("100_1", 2, "COMPLETED", 30.0, 30.0, 0.0),  # its fold was trained to its end by the job after it
        ("101", 1, "COMPLETED", 10.0, 20.0, 12.0),
    ]
    assert {(run.devices, run.kind, run.cpus, run.cpu_s, run.energy_j) for run in found.runs} == {
        (1, "a100", 4, 40.0, 3600.0)
    }
    assert found.planned_s == 2 * (2 * 4 * 2.5 + 2.0)
    words = "; ".join(found.words())
    assert "jobs held 0.0222 device hours by the site's accounts" in words
    assert "all that was planned would have taken 0.0122 device hours by the probe" in words
    assert "3 jobs, started again 1 time, which waited 2.67 min in all (median 45 s, longest 1 min)" in words
    assert "epochs took 24 s, 30% of the time that jobs held" in words
    assert "of their cores' time, processes used 50%" in words
    assert "their nodes used 0.004 kWh meanwhile" in words
    assert "jobs held" in status.read(path).words()
    assert json.loads(status.read(path).json())["accounting"] == found.words()
    settle(path, study, costs)
    assert costs.calls == {"sacct": 1}, "asked once"
    head, *lines = (path / "accounting.csv").read_text().splitlines()
    assert head.split(",") == list(COLUMNS)
    assert len(lines) == 4
    assert json.loads((path / "accounting.json").read_text())["columns"] == COLUMNS


def test_what_failed_or_is_not_over_is_asked_again_by_sync(fake: FakeSlurm, tmp_path: Path) -> None:
    path, study = made(tmp_path)
    at_a_site(fake, path)
    fake.refuse("sacct", "sacct: error: Problem talking to the database: Connection refused")
    found = settle(path, study)
    assert (found.source, found.why, found.complete) == ("journals", "sacct does not answer", False)
    assert found.words() == [
        "what jobs held is not known (sacct does not answer)",
        "not all of it is known yet (sacct does not answer)",
    ]
    with fake.state() as state:
        late = state["jobs"].pop("101")
    assert not settle(path, study).complete, "accounting has not heard of its last job"
    with fake.state() as state:
        state["jobs"]["101"] = late
    fake.account("101", BEGAN | {"Start": "1795864210", "End": "Unknown", "ElapsedRaw": "5"})
    assert not settle(path, study).complete, "its last job is just leaving"
    fake.account("101", BEGAN | {"Start": "1795864210", "End": "1795864220", "ElapsedRaw": "10"})
    session.sync(path)
    after = accounted.read(path)
    assert after is not None
    assert (after.source, after.complete) == ("sacct", True)
    asked = len(fake.calls("sacct"))
    session.sync(path)
    assert len(fake.calls("sacct")) == asked == 4


def test_without_accounts_the_journals_say_what_they_know(tmp_path: Path) -> None:
    path, study = made(tmp_path, "executor: local\nmem_gb: 0.5\n", ("n.0", "n.1", "m.0"))
    for index, began in ((0, 1795864030.0), (1, 1795864050.0)):
        folder = holding.folder(path / "jobs", 0, index)
        folder.mkdir(parents=True)
        run = {"began": began, "seen": began + 15.0, "ended": True, "cut": False}
        (folder / "run-1.json").write_text(json.dumps(run))
    found = settle(path, study)
    assert (found.source, found.complete) == ("journals", True)
    assert [(run.job, run.waited_s, run.elapsed_s) for run in found.ran] == [("n.0", 30.0, 16.0), ("n.1", 50.0, 16.0)]
    assert (
        found.words()[0]
        == "jobs held 32 device seconds by the journals (jobs that no scheduler started are in no accounts)"
    )
    assert {run.kind for run in found.runs} == {invented_start(digest="d").device_name}
    assert found.planned_s is None


def test_a_study_that_was_extended_is_asked_anew(fake: FakeSlurm, tmp_path: Path) -> None:
    path, study = made(tmp_path)
    at_a_site(fake, path)
    assert settle(path, study).jobs == 3
    with contextlib.closing(Ledger(path)) as book:
        book.write(Submitting(batch=2, name="o", packs=((FOLDS[0],),), time=1795864300.0))
        book.write(Submitted(batch=2, jobs=("102",)))
    submitted(path, "o", "102", 1)
    assert settle(path, study).jobs == 4
    assert len(fake.calls("sacct")) == 2


def test_what_cannot_be_read_or_written_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, study = made(tmp_path, "executor: local\nmem_gb: 0.5\n", ("n.0", "n.1", "m.0"))
    (path / "accounting.json").write_text("{")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(accounted, "write_aside", full)
    accounted.settle(path, study, Journals(path / "trials"))
    assert accounted.read(path) is None
    monkeypatch.undo()
    assert settle(path, study).complete


def test_a_study_without_a_job_has_no_accounts(tmp_path: Path) -> None:
    path = tmp_path / "study"
    study = load(TEXT)
    session.make(study, path, ["test"])
    accounted.settle(path, study, Journals(path / "trials"))
    assert accounted.read(path) is None
    assert not (path / "accounting.json").exists()


def test_values_go_to_the_files_and_back_and_a_torn_file_is_named() -> None:
    run = JobRun(job="1_0", state="COMPLETED", start=5.0, elapsed_s=2.0, trained_s=1.5, folds=2)
    kept = Accounting(source="sacct", asked_at=9.0, jobs=1, planned_s=None, trained_s=1.5, runs=(run, JobRun(job="2")))
    assert from_texts(to_json(kept), to_csv(kept)) == kept
    for head, rows in (("{", ""), ('{"schema": 1}', "job\n1\n"), (to_json(kept), "job,run\n1,x\n"), ("[]", "")):
        with pytest.raises(SourceError, match=r"accounting\.json"):
            from_texts(head, rows)
    with pytest.raises(SourceError, match="install a newer actsweep"):
        from_texts(to_json(kept).replace('"schema": 1', '"schema": 2'), "")


def test_waiting_is_set_against_training_by_place() -> None:
    runs = [
        JobRun(job="1", partition="gpu", kind="a100", waited_s=100.0, elapsed_s=50.0, devices=2, trained_s=40.0),
        JobRun(job="2", partition="gpu", kind="v100", waited_s=10.0, elapsed_s=60.0, trained_s=None),
        JobRun(
            job="1", run=2, partition="gpu", kind="a100", waited_s=300.0, elapsed_s=10.0, trained_s=5.0, energy_j=9.0
        ),
    ]
    found = by_place(runs)
    a100 = found["gpu", "a100"]
    assert (a100.jobs, a100.runs, a100.waited_s, a100.longest_wait_s, a100.device_s) == (1, 2, 400.0, 300.0, 110.0)
    assert (a100.trained_s, a100.energy_j, a100.cpu_share) == (45.0, 9.0, None)
    assert found["gpu", "v100"].trained_s is None
    assert accounting.summary([]).median_wait_s is None
