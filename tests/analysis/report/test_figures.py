"""Figures: what they show, that their bytes repeat, and that nothing lies outside them."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from analysis.report import figure_style
from analysis.report.figures import activations, answer, comparisons, completeness, gaps
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
    _, plot = answer.drawn(findings)
    values = plot.data.dropna(subset=["value"])
    assert len(values) == 6 * 10
    assert "beyond it" in plot.caption


def test_the_differences_say_n_and_level(findings: Findings) -> None:
    plot, _ = answer.drawn(findings)
    assert "n = 10 paired splits with its 95 % interval" in plot.caption
    assert len(plot.data) == 5


def test_the_same_input_draws_the_same_bytes(findings: Findings) -> None:
    first, again = answer.drawn(findings)[0], answer.drawn(findings)[0]
    assert first.svg == again.svg
    assert first.png == again.png
    assert "<dc:date>" not in first.svg


def test_an_inline_figure_takes_the_pages_colours_and_names_of_its_own(findings: Findings) -> None:
    plot = answer.drawn(findings)[1]
    inline = plot.inline
    assert inline.startswith("<svg")
    assert "currentColor" in inline
    assert "var(--c1)" in inline
    assert figure_style.INK not in inline
    assert set(re.findall(r'\bid="([^"]+)"', inline)) >= {f"{plot.name}-figure_1"}
    used = set(re.findall(r'href="#([^"]+)"', inline)) | set(re.findall(r"url\(#([^)]+)\)", inline))
    assert used <= set(re.findall(r'\bid="([^"]+)"', inline))


def test_of_many_activations_on_several_data_sets_the_scores_get_a_figure_of_their_own(twenty: Findings) -> None:
    (first,) = answer.drawn(twenty)
    differences, scores = answer.further(twenty)
    assert differences == []
    assert [plot.name for plot in scores] == ["figure-1-points"]
    assert set(first.data["dataset"]) == set(scores[0].data["dataset"]) == set(twenty.datasets)
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', first.svg)
    assert box is not None
    width, height = map(float, box.groups())
    assert width == pytest.approx(72 * figure_style.WIDTH_IN)
    assert height < 340
    assert not first.half


def test_data_sets_beyond_those_of_the_first_screen_are_drawn_below(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer, "MOST_SETS", 2)
    studies = [
        simulated.study(seed=s, name=f"n{s}", dataset=f"d{s}", activations=("relu", "elu"), epochs=4) for s in range(5)
    ]
    found = gather(studies)
    first, _ = answer.drawn(found)
    assert set(first.data["dataset"]) == {"d0", "d1"}
    assert "3 more data sets under Differences and means" in first.caption
    differences, scores = answer.further(found)
    assert [plot.name for plot in differences] == ["figure-2-differences", "figure-2-differences-2"]
    assert [set(plot.data["dataset"]) for plot in differences] == [{"d2", "d3"}, {"d4"}]
    assert [set(plot.data["dataset"]) for plot in scores] == [{"d2", "d3"}, {"d4"}]


def test_the_first_figure_of_one_data_set_is_two_of_half_the_width(findings: Findings) -> None:
    assert [plot.half for plot in answer.drawn(findings)] == [True, True]


def test_a_collapsed_fold_has_its_value_beside_its_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    findings = gather(simulated.study(seed=1, diverged=[("lelu", 0, 2)], epochs=4))
    said: list[str] = []
    annotate = Axes.annotate

    def watched(panel: Axes, text: str, *args: object, **more: object) -> object:
        said.append(text)
        return annotate(panel, text, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Axes, "annotate", watched)
    answer.drawn(findings)
    low = findings.scores("digits").values["lelu"].min()
    assert f"{100 * low:.3g}" in said
    found = findings.verdict("digits", "lelu")
    assert found is not None
    assert f"mean {100 * found.estimate:.3g}".replace("-", "−") in said


def test_no_interval_reaches_beyond_what_the_metric_allows() -> None:
    near = gather(
        simulated.study(
            seed=3, activations=("relu", "dsrelu"), folds=3, base=0.97, split_sd=0.01, noise_sd=0.02, epochs=4
        )
    )
    found = near.verdict("digits", "dsrelu")
    assert found is not None
    assert found.interval is not None
    control = near.pair_of(found).y.mean()
    assert found.interval.high > 1 - control
    cut = near.possible(found)
    assert cut is not None
    assert cut.high == pytest.approx(1 - control)
    assert cut.low == pytest.approx(max(found.interval.low, -control))
    (data, _) = (plot.data for plot in answer.drawn(near))
    assert data["high"].iloc[0] == pytest.approx(1 - control)


def test_the_interval_of_a_loss_has_an_end_on_the_side_of_zero_alone(lossy: Findings) -> None:
    found = lossy.verdict("digits", "dsrelu")
    assert found is not None
    least, most = lossy.reach(found)
    assert least == -np.inf
    assert most == pytest.approx(lossy.pair_of(found).y.mean())


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

    def watched(
        panel: object, values: object, rows: object, ends: tuple[float, float], *, form: str = "{:.3g}"
    ) -> bool:
        seen.append(ends[1])
        return marks(panel, values, rows, ends, form=form)

    monkeypatch.setattr(figure_style, "mark_off_scale", watched)
    near = gather(simulated.study(seed=3, activations=("relu", "dsrelu"), base=0.995, split_sd=0.004, epochs=4))
    answer.drawn(near)
    assert seen[-1] == 100.0
    assert max(seen) == 100.0


def test_a_stopped_run_keeps_its_best_value_to_the_end() -> None:
    values = np.array([[0.1, 0.5, np.nan, np.nan], [0.2, 0.1, 0.6, 0.7]])
    best = learning.best_so_far(values, ACCURACY)
    assert best.tolist() == [[0.1, 0.5, 0.5, 0.5], [0.2, 0.2, 0.6, 0.7]]
    losses = learning.best_so_far(np.array([[2.0, 1.0, 3.0]]), LOSS)
    assert losses.tolist() == [[2.0, 1.0, 1.0]]
    band = learning.band(best)
    assert band["median"].tolist() == [pytest.approx(x) for x in (0.15, 0.35, 0.55, 0.6)]


def test_curves_are_of_the_folds_that_all_have() -> None:
    rows = [(label, 0, fold) for label in ("relu", "tanh", "elu") for fold in range(3)]
    curves = pd.DataFrame(rows, columns=["activation", "repeat", "fold"]).assign(dataset="digits")
    lost = curves.drop(index=4)  # tanh's fold 1
    assert sorted(set(learning.of_shared(lost)["fold"])) == [0, 2]
    assert len(learning.of_shared(curves)) == 9
    apart = curves.iloc[[0, 4]]
    assert len(learning.of_shared(apart)) == 2


def test_time_curves_begin_with_the_end_of_the_first_epoch_and_leave_the_rest_out() -> None:
    curves = pd.DataFrame(
        {
            "run_id": ["a", "a", "b", "b"],
            "epoch": [1, 2, 1, 2],
            "seconds/train": [8.0, 8.0, 16.0, 16.0],
            "seconds/evaluate": [2.0, 2.0, 4.0, 4.0],
            "seconds/rest": [90.0, 1.0, 2.0, 3.0],
            "validation/accuracy": [0.5, 0.7, 0.5, 0.7],
        }
    )
    frame = learning.at_times(curves, ACCURACY, points=41)
    assert frame["seconds"].iloc[0] == 10.0
    assert frame["seconds"].iloc[-1] == 40.0
    assert frame["median"].iloc[-1] == 0.7


def test_the_gap_is_taken_from_weights_at_rest_where_they_were_measured(findings: Findings) -> None:
    frame = gaps.gaps(findings)
    assert set(frame["measured"]) == {"at rest"}
    row = findings.claimed.iloc[0]
    assert frame["gap"].iloc[0] == pytest.approx(row["train_clean/accuracy"] - row["validation/accuracy"])


def test_the_gap_of_a_loss_is_validation_minus_train(lossy: Findings) -> None:
    frame = gaps.gaps(lossy)
    row = lossy.claimed.iloc[0]
    assert frame["gap"].iloc[0] == pytest.approx(row["validation/loss"] - row["train_clean/loss"])
    (plot,) = gaps.gap_figure(lossy, frame)
    assert "beside a high train loss" in plot.caption


def test_a_band_is_named_only_where_one_is_drawn(findings: Findings, lossy: Findings) -> None:
    unknown = dataclasses.replace(lossy.studies[0], cube=lossy.studies[0].cube.drop(columns="reference/loss"))
    bare = gather(unknown)
    assert "grey: zone" in answer.drawn(findings)[0].caption
    assert "grey: zone" not in answer.drawn(bare)[0].caption
    assert "vertical line" in comparisons.rope_widths(findings)[0].caption
    assert "vertical line" not in comparisons.rope_widths(bare)[0].caption


def test_a_lower_loss_learns_faster(lossy: Findings) -> None:
    (plot,) = learning.times(lossy)
    assert "lower at the same time learns faster" in plot.caption


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
