"""One driver per study folder: a lock file that names its holder.

Made with O_EXCL, which holds on NFS and Lustre where advisory locks may not. A holder on this host is looked up by
process; one on another host is taken for dead when its heartbeat (the file's age) is older than ``STALE_S``.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from pathlib import Path

import psutil

from sweeps.errors import FolderBusy
from sweeps.folder import place
from sweeps.folder.layout import quote_path

FILE = "driver.lock"
STALE_S = 900.0


class Lock:
    """Held from construction to :meth:`release`. Raises :class:`FolderBusy` while another driver lives."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._text = json.dumps(
            {
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "started": psutil.Process().create_time(),
                "job": os.environ.get("SLURM_JOB_ID"),
            }
        )
        for _ in range(2):
            try:
                descriptor = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
            except FileExistsError:
                self._remove_if_dead()
            else:
                try:
                    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                        file.write(self._text)
                except BaseException:  # a full disk: an empty lock would keep everybody out
                    self._path.unlink(missing_ok=True)
                    raise
                return
        raise FolderBusy(busy(self._path.parent))

    def beat(self) -> None:
        """Shows that the driver lives. Raises :class:`FolderBusy` where it was taken for dead and another one has its
        place: frozen for longer than ``STALE_S``, say."""
        if not self._ours():
            raise FolderBusy(busy(self._path.parent))
        os.utime(self._path)

    def release(self) -> None:
        if self._ours():
            self._path.unlink(missing_ok=True)

    def _ours(self) -> bool:
        try:
            return self._path.read_text(encoding="utf-8") == self._text
        except FileNotFoundError:
            return False

    def _remove_if_dead(self) -> None:
        try:
            dead = self._path.read_text(encoding="utf-8")
            if held(self._path.parent):
                return
            # Renamed first, so that of two drivers that both find it dead only one removes it.
            aside = self._path.with_name(f"{FILE}.{os.getpid()}.dead")
            self._path.rename(aside)
        except FileNotFoundError:
            return
        if aside.read_text(encoding="utf-8") != dead:  # another driver was quicker, and this is its lock
            with contextlib.suppress(FileExistsError):
                os.link(aside, self._path)
        aside.unlink()


def held(folder: Path) -> bool:
    """Whether a living driver holds the folder."""
    path = folder / FILE
    try:
        age_s = time.time() - path.stat().st_mtime
        holder = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    except json.JSONDecodeError:
        return age_s < STALE_S  # its maker died, or is about to write it
    if place.original(folder) is not None:
        return False  # copied with its folder: the driver holds the original
    if holder["host"] != socket.gethostname():
        requeued = holder["job"] is not None and holder["job"] == os.environ.get("SLURM_JOB_ID")
        return age_s < STALE_S and not requeued  # a job that Slurm started elsewhere has ended where it was
    try:
        return bool(abs(psutil.Process(holder["pid"]).create_time() - holder["started"]) < 1.0)
    except psutil.NoSuchProcess:
        return False


def busy(folder: Path) -> str:
    """Who holds the folder, and what to do."""
    path = folder / FILE
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        who = f"process {holder['pid']} on {holder['host']}"
    except (OSError, json.JSONDecodeError, KeyError):
        who = "an unknown process"
    study = quote_path(folder)
    return (
        f"{folder}: another driver ({who}) holds this study. Watch it with `actsweep status {study}`, or "
        f"end it with `actsweep stop {study}`; if that host is gone for good, delete {path}"
    )
