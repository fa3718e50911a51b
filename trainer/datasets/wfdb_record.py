"""One ECG record in WFDB form (.hea, .dat, .atr), read with wfdb and checked."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from trainer.datasets.files import damaged, missing
from trainer.errors import DataError

_BYTES_212 = 3 / 2
"""Format 212 packs two 12-bit samples into three bytes."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Who asks, and what to say about a file that is missing or damaged."""

    name: str
    source: str
    checksums: dict[str, str]
    """File name -> what to compare it with."""

    def missing(self, path: Path, expected: str) -> DataError:
        return missing(
            self.name, path, expected=expected, source=self.source, checksum=self.checksums.get(path.name, "")
        )

    def damaged(self, path: Path, found: str, expected: str) -> DataError:
        return damaged(
            self.name, path, found, expected=expected, source=self.source, checksum=self.checksums.get(path.name, "")
        )


@dataclass(frozen=True, kw_only=True)
class Record:
    """A record's signal on one lead and its annotations."""

    name: str
    rate: float
    """Samples a second."""
    lead: str
    signal: NDArray[np.float64]
    """[samples], millivolts."""
    at: NDArray[np.int64]
    """[annotations], sample numbers."""
    symbols: NDArray[np.str_]
    """[annotations], one character each."""


def read_record(folder: Path, name: str, lead: str, origin: Origin) -> Record:
    """A record on the lead ``lead``: "first", "second", or a lead's name where the record has it, else its first.

    Raises :class:`DataError` for a missing file, a header that does not fit its signal, a signal whose checksum is not
    the header's, invalid samples, or annotations without their end mark or beyond the signal."""
    wfdb = _wfdb()
    stem, header_path, signal_path = folder / name, folder / f"{name}.hea", folder / f"{name}.dat"
    for path, what in ((header_path, "a WFDB header"), (signal_path, "a WFDB signal"), (folder / f"{name}.atr", "")):
        if not path.is_file():
            raise origin.missing(path, what or "reference annotations")
    try:
        header = wfdb.rdheader(str(stem))
        leads, length, rate = list(header.sig_name), int(header.sig_len), float(header.fs)
        channel = _channel(leads, lead)
    except (ValueError, IndexError, TypeError, AttributeError, KeyError) as error:
        raise origin.damaged(header_path, str(error), "a WFDB header that names its signals") from error
    if len(leads) != header.n_sig or set(header.file_name) != {signal_path.name}:
        found = f"it announces {header.n_sig} signals and describes {len(leads)} of {sorted(set(header.file_name))}"
        raise origin.damaged(header_path, found, f"one line a signal, all in {signal_path.name}")
    if set(header.fmt) == {"212"}:
        size, expected = signal_path.stat().st_size, int(np.ceil(_BYTES_212 * len(leads) * length))
        if size < expected:
            raise origin.damaged(signal_path, f"{size} bytes", f"{expected} bytes for {length} samples of {leads}")
    digital = _digital(wfdb, stem, channel, length, signal_path, origin)
    _compare_checksum(digital, header.checksum[channel], signal_path, origin)
    gain, baseline = float(header.adc_gain[channel]), float(header.baseline[channel])
    at, symbols = _annotations(wfdb, stem, length, origin)
    signal = (digital.astype(np.float64) - baseline) / gain
    return Record(name=name, rate=rate, lead=leads[channel], signal=signal, at=at, symbols=symbols)


def _wfdb() -> ModuleType:
    """Imported only where records are read, for it brings pandas."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # wfdb's own, about how it calls pandas
        import wfdb
    assert isinstance(wfdb, ModuleType)
    return wfdb


def _channel(leads: list[str], lead: str) -> int:
    if lead in leads:
        return leads.index(lead)
    if lead == "second":
        if len(leads) < 2:
            raise ValueError(f"it has the lead {leads[0]} alone, and the second is asked for")
        return 1
    return 0


def _digital(wfdb: ModuleType, stem: Path, channel: int, length: int, path: Path, origin: Origin) -> NDArray[np.int64]:
    expected = f"{length} samples of each lead, as the header says"
    try:
        record = wfdb.rdrecord(str(stem), channels=[channel], physical=False)
    except Exception as error:  # wfdb and libsndfile raise many kinds for a cut or foreign file
        raise origin.damaged(path, f"cannot be read ({type(error).__name__}: {error})", expected) from error
    digital = np.asarray(record.d_signal)[:, 0]
    if len(digital) != length:
        raise origin.damaged(path, f"{len(digital)} samples", expected)
    invalid = {"212": -2048, "16": -32768, "516": -32768, "80": -128}.get(str(record.fmt[0]))
    if invalid is not None and (digital == invalid).any():
        first = int(np.argmax(digital == invalid))
        raise origin.damaged(path, f"sample {first} is marked invalid (NaN)", "a signal without gaps")
    return digital.astype(np.int64)


def _compare_checksum(digital: NDArray[np.int64], expected: int | None, path: Path, origin: Origin) -> None:
    """The header's checksum is the sum of the samples, modulo 2^16."""
    if expected is not None and (int(digital.sum()) - int(expected)) % 65536:
        found = f"its samples sum to {int(digital.sum()) % 65536} modulo 65536"
        raise origin.damaged(path, found, f"the header's checksum {int(expected) % 65536}")


def _annotations(
    wfdb: ModuleType, stem: Path, length: int, origin: Origin
) -> tuple[NDArray[np.int64], NDArray[np.str_]]:
    path = stem.parent / f"{stem.name}.atr"
    if path.read_bytes()[-2:] != b"\x00\x00":
        raise origin.damaged(path, "it lacks the end mark (it was cut?)", "annotations that end in two zero bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # as above
            read = wfdb.rdann(str(stem), "atr")
    except Exception as error:  # as for signals
        raise origin.damaged(path, f"cannot be read ({type(error).__name__}: {error})", "MIT annotations") from error
    at = np.asarray(read.sample, np.int64)
    if len(at) and (at.min() < 0 or at.max() >= length or (np.diff(at) < 0).any()):
        raise origin.damaged(path, "it annotates samples out of order or beyond the signal", f"samples below {length}")
    return at, np.asarray(read.symbol)
