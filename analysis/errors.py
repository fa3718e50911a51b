"""What can go wrong in the analysis.

AnalysisError
├── IncompleteFolds   (ValueError)  planned folds are missing and the caller did not say to go on
├── DuplicateRuns     (ValueError)  one key, several runs
├── SourceError       (ValueError)  a store, folder or table that cannot be read
├── DeclarationError  (ValueError)  a control, metric or rule that the runs do not have
└── NotInReport       (ValueError)  a figure or table that a study's report does not have
"""

from __future__ import annotations


class AnalysisError(Exception):
    """Root of every error that the analysis raises on purpose."""


class IncompleteFolds(AnalysisError, ValueError):
    """Planned folds are missing; names each."""


class DuplicateRuns(AnalysisError, ValueError):
    """One key, several runs; lists their ids."""


class SourceError(AnalysisError, ValueError):
    """A store, folder or table that cannot be read; says what was expected."""


class DeclarationError(AnalysisError, ValueError):
    """A control, metric or rule that the runs do not have; lists those they have."""


class NotInReport(AnalysisError, ValueError):
    """A figure or table that a study's report does not have; lists those it has."""
