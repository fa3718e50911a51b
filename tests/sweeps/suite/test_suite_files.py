"""Suite files: what they come to, and what is said of those that are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

import sweeps
from sweeps.errors import StudyError
from sweeps.study import reading as studies
from sweeps.study.study import digest
from sweeps.suite import budget, folder, shipped
from sweeps.suite.reading import is_suite, load
from sweeps.suite.suite import STORE
from sweeps.view import preview

FILES = sorted((Path(sweeps.__file__).parent / "suites").glob("*.yaml"))
SUITE = """
suite: three
question: Is it better?
base:
  data: {name: digits}
  model: {name: mlp, hidden: "64,32"}
  training: {epochs: 12, patience: null}
  activations: [relu, {activation: dsrelu, params: {k: 5}}]
studies:
  digits: {}
  wine: {data: wine, training: {epochs: 30}}
  small: {data: {name: breast_cancer}, model: {hidden: "8"}}
"""


def wrong(text: str, *said: str) -> list[str]:
    with pytest.raises(StudyError) as caught:
        load(text)
    for words in said:
        assert words in str(caught.value)
    return str(caught.value).splitlines()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_shipped_suite_is_valid_and_says_what_it_is(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    header = " ".join(line.removeprefix("# ") for line in text.splitlines() if line.startswith("#"))
    assert "?" in preview.headline(text)
    assert " Cost: " in header
    assert "Source: " in header
    suite = shipped.find(file.stem)
    assert suite is not None
    assert suite.name == file.stem
    assert suite.question.endswith("?")
    assert len(suite.studies) == 3


def test_the_suite_of_the_dsrelu_paper_is_its_three_shipped_studies() -> None:
    suite = shipped.find("dsrelu-suite")
    assert suite is not None
    for member, study in suite.studies.items():
        alone = studies.load(Path(sweeps.__file__).parent / "studies" / f"dsrelu-{member}.yaml")
        assert study.model_copy(update={"name": alone.name, "question": alone.question}) == alone.model_copy(
            update={"tracking": study.tracking}
        )
    assert [study.data.name for study in suite.studies.values()] == ["mini_imagenet", "cifar100", "heartbeat_187"]


def test_its_twin_for_two_cores_compares_six_activations_on_three_data_sets() -> None:
    suite = shipped.find("dsrelu-suite-cpu")
    assert suite is not None
    assert {len(study.activations) for study in suite.studies.values()} == {6}
    assert [study.data.name for study in suite.studies.values()] == ["digits", "wine", "breast_cancer"]


def test_sections_are_merged_and_what_has_another_name_is_replaced() -> None:
    suite = load(SUITE)
    assert [study.name for study in suite.studies.values()] == ["three-digits", "three-wine", "three-small"]
    assert {study.question for study in suite.studies.values()} == {"Is it better?"}
    wine, small = suite.studies["wine"], suite.studies["small"]
    assert (wine.data.name, wine.training.epochs, wine.training.patience) == ("wine", 30, None)
    assert wine.model.options == {"hidden": "64,32"}
    assert (small.model.name, small.model.options) == ("mlp", {"hidden": "8"})
    replaced = load(SUITE.replace('model: {hidden: "8"}', "model: {name: tiny_cnn}, data: {name: digits}, seed: 4"
                                  ).replace("{data: {name: breast_cancer}, ", "{")).studies["small"]  # fmt: skip
    assert (replaced.model.name, replaced.model.options, replaced.seed) == ("tiny_cnn", {}, 4)


def test_a_base_in_short_form_takes_options() -> None:
    text = SUITE.replace("data: {name: digits}", "data: heartbeat_187").replace(
        "digits: {}", "few: {data: {sample: 50}}"
    )
    few = load(text).studies["few"]
    assert (few.data.name, few.data.options) == ("heartbeat_187", {"sample": 50})


def test_a_product_has_a_member_for_each_combination() -> None:
    text = "suite: all\nquestion: q?\nbase: smoke\nvary:\n  data: [digits, {name: wine}]\n  model: [mlp]\n" + (
        "  training: {short: {epochs: 2}, long: {epochs: 5}}\n"
    )
    suite = load(text)
    assert list(suite.studies) == [
        "digits-mlp-short", "digits-mlp-long", "wine-mlp-short", "wine-mlp-long"
    ]  # fmt: skip
    assert suite.studies["wine-mlp-long"].training.epochs == 5
    assert suite.studies["wine-mlp-long"].training.batch == 64  # the base's
    both = load(text.replace("vary:", "studies: {a: {seed: 1}, b: {seed: 2}}\nvary:").replace("[mlp]", "[tiny_cnn]")
                .replace("[digits, {name: wine}]", "[digits]"))  # fmt: skip
    assert [(name, study.seed) for name, study in both.studies.items()] == [
        ("a-digits-tiny_cnn-short", 1), ("a-digits-tiny_cnn-long", 1),
        ("b-digits-tiny_cnn-short", 2), ("b-digits-tiny_cnn-long", 2),
    ]  # fmt: skip


def test_members_have_one_store_unless_the_base_names_another() -> None:
    assert {study.tracking.uri for study in load(SUITE).studies.values()} == {STORE}
    named = SUITE.replace("base:\n", "base:\n  tracking: {uri: 'http://localhost:5000'}\n")
    assert {study.tracking.uri for study in load(named).studies.values()} == {"http://localhost:5000"}


def test_a_member_may_have_a_base_of_its_own_by_file_or_name(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "mine.yaml").write_text(
        "name: mine\nroot: here\ndata: {name: digits}\nmodel: tiny_cnn\nactivations: [relu, lelu]\n"
    )
    (tmp_path / "below" / "here").mkdir()
    file = tmp_path / "suite.yaml"
    file.write_text("suite: s\nquestion: q?\nbase: below/mine.yaml\nstudies:\n  a:\n  b: below/mine.yaml\n"
                    "  c: {base: below/mine.yaml, seed: 9}\n")  # fmt: skip
    suite = load(file)
    assert [study.seed for study in suite.studies.values()] == [1, 1, 9]
    assert {study.root for study in suite.studies.values()} == {str(tmp_path / "below" / "here")}


def test_a_problem_is_told_with_its_file_its_line_and_its_member(tmp_path: Path) -> None:
    base = tmp_path / "base.yaml"
    base.write_text("name: mine\ndata: {name: digits}\nfolds: {folds: 1}\nactivations: [relu, lelu]\n")
    file = tmp_path / "suite.yaml"
    file.write_text("suite: s\nquestion: q?\nbase: base.yaml\nstudies:\n  a:\n"
                    "  b: {data: {name: wien}, folds: {folds: 3}}\n  c: {training: {epohcs: 3}}\n")  # fmt: skip
    with pytest.raises(StudyError) as caught:
        load(file)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{base}:3: a, c: folds.folds: got 1; accepts 2 or more: with fewer nothing is held out"
    assert lines[1].startswith(f"{file}:6: b: data.name: unknown data set 'wien': did you mean wine?")
    assert lines[2].startswith(f"{file}:7: c: training.epohcs: unknown key;")
    assert lines[2].endswith("did you mean epochs?")
    assert len(lines) == 3


def test_what_is_wrong_with_all_members_is_told_once() -> None:
    (line,) = wrong(SUITE.replace("epochs: 12", "epochs: none").replace(", training: {epochs: 30}", ""))
    assert line.startswith("suite:7: every study: training.epochs: got")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("suite: three", "suite: Three", "suite:2: suite: got \"Three\"; accepts a-z"),
        ("question: Is it better?", "qestion: Is it?", "unknown key; accepts suite, question, base"),
        ("question: Is it better?\n", "", "question: is missing; accepts the one question"),
        ("  digits: {}", "  Digits: {}", "got 'Digits' as a member's name"),
        ("  digits: {}", "  report: {}", "that is a name of the suite's own"),
        ("  digits: {}", "  digits: 5", "studies.digits: got 5; accepts what differs from base"),
        ("  digits: {}", "  digits: nothing.yaml", "neither a file"),
        ("  digits: {}", "  digits: smok", "did you mean smoke?"),
        ("  digits: {}", "  digits: {name: mine}", "studies.digits.name: is the suite's to say"),
        ("  digits: {}", "  digits: {question: other}", "one question for all its studies"),
        ("  digits: {}", "  digits: {modle: mlp}", "unknown key; accepts base, "),
        ("studies:\n", "vary:\n  modle: [mlp]\nstudies:\n", "vary.modle: does not vary; accepts"),
        ("studies:\n", "vary:\n  control: [relu]\nstudies:\n", "it makes the question"),
        ("studies:\n", "vary:\n  model: []\nstudies:\n", "accepts a list of names or a mapping"),
        ("studies:\n", "vary:\n  model: [5]\nstudies:\n", "vary.model[0]: got 5"),
        ("studies:\n", "vary:\n  data: [wine, wine]\nstudies:\n", "two members would be called digits-wine"),
        ("studies:\n", "budget: {gpu_hours: -1}\nstudies:\n", "budget.gpu_hours: got -1"),
    ],
)  # fmt: skip
def test_a_wrong_suite_is_refused_by_name(old: str, new: str, said: str) -> None:
    assert old in SUITE
    wrong(SUITE.replace(old, new), said)


def test_a_suite_without_members_or_without_a_base_is_refused() -> None:
    wrong("suite: s\nquestion: q?\nbase: smoke\n", "studies: is missing; accepts a mapping of names")
    wrong("suite: s\nquestion: q?\nstudies: {a: }\n", "studies.a: has nothing to differ from")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("activations: [relu, lelu]", 'wine: activations: got relu, lelu, and digits has relu, dsrelu; a suite'),
        ("activations: [relu, {activation: dsrelu, params: {k: 7}}]", "params: {k: 7}"),
        ("control: dsrelu", 'control: got "dsrelu", and digits has "relu"; a suite asks one question'),
        ("report: {metric: f1_macro}", "report.metric: got"),
        ("report: {family: pairs}", "report.family: got"),
        ("training: {checkpoint_rule: last}", "training.checkpoint_rule: got"),
        ("cluster: {profile: devcluster}", "and digits has \"local\"; a suite has one driver"),
        ("tracking: {uri: 'http://localhost:5000'}", "tracking.uri: got"),
    ],
)  # fmt: skip
def test_members_ask_one_question_of_one_driver(change: str, said: str) -> None:
    wrong(SUITE.replace("{data: wine, training: {epochs: 30}}", f"{{data: wine, {change}}}"), said)


def test_how_members_are_trained_may_differ() -> None:
    own = "activations: [relu, {activation: dsrelu, params: {k: 5}, training: {lr: 0.1}}]"
    assert len(load(SUITE.replace("{data: wine, training: {epochs: 30}}", f"{{data: wine, {own}}}")).studies) == 3


def test_the_resolved_text_reads_back_to_an_equal_suite() -> None:
    suite = load(SUITE + "budget: {gpu_hours: 2.5}\n")
    again = load(folder.resolved_yaml(suite))
    assert again == suite
    assert {m: digest(s) for m, s in again.studies.items()} == {m: digest(s) for m, s in suite.studies.items()}


def test_a_suite_is_told_from_a_study(tmp_path: Path) -> None:
    assert is_suite(SUITE)
    assert is_suite("suite: s\n  broken: [")
    assert not is_suite("name: mine\ndata: digits\n")
    file = tmp_path / "mine.yaml"
    file.write_text(SUITE)
    with pytest.raises(StudyError, match=r"mine.yaml: a suite of several studies, where one study is asked for"):
        studies.load(file)
    assert shipped.find("smoke") is None
    file.write_text("suite: s\nquestion: q?\nbase: mine.yaml\nstudies: {a: }\n")
    with pytest.raises(StudyError, match="which is a suite itself; accepts a study"):
        load(file)


def test_a_budget_is_shared_by_the_steps_that_each_study_plans() -> None:
    suite = load(SUITE + "budget: {gpu_hours: 3}\n")
    hours = {member: study.budget.gpu_hours for member, study in suite.studies.items() if study.budget is not None}
    assert sum(hours.values()) == pytest.approx(3)
    # 12 epochs of 1,797 digits, 30 of 178 wines, 12 of 569 cases
    assert hours["digits"] / hours["small"] == pytest.approx(1797 / 569)
    assert hours["wine"] / hours["small"] == pytest.approx(30 * 178 / (12 * 569))
    (said,) = budget.words(suite)
    assert said.startswith("budget: 3 GPU-hours for all, shared by the training steps that each plans: digits 1.92")


def test_a_budget_is_shared_equally_where_a_size_is_not_known() -> None:
    suite = load(SUITE.replace("data: wine,", "data: libras,") + "budget: {gpu_hours: 3, margin: 2}\n")
    assert [(study.budget.gpu_hours, study.budget.margin) for study in suite.studies.values() if study.budget] == [
        (pytest.approx(1), 2)
    ] * 3
    assert "equally" in budget.words(suite)[0]


def test_a_budget_of_the_suite_and_one_of_a_study_exclude_each_other() -> None:
    text = SUITE.replace("digits: {}", "digits: {budget: {gpu_hours: 1}}") + "budget: {gpu_hours: 3}\n"
    wrong(text, "suite:10: digits: budget: the suite has one for all of its studies")
    assert budget.words(load(SUITE)) == []
