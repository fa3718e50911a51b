"""A fold's checkpoint: plain tensors and numbers, written aside, forced to disk and renamed; two generations.

A file is whole when its own CRCs say so, so that one that a full disk or a lying file server has torn is passed over
for the one before it.
"""

from __future__ import annotations

import contextlib
import copy
import errno
import io
import logging
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from trainer import journal
from trainer.files import PART, Kept, put_in_place, write_aside, write_kept

FILE = "checkpoint.pt"
PREVIOUS = "checkpoint-previous.pt"
BEST = "best.pt"

State = dict[str, Any]


def save(path: Path, state: State) -> Kept:
    """Writes ``state`` so that ``path`` is either as it was or whole; what was written. Raises OSError."""
    with _system_errors(path):
        return write_kept(path, lambda file: torch.save(state, file))


def save_generation(folder: Path, state: State) -> None:
    """A new newest checkpoint in an attempt's ``folder``; the one before it stays as its understudy."""
    newest = folder / FILE
    # Whole before anything moves: a full disk leaves both generations as they were.
    aside = _write(newest, state)
    if newest.exists():
        newest.replace(folder / PREVIOUS)
    put_in_place(aside, newest)


def _write(path: Path, state: State) -> Path:
    """``state`` in a file beside ``path``, on disk."""
    with _system_errors(path):
        return write_aside(path, lambda file: torch.save(state, file))


@contextlib.contextmanager
def _system_errors(path: Path) -> Iterator[None]:
    """torch's archive writer hides the system's word (disk full, quota) behind its own."""
    try:
        yield
    except RuntimeError as error:
        raise OSError(errno.EIO, f"cannot write the checkpoint ({error}); is the disk full?", str(path)) from error


def copied(value: Any, device: torch.device | None = None) -> Any:
    """A deep copy of a state's tensors and containers, each tensor on its own device, or on ``device``. What a module's
    ``get_extra_state`` gave may be anything."""
    if isinstance(value, torch.Tensor):
        return value.detach().to(value.device if device is None else device, copy=True)
    if type(value) is dict:
        return {key: copied(item, device) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)([copied(item, device) for item in value])
    return copy.deepcopy(value)


def through_a_file(state: State) -> State:
    """``state`` as a checkpoint gives it back, on the CPU. Raises :class:`pickle.UnpicklingError` for what none can
    hold."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    read: State = torch.load(file, map_location="cpu", weights_only=True)
    return read


def newest(fold: Path, digest: str, *, before: int) -> State | None:
    """The newest whole checkpoint of any attempt of a fold numbered below ``before``, on the CPU."""
    for number in reversed(journal.attempts(fold)):
        if number >= before:
            continue
        for name in (FILE, PREVIOUS):
            state = load(journal.attempt_folder(fold, number) / name)
            if state is not None and state.get("digest") == digest:
                return state
    return None


def load(path: Path) -> State | None:
    """The checkpoint at ``path``; None where there is none or it is not whole."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise zipfile.BadZipFile(f"{damaged} fails its checksum")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        return None
    except (zipfile.BadZipFile, RuntimeError, EOFError, KeyError, ValueError, pickle.UnpicklingError) as error:
        logging.getLogger(__name__).warning("%s is not whole (%s): passed over", path, error)
        return None
    return state if isinstance(state, dict) else None


def remove(fold: Path, *, before: int) -> None:
    """Deletes the checkpoints of a fold's attempts numbered below ``before``."""
    for number in journal.attempts(fold):
        if number < before:
            for name in (FILE, PREVIOUS, FILE + PART):
                (journal.attempt_folder(fold, number) / name).unlink(missing_ok=True)
