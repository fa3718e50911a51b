"""The report: its order, what it refuses, what it says of published tables, and that its bytes repeat."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.errors import DeclarationError, IncompleteFolds
from analysis.report import build, tables
from analysis.report import findings as gathering
from analysis.report.blocks import Section
from analysis.report.findings import Findings
from analysis.report.sections import appendix, curves, declaration, parameters, results, verdicts
from analysis.runs import simulated
from analysis.runs.load import Study
from analysis.runs.published import read

pytestmark = pytest.mark.slow

TITLES = [
    *("Verdicts", "What was asked", "Integrity", "Differences and means", "How sure"),
    *("Robustness of the conclusion", "Learning curves", "Generalisation", "Cost", "Shapes and parameters"),
    *("Power and the next step", "Limits", "How to read this", "Appendix"),
]
EFFECTS = {"dsrelu": 0.04, "apalu": -0.05}


@pytest.fixture(scope="module")
def study() -> Study:
    return simulated.study(seed=5, repeats=2, epochs=8, effects=EFFECTS, diverged=[("lelu", 0, 1)])


def whole(*sections: Section | None) -> str:
    """All that the sections say, every table in full."""
    there = [section for section in sections if section is not None]
    shown = [table for section in there for table in section.tables()]
    return "\n\n".join(
        [
            build.markdown(there, title="", digest=""),
            *(f"{table.caption}\n\n{tables.to_markdown(table)}" for table in shown),
            *(sentence for section in there for sentence in section.methods),
        ]
    )


def said(found: Findings, *sections: Callable[[Findings], Section | None]) -> str:
    return whole(*(make(found) for make in sections))


@pytest.fixture(scope="module")
def written(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build.write(study, tmp_path_factory.mktemp("report")).parent


def test_the_sections_stand_in_order(written: Path) -> None:
    page = (written / "report.html").read_text()
    assert re.findall(r"<h2>(.*?)</h2>", page) == TITLES
    assert re.findall(r"^## (.*)$", (written / "report.md").read_text(), re.MULTILINE) == TITLES


def test_the_page_needs_nothing_from_elsewhere(written: Path) -> None:
    page = (written / "report.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!#|data:)', page)
    assert "@import" not in page
    assert page.count("<svg") >= 8


def test_the_verdicts_come_from_the_effects(written: Path) -> None:
    numbers = json.loads((written / "numbers.json").read_text())
    words = {row["activation"]: row["verdict"] for row in numbers["tables"]["table-1-verdicts"]}
    assert words["dsrelu"] == "better"
    assert words["apalu"] == "worse"
    text = (written / "report.md").read_text()
    assert "dsrelu is better than relu by 4" in text
    assert "p by the corrected resampled t, two-sided, after Holm over 5 comparisons" in text


def test_a_diverged_run_is_named_and_counts_as_knowing_nothing(written: Path) -> None:
    text = (written / "report.md").read_text()
    assert "1 diverged" in text
    assert "train/loss is nan at epoch 3" in text
    assert "as knowing nothing" in text


def test_what_a_diverged_run_scored_before_is_shown_nowhere() -> None:
    study = simulated.study(seed=5, epochs=4, diverged=[("lelu", 0, 1)])
    cube = study.cube.copy()
    cube.loc[cube["status"] == "diverged", ["heldout/accuracy", "validation/accuracy"]] = 0.77777
    found = gathering.gather(dataclasses.replace(study, cube=cube))
    text = whole(results.section(found), appendix.section(found, []))
    assert "0.7777" not in text
    assert "0.7778" not in text


def test_the_page_says_what_makes_it_again(study: Study) -> None:
    lacking = simulated.study(seed=5, epochs=4, missing=[("apalu", 0, 2)])
    found = gathering.gather(dataclasses.replace(lacking, source="my study"), allow_incomplete=True)
    assert appendix.command(found) == "actsweep report 'my study' --allow-incomplete, in the folder that holds it"
    stored = gathering.gather(dataclasses.replace(study, source="http://host:5000"))
    assert appendix.command(stored) == "actsweep report http://host:5000 --experiment simulated"


def test_captions_of_a_loss_turn_round(study: Study) -> None:
    declared = dataclasses.replace(study.plan.declaration, metric="loss")
    found = gathering.gather(dataclasses.replace(study, plan=dataclasses.replace(study.plan, declaration=declared)))
    text = said(found, results.section, curves.generalisation)
    assert "100 (best other − score) / best other, so that positive is better" in text
    assert "does better than one of the control" in text
    assert "loss, validation − train, at the declared checkpoint" in text
    assert "loss, held-out − train" in text


def test_the_test_of_equivalence_stands_in_the_report_as_it_is_and_for_the_family(written: Path, study: Study) -> None:
    numbers = json.loads((written / "numbers.json").read_text())
    rows = {row["activation"]: row for row in numbers["tables"]["table-4-equivalence"]}
    found = {verdict.activation: verdict for verdict in gathering.gather(study).verdicts}
    assert len(rows) == 5
    for label, row in rows.items():
        for name in ("p_equivalence", "p_equivalence_adjusted"):
            assert row[name] == pytest.approx(float(found[label].extras[name]))
        assert row["p_equivalence_adjusted"] >= row["p_equivalence"]
    text = " ".join((written / "report.html").read_text().split())
    assert "p (equivalence)" in text
    assert "then by Holm over 5 comparisons" in text
    assert "without a correction for the number of comparisons" not in text


def test_the_slopes_that_a_search_makes_pass_the_gate_too() -> None:
    draw = np.random.default_rng(0)
    study = simulated.study(seed=5, activations=("relu", "dsrelu"), epochs=4)
    rows = []
    for trial in range(40):
        a, b, k = np.exp(draw.uniform(0, 2, 3))
        loss = 1 + 0.2 * (a + b / 10) / 2 + draw.normal(0, 0.01)
        rows.append(
            study.cube.iloc[-1].to_dict()
            | {"trial": f"t{trial:02}", "phase": "search", "validation/loss": loss, "run_id": f"search-{trial}"}
            | {"activation.a": a, "activation.b": b / 10, "activation.k": k}
        )
    cube = pd.concat([study.cube, pd.DataFrame(rows)], ignore_index=True)
    section = parameters.section(gathering.gather(dataclasses.replace(study, cube=cube)))
    tables = {table.name: table.frame for table in section.tables()}
    assert set(tables["table-21-knobs"]["knob"]) == {"a", "b", "k"}
    ends = tables["table-21-derived"].set_index("knob")
    assert set(ends.index) == {"slope at start", "slope at end", "mean slope"}
    assert ends.loc["mean slope", "word"] == "detectable effect"


def test_a_searched_angle_is_told_in_degrees_and_is_no_parameter_of_its_own() -> None:
    study = simulated.study(seed=5, activations=("relu", "dsrelu"), epochs=4)
    draw = np.random.default_rng(1)
    rows = [
        study.cube.iloc[-1].to_dict()
        | {
            "trial": f"t{trial:02}",
            "phase": "search",
            "validation/loss": 1 + degrees / 100,
            "run_id": f"search-{trial}",
        }
        | {
            "activation.a": np.tan(np.radians(degrees)),
            "activation.a_degrees": degrees,
            "activation.k": draw.uniform(1, 5),
        }
        for trial, degrees in enumerate(np.linspace(30.0, 75.0, 16))
    ]
    cube = simulated.choose(
        pd.concat([study.cube, pd.DataFrame(rows)], ignore_index=True), {"dsrelu": "t15"}, on="validation/loss"
    )
    found = gathering.gather(dataclasses.replace(study, cube=cube))
    winners = results.search(found)
    assert winners is not None
    chosen = winners.frame.set_index("activation").loc["dsrelu"]
    assert chosen["trial"] == "t15"
    assert chosen["setting"].startswith("a 3.732 (75°), k ")
    section = parameters.section(found)
    assert set(next(t for t in section.tables() if t.name == "table-21-knobs").frame["knob"]) == {"a", "k"}


def test_a_winners_setting_is_what_the_confirm_phase_used() -> None:
    study = simulated.study(seed=5, activations=("relu", "elu", "dsrelu"), epochs=4)
    confirmed = study.cube.assign(**{
        "training.epochs": 4,
        "training.lr": study.cube["activation"].map({"relu": 1e-3, "elu": 1e-3, "dsrelu": 3e-3}),
        "activation.k": study.cube["activation"].map({"dsrelu": 5.0}),
    })  # fmt: skip
    tried = confirmed[confirmed["activation"] != "elu"]
    search = [
        tried.assign(phase="search", trial=tried["activation"] + f"-s{n}", run_id=tried["run_id"] + str(n)).assign(
            **{"training.epochs": 2, "training.lr": lr, "activation.k": tried["activation"].map({"dsrelu": k})}
        )
        for n, (lr, k) in enumerate(((1e-3, 2.0), (3e-3, 5.0)))
    ]
    cube = pd.concat([confirmed, *search], ignore_index=True)
    cube = simulated.choose(cube, {"relu": "relu-s0", "dsrelu": "dsrelu-s1"}, on="validation/loss")
    varies = {"relu": ("training.lr",), "dsrelu": ("activation.k", "training.lr")}
    plan = dataclasses.replace(
        study.plan, search_trials={"relu": 2, "elu": 0, "dsrelu": 2}, search_varies=varies
    )  # fmt: skip

    def settings(cube: pd.DataFrame) -> pd.DataFrame:
        table = results.search(gathering.gather(dataclasses.replace(study, cube=cube, plan=plan)))
        assert table is not None
        return table.frame.set_index("activation")

    found = settings(cube)
    assert found["setting"].to_dict() == {"relu": "lr 0.001", "elu": "lr 0.001", "dsrelu": "k 5, lr 0.003"}
    assert found["note"].to_dict() == {"relu": "", "elu": "Nothing was searched.", "dsrelu": ""}
    # What was confirmed is shown, not what was asked for; and what was chosen until something is confirmed.
    cube.loc[(cube["activation"] == "dsrelu") & (cube["phase"] == "confirm"), "activation.k"] = 7.0
    assert settings(cube).loc["dsrelu", "setting"] == "k 7, lr 0.003"
    lost = (cube["activation"] == "dsrelu") & (cube["phase"] == "confirm")
    cube.loc[lost, ["activation.k", "training.lr", "training.epochs"]] = np.nan
    assert settings(cube).loc["dsrelu", "setting"] == "k 5, lr 0.003"


def test_every_table_and_figure_is_a_file_and_every_number_json(written: Path) -> None:
    numbers = json.loads((written / "numbers.json").read_text())
    for name, rows in numbers["tables"].items():
        assert len(pd.read_csv(written / "tables" / f"{name}.csv")) == len(rows)
        assert r"\bottomrule" in (written / "tables" / f"{name}.tex").read_text()
    for figure in (written / "figures").glob("*.svg"):
        assert figure.with_suffix(".png").stat().st_size > 1000
        assert len(pd.read_csv(figure.with_suffix(".csv"))) > 0
    assert len(numbers["tables"]["table-15-every-fold"]) == 60


def test_captions_say_how_many_and_which_test(study: Study) -> None:
    found = gathering.gather(study)
    for section in build.sections_of(found):
        for item in [*section.tables(), *section.plots()]:
            assert item.caption.endswith("."), item.name
            assert len(re.findall(r"[.!?](?=\s|$)", item.caption)) <= 2, f"{item.name}: {item.caption}"
            assert len(item.caption) > 40, item.name


def test_the_same_input_gives_the_same_bytes(study: Study, written: Path, tmp_path: Path) -> None:
    again = build.write(study, tmp_path).parent
    files = sorted(path.relative_to(written) for path in written.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    for name in files:
        assert (written / name).read_bytes() == (again / name).read_bytes(), name


def test_missing_folds_are_named_and_refused_unless_told_otherwise(tmp_path: Path) -> None:
    lacking = simulated.study(seed=5, epochs=4, missing=[("apalu", 0, 2), ("relu", 0, 4)])
    with pytest.raises(IncompleteFolds) as caught:
        build.write(lacking, tmp_path)
    assert "simulated/apalu repeat 0 fold 2: missing (no run)" in str(caught.value)
    assert "2 of 30 planned folds" in str(caught.value)
    assert not list(tmp_path.iterdir())
    text = said(gathering.gather(lacking, allow_incomplete=True), declaration.section, verdicts.section)
    assert "28 of 30 planned runs finished; 2 missing" in text
    assert "planned splits without a pair" in text


def test_studies_that_declare_different_metrics_are_not_mixed(study: Study) -> None:
    other = simulated.study(seed=6, name="other", dataset="wine", epochs=4)
    changed = dataclasses.replace(
        other,
        plan=dataclasses.replace(other.plan, declaration=dataclasses.replace(other.plan.declaration, metric="auc")),
    )
    with pytest.raises(DeclarationError, match="different metrics"):
        gathering.gather([study, changed])


def run_of_it(study: Study, run: str, *, sweep: str = "", folder: Path | None = None) -> Study:
    """Another run of the same study, with runs of its own."""
    plan = dataclasses.replace(study.plan, sweep=sweep)
    mine, curves = (frame.assign(run_id=frame["run_id"].astype(str) + run) for frame in (study.cube, study.curves))
    return dataclasses.replace(study, cube=mine, curves=curves, plan=plan, folder=folder, source=str(folder or run))


def test_two_runs_of_one_study_are_called_by_their_folders_or_their_sweeps(study: Study) -> None:
    in_folders = [run_of_it(study, name, folder=Path("runs", name)) for name in ("a", "b")]
    found = gathering.gather(in_folders)
    assert found.datasets == ["digits (a)", "digits (b)"]
    assert [plan.study for plan in found.plans] == ["a", "b"]
    assert set(found.claimed["study"]) == {"a", "b"}
    alike = [run_of_it(study, one, sweep=one * 9, folder=Path(one, "simulated")) for one in ("x", "y")]
    assert gathering.gather(alike).datasets == ["digits (simulated xxxxxx)", "digits (simulated yyyyyy)"]
    with pytest.raises(DeclarationError, match="2 studies are named simulated and nothing tells them apart"):
        gathering.gather([run_of_it(study, "x"), run_of_it(study, "y")])


def test_a_study_that_is_given_twice_is_named(study: Study) -> None:
    here = dataclasses.replace(study, source="runs/simulated")
    for other in (here, dataclasses.replace(study, source="http://store", plan=dataclasses.replace(study.plan))):
        places = " and ".join(dict.fromkeys([here.source, other.source]))
        with pytest.raises(DeclarationError, match=f"simulated is given twice: the same runs, from {places}; name"):
            gathering.gather([here, other])


def test_two_studies_on_one_data_set_keep_apart(study: Study) -> None:
    other = simulated.study(seed=6, name="other", epochs=4)
    found = gathering.gather([study, other])
    assert found.datasets == ["digits (simulated)", "digits (other)"]
    assert found.family == 10


def test_text_from_a_study_cannot_break_the_page(study: Study) -> None:
    declared = dataclasses.replace(study.plan.declaration, question="<script>alert(1)</script> & so?")
    evil = dataclasses.replace(study, plan=dataclasses.replace(study.plan, declaration=declared))
    page = build.html([declaration.section(gathering.gather(evil))], title="<b>", digest="")
    assert "<b>" not in page
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_one_activation_alone_gets_a_report_without_comparisons(tmp_path: Path) -> None:
    page = build.write(simulated.study(seed=1, activations=("relu",), epochs=4), tmp_path)
    assert "Nothing to compare" in page.read_text()


# Published tables


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The validation columns of the DSReLU paper's Tables 1 to 3 and its Table 4, as far as the claims need them."""
    folder = tmp_path_factory.mktemp("published")
    rows = ["table,dataset,split,metric,row,activation,value"]
    for number, (dataset, columns) in enumerate(PAPER.items(), start=1):
        for label, values in columns.items():
            for row, value in enumerate(values, start=1):
                rows.append(f"{number},{dataset},val,accuracy,{row},{label},{value}")
                rows.append(f"{number},{dataset},train,accuracy,{row},{label},{0.97 - 0.002 * row}")
                rows.append(f"{number},{dataset},train,auc_ovr,{row},{label},{0.999 - 0.001 * row}")
    (folder / "scores.csv").write_text("\n".join(rows) + "\n")
    (folder / "seconds.csv").write_text("dataset,activation,seconds\nmini-imagenet,DSReLU,102.092015\n")
    return folder


