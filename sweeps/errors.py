"""What can go wrong in a sweep.

SweepError
├── StudyError    (ValueError)  a study file that is wrong; names file, line, what it got, what is accepted
├── LedgerError   (ValueError)  a study folder whose ledger cannot be read or belongs to another study
├── FolderBusy                  another driver holds the study folder
├── TrackingError               the MLflow store cannot be written
├── RegistryError (ValueError)  a model that cannot be registered
├── StoreError    (ValueError)  a store for a lab was asked for in a way that cannot be
├── ProbeFailed                 a probe came to no epoch of an activation
├── CodeDrift                   the user's own code is not what the study was started with
└── FoldChanged                 a fold's folder does not hold what the study trains
"""

from __future__ import annotations


class SweepError(Exception):
    """Root of every error that a sweep raises on purpose."""


class StudyError(SweepError, ValueError):
    """A study file that is wrong; names file, line, what it got, what is accepted and the nearest name."""


class LedgerError(SweepError, ValueError):
    """A study folder whose ledger cannot be read, or that belongs to another study."""


class FolderBusy(SweepError):
    """Another driver holds the study folder; names its host and process."""


class TrackingError(SweepError):
    """The MLflow store cannot be written; the journals keep everything and ``actsweep sync`` catches up."""


class StoreError(SweepError, ValueError):
    """A store for a lab that was asked for in a way that cannot be; says what it got and what is accepted."""


class ProbeFailed(SweepError):
    """A probe came to no epoch of an activation; says why."""


class CodeDrift(SweepError):
    """The user's own code changed after the study was started; names the modules and where the kept ones are."""


class FoldChanged(SweepError):
    """A fold's folder does not hold what the study trains; names the file, the difference and what mends it."""


class RegistryError(SweepError, ValueError):
    """A fold's weights that cannot be registered as a model, or not by that name; says why, and what can be done."""
