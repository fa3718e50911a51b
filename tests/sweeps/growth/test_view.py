"""How a study that grew is shown: in MLflow, by `status`, and in the report; and on real training."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from analysis.runs.load import load as runs
from sweeps.cli.main import main
from sweeps.driver import growing, session
from sweeps.driver.driver import Driver
from sweeps.folder import reported
from sweeps.study.reading import load
from sweeps.testing import attempts
from sweeps.view import status

Drive = Callable[..., Driver]
SMALL = """
name: grows
data: {name: wine}
model: {name: mlp}
training: {epochs: 2, patience: null, lr: 1e-2}
folds: {folds: 3}
activations: [relu, elu]
"""
SEARCHED = """
name: grows
seed: 6
data: {name: digits}
model: {name: tiny_cnn}
training: {epochs: 2, patience: null}
folds: {folds: 2}
search: {algorithm: random, samples: 2, folds: 2}
activations:
  - relu
  - {activation: dsrelu, space: {k: {uniform: [1, 9]}}}
"""


@pytest.mark.slow
def test_a_view_that_was_kept_equals_one_made_anew(tmp_path: Path, drive: Drive) -> None:
    path = tmp_path / "study"
    drive(path, SEARCHED)
    session.sync(path)
    new, _ = growing.planned(path, load(SEARCHED.replace("samples: 2", "samples: 12")), "grown.yaml")
    growing.extend(path, new, "grown.yaml")
    drive(path)
    session.sync(path)
    kept = runs(path)
    other = tmp_path / "other"
    shutil.copytree(path, other, ignore=shutil.ignore_patterns("mlflow*"))
    session.sync(other)
    anew = runs(other)
    apart = ["run_id"]
    assert kept.cube.drop(columns=apart).equals(anew.cube.drop(columns=apart))
    assert set(kept.cube.loc[kept.cube["earlier"], "trial"]) == {"dsrelu-c000"}
    assert kept.plan == anew.plan
    assert len(kept.plan.history) == 1


def asked(*words: str) -> Result:
    return CliRunner().invoke(main, words)


@pytest.mark.slow
def test_a_real_study_is_extended_and_reported_and_its_folds_are_reused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "study.yaml"
    file.write_text(SMALL)
    assert asked("run", "study.yaml", "--no-report").exit_code == 0
    reported.note(tmp_path / "runs" / "grows", tmp_path / "report.html")
    more = SMALL.replace("[relu, elu]", "[relu, elu, silu]").replace("{folds: 3}", "{folds: 3, repeats: 2}")
    file.write_text(more)
    refused = asked("run", "study.yaml")
    assert refused.exit_code == 2
    assert "`actsweep extend runs/grows study.yaml`" in refused.stderr
    done = asked("extend", "runs/grows", "study.yaml")
    assert done.exit_code == 0, done.stderr
    path = tmp_path / "runs" / "grows"
    assert set(attempts(path).values()) == {1}
    assert len(attempts(path)) == 3 * 2 * 3
    said = status.read(path).words()
    grew = "silu added; 1 repeat, now 2; after 6 of 6 confirm folds were done and a report had been written"
    assert grew in " ".join(said.split())
    page = (path / "report" / "report.md").read_text()
    assert "after 6 of 6 confirm folds were done and a report had been written" in page
    assert "do not account for that look" in page
    file.write_text(more.replace("name: grows", "name: anew") + "reuse: [runs/grows]\n")
    again = asked("run", "study.yaml")
    assert again.exit_code == 0, again.stderr
    assert "not trained again: 18 folds" in again.stdout
    assert not (tmp_path / "runs" / "anew" / "jobs").exists()
    page = (tmp_path / "runs" / "anew" / "report" / "report.md").read_text()
    assert "18 runs taken from where the same specification had been trained: 18 from grows" in page
