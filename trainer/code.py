"""Identity of the code that trains a fold, to notice a node that runs other code than what planned its folds."""

from __future__ import annotations

import hashlib
from pathlib import Path

from trainer.own_code import Codes


def digest(own: Codes | None = None) -> str:
    """16 hexadecimal digits of the SHA-256 over the names and contents of the trainer's Python files, and over the
    user's own code that a study uses."""
    root = Path(__file__).parent
    total = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        total.update(f"{path.relative_to(root).as_posix()}\0".encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    for module, code in sorted((own or {}).items()):
        total.update(f"{module}\0{code}\0".encode())
    return total.hexdigest()[:16]
