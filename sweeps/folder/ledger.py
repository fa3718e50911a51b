"""The ledger: the driver's decisions, one JSON record a line, forced to disk before they are acted upon.

State is a replay: :func:`replay` folds the records into a :class:`State`, and whatever the driver knows beyond that it
reads from journals and from the cluster. A torn last line is dropped, and cut off before the next record is appended.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from sweeps.errors import LedgerError
from sweeps.folder.records import KINDS, LEDGER, LedgerRecord, Migrated, Opened
from sweeps.folder.state import replay
from trainer.codec import from_plain
from trainer.errors import SpecError

FILE = "ledger.jsonl"


class Ledger:
    """The one writer of a study's ledger. Opening it cuts off a torn last line."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self.records = list(read(self.path))
        self.state = replay(self.records)
        whole = sum(len(line) for line in _whole_lines(self.path))
        if self.path.exists() and self.path.stat().st_size != whole:
            os.truncate(self.path, whole)
        self._file: IO[str] = self.path.open("a", encoding="utf-8")
        if _written(self.path) not in (None, LEDGER.schema):
            self.write(Migrated(schema=LEDGER.schema))

    def write(self, *records: LedgerRecord) -> None:
        """Appends, forces to disk, then applies: what is not on disk has not been decided."""
        self._file.write("".join(json.dumps(dataclasses.asdict(r), separators=(",", ":")) + "\n" for r in records))
        self._file.flush()
        os.fsync(self._file.fileno())
        for record in records:
            self.state.apply(record)

    def close(self) -> None:
        self._file.close()


def read(path: Path) -> Iterable[LedgerRecord]:
    """The whole records of a ledger, as this version writes them. Raises :class:`LedgerError` for a damaged line that
    is not the torn last one."""
    written: int | None = None
    for number, line in enumerate(_whole_lines(path), start=1):
        try:
            raw = json.loads(line)
            kind = KINDS[raw["kind"]]
            if kind in (Opened, Migrated):
                written = raw["schema"]
            yield from_plain(kind, raw, written=written)
        except (ValueError, KeyError, TypeError, SpecError) as error:
            raise LedgerError(
                f"{path}:{number}: not a ledger record ({error}); restore the file from a "
                "backup, or start the study in another folder"
            ) from error


def _written(path: Path) -> int | None:
    """The schema of the last records of a ledger; None of an empty one."""
    said = [json.loads(line) for line in _whole_lines(path) if b'"opened"' in line or b'"migrated"' in line]
    schemas = [raw["schema"] for raw in said if raw["kind"] in ("opened", "migrated")]
    return schemas[-1] if schemas else None


def _whole_lines(path: Path) -> list[bytes]:
    if not path.exists():
        return []
    return [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
