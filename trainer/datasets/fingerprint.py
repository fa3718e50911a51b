"""Whether files still hold what they held, told at the price of a look at each.

Names, sizes and times of modification do not tell: ``cp -p``, tar, zip and ``rsync -t`` put other bytes under the same
ones. So a file is read whole (SHA-256) when it is first met, and its digest is remembered beside its :class:`State`.
Of that, no program can set the time of change (``ctime``), which every write, rename over and setting of times moves
on: while the state is the same, so are the bytes.

Two kinds of file are read again at every use, because there that does not hold: files that had changed within
``SETTLE_S`` before they were read (the clock of a file system ticks, and a second write within a tick leaves no trace),
and files on file systems not known to keep a time of change of their own (FAT, SMB, FUSE, packed images). An NFS client
may notice a change as late as its mount option ``acregmax`` says, a minute as a rule.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from trainer.errors import DataError

SCHEMA = 1
SETTLE_S = 3.0
KEEP_CHANGE_TIMES = frozenset(
    {
        *("ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "bcachefs", "jfs", "tmpfs"),
        *("nfs", "nfs4", "lustre", "gpfs", "beegfs", "ceph", "orangefs", "pvfs2", "wekafs", "panfs", "gfs2", "ocfs2"),
    }
)
"""Types of file systems, as the kernel names them, that set a time of change themselves. Not squashfs and its like, nor
overlays, which may lie on one: two images packed alike have the same times and inodes."""
_THREADS = 16
"""Looks at files under way at once: on a shared disk each waits for a server."""
_SOME = 256

_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")


class State(NamedTuple):
    """What a file system says of a file."""

    size: int
    modified_ns: int
    changed_ns: int
    inode: int

    def settled(self, now: float) -> bool:
        """Whether a change after ``now`` (seconds since 1970) would show in it."""
        return now - self.changed_ns / 1e9 > SETTLE_S


class Found(NamedTuple):
    state: State
    device: int


def look(paths: Sequence[Path]) -> list[Found]:
    """States of files, links followed. Raises :class:`DataError` for what is no file or cannot be looked at."""
    return of_each(_look, paths)


def sha256(path: Path) -> str:
    """Of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class Known:
    """Digests of the files of a folder, remembered in a file of the first of ``places`` that can be written.

    A file of memory that is damaged, or that cannot be written, costs the reading and nothing else; of two processes
    that write one, the later is kept."""

    def __init__(self, folder: Path, places: Sequence[Path], read: Callable[[Path], str] = sha256) -> None:
        """``read``: gives the digest of a file that is not known."""
        whose = os.path.abspath(folder)  # noqa: PTH100  # links stay: what they lead to shows in the states
        name = hashlib.sha256(os.fsencode(whose)).hexdigest()[:24]
        self.folder, self.read = folder, read
        self._files = [place / "known" / f"{name}.json" for place in places]
        self._old = _remembered(self._files, whose)
        self._whose = whose
        self._new: dict[str, list[Any]] = {}

    def digests(self, paths: Sequence[Path], found: Sequence[Found]) -> list[str]:
        """Of files in the states in which they were ``found``. Raises :class:`DataError` for a file that changes
        meanwhile."""
        sure = keep_change_times(paths, found)
        pairs = zip(paths, found, strict=True)
        answers = [self._known(path, seen) if seen.device in sure else "" for path, seen in pairs]
        unread = [place for place, answer in enumerate(answers) if not answer]
        now = time.time()  # before the reading: a later change must show
        read = of_each(self._read, [(paths[place], found[place]) for place in unread])
        for place, digest in zip(unread, read, strict=True):
            answers[place] = digest
            if found[place].device in sure and found[place].state.settled(now):
                self._new[self.name(paths[place])] = [*found[place].state, digest]
        return answers

    def save(self) -> None:
        """Remembers what was read since."""
        if not self._new:
            return
        text = json.dumps({"schema": SCHEMA, "folder": self._whose, "files": self._old | self._new})
        for file in self._files:
            with contextlib.suppress(OSError):
                file.parent.mkdir(parents=True, exist_ok=True)
                _replace(file, text)
                return

    def name(self, path: Path) -> str:
        """Of a file, below the folder."""
        return str(path).removeprefix(f"{self.folder}{os.sep}")

    def _known(self, path: Path, seen: Found) -> str:
        known = self._old.get(self.name(path))
        return str(known[-1]) if known is not None and known[:-1] == list(seen.state) else ""

    def _read(self, pair: tuple[Path, Found]) -> str:
        path, before = pair
        digest = _whole(path, self.read)
        if _look(path) != before:
            raise changed(path)
        return digest


