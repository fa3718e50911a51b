"""A checksum in each line of a journal. Loads without torch."""

from __future__ import annotations

import json
import zlib
from typing import Any

SEAL = len(',"crc":"00000000"}')


def sealed(line: str) -> str:
    """A record's line with the CRC-32 of its text as its last key, ``crc``, by which a damaged line is told from one
    that is as it was written."""
    return f'{line[:-1]},"crc":"{zlib.crc32(line.encode()):08x}"}}'


def opened(line: str) -> Any:
    """The line's value without its seal; lines of the version before have none. Raises ValueError."""
    raw = json.loads(line)
    if isinstance(raw, dict) and raw.pop("crc", None) is not None:
        record, seal = line[:-SEAL], line[-SEAL:]
        if seal != sealed(record + "}")[-SEAL:]:
            raise ValueError("the line is not what was written: its checksum differs")
    return raw
