"""Each check raised by data that has its fault, and silent on a sound study; the published tables raise theirs."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.errors import SourceError
from analysis.runs import granularity, published, simulated
from analysis.statistics import claims, effects, integrity, verdict
from analysis.statistics.scores import scores

TABLES = [
    ("mini-imagenet", 9000, {"DSReLU": [4600, 4605, 4610, 4620, 4630], "ReLU": [3300, 3350, 3310, 3370, 3390]}),
    ("cifar100", 10000, {"DSReLU": [4362, 4613, 4577, 4624, 4595], "ReLU": [96, 94, 107, 105, 98]}),
]


def sound() -> pd.DataFrame:
    return simulated.study(seed=1, repeats=2).cube


def raised(cube: pd.DataFrame, check: str) -> str:
    found = integrity.checks(cube, simulated.study(seed=1, epochs=1).plan)
    found = found[(found["check"] == check) & (found["status"] != "pass")]
    return " ".join(found["note"])


@pytest.fixture
def typed(tmp_path: Path) -> published.Published:
    rows = []
    for dataset, n, columns in TABLES:
        for label, hits in columns.items():
            for row, hit in enumerate(hits, start=1):
                for split, metric, value in (
                    ("val", "accuracy", hit / n),
                    ("train", "auc_ovr", 0.99 - 0.001 * row),
                    ("train", "accuracy", 0.9),
                ):
                    rows.append([1, dataset, split, metric, row, label, round(value, 6)])
    header = ["table", "dataset", "split", "metric", "row", "activation", "value"]
    for label in ("Tanh", "Mish"):
        rows += [[*row[:5], label, row[6]] for row in rows if row[5] == "DSReLU" and row[2] == "train"]
        rows += [[*row[:5], label, row[6]] for row in rows if row[5] == "DSReLU" and row[2] == "val"]
    pd.DataFrame(rows, columns=header).to_csv(tmp_path / "scores.csv", index=False)
    pd.DataFrame({"dataset": ["cifar100"], "activation": ["DSReLU"], "seconds": [22.9]}).to_csv(
        tmp_path / "seconds.csv", index=False
    )
    return published.read(tmp_path / "scores.csv", tmp_path / "seconds.csv")


def test_a_sound_study_passes_everything() -> None:
    found = integrity.checks(sound(), simulated.study(seed=1).plan)
    assert set(found["status"]) == {"pass"}


def test_lost_runs_are_counted_by_status() -> None:
    cube = simulated.study(seed=1, missing=[("relu", 0, 1)], diverged=[("dsrelu", 0, 2)]).cube
    assert raised(cube, "complete") == "28 of 30 runs finished; 1 diverged, 1 missing."


def test_a_score_that_is_no_whole_number_of_items() -> None:
    cube = sound()
    cube.loc[0, "heldout/accuracy"] = 0.81234567
    assert "1 score not a whole number of held-out items (relu)" in raised(cube, "granularity")


@pytest.mark.parametrize("n", [9000, 10_000, 17_511, 137])
def test_the_number_of_items_is_found_in_printed_scores(n: int) -> None:
    hits = np.random.default_rng(n).integers(1, n, 30)
    found = granularity.items_of(np.round(hits / n, 6))
    assert found is not None
    assert n % found == 0
    assert found == n // math.gcd(n, *map(int, hits))


def test_scores_of_no_number_of_items() -> None:
    assert granularity.items_of(np.random.default_rng(0).random(40)) is None
    assert granularity.items_of(np.array([0.0, 1.0, math.nan])) is None


def test_sorted_rows_look_like_epochs() -> None:
    cube = sound().sort_values(["activation", "repeat", "heldout/auc"], kind="stable")
    cube["fold"] = cube.groupby(["activation", "repeat"]).cumcount()
    assert "look sorted or like epochs: heldout/auc in 12 of 12" in raised(cube, "order")


def test_unequal_splits_and_unrecorded_ones() -> None:
    cube = sound()
    cube.loc[0, "split_hash"] = "another"
    assert "1 fold split differently" in raised(cube, "equal splits")
    cube.loc[1, "split_hash"] = ""
    assert "1 run without a recorded split" in raised(cube, "equal splits")


def test_unequal_budgets_and_devices() -> None:
    cube = sound()
    cube.loc[cube["activation"] == "dsrelu", "training.lr"] = 0.01
    cube.loc[cube["activation"] == "relu", "device_name"] = "another"
    said = raised(cube, "equal budget")
    assert "lr differs between activations: relu 0.001" in said
    assert "device_name differs" in said
    plan = simulated.study(seed=1).plan
    unequal = dataclasses.replace(plan, search_trials={"relu": 1, "dsrelu": 20})
    found = integrity.checks(sound(), unequal)
    assert "relu 1, dsrelu 20" in " ".join(found["note"])


def tuned(varies: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    """The check of equal budgets where every activation's winner has a learning rate of its own."""
    cube = sound()
    cube["training.lr"] = 1e-3 * (1 + cube["activation"].astype("category").cat.codes)
    plan = simulated.study(seed=1).plan
    tried = dict.fromkeys(plan.activations, 4)
    found = integrity.checks(cube, dataclasses.replace(plan, search_trials=tried, search_varies=varies))
    return found[found["check"] == "equal budget"]


