"""A study of another task than classification: names, directions and bounds of its metrics come from its plan."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest

from analysis.report import build
from analysis.report.findings import gather
from analysis.report.sections import declaration, integrity, results
from analysis.runs import simulated
from analysis.runs.load import Study
from analysis.runs.metric import Metric
from analysis.runs.plan import from_json, to_json

pytestmark = pytest.mark.slow

DEPTH = Metric(name="depth", better="lower", low=0.0, unit="m")
MISSES = Metric(name="misses", better="lower", low=0.0)


@pytest.fixture(scope="module")
def study() -> Study:
    """Depths in metres, with no share of items among the metrics: made of an invented study's losses."""
    found = simulated.study(
        seed=3, activations=("relu", "dsrelu", "elu"), epochs=5, repeats=2, diverged=[("elu", 0, 1)]
    )
    names = {"loss": "misses", "auc": "depth"}
    frames = []
    for frame in (found.cube, found.curves):
        kept = [name for name in frame if not re.search("accuracy|f1_", str(name))]
        renamed = {
            name: f"{name.rsplit('/', 1)[0]}/{names[name.rsplit('/', 1)[1]]}"
            for name in kept
            if "/" in name and name.rsplit("/", 1)[1] in names
        }
        frames.append(frame[kept].rename(columns=renamed))
    cube, curves = frames
    for frame in frames:
        columns = [name for name in frame if str(name).endswith("/depth")]
        frame[columns] = 50 * (1 - frame[columns])
    plan = dataclasses.replace(
        found.plan,
        task="soundings",
        metrics=(DEPTH, MISSES),
        search_selects_on="validation/depth",
        declaration=dataclasses.replace(found.plan.declaration, metric="depth", question="Which measures best?"),
    )
    return dataclasses.replace(found, cube=cube, curves=curves, plan=from_json(to_json(plan)))


def test_it_gets_a_whole_report(study: Study, tmp_path: Path) -> None:
    page = build.write(study, tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert "depth (m) on the held-out part" in text
    assert "accuracy" not in text
    assert "100 (best other − score) / best other, so that positive is better" in page.read_text()
    assert "metric: misses" in page.read_text()
    assert " m (95 % interval " in text
    assert "| nan |" not in text
    assert page.is_file()
    rows = json.loads((tmp_path / "numbers.json").read_text())["tables"]["table-2-means"]
    assert {row["chance"] for row in rows} == {25.0}


def test_a_diverged_run_gets_what_knowing_nothing_scores_there(study: Study) -> None:
    found = gather(study)
    assert found.scores("digits").values["elu"].max() == 25.0
    assert found.scores("digits").reference == 25.0


def test_checks_of_single_items_pass_over_a_metric_that_counts_none(study: Study) -> None:
    checks = {row["check"]: row for row in integrity.section(gather(study)).tables()[0].frame.to_dict("records")}
    assert checks["granularity"]["status"] == "pass"
    assert checks["better than knowing nothing"]["status"] == "pass"
    cube = study.cube.assign(**{"heldout/depth": 26.0})
    low = integrity.section(gather(dataclasses.replace(study, cube=cube))).tables()[0].frame
    assert "did not train" in " ".join(low.loc[low["check"] == "better than knowing nothing", "finding"])


def test_the_default_equivalence_of_an_error_comes_from_what_knowing_nothing_scores(study: Study) -> None:
    text = build.markdown([declaration.section(gather(study))], title="", digest="")
    assert "± 0.25 depth, by default (none was declared): 1 % of what knowing nothing scores" in text
    cube = study.cube.drop(columns="reference/depth")
    unknown = build.markdown([declaration.section(gather(dataclasses.replace(study, cube=cube)))], title="", digest="")
    assert "none was declared, and neither seeds, items nor knowing nothing give one" in unknown


def test_the_change_of_the_error_is_measured_from_the_least_there_can_be(study: Study) -> None:
    table = results.sizes(gather(study)).frame
    values = gather(study).scores("digits").values.mean()
    row = table.set_index("activation").loc["dsrelu"]
    assert row["relative_error_change"] == pytest.approx(values["dsrelu"] / values["relu"] - 1)
