"""A study folder whose declaration grows: one file holds all of the change, and is there until every file says it.

``extension.json`` is written aside and renamed: from then on the study is the new one, whoever reads the folder. What
follows (ledger, ``plan.json``, ``own_code.json``, ``study.yaml``) can be done again, and is, by the next process that
holds the folder's lock: a driver that was killed between any two of these writes loses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sweeps.errors import StudyError
from sweeps.folder import layout, own_code
from sweeps.folder.growth_records import Extended
from sweeps.folder.ledger import Ledger
from trainer.codec import Format, from_text, to_text
from trainer.errors import SpecError

FILE = "extension.json"
EXTENSION = Format(name="extension of a study", schema=1)


@dataclass(frozen=True, kw_only=True)
class Staged:
    """An extension that is decided, as whole files."""

    FORMAT: ClassVar[Format] = EXTENSION

    schema: int = EXTENSION.schema
    record: Extended
    plan: str
    study: str
    own_code: str | None
    """None where the study names nothing of the user's own."""


def stage(folder: Path, staged: Staged) -> None:
    """Decides it. Hold the folder's lock."""
    layout.write_aside(folder / FILE, to_text(staged))


def read(folder: Path) -> Staged | None:
    """The extension that not every file says yet. Raises :class:`StudyError`."""
    try:
        return from_text(Staged, (folder / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, SpecError) as error:
        raise StudyError(
            f"{folder / FILE}: cannot be read ({error}); restore it from a backup: it says how the study was extended"
        ) from error


def complete(folder: Path) -> None:
    """Makes every file say what was decided; does nothing where they do. Hold the folder's lock."""
    staged = read(folder)
    if staged is None:
        return
    book = Ledger(folder)
    try:
        told = any(record.number == staged.record.number for record in book.state.extended)
        if book.state.opened is not None and not told:  # else nothing was decided that it could change
            book.write(staged.record)
    finally:
        book.close()
    layout.write_aside(folder / layout.PLAN, staged.plan)
    if staged.own_code is not None:
        layout.write_aside(folder / own_code.FILE, staged.own_code)
    layout.write_aside(folder / layout.STUDY, staged.study)
    (folder / FILE).unlink()
