"""Identity of the trainer's sources, to notice a node that runs other code than the one that planned its folds."""

from __future__ import annotations

import hashlib
from pathlib import Path


def digest() -> str:
    """16 hexadecimal digits of the SHA-256 over the names and contents of the trainer's Python files."""
    root = Path(__file__).parent
    total = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        total.update(f"{path.relative_to(root).as_posix()}\0".encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:16]
