"""Starts our processes so that the four packages are ours, whatever else bears their names.

``trainer``, ``analysis``, ``slurm`` and ``sweeps`` are names that users' projects have too. The command, the processes
it starts and the node side of every job begin here: ``python -P -m actsweep_start`` is the command line, and
``python -P -m actsweep_start -m MODULE [ARGUMENT]...`` runs another module. Only the four names are looked for where we
are; all others are found as ever. A module of its own, found beside the four packages where they are installed, because
none of the four could be found before it. Imports the standard library only.
"""

from __future__ import annotations

import codecs
import locale
import os
import runpy
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

PACKAGES = ("analysis", "slurm", "sweeps", "trainer")
HERE = Path(__file__).resolve()
ROOT = HERE.parents[2] if HERE.parent.name == "start" else HERE.parent
"""Folder of the four packages: of a source tree, or of an installation, where this file lies beside them."""


class _OursFirst(MetaPathFinder):
    """Finds the four packages where we are."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return PathFinder.find_spec(fullname, [str(ROOT)]) if path is None and fullname in PACKAGES else None


def ours_first() -> None:
    """From here on ``import trainer`` is ours in this process. What was imported under such a name before is let go."""
    for name, module in list(sys.modules.items()):
        top = sys.modules.get(name.partition(".")[0])
        if name.partition(".")[0] in PACKAGES and not _beside(top or module):
            del sys.modules[name]
    if not any(isinstance(finder, _OursFirst) for finder in sys.meta_path):
        sys.meta_path.insert(0, _OursFirst())


def hidden(name: str) -> list[Path]:
    """Modules and package folders called ``name`` on ``sys.path`` that are not ours; empty for any name but our four.
    Another copy of this product is none."""
    found = []
    for entry in sys.path if name in PACKAGES else []:
        if not entry or (Path(entry) / "sweeps" / "cli" / "main.py").exists():
            continue
        spec = PathFinder.find_spec(name, [entry])
        for place in _places(spec) if spec is not None else ():
            if place not in found:
                found.append(place)
    return found


def why_hidden(module: str) -> str:
    """For a ``module`` that could not be imported: what of the user's is hidden by a package of ours, and the way out;
    "" where nothing is."""
    top = module.partition(".")[0]
    found = hidden(top)
    if not found:
        return ""
    return (
        f"{' and '.join(map(str, found))} is hidden by actsweep's own package {top}; give yours another name, or move "
        f"it into a package of another name (mylab.{module})"
    )


def in_utf8() -> None:
    """Begins this process anew in Python's UTF-8 mode where files and their names would be read in another encoding:
    what one of ours writes every other reads. What is printed keeps the encoding that the terminal has."""
    found = {codecs.lookup(name).name for name in (sys.getfilesystemencoding(), locale.getpreferredencoding(False))}
    if found == {"utf-8"} or sys.flags.utf8_mode or not sys.executable:
        return
    printed = getattr(sys.stdout, "encoding", None) or "ascii"
    os.environ.setdefault("PYTHONIOENCODING", f"{printed}:backslashreplace")
    os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606  # ourselves, anew


def main() -> None:
    """The command line, or the module that ``-m`` names with the arguments after it."""
    in_utf8()
    ours_first()
    words = [word for word in sys.argv[1:2] if word != "-u"] + sys.argv[2:]  # submitit puts its -u behind our name
    if words[:1] == ["-m"] and len(words) > 1:
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        return
    from sweeps.cli.main import main as command

    command()


def _beside(module: ModuleType) -> bool:
    return any(Path(place).resolve().parent == ROOT for place in getattr(module, "__path__", ()))


def _places(spec: ModuleSpec) -> Iterator[Path]:
    if spec.submodule_search_locations is None:
        yield Path(str(spec.origin))
        return
    for place in map(Path, spec.submodule_search_locations):
        # A folder without modules is no package that anybody could want.
        if spec.origin is not None or any(place.glob("*.py")):
            yield place


if __name__ == "__main__":
    main()
