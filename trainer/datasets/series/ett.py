"""Electricity transformer temperature: the files of Zhou et al. (Informer, AAAI 2021)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trainer.datasets.options import Chosen, Option, describe
from trainer.datasets.reader import About
from trainer.datasets.series import table
from trainer.datasets.series.reader import SeriesReader
from trainer.datasets.series.windows import SHAPE, History
from trainer.errors import DataError

COLUMNS = ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT")
HOURS = 30 * 24
"""In a month, as the authors count."""
TRAIN, VALIDATION, TEST = 12, 4, 4
"""Months of the usual split."""
_OPTIONS = {
    "file": Option(
        default="ETTh1",
        meaning="which file: an hour (h) or a quarter of one (m) a step",
        accepts=("ETTh1", "ETTh2", "ETTm1", "ETTm2"),
    ),
    "target": Option(
        default="OT", meaning="the series that is predicted; OT is the oil's temperature", accepts=COLUMNS
    ),
    "features": Option(
        default="all",
        meaning="whether a window shows all seven series or the predicted one alone",
        accepts=("all", "target"),
    ),
    "part": Option(
        default="usual",
        meaning=f"usual: the first {TRAIN + VALIDATION + TEST} months, of which the last {TEST} are the fixed held-out "
        "part (the split of the literature, 12, 4 and 4 months, with folds: {scheme: fixed, validation: 0.25, purge: "
        "48}, where 48 is window + horizon - 1); all: the whole file, without one",
        accepts=("usual", "all"),
    ),
    **SHAPE,
}


class Ett(SeriesReader):
    name = "ett"
    about = About(
        title="Electricity transformer temperature, 2016-07 to 2018-06: 7 series, 17,420 hours or 69,680 quarters",
        licence="CC BY-ND 4.0",
        citation="Zhou H, Zhang S, Peng J, et al. Informer: Beyond Efficient Transformer for Long Sequence Time-Series "
        "Forecasting. AAAI 35(12):11106-11115 (2021).",
        source="https://github.com/zhouhaoyi/ETDataset (the folder ETT-small)",
        needs=f"ETTh1.csv (or .csv.gz) in ett or ETT-small, with the columns date, {', '.join(COLUMNS)}",
        options=describe(_OPTIONS),
        fixed=True,
    )
    declared = _OPTIONS

    def find(self, root: Path, chosen: Chosen) -> Path:
        return self.found(root, ("ett", "ETT-small", ""), f"{chosen.text('file')}.csv")

    def history(self, path: Path, chosen: Chosen) -> History:
        target = chosen.text("target")
        columns = COLUMNS if chosen.text("features") == "all" else (target,)
        found = table.read(path, columns, ("date",))
        times = table.times(path, "date", found.texts["date"])
        rows, heldout_from, note = found.numbers, None, chosen.text("file")
        if chosen.text("part") == "usual":
            month = HOURS * (4 if "m" in chosen.text("file") else 1)
            count = month * (TRAIN + VALIDATION + TEST)
            if len(rows) < count:
                raise DataError(
                    f"{path} has {len(rows)} rows, and the usual split needs {count}; get the whole file, or use part: "
                    "all"
                )
            times, rows = times[:count], rows[:count]
            heldout_from, note = (
                float(times[month * (TRAIN + VALIDATION)]),
                f"{note}, {TRAIN + VALIDATION + TEST} months",
            )
        return History(
            times=times,
            rows=rows,
            columns=columns,
            target=target,
            series=np.zeros(len(rows), np.int64),
            names=(path.name,),
            heldout_from=heldout_from,
            note=note,
        )


ett = Ett()
