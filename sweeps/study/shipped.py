"""The studies that come with the package, and finding one by name or file."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from slurm.messages import nearest
from sweeps.errors import StudyError
from sweeps.folder import layout
from sweeps.study.reading import load
from sweeps.study.study import Study


def shipped() -> dict[str, str]:
    """The studies that come with the package: name -> text."""
    files = resources.files("sweeps").joinpath("studies").iterdir()
    found = (file for file in files if file.name.endswith(".yaml"))
    return {file.name.removesuffix(".yaml"): file.read_text(encoding="utf-8") for file in found}


def find(reference: str) -> Study:
    """A study by file, or by name among those shipped. Raises :class:`StudyError`."""
    path = Path(reference)
    if path.is_file() or path.suffix in (".yaml", ".yml"):
        return load(path)
    known = shipped()
    if reference in known:  # also where a folder here happens to have its name
        return load(known[reference], origin=f"{reference}.yaml")
    if (path / layout.STUDY).is_file():
        raise StudyError(
            f"{path}: a study's folder, not its file; go on with it by `actsweep resume {layout.quote_path(path)}`"
        )
    raise StudyError(_unknown(reference, "neither a file nor one of the shipped studies"))


def text_of(name: str) -> str:
    """The text of a shipped study. Raises :class:`StudyError`."""
    known = shipped()
    if name not in known:
        raise StudyError(_unknown(name, "not one of the shipped studies"))
    return known[name]


def _unknown(name: str, what: str) -> str:
    near = nearest(name, shipped())
    return f"{name}: {what}{near + ' `actsweep' if near else '; `actsweep'} studies` lists them"


def on_profile(study: Study, profile: str) -> Study:
    """The study, to be run elsewhere; its numbers' identity is unchanged."""
    return study.model_copy(update={"cluster": study.cluster.model_copy(update={"profile": _absolute(profile)})})


def _absolute(profile: str) -> str:
    return str(Path(profile).absolute()) if Path(profile).is_file() else profile
