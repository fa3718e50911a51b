"""Which studies lie below a folder: study folders and suites' members, in it or one folder deeper."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from analysis.errors import AnalysisError
from analysis.runs import plan as planning
from analysis.runs.plan import Plan
from slurm import yaml_reader
from slurm.errors import ClusterError
from sweeps.errors import StudyError, SweepError
from sweeps.folder import layout, ledger, place, sweep_name
from sweeps.suite import folder as suites
from trainer.errors import TrainerError

DEEP = 2
"""A study lies at most this many folders below; a suite's members one deeper."""
_OURS = (layout.STUDY, layout.PLAN, ledger.FILE)
"""A folder with one of these is a study's, whole or not."""
_UNREADABLE = (SweepError, TrainerError, AnalysisError, ClusterError, OSError, UnicodeDecodeError)


@dataclass(frozen=True, kw_only=True)
class Study:
    folder: Path
    name: str
    """The folder's, from the one that was looked through."""
    plan: Plan
    sweep: str
    uri: str | None
    """Where it tracks; None: the store in its folder."""


@dataclass(kw_only=True)
class Found:
    studies: list[Study] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    """Name of a folder -> why it is left out."""


def is_collection(root: Path) -> bool:
    """Whether the folder is no study's and no suite's, and there is one below."""
    return root.is_dir() and not _is_study(root) and not suites.is_suite(root) and any(True for _ in _below(root, DEEP))


def look(root: Path) -> Found:
    """All that lie there, in the order of their names. A copy of a study (``cp -r``) is left out: its runs are those
    of the original."""
    found = Found()
    known: dict[str, Study] = {}
    for folder in _below(root, DEEP):
        name = folder.relative_to(root).as_posix()
        try:
            members = suites.members_of(folder) if suites.is_suite(folder) else [folder]
        except _UNREADABLE as error:  # its studies are whole for all that
            found.left_out[name] = _line(error)
            members = list(_below(folder, 1))
        for member in members:
            at = member.relative_to(root).as_posix()
            try:
                study = _read(member, at)
                if place.original(member) is not None:
                    raise StudyError("a copy of another study folder")
            except _UNREADABLE as error:
                found.left_out[at] = _line(error)
                continue
            if (other := known.get(study.sweep)) is not None:
                found.left_out[at] = f"the same run of the same study as {other.name}"
                continue
            known[study.sweep] = study
            found.studies.append(study)
    return found


def _read(folder: Path, name: str) -> Study:
    """By its plan alone, which is all that a view needs: also of a study that an earlier version made."""
    path = folder / layout.PLAN
    if not path.is_file():
        raise StudyError(f"it has no {layout.PLAN}, which alone says what was declared; restore it, if it is a study")
    plan = planning.from_json(path.read_text(encoding="utf-8"))
    return Study(folder=folder, name=name, plan=plan, sweep=sweep_name.of(folder, plan), uri=_uri(folder))


def _uri(folder: Path) -> str | None:
    file = folder / layout.STUDY
    if not file.is_file():
        return None
    document = yaml_reader.parse(file.read_text(encoding="utf-8"), layout.STUDY, StudyError)
    tracking = document.value.get("tracking") if isinstance(document.value, dict) else None
    uri = tracking.get("uri") if isinstance(tracking, dict) else None
    return uri if isinstance(uri, str) else None


def _below(root: Path, deep: int) -> Iterator[Path]:
    """Folders of studies, whole or not, and of suites."""
    try:
        folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:
        return
    for folder in folders:
        if suites.is_suite(folder) or _is_study(folder):
            yield folder
        elif deep > 1:
            yield from _below(folder, deep - 1)


def _is_study(folder: Path) -> bool:
    return any((folder / name).exists() for name in _OURS)


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
