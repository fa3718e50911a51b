"""A study read without its store, where that cannot be brought up to date: from a view made anew of the folder."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from sweeps.tracking.store import DATABASE, leave
from sweeps.tracking.tracker import Tracker

if TYPE_CHECKING:
    from analysis.runs import load


def read(folder: Path) -> load.Study:
    """What a fresh store would say of the study in ``folder``, which stays as it is. Raises :class:`TrackingError` for
    a folder that cannot be read."""
    from analysis.runs import load

    with TemporaryDirectory() as name:
        tracker = Tracker(f"sqlite:///{name}/{DATABASE}", folder)
        try:
            tracker.sync()
            return load.load(tracker.store.uri)
        finally:
            leave(tracker.store)