def identities(paths: Sequence[Path], *, like: Sequence[str] = ()) -> list[str]:
    """A text for each file that is another one once the file holds other bytes; nothing is remembered. Earlier texts
    (``like``) of the same files can be compared with the new ones."""
    now = time.time()
    found = look(paths)
    sure = keep_change_times(paths, found)

    def told(place: int) -> str:
        state, device = found[place]
        read = device not in sure or not state.settled(now) or (like and len(like[place].split()) > len(state))
        return " ".join(map(str, [*state, *([_whole(paths[place], sha256)] if read else [])]))

    return of_each(told, range(len(paths)))


def changed(path: Path) -> DataError:
    return DataError(f"{path} changed while it was read; wait until whatever writes it is done, then try again")


def keep_change_times(paths: Sequence[Path], found: Sequence[Found]) -> frozenset[int]:
    """Those devices of files whose file systems keep a time of change that no program can set."""
    an_example = {seen.device: path for path, seen in zip(paths, found, strict=True)}
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return frozenset()
    return frozenset(
        device
        for device, path in an_example.items()
        if file_system(mounts, device, os.path.realpath(path.parent)) in KEEP_CHANGE_TIMES
    )


def file_system(mounts: Sequence[str], device: int, folder: str) -> str:
    """The kernel's name for the type of file system, from the lines of ``/proc/<process>/mountinfo``: by the device's
    number, else (btrfs numbers its own) by the longest mount point above ``folder``."""
    longest, found = "", ""
    for line in mounts:
        head, _, tail = line.partition(" - ")
        fields, kind = head.split(), tail.split()[0]
        if fields[2] == f"{os.major(device)}:{os.minor(device)}":
            return kind
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4])
        inside = point == "/" or folder == point or folder.startswith(f"{point}/")
        if inside and len(point) >= len(longest):
            longest, found = point, kind
    return found


def _look(path: Path) -> Found:
    try:
        facts = path.stat()
    except FileNotFoundError as error:
        gone = f"is a link to {path.readlink()}, which is not there" if path.is_symlink() else "is missing"
        raise DataError(f"{path} {gone}") from error
    except OSError as error:
        raise DataError(f"{path} cannot be looked at ({error.strerror})") from error
    if not stat.S_ISREG(facts.st_mode):
        raise DataError(f"{path} is no file")
    return Found(State(facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino), facts.st_dev)


def _whole(path: Path, read: Callable[[Path], str]) -> str:
    try:
        return read(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}); make it readable here") from error


def _remembered(files: Sequence[Path], whose: str) -> dict[str, list[Any]]:
    """Of the same file in several memories, what was seen last."""
    newest: dict[str, list[Any]] = {}
    for file in files:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            raw: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            if raw["schema"] == SCHEMA and raw["folder"] == whose:
                for name, (*state, digest) in raw["files"].items():
                    known = State(*map(int, state))
                    if name not in newest or known.changed_ns > newest[name][2]:
                        newest[name] = [*known, str(digest)]
    return newest


def _replace(file: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile("w", dir=file.parent, prefix=".", delete=False) as aside:
        aside.write(text)
    try:
        Path(aside.name).chmod(0o644)
        Path(aside.name).replace(file)
    except OSError:
        Path(aside.name).unlink(missing_ok=True)
        raise


def of_each(one: Callable[[_Item], _Answer], many: Sequence[_Item]) -> list[_Answer]:
    """``one`` of each, in order; in threads where there are enough to be worth it."""

    def some(start: int) -> list[_Answer]:
        return [one(item) for item in many[start : start + _SOME]]

    starts = range(0, len(many), _SOME)
    if len(starts) < 2:
        return [one(item) for item in many]

    def answers() -> Iterator[_Answer]:
        with ThreadPoolExecutor(_THREADS) as threads:
            for part in threads.map(some, starts):
                yield from part

    return list(answers())
