"""What a study or suite told of its ends: ``notices.jsonl``, a ledger of its own beside the study's, by the same rules.
A notice is in it before it is handed to anybody, and so is each time that it is; what became of that follows. A torn
last line is dropped. Addresses are never in it.

Whether a notice came can be unknown: who handed it over was killed before the answer, or there was none. It is handed
over once more then, with the same id, and not a third time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import os
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO, ClassVar, Literal, get_args

from sweeps.errors import LedgerError
from sweeps.folder import whole_lines
from trainer.codec import Format, from_plain
from trainer.errors import SpecError

FILE = "notices.jsonl"
NOTICES = Format(name="notices", schema=1)
REFUSALS, UNKNOWNS = 12, 2
"""Times that a receiver may refuse a notice, by whichever driver, and that it may leave it without an answer."""


class Outcome(StrEnum):
    DELIVERED = "delivered"
    REFUSED = "refused"
    """For now: not reached, or out of order. It is asked again."""
    REJECTED = "rejected"
    """For good: a wrong address, a command that failed."""
    UNKNOWN = "unknown"
    """It was reached and did not answer."""


@dataclass(frozen=True, kw_only=True)
class Due:
    """Something is to be told."""

    FORMAT: ClassVar[Format] = NOTICES

    kind: Literal["due"] = "due"
    schema: int = NOTICES.schema
    id: str
    """Random; the same whenever this notice is handed over."""
    of: str
    """What happened, as nothing else that happened is called: "end 1"."""
    event: str
    time: float


@dataclass(frozen=True, kw_only=True)
class Begun:
    """It is about to be handed to a receiver: ``url`` or ``command``."""

    kind: Literal["begun"] = "begun"
    id: str
    to: str
    time: float


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What became of the last time."""

    kind: Literal["answered"] = "answered"
    id: str
    to: str
    outcome: Outcome
    said: str = ""
    """By the receiver, in words."""


Record = Due | Begun | Answered
_KINDS: dict[str, type[Record]] = {str(t.__dataclass_fields__["kind"].default): t for t in get_args(Record)}


@dataclass(kw_only=True)
class Notice:
    """A notice and how it stands."""

    due: Due
    tries: dict[str, list[Outcome]] = field(default_factory=dict)
    """Receiver -> what became of each time that it was handed over; unknown until it is answered."""
    said: dict[str, str] = field(default_factory=dict)
    """Receiver -> its last words."""

    def outcome(self, to: str) -> Outcome | None:
        """The last one; None where it was never handed over."""
        return next(reversed(self.tries.get(to, ())), None)

    def settled(self, to: str) -> bool:
        """Whether it is not handed to this receiver any more."""
        tries = self.tries.get(to, [])
        return (
            Outcome.DELIVERED in tries
            or Outcome.REJECTED in tries
            or tries.count(Outcome.REFUSED) >= REFUSALS
            or tries.count(Outcome.UNKNOWN) >= UNKNOWNS
        )


class Book:
    """The notices of a folder, by what happened. ``write``: to add to them; a torn last line is cut off then. Raises
    :class:`LedgerError` for a damaged line that is not the torn last one."""

    def __init__(self, folder: Path, *, write: bool = False) -> None:
        self.path = folder / FILE
        self.notices: dict[str, Notice] = {}
        self._by_id: dict[str, Notice] = {}
        whole = self._read()
        self._file: IO[bytes] | None = None
        if write:
            whole_lines.cut(self.path, whole)
            self._file = self.path.open("ab", buffering=0)

    def _read(self) -> int:
        """Bytes up to the end of the last whole line."""
        whole = 0
        for number, line, end in whole_lines.read(self.path):
            whole = end
            try:
                raw = json.loads(line)
                self.note(from_plain(_KINDS[raw["kind"]], raw))
            except (ValueError, KeyError, TypeError, SpecError) as error:
                raise LedgerError(
                    f"{self.path}:{number}: not a notice ({error}); restore the file, or remove it: what was told "
                    "last may be told again then"
                ) from error
        return whole

    def write(self, record: Record) -> None:
        """Appends and forces to disk, then notes. Raises :class:`OSError`, and the file is as it was."""
        assert self._file is not None, "opened to read"
        size = self.path.stat().st_size
        try:
            line = (json.dumps(dataclasses.asdict(record), separators=(",", ":")) + "\n").encode()
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file.fileno())
        except OSError:
            with contextlib.suppress(OSError):
                os.truncate(self.path, size)
            raise
        self.note(record)

    def note(self, record: Record) -> None:
        """What is not written down is known to this process alone."""
        if isinstance(record, Due):
            self.notices[record.of] = self._by_id[record.id] = Notice(due=record)
            return
        notice = self._by_id[record.id]
        tries = notice.tries.setdefault(record.to, [])
        if isinstance(record, Begun):
            tries.append(Outcome.UNKNOWN)
        else:
            tries[-1] = record.outcome
            notice.said[record.to] = record.said

    @property
    def last(self) -> Notice | None:
        return next(reversed(self.notices.values()), None)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
