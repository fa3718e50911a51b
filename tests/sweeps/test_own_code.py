"""A study with an activation of the user's own, edited behind its back: at the command line, and while jobs wait."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

STUDY = """
name: mine
data: {name: digits}
model: {name: tiny_cnn}
training: {epochs: 1, patience: null}
folds: {folds: 2}
activations: [relu, {activation: "lab.act:MyAct", label: mine}]
cluster: {CLUSTER}
"""
ACTIVATION = """
import torch
from torch import nn
from lab.slope import SLOPE
class MyAct(nn.Module):
    def forward(self, x):
        if self.training and x.shape[0] > 8 and SLOPE == 0.1:
            raise ValueError("a bug that small batches do not show")
        return torch.where(x > 0, x, SLOPE * x)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "__init__.py").write_text("")
    (tmp_path / "lab" / "act.py").write_text(ACTIVATION)
    (tmp_path / "lab" / "slope.py").write_text("SLOPE = 0.1\n")
    return tmp_path


def call(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(project), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, "-P", "-m", "actsweep_start", *words], cwd=project, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip


def study(project: Path, cluster: str = "{}") -> str:
    (project / "study.yaml").write_text(STUDY.replace("{CLUSTER}", cluster))
    return str(project / "study.yaml")


def codes(out: Path) -> set[str]:
    journals = [path.read_text().splitlines()[0] for path in out.glob("trials/*/fold-*/attempt-*/metrics.jsonl")]
    return {json.loads(line)["code"] for line in journals}


@pytest.mark.slow
def test_a_repaired_activation_is_refused_and_goes_on_where_the_user_says_so(project: Path) -> None:
    out = project / "out"
    ran = call(project, "run", study(project), "--folder", str(out), "--interval", "0.1")
    assert ran.returncode == 3, ran.stderr
    (project / "lab" / "slope.py").write_text("SLOPE = 0.2\n")
    refused = call(project, "resume", str(out), "--retry-failed")
    assert refused.returncode == 1
    assert "your code is not what the study was started with: lab.slope (changed)" in refused.stderr
    assert len(codes(out)) == 1
    assert call(project, "stop", str(out)).returncode == 0, "a drift keeps nobody from stopping"

    declared = (out / "study.yaml").read_text()
    (out / "study.yaml").write_text(declared.replace("on_drift: refuse", "on_drift: warn"))
    again = call(project, "resume", str(out), "--retry-failed", "--interval", "0.1")
    assert again.returncode == 0, again.stderr
    assert len(codes(out)) == 2
    assert len(json.loads((out / "own_code.json").read_text())["versions"]) == 2
    report = (out / "report" / "report.md").read_text()
    assert "code" in report.partition("equal budget")[2].splitlines()[0]


@pytest.mark.slow
def test_a_frozen_study_trains_what_it_was_started_with(project: Path) -> None:
    (project / "lab" / "act.py").write_text(ACTIVATION.replace("SLOPE == 0.1", "SLOPE == 0.2"))
    out = project / "out"
    made = call(project, "run", study(project, "{own_code: frozen}"), "--folder", str(out), "--interval", "0.1")
    assert made.returncode == 0, made.stderr
    for trial in ("relu-c000", "mine-c000"):
        assert (out / "trials" / trial).is_dir()
    (project / "lab" / "slope.py").write_text("raise SystemExit('edited')\n")
    assert call(project, "sync", str(out)).returncode == 0
    for place in (out / "own_code", out / "mlartifacts"):
        (kept,) = place.glob("**/lab/slope.py")
        assert kept.read_text() == "SLOPE = 0.1\n"
