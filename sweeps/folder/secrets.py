"""Credentials never reach a file, a log or a message."""

from __future__ import annotations

import re

_USERINFO = re.compile(r"(?<=://)[^/\s'\"]*@")


def redact(text: str) -> str:
    """The text with the user and password of every URI in it replaced by ``***``."""
    return _USERINFO.sub("***@", text)
