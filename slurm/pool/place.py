"""Where a pool's folder is: below the first folder of jobs that its cluster was opened with. Studies that share one
(of a suite) each keep a word on where it is, so that any of them can be driven alone."""

from __future__ import annotations

import os
from pathlib import Path

from slurm.files import write_whole

FOLDER, POINTER = "pool", "pool.at"
LOG = "log.out"


def folder(*roots: Path) -> Path:
    """The pool of these folders of jobs, whether it is there or not."""
    root = roots[0].expanduser().absolute()
    try:
        said = (root / POINTER).read_text(encoding="utf-8").strip()
    except OSError:
        return root / FOLDER
    return Path(os.path.normpath(root / said))


def settle(root: Path, pool: Path) -> Path:
    """Notes in a folder of jobs where their pool is, where that is elsewhere; gives the folder, absolute."""
    root = root.expanduser().absolute()
    root.mkdir(parents=True, exist_ok=True)
    if folder(root) != pool:
        write_whole(root / POINTER, os.path.relpath(pool, root) + "\n")
    return root


def log(job: str, root: Path) -> Path:
    """Where the output of what runs by a ticket goes; ``root``: the folder that it was submitted with."""
    return root / job / LOG
