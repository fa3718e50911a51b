"""Node-local copies of data sets: the first pack on a node reads the shared file system, the others read the copy.

What is copied is the data set as it was read, not its files: so any reader can be staged that says which files its data
hang on (``files(root, options) -> sequence of paths``, optional in a reader), however it stores them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from trainer.attempt import process_start
from trainer.codec import to_text
from trainer.datasets.content import array_digest
from trainer.datasets.fingerprint import identities
from trainer.datasets.reader import Dataset, Mesh, Reader
from trainer.datasets.walk import files_of
from trainer.spec import DataSpec

OPTIONAL = ("labels", "values", "fixed_heldout", "published", "order", "masks", "sizes")
"""Arrays that a data set may have."""
WAIT_S = 0.2
ORPHAN_S = 60.0
"""Age of a lock without an owner's name beyond which its maker must have died."""


def load(reader: Reader, spec: DataSpec, root: Path | None, scratch: str | None, *, code: str) -> Dataset:
    """The data set, through a copy below ``scratch`` where that can be had.

    Scratch that is not there or full only costs speed: it is warned of, and the data are read where they are. Raises
    what the reader raises. ``code``: digest of the trainer's sources; other readers may read the same files otherwise.
    """
    watched = getattr(reader, "files", None)
    if root is None or scratch is None or watched is None:
        return reader.load(root, spec.options)
    log = logging.getLogger(__name__)
    expanded = os.path.expandvars(scratch)
    if "$" in expanded:
        log.warning("scratch %s: a variable in it is not set on this node; reading %s directly", scratch, root)
        return reader.load(root, spec.options)

    files = [file for path in sorted(watched(root, spec.options)) for file in files_of(path)]
    before = identities(files)

    def steady() -> Dataset:
        dataset = reader.load(root, spec.options)
        if identities(files, like=before) != before:
            raise OSError("its files changed while they were read")
        return dataset

    parts = [code, to_text(spec), str(root), *map(str, files), *before]
    total = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    copy = Path(expanded) / f"actsweep-{os.getuid()}" / total[:16]
    try:
        _obtain(copy, steady)
    except OSError as error:
        log.warning("cannot stage %s below %s (%s); reading %s directly", spec.name, expanded, error, root)
        return reader.load(root, spec.options)
    try:
        return _read(copy)
    except (OSError, ValueError, EOFError, KeyError) as error:
        log.warning("the copy %s of %s is damaged (%s) and removed; reading %s directly", copy, spec.name, error, root)
        shutil.rmtree(copy, ignore_errors=True)
        return reader.load(root, spec.options)


def _obtain(copy: Path, read: Callable[[], Dataset]) -> None:
    """Makes ``copy`` unless it is there; of many processes one makes it and the others wait."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    lock = copy.with_suffix(".lock")
    while not copy.exists():
        try:
            lock.mkdir()
        except FileExistsError:
            if _abandoned(lock):
                shutil.rmtree(lock, ignore_errors=True)
            time.sleep(WAIT_S)
            continue
        try:
            (lock / "owner").write_text(f"{socket.gethostname()} {os.getpid()}", encoding="utf-8")
            if not copy.exists():
                _write(copy, read())
        finally:
            shutil.rmtree(lock, ignore_errors=True)


def _write(copy: Path, dataset: Dataset) -> None:
    aside = copy.with_suffix(f".{os.getpid()}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    try:
        arrays = {"items": dataset.items}
        arrays |= {f"group-{number}": array for number, array in enumerate(dataset.groups.values())}
        for name in OPTIONAL:
            if (array := getattr(dataset, name)) is not None:
                arrays[name] = array
        if dataset.mesh is not None:
            arrays["mesh"] = dataset.mesh.nodes
        for name, array in arrays.items():
            np.save(aside / f"{name}.npy", array)
        facts = {
            "name": dataset.name,
            "classes": dataset.classes,
            "groups": list(dataset.groups),
            "kind": dataset.kind,
            "standardise": dataset.standardise,
            "mean": dataset.mean,
            "std": dataset.std,
            "remarks": dataset.remarks,
            "mesh": None if dataset.mesh is None else dataset.mesh.shape,
            "vocabulary": dataset.vocabulary,
            "digest": dataset.digest,
            "arrays": {name: array_digest(np.asarray(array)) for name, array in arrays.items()},
        }
        (aside / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
        aside.rename(copy)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _read(copy: Path) -> Dataset:
    facts: dict[str, Any] = json.loads((copy / "facts.json").read_text(encoding="utf-8"))
    arrays = {name: np.load(copy / f"{name}.npy", mmap_mode="r") for name in facts["arrays"]}
    for name, digest in facts["arrays"].items():
        if array_digest(arrays[name]) != digest:
            raise ValueError(f"{name}.npy holds other bytes than were written")
    return Dataset(
        name=facts["name"],
        items=arrays["items"],
        classes=tuple(facts["classes"]),
        groups={name: np.array(arrays[f"group-{number}"]) for number, name in enumerate(facts["groups"])},
        kind=facts["kind"],
        standardise=facts["standardise"],
        mean=tuple(facts["mean"]),
        std=tuple(facts["std"]),
        remarks=tuple(facts["remarks"]),
        mesh=Mesh(shape=tuple(facts["mesh"]), nodes=np.array(arrays["mesh"])) if "mesh" in arrays else None,
        vocabulary=facts["vocabulary"],
        digest=facts["digest"],
        **{name: np.array(arrays[name]) for name in OPTIONAL if name in arrays},
    )


def _abandoned(lock: Path) -> bool:
    """Whether the process that holds ``lock`` is gone from this node."""
    with contextlib.suppress(OSError, ValueError):
        host, pid = (lock / "owner").read_text(encoding="utf-8").split()
        if host != socket.gethostname():
            return False
        began = process_start(int(pid))
        # A process that began after the lock was made only has the number of the one that made it.
        return began is None or began > (lock / "owner").stat().st_mtime + 2.0
    with contextlib.suppress(OSError):
        return time.time() - lock.stat().st_mtime > ORPHAN_S
    return False
