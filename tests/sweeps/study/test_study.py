"""Study files: what they mean, what is refused and in which words."""

import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sweeps.errors import StudyError
from sweeps.study import planner
from sweeps.study.reading import load
from sweeps.study.sections import Folds
from sweeps.study.space import Domain
from sweeps.study.study import Study, digest, resolved_yaml
from sweeps.study.training import FIXED_FOR_ALL, Training
from trainer.spec import SplitSpec, TrainingSpec

HERE = Path(__file__).parent
BROKEN = sorted((HERE / "broken").glob("*.yaml"))
EXAMPLES = sorted((HERE / "study_examples").glob("*.yaml"))
SHIPPED = sorted((HERE.parents[2] / "sweeps" / "studies").glob("*.yaml"))

LEAST = "name: least\ndata: digits\nactivations: [gelu, relu]\n"
SEARCHED = """
name: searched
data: {name: digits}
training: {epochs: 8, lr: 1e-3}
folds: {folds: 3, repeats: 2}
search: {samples: 4, folds: 2, epochs: 3}
activations:
  - relu
  - {activation: dsrelu, params: {k: 5}, space: default, training: {weight_decay: 0.1}}
"""


def full() -> Study:
    return load(HERE / "study_examples" / "full.yaml")


# What is refused.


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_a_broken_file_gets_its_message_and_nothing_is_written(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StudyError) as caught:
        load(path, origin=path.name)
    expected = path.with_suffix(".txt").read_text().replace("FOLDER", str(path.parent))
    assert str(caught.value) + "\n" == expected
    assert list(tmp_path.iterdir()) == []
    assert {item.suffix for item in path.parent.iterdir()} == {".yaml", ".txt"}


def test_there_are_a_dozen_broken_files():
    assert len(BROKEN) >= 12


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_a_message_names_file_line_and_what_to_do(path):
    for line in path.with_suffix(".txt").read_text().splitlines():
        if line.startswith(f"{path.name}: and "):
            continue
        file, number, text = line.split(":", 2)
        assert file == path.name
        if number.strip().isdigit():
            assert 1 <= int(number) <= len(path.read_text().splitlines())
            assert any(
                word in text for word in ("accepts", "keep", "correct", "give", "check", "mean", "no parameters")
            )