def test_what_every_search_varied_alike_is_no_unequal_budget() -> None:
    labels = simulated.study(seed=1).plan.activations
    own = {label: (f"activation.{label}", "training.lr") for label in labels}
    (found,) = tuned(own).to_dict("records")
    assert (found["status"], found["note"]) == ("pass", "lr searched for every activation alike, 4 settings each.")
    # Nor is a control that has nothing of its own to search.
    assert tuned({**own, "relu": ("training.lr",)})["status"].tolist() == ["pass"]


def test_what_only_some_searches_varied_is_one() -> None:
    labels = simulated.study(seed=1).plan.activations
    assert "lr differs between activations" in " ".join(tuned(dict.fromkeys(labels[1:], ("training.lr",)))["note"])
    assert tuned(dict.fromkeys(labels, ("training.batch",)))["status"].tolist() == ["warn"]
    assert tuned({})["status"].tolist() == ["warn"]


def test_a_control_without_a_search_is_named_and_so_is_what_was_equal() -> None:
    plan = simulated.study(seed=1).plan
    tried = {label: 0 if label == "relu" else 2 for label in plan.activations}
    found = integrity.checks(sound(), dataclasses.replace(plan, search_trials=tried))
    assert "Nothing was searched for relu; the others tried 2 settings each." in set(found["note"])


def searched(cube: pd.DataFrame, **counts: int) -> pd.DataFrame:
    plan = dataclasses.replace(simulated.study(seed=1).plan, search_trials={"relu": 1, "dsrelu": 20, **counts})
    found = integrity.checks(cube, plan)
    return found[found["check"] == "kept from the search"]


def test_held_out_items_that_a_search_may_use_qualify_the_word() -> None:
    kept = searched(sound())
    assert list(kept["status"]) == ["pass"]
    assert kept["note"].iloc[0] == "Of 20,000 items held out over 10 splits, a search may use none."
    cube = sound()
    cube.loc[cube["fold"] == 0, "n_heldout_searched"] = 3
    used = searched(cube, apalu=5).iloc[0]
    assert (used["status"], used["effect"]) == ("warn", "qualifies the word")
    assert used["activations"] == ("apalu", "dsrelu")
    assert "searched on 6 of 20,000 items held out over 10 splits." in used["note"]


@pytest.mark.parametrize("drop", [True, False])
def test_runs_that_do_not_say_what_the_search_used_are_not_taken_for_kept_apart(drop: bool) -> None:
    cube = sound().drop(columns="n_heldout_searched") if drop else sound().assign(n_heldout_searched=math.nan)
    said = searched(cube).iloc[0]
    assert said["status"] == "warn"
    assert "dsrelu were searched on all items, those held out here too" in said["note"]
    assert searched(cube, dsrelu=1)["status"].tolist() == ["pass"]
    half = sound()
    half.loc[half.index[:5], "n_heldout_searched"] = math.nan
    assert searched(half)["status"].tolist() == ["warn"]


