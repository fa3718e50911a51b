"""The suites that come with the package, and finding one by name or file."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from sweeps.errors import StudyError
from sweeps.folder.layout import quote_path
from sweeps.suite import folder, reading
from sweeps.suite.suite import Suite


def shipped() -> dict[str, str]:
    """Name -> text."""
    files = resources.files("sweeps").joinpath("suites").iterdir()
    found = (file for file in files if file.name.endswith(".yaml"))
    return {file.name.removesuffix(".yaml"): file.read_text(encoding="utf-8") for file in found}


def find(reference: str) -> Suite | None:
    """A suite by file, or by name among those shipped; None for what is meant as a study. Raises
    :class:`StudyError`."""
    path = Path(reference)
    if path.is_file():
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):  # told where it is read as a study
            return None
        return reading.load(path) if reading.is_suite(text) else None
    known = shipped()
    if reference in known:
        return reading.load(known[reference], origin=f"{reference}.yaml")
    if path.is_dir() and folder.is_suite(path):
        raise StudyError(
            f"{path}: a suite's folder, not its file; go on with it by `actsweep resume {quote_path(path)}`"
        )
    return None