def test_a_file_that_is_not_there_suggests_the_one_that_is(tmp_path):
    (tmp_path / "digits.yaml").write_text(LEAST)
    with pytest.raises(StudyError, match=r"digit\.yaml: no such file; did you mean digits\.yaml; accepts the path"):
        load(tmp_path / "digit.yaml")
    with pytest.raises(StudyError, match="cannot be read"):
        load(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"name: \xe9t\xe9\n")
    with pytest.raises(StudyError, match="UTF-8"):
        load(tmp_path / "latin.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "study:1: got null; accepts a mapping with the keys of a study"),
        ("- 1", "study:1: got [1]; accepts a mapping"),
        (
            LEAST + "training: {epochs: 0}",
            "study:4: training.epochs: got 0; accepts a number greater than or equal to 1",
        ),
        (LEAST + "training: {epochs: true}", "training.epochs: got true; accepts a whole number"),
        (LEAST + "training: {epochs: 1.5}", "training.epochs: got 1.5; accepts a whole number"),
        (LEAST + "training: {lr: .inf}", "training.lr: got .inf; accepts finite numbers"),
        (LEAST + "training: {optimizer: Adm}", "accepts adam, adamw, sgd; did you mean adam?"),
        (LEAST + "training: 3", "study:4: training: got 3; accepts a mapping"),
        (LEAST + "folds: {scheme: fixed, folds: 3}", "folds.folds: got 3; accepts 1 with scheme: fixed"),
        (LEAST + "control: gelo", "accepts a label of activations: gelu, relu; did you mean gelu?"),
        (LEAST + "cluster: {pack: 0}", "got 0; accepts trial, fold, a number of folds from 1 up, or node"),
        (LEAST + "cluster: {pack: jobs}", "accepts trial, fold, a number"),
        (LEAST + "report: {alpha: 0.9}", "report.alpha: got 0.9; accepts a number less than or equal to 0.5"),
        (LEAST + "search: {samples: 3}", "study:4: search: got a search; accepts one only where something has a space"),
        (LEAST + "confirm: {repeats: 3}", "confirm: got {repeats: 3}; accepts null where nothing is searched"),
        (LEAST + "task: regresion", "task.name: unknown task 'regresion'"),
        (LEAST + "? [a, b]\n: 1", "got a list or mapping as a key; accepts text as keys"),
        (LEAST + "question: !!python/name:os.system ''", "got the tag tag:yaml.org,2002:python/name:os.system"),
        (LEAST + "seed: !!int ten", "got 'ten' tagged !!int, which it is not"),
        (LEAST + "question: &a [*a]", "an alias that stands for itself"),
        (LEAST + "\tx: 1", "study:4: not YAML"),
        ("name: x\ndata: digits\nactivations: []", "activations: got []; accepts at least one activation"),
        ("name: x\ndata: digits", "study:1: activations: is missing; accepts what is compared: names, or mappings"),
        (
            "name: x\ndata: digits\nactivations: [gelu]",
            "control: is missing; accepts the label that all others are compared with",
        ),
        ("name: x\ndata: {}\nactivations: [relu]", "study:2: data.name: is missing"),
        ("name: x\ndata: digits\nactivations: [relu, {label: y}]", "study:3: activations[1].activation: is missing"),
        ("name: x\ndata: digits\nactivations: [relu, {activation: gelu, label: a/b}]", "accepts letters, digits, dot"),
        (
            "name: x\ndata: digits\nactivations: [relu, {activation: relu, space: default}]",
            "space: default is there for alrelu",
        ),
        (
            "name: x\ndata: digits\nactivations: [relu, {activation: a.b:C, space: default}]",
            "space: default is there for alrelu",
        ),
        (
            "name: x\ndata: digits\nactivations: [relu, {activation: a.b:C, params: {a-b: 1}}]",
            "names as Python writes them",
        ),
        (SEARCHED + "confirm: true", "confirm: got true; accepts a mapping"),
        (SEARCHED.replace("folds: 2,", "folds: 4,"), "search.folds: got 4; accepts at most folds.folds, 3"),
        (
            SEARCHED.replace("epochs: 3}", "scheduler: {name: asha, grace_epochs: 9}}"),
            "accepts at most the epochs of the search, 8",
        ),
        (SEARCHED.replace("samples: 4", "algorithm: grid"), "accepts grid_search with search.algorithm: grid"),
        (
            SEARCHED.replace("samples: 4", "algorithm: tpe") + "space: {training: {lr: {grid_search: [1, 2]}}}",
            "space.training.lr: got {grid_search: [1, 2]}; accepts no grid_search with search.algorithm: tpe",
        ),
        (
            SEARCHED.replace("space: default", "space: {k: {uniform: [1, 2]}}"),
            "accepts a parameter in params or in space, not in both",
        ),
        (
            SEARCHED.replace("space: default", "space: {a: 3}"),
            "accepts a domain, as {uniform: [0, 1]}; a fixed value belongs in params",
        ),
        (SEARCHED + "space: {training: {epochs: {randint: [1, 9]}}}", "is the same for every activation"),
        (
            SEARCHED + "space: {training: {optimizer: {choice: [adam, lion]}}}",
            "would give 'lion'; accepts adam, adamw, sgd",
        ),
    ],
)
def test_what_is_refused_says_why(text, message):
    with pytest.raises(StudyError) as caught:
        load(text)
    assert message in str(caught.value)


def test_at_most_ten_problems_are_told_at_once():
    text = "name: x\ndata: digits\nactivations: [relu]\n" + "".join(f"key{n}: 1\n" for n in range(15))
    with pytest.raises(StudyError) as caught:
        load(text)
    lines = str(caught.value).splitlines()
    assert len(lines) == 11
    assert lines[0].startswith("study:4: key0: unknown key")
    assert lines[-1] == "study: and 5 more"


# What a file means.


@pytest.mark.parametrize("path", [*EXAMPLES, *SHIPPED], ids=lambda path: path.stem)
def test_a_resolved_study_loads_back_equal(path):
    study = load(path)
    text = resolved_yaml(study)
    again = load(text)
    assert again == study
    assert digest(again) == digest(study)
    assert resolved_yaml(again) == text


def test_all_defaults_are_written_out():
    text = resolved_yaml(load(LEAST))
    for line in (
        "seed: 1",
        "  epochs: 150",
        "  lr: 0.0001",
        "  folds: 5",
        "control: relu",
        "  profile: local",
        "  uri: null",
    ):
        assert line in text.splitlines()


def test_the_training_section_is_the_trainers():
    assert Training().spec({}) == TrainingSpec()
    assert set(Training.model_fields) == {field.name for field in dataclasses.fields(TrainingSpec)}
    assert set(Training.model_fields) > FIXED_FOR_ALL
    assert planner.split_spec(load(LEAST)) == SplitSpec()
    assert {*Folds.model_fields, "search_share"} - {"repeats"} == {item.name for item in dataclasses.fields(SplitSpec)}


def test_a_fixed_parameter_leaves_the_ready_space():
    study = full()
    assert list(study.space_of("dsrelu-75").domains) == ["activation.b", "training.batch"]
    assert study.space_of("relu").domains == {"training.batch": Domain(kind="choice", args=(16, 32, 64, 128))}
    assert list(study.space_of("dsrelu").domains) == ["activation.a", "activation.k", "training.batch", "training.lr"]


