"""The MIT-BIH Arrhythmia Database from its native records, as windows or as the heartbeats of arXiv 1805.00794."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from trainer.datasets import beats, sampling
from trainer.datasets.cache import Store
from trainer.datasets.content import Content
from trainer.datasets.file_reader import FileReader, Selection
from trainer.datasets.files import Files, find_folder
from trainer.datasets.options import Chosen, Option, describe
from trainer.datasets.reader import About
from trainer.datasets.wfdb_record import Origin, read_record
from trainer.errors import DataError

RECORDS = (
    *(
        100,
        101,
        102,
        103,
        104,
        105,
        106,
        107,
        108,
        109,
        111,
        112,
        113,
        114,
        115,
        116,
        117,
        118,
        119,
        121,
        122,
        123,
        124,
    ),
    *(
        200,
        201,
        202,
        203,
        205,
        207,
        208,
        209,
        210,
        212,
        213,
        214,
        215,
        217,
        219,
        220,
        221,
        222,
        223,
        228,
        230,
        231,
        232,
    ),
    *(233, 234),
)
# the records with paced beats, 102, 104, 107 and 217, are in neither
DS1 = (101, 106, 108, 109, 112, 114, 115, 116, 118, 119, 122, 124, 201, 203, 205, 207, 208, 209, 215, 220, 223, 230)
DS2 = (100, 103, 105, 111, 113, 117, 121, 123, 200, 202, 210, 212, 213, 214, 219, 221, 222, 228, 231, 232, 233, 234)
SAME_PATIENT = {202: 201}
"""Records of one person -> the first of them."""

_FOLDERS = ("mitdb", "mit-bih-arrhythmia-database-1.0.0", "physionet.org/files/mitdb/1.0.0")
_SOURCE = "PhysioNet, https://physionet.org/content/mitdb/1.0.0/"

_LEAD = Option(
    default="MLII",
    meaning="lead: MLII where a record has it and else its first (102 and 104 have V5, V2), or the first or second",
    accepts=("MLII", "first", "second"),
    converts=True,
)
_SELECTING = {
    "protocol": Option(
        default="all",
        meaning="ds1-ds2: without the paced records 102, 104, 107 and 217, and with DS2 of de Chazal et al. (2004) as "
        "the fixed held-out part (patient 201/202 has one record in each)",
        accepts=("all", "ds1-ds2"),
    ),
    "sample": Option(
        default=None,
        kind=int,
        least=1,
        meaning="how many beats to keep, dealt to classes, then within a class to patients, in proportion (largest "
        "remainder); within a cell those of lowest SHA-256 of `<sample_seed> <record>/<sample number>`",
    ),
    "sample_seed": Option(default=0, least=0, meaning="seed of `sample`; the study's seed plays no part"),
}


@dataclass(frozen=True, kw_only=True)
class MitBih(FileReader):
    """Beats of all records in the order of records and time; groups "patient" and "record"."""

    name: str
    about: About
    declared: Mapping[str, Option]
    heartbeat: bool
    scale: tuple[tuple[float, ...], tuple[float, ...]]
    version: ClassVar[int] = 1

    def find(self, root: Path, chosen: Chosen) -> Files:
        folder = find_folder(self.name, root, _FOLDERS, needs=self.about.needs, source=_SOURCE)
        names = _record_names(folder, self.name)
        origin = _origin(self.name)
        paths = [folder / f"{name}{suffix}" for name in names for suffix in (".hea", ".dat", ".atr")]
        absent = [path for path in paths if not path.is_file()]
        if absent:
            more = f" ({len(absent)} of {len(paths)} files are missing)" if len(absent) > 1 else ""
            raise origin.missing(absent[0], f"a header, signal and annotations for each of {len(names)} records{more}")
        return Files(folder=folder, watched=tuple(paths))

    def convert(self, files: Files, chosen: Chosen, store: Store) -> Content:
        names = list(dict.fromkeys(path.stem for path in files.watched))
        items, labels, records, places = [], [], [], []
        for name in names:
            values, classes, at = self._record(files.folder, name, chosen)
            items.append(values)
            labels.append(classes)
            places.append(at)
            records.append(np.full(len(at), int(name), np.int64))
        record = np.concatenate(records)
        whole = len(record)
        joined = store.array("items", (whole, 1, 1, items[0].shape[1]), np.float32)
        joined[:, 0, 0, :] = np.concatenate(items)
        patient = record.copy()
        for second, first in SAME_PATIENT.items():
            patient[record == second] = first
        return Content(
            items=joined,
            labels=np.concatenate(labels),
            classes=beats.AAMI,
            groups={"patient": patient, "record": record},
            marks={"at": np.concatenate(places)},
            note="" if len(names) == len(RECORDS) else f"{len(names)} of {len(RECORDS)} records",
        )

    def _record(
        self, folder: Path, name: str, chosen: Chosen
    ) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
        origin = _origin(self.name)
        record = read_record(folder, name, chosen.text("lead"), origin)
        at, classes = beats.beats_of(record.at, record.symbols)
        to = 125.0 if self.heartbeat else float(chosen.number("rate"))
        signal = beats.resampled(record.signal, record.rate, to)
        if not np.isfinite(signal).all():
            raise origin.damaged(folder / f"{name}.dat", "its signal is not finite (NaN)", "finite samples")
        there = beats.moved(at, record.rate, to, len(signal))
        if self.heartbeat:
            if len(at) < 2:
                raise origin.damaged(folder / f"{name}.atr", f"{len(at)} beats", "two beats or more")
            return beats.heartbeats(signal, there, to, 187)[:-1], classes[:-1], at[:-1]
        return beats.windows(signal, there, chosen.number("before"), chosen.number("after")), classes, at

    def scaling(self, chosen: Chosen) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return self.scale

    def select(self, content: Content, chosen: Chosen) -> Selection:
        record = content.groups["record"]
        ds = chosen.text("protocol") == "ds1-ds2"
        positions = np.flatnonzero(np.isin(record, DS1 + DS2)) if ds else np.arange(len(record))
        notes = ["DS1 and DS2"] if ds else []
        sample = chosen.number_or_none("sample")
        if sample is not None:
            at, patient = content.marks["at"][positions], content.groups["patient"][positions]
            kept = sampling.stratified(
                content.labels[positions],
                patient,
                sample,
                chosen.number("sample_seed"),
                lambda place: f"{record[positions[place]]}/{at[place]}".encode(),
            )
            notes.append(f"sample of {sample} of {len(positions)} beats, seed {chosen.number('sample_seed')}")
            positions = positions[kept]
        if not notes:
            return Selection()
        return Selection(
            positions=positions,
            heldout=np.isin(record[positions], DS2) if ds else None,
            note=", ".join(notes),
        )


def _record_names(folder: Path, name: str) -> list[str]:
    """From the file RECORDS where there is one, so that a part of the database is read as such; else all 48."""
    listing = folder / "RECORDS"
    if not listing.is_file():
        return [str(number) for number in RECORDS]
    names = listing.read_text(encoding="utf-8", errors="replace").split()
    strange = [entry for entry in names if not entry.isdecimal() or int(entry) not in RECORDS]
    if strange or not names:
        found = f"names {strange[0]!r}" if strange else "names no record"
        raise DataError(f"data set {name}: {listing} {found}; expected record numbers of MIT-BIH as 100, one a line")
    return sorted(set(names), key=int)


def _origin(name: str) -> Origin:
    """Checksums are of PhysioNet's own files; a lossless re-encoding (format 516) has others."""
    text = resources.files("trainer.datasets").joinpath("mitdb.sha256").read_text(encoding="utf-8")
    lines = (line.split() for line in text.splitlines() if line and not line.startswith("#"))
    return Origin(name=name, source=_SOURCE, checksums={file: f"PhysioNet's SHA-256 is {sha}" for sha, file in lines})


