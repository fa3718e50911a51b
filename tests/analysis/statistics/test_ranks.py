"""Friedman, the critical-difference picture and the matrix against SciPy, scikit-posthocs and Demsar's example."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.runs import simulated
from analysis.statistics import claims, ranks
from analysis.statistics.scores import scores
from analysis.statistics.verdict import Word

# Demsar (2006), Table 6: AUC of C4.5, with m, with cf and with both tuned, on 14 data sets.
DEMSAR = pd.DataFrame(
    [
        *([0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967]),
        *([0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931]),
        *([0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875]),
        *([1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669]),
        *([0.972, 0.981, 0.975, 0.975], [0.957, 0.978, 0.946, 0.970]),
    ],
    columns=["C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf"],
)
# The paper ranks voting's 0.975 and 0.975 as 2 and 3 (they differ beyond the printed digits).
DEMSAR.loc[12, "C4.5+cf"] = 0.9751


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_demsars_example() -> None:
    found = ranks.mean_ranks(DEMSAR)
    expected = {"C4.5+m+cf": 1.964, "C4.5+m": 2.000, "C4.5+cf": 2.893, "C4.5": 3.143}
    assert found.round(3).to_dict() == expected
    test = ranks.friedman(DEMSAR, rng())
    assert test.extras["chi2_untied"] == pytest.approx(9.28, abs=0.01)
    untied = float(test.extras["chi2_untied"])
    assert 13 * untied / (14 * 3 - untied) == pytest.approx(3.69, abs=0.01)
    assert ranks.critical_difference(4, 14, 0.05) == pytest.approx(2.569 * np.sqrt(20 / 84), abs=1e-3)
    assert ranks.critical_difference(4, 14, 0.10) == pytest.approx(2.291 * np.sqrt(20 / 84), abs=1e-3)
    # At 0.05 nothing is told apart; at 0.10 C4.5 from the two with m, and C4.5+cf belongs to both groups.
    assert ranks.nemenyi(DEMSAR).bars == (tuple(expected),)
    assert ranks.nemenyi(DEMSAR, alpha=0.10).bars == (("C4.5+m+cf", "C4.5+m", "C4.5+cf"), ("C4.5+cf", "C4.5"))


def test_friedman_is_scipys_and_iman_davenport_by_its_formula() -> None:
    test = ranks.friedman(DEMSAR, rng())
    oracle = stats.friedmanchisquare(*DEMSAR.to_numpy().T)
    assert test.extras["chi2"] == pytest.approx(oracle.statistic)
    assert test.extras["p_chi2"] == pytest.approx(oracle.pvalue)
    f = 13 * oracle.statistic / (14 * 3 - oracle.statistic)
    assert test.extras["F"] == pytest.approx(f)
    assert test.p == pytest.approx(stats.f.sf(f, 3, 39))
    assert test.extras["kendall_w"] == pytest.approx(oracle.statistic / (14 * 3))
    assert (test.n, test.word) == (14, Word.DESCRIPTIVE)


def test_few_blocks_are_permuted_and_the_generator_decides() -> None:
    few = DEMSAR.iloc[:7]
    one, same, other = (ranks.friedman(few, np.random.default_rng(seed)).p for seed in (1, 1, 2))
    assert one == same
    assert one != other
    assert one == pytest.approx(ranks.friedman(few, rng()).extras["p_chi2"], abs=0.04)


def test_nemenyi_is_the_studentized_range_at_infinity() -> None:
    # q of Demsar's Table 5(a) for 2 to 10 classifiers at 0.05.
    table = {2: 1.960, 3: 2.343, 4: 2.569, 5: 2.728, 6: 2.850, 7: 2.949, 8: 3.031, 9: 3.102, 10: 3.164}
    for k, q in table.items():
        assert ranks.critical_difference(k, 10) == pytest.approx(q * np.sqrt(k * (k + 1) / 60), abs=1.5e-3)
    posthocs = pytest.importorskip("scikit_posthocs", reason="only an oracle")
    oracle = posthocs.posthoc_nemenyi_friedman(DEMSAR)
    found = ranks.nemenyi(DEMSAR).p
    assert found.loc[oracle.index, oracle.columns].to_numpy() == pytest.approx(oracle.to_numpy(), abs=1e-6)


@pytest.mark.parametrize(
    ("blocks", "said"),
    [
        (DEMSAR[["C4.5", "C4.5+m"]], "at least three"),
        (DEMSAR.iloc[:1], "1 complete block"),
        (pd.DataFrame(np.ones((8, 4))), "All tied"),
        (DEMSAR * np.nan, "0 complete block"),
        (DEMSAR[["C4.5"]], "1 activation"),
    ],
)
def test_friedman_says_why_it_does_not_test(blocks: pd.DataFrame, said: str) -> None:
    test = ranks.friedman(blocks, rng())
    assert test.p is None
    assert said in test.note


def test_perfect_agreement_has_no_f() -> None:
    test = ranks.friedman(pd.DataFrame(np.tile([1.0, 2.0, 3.0], (12, 1))), rng())
    assert "F" not in test.extras
    assert test.extras["kendall_w"] == pytest.approx(1)
    assert "infinite" in test.note


def test_incomplete_blocks_are_left_out_and_counted() -> None:
    holed = DEMSAR.copy()
    holed.iloc[0, 0] = np.nan
    test = ranks.friedman(holed, rng())
    assert test.n == 13
    first, *_ = DEMSAR.columns
    assert f"1 of 14 data sets left out, since scores are missing: {first} on 1." in test.note
    assert "left out" not in ranks.friedman(DEMSAR, rng()).note


def test_what_incomplete_blocks_cost_is_said_with_whose_they_are() -> None:
    holed = DEMSAR.copy()
    first, second, *_ = DEMSAR.columns
    holed.iloc[0, 0] = holed.iloc[2:4, 1] = holed.iloc[3, 0] = np.nan
    said = f"3 of 14 data sets left out, since scores are missing: {first} on 2, {second} on 2"
    for picture in (ranks.nemenyi(holed), ranks.wilcoxon_holm(holed)):
        assert said in picture.caption
        assert picture.n == 11
    assert "left out" not in ranks.nemenyi(DEMSAR).caption
    assert (
        "5 of 14 folds left out"
        in ranks.friedman(holed.assign(x=holed.iloc[:, 2].mask(holed.index < 5)), rng(), of="folds").note
    )


def test_bars_never_join_two_that_are_told_apart() -> None:
    together = np.array([[1, 1, 0, 1], [1, 1, 1, 1], [0, 1, 1, 1], [1, 1, 1, 1]], dtype=bool)
    assert ranks.cliques(together) == [(0, 1), (1, 3)]
    assert ranks.cliques(np.eye(3, dtype=bool)) == []
    assert ranks.cliques(np.ones((4, 4), dtype=bool)) == [(0, 3)]
    # 0 and 3 are not told apart, but no bar may say so.
    labels = pd.Series([1.0, 2.0, 3.0, 4.0], index=list("abcd"))
    picture = ranks._diagram(labels, pd.DataFrame(together * 1.0), np.nan, DEMSAR, 0.05, "datasets", "a test")
    assert not picture.faithful


def test_pictures_of_few_data_sets_or_of_folds_are_descriptive() -> None:
    assert ranks.nemenyi(DEMSAR.iloc[:5]).descriptive
    assert "N too small" in ranks.nemenyi(DEMSAR.iloc[:5]).caption
    assert ranks.nemenyi(DEMSAR, of="folds").descriptive
    assert not ranks.nemenyi(DEMSAR).descriptive
    assert not ranks.wilcoxon_holm(DEMSAR).descriptive
    assert ranks.nemenyi(DEMSAR * np.nan).n == 0


def test_matrix_on_one_data_set_is_the_corrected_t_and_mirrors() -> None:
    study = simulated.study(seed=2, activations=("relu", "dsrelu", "tanh"), repeats=3)
    frame = ranks.matrix([scores(study.cube, dataset="digits", metric=study.plan.primary)])
    assert len(frame) == 6
    ab = frame[(frame["a"] == "relu") & (frame["b"] == "dsrelu")].iloc[0]
    ba = frame[(frame["a"] == "dsrelu") & (frame["b"] == "relu")].iloc[0]
    assert ab["difference"] == -ba["difference"]
    assert (ab["low"], ab["high"]) == (-ba["high"], -ba["low"])
    assert (ab["wins"], ab["losses"]) == (ba["losses"], ba["wins"])
    assert ab["p"] == ba["p"]
    assert ab["of"] == "splits"
    assert ranks.matrix([]).empty


def test_matrix_on_three_data_sets_cannot_tell() -> None:
    studies = [simulated.study(seed=s, name=f"n{s}", dataset=f"d{s}", activations=("relu", "dsrelu")) for s in range(3)]
    frame = ranks.matrix(
        [scores(study.cube, dataset=study.plan.dataset, metric=study.plan.primary) for study in studies]
    )
    assert set(frame["word"]) == {str(Word.CANNOT_TELL)}
    assert set(frame["n"]) == {3}
    assert frame["low"].isna().all()


def test_the_matrix_of_one_data_set_gives_the_planned_words() -> None:
    """All pairs planned, with a wide region of practical equivalence: the matrix may not call better what is the same
    in practice."""
    study = simulated.study(
        seed=3, activations=("relu", "dsrelu", "tanh"), effects={"dsrelu": 0.01, "tanh": 0.1}, repeats=5, noise_sd=0.002
    )
    declared = dataclasses.replace(study.plan.declaration, rope=0.03, family="all_pairs")
    planned = claims.compare(study.cube, dataclasses.replace(study.plan, declaration=declared))
    assert {str(one.word) for one in planned} == {"equivalent", "better", "worse"}
    table = scores(study.cube, dataset="digits", metric=study.plan.primary, activations=study.plan.activations)
    words = ranks.matrix([table], rope=0.03).set_index(["a", "b"])["word"].to_dict()
    for one in planned:
        assert words[one.activation, one.control] == str(one.word)
    assert ranks.matrix([table], rope=0.0).set_index(["a", "b"]).loc[("dsrelu", "relu"), "word"] == "better"
    seen = ranks.matrix([table], rope=0.03, chosen={"tanh"}).set_index(["a", "b"])["word"]
    assert seen["tanh", "relu"] == seen["dsrelu", "tanh"] == str(Word.DESCRIPTIVE)
    assert seen["dsrelu", "relu"] == "equivalent"


def test_over_data_sets_the_word_is_holms() -> None:
    """Eight data sets, three activations: one comparison passes by Holm's second step and not by alpha/3."""
    tables = []
    for at in range(8):
        study = simulated.study(
            seed=at,
            name=f"n{at}",
            dataset=f"d{at}",
            activations=("relu", "dsrelu", "tanh"),
            effects={"dsrelu": 0.2, "tanh": {0: -0.012, 1: 0.008}.get(at, 0.03)},
            noise_sd=0.0005,
            split_sd=0.0,
        )
        tables.append(
            scores(
                study.cube, dataset=study.plan.dataset, metric=study.plan.primary, activations=study.plan.activations
            )
        )
    frame = ranks.matrix(tables).set_index(["a", "b"])
    told = frame.loc[("tanh", "relu")]
    assert told["p"] == pytest.approx(6 / 256)
    assert told["p"] > 0.05 / 3
    assert (frame["word"].isin(["better", "worse"]) == (frame["p_adjusted"] <= 0.05)).all()
    assert frame.loc[("tanh", "relu"), "word"] == "better"
    assert frame.loc[("relu", "tanh"), "word"] == "worse"
