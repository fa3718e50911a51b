"""A driver lives for days: it compares the user's own code each time that it submits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from slurm.clusters import open_cluster
from slurm.profile import parse
from sweeps.driver import session
from sweeps.driver.driver import Driver
from sweeps.driver.packs import Node
from sweeps.errors import CodeDrift
from sweeps.study import shipped
from sweeps.study.reading import load
from trainer import code

PROFILE = "executor: local\nmax_jobs: 1\n"
STUDY = """
name: drift
data: {name: digits}
model: {name: tiny_cnn}
training: {epochs: 2, patience: null}
folds: {folds: 2}
cluster: {CLUSTER}
activations: [relu, {activation: "drifting.act:MyAct", label: mine}]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "drifting").mkdir()
    (tmp_path / "drifting" / "act.py").write_text("SLOPE = 1\n")
    (tmp_path / "pretend.yaml").write_text(PROFILE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def driver(project: Path, cluster: str = "{}") -> Driver:
    study = shipped.on_profile(load(STUDY.replace("{CLUSTER}", cluster)), str(project / "pretend.yaml"))
    session.make(study, project / "study", ["test"])
    local = open_cluster(parse(PROFILE, source="pretend.yaml"), project / "study" / "jobs")
    node = Node(data_root=None, scratch=None, code=code.digest())
    return Driver(project / "study", study, local, None, node, call="trainer.testing:pretend")


def packs(project: Path) -> list[dict[str, object]]:
    claims = (project / "study" / "jobs").glob("*/claim.json")
    return [json.loads(json.loads(claim.read_text())["text"]) for claim in claims]


def test_what_was_edited_since_is_not_submitted_and_goes_on_once_restored(project: Path) -> None:
    driven = driver(project)
    (project / "drifting" / "act.py").write_text("SLOPE = 2\n")
    with pytest.raises(CodeDrift, match=r"not what the study was started with: drifting\.act \(changed\)"):
        driven.tick()
    assert packs(project) == []
    assert not driven.state.unanswered
    (project / "drifting" / "act.py").write_text("SLOPE = 1\n")
    driven.tick()
    driven.pause()
    driven.close()
    (pack,) = packs(project)
    assert list(pack["own"]) == ["drifting.act"]  # type: ignore[call-overload]
    assert pack["code"] != code.digest()
    assert pack["own_folder"] is None


def test_a_frozen_study_goes_on_with_its_copy(project: Path) -> None:
    driven = driver(project, "{own_code: frozen}")
    (project / "drifting" / "act.py").write_text("SLOPE = 2\n")
    driven.tick()
    driven.pause()
    driven.close()
    (pack,) = packs(project)
    assert (Path(str(pack["own_folder"])) / "drifting" / "act.py").read_text() == "SLOPE = 1\n"


def test_where_it_only_warns_jobs_are_planned_with_what_is_there_now(project: Path) -> None:
    driven = driver(project, "{on_drift: warn}")
    (project / "drifting" / "act.py").write_text("SLOPE = 2\n")
    driven.tick()
    driven.pause()
    driven.close()
    (pack,) = packs(project)
    assert pack["code"] == code.digest({name: str(value) for name, value in dict(pack["own"]).items()})  # type: ignore[call-overload]
    assert len(json.loads((project / "study" / "own_code.json").read_text())["versions"]) == 2
