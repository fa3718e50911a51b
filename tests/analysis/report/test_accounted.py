"""What a report says of a site's accounts: in the section on cost, with a table of waiting against training."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from analysis.report import build
from analysis.report import findings as gathering
from analysis.report.sections import accounted, cost
from analysis.runs import load, simulated
from analysis.runs.accounting import Accounting, JobRun, to_csv, to_json
from analysis.runs.load import Study

RUNS = (
    JobRun(
        job="1", partition="gpu", kind="a100", waited_s=1800.0, elapsed_s=3600.0, trained_s=3000.0, cpus=2, cpu_s=3600.0
    ),
    JobRun(job="2", partition="long", kind="v100", waited_s=60.0, elapsed_s=7200.0, devices=2, trained_s=3000.0),
)


@pytest.fixture(scope="module")
def study() -> Study:
    return simulated.study(seed=4, activations=("relu", "tanh"), epochs=4)


def said(study: Study, kept: Accounting | None) -> str:
    findings = gathering.gather(dataclasses.replace(study, accounting=kept))
    return build.markdown([cost.section(findings)], title="", digest="")


def test_the_section_on_cost_says_it_and_has_a_table(study: Study) -> None:
    text = said(study, Accounting(source="sacct", planned_s=36000.0, trained_s=6000.0, runs=RUNS))
    assert "Jobs held 5 device hours by the site's accounts" in text
    assert "all that was planned would have taken 10 device hours by the probe" in text
    assert "Waiting against training" in text
    table = accounted.places(gathering.gather(dataclasses.replace(study, accounting=Accounting(source="", runs=RUNS))))
    assert table is not None
    assert list(table.frame["kind"]) == ["a100", "v100"]
    assert list(table.frame["device_h"]) == [1.0, 4.0]
    assert list(table.frame["longest_wait_min"]) == [30.0, 1.0]
    assert "cpu_share" in table.frame
    assert "energy_kwh" not in table.frame, "nobody accounted it"


def test_where_there_are_no_accounts_it_says_so_and_shows_what_the_journals_know(study: Study) -> None:
    text = said(
        study, Accounting(source="journals", why="this site keeps no accounts of jobs", trained_s=6000.0, runs=RUNS)
    )
    assert "by the journals (this site keeps no accounts of jobs)" in text
    assert "Waiting against training" in text


class Kept:
    """A store that has these artifacts of every run."""

    def __init__(self, **artifacts: str) -> None:
        self.artifacts = {name.replace("_", "."): text for name, text in artifacts.items()}

    def artifact(self, run: str, name: str) -> str | None:
        return self.artifacts.get(name)


def test_it_is_read_from_a_folder_or_from_a_store(tmp_path: Path) -> None:
    kept = Accounting(source="sacct", trained_s=6000.0, runs=RUNS)
    store = Kept(accounting_json=to_json(kept), accounting_csv=to_csv(kept))
    assert load.read_accounting(store, ["head"], None) == kept  # type: ignore[arg-type, list-item]
    assert load.read_accounting(Kept(), ["head"], None) is None  # type: ignore[arg-type, list-item]
    assert load.read_accounting(Kept(), [], tmp_path) is None  # type: ignore[arg-type]
    (tmp_path / "accounting.json").write_text(to_json(kept))
    assert load.read_accounting(Kept(), [], tmp_path) is None, "half of it is nothing"  # type: ignore[arg-type]
    (tmp_path / "accounting.csv").write_text(to_csv(kept))
    assert load.read_accounting(Kept(), [], tmp_path) == kept  # type: ignore[arg-type]


def test_a_study_that_nobody_asked_for_says_nothing(study: Study) -> None:
    assert "Waiting against training" not in said(study, None)
    assert "accounts" not in said(study, None)
