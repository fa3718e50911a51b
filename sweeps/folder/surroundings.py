"""What a study was started with, kept in its folder for whoever drives it later: cron without any environment, another
shell, a job on a node.

What is kept is used. A data root or an import path that the present environment names and that differ are said and not
used, since the folds of one study are to read the same data and the same modules; ``actsweep resume DIR --here`` is how
they are changed. The interpreter is the one that runs: a driver and its packs are of one version. Credentials are not
kept: what looks like one is left to the environment, as before.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from slurm.profile import Profile
from sweeps.errors import StudyError
from sweeps.folder.layout import PROVENANCE, quote_path, write_aside
from sweeps.folder.provenance import mask
from trainer.codec import Format, from_text
from trainer.errors import SpecError

FILE = "surroundings.json"
SURROUNDINGS = Format(name="surroundings of a study", schema=1)
DATA, IMPORTS, SLURM_CONF = "ACTSWEEP_DATA", "PYTHONPATH", "SLURM_CONF"


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    FORMAT: ClassVar[Format] = SURROUNDINGS

    schema: int = SURROUNDINGS.schema
    data_root: str | None
    """ACTSWEEP_DATA, absolute; None where it was not set, or where the study needs none."""
    import_path: tuple[str, ...]
    """Folders and archives of PYTHONPATH that were there, absolute."""
    python: str
    """The interpreter that ran."""
    working_folder: str
    """Where the command was given: packs start there."""
    slurm_conf: str | None
    slurm_commands: str | None
    """Folder of sbatch, which cron's PATH rarely names."""

    def variables(self) -> dict[str, str | None]:
        """What the environment of this process is to say; None: nothing."""
        found: dict[str, str | None] = {} if withheld(DATA) and self.data_root is None else {DATA: self.data_root}
        if self.import_path:
            found[IMPORTS] = os.pathsep.join(self.import_path)
        if self.slurm_conf is not None:
            found[SLURM_CONF] = self.slurm_conf
        if self.slurm_commands is not None and shutil.which("sbatch") is None:
            found["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), self.slurm_commands])
        return found

    def for_nodes(self, profile: Profile) -> Profile:
        """The profile whose packs find the user's modules, and start where the study was started."""
        imports = {IMPORTS: os.pathsep.join(self.import_path)} if self.import_path else {}
        return profile.model_copy(
            update={
                "environment": {**imports, **profile.environment},
                "working_folder": profile.working_folder or self.folder(),
            }
        )

    def folder(self) -> str | None:
        """The working folder; None where it is gone."""
        return self.working_folder if Path(self.working_folder).is_dir() else None

    def replaced_by(self, now: Surroundings) -> Surroundings:
        """With what ``now`` says; of what it says nothing, this stays. The working folder stays while it is there: a
        study is resumed from anywhere."""
        said = {item.name: getattr(now, item.name) for item in dataclasses.fields(now)}
        if self.folder() is not None:
            del said["working_folder"]
        return dataclasses.replace(self, **{name: value for name, value in said.items() if value not in (None, ())})


def here() -> Surroundings:
    """Those of this process."""
    data, imports, sbatch = _said(DATA), os.environ.get(IMPORTS), shutil.which("sbatch")
    entries = [Path(entry).absolute() for entry in imports.split(os.pathsep) if mask(entry) == entry] if imports else []
    return Surroundings(
        data_root=str(Path(data).expanduser().absolute()) if data else None,
        import_path=tuple(dict.fromkeys(str(entry) for entry in entries if entry.exists())),
        python=sys.executable,
        working_folder=str(Path.cwd()),
        slurm_conf=_said(SLURM_CONF),
        slurm_commands=str(Path(sbatch).absolute().parent) if sbatch else None,
    )


def _said(name: str) -> str | None:
    """The variable, unless it is empty or may not be kept."""
    return None if withheld(name) else os.environ.get(name) or None


def withheld(name: str) -> bool:
    """Whether the variable looks as if it held a credential."""
    value = os.environ.get(name, "")
    return mask(value) != value


def write(folder: Path, surroundings: Surroundings) -> None:
    write_aside(folder / FILE, json.dumps(dataclasses.asdict(surroundings), indent=1))


def read(folder: Path) -> Surroundings | None:
    """What the folder keeps; None where an earlier version made it. Raises :class:`StudyError` for a damaged file."""
    path = folder / FILE
    try:
        return from_text(Surroundings, path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (SpecError, UnicodeDecodeError) as error:
        raise StudyError(
            f"{path}: cannot be read ({error}); correct it, or delete it and take what this shell says: `actsweep "
            f"resume {quote_path(folder)}`"
        ) from error


def of_earlier_version(folder: Path, now: Surroundings) -> Surroundings:
    """``now``, with the data root that an earlier version wrote into ``provenance.json``."""
    try:
        said = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))["environment"].get(DATA)
    except (OSError, ValueError, KeyError, AttributeError):
        return now
    usable = isinstance(said, str) and Path(said).is_absolute() and "***" not in said
    return dataclasses.replace(now, data_root=said) if usable else now


def differences(kept: Surroundings, now: Surroundings, folder: Path) -> list[str]:
    """What the present environment says otherwise, which of both is used, and how to change that; a sentence each."""
    change = f"`actsweep resume {quote_path(folder)} --here` takes this shell's from now on"
    named = ((DATA, kept.data_root, now.data_root), (SLURM_CONF, kept.slurm_conf, now.slurm_conf))
    found = [
        f"{name} is {new} here, the study was started {f'with {old}' if old else 'without'}, and goes on so; {change}"
        for name, old, new in named
        if new is not None and new != old
    ]
    if now.import_path and now.import_path != kept.import_path:
        old = os.pathsep.join(kept.import_path)
        found.append(
            f"{IMPORTS} is {os.pathsep.join(now.import_path)} here, the study was started "
            f"{f'with {old}' if old else 'without'}, and goes on so; {change}"
        )
    if now.python != kept.python:
        found.append(f"the study was started with {kept.python}; this is {now.python}, which trains from now on")
    return found


@contextmanager
def entered(surroundings: Surroundings) -> Iterator[None]:
    """This process and what it starts find data and modules as when the study was started."""
    variables = surroundings.variables()
    before = {name: os.environ.get(name) for name in variables}
    path = list(sys.path)
    _set(variables)
    sys.path += [entry for entry in surroundings.import_path if entry not in path]
    try:
        yield
    finally:
        _set(before)
        sys.path[:] = path


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
