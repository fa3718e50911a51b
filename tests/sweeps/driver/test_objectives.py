"""A study that searches for a metric and for time: what is written down, what it is told again, who is confirmed."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import pytest
import ray.tune  # noqa: F401  # sets hooks of the process when it is imported first, which is no test's doing

from slurm.clusters import open_cluster
from slurm.profile import parse
from sweeps.driver import session, trial_costs
from sweeps.driver.driver import Driver
from sweeps.driver.packs import Node
from sweeps.folder import ledger
from sweeps.folder.records import Completed, Selected, TrialAdded
from sweeps.study import planner, shipped
from sweeps.study.reading import load
from sweeps.study.study import Study
from trainer.journal import read_fold

PRETEND = "trainer.testing:pretend"
PROFILE = "name: pretend\nexecutor: local\nmax_jobs: 2\nmem_gb: 0.5\n"
STUDY = """
name: two
seed: 3
data: digits
model: tiny_cnn
training: {epochs: 3, patience: null}
folds: {folds: 2}
search: {algorithm: tpe, samples: 5, concurrent: 2, objectives: [validation/loss, epoch_s]}
activations: [relu, {activation: dsrelu, space: {k: {uniform: [1, 9]}}}]
"""


def driver_on(path: Path, study: Study) -> Driver:
    cluster = open_cluster(parse(PROFILE, source="pretend.yaml"), path / "jobs")
    return Driver(path, study, cluster, None, Node(data_root=None, scratch=None, code=""), call=PRETEND)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Driven to its end by a driver that is replaced by a new one after every few ticks."""
    folder = tmp_path_factory.mktemp("objectives")
    (folder / "pretend.yaml").write_text(PROFILE)
    study = shipped.on_profile(load(STUDY), str(folder / "pretend.yaml"))
    path = folder / "study"
    session.make(study, path, ["test"])
    deadline = time.monotonic() + 200
    done = False
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("ACTSWEEP_PRETEND_EPOCH_S", "0.05")
        while not done:
            driver = driver_on(path, study)
            for _ in range(10):
                driver.tick()
                time.sleep(0.05)
            done = driver.done
            driver.close()
            assert time.monotonic() < deadline, "the study did not finish"
    return path


def test_the_time_of_a_search_trial_is_written_with_its_end(finished: Path) -> None:
    ends = [record for record in ledger.read(finished / ledger.FILE) if isinstance(record, Completed)]
    searched = [end for end in ends if "-s" in end.trial]
    assert len(searched) == 5
    for end in searched:
        folds = [read_fold(path.parent) for path in (finished / "trials" / end.trial).glob("fold-*/spec.json")]
        each = [trial_costs.epoch_s(fold) for fold in folds if fold is not None]
        assert end.metrics["epoch_s"] == pytest.approx(statistics.fmean(one for one in each if one is not None))
        assert end.metrics["epoch_s"] > 0
    assert not [end for end in ends if "-c" in end.trial and "epoch_s" in end.metrics]


def test_the_winner_is_the_best_by_select_on_whatever_it_costs(finished: Path) -> None:
    records = list(ledger.read(finished / ledger.FILE))
    losses = {one.trial: one.metrics["validation/loss"] for one in records if isinstance(one, Completed)}
    (won,) = [one for one in records if isinstance(one, Selected) and one.label == "dsrelu"]
    searched = {trial: value for trial, value in losses.items() if "-s" in trial}
    assert won.trial == min(searched, key=searched.__getitem__)


def test_a_later_driver_is_told_the_times_that_were_written_and_suggests_the_same(finished: Path) -> None:
    """A replay would raise LedgerError otherwise, as it does where a time in the ledger is another."""
    driver_on(finished, session.opened(finished)).close()
    added = [one for one in ledger.read(finished / ledger.FILE) if isinstance(one, TrialAdded)]
    trials = [one for one in added if one.phase == "search"]
    assert len({str(dict(one.config)) for one in trials}) == 5


def test_the_plan_says_what_was_looked_for() -> None:
    study = load(STUDY)
    assert planner.plan(study, "now").search_objectives == ("validation/loss", "epoch_s")
    assert planner.plan(load("name: one\ndata: digits\nactivations: [relu, elu]\n"), "now").search_objectives == ()


def test_the_first_epoch_warms_up_and_does_not_count_where_there_are_more(finished: Path) -> None:
    (fold, *_) = [read_fold(path.parent) for path in sorted((finished / "trials").glob("*/fold-*/spec.json"))]
    assert fold is not None
    each = [epoch.train_s + epoch.evaluate_s + epoch.rest_s for epoch in fold.epochs]
    assert trial_costs.epoch_s(fold) == statistics.median(each[1:])


def test_a_trial_with_a_fold_that_measured_nothing_has_no_cost(finished: Path) -> None:
    study = session.opened(finished)
    trial = next(one for one in ledger.read(finished / ledger.FILE) if isinstance(one, TrialAdded))
    known = [read_fold(finished / "trials" / fold) for fold in trial.folds]
    assert set(trial_costs.measured(study, trial, known)) == {"epoch_s"}
    assert trial_costs.measured(study, trial, [known[0], None]) == {}
