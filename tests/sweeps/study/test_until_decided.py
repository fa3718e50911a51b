"""Repeats until decided in a study file: what is accepted, what it comes to, and what `check` says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.runs.plan import from_json, to_json
from sweeps.errors import StudyError
from sweeps.study import planner
from sweeps.study.reading import load
from sweeps.study.study import digest, resolved_yaml
from sweeps.view import preview

TEXT = """
name: repeated
data: digits
folds: {folds: 5}
confirm: {repeats: {first: 2, most: 20}, until: decided}
activations: [relu, tanh, gelu, elu]
"""
SEARCHED = (
    TEXT.replace("gelu, elu]", "{activation: dsrelu, space: default}]") + "search: {samples: 2, scheduler: none}\n"
)


def refused(text: str) -> str:
    with pytest.raises(StudyError) as caught:
        load(text)
    return str(caught.value)


@pytest.mark.parametrize("scheme", ["published", "time", "block", "cases"])
def test_schemes_whose_repeats_are_no_further_samples_are_refused(scheme: str) -> None:
    said = refused(TEXT.replace("{folds: 5}", f"{{scheme: {scheme}, folds: 5, stratify: false}}"))
    assert "confirm.until" in said
    assert f"accepts null with folds: {{scheme: {scheme}}}" in said
    assert "no boundary holds" in said


def test_a_study_without_a_comparison_is_refused() -> None:
    assert "accepts null where there is no comparison" in refused(TEXT.replace(", tanh, gelu, elu", ""))


@pytest.mark.parametrize(("folds", "least"), [("{scheme: fixed}", 3), ("{folds: 2}", 2)])
def test_fewer_paired_splits_than_a_test_needs_are_refused(folds: str, least: int) -> None:
    text = TEXT.replace("{folds: 5}", folds)
    load(text.replace("first: 2, most: 20", f"first: 1, most: {least}"))
    if least > 2:
        said = refused(text.replace("first: 2, most: 20", f"first: 1, most: {least - 1}"))
        assert f"accepts at least {least} here: a test needs 3 paired splits" in said


def test_a_repeats_number_and_until_exclude_each_other() -> None:
    assert "accepts repeats: {first: 2, most: 20} together with until" in refused(
        TEXT.replace("{first: 2, most: 20}", "3")
    )


def test_the_plan_has_the_boundaries_of_the_design() -> None:
    rule = planner.plan(load(TEXT), "now").until_decided
    assert rule is not None
    assert (rule.looks, rule.units, rule.ratio, rule.comparisons, rule.alpha) == (tuple(range(2, 21)), 5, 0.25, 3, 0.05)
    assert from_json(to_json(planner.plan(load(TEXT), "now"))).until_decided == rule


def test_what_a_search_keeps_to_itself_is_never_held_out_and_counts_as_overlap() -> None:
    """0.6 of the items are held out in five parts: 0.12 of them each, over the other 0.88."""
    rule = planner.plan(load(SEARCHED), "now").until_decided
    assert rule is not None
    assert rule.ratio == pytest.approx(0.12 / 0.88, abs=1e-6)


def test_a_fixed_held_out_part_is_one_unit_a_repeat() -> None:
    rule = planner.plan(load(TEXT.replace("{folds: 5}", "{scheme: fixed}")), "now").until_decided
    assert rule is not None
    assert (rule.units, rule.ratio) == (1, 0.0)


def test_alpha_and_family_of_the_report_are_the_boundaries() -> None:
    more = TEXT + "report: {alpha: 0.01, family: all_pairs}\n"
    rule = planner.plan(load(more.replace("most: 20", "most: 4")), "now").until_decided
    assert rule is not None
    assert (rule.alpha, rule.comparisons) == (0.01, 6)


def test_what_was_declared_before_keeps_its_digest_and_has_no_boundaries() -> None:
    fixed = load(TEXT.replace("confirm: {repeats: {first: 2, most: 20}, until: decided}\n", ""))
    assert planner.plan(fixed, "now").until_decided is None
    assert digest(fixed) != digest(load(TEXT))
    assert digest(load(resolved_yaml(load(TEXT)))) == digest(load(TEXT))


def test_check_says_how_few_and_how_many_folds_there_may_be_and_the_limits() -> None:
    said = preview.design(load(TEXT))
    assert "confirm: 4 trials x 5 folds of 2 to 20 repeats = at most 400 folds" in said
    assert "3 comparisons with the control, looked at after 2 repeats, then after each to 20; at least 40 folds" in said
    rule = planner.plan(load(TEXT), "now").until_decided
    assert rule is not None
    first, last = rule.limit("difference", 0, 3), rule.limit("difference", 18, 3)
    assert f"better or worse: p of a look at most {first:.2g} and {last:.2g} at the first look and at the last" in said
    assert "equivalent: p of a look at most" in said


def test_check_says_nothing_of_looks_where_repeats_are_fixed() -> None:
    assert "until decided" not in preview.design(
        load(TEXT.replace("confirm: {repeats: {first: 2, most: 20}, until: decided}\n", ""))
    )


def test_a_round_is_a_pack_of_its_own() -> None:
    from slurm.profile import load as profile

    assert "76 packs" in preview.submission(load(TEXT), profile("local"))


def test_reading_a_study_with_boundaries_loads_no_torch_and_checking_one_without_no_statistics() -> None:
    code = (
        "import sys\nfrom sweeps.study.reading import load\nfrom sweeps.study import planner\n"
        f"planner.plan(load({TEXT.replace('confirm', '# confirm')!r}), 'now')\n"
        "print('scipy' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


REAL = """
name: real
data: {name: digits}
model: {name: mlp}
training: {epochs: 3, patience: null, lr: 3e-3}
folds: {folds: 3}
confirm: {repeats: {first: 2, most: 3}, until: decided}
activations: [relu, sigmoid, {activation: relu, label: again}]
report: {rope: 0.05}
"""


@pytest.mark.slow
def test_a_real_study_is_repeated_until_it_is_decided_and_reported(tmp_path: Path) -> None:
    """Digits on the CPU: sigmoid is far behind after three epochs, while a second ReLU is the same function."""
    (tmp_path / "study.yaml").write_text(REAL)
    run = [sys.executable, "-m", "actsweep_start", "-m", "sweeps.cli", "run", "study.yaml", "--folder", "made"]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    numbers = json.loads((tmp_path / "made" / "report" / "numbers.json").read_text())
    words = {one["activation"]: one["word"] for one in numbers["answer"]["comparisons"]}
    assert words["sigmoid"] == "worse"
    ledger = [json.loads(line) for line in (tmp_path / "made" / "ledger.jsonl").read_text().splitlines()]
    looks = [record for record in ledger if record["kind"] == "looked"]
    decided = {name: word for look in looks for name, word in look["decided"].items()}
    assert decided == {f"{label} against relu": word for label, word in words.items() if word != "descriptive only"}
    (found,) = numbers["until_decided"]
    assert [look["repeats"] for look in found["looks"]] == [look["repeats"] for look in looks]
