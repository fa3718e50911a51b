"""Daily prices of five stocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trainer.datasets.options import Chosen, Option, describe, nearest
from trainer.datasets.reader import About
from trainer.datasets.series import table
from trainer.datasets.series.reader import SeriesReader
from trainer.datasets.series.windows import SHAPE, History
from trainer.errors import DataError

COLUMNS = ("Open", "High", "Low", "Close", "Volume", "Adj Close")
TICKER = "ticker"
_OPTIONS = {
    "tickers": Option(default="", meaning="which tickers; none: all that the file has", names=True),
    "target": Option(default="Close", meaning="the column that is predicted", accepts=COLUMNS),
    "features": Option(
        default="target",
        meaning="what a window shows: the predicted column alone, open, high, low and close beside it, or all columns",
        accepts=("target", "prices", "all"),
    ),
    **SHAPE,
}
_FEATURES = {"target": (), "prices": COLUMNS[:4], "all": COLUMNS}


class Stocks(SeriesReader):
    name = "stocks"
    about = About(
        title="Daily stock prices, 2000-03-01 to 2013-03-01: AAPL, FB, GOOG, IBM, MSFT (12,154 rows)",
        licence="public domain, as recorded in the package bokeh-sampledata",
        citation="Quandl WIKI Prices, as in the package bokeh-sampledata.",
        source="the package bokeh-sampledata (its five files of daily prices, joined), or your own table of that form",
        needs=f"stocks/stocks.csv (or .csv.gz) with the columns Ticker, Date, {', '.join(COLUMNS)}",
        options=describe(_OPTIONS),
        groups=(TICKER,),
    )
    declared = _OPTIONS

    def find(self, root: Path, chosen: Chosen) -> Path:
        return self.found(root, ("stocks", ""), "stocks.csv")

    def history(self, path: Path, chosen: Chosen) -> History:
        target = chosen.text("target")
        columns = tuple(name for name in COLUMNS if name == target or name in _FEATURES[chosen.text("features")])
        found = table.read(path, columns, ("Ticker", "Date"))
        names, series = np.unique(found.texts["Ticker"], return_inverse=True)
        times = table.times(path, "Date", found.texts["Date"])
        asked = chosen.names("tickers") or tuple(names.tolist())
        for ticker in asked:
            if ticker not in names:
                raise DataError(f"{path} has no ticker {ticker!r}; {nearest(ticker, names.tolist())}")
        kept = np.isin(found.texts["Ticker"], asked)
        numbered = np.unique(series[kept], return_inverse=True)[1].astype(np.int64)
        return History(
            times=times[kept],
            rows=found.numbers[kept],
            columns=columns,
            target=target,
            series=numbered,
            names=tuple(names[np.isin(names, asked)].tolist()),
            group=TICKER,
            note=", ".join(asked),
        )


stocks = Stocks()
