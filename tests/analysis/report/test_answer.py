"""The first screen: what it answers, in which words and numbers, from what was found."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from analysis.report import amounts, build, citations, conclusion
from analysis.report.blocks import Screen
from analysis.report.findings import Findings, gather
from analysis.report.sections import answer, appendix
from analysis.report.spending import spent
from analysis.runs import simulated
from analysis.runs.load import Study
from analysis.runs.metric import Metric
from analysis.runs.schema import Status
from analysis.statistics.verdict import Interval, Verdict, Word

pytestmark = pytest.mark.slow

SHARE = Metric(name="score", better="higher", low=0, high=1, share_of_items=True)
DEPTH = Metric(name="depth", better="lower", low=0, unit="m")
DIGITS = ("relu", "leaky_relu", "dsrelu", "apalu", "lelu", "alrelu")


def digits_like(**more: object) -> Study:
    """As the shipped study: six activations, three folds of 1,797 items, spreads of two points."""
    return simulated.study(
        **{
            **{"seed": 1, "activations": DIGITS, "epochs": 4, "folds": 3, "items": 1797, "base": 0.91},
            **{"split_sd": 0.02, "noise_sd": 0.02, "effects": {"apalu": 0.044, "dsrelu": -0.098}},
            **more,
        }  # type: ignore[arg-type]
    )


def screen_of(findings: Findings) -> Screen:
    (block,) = answer.section(findings).blocks
    assert isinstance(block, Screen)
    return block


def facts(findings: Findings) -> dict[str, str]:
    return {term: " ".join(lines) for term, lines in screen_of(findings).facts}


@pytest.fixture(scope="module")
def undecided() -> Findings:
    return gather(digits_like())


@pytest.fixture(scope="module")
def told() -> Findings:
    effects = {"dsrelu": 0.04, "apalu": -0.05, "elu": 0.0}
    study = simulated.study(
        seed=5, activations=("relu", *effects), effects=effects, repeats=4, noise_sd=0.002, epochs=4
    )
    declared = dataclasses.replace(study.plan.declaration, rope=0.01)
    return gather(dataclasses.replace(study, plan=dataclasses.replace(study.plan, declaration=declared)))


# Amounts


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.044, "4.4 points"), (0.2, "20 points"), (0.01, "1 point"), (-0.00035, "−0.035 points"), (0.0, "0 points")],
)
def test_a_share_is_said_in_points(value: float, said: str) -> None:
    assert amounts.amount(value, SHARE) == said


def test_an_amount_has_the_metrics_unit_or_none() -> None:
    assert amounts.amount(0.1234, DEPTH) == "0.12 m"
    assert amounts.amount(1.0, DEPTH) == "1.0 m"
    assert amounts.amount(0.5, dataclasses.replace(DEPTH, unit="")) == "0.50"
    assert amounts.between(Interval(-0.212, 0.18), SHARE) == "−21 to 18"


def test_long_lists_are_counted() -> None:
    assert amounts.listed(["a"], 3) == "a"
    assert amounts.listed(["a", "b", "c"], 3) == "a, b and c"
    assert amounts.listed(["a", "b", "c", "d", "e"], 3) == "a, b, c and 2 more"


# The answer


def test_what_leads_is_told_with_its_lead_its_splits_and_what_the_design_tells(undecided: Findings) -> None:
    found = undecided.verdict("digits", "apalu")
    assert found is not None
    first, second = conclusion.sentences(undecided)
    lead, told = (amounts.amount(value, undecided.metric) for value in (found.estimate, found.extras["detectable"]))  # type: ignore[arg-type]
    assert first == (
        f"Not decided: apalu leads relu by {lead}, ahead on all 3 splits, which is not enough: this design tells "
        f"{told} at 80 % power."
    )
    assert second == "4 other comparisons are open too."


def test_what_is_decided_comes_first_with_its_interval(told: Findings) -> None:
    text = " ".join(conclusion.sentences(told))
    better, worse = told.verdict("digits", "dsrelu"), told.verdict("digits", "apalu")
    assert better is not None
    assert worse is not None
    assert better.interval is not None
    ends = amounts.between(better.interval, told.metric)
    assert text.startswith(f"dsrelu is better than relu by {amounts.amount(better.estimate, told.metric)} (95 % ")
    assert f"interval {ends})" in text
    assert f"apalu is worse than relu by {amounts.amount(-worse.estimate, told.metric)}" in text
    assert "elu is equivalent to relu, within ± 1 point." in text


def test_where_none_is_ahead_the_nearest_is_named() -> None:
    found = gather(simulated.study(seed=2, activations=("relu", "elu"), effects={"elu": -0.004}, folds=3, epochs=4))
    text = conclusion.sentences(found)[0]
    assert re.search(r"elu comes nearest to relu, 0\.\d+ points behind on average", text)
    assert "relu: nothing is shown to beat it." in conclusion.choice(found)


def test_a_design_that_tells_nothing_there_can_be_says_so() -> None:
    found = gather(digits_like(effects={"apalu": 0.05}, noise_sd=0.3, base=0.5, activations=("relu", "apalu")))
    assert "tells no difference in " in conclusion.sentences(found)[0]


def test_several_data_sets_are_told_together() -> None:
    effects = {"dsrelu": 0.05, "elu": 0.0}
    studies = [
        simulated.study(
            seed=s, name=f"n{s}", dataset=f"d{s}", activations=("relu", *effects), effects=effects, repeats=2, epochs=4
        )
        for s in range(2)
    ]
    text = " ".join(conclusion.sentences(gather(studies)))
    assert re.search(r"dsrelu is better than relu on 2 of 2 data sets by [\d.]+ to [\d.]+ points\.", text)
    assert re.search(r"2 of 4 comparisons are open, where this design tells [\d.]+ points? at best\.", text)


def test_what_is_better_here_and_worse_there_is_no_choice() -> None:
    studies = [
        simulated.study(
            seed=s, name=f"n{s}", dataset=f"d{s}", activations=("relu", "elu"), effects={"elu": e}, repeats=2, epochs=4
        )
        for s, e in enumerate((0.06, -0.06))
    ]
    assert conclusion.choice(gather(studies)) == "It depends on the data: elu on d0; each is worse than relu elsewhere."


def test_the_answer_stays_short_whatever_is_compared() -> None:
    effects = {label: 0.01 * at for at, label in enumerate(simulated.TWENTY[1:], start=-9)}
    found = gather(
        simulated.study(seed=1, activations=simulated.TWENTY, effects=effects, repeats=3, noise_sd=0.002, epochs=4)
    )
    text = " ".join(conclusion.sentences(found))
    assert text.count("(") <= conclusion.NAMED + conclusion.FEWER
    assert len(text) < 420


def test_a_word_that_a_check_takes_away_is_gone_from_the_answer_and_its_reason_stands(told: Findings) -> None:
    def withdrawn(found: Verdict) -> Verdict:
        return dataclasses.replace(found, word=Word.DESCRIPTIVE, withdrawn=found.word, doubts=("Rows look sorted.",))

    doubted = dataclasses.replace(told, verdicts=tuple(withdrawn(found) for found in told.verdicts))
    screen = screen_of(doubted)
    assert "is better" not in " ".join(screen.answer)
    assert "a check of the data takes the word away" in screen.answer[0]
    assert "Rows look sorted." in screen.warnings
    assert json.loads(json.dumps(screen.record))["comparisons"][0]["doubts"] == ["Rows look sorted."]
    assert not facts(doubted)["What to use"].startswith("dsrelu")


# The facts


def test_the_three_readers_find_their_answers(undecided: Findings) -> None:
    found = facts(undecided)
    assert re.search(
        r"relu: nothing is shown to beat it\. Else apalu: .* with probability 0\.\d+", found["What to use"]
    )
    assert re.search(r"apalu: \d+ repeats? of \d+ folds?, \d+ trainings, about ", found["What would decide the rest"])
    assert "no number of repeats" in found["What would decide the rest"]
    assert "3 paired splits on 1 data set" in found["Where it is weak"]
    assert "Nothing was tuned" in found["Where it is weak"]
    assert "No zone of equivalence was declared" in found["Where it is weak"]


def test_who_is_better_is_what_to_use_and_where_all_is_decided_nothing_is_left(told: Findings) -> None:
    assert re.match(r"dsrelu: better than relu p [<\d. ]+ after Holm over 3, P\(better\) ", facts(told)["What to use"])
    assert facts(told)["What would decide the rest"].startswith("Nothing is open.")


@pytest.mark.parametrize(("device", "unit"), [("cuda", "GPU"), ("cpu", "CPU"), ("", "device")])
def test_the_cost_is_the_runs_own_time_and_those_that_shared_a_device_share_it(device: str, unit: str) -> None:
    study = simulated.study(seed=1, activations=("relu", "elu"), epochs=40)
    seconds = study.curves[[name for name in study.curves if name.startswith("seconds/")]].to_numpy().sum()
    alone = spent(gather(dataclasses.replace(study, cube=study.cube.assign(device=device))))
    assert alone.trainings == 10
    assert alone.hours == pytest.approx(seconds / 3600)
    assert alone.said == f"10 trainings: {amounts.number(seconds / 3600)} {unit}-hours."
    shared = spent(gather(dataclasses.replace(study, cube=study.cube.assign(pack_size=5))))
    assert shared.hours == pytest.approx(seconds / 3600 / 5)


def test_what_a_search_tried_is_counted_in_the_runs() -> None:
    study = digits_like()
    tried = study.cube[study.cube["activation"] == "apalu"].copy()
    searched = pd.concat(
        [tried.assign(phase="search", trial=f"apalu-c{n}", run_id=[f"s{n}-{k}" for k in range(3)]) for n in range(2)]
    )
    found = gather(dataclasses.replace(study, cube=pd.concat([study.cube, searched], ignore_index=True)))
    assert "relu, leaky_relu, dsrelu and 2 more had one setting, the others 2 to choose from." in answer.weak(found)
    assert spent(found).said.startswith("24 trainings, 6 of them to choose settings: ")


def test_an_incomplete_or_late_study_is_warned_of() -> None:
    lacking = digits_like(missing=[("apalu", 0, 2)])
    warned = answer.warnings(gather(lacking, allow_incomplete=True))
    assert "Interim: 17 of 18 planned trainings have a result." in warned
    late = dataclasses.replace(lacking.plan.declaration, declared_at="2099-01-01T00:00:00Z")
    plan = dataclasses.replace(lacking.plan, declaration=late)
    warned = answer.warnings(gather(dataclasses.replace(lacking, plan=plan), allow_incomplete=True))
    assert "Declared after the first epoch of a run: simulated." in warned


def test_what_is_sound_is_not_warned_of(undecided: Findings) -> None:
    assert list(screen_of(undecided).warnings) == []


def test_imported_numbers_claim_nothing_and_plan_nothing() -> None:
    study = digits_like()
    cube = study.cube.assign(status=Status.IMPORTED.value, verifiable=False)
    found = gather(dataclasses.replace(study, cube=cube, curves=study.curves.iloc[:0]))
    screen = screen_of(found)
    assert any("not verifiable" in text for text in screen.warnings)
    assert "What it cost" not in dict(screen.facts)
    assert "is better" not in " ".join(screen.answer)
    assert "Nothing can be planned" in facts(found)["What would decide the rest"]


def test_another_task_has_its_unit_and_its_direction(undecided: Findings) -> None:
    study = digits_like(effects={"apalu": 0.2, "dsrelu": -0.1})
    declared = dataclasses.replace(study.plan.declaration, metric="loss")
    found = gather(dataclasses.replace(study, plan=dataclasses.replace(study.plan, declaration=declared)))
    text = " ".join(conclusion.sentences(found))
    assert "point" not in text
    assert found.metric.better == "lower"
    assert "apalu" in text


# The page


def test_numbers_json_has_the_answer(undecided: Findings, tmp_path: Path) -> None:
    build.write_findings(undecided, tmp_path)
    found = json.loads((tmp_path / "numbers.json").read_text())["answer"]
    assert found["sentence"] == " ".join(conclusion.sentences(undecided))
    assert [one["activation"] for one in found["comparisons"]] == list(DIGITS[1:])
    for one, verdict in zip(found["comparisons"], undecided.verdicts, strict=True):
        assert one["word"] == str(verdict.word)
        assert one["difference"] == verdict.estimate
        assert (one["low"], one["high"]) == verdict.interval
    assert found["cost"]["trainings"] == 18
    assert {step["activation"] for step in found["next"]} == set(DIGITS[1:])
    text = (tmp_path / "report.md").read_text()
    assert len(text.split("## Appendix")[0].split()) < 2500
    assert r"\cite{" in (tmp_path / "methods.tex").read_text()


def test_each_method_is_said_once(undecided: Findings) -> None:
    sections = build.sections_of(undecided)
    reading = next(section for section in sections if section.anchor == "reading")
    text = build.markdown(sections, title="", digest="")
    said = [sentence for section in sections for sentence in section.methods]
    assert said
    assert reading.title == "How to read this"
    for sentence in said:
        assert text.count(sentence) == 1, sentence


def test_digests_and_versions_stand_in_the_appendix_alone(undecided: Findings) -> None:
    before, after = build.markdown(build.sections_of(undecided), title="", digest="").split("## Appendix")
    digest = undecided.plan.study_digest
    assert digest in after
    assert digest not in before


# To paste


def test_references_are_those_of_what_was_done(undecided: Findings, told: Findings) -> None:
    keys = citations.used(undecided, [])
    assert {"nadeau2003inference", "holm1979simple", "chakraborti2024dsrelu", "subramanian2024apalu"} <= set(keys)
    assert "demsar2006statistical" not in keys
    assert "bigarella2025lelu" not in citations.used(told, [])
    text = citations.bibtex(keys)
    assert re.findall(r"^@\w+\{(\w+),", text, re.MULTILINE) == keys
    for entry in text.split("\n\n"):
        assert entry.count("{") == entry.count("}")


@pytest.mark.parametrize("find", [lambda u, t: u, lambda u, t: t])
def test_every_key_that_is_cited_has_its_entry(
    find: Callable[[Findings, Findings], Findings], undecided: Findings, told: Findings
) -> None:
    section = appendix.section(find(undecided, told), [])
    methods, references = (block.text for block in section.pasted())
    cited = {key for group in re.findall(r"\\cite\{([^}]*)\}", methods) for key in group.split(",")}
    assert cited == set(re.findall(r"^@\w+\{(\w+),", references, re.MULTILINE))
    assert "% " not in methods.replace(r"\%", "")


@pytest.mark.parametrize(("differences", "level"), [([0.1, 0.2, -0.3], True), ([0.1, 0.2, -0.2], False), ([0.0], True)])
def test_a_lead_that_is_rounding_alone_is_none(differences: list[float], level: bool) -> None:
    d = pd.Series(differences)
    findings = SimpleNamespace(pair_of=lambda found: SimpleNamespace(d=d))
    found = SimpleNamespace(estimate=float(d.mean()))
    assert conclusion.level_on_average(findings, found) is level  # type: ignore[arg-type]