def test_one_run_counted_twice() -> None:
    cube = sound()
    columns = [name for name in cube if str(name).startswith("heldout/")]
    cube.loc[1, columns] = cube.loc[0, columns]
    assert "relu 0-0 = relu 0-1" in raised(cube, "duplicates")


def test_a_score_at_chance_did_not_train() -> None:
    cube = sound()
    cube.loc[cube["activation"] == "apalu", "heldout/accuracy"] = 0.1
    assert "knowing nothing scores: apalu (10 runs, mean 0.1000)" in raised(cube, "better than knowing nothing")


def test_parts_that_are_one_and_validation_above_training() -> None:
    cube = sound().assign(**{"validation/accuracy": lambda frame: frame["heldout/accuracy"]})
    assert "one part served for both" in raised(cube, "parts differ")
    cube["train_clean/accuracy"] = 0.5
    assert "above training" in raised(cube, "parts differ")


@pytest.mark.parametrize("score", [0.1, 0.05, 1.0], ids=["at chance", "below chance", "never wrong"])
def test_equal_scores_where_nothing_was_learned_or_all_is_right_say_nothing_of_parts(score: float) -> None:
    cube = sound().assign(**{"heldout/accuracy": score, "validation/accuracy": score})
    assert "one part" not in raised(cube, "parts differ")
    learned = cube["activation"] == "apalu"
    cube.loc[learned, ["heldout/accuracy", "validation/accuracy"]] = 0.75
    assert "one part served for both" in raised(cube, "parts differ")


def test_published_tables_enter_as_unverifiable_rows(typed: published.Published) -> None:
    cube = typed.cube
    assert len(cube) == 40
    assert set(cube["status"]) == {"imported"}
    assert not cube["verifiable"].any()
    assert cube["run_id"].is_unique
    assert (cube["heldout/accuracy"] == cube["validation/accuracy"]).all()
    assert cube.groupby("dataset")["n_heldout"].first().to_dict() == {"mini-imagenet": 1800.0, "cifar100": 10000.0}
    assert typed.seconds[["activation", "seconds", "verifiable"]].values.tolist() == [["DSReLU", 22.9, False]]


def test_published_tables_raise_their_checks(typed: published.Published) -> None:
    assert "fit one part of 10,000 items" in raised(typed.cube, "granularity")
    assert "look sorted or like epochs: train/auc in 4 of 4" in raised(typed.cube, "order")
    assert "knowing nothing scores: ReLU (5 runs, mean 0.0100)" in raised(typed.cube, "better than knowing nothing")
    assert "not verifiable" in raised(typed.cube, "verifiable")
    assert "one part served for both" in raised(typed.cube, "parts differ")
    assert "fail" in set(integrity.checks(typed.cube, published.plans(typed)[0])["status"])


def test_published_tables_claim_nothing(typed: published.Published) -> None:
    plans = published.plans(typed)
    assert [plan.dataset for plan in plans] == ["mini-imagenet", "cifar100"]
    assert {plan.declaration.control for plan in plans} == {"ReLU"}
    found = verdict.to_frame(claims.compare_studies(typed.cube, plans))
    assert set(found["word"]) == {"descriptive only"}
    assert found["p"].notna().any()
    assert found["note"].str.contains("not verifiable").all()
    rows = effects.improvement(
        scores(typed.cube, dataset="cifar100", metric=published.plans(typed)[0].primary), "DSReLU"
    )
    assert rows["runner_up"].isin(["Tanh", "Mish"]).all()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "accepts dataset, split, metric"),
        ("dataset,split,metric,row,activation,value\nd,dev,accuracy,1,a,0.5\n", "split dev; accepts heldout"),
        ("dataset,split,metric,row,activation,value\nd,val,bleu,1,a,0.5\n", "metric bleu; accepts accuracy"),
        ("dataset,split,metric,row,activation,value\nd,val,accuracy,1,a,x\n", "line 2: value 'x'"),
        ("dataset,split,metric,row,activation,value\nd,val,loss,1,a,1\nd,val,loss,1,a,2\n", "line 3: a second value"),
    ],
)
def test_tables_of_another_kind_are_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(SourceError, match=said):
        published.read(tmp_path / "t.csv")


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"gone\.csv: cannot be read"):
        published.read(tmp_path / "gone.csv")