def _about(title: str, options: Mapping[str, Option]) -> About:
    return About(
        title=title,
        licence="Open Data Commons Attribution License v1.0 (ODC-By 1.0)",
        citation="Moody GB, Mark RG. The impact of the MIT-BIH Arrhythmia Database. IEEE Eng. Med. Biol. 20(3):45-50 "
        "(2001). Goldberger AL et al. PhysioBank, PhysioToolkit, and PhysioNet. Circulation 101(23):e215-e220 (2000).",
        source=_SOURCE,
        needs="mitdb/<record>.hea, .dat (WFDB format 212, or 516 which is the same losslessly) and .atr of 48 records; "
        "a file RECORDS there names fewer",
        options=describe(options),
        groups=("patient", "record"),
        fixed=True,
    )


_WINDOWS = {
    "lead": _LEAD,
    "rate": Option(default=360, least=50, meaning="samples a second, resampled from 360", converts=True),
    "before": Option(default=100, least=0, meaning="samples before the R peak, at `rate`", converts=True),
    "after": Option(default=156, least=1, meaning="samples from the R peak on, at `rate`", converts=True),
    **_SELECTING,
}
_HEARTBEAT = {"lead": _LEAD, **_SELECTING}

mitbih_windows = MitBih(
    name="mitbih_windows",
    about=_about(
        "MIT-BIH Arrhythmia Database: fixed windows around the R peaks in millivolts, AAMI classes (109,494 beats)",
        _WINDOWS,
    ),
    declared=_WINDOWS,
    heartbeat=False,
    scale=((-0.3105,), (0.4884,)),  # of all windows cut by the default options
)

heartbeat_187 = MitBih(
    name="heartbeat_187",
    about=_about(
        "MIT-BIH Arrhythmia Database: heartbeats of 187 samples at 125 Hz in [0, 1] after arXiv 1805.00794, AAMI "
        "classes, without each record's last beat (109,446 beats)",
        _HEARTBEAT,
    ),
    declared=_HEARTBEAT,
    heartbeat=True,
    scale=((0.0,), (1.0,)),
)
