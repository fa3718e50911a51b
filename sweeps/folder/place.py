"""Where a study folder lies, so that a copy of it (``cp -r``) is not taken for the study: its ledger names jobs that
are the original's.

``place.json`` is written when the folder is made and says a random name, the path, the inode and the host. A copy holds
the same name, and at the path there is a folder that holds it, too. A folder that was moved (``mv``), or whose original
was removed since, is the study, wherever it lies.
"""

from __future__ import annotations

import dataclasses
import json
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sweeps.errors import StudyError
from sweeps.folder.layout import quote_path, write_aside
from trainer.codec import Format, from_text
from trainer.errors import SpecError

FILE = "place.json"
PLACE = Format(name="place of a study", schema=1)


@dataclass(frozen=True, kw_only=True)
class Place:
    FORMAT: ClassVar[Format] = PLACE

    schema: int = PLACE.schema
    folder: str
    """Random: what a folder and its copies have in common, and no other."""
    path: str
    inode: int
    """The same on every host that shares the file system, and after a rename within it."""
    host: str


def settle(folder: Path) -> None:
    """Writes down where the folder lies now."""
    known, home = read(folder), folder.resolve()
    now = Place(
        folder=known.folder if known else secrets.token_hex(16),
        path=str(home),
        inode=home.stat().st_ino,
        host=socket.gethostname(),
    )
    if known is None or (known.path, known.inode) != (now.path, now.inode):
        write_aside(folder / FILE, json.dumps(dataclasses.asdict(now), indent=1))


def read(folder: Path) -> Place | None:
    """None where there is none: an earlier version made the folder. Raises :class:`StudyError`."""
    path = folder / FILE
    try:
        return from_text(Place, path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (SpecError, UnicodeDecodeError) as error:
        raise StudyError(
            f"{path}: cannot be read ({error}); delete it, unless this folder is a copy of a study that goes on"
        ) from error


def original(folder: Path) -> Path | None:
    """The study folder of which this one is a copy; None where this one is the study."""
    known, home = read(folder), folder.resolve()
    if known is None or known.path == str(home):
        return None
    there = Path(known.path)
    try:
        other = read(there)
        copied = other is not None and other.folder == known.folder and not there.samefile(home)
    except (OSError, StudyError):  # what cannot be read there is none of ours
        return None
    return there if copied else None


def refuse_copy(folder: Path) -> None:
    """Raises :class:`StudyError` where the folder is a copy, and where that cannot be told from here."""
    if (there := original(folder)) is not None:
        raise StudyError(
            f"{folder}: a copy of the study in {there}, whose jobs are that folder's: nothing is submitted or stopped "
            f"from here. Go on with {quote_path(there)}; or remove that folder for good, and this one is the study; or "
            "run the study anew into another folder, with --folder. `actsweep status` and `report` read copies, too"
        )
    known = read(folder)
    if known is None or known.host == socket.gethostname() or Path(known.path).exists():
        return
    if folder.stat().st_ino != known.inode:
        raise StudyError(
            f"{folder}: was in {known.path} on {known.host}, and whether it was moved or copied cannot be told from "
            f"here. Go on with it there; or, where that folder is gone for good, delete {folder / FILE}"
        )
