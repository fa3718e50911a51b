"""Identity of the code that trains a fold, to notice a node that runs other code than what planned its folds."""

from __future__ import annotations

import hashlib
from pathlib import Path

from trainer.own_code import Codes

_settled: bytes | None = None


def digest(own: Codes | None = None) -> str:
    """16 hexadecimal digits of the SHA-256 over the names and contents of the trainer's Python files, and over the
    user's own code that a study uses."""
    total = hashlib.sha256(_sources() if _settled is None else _settled)
    for module, code in sorted((own or {}).items()):
        total.update(f"{module}\0{code}\0".encode())
    return total.hexdigest()[:16]


def settle() -> None:
    """From now on the trainer's files as they are at this moment are what counts: a process that stays goes on with
    what it has imported, whatever is installed meanwhile."""
    global _settled
    _settled = _sources()


def _sources() -> bytes:
    root = Path(__file__).parent
    parts = []
    for path in sorted(root.rglob("*.py")):
        parts.append(f"{path.relative_to(root).as_posix()}\0".encode())
        parts.append(hashlib.sha256(path.read_bytes()).digest())
    return b"".join(parts)
