"""The user's own code beside the study that uses it: kept as it was when the study was made, and compared ever after.

``own_code.json`` lists its versions, each with the SHA-256 of every module; the sources of a version lie below
``own_code/<digest>/``. A second version is there only where the study says ``on_drift: warn``.
"""

from __future__ import annotations

import datetime
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path

from sweeps.errors import CodeDrift, StudyError
from sweeps.folder.layout import quote_path, write_aside
from trainer import code, own_code
from trainer.own_code import Source

FILE, FOLDER = "own_code.json", "own_code"
SCHEMA = 1
MAX_FROZEN_MB = 64
_LEFT_OUT = ("__pycache__", "*.pyc", ".*")


@dataclass(frozen=True, kw_only=True)
class Version:
    digest: str
    """The name of its folder, and the code digest of its folds' journals while the trainer stays what it was."""
    time: str
    """ISO 8601, UTC."""
    frozen: bool
    """Whether nodes import the copy; else they import what is installed or on PYTHONPATH there."""
    modules: Mapping[str, str]
    """As :func:`trainer.own_code.codes` gives them."""


def keep(path: Path, names: Sequence[str], *, frozen: bool) -> Version | None:
    """Copies what import paths lead to into the study's folder, as its newest version; None where nothing is the
    user's own. Frozen, whole packages are copied with all that is in them. Raises :class:`StudyError` for a package
    that is too large for that."""
    made = copied(path, names, frozen=frozen)
    if made is not None:
        write_aside(path / FILE, listed([*versions(path), made]))
    return made


def listed(known: Sequence[Version]) -> str:
    """The text of ``own_code.json``."""
    texts = {"schema": SCHEMA, "versions": [asdict(version) for version in known]}
    return json.dumps(texts, indent=1, sort_keys=True)


def copied(path: Path, names: Sequence[str], *, frozen: bool) -> Version | None:
    """As :func:`keep`, without saying so in ``own_code.json`` yet."""
    modules = own_code.codes(names)
    if not modules:
        return None
    digest, sources = code.digest(modules), own_code.sources(names)
    packages = _packages(sources) if frozen else {}
    folder = path / FOLDER / digest
    if not folder.exists():
        aside = folder.with_name(f".{digest}")
        shutil.rmtree(aside, ignore_errors=True)
        for source in sources:
            place = aside / source.place
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(source.content)
        left_out = shutil.ignore_patterns(*_LEFT_OUT)
        for package, top in packages.items():
            shutil.copytree(package, aside / top, ignore=left_out, dirs_exist_ok=True, ignore_dangling_symlinks=True)
        aside.mkdir(parents=True, exist_ok=True)  # where all of it is installed
        aside.replace(folder)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return Version(digest=digest, time=now, frozen=frozen, modules=modules)


def grown(path: Path, before: Sequence[str], names: Sequence[str], *, frozen: bool, warn: bool) -> str | None:
    """What ``own_code.json`` says once the study names ``names``, ``before`` among them, with the sources copied; None
    where it stays as it is. Raises as :func:`current` where what was named before has changed."""
    if set(names) == set(before):
        return None
    known = versions(path)
    if known:
        current(path, before, frozen=frozen, warn=warn)
    made = copied(path, names, frozen=frozen)
    return listed([*versions(path), made]) if made is not None else None


def versions(path: Path) -> list[Version]:
    """Oldest first; none where the study uses nothing of the user's own. Raises :class:`StudyError`."""
    file = path / FILE
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
        if raw["schema"] != SCHEMA:
            raise StudyError(f"{file}: of schema {raw['schema']}; this version of actsweep reads schema {SCHEMA}")
        return [Version(**version) for version in raw["versions"]]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, StudyError):
            raise
        raise StudyError(f"{file}: cannot be read ({error}); restore it from a backup") from error


def current(path: Path, names: Sequence[str], *, frozen: bool, warn: bool) -> Version | None:
    """The version that folds are to train with from here on, and what keeps it so: a frozen one is what it was; else
    what would be imported here must still be it. Raises :class:`CodeDrift` where it is not, and makes a new version of
    it where ``warn``. A study of an earlier version of this product begins to be compared here."""
    known = versions(path)
    if not known:
        return keep(path, names, frozen=frozen)
    newest = known[-1]
    changed = _changed(newest, names, frozen=frozen)
    if not changed:
        return newest
    refuse_drift(path, names, frozen=frozen, warn=warn)
    return keep(path, names, frozen=frozen)


def refuse_drift(path: Path, names: Sequence[str], *, frozen: bool, warn: bool) -> None:
    """Raises :class:`CodeDrift` as :func:`current` does, and changes nothing."""
    known = versions(path)
    if warn or not known:
        return
    newest = known[-1]
    if changed := _changed(newest, names, frozen=frozen):
        was = path / FOLDER / newest.digest
        absent = " (is its folder on PYTHONPATH?)" if any("not found" in words for words in changed) else ""
        raise CodeDrift(
            f"{path}: your code is not what the study was started with: {', '.join(changed)}{absent}. Under one name "
            f"there would be results of two functions. Restore it (what it was is in {was}), or run the changed code "
            "as a study of its own (`actsweep run STUDY --folder OTHER`). Where no result that is there could have "
            f"come out otherwise, write on_drift: warn below cluster: in {path / 'study.yaml'} and go on with "
            f"`actsweep resume {quote_path(path)}`: both versions are kept, and the report says that there are two"
        )


def _changed(newest: Version, names: Sequence[str], *, frozen: bool) -> list[str]:
    """What of the user's own code would be imported here and is not the newest version; nothing of a frozen one."""
    if newest.frozen and frozen:
        return []
    return list(own_code.differences(newest.modules, own_code.codes(names)))


def refuse_large(names: Sequence[str], *, frozen: bool) -> None:
    """Raises :class:`StudyError` for a package that is too large to be frozen with a study."""
    if frozen:
        _packages(own_code.sources(names))


def folder_of(path: Path, version: Version) -> str | None:
    """What nodes put first on their ``sys.path``; None where they import what is there."""
    return str((path / FOLDER / version.digest).absolute()) if version.frozen else None


def texts(path: Path) -> dict[str, str]:
    """Name below the study's folder -> text of every kept source, and of the list of versions."""
    files = [path / FILE, *sorted((path / FOLDER).glob("*/**/*.py"))]
    whole = (
        file for file in files if file.is_file() and not file.relative_to(path).as_posix().startswith(f"{FOLDER}/.")
    )
    return {file.relative_to(path).as_posix(): file.read_text(encoding="utf-8", errors="replace") for file in whole}


def _packages(sources: Sequence[Source]) -> dict[Path, str]:
    """Folder -> name of each top-level package around the sources. Raises :class:`StudyError` for too large a one."""
    found: dict[Path, str] = {}
    for source in sources:
        depth = source.module.count(".") + source.is_package
        if depth and source.file.parents[depth - 1].is_dir():  # else a module by itself, or in a zip
            found[source.file.parents[depth - 1]] = source.module.partition(".")[0]
    for package in found:
        whole = (file for file in package.rglob("*") if not _left_out(file.relative_to(package)) and file.is_file())
        size_mb = sum(file.stat().st_size for file in whole) / 2**20
        if size_mb > MAX_FROZEN_MB:
            raise StudyError(
                f"own_code: frozen: {package} holds {size_mb:.0f} MB, accepts {MAX_FROZEN_MB} MB or less; move data "
                "out of the package, or use own_code: live"
            )
    return found


def _left_out(place: Path) -> bool:
    return any(fnmatch(part, pattern) for part in place.parts for pattern in _LEFT_OUT)
