"""The ledger: the driver's decisions, one JSON record a line, forced to disk before they are acted upon.

State is a replay: :func:`replay` folds the records into a :class:`State`, and whatever the driver knows beyond that it
reads from journals and from the cluster. A torn last line is dropped, and cut off before the next record is appended.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from sweeps.errors import LedgerError
from sweeps.folder import whole_lines
from sweeps.folder.records import KINDS, LEDGER, LedgerRecord, Migrated, Opened
from sweeps.folder.state import State
from trainer.codec import from_plain
from trainer.errors import SpecError

FILE = "ledger.jsonl"


class Ledger:
    """The one writer of a study's ledger; keeps what its records say, not the records. Opening it cuts off a torn last
    line."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self.state = State()
        last: _Line | None = None
        for line in _lines(self.path):
            self.state.apply(line.record)
            last = line
        whole = last.end if last is not None else 0
        whole_lines.cut(self.path, whole)
        self._file: IO[str] = self.path.open("a", encoding="utf-8")
        if last is not None and last.written not in (None, LEDGER.schema):
            self.write(Migrated(schema=LEDGER.schema))

    def write(self, *records: LedgerRecord) -> None:
        """Appends, forces to disk, then applies: what is not on disk has not been decided. Records that are decided
        together go to disk in one step."""
        if not records:
            return
        self._file.write("".join(json.dumps(dataclasses.asdict(r), separators=(",", ":")) + "\n" for r in records))
        self._file.flush()
        os.fsync(self._file.fileno())
        for record in records:
            self.state.apply(record)

    def close(self) -> None:
        self._file.close()


def read(path: Path) -> Iterator[LedgerRecord]:
    """The whole records of a ledger, as this version writes them, one by one. Raises :class:`LedgerError` for a damaged
    line that is not the torn last one."""
    return (line.record for line in _lines(path))


def refuse_foreign(folder: Path, state: State, digest: str) -> None:
    """Raises :class:`LedgerError` where what a folder's ledger says, ``state``, is not of the study of this digest, or
    is nothing although there are trials."""
    trials = folder / "trials"
    if state.opened is None and trials.is_dir() and any(trials.iterdir()):
        raise LedgerError(
            f"{folder}: has trials but no {FILE} that says what was decided and submitted; restore the file from a "
            "backup, or start the study in another folder"
        )
    if state.opened is not None and state.study_digest != digest:
        raise LedgerError(
            f"{folder}: its ledger belongs to another version of the study (digest {state.study_digest}, got "
            f"{digest}); restore study.yaml, or start the changed study in another folder"
        )


class _Line(NamedTuple):
    record: LedgerRecord
    written: int | None
    """The schema of the version that wrote it."""
    end: int
    """Bytes of the ledger up to its end."""


def _lines(path: Path) -> Iterator[_Line]:
    written: int | None = None
    for number, line, end in whole_lines.read(path):
        try:
            raw = json.loads(line)
            kind = KINDS[raw["kind"]]
            if kind in (Opened, Migrated):
                written = raw["schema"]
            yield _Line(from_plain(kind, raw, written=written), written, end)
        except (ValueError, KeyError, TypeError, SpecError) as error:
            raise LedgerError(
                f"{path}:{number}: not a ledger record ({error}); restore the file from a "
                "backup, or start the study in another folder"
            ) from error
