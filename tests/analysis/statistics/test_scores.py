"""From fold runs to pairs: by split hash, seeds averaged, divergence told from absence, duplicates refused."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from analysis.errors import DeclarationError, DuplicateRuns
from analysis.runs import simulated
from analysis.runs.metric import Metric, find
from analysis.runs.plan import unstated_metrics
from analysis.statistics import scores

ACCURACY = find(unstated_metrics(), "accuracy")


def rows(**activations: list[float]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                **{"study": "s", "dataset": "d", "trial": label, "activation": label, "phase": "confirm"},
                **{"repeat": 0, "fold": fold, "seed": 1, "split_hash": f"h{fold}", "status": "finished"},
                **{"n_train": 60, "n_validation": 20, "n_heldout": 20, "reference/accuracy": 0.25},
                **{"run_id": f"{label}{fold}", "verifiable": True, "heldout/accuracy": value},
            }
            for label, values in activations.items()
            for fold, value in enumerate(values)
        ]
    )


def test_pairing_is_by_the_hash_of_the_split_not_by_its_number() -> None:
    cube = rows(a=[0.1, 0.2, 0.3, 0.4], b=[0.5, 0.6, 0.7, 0.8])
    cube.loc[cube["activation"] == "b", "split_hash"] = ["h3", "h2", "h1", "other"]
    table = scores.scores(cube, dataset="d", metric=ACCURACY)
    found = scores.pair(table, "a", "b")
    assert sorted(zip(found.x, found.y, strict=True)) == [(0.2, 0.7), (0.3, 0.6), (0.4, 0.5)]
    assert found.n == 3
    assert table.unequal == 4
    assert found.planned == 4
    assert found.missing == 1


def test_seeds_are_averaged_within_a_split() -> None:
    cube = pd.concat([rows(a=[0.5, 0.7], b=[0.4, 0.4]), rows(a=[0.7, 0.9], b=[0.4, 0.6]).assign(seed=2)])
    cube["run_id"] = [f"r{i}" for i in range(len(cube))]
    table = scores.scores(cube, dataset="d", metric=ACCURACY)
    found = scores.pair(table, "a", "b")
    assert found.x.tolist() == pytest.approx([0.6, 0.8])
    assert found.n == 2
    assert table.seeds == 2
    assert table.seed_sd == pytest.approx(math.sqrt(np.mean([0.02, 0.02, 0.0, 0.02])))


def test_the_ratio_counts_validation_as_seen() -> None:
    table = scores.scores(rows(a=[0.1, 0.2]), dataset="d", metric=ACCURACY)
    assert table.ratio == pytest.approx(20 / 80)
    assert table.ratio_known
    unknown = scores.scores(rows(a=[0.1] * 5).assign(n_train=math.nan), dataset="d", metric=ACCURACY)
    assert unknown.ratio == pytest.approx(0.25)
    assert not unknown.ratio_known


def test_duplicate_runs_are_refused_by_name() -> None:
    cube = pd.concat([rows(a=[0.1, 0.2]), rows(a=[0.1]).assign(run_id="again")])
    with pytest.raises(DuplicateRuns, match=r"runs a0, again"):
        scores.scores(cube, dataset="d", metric=ACCURACY)


@pytest.mark.parametrize("how", ["status", math.nan, math.inf, 1.797e308])
def test_a_diverged_run_scores_chance_or_is_left_out(how: object) -> None:
    cube = rows(a=[0.8, 0.9, 0.7], b=[0.5, 0.5, 0.5])
    if how == "status":
        cube.loc[0, ["status", "heldout/accuracy"]] = ["diverged", 0.99]
    else:
        cube.loc[0, "heldout/accuracy"] = how
    penalised = scores.pair(scores.scores(cube, dataset="d", metric=ACCURACY), "a", "b")
    assert penalised.x.tolist() == [0.25, 0.9, 0.7]
    assert penalised.diverged == 1
    complete = scores.pair(scores.scores(cube, dataset="d", metric=ACCURACY, handling="complete"), "a", "b")
    assert complete.x.tolist() == [0.9, 0.7]
    assert complete.missing == 1


@pytest.mark.parametrize("status", ["missing", "failed", "infra_failed", "stopped"])
def test_absent_runs_are_never_penalised(status: str) -> None:
    cube = rows(a=[0.8, 0.9, 0.7], b=[0.5, 0.5, 0.5])
    cube.loc[0, ["status", "split_hash"]] = [status, ""]
    table = scores.scores(cube, dataset="d", metric=ACCURACY)
    found = scores.pair(table, "a", "b")
    assert found.x.tolist() == [0.9, 0.7]
    assert (found.planned, found.missing, found.diverged) == (3, 1, 0)


def test_where_it_is_not_known_what_knowing_nothing_scores_a_diverged_run_is_left_out() -> None:
    cube = rows(a=[0.8, 0.9, 0.7], b=[0.5, 0.5, 0.5]).drop(columns="reference/accuracy")
    cube.loc[0, "status"] = "diverged"
    found = scores.pair(scores.scores(cube, dataset="d", metric=ACCURACY), "a", "b")
    assert (found.n, found.handling) == (2, "complete")
    fixed = Metric(name="accuracy", better="higher", reference=0.5)
    assert scores.pair(scores.scores(cube, dataset="d", metric=fixed), "a", "b").x.tolist() == [0.5, 0.9, 0.7]


def test_unknown_names_are_answered_with_those_there_are() -> None:
    with pytest.raises(DeclarationError, match=r"heldout/f2.*they have heldout/accuracy"):
        scores.scores(rows(a=[0.1]), dataset="d", metric=ACCURACY, column="heldout/f2")
    with pytest.raises(DeclarationError, match=r"'gelu': no runs on d; there are a, b"):
        scores.pair(scores.scores(rows(a=[0.1], b=[0.2]), dataset="d", metric=ACCURACY), "a", "gelu")


def test_a_planned_activation_without_runs_is_a_column_of_nothing() -> None:
    table = scores.scores(rows(a=[0.1, 0.2]), dataset="d", metric=ACCURACY, activations=["a", "ghost"])
    assert scores.pair(table, "ghost", "a").n == 0


def test_a_simulated_study_pairs_whole() -> None:
    study = simulated.study(seed=1, missing=[("relu", 0, 1)], diverged=[("dsrelu", 0, 2)])
    found = scores.pair(scores.scores(study.cube, dataset="digits", metric=ACCURACY), "dsrelu", "relu")
    assert (found.n, found.planned, found.diverged) == (4, 5, 1)
    assert found.ratio == pytest.approx(0.25)
