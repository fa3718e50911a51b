"""What is printed can be printed everywhere: a sign that the terminal's encoding lacks is replaced by one that is read
alike, and never stops a command. Files are UTF-8 whatever the terminal is, see :mod:`actsweep_start`."""

from __future__ import annotations

import codecs
import contextlib
import encodings.ascii
import io
import sys
import unicodedata

ERRORS = "actsweep.readable"
ASCII = "actsweep_ascii"
"""ASCII by a name of ours: what is written to ``ascii`` itself, click writes as UTF-8."""
READ_AS = {
    "±": "+-",
    "·": "-",
    "•": "*",
    "→": "->",
    "←": "<-",
    "↔": "<->",
    "…": "...",
    "×": "x",
    "–": "-",
    "—": "-",
    "−": "-",
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "≈": "~",
    "∞": "inf",
    "√": "sqrt",
    "°": " deg",
    "²": "^2",
    "³": "^3",
    "⁄": "/",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
    "✓": "yes",
    "✗": "no",
    "Δ": "delta",
    "α": "alpha",
    "β": "beta",
    "μ": "u",
    "µ": "u",
    "σ": "sigma",
    "τ": "tau",
    "ß": "ss",
    "ø": "o",
    "Ø": "O",
    "æ": "ae",
    "ł": "l",
}


def settle() -> None:
    """From here on standard output and errors take every text, and what is typed beyond ASCII is read as UTF-8."""
    codecs.register_error(ERRORS, _replaced)
    codecs.register(_ascii)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            ascii_ = codecs.lookup(stream.encoding).name == "ascii"
            with contextlib.suppress(ValueError, OSError):  # a closed one
                stream.reconfigure(errors=ERRORS, encoding=ASCII if ascii_ else None)
    typed = sys.stdin
    if isinstance(typed, io.TextIOWrapper) and codecs.lookup(typed.encoding).name == "ascii":
        with contextlib.suppress(ValueError, OSError):
            typed.reconfigure(encoding="utf-8", errors="surrogateescape")


def read_as(sign: str) -> str:
    """A sign in ASCII: ``+-`` for ±, ``e`` for é, ``|`` for a line of a table, ``\\u4e2d`` for what has none."""
    if sign in READ_AS:
        return READ_AS[sign]
    if "\u2500" <= sign <= "\u257f":  # lines of tables
        return "-" if sign in "─━╌╍═╴╶╸╺" else "|" if sign in "│┃║╎╏" else "+"
    if "\u2580" <= sign <= "\u25ff":  # blocks of bars
        return "#"
    if "\u2800" <= sign <= "\u28ff":  # spinners
        return "*"
    plain = "".join(READ_AS.get(part, part) for part in unicodedata.normalize("NFKD", sign))
    kept = "".join(part for part in plain if part.isascii())
    return kept or sign.encode("ascii", "backslashreplace").decode("ascii")


def _replaced(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    sign = error.object[error.start]
    if "\udc80" <= sign <= "\udcff":  # a byte of a file's name that is no text: as it is on the disk
        return bytes([ord(sign) - 0xDC00]), error.start + 1
    return read_as(sign), error.start + 1


def _ascii(name: str) -> codecs.CodecInfo | None:
    if name != ASCII:
        return None
    known = encodings.ascii.getregentry()
    return codecs.CodecInfo(
        name=ASCII,
        encode=known.encode,
        decode=known.decode,
        incrementalencoder=known.incrementalencoder,
        incrementaldecoder=known.incrementaldecoder,
        streamreader=known.streamreader,
        streamwriter=known.streamwriter,
    )
