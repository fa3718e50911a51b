"""A study folder that the version before made, in the middle of its confirm phase, is gone on with.

``before`` is such a folder: three of its six confirmed folds have checkpoints, three have not begun, its jobs were
cancelled. ``undisturbed.json`` says what that version gave when it ran the same study to its end.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from analysis.runs import load as runs
from analysis.runs import schema
from sweeps.driver import session
from sweeps.folder import ledger
from sweeps.folder.decided import Choice, read
from sweeps.folder.records import LEDGER, JobOver, Migrated, TrialStatus
from sweeps.tracking.run_values import PARENT
from sweeps.tracking.store import connect, locate
from trainer.journal import read_fold

BEFORE = Path(__file__).parent / "before"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(BEFORE, tmp_path / "before"))


def command(*words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-P", "-m", "sweeps.cli", *words]
    return subprocess.run(line, capture_output=True, text=True, timeout=300)


def expected() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((BEFORE / "undisturbed.json").read_text())
    return found


def test_what_it_wrote_is_read_as_it_is_written_now(folder: Path) -> None:
    assert session.opened(folder).name == "before"
    history = read_fold(folder / "trials" / "relu-c000" / "fold-1-0")
    assert history is not None
    raw = json.loads((folder / "trials/relu-c000/fold-1-0/attempt-1/metrics.jsonl").read_text().splitlines()[0])
    assert history.start.references["accuracy"] == raw["chance"]
    assert history.start.references["auc"] == 0.5
    over = [record for record in ledger.read(folder / ledger.FILE) if isinstance(record, JobOver)]
    assert {(record.state, record.nodes_fault) for record in over} == {("finished", True), ("cancelled by us", False)}


@pytest.mark.slow
def test_it_resumes_reports_and_syncs(folder: Path) -> None:
    run = command("resume", str(folder), "--interval", "0.1")
    assert run.returncode == 0, run.stdout + run.stderr
    for key, wanted in expected().items():
        found = read_fold(folder / "trials" / key)
        assert found is not None
        assert found.end is not None
        assert found.end.status == wanted["status"]
        losses = [record.metrics["validation/loss"] for record in found.epochs]
        assert losses == pytest.approx(wanted["epochs"], rel=1e-3), key
        heldout = {
            name: value
            for name, value in found.end.outcomes[found.end.rule].metrics.items()
            if name.startswith("heldout/")
        }
        assert heldout == pytest.approx(wanted["heldout"], rel=2e-2), key
    resumed = read_fold(folder / "trials" / "relu-c000" / "fold-1-0")
    assert resumed is not None
    assert resumed.start.resumed_epoch > 0  # from the checkpoint of the version before
    migrated = [record for record in ledger.read(folder / ledger.FILE) if isinstance(record, Migrated)]
    assert [record.schema for record in migrated] == [LEDGER.schema]
    assert read(folder / "trials" / "dsrelu-s000") is not None
    chosen = [
        decided.chosen for trial in ("dsrelu-s000", "dsrelu-s001") if (decided := read(folder / "trials" / trial))
    ]
    assert [choice for choice in chosen if choice] == [
        Choice(metric="validation/loss", value=pytest.approx(2.1, abs=0.1), among=2)
    ]
    study = runs.load(folder)
    assert set(study.cube["status"]) == {"finished"}
    assert (folder / "report" / "report.html").is_file()


@pytest.mark.slow
def test_a_view_that_it_wrote_is_replaced(folder: Path) -> None:
    """Its runs lack what runs say today: there are new ones that say it, and each once."""
    assert command("sync", str(folder)).returncode == 0
    client = connect(locate(None, folder))
    (experiment,) = (item.experiment_id for item in client.search_experiments() if item.name == "before")
    before = client.search_runs([experiment], max_results=100)
    for run in before:
        client.set_tag(run.info.run_id, schema.SCHEMA_TAG, "1")
        if run.data.tags[schema.KIND] == "fold":
            client.set_tag(run.info.run_id, "actsweep.n_classes", "10")
            for tag in [name for name in run.data.tags if name.startswith(schema.REFERENCE_PREFIX)]:
                client.delete_tag(run.info.run_id, tag)
        for tag in (schema.SELECTED, schema.SELECTED_VALUE, schema.SELECTED_AMONG):
            if tag in run.data.tags:
                client.delete_tag(run.info.run_id, tag)
    assert command("sync", str(folder)).returncode == 0
    after = client.search_runs([experiment], max_results=100)
    assert len(after) == len(before)
    assert said(after) == said(before)


def said(found: Iterable[Any]) -> dict[str, dict[str, str]]:
    """The runs' tags by the runs' keys; a parent by its key."""
    keys = {run.info.run_id: run.data.tags[schema.KEY] for run in found}
    return {
        keys[run.info.run_id]: run.data.tags | {PARENT: keys.get(run.data.tags.get(PARENT, ""), "")} for run in found
    }


@pytest.mark.slow
def test_the_status_of_a_trial_is_what_the_ledger_says(folder: Path) -> None:
    assert command("sync", str(folder)).returncode == 0
    decided = read(folder / "trials" / "dsrelu-s001")
    assert decided is not None
    assert decided.status is TrialStatus.FINISHED
    assert read(folder / "trials" / "relu-c000") is None
