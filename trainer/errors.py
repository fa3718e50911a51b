"""What can go wrong on a node.

TrainerError
├── SpecError         (ValueError)  a text between processes that is not what it claims to be
│   └── OtherVersion                one that a version wrote which this one does not read
├── UnknownName       (ValueError)  a name that is in no catalogue
├── DataError         (ValueError)  a data set that is missing, damaged or unfit for the folds asked of it
├── JournalError      (ValueError)  a line of a journal that is no record
└── Superseded                      a newer attempt of the same fold has taken over
"""

from __future__ import annotations


class TrainerError(Exception):
    """Root of every error that the trainer raises on purpose."""


class SpecError(TrainerError, ValueError):
    """A specification text with a missing, unknown or ill-typed field."""


class UnknownName(TrainerError, ValueError):
    """A name that no catalogue lists and no import path resolves."""


class DataError(TrainerError, ValueError):
    """A data set that is missing, damaged, or unfit for the folds asked of it; names the file."""


class JournalError(TrainerError, ValueError):
    """A damaged line of a journal."""


class OtherVersion(SpecError):
    """A file that an older or newer version of actsweep wrote, and that this one does not read."""


class Superseded(TrainerError):
    """A newer attempt of the same fold exists: this one must end without writing more."""
