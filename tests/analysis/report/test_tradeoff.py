"""The section on gain and cost: what it shows, what it says, and what it leaves unsaid."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.report import build
from analysis.report.blocks import Notice, Tabled, Text
from analysis.report.figures import tradeoff as figures
from analysis.report.findings import Findings, gather
from analysis.report.sections import appendix, tradeoff
from analysis.runs import simulated
from analysis.runs.load import Study
from analysis.statistics.verdict import Word


def study(*, objectives: bool = True, **changed: object) -> Study:
    """A simulated study whose rivals each searched nine settings of two folds; the fourth was chosen."""
    made = simulated.study(seed=5, repeats=2, epochs=6, **changed)  # type: ignore[arg-type]
    if not objectives:
        return made
    rng = np.random.default_rng(1)
    rows, curves = [], [made.curves]
    for label in made.plan.activations[1:]:
        for setting in range(9):
            for fold in range(2):
                alike = (made.cube["activation"] == label) & (made.cube["repeat"] == 0) & (made.cube["fold"] == fold)
                row = made.cube[alike].iloc[0].to_dict()
                curve = made.curves[made.curves["run_id"] == row["run_id"]].copy()
                run_id, factor = f"{made.plan.study}-{label}-{setting}-{fold}", float(np.exp(rng.normal(0, 0.1)))
                for part in ("train", "evaluate", "rest"):
                    curve[f"seconds/{part}"] *= factor
                curves.append(curve.assign(run_id=run_id))
                row |= {"phase": "search", "trial": f"{label}-s{setting:03d}", "run_id": run_id, "repeat": 9}
                row |= {"selected": setting == 3, "validation/loss": row["validation/loss"] + rng.normal(0, 0.05)}
                rows.append(row)
    cube = pd.concat([made.cube, pd.DataFrame(rows)], ignore_index=True)
    plan = dataclasses.replace(made.plan, search_objectives=("validation/loss", "epoch_s"))
    return dataclasses.replace(made, cube=cube, curves=pd.concat(curves, ignore_index=True), plan=plan)


@pytest.fixture(scope="module")
def findings() -> Findings:
    return gather(study())


def texts(found: Findings) -> str:
    section = tradeoff.section(found)
    assert section is not None
    return " ".join(block.text for block in section.blocks if isinstance(block, Text | Notice))


def test_a_study_of_one_objective_has_no_section_but_the_picture_in_its_appendix() -> None:
    found = gather(study(objectives=False))
    assert tradeoff.section(found) is None
    assert [plot.name for plot in appendix.section(found, []).plots()] == ["figure-9-tradeoff"]


def test_a_study_of_several_objectives_has_both_pictures_and_both_tables(findings: Findings) -> None:
    section = tradeoff.section(findings)
    assert section is not None
    assert [plot.name for plot in section.plots()] == ["figure-9-tradeoff", "figure-9-settings"]
    assert [table.name for table in section.tables()] == ["table-28-tradeoff", "table-28-settings"]
    assert tradeoff.aside(findings) == []
    for item in [*section.plots(), *section.tables()]:
        assert len(re.findall(r"[.!?](?=\s|$)", item.caption)) <= 2, item.caption


def test_every_number_of_the_picture_is_a_verdicts_or_a_ratio_of_times(findings: Findings) -> None:
    (plot,) = figures.confirmed(findings, tradeoff.standing(findings))
    for row in plot.data.to_dict(orient="records"):
        if row["activation"] == "relu":
            assert (row["difference"], row["ratio"], row["ratio_low"]) == (0, 1, 1)
            continue
        verdict = findings.verdict("digits", row["activation"])
        assert verdict is not None
        assert verdict.interval is not None
        assert (row["difference"], row["low"], row["high"]) == (verdict.estimate, *verdict.interval)
        assert row["ratio_low"] < row["ratio"] < row["ratio_high"]
        # simulated: 2.5 % more for each that follows the control
        assert row["ratio"] == pytest.approx(1 + 0.025 * findings.labels.index(row["activation"]), abs=0.02)
    assert "n = 10 paired splits" in plot.caption
    assert "over 10 pairs of runs, each with its 95 % interval" in plot.caption
    assert "no test" in plot.caption


def test_who_is_said_to_be_on_the_front_is_who_is(findings: Findings) -> None:
    rows = tradeoff.standing(findings)
    (said,) = tradeoff.sentences(findings, rows)
    on = rows[rows["front"]]
    for label in findings.labels:
        assert (f"{label} (in " in said) is (label in set(on["activation"]))
    shares = dict(re.findall(r"(\w+) \(in (\d+)% of the draws\)", said))
    for row in on.to_dict(orient="records"):
        assert int(shares[row["activation"]]) == round(100 * row["often"])
    assert f"of {len(rows) - len(on)} others another is at least as good in both" in said


def test_no_word_of_a_verdict_is_said_of_the_front(findings: Findings) -> None:
    said = texts(findings)
    for word in (Word.BETTER, Word.WORSE, Word.EQUIVALENT):
        assert not re.search(rf"\b{word} than\b", said)
    assert "nothing here decides between gain and cost" in said
    assert "significant" not in said


def test_times_that_cannot_be_compared_are_said_not_drawn() -> None:
    packed = study()
    found = gather(dataclasses.replace(packed, cube=packed.cube.assign(pack_size=5)))
    section = tradeoff.section(found)
    assert section is not None
    assert "Every run shared its device" in texts(found)
    assert "cluster: {pack: fold}" in texts(found)
    assert [plot.name for plot in section.plots()] == ["figure-9-settings"]
    untimed = dataclasses.replace(packed, curves=packed.curves.drop(columns="seconds/train"))
    assert "No training times were recorded" in texts(gather(untimed))
    two = gather(study(objectives=False))
    apart = two.claimed["activation"].map(lambda label: f"device of {label}")
    one_each = dataclasses.replace(two, claimed=two.claimed.assign(kind=apart))
    assert tradeoff.aside(one_each) == []


def test_the_settings_of_each_search_have_their_own_front_and_the_chosen_one_is_named(findings: Findings) -> None:
    table = tradeoff.settings(findings)
    assert len(table) == 5 * 9
    assert table.groupby("activation")["selected"].sum().tolist() == [1] * 5
    assert set(table.loc[table["selected"], "trial"]) == {f"{label}-s003" for label in findings.labels[1:]}
    for _, mine in table.groupby("activation"):
        least = mine.sort_values(["score", "epoch_s"]).iloc[0]
        assert least["front"], "the least loss is on the front"
        assert mine.sort_values(["epoch_s", "score"]).iloc[0]["front"], "so is the least time"
    plot = figures.searched(findings, table)
    assert plot is not None
    assert "down is better" not in plot.caption
    assert len(plot.data) == 45


def test_two_data_sets_stand_beside_each_other() -> None:
    one, other = study(), study(name="other", dataset="wine")
    found = gather([one, other])
    rows = tradeoff.standing(found)
    assert len(rows) == 12
    assert len(tradeoff.sentences(found, rows)) == 2
    (plot,) = figures.confirmed(found, rows)
    assert set(plot.data["dataset"]) == {"digits", "wine"}
    settings = figures.searched(found, tradeoff.settings(found))
    assert settings is not None
    assert "1 further search in the table" in settings.caption


def test_figures_repeat_their_bytes_and_say_what_they_are(findings: Findings, tmp_path: Path) -> None:
    sections = [tradeoff.section(found) for found in (findings, gather(study()))]
    first, second = (section.plots() if section else [] for section in sections)
    assert len(first) == 2
    for one, two in zip(first, second, strict=True):
        assert (one.svg, one.png) == (two.svg, two.png)
        assert f'aria-label="{one.title}"' in one.inline
        one.save(tmp_path)
        assert {path.suffix for path in tmp_path.glob(f"{one.name}.*")} == {".svg", ".png", ".csv"}


def test_twenty_activations_are_told_apart_by_colour_and_marker_together() -> None:
    looks = figures.look(simulated.TWENTY, "relu")
    assert len(set(looks.values())) == 20


def test_the_table_is_among_the_numbers(findings: Findings, tmp_path: Path) -> None:
    section = tradeoff.section(findings)
    assert section is not None
    build.publish([section], tmp_path, title="t", digest=findings.digest)
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    rows = {row["activation"]: row for row in numbers["tables"]["table-28-tradeoff"]}
    assert rows["relu"]["front"] == "yes"
    csv = (tmp_path / "tables" / "table-28-tradeoff.csv").read_text()
    assert csv.count("\n") == 7


def test_the_table_does_not_know_of_a_front_without_a_time() -> None:
    made = study()
    alone = made.cube["activation"] == "lelu"
    found = gather(dataclasses.replace(made, cube=made.cube.assign(pack_size=np.where(alone, 4, 1))))
    section = tradeoff.section(found)
    assert section is not None
    tables = [block.table for block in section.blocks if isinstance(block, Tabled)]
    (frame,) = [table.frame for table in tables if table.name == "table-28-tradeoff"]
    assert frame.set_index("activation").loc["lelu", "front"] == "not known"


def test_a_search_that_was_told_seconds_of_several_devices_is_not_trusted() -> None:
    two = study()
    of_elu = (two.cube["phase"] == "search") & (two.cube["trial"] == f"{two.plan.activations[1]}-s000")
    two.cube.loc[of_elu, "device_name"] = "another card"
    found = texts(gather(two))
    assert (
        f"The search of {two.plan.activations[1]} was told seconds of several kinds of device (16 on simulated" in found
    )
    assert found.count("was told seconds of several kinds of device") == 1
    assert "several kinds of device" not in texts(gather(study()))
