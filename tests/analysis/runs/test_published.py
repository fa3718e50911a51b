"""The DSReLU paper's own validation accuracies (its Tables 1 to 3), through the analysis."""

from __future__ import annotations

import math
from pathlib import Path

import baycomp
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import f1_score

from analysis.report import findings as gathering
from analysis.report.blocks import Text
from analysis.report.sections import published as section
from analysis.runs import granularity, published
from analysis.runs.metric import find
from analysis.runs.plan import unstated_metrics
from analysis.statistics import bayes, claims, effects, frequentist, integrity, outlook
from analysis.statistics.scores import pair, scores
from analysis.statistics.verdict import Word

ACCURACY = find(unstated_metrics(), "accuracy")
PUBLISHED = {
    "mini-imagenet": {
        "DSReLU": [0.514111, 0.514444, 0.485778, 0.500111, 0.511],
        "Mish": [0.349333, 0.402889, 0.418778, 0.377778, 0.406778],
        "ReLU": [0.373, 0.390222, 0.390111, 0.397667, 0.404111],
        "Sigmoid": [0.159667, 0.222222, 0.139, 0.153889, 0.163333],
        "Tanh": [0.241222, 0.229222, 0.238333, 0.239667, 0.261],
        "LeakyReLU": [0.420667, 0.416778, 0.417889, 0.392556, 0.414667],
    },
    "cifar100": {
        "DSReLU": [0.4362, 0.4613, 0.4577, 0.4624, 0.4595],
        "Mish": [0.3997, 0.3998, 0.4085, 0.4118, 0.4122],
        "ReLU": [0.4025, 0.4089, 0.4082, 0.404, 0.4097],
        "Sigmoid": [0.0096, 0.0094, 0.0107, 0.0105, 0.0098],
        "Tanh": [0.3548, 0.3569, 0.3523, 0.3415, 0.3555],
        "LeakyReLU": [0.4142, 0.4104, 0.4145, 0.4164, 0.4077],
    },
    "mit-bih": {
        "DSReLU": [0.987436, 0.988293, 0.98795, 0.987094, 0.988864],
        "Mish": [0.987893, 0.988864, 0.988579, 0.988065, 0.987494],
        "ReLU": [0.988636, 0.988407, 0.988636, 0.988065, 0.98795],
        "Sigmoid": [0.951573, 0.981783, 0.976643, 0.984695, 0.984181],
        "Tanh": [0.987208, 0.985837, 0.985266, 0.984638, 0.985723],
        "LeakyReLU": [0.989207, 0.988693, 0.98915, 0.98835, 0.988522],
    },
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> published.Published:
    rows = [
        [dataset, "val", "accuracy", row, label, value]
        for dataset, columns in PUBLISHED.items()
        for label, values in columns.items()
        for row, value in enumerate(values, start=1)
    ]
    path = tmp_path_factory.mktemp("published") / "accuracy.csv"
    pd.DataFrame(rows, columns=list(published.SCORES)).to_csv(path, index=False)
    return published.read(path)


@pytest.mark.parametrize(("dataset", "percent"), [("mini-imagenet", 22.29), ("cifar100", 11.05), ("mit-bih", -0.03)])
def test_equation_one_names_leaky_relu(tables: published.Published, dataset: str, percent: float) -> None:
    best = (
        effects.improvement(scores(tables.cube, dataset=dataset, metric=ACCURACY), "DSReLU")
        .set_index("basis")
        .loc["best"]
    )
    assert best["runner_up"] == "LeakyReLU"
    assert round(best["percent"], 2) == percent


def test_mit_bih_is_not_better(tables: published.Published) -> None:
    table = scores(tables.cube, dataset="mit-bih", metric=ACCURACY)
    test = frequentist.corrected_t(pair(table, "DSReLU", "LeakyReLU"))
    assert test.estimate < 0
    assert test.word is Word.DESCRIPTIVE


def test_sizes_are_read_from_the_digits(tables: published.Published) -> None:
    sizes = tables.cube.groupby("dataset")["n_heldout"].first().to_dict()
    assert sizes == {"mini-imagenet": 9000.0, "cifar100": 10_000.0, "mit-bih": 17_511.0}


def test_sigmoid_on_cifar_is_at_chance(tables: published.Published) -> None:
    found = integrity.checks(tables.cube, published.plans(tables)[0])
    said = found[(found["check"] == "better than knowing nothing") & (found["status"] == "warn")]
    assert said["dataset"].tolist() == ["cifar100"]
    assert "Sigmoid (5 runs, mean 0.0100)" in said["note"].iloc[0]


def test_five_pairs_are_never_called_significant(tables: published.Published) -> None:
    for dataset in PUBLISHED:
        for label in ("Mish", "ReLU", "Sigmoid", "Tanh", "LeakyReLU"):
            test = frequentist.wilcoxon(
                pair(scores(tables.cube, dataset=dataset, metric=ACCURACY), "DSReLU", label), blocks="folds", m=5
            )
            assert test.word is Word.CANNOT_TELL
            assert "significan" not in test.note.lower() + test.method.lower()


def test_how_equivalence_hangs_on_the_width(tables: published.Published) -> None:
    pairs = pair(scores(tables.cube, dataset="mit-bih", metric=ACCURACY), "DSReLU", "Tanh")
    wide = bayes.correlated_t(pairs, rope=0.01)
    assert wide.probabilities is not None
    # At 0.01, nearly the whole error rate, 18 % more errors count as the same.
    assert wide.probabilities.same == pytest.approx(0.9997, abs=1e-4)
    assert tuple(wide.probabilities) == pytest.approx(tuple(baycomp.two_on_single(pairs.y, pairs.x, 0.01)), abs=1e-9)


def test_repeats_would_not_help_on_mit_bih(tables: published.Published) -> None:
    table = scores(tables.cube, dataset="mit-bih", metric=ACCURACY)
    needed, passes = {}, {}
    for label in ("ReLU", "Mish", "Sigmoid", "LeakyReLU"):
        pairs = pair(table, "DSReLU", label)
        # An even chance of p <= 0.05 at the differences that were seen.
        frame = outlook.outlook(pairs, folds=5, target=0.5)
        needed[label] = frame.set_index("sd_at").loc["observed", "repeats_needed"]
        size = abs(pairs.d.mean()) / pairs.d.std(ddof=1)
        enough = [size / math.sqrt(1 / n + 0.25) >= stats.t.isf(0.025, n - 1) for n in range(5, 5000, 5)]
        passes[label] = enough.index(True) + 1 if any(enough) else math.nan
    # Were the mean and the spread to stay as they are, 13 repeats would pass; an even chance of it takes 12.
    assert passes.pop("LeakyReLU") == 13
    assert needed.pop("LeakyReLU") == 12
    assert all(math.isnan(value) for value in (*needed.values(), *passes.values()))


def test_all_three_as_one_family(tables: published.Published) -> None:
    found = claims.compare_studies(tables.cube, published.plans(tables, control="LeakyReLU"))
    assert len(found) == 15
    assert {v.extras["family"] for v in found} == {15}
    assert {v.word for v in found} == {Word.DESCRIPTIVE}


def test_what_knowing_nothing_scores() -> None:
    found = published.knowing_nothing(0.6, 3)
    assert (found["accuracy"], found["auc"]) == (0.6, 0.5)
    assert found["loss"] == pytest.approx(math.log(3))
    # Against scikit-learn's own score of always naming the commonest class.
    truth = np.array([0] * 6 + [1] * 3 + [2])
    guess = np.zeros(10, dtype=int)
    for metric, average in (("f1_weighted", "weighted"), ("f1_macro", "macro")):
        assert found[metric] == pytest.approx(f1_score(truth, guess, average=average, zero_division=0))


def typed(folder: Path, items: int, trained: int, rows: int) -> published.Published:
    """Tables whose scores are of so many items, printed to six digits."""
    rng = np.random.default_rng(3)
    lines = [
        ["d", part, "accuracy", row, label, round(float(rng.integers(0.6 * n, 0.9 * n)) / n, 6)]
        for part, n in (("train", trained), ("val", items))
        for label in ("ReLU", "DSReLU")
        for row in range(1, rows + 1)
    ]
    path = folder / "typed.csv"
    pd.DataFrame(lines, columns=list(published.SCORES)).to_csv(path, index=False)
    return published.read(path)


@pytest.mark.parametrize(("items", "trained"), [(9000, 40_800), (10_000, 40_000), (17_511, 70_043)])
def test_training_sizes_are_read_from_the_digits_too(tmp_path: Path, items: int, trained: int) -> None:
    cube = typed(tmp_path, items, trained, rows=5).cube
    assert set(cube["n_heldout"]) == {items}
    assert set(cube["n_train"]) == {trained}
    table = scores(cube, dataset="d", metric=ACCURACY)
    assert table.ratio_known
    assert table.ratio == pytest.approx(items / trained)


def test_sizes_that_any_score_would_fit_are_not_inferred(tmp_path: Path) -> None:
    few = typed(tmp_path, 9000, 190_000, rows=1).cube
    assert few["n_train"].isna().all()
    assert granularity.inferred(np.array([0.123456])) is None
    assert granularity.inferred(np.array([0.25, 0.5, 0.7])) == 20


def test_who_leads_is_not_called_the_runner_up(tables: published.Published) -> None:
    found = gathering.gather(gathering.imported(tables), published=tables)
    said = [block.text for block in section.subjects(found) if isinstance(block, Text)]
    assert any("DSReLU (0.514444) is ahead of the runner-up LeakyReLU" in line for line in said)
    assert any("DSReLU (0.988864) is behind the leader LeakyReLU (0.989207): −0.03 %" in line for line in said)
    assert section.standing(0.0) == "level with"
