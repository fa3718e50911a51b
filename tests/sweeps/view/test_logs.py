"""The logs of a study are read from its folder alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from slurm.scheduler import submissions
from slurm.scheduler.submissions import Array
from sweeps.cli.main import main
from sweeps.driver import session
from sweeps.folder.records import Submitted, Submitting, TrialAdded
from sweeps.study import shipped
from sweeps.study.reading import load

PROFILE = "name: here\nexecutor: local\nmax_jobs: 2\nmem_gb: 0.5\n"
STUDY = "name: logged\ndata: {name: digits}\nmodel: tiny_cnn\nfolds: {folds: 2}\nactivations: [relu, elu]\n"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("logged")
    (folder / "here.yaml").write_text(PROFILE)
    session.make(shipped.on_profile(load(STUDY), str(folder / "here.yaml")), folder / "study", ["test"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACTSWEEP_PRETEND_EPOCH_S", "0")
        with session.driving(folder / "study", call="trainer.testing:pretend") as driver:
            session.drive(driver, lambda now: None, interval_s=0.05)
    return folder / "study"


@pytest.mark.parametrize(
    "profile", [PROFILE, None, "executr: local\n", "name: here\nexecutor: slurm\ntime: 60\n"], ids=str
)
def test_whatever_became_of_the_profile(finished: Path, profile: str | None) -> None:
    file = finished.parent / "here.yaml"
    if profile is None:
        file.unlink(missing_ok=True)
    else:
        file.write_text(profile)
    done = CliRunner().invoke(main, ["logs", str(finished), "relu-c000", "0-1"])
    assert done.exit_code == 0, done.output
    assert "relu-c000/fold-0-1: finished" in done.output
    assert "Job completed successfully" in done.output


def test_of_jobs_of_a_scheduler_that_is_not_asked(tmp_path: Path) -> None:
    (tmp_path / "lab.yaml").write_text("executor: slurm\ntime: 60\n")
    study = shipped.on_profile(load(STUDY), str(tmp_path / "lab.yaml"))
    path = tmp_path / "study"
    session.make(study, path, ["test"])
    array = Array(name="logged.ab.0.0", start=0, count=2, partition=None, job="4711")
    submissions.begin("logged.ab.0", path / "jobs", "trainer.entry:run", ["", ""], [array])
    (path / "jobs" / "logged.ab.0" / "4711_1_0_log.out").write_text("the node said this\n")
    packs = (("relu-c000/fold-0-0",), ("relu-c000/fold-0-1",))
    with session.driving(path, to_stop=True) as driver:
        driver.ledger.write(
            TrialAdded(
                trial="relu-c000",
                label="relu",
                activation="relu",
                phase="confirm",
                index=0,
                params={},
                training={},
                folds=("relu-c000/fold-0-0", "relu-c000/fold-0-1"),
                config={},
            ),
            Submitting(batch=0, name="logged.ab.0", packs=packs),
            Submitted(batch=0, jobs=("4711_0", "4711_1")),
        )
    (tmp_path / "lab.yaml").unlink()
    shown = CliRunner().invoke(main, ["logs", str(path), "relu-c000"]).output
    assert "4711_1_0_log.out\nthe node said this" in shown
    assert "--- 4711_0\nno log yet" in shown
