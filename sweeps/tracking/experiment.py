"""What the experiment of a study says of itself in MLflow, beside its runs."""

from __future__ import annotations

from sweeps.tracking import shared_views
from sweeps.tracking.folder_reader import FolderReader


def tags(reader: FolderReader) -> dict[str, str]:
    """The tags that the experiment is to have, all of them ours to change; those of ours that it has beyond these are
    taken away."""
    return shared_views.of_folder(reader)