PAPER = {
    "mini-imagenet": {
        "DSReLU": (0.514111, 0.514444, 0.485778, 0.500111, 0.511222),
        "Mish": (0.349333, 0.402889, 0.418778, 0.397, 0.387444),
        "ReLU": (0.373, 0.390222, 0.390111, 0.397667, 0.404111),
        "LeakyReLU": (0.420667, 0.416778, 0.417889, 0.414444, 0.392556),
    },
    "cifar100": {
        "DSReLU": (0.4613, 0.4624, 0.4571, 0.4600, 0.4362),
        "ReLU": (0.4025, 0.4097, 0.4081, 0.4080, 0.4052),
        "LeakyReLU": (0.4077, 0.4164, 0.4137, 0.4131, 0.4121),
        "Sigmoid": (0.0100, 0.0101, 0.0107, 0.0094, 0.0098),
    },
    "mit-bih": {
        "DSReLU": (0.988864, 0.987094, 0.988236, 0.987608, 0.987722),
        "ReLU": (0.988236, 0.988579, 0.988579, 0.987894, 0.988350),
        "LeakyReLU": (0.989207, 0.988693, 0.988350, 0.988521, 0.989150),
    },
}


@pytest.fixture(scope="module")
def published_folder(typed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published-report")
    return build.write([], folder, published=read(typed / "scores.csv", typed / "seconds.csv")).parent


@pytest.fixture(scope="module")
def published(published_folder: Path) -> str:
    return (published_folder / "report.md").read_text()


def test_published_tables_name_the_runner_up_and_the_gain(published: str) -> None:
    flat = " ".join(published.split())
    mini = (
        "mini-imagenet, validation accuracy: DSReLU (0.514444) is ahead of the runner-up LeakyReLU (0.420667): +22.29 %"
    )
    assert mini in flat
    assert "is ahead of the runner-up LeakyReLU (0.4164): +11.05 %" in flat


def test_published_mit_bih_is_shown_as_not_better(published: str) -> None:
    assert "DSReLU (0.988864) is behind the leader LeakyReLU (0.989207): −0.03 %" in published


def test_published_tables_are_never_called_significant(published: str) -> None:
    assert "significant" not in published.lower()
    words = re.findall(r"\| (better|worse|equivalent) \|", published)
    assert not words


def test_published_rows_raise_the_checks_and_are_not_verifiable(published: str) -> None:
    assert "Rows look sorted or like epochs" in published
    assert "not verifiable" in published
    assert "Not above what knowing nothing scores: Sigmoid" in published
    assert "one part served for both" in published


def test_published_epoch_times_are_shown_with_their_note(published: str, published_folder: Path) -> None:
    assert "102.092015" in (published_folder / "tables" / "table-19-published-times.csv").read_text()
    assert "The published epoch times cannot be verified" in published


def test_published_scores_are_named_by_their_part(published: str, published_folder: Path) -> None:
    assert "Validation accuracy of every split" in published
    assert "Validation accuracy by activation" in published
    assert "Mean paired difference of validation accuracy to the control" in published
    assert not re.search(r"\bheld-out accuracy\b", published, re.IGNORECASE)
    rows = pd.read_csv(published_folder / "tables" / "table-6-folds-1.csv").set_index(["metric", "part"])
    assert rows.loc[("accuracy", "train")].iloc[0]["DSReLU"] == pytest.approx(0.968)
    assert ("accuracy", "held-out") not in rows.index


def test_published_train_values_make_a_gap(published: str) -> None:
    assert "Gap from train to validation" in published
    assert "Train values are as published" in published
    assert "were not both recorded" not in published


def test_published_tables_say_how_to_make_the_page_again(published: str) -> None:
    assert "actsweep report --import scores.csv --import seconds.csv, in the folder that holds them" in published
    assert "No training times were recorded" not in published


def test_a_study_is_shown_beside_the_published_numbers_of_its_data_set(typed: Path) -> None:
    own = simulated.study(seed=1, dataset="mini-imagenet", epochs=4)
    text = said(gathering.gather(own, published=read(typed / "scores.csv")), results.section)
    assert "Beside the published numbers" in text
    assert re.search(r"\| mini-imagenet \| leaky_relu \| accuracy \| 0\.\d+ \| 5 \| 0\.4125", text)
