"""Figures: what they show, that their bytes repeat, and that nothing lies outside them."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest

from analysis.report import figure_style
from analysis.report.figures import activations, comparisons, completeness
from analysis.report.figures import curves as learning
from analysis.report.findings import Findings, gather
from analysis.runs import simulated
from analysis.runs.metric import find
from analysis.runs.plan import unstated_metrics

ACCURACY, LOSS = (find(unstated_metrics(), name) for name in ("accuracy", "loss"))


@pytest.fixture(scope="module")
def findings() -> Findings:
    return gather(simulated.study(seed=3, repeats=2, diverged=[("lelu", 0, 1)]))


@pytest.fixture(scope="module")
def lossy() -> Findings:
    """A study whose primary metric is the loss."""
    study = simulated.study(seed=3, activations=("relu", "dsrelu"), epochs=6)
    declared = dataclasses.replace(study.plan.declaration, metric="loss")
    return gather(dataclasses.replace(study, plan=dataclasses.replace(study.plan, declaration=declared)))


@pytest.fixture(scope="module")
def twenty() -> Findings:
    names = ["one", "two", "three", "four"]
    return gather(
        [
            simulated.study(seed=at, name=name, dataset=f"data-{name}", activations=simulated.TWENTY, epochs=6)
            for at, name in enumerate(names)
        ]
    )


def test_every_score_is_a_point_and_every_figure_has_its_numbers(findings: Findings) -> None:
    (plot,) = comparisons.points(findings)
    values = plot.data.dropna(subset=["value"])
    assert len(values) == 6 * 10
    assert "n = 10" in plot.caption
    assert "beyond the scale" in plot.caption


def test_the_forest_says_test_n_and_correction(findings: Findings) -> None:
    (plot,) = comparisons.forest(findings)
    assert "corrected resampled t" in plot.caption
    assert "Holm over 5 comparisons" in plot.caption
    assert len(plot.data) == 5


def test_the_same_input_draws_the_same_bytes(findings: Findings) -> None:
    first, again = comparisons.forest(findings)[0], comparisons.forest(findings)[0]
    assert first.svg == again.svg
    assert first.png == again.png
    assert "<dc:date>" not in first.svg


def test_an_inline_figure_takes_the_pages_colours_and_names_of_its_own(findings: Findings) -> None:
    plot = comparisons.points(findings)[0]
    inline = plot.inline
    assert inline.startswith("<svg")
    assert "currentColor" in inline
    assert "var(--c1)" in inline
    assert figure_style.INK not in inline
    assert set(re.findall(r'\bid="([^"]+)"', inline)) >= {f"{plot.name}-figure_1"}
    used = set(re.findall(r'href="#([^"]+)"', inline)) | set(re.findall(r"url\(#([^)]+)\)", inline))
    assert used <= set(re.findall(r'\bid="([^"]+)"', inline))


def test_data_sets_beyond_three_get_a_figure_of_their_own(twenty: Findings) -> None:
    plots = comparisons.forest(twenty)
    assert [plot.name for plot in plots] == ["figure-2-differences", "figure-2-differences-2"]
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', plots[0].svg)
    assert box is not None
    width, height = map(float, box.groups())
    assert width == pytest.approx(72 * figure_style.WIDTH_IN)
    assert height > 400


def test_completeness_merges_equal_neighbours() -> None:
    assert completeness.stretches(["a", "a", "", "b"]) == [(0, 2, "a"), (2, 1, ""), (3, 1, "b")]


def test_an_axis_leaves_out_what_lies_far_away() -> None:
    low, high = figure_style.limits([0.80, 0.81, 0.82, 0.83, 0.1])
    assert 0.79 < low < 0.80
    assert 0.83 < high < 0.84
    assert figure_style.limits([]) == (0.0, 1.0)
    low, high = figure_style.limits([0.5, 0.5])
    assert low < 0.5 < high


def test_an_axis_stops_where_the_metric_does() -> None:
    low, high = figure_style.limits([0.97, 1.0, 0.99, 0.98], least=0.0, most=1.0)
    assert 0.96 < low < 0.97
    assert high == 1.0


def test_no_axis_of_a_share_reaches_beyond_one(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []
    marks = figure_style.mark_off_scale

    def watched(panel: object, values: object, rows: object, ends: tuple[float, float]) -> bool:
        seen.append(ends[1])
        return marks(panel, values, rows, ends)

    monkeypatch.setattr(figure_style, "mark_off_scale", watched)
    near = gather(simulated.study(seed=3, activations=("relu", "dsrelu"), base=0.995, split_sd=0.004, epochs=4))
    comparisons.points(near)
    assert seen == [1.0]


def test_a_stopped_run_keeps_its_best_value_to_the_end() -> None:
    values = np.array([[0.1, 0.5, np.nan, np.nan], [0.2, 0.1, 0.6, 0.7]])
    best = learning.best_so_far(values, ACCURACY)
    assert best.tolist() == [[0.1, 0.5, 0.5, 0.5], [0.2, 0.2, 0.6, 0.7]]
    losses = learning.best_so_far(np.array([[2.0, 1.0, 3.0]]), LOSS)
    assert losses.tolist() == [[2.0, 1.0, 1.0]]
    band = learning.band(best)
    assert band["median"].tolist() == [pytest.approx(x) for x in (0.15, 0.35, 0.55, 0.6)]


def test_time_curves_begin_with_the_first_epoch_and_use_all_seconds() -> None:
    curves = pd.DataFrame(
        {
            "run_id": ["a", "a", "b", "b"],
            "epoch": [1, 2, 1, 2],
            "seconds/train": [8.0, 8.0, 16.0, 16.0],
            "seconds/evaluate": [2.0, 2.0, 4.0, 4.0],
            "validation/accuracy": [0.5, 0.7, 0.5, 0.7],
        }
    )
    frame = learning.at_times(curves, ACCURACY, points=41)
    assert frame["seconds"].iloc[0] == 10.0
    assert frame["seconds"].iloc[-1] == 40.0
    assert frame["median"].iloc[-1] == 0.7


def test_the_gap_is_taken_from_weights_at_rest_where_they_were_measured(findings: Findings) -> None:
    frame = learning.gaps(findings)
    assert set(frame["measured"]) == {"at rest"}
    row = findings.claimed.iloc[0]
    assert frame["gap"].iloc[0] == pytest.approx(row["train_clean/accuracy"] - row["validation/accuracy"])


def test_the_gap_of_a_loss_is_validation_minus_train(lossy: Findings) -> None:
    frame = learning.gaps(lossy)
    row = lossy.claimed.iloc[0]
    assert frame["gap"].iloc[0] == pytest.approx(row["validation/loss"] - row["train_clean/loss"])
    (plot,) = learning.gap_figure(lossy, frame)
    assert "beside a high train loss" in plot.caption


def test_a_band_is_named_only_where_one_is_drawn(findings: Findings, lossy: Findings) -> None:
    for draw in (comparisons.forest, comparisons.posteriors):
        assert "Grey band" in draw(findings)[0].caption
        assert "Grey band" not in draw(lossy)[0].caption
    assert "vertical line" in comparisons.rope_widths(findings)[0].caption
    assert "vertical line" not in comparisons.rope_widths(lossy)[0].caption


def test_a_lower_loss_learns_faster(lossy: Findings) -> None:
    (plot,) = learning.times(lossy)
    assert "lower at the same time learns faster" in plot.caption


def test_means_and_interval_ends_beyond_the_scale_are_marked(
    findings: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[np.ndarray, np.ndarray]] = []
    marks = figure_style.mark_off_scale

    def watched(panel: object, values: object, rows: object, ends: tuple[float, float]) -> bool:
        array = np.asarray(values, dtype=float)
        outside = (array < ends[0]) | (array > ends[1])
        seen.append((array[outside], np.asarray(rows, dtype=float)[outside]))
        return marks(panel, values, rows, ends)

    monkeypatch.setattr(figure_style, "mark_off_scale", watched)
    comparisons.points(findings)
    broken = findings.labels.index("lelu")
    ((values, rows),) = seen
    column = findings.scores("digits").values["lelu"].to_numpy(dtype=float)
    assert column.min() in values[rows == broken]
    low, high = comparisons.mean_interval(column, findings.scores("digits").ratio, 0.95)
    assert {low, high} <= set(values[rows == broken + 0.28])
    seen.clear()
    comparisons.forest(findings)
    ((values, rows),) = seen
    found = findings.verdict("digits", "lelu")
    assert found is not None
    assert found.interval is not None
    assert set(found.interval) <= set(values)


@pytest.mark.parametrize(
    ("name", "params", "points"),
    [
        ("dsrelu", {"t": 0.5}, {1.0: 5.803, -2.0: -2.0}),
        ("dsrelu", {"t": 1.0}, {1.0: 1.030}),
        ("apalu", {}, {0.0: 0.0, -50.0: -0.065}),
        ("lelu", {"beta": 0.0}, {-1.0: np.expm1(-1.0), 3.0: 3.0}),
        ("lelu", {"beta": 1.0}, {-4.0: -4.0}),
        ("alrelu", {}, {-3.0: 0.03, 3.0: 3.0}),
        ("selu", {}, {-1000.0: -1.7580993}),
        ("gelu", {}, {1.0: 0.8413447}),
        ("mish", {}, {1.0: 0.8650984}),
        ("softplus", {}, {1000.0: 1000.0}),
        ("sigmoid", {}, {-1000.0: 0.0, 0.0: 0.5}),
    ],
)
def test_shapes_have_known_values(name: str, params: dict[str, float], points: dict[float, float]) -> None:
    for x, y in points.items():
        assert activations.value(name, np.array([x]), params)[0] == pytest.approx(y, abs=6e-4)


def test_learned_shapes_are_drawn_by_layer(findings: Findings) -> None:
    plot = activations.curves(findings)
    assert plot is not None
    mine = plot.data[plot.data["activation"] == "apalu"]
    assert {"start", "learned, layer0", "learned, layer16"} <= set(mine["curve"])
