"""What people are told of an error, and which exit code it has."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

import click

from sweeps.cli import exit_codes

_NO_ROOM = "free some space, then go on with `actsweep resume DIR`"
_NOT_OURS = "choose a folder that you may write, as with --folder"
MEANT_FOR_THE_USER = {
    errno.ENOSPC: _NO_ROOM,
    errno.EDQUOT: _NO_ROOM,
    errno.EACCES: _NOT_OURS,
    errno.EPERM: _NOT_OURS,
    errno.EROFS: _NOT_OURS,
    errno.ENAMETOOLONG: "choose a shorter folder, as with --folder",
    errno.ENOTDIR: "choose a folder that can be made, as with --folder",
    errno.EEXIST: "choose a folder that can be made, as with --folder",
}
"""Refusals of the machine -> what to do. Any other is a fault of ours, and shows its traceback."""


class Refusal(NamedTuple):
    words: str
    code: int


def of(error: Exception) -> Refusal | None:
    """None for an error that is a fault of ours."""
    from analysis.errors import AnalysisError, IncompleteFolds
    from slurm.errors import ClusterError
    from sweeps.errors import FolderBusy, SweepError
    from trainer.errors import TrainerError

    if isinstance(error, FolderBusy):
        return Refusal(str(error), exit_codes.BUSY)
    if isinstance(error, IncompleteFolds):
        return Refusal(str(error), exit_codes.INCOMPLETE)
    if isinstance(error, SweepError | ClusterError | TrainerError | AnalysisError):
        return Refusal(str(error), exit_codes.WRONG if isinstance(error, ValueError) else exit_codes.FAILED)
    if isinstance(error, OSError) and error.errno in MEANT_FOR_THE_USER:
        where = f"{error.filename}: " if error.filename else ""
        words = f"{where}{error.strerror}; {MEANT_FOR_THE_USER[error.errno]}. Nothing that was decided is lost"
        return Refusal(words, exit_codes.FAILED)
    return None


def as_json(command: Callable[..., None]) -> Callable[..., None]:
    """The command on a study, which prints what is wrong as one JSON object too where it was asked for ``--json``."""

    @wraps(command)
    def told(**given: Any) -> None:
        try:
            command(**given)
        except Exception as error:
            refusal = of(error)
            if given["as_json"] and refusal is not None:
                from sweeps.view import checked

                click.echo(json.dumps(checked.refused(given["study"], error, refusal.words), indent=1))
            raise

    return told
