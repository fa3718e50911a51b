"""What is said where a study is to be run in the folder of another version of it."""

from __future__ import annotations

from pathlib import Path

from sweeps.folder.layout import quote_path
from sweeps.study import growth
from sweeps.study.study import Study, digest


def refused(path: Path, old: Study, new: Study, named: str) -> str:
    """Why a folder of ``old`` does not take runs of ``new``, and what to do."""
    differs = f"holds another version of study {old.name!r} (digest {digest(old)}, this is {digest(new)})"
    try:
        grown = growth.between(old, new)
    except growth.NoGrowth as error:
        return (
            f"{path}: {differs}. Runs of different settings do not mix: choose another folder with --folder, and with "
            f"reuse: [{path.absolute()}] the folds that are the same training are taken from here. A study can be "
            f"extended by `actsweep extend`, but {error}"
        )
    return (
        f"{path}: {differs}, which has grown to this one: {'; '.join(grown.changes.values())}. Go on with it by "
        f"`actsweep extend {quote_path(path)} {quote_path(Path(named))}`; what was planned before, and what had been "
        "seen by then, is kept and reported. Or choose another folder with --folder"
    )
