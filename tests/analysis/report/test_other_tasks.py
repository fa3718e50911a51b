"""Reports of studies whose tables need more than a difference to the control: floors, cases, stages, kinds, claims."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.report import build, items
from analysis.report.blocks import Section
from analysis.report.figures import answer as figure
from analysis.report.figures import curves as learning
from analysis.report.findings import Findings, gather
from analysis.report.sections import (
    answer,
    cases,
    claims,
    curves,
    diffusion,
    floors,
    kinds,
    limits,
    power,
    regression,
    results,
    robustness,
    stages,
)
from analysis.report.sections import forecast as forecasts
from analysis.runs import simulated
from analysis.runs.load import Study
from analysis.runs.metric import Metric
from analysis.runs.predictions import Predictions
from analysis.runs.simulated_measures import Drawn, Shape, study

ACTIVATIONS = ("relu", "elu", "silu", "lelu", "apalu")
AREA = Metric(name="auroc", better="higher", low=0.0, high=1.0, reference=0.5, heldout_only=True)
BEFORE = dataclasses.replace(AREA, name="auroc_autoencoder")
DIGITS = tuple(str(digit) for digit in range(10))


def error(name: str) -> Metric:
    return Metric(name=name, better="lower", low=0.0)


def one_class(**more: Any) -> Study:
    shape = Shape(scheme="cases", cases=DIGITS, repeats=3, n_train=6000, n_heldout=10_000, epochs=12)
    drawn = [
        Drawn(
            metric=AREA,
            middle=0.9,
            unit_sd=0.02,
            noise_sd=0.004,
            effects={"elu": -0.03, "apalu": 0.008, "silu": -0.05},
            floors={"PCA residual, 32 components": 0.985, "distance to the mean image": 0.9, "mean grey value": 0.627},
        ),
        Drawn(metric=BEFORE, middle=0.7, unit_sd=0.05, noise_sd=0.01),
    ]
    return study(
        seed=3,
        name="svdd",
        dataset="mnist",
        task="one_class",
        activations=ACTIVATIONS,
        shape=dataclasses.replace(shape, stages=(("autoencoder", 5), ("one_class", 7))),
        drawn=drawn,
        **more,
    )


def motor(repeats: int = 5, **more: Any) -> Study:
    shape = Shape(
        scheme="fixed", repeats=repeats, n_train=1425, n_heldout=38_055, learning_rate=(2e-3,) * 3 + (1e-3,) * 3
    )
    drawn = [
        Drawn(
            metric=error("mae"),
            middle=0.031,
            noise_sd=0.002,
            effects={"lelu": -0.006},
            reference=0.1505,
            floors={"mean of the training targets": 0.1505, "trilinear interpolation": 0.0196},
        ),
        Drawn(metric=error("rmse"), middle=0.06, noise_sd=0.004, reference=0.19),
        Drawn(metric=error("diffusion"), middle=0.011, noise_sd=0.003, floors={"the true function": 0.0041}),
        Drawn(metric=error("diffusion_excess"), middle=0.007, noise_sd=0.003, floors={"the true function": 0.0}),
    ]
    return study(
        seed=2,
        name="motor",
        dataset="motor_map",
        task="regression(diffusion=true)",
        activations=ACTIVATIONS,
        shape=shape,
        drawn=drawn,
        **more,
    )


def table_of(name: str, middle: float = 0.9, **more: Any) -> Study:
    shape = Shape(scheme="published", folds=20, n_train=250, n_validation=27, n_heldout=31)
    drawn = [
        Drawn(
            metric=error("rmse"),
            middle=middle,
            unit_sd=0.1 * middle,
            noise_sd=0.03 * middle,
            effects={"elu": -0.3 * middle},
            reference=15.4,
            floors={"mean of the training targets": 15.4},
        ),
        Drawn(metric=error("nrmse"), middle=0.06, unit_sd=0.005, noise_sd=0.001, effects={"elu": -0.01}, reference=1.0),
        Drawn(metric=error("max_error"), middle=float("nan")),
    ]
    return study(
        seed=1,
        name=f"s-{name}",
        dataset=name,
        task="regression",
        activations=("relu", "elu"),
        shape=shape,
        drawn=drawn,
        **more,
    )


def forecast() -> Study:
    skill = Metric(name="skill", better="higher", high=1.0, reference=0.0)
    drawn = [Drawn(metric=skill, middle=-0.15, unit_sd=0.02, noise_sd=0.01, floors={"no change": 0.0})]
    shape = Shape(scheme="time", folds=4, repeats=3, n_train=8000, n_validation=1700, n_heldout=1700)
    return study(seed=4, name="etth1", dataset="etth1", task="forecast", drawn=drawn, shape=shape)


def said(section: Section | None) -> str:
    assert section is not None
    return build.markdown([section], title="", digest="")


def with_predictions(
    found: Study, folder: Path, arrays: Callable[[Mapping[str, Any], np.random.Generator], dict[str, Any]]
) -> Study:
    rng = np.random.default_rng(0)
    for row in found.cube.to_dict("records"):
        home = folder / "trials" / str(row["trial"]) / f"fold-{row['repeat']}-{row['fold']}" / "attempt-1"
        home.mkdir(parents=True)
        mine = arrays({str(key): value for key, value in row.items()}, rng)
        count = len(next(iter(mine.values())))
        np.savez(home / "predictions.npz", schema=np.array(2), task=np.array("t"), indices=np.arange(count), **mine)
    return dataclasses.replace(found, folder=folder)


@pytest.fixture(scope="module")
def digits() -> Findings:
    return gather(one_class())


@pytest.fixture(scope="module")
def map_() -> Findings:
    return gather(motor())


# -- floors ------------------------------------------------------------------------------------------------------------


def test_the_first_screen_says_what_no_activation_beats(digits: Findings, map_: Findings) -> None:
    text = said(answer.section(map_))
    assert "No activation beats trilinear interpolation (mae 0.0196)." in text
    assert "trilinear interpolation, mae 0.0196: beaten by none." in text
    text = said(answer.section(digits))
    assert "No activation beats PCA residual, 32 components (auroc 0.985)" in text
    assert "the true function" not in text


def test_a_floor_that_some_beat_is_told_with_their_names() -> None:
    drawn = Drawn(metric=error("mae"), middle=1.0, noise_sd=0.01, effects={"elu": -0.2}, floors={"a spline": 0.9})
    text = said(answer.section(gather(study(seed=1, drawn=[drawn]))))
    assert "No activation" not in text
    assert "a spline, mae 0.9: beaten by 1 of 3 (elu)." in text


def test_an_interval_that_holds_nought_is_not_said_to_be_below() -> None:
    drawn = Drawn(metric=error("mae"), middle=1.0, noise_sd=0.05, floors={"a spline": 1.0})
    text = floors.unbeaten(gather(study(seed=1, drawn=[drawn])))
    assert text == "No activation is shown to beat a spline (mae 1)."


def test_over_many_data_sets_they_are_counted() -> None:
    drawn = Drawn(metric=error("mae"), middle=1.0, noise_sd=0.01, floors={"a spline": 0.5})
    sets = [study(seed=at, name=f"n{at}", dataset=f"d{at}", drawn=[drawn]) for at in range(3)]
    assert floors.unbeaten(gather(sets)) == "No activation beats its best trivial predictor on d0, d1 and d2."
    assert floors.unbeaten(gather(sets[:2])).count("no activation beats a spline") == 2


@pytest.mark.slow
def test_means_figures_and_numbers_have_the_floors(map_: Findings, tmp_path: Path) -> None:
    frame = results.means(map_).frame
    assert frame["activation"].tolist()[-2:] == [
        "floor: trilinear interpolation",
        "floor: mean of the training targets",
    ]
    assert frame["mean"].tolist()[-2:] == [0.0196, 0.1505]
    differences, scores = figure.drawn(map_)
    assert "broken lines: predictors without a network" in differences.caption
    assert "off the scale: mean of the training targets (0.15)" in scores.caption
    build.write_findings(map_, tmp_path)
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    mae = [row for row in numbers["floors"] if row["metric"] == "mae"]
    assert [(row["predictor"], row["value"], row["beaten_by"]) for row in mae] == [
        ("trilinear interpolation", pytest.approx(0.0196), []),
        ("mean of the training targets", pytest.approx(0.1505), list(ACTIVATIONS)),
    ]
    assert not [row for row in numbers["floors"] if row["predictor"] == "the true function"]


def test_a_study_without_floors_says_nothing_of_them() -> None:
    found = gather(simulated.study(seed=1, activations=("relu", "elu"), epochs=3))
    assert floors.section(found) is None
    assert "trivial" not in said(answer.section(found))
    assert "broken lines" not in figure.drawn(found)[0].caption


# -- cases, seeds, time ------------------------------------------------------------------------------------------------


def test_over_cases_the_words_are_cases_and_further_repeats_are_not_planned(digits: Findings) -> None:
    text = said(answer.section(digits))
    assert "Mean difference over n = 10 paired cases" in text
    assert "10 paired cases on 1 data set" in text
    assert "cases like these 10 would" in text or "no number of cases would" in text
    assert power.open_(digits) == []
    assert robustness.PLAIN not in robustness.alternatives(digits)  # it ignores an overlap that is not there


def test_a_case_is_a_row_and_the_last_row_their_mean(digits: Findings) -> None:
    section = cases.section(digits)
    assert section is not None
    wide, differences = section.tables()
    assert wide.frame["case"].tolist() == [*DIGITS, "mean over cases"]
    values = digits.scores("mnist").values
    mean, _, sd = wide.frame["relu"].iloc[-1].partition(" ± ")
    assert float(mean) == pytest.approx(values["relu"].mean(), abs=1e-4)
    assert float(sd) > 0
    assert wide.frame["floor: PCA residual, 32 components"].tolist() == ["0.9850"] * 11
    assert len(differences.frame) == 50
    assert "silu better in 0, worse in 10" in said(cases.section(digits))
    marked = {name for (_, name), kind in wide.marked.items() if kind == "better"}
    assert marked <= {"apalu"}


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (forecast, "Along time: one time axis is one sample."),
        (motor, "One held-out part, the same in every run"),
        (one_class, "Cases are the unit"),
        (
            lambda: table_of("yacht"),
            "The correction takes n2/n1 from the sizes of the parts as the runs had them, 0.112.",
        ),
    ],
)
def test_the_limits_say_what_the_splits_leave_open(make: Callable[[], Study], sentence: str) -> None:
    assert sentence in said(limits.section(gather(make())))


def test_the_same_limit_of_several_data_sets_is_said_once() -> None:
    both = said(limits.section(gather([table_of("yacht"), table_of("energy", 0.5)])))
    assert both.count("Published splits") == 1
    mixed = said(
        limits.section(
            gather(
                [
                    table_of("yacht"),
                    dataclasses.replace(
                        table_of("energy"), plan=dataclasses.replace(table_of("energy").plan, scheme="kfold")
                    ),
                ]
            )
        )
    )
    assert "yacht: Published splits" in mixed


def test_a_last_epoch_without_a_validation_part_was_chosen_by_nothing(map_: Findings) -> None:
    assert "nothing chose an epoch" in said(limits.section(map_))


def test_remarks_are_counted_whatever_numbers_stand_in_them() -> None:
    text = "3 predictions are not above 0"
    remarks = {("relu", 0): {"diffusion": text, "diffusion_excess": text}, ("elu", 0): {"rmse": "odd"}}
    found = motor(remarks=remarks)
    at = found.cube.index[found.cube["activation"] == "relu"]
    found.cube.loc[at[0], ["remark/diffusion", "remark/diffusion_excess"]] = "17 predictions are not above 0"
    text = said(limits.section(gather(found)))
    assert (
        "diffusion and diffusion_excess, 5 runs, 5 of them without a value: for example, 17 predictions are not above "
        "0. relu (5)." in text
    )
    assert "rmse, 5 runs, 5 of them without a value: odd. elu (5)." in text


def test_another_metric_is_another_choice_only_where_a_value_of_it_is_good_or_bad(digits: Findings) -> None:
    """A distance to a centre that each model has of its own is not, nor what an earlier stage had reached."""
    assert robustness.alternatives(digits) == {}
    assert robustness.section(digits) is None
    assert "metric: rmse" in robustness.alternatives(gather(motor()))
    assert "metric: loss" not in robustness.alternatives(gather(motor()))


def test_what_was_not_measured_has_no_row() -> None:
    found = gather(table_of("yacht"))
    assert "metric: max error" not in robustness.alternatives(found)
    assert "metric: nrmse" in robustness.alternatives(found)
    assert "metric: loss" not in robustness.alternatives(found)
    assert "max_error" not in said(results.section(found))


# -- curves ------------------------------------------------------------------------------------------------------------


def test_the_best_so_far_begins_anew_with_each_stage() -> None:
    values = np.array([[5.0, 3.0, 4.0, 9.0, 8.0, np.nan]])
    best = learning.best_so_far(values, error("loss"), [3, 6])
    assert best.tolist() == [[5, 3, 3, 9, 8, 8]]


def test_stages_and_the_learning_rate_are_drawn(digits: Findings, map_: Findings) -> None:
    assert learning.stages(digits.claimed) == [("autoencoder", 5), ("one_class", 12)]
    assert learning.stages(map_.claimed) == []
    (plot,) = learning.epochs(digits)
    assert "A line where a stage ends: autoencoder to 5, one_class to 12." in plot.caption
    assert "Best train/loss so far of the stage" in plot.caption
    (plot,) = learning.epochs(map_)
    assert "and the learning rate." in plot.caption
    assert "stage" not in plot.caption
    assert curves.section(map_) is not None


def test_what_a_stage_adds_is_of_the_metric_that_is_named_for_it(digits: Findings, map_: Findings) -> None:
    text = said(stages.section(digits))
    assert "After the stage autoencoder, what follows makes the auroc better for 5 of 5 activations" in text
    assert stages.section(map_) is None


# -- sections of single tasks ------------------------------------------------------------------------------------------


def test_errors_are_told_in_units_in_per_cent_and_by_rank(tmp_path: Path) -> None:
    found = gather([table_of("yacht"), table_of("energy", 0.5)])
    text = said(regression.section(found))
    rows = regression.errors(found).frame.set_index(["dataset", "activation"])
    relu, elu = rows.loc[("yacht", "relu")], rows.loc[("yacht", "elu")]
    assert elu["difference"] == pytest.approx(relu["rmse"] - elu["rmse"])
    assert elu["percent"] == pytest.approx(100 * (1 - elu["rmse"] / relu["rmse"]))
    ranks = regression.ranked(found).frame.set_index("activation")
    assert ranks.loc["elu", "rank"] == 1.0
    assert ranks.loc["elu", "first"] == 2
    assert "Make the report from the folder" in text


def test_what_is_left_over_is_drawn_from_the_study_folder(tmp_path: Path) -> None:
    def values(row: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        target = rng.normal(10, 5, (4000, 1))
        return {"target": target, "prediction": target + 0.5}

    found = gather(with_predictions(table_of("yacht"), tmp_path, values))
    (plot,) = [block.plot for block in regression.section(found).blocks if block.kind == "plot"]  # type: ignore[union-attr]
    assert set(plot.data["activation"]) == {"relu", "elu"}
    assert plot.data["residual"].to_numpy() == pytest.approx(0.5)
    assert plot.data.groupby("activation").size().max() <= regression.POINTS
    assert "repeat 0, fold 0" in plot.caption


def test_whether_diffusion_tells_the_error_is_answered_by_the_interval() -> None:
    found = motor(repeats=8)
    cube = found.cube
    rank = cube["heldout/mae"].rank()
    told = dataclasses.replace(found, cube=cube.assign(**{"heldout/diffusion": 0.01 * rank, "train_clean/mae": 0.02}))
    text = said(diffusion.section(gather(told)))
    assert "does the diffusion tell the true error (held-out mae)? Yes: runs of a lower score have less of it" in text
    assert "does the diffusion tell over-fitting (held-out less training mae)? Yes" in text
    turned = dataclasses.replace(found, cube=cube.assign(**{"heldout/diffusion": 10.0 - 0.01 * rank}))
    assert "No, the other way round" in said(diffusion.section(gather(turned)))
    assert "true function's tell the true error (held-out mae)? Not shown: rho" in said(
        diffusion.section(gather(found))
    )
    assert diffusion.section(gather(table_of("yacht"))) is None


def test_anomalies_are_told_by_kind_from_what_the_models_said(tmp_path: Path) -> None:
    def scored(row: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        kind = np.array(["good"] * 50 + ["crack"] * 20 + ["blob"] * 10)
        base = rng.normal(0, 1, 80)
        return {"kind": kind, "normal": kind == "good", "score": base + 9.0 * (kind == "crack")}

    drawn = Drawn(metric=AREA, middle=0.8, noise_sd=0.02)
    bare = study(
        seed=1,
        name="mvtec",
        dataset="mvtec",
        task="anomaly(method=flow)",
        drawn=[drawn],
        shape=Shape(scheme="fixed", repeats=3),
    )
    found = gather(with_predictions(bare, tmp_path, scored))
    frame = kinds.by_kind(found, "mvtec", kinds.items.of_dataset(found, "mvtec", kinds.ARRAYS), 0).frame.set_index(
        "kind"
    )
    assert frame.loc["crack", "relu"] == "1.000 ± 0.000"
    assert 0.2 < float(frame.loc["blob", "relu"].split(" ")[0]) < 0.8
    assert frame.loc["blob", "items"] == 10
    (plot,) = [block.plot for block in kinds.section(found).blocks if block.kind == "plot"]  # type: ignore[union-attr]
    assert set(plot.data["kind"]) == {"good", "crack", "blob"}
    assert "Make the report from the folder" in said(kinds.section(gather(bare)))


def test_the_area_is_that_of_mann_and_whitney() -> None:
    from scipy import stats

    rng = np.random.default_rng(5)
    a, b = rng.integers(0, 9, 30).astype(float), rng.integers(0, 7, 50).astype(float)
    assert kinds.area(a, b) == pytest.approx(stats.mannwhitneyu(a, b).statistic / 1500)
    assert np.isnan(kinds.area(a, np.empty(0)))


# -- claims of papers --------------------------------------------------------------------------------------------------


def test_a_papers_claim_stands_beside_what_was_found_with_all_that_differs(digits: Findings) -> None:
    section = claims.section(digits)
    assert section is not None
    (row,) = section.tables()[0].frame.to_dict("records")
    verdict = digits.verdict("mnist", "apalu")
    assert verdict is not None
    assert row["here"] == pytest.approx(100 * verdict.estimate)
    assert "+0.8 points of mean AUROC" in row["claim"]
    for text in (
        "16,000 items here, 70,000 there",
        "control: relu here, there not stated",
        "epochs: up to 12 here",
        "10 cases, 3 seeds each here",
    ):
        assert text in row["differs"]


def test_claims_are_matched_by_task_data_and_model_and_else_absent() -> None:
    names = {claim.claim: claim for claim in claims.known()}
    assert {claim.value for claim in names.values()} >= {0.37, 0.04, 0.8, 1.81, 1.11, 100.0}
    plan = motor().plan
    assert [claim.paper for claim in claims.known() if claims.matches(claim, plan)] == ["LELU"]
    mobile = dataclasses.replace(plan, task="classification", dataset="cifar10(n=2000)", model="mobilenet(width=0.25)")
    assert [claim.value for claim in claims.known() if claims.matches(claim, mobile)] == [0.37]
    hundred = dataclasses.replace(mobile, dataset="cifar100(n=2000)")
    assert not any(claims.matches(claim, hundred) for claim in claims.known())
    assert claims.section(gather(simulated.study(seed=1, activations=("relu", "apalu"), epochs=3))) is None


@pytest.mark.slow
@pytest.mark.parametrize("make", [one_class, motor, forecast, lambda: [table_of("yacht"), table_of("energy", 0.5)]])
def test_whole_reports_are_written(make: Callable[[], Any], tmp_path: Path) -> None:
    build.write(make(), tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert "nan" not in text
    assert "## Floors" in text


# -- forecasts ---------------------------------------------------------------------------------------------------------


def test_forecasts_are_set_against_the_control_and_no_change_on_each_stretch(tmp_path: Path) -> None:
    def series(row: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        steps = np.tile(np.arange(200), 2)[::-1]
        shared = np.random.default_rng(int(row["fold"])).normal(0, 1, 400)
        noise = {"elu": 0.5, "relu": 1.0, "dsrelu": 1.0}[str(row["activation"])]
        return {
            **{"order": steps, "ahead": steps + 3, "series": np.repeat(["a", "b"], 200), "target": shared},
            **{"prediction": shared + rng.normal(0, noise, 400), "persistence": shared + rng.normal(0, 2, 400)},
        }

    found = gather(with_predictions(forecast(), tmp_path, series))
    frame = forecasts.summed(forecasts.tests(found, "etth1", "relu"), 0.05).set_index(["activation", "against"])
    assert frame["stretches"].to_list() == [24] * 5  # four folds, three seeds, two series
    assert frame.loc[("elu", "relu"), ["better", "worse"]].tolist() == [24, 0]
    assert frame.loc[("elu", "relu"), "median"] == pytest.approx(-75, abs=8)
    assert frame.loc[("dsrelu", "relu"), ["better", "worse"]].sum() <= 6
    text = said(forecasts.section(found))
    assert "against saying that nothing changes, of 24 stretches: relu better on 24, worse on 0" in text


def test_steps_are_put_in_the_order_of_time_before_they_are_tested() -> None:
    order = np.array([2, 0, 1, 7, 5, 6])
    arrays = {
        **{"order": order, "ahead": order + 1, "series": np.array([0, 0, 0, 1, 1, 1]), "target": np.zeros(6)},
        **{"prediction": order.astype(float), "persistence": np.ones((6, 1))},
    }
    mine = items.Said({"repeat": 0, "fold": 1}, Predictions(task="t", indices=np.arange(6), arrays=arrays))
    first, second = forecasts.stretches(mine)
    assert (first.errors.tolist(), second.errors.tolist()) == ([0, 1, 2], [5, 6, 7])
    assert (first.place, first.ahead) == ((0, 1, "0"), 1)


def test_a_forecast_without_its_folder_says_where_the_steps_are() -> None:
    assert "Make the report from the folder" in said(forecasts.section(gather(forecast())))
