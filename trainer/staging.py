"""Copying a data set to node-local scratch, once per node, before many folds read it."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from trainer.attempt import process_start
from trainer.datasets.reader import Reader
from trainer.spec import DataSpec, to_text

WAIT_S = 0.2


def stage(reader: Reader, spec: DataSpec, root: Path | None, scratch: str | None) -> Path | None:
    """The root to read from: a copy below ``scratch`` where the reader says which files it needs, else ``root``.

    Scratch that is not there or full only costs speed: it is warned of, and the data are read where they are. Raises
    what ``reader.files`` raises for data that are missing.
    """
    files: Callable[[Path, object], Sequence[Path]] | None = getattr(reader, "files", None)
    if root is None or scratch is None or files is None:
        return root
    log = logging.getLogger(__name__)
    expanded = os.path.expandvars(scratch)
    if "$" in expanded:
        log.warning("scratch %s: a variable in it is not set on this node; reading %s directly", scratch, root)
        return root
    needed = list(files(root, spec.options))
    try:
        return _copy(needed, root, Path(expanded), to_text(spec))
    except OSError as error:
        log.warning("cannot stage %s below %s (%s); reading %s directly", spec.name, expanded, error, root)
        return root


def _copy(needed: Sequence[Path], root: Path, scratch: Path, text: str) -> Path:
    """The folder of the copy, made by whichever process of this node comes first."""
    total = hashlib.sha256(f"{text}\0{root}".encode())
    for path in sorted(needed):
        facts = path.stat()
        total.update(f"\0{path.relative_to(root)}\0{facts.st_size}\0{facts.st_mtime_ns}".encode())
    target = scratch / f"actsweep-{os.getuid()}" / total.hexdigest()[:16]
    target.parent.mkdir(parents=True, exist_ok=True)
    lock = target.with_suffix(".lock")
    while not target.exists():
        try:
            lock.mkdir()
        except FileExistsError:
            if _abandoned(lock):
                shutil.rmtree(lock, ignore_errors=True)
            time.sleep(WAIT_S)
            continue
        try:
            (lock / "owner").write_text(f"{socket.gethostname()} {os.getpid()}", encoding="utf-8")
            if not target.exists():
                _fill(needed, root, target)
        finally:
            shutil.rmtree(lock, ignore_errors=True)
    return target


def _fill(needed: Sequence[Path], root: Path, target: Path) -> None:
    aside = target.with_suffix(f".{os.getpid()}.part")
    try:
        for path in needed:
            copy = aside / path.relative_to(root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy)
        aside.replace(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _abandoned(lock: Path) -> bool:
    """Whether the process that holds ``lock`` is gone from this node."""
    with contextlib.suppress(OSError, ValueError):
        host, pid = (lock / "owner").read_text(encoding="utf-8").split()
        return host == socket.gethostname() and process_start(int(pid)) is None
    with contextlib.suppress(OSError):
        # No owner yet: it is between two calls, unless it died there.
        return time.time() - lock.stat().st_mtime > 60.0
    return False
