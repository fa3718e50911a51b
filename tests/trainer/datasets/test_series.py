"""Windows of time series: cut where no step is missing, in the file's own units, from any order of rows."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from trainer.datasets.reader import Dataset
from trainer.datasets.series.ett import COLUMNS, HOURS, ett
from trainer.datasets.series.own import series
from trainer.datasets.series.stocks import stocks
from trainer.datasets.validation import validate_dataset
from trainer.errors import DataError

DAYS = [f"2020-01-{day:02}" for day in range(1, 13)]


def written(root: Path, lines: list[str], name: str = "own.csv") -> Path:
    (root / name).write_text("\n".join(lines) + "\n")
    return root


def own(root: Path, lines: list[str], **options: object) -> Dataset:
    asked = {"path": "own.csv", "time": "day", "target": "price", "window": 3, **options}
    return series.load(written(root, lines), asked)


def counted(days: list[str] = DAYS) -> list[str]:
    return ["day,price,volume", *(f"{day},{10 + n},{n * n}" for n, day in enumerate(days))]


# -- windows -----------------------------------------------------------------------------------------------------------


def test_a_window_shows_its_steps_and_the_value_comes_horizon_later(tmp_path: Path) -> None:
    found = own(tmp_path, counted(), horizon=2)
    assert found.items.shape == (8, 1, 3, 2)
    assert found.items[0, 0].tolist() == [[10, 0], [11, 1], [12, 4]]
    assert (found.values[0].tolist(), found.windows.known[0].tolist()) == ([14.0], [12.0])
    assert found.order.tolist() == list(range(2, 10))
    assert (found.windows.ahead - found.windows.first).tolist() == [4] * 8
    assert validate_dataset(found) == []


def test_rows_may_come_in_any_order(tmp_path: Path) -> None:
    forwards = own(tmp_path, counted())
    lines = counted()
    backwards = own(tmp_path, [lines[0], *reversed(lines[1:])])
    assert backwards.digest == forwards.digest
    assert np.array_equal(backwards.items, forwards.items)


def test_no_window_reaches_over_a_step_that_another_series_has(tmp_path: Path) -> None:
    lines = ["day,price,who"]
    lines += [f"{day},{n},a" for n, day in enumerate(DAYS)]
    lines += [f"{day},{100 + n},b" for n, day in enumerate(DAYS) if n != 6]
    found = own(tmp_path, lines, group="who")
    assert np.bincount(found.groups["who"]).tolist() == [9, 5]
    of_b = found.groups["who"] == 1
    assert found.order[of_b].tolist() == [2, 3, 4, 9, 10]
    assert found.items[of_b].min() >= 100


def test_a_missing_value_is_refused_or_costs_the_windows_that_need_it(tmp_path: Path) -> None:
    lines = counted()
    lines[6] = lines[6].replace("25", "")
    with pytest.raises(DataError, match=r"1 of 12 rows lack .* row 6 below the names, column 'volume'.*drop_windows"):
        own(tmp_path, lines)
    found = own(tmp_path, lines, missing="drop_windows")
    # Windows that show row 6 go; one whose value is of that row stays, since the price is there.
    assert found.order.tolist() == [2, 3, 4, 8, 9, 10]
    assert np.isfinite(found.items).all()
    assert "left out" in found.remarks[0]


def test_windows_start_every_stride_steps_in_all_series_alike(tmp_path: Path) -> None:
    lines = ["day,price,who", *(f"{day},{n},a" for n, day in enumerate(DAYS))]
    lines += [f"{day},{n},b" for n, day in enumerate(DAYS) if n > 0]
    found = own(tmp_path, lines, group="who", stride=4)
    assert found.windows.first.tolist() == [0, 4, 8, 4, 8]


def test_logarithms_and_differences_from_the_last_step(tmp_path: Path) -> None:
    found = own(tmp_path, counted(), scale="log", relative=True, drop="volume")
    prices = np.arange(10.0, 22.0)
    assert found.windows.known[:, 0] == pytest.approx(np.log(prices[2:11]), rel=1e-15)
    assert found.items[0, 0, :, 0] == pytest.approx(np.log(prices[:3] / 12.0), abs=1e-6)
    with pytest.raises(DataError, match=r"column 'volume' has 1 values of 0 or less .*scale: raw"):
        own(tmp_path, counted(), scale="log")


def test_levels_far_from_zero_keep_their_small_changes(tmp_path: Path) -> None:
    lines = ["day,price", *(f"{day},{1e9 + n / 8}" for n, day in enumerate(DAYS))]
    found = own(tmp_path, lines)
    assert found.items.dtype == np.float64
    assert (found.values - found.windows.known).ravel().tolist() == [0.125] * 9


@pytest.mark.parametrize(
    "times",
    [
        ["2020-01-01 00:00", "2020-01-01 01:00", "2020-01-01T02:00:00", "2020-01-01T04:00+01:00", "2020-01-01T04:00Z"],
        ["1", "2", "3", "4", "5"],
    ],
)
def test_times_are_dates_with_or_without_a_zone_or_numbers(tmp_path: Path, times: list[str]) -> None:
    found = own(tmp_path, ["day,price", *(f"{time},{n}" for n, time in enumerate(times))])
    assert found.values.ravel().tolist() == [3.0, 4.0]
    assert found.remarks == ()


def test_uneven_steps_are_said(tmp_path: Path) -> None:
    days = [day for day in DAYS if day not in ("2020-01-04", "2020-01-05")]
    (remark,) = own(tmp_path, counted(days)).remarks
    assert "89% of the steps are 86400 long, the others from 86400 to 259200" in remark


def test_a_held_out_part_from_a_day_on(tmp_path: Path) -> None:
    found = own(tmp_path, counted(), heldout_from="2020-01-10")
    assert found.values[found.fixed_heldout].ravel().tolist() == [19.0, 20.0, 21.0]
    for asked, said in (("soon", "accepts dates"), ("2021-01-01", "they go from 2020-01-01 to 2020-01-12")):
        with pytest.raises(DataError, match=said):
            own(tmp_path, counted(), heldout_from=asked)


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"path": ""}, "needs the option path"),
        ({"path": "onw.csv"}, r"onw.csv is not there; did you mean 'own.csv'\?"),
        ({"time": ""}, r"needs the option time.*there are day, price, volume"),
        ({"target": "prise"}, r"no column 'prise' \(option target\); did you mean 'price'\?"),
        ({"target": "price, volume"}, "option target names 2 columns; accepts one"),
        ({"time": "price"}, "column 'price' is named both as time and as target"),
        ({"drop": "price"}, "column 'price' is named both as target and as drop"),
        ({"window": 12}, r"no window of 12 steps with a value 1 later; the longest of its 1 series has 12 rows"),
        ({"window": 0}, "option window is 0; steps that an item shows; a whole number of at least 1"),
        ({"horizon": "one"}, "option horizon is 'one'"),
        ({"windows": 3}, r"unknown option 'windows'; did you mean 'window'\?"),
    ],
)
def test_a_wrong_option_is_named_with_what_is_accepted(tmp_path: Path, changed: dict[str, object], said: str) -> None:
    with pytest.raises(DataError, match=said):
        own(tmp_path, counted(), **changed)


def test_a_time_that_is_none_and_one_that_comes_twice_are_named(tmp_path: Path) -> None:
    lines = counted()
    with pytest.raises(DataError, match=r"'day' has 'Monday' in row 3 below the names; as times it accepts dates"):
        own(tmp_path, [*lines[:3], lines[3].replace("2020-01-03", "Monday"), *lines[4:]])
    with pytest.raises(DataError, match=r"the first at 2020-01-03; .*as group"):
        own(tmp_path, [*lines, lines[3]])


def test_a_column_of_texts_is_named(tmp_path: Path) -> None:
    lines = [f"{line},{'note' if not place else 'calm'}" for place, line in enumerate(counted())]
    with pytest.raises(DataError, match="'note'"):
        own(tmp_path, lines)
    assert own(tmp_path, lines, drop="note").items.shape[-1] == 2


def test_prices_as_the_package_has_them(tmp_path: Path) -> None:
    lines = ["Ticker,Date,Open,High,Low,Close,Volume,Adj Close"]
    lines += [f"{who},{day},{n + 1},{n + 3},{n},{n + 2},9,{n}" for who in ("IBM", "FB") for n, day in enumerate(DAYS)]
    (tmp_path / "stocks").mkdir()
    (tmp_path / "stocks/stocks.csv.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    found = stocks.load(tmp_path, {"tickers": "IBM", "features": "prices", "window": 4})
    assert (found.name, found.items.shape) == ("stocks (IBM, 4 steps to Close 1 ahead)", (8, 1, 4, 4))
    assert found.windows.column == 3
    assert stocks.load(tmp_path, {"window": 4}).groups["ticker"].tolist() == [0] * 8 + [1] * 8
    with pytest.raises(DataError, match=r"no ticker 'IMB'; did you mean 'IBM'\?"):
        stocks.load(tmp_path, {"tickers": "IMB"})
    with pytest.raises(DataError, match=r"ett/ETTh1.csv is missing; expected .*github.com/zhouhaoyi"):
        ett.load(tmp_path, {})


def test_half_a_file_is_no_usual_split(tmp_path: Path) -> None:
    lines = [",".join(("date", *COLUMNS)), *(f"2016-07-01 {hour:02}:00:00,1,2,3,4,5,6,{hour}" for hour in range(24))]
    written(tmp_path, lines, "ETTh1.csv")
    with pytest.raises(DataError, match=r"has 24 rows, and the usual split needs 14400; .*part: all"):
        ett.load(tmp_path, {"window": 6})
    assert ett.load(tmp_path, {"window": 6, "part": "all"}).fixed_heldout is None


# -- the real files ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_usual_split_of_ett_is_that_of_the_literature(real_root: Path) -> None:
    found = ett.load(real_root, {"window": 48})
    assert found.items.shape == (14_400 - 48, 1, 48, 7)
    ahead = found.windows.ahead
    assert (ahead[found.fixed_heldout].min(), ahead[found.fixed_heldout].max()) == (16 * HOURS, 20 * HOURS - 1)
    assert ett.load(real_root, {"window": 48, "part": "all"}).windows.ahead.max() == 17_419


@pytest.mark.slow
def test_persistence_explains_a_price_and_yesterday_does_not_explain_a_return(real_root: Path) -> None:
    found = stocks.load(real_root, {"tickers": "IBM", "window": 1})
    value, known = found.values[:, 0], found.windows.known[:, 0]
    r2 = 1 - ((value - known) ** 2).mean() / value.var()
    returns = np.diff(np.log(known))
    assert round(r2, 4) == 0.9973
    assert round(float(np.corrcoef(returns[1:], returns[:-1])[0, 1]), 3) == -0.042