def test_an_activations_own_training_wins_over_what_is_tuned_for_all():
    study = load(
        SEARCHED.replace("weight_decay: 0.1", "lr: 0.5") + "space: {training: {lr: {loguniform: [1e-4, 1e-2]}}}"
    )
    assert "training.lr" not in study.space_of("dsrelu").domains
    assert list(study.space_of("relu").domains) == ["training.lr"]
    assert study.fixed("dsrelu") == ({"k": 5}, {"lr": 0.5})


def test_equal_budgets_are_asked_for_and_can_be_waived():
    unequal = SEARCHED + "space: {training: {optimizer: {choice: [adam, sgd]}}}"
    with pytest.raises(StudyError, match=r"different numbers of settings to try \(relu 2, dsrelu 4\)"):
        load(unequal)
    waived = load(unequal.replace("samples: 4", "samples: 4, allow_unequal_budget: true"))
    assert [planner.trials(waived, label, "search") for label in waived.compared()] == [2, 4]


def test_a_list_of_texts_in_the_data_is_its_text_with_commas():
    study = load(LEAST.replace("digits", "{name: table, drop: [id, 'a, b'], path: x.csv}"))
    assert study.data.options == {"drop": 'id,"a, b"', "path": "x.csv"}
    assert load(resolved_yaml(study)) == study
    same = load(LEAST.replace("digits", "{name: table, drop: 'id,\"a, b\"', path: x.csv}"))
    assert digest(same) == digest(study)
    for wrong in ("[]", "[1, 2]", "[[a]]", "[a, {b: 1}]"):
        with pytest.raises(StudyError, match=r"data\.drop: got .* true, false, null or a list of texts"):
            load(LEAST.replace("digits", f"{{name: table, drop: {wrong}}}"))
    with pytest.raises(StudyError, match="lists and mappings are not passed on"):
        load(LEAST.replace("gelu", "{activation: gelu, params: {approximate: [tanh]}}"))


def test_what_decides_a_number_is_in_the_digest_and_nothing_else():
    base = digest(load(SEARCHED))
    assert base == digest(load(SEARCHED + "question: Why?\ncluster: {threads: 4}\ntracking: {uri: 'sqlite:///x.db'}"))
    assert base == digest(load(SEARCHED + "control: relu\nseed: 1"))
    for change in ("seed: 2", "report: {metric: auc}", "confirm: {repeats: 1}", "model: resnet18"):
        assert digest(load(SEARCHED + change)) != base, change
    assert digest(load(SEARCHED.replace("1e-3", "0.001"))) == base


def test_paths_are_taken_from_the_files_folder(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "lab.yaml").write_text("")
    file = tmp_path / "study.yaml"
    file.write_text(LEAST + "root: data\ncluster: {profile: lab.yaml}")
    study = load(file)
    assert (study.root, study.cluster.profile) == (str(tmp_path / "data"), str(tmp_path / "lab.yaml"))
    assert load(resolved_yaml(study)) == study
    (tmp_path / "data").rmdir()
    with pytest.raises(StudyError, match="root: got 'data'; no such folder"):
        load(file)
    assert load(file, check_files=False) == study


def test_a_study_is_checked_without_torch_or_ray():
    code = (
        "import sys, pathlib; from sweeps.study.reading import load; from sweeps.study.study import resolved_yaml\n"
        f"load(resolved_yaml(load(pathlib.Path({str(HERE / 'study_examples' / 'full.yaml')!r}))))\n"
        "assert not {'torch', 'ray', 'mlflow', 'submitit', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, env={**os.environ, "PYTHONWARNINGS": "error"})


SEARCHES = """
name: some
data: digits
search: {samples: 2}
activations: [relu, {activation: lelu, space: default}]
"""


@pytest.mark.parametrize(
    ("more", "share"),
    [
        ("", 0.4),
        ("confirm: {repeats: 3}", 0.4),
        ("confirm: {repeats: 0}", 0.0),
        ("confirm: false", 0.0),
        ("folds: {scheme: fixed}", 0.0),
    ],
)
def test_what_a_search_keeps_to_itself_unless_said_otherwise(more, share):
    study = load(SEARCHES + more)
    assert planner.split_spec(study).search_share == share
    assert planner.plan(study, "now").search_share == share
    assert load(resolved_yaml(study)) == study


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("confirm: {repeats: 0}", "search.share: got 0.3; accepts 0 with confirm: {repeats: 0}"),
        ("folds: {scheme: fixed}", "search.share: got 0.3; accepts 0 with folds: {scheme: fixed}"),
    ],
)
def test_a_share_where_nothing_else_is_held_out_is_refused(more, message):
    with pytest.raises(StudyError, match=re.escape(message)):
        load(SEARCHES.replace("{samples: 2}", "{samples: 2, share: 0.3}") + more)


def test_a_study_written_out_before_there_was_a_share_keeps_its_digest_and_searches_all_items():
    study = load(SEARCHES.replace("{samples: 2}", "{samples: 2, share: 0}"))
    before = resolved_yaml(study).replace("  share: 0.0\n", "")
    again = load(before, written_out=True)
    assert again == study
    assert digest(again) == digest(study) != digest(load(before))
