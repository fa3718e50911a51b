"""Who may train a fold: attempts are numbered folders, made by mkdir, so that exactly one process gets each number.

The newest attempt counts. An older one that is still training (its node was cut off, its fold was started again
elsewhere) sees the newer folder before its next write and ends itself.
"""

from __future__ import annotations

import contextlib
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from trainer import journal
from trainer.codec import from_text, to_text
from trainer.errors import SpecError, Superseded
from trainer.spec import FoldSpec

SPEC_FILE = "spec.json"
STOP_FILE = "STOP"
LEFT_FILE = "LEFT"
"""In an attempt's folder: its process is done with it, and may go on to others."""

RUNNING_ELSEWHERE = "running elsewhere"


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A fold's folder and the number that this process has in it."""

    fold: Path
    number: int

    @property
    def folder(self) -> Path:
        return journal.attempt_folder(self.fold, self.number)

    def check(self) -> None:
        """Raises :class:`Superseded` once a newer attempt exists."""
        newest = journal.newest_number(self.fold)
        if newest > self.number:
            raise Superseded(f"{self.folder}: attempt {newest} has taken over; this one ends")

    def leave(self) -> None:
        """Says that this process is done with the attempt, though the fold has no end."""
        with contextlib.suppress(OSError):  # then it counts as running here while the process lives
            (self.folder / LEFT_FILE).touch()

    @property
    def stop_asked(self) -> bool:
        return (self.fold / STOP_FILE).exists()


def enter(fold: Path, spec: FoldSpec) -> None:
    """Makes the fold's folder and its spec.json. Raises :class:`SpecError` where the folder is another fold's."""
    fold.mkdir(parents=True, exist_ok=True)
    path = fold / SPEC_FILE
    if not path.exists():
        aside = path.with_name(f"{SPEC_FILE}.{socket.gethostname()}.{os.getpid()}")
        aside.write_text(to_text(spec) + "\n", encoding="utf-8")
        try:
            # A link, not a rename: of two writers one wins and the other finds out.
            os.link(aside, path)
        except FileExistsError:
            pass
        except OSError:  # a file system without links
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
    try:
        found = from_text(FoldSpec, path.read_text(encoding="utf-8"))
    except (SpecError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: damaged ({error}); `actsweep resume` writes it anew") from error
    if found.digest != spec.digest:
        raise SpecError(
            f"{path}: holds fold {found.digest} of study {found.study!r}, not {spec.digest} of {spec.study!r}; "
            "give the study another folder, or move this one away"
        )


def claim(fold: Path) -> Attempt | str:
    """The next attempt, claimed; or, where none is to be made, why: the status that the fold has ended with, or
    :data:`RUNNING_ELSEWHERE` where a living process of this host is at it."""
    while True:
        numbers = journal.attempts(fold)
        history = journal.read_fold(fold)
        if history is not None:
            if history.end is not None:
                return history.end.status
            running = history.start.attempt == numbers[-1] and _alive(history.start)
            if running and not (journal.attempt_folder(fold, numbers[-1]) / LEFT_FILE).exists():
                return RUNNING_ELSEWHERE
        attempt = Attempt(fold=fold, number=journal.newest_number(fold) + 1)
        try:
            attempt.folder.mkdir()
        except FileExistsError:
            continue
        return attempt


def _alive(start: journal.Start) -> bool:
    """Whether the process that wrote ``start`` is another one than this, of this host and of this Slurm run, if any,
    and still there. A job that Slurm started again has its word that the earlier run is over: a process of that run
    which is not (its node was cut off) is fenced off, not waited for."""
    if any(start.environment.get(name) != os.environ.get(name) for name in ("SLURM_JOB_ID", "SLURM_RESTART_COUNT")):
        return False
    if start.host != socket.gethostname() or start.pid == os.getpid():
        return False
    began = process_start(start.pid)
    # A process that began after the record was written only has the number of the one that wrote it.
    return began is not None and began <= start.time + 2.0


def process_start(pid: int) -> float | None:
    """When a process of this host began, in seconds since the Unix epoch (to about a second); None where it is gone, or
    dead and not yet collected."""
    try:
        # The command may hold spaces and brackets: fields count from the last bracket; state is the first after it.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        boot = next(line for line in Path("/proc/stat").read_text(encoding="utf-8").splitlines() if line[:5] == "btime")
    except (OSError, StopIteration):
        return None
    if fields[0] in ("Z", "X"):
        return None
    return int(boot.split()[1]) + int(fields[19]) / os.sysconf("SC_CLK_TCK")
