"""The members that a suite file names: each a base with what differs from it, still as plain values."""

from __future__ import annotations

import itertools
import pathlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from slurm import yaml_reader
from slurm.messages import nearest, show
from slurm.yaml_reader import Document, Path, Plain, Problem
from sweeps.errors import StudyError
from sweeps.study import shipped
from sweeps.study.study import Study
from sweeps.suite.merging import Placed, merged, placed
from sweeps.suite.suite import MEMBER, RESERVED

OWN = ("name", "question", "notify")
"""Keys that the suite says for all of its studies."""
SAME = ("activations", "control")
"""Keys that make the question: they do not vary."""
BASE = "base"
VARIED = tuple(key for key in Study.model_fields if key not in (*OWN, *SAME))


class Refused(Exception):
    """One thing wrong with what a suite file says at a path."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(path=path, message=message)


def wanted(
    document: Document, base: object, studies: Mapping[str, Any], vary: Mapping[str, Any], folder: pathlib.Path
) -> tuple[dict[str, Placed], list[Problem]]:
    """Member -> its study as plain values; and all that is wrong with how they are named. ``folder``: the file's."""
    problems: list[Problem] = []
    found: dict[str, Placed] = {}
    if isinstance(base, dict) and "notify" in base:
        return {}, [Problem(path=(BASE, "notify"), message="is the suite's to say: write notify beside base")]
    try:
        shared = _base(document, (BASE,), folder) if base is not None else None
        variants = list(_variants(document, vary))
    except Refused as error:
        return {}, [error.problem]
    if not studies and not vary:
        message = "is missing; accepts a mapping of names to what differs from base, as cifar100: {data: cifar100}"
        return {}, [Problem(path=("studies",), message=message)]
    for name in studies or {"": None}:
        for combined, variant in variants:
            member = "-".join(filter(None, [name, combined]))
            path: Path = ("studies", name) if name else ("vary",)
            try:
                _check_name(path, member, found)
                own = _own(document, path, folder, shared) if name else _needed(shared, ("vary",))
                found[member] = merged(own, variant)
            except Refused as error:
                problems.append(error.problem)
    return found, problems


def read_text(path: pathlib.Path, origin: str) -> str:
    """The text of a file that people wrote. Raises :class:`StudyError`."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        near = nearest(path.name, [item.name for item in path.absolute().parent.glob("*.y*ml")])
        raise StudyError(f"{origin}: no such file{near.removesuffix('?')}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"{origin}: cannot be read ({error}); accepts a readable text file in UTF-8") from error


def _check_name(path: Path, member: str, found: Mapping[str, Placed]) -> None:
    if not MEMBER.match(member):
        raise Refused(
            path,
            f"got {member!r} as a member's name; accepts a-z, 0-9, dot, dash and underscore, at most 60, a letter or "
            "digit first: it names a folder",
        )
    if member in RESERVED:
        raise Refused(path, f"got {member!r} as a member's name; that is a name of the suite's own; choose another")
    if member in found:
        raise Refused(path, f"two members would be called {member}; give variants names, as data: {{name: ...}}")


def _own(document: Document, path: Path, folder: pathlib.Path, shared: Placed | None) -> Placed:
    """A member of ``studies``: its own base, or the suite's, with what it says otherwise."""
    said = placed(document, path)
    if said.value is None:
        return _needed(shared, path)
    if isinstance(said.value, str):
        return _base(document, path, folder)
    if not isinstance(said.value, dict):
        raise Refused(path, f"got {show(said.value)}; accepts what differs from base, a study's name or a study's file")
    for key in said.value:
        if key in OWN:
            raise Refused((*path, key), f"is the suite's to say: one {key} for "
                          "all its studies; leave it out")  # fmt: skip
        if key not in (BASE, *Study.model_fields):
            known = [BASE, *VARIED]
            raise Refused((*path, key), f"unknown key; accepts {', '.join(known)}{nearest(key, known)}")
    base = _base(document, (*path, BASE), folder) if said.value.get(BASE) is not None else shared
    over = Placed(
        {key: value for key, value in said.value.items() if key != BASE},
        {known: place for known, place in said.places.items() if known[:1] != (BASE,)},
    )
    return over if base is None else merged(base, over)


def _needed(shared: Placed | None, path: Path) -> Placed:
    if shared is None:
        raise Refused(path, "has nothing to differ from; give the suite a base: a study's name, its file, or a study")
    return shared


def _base(document: Document, path: Path, folder: pathlib.Path) -> Placed:
    """A study as a suite names it: written out there, a file, or the name of a shipped one."""
    said = placed(document, path)
    if isinstance(said.value, dict):
        return said
    if not isinstance(said.value, str):
        raise Refused(path, f"got {show(said.value)}; accepts a study: its name, its file, or written out")
    named, known = said.value, shipped.shipped()
    file = folder / pathlib.Path(named).expanduser()
    if file.is_file():
        text, origin, home = read_text(file, named), str(file), file.absolute().parent
    elif named in known:
        text, origin, home = known[named], f"{named}.yaml", folder
    else:
        near = nearest(named, [*known, *(item.name for item in folder.glob("*.y*ml"))])
        raise Refused(path, f"got {named!r}; neither a file ({file}) nor a shipped study{near}")
    base = yaml_reader.parse(text, origin, StudyError)
    if not isinstance(base.value, dict):
        raise Refused(path, f"got {named!r}, whose file is no study; accepts a study")
    if "suite" in base.value:
        raise Refused(path, f"got {named!r}, which is a suite itself; accepts a study")
    whole = placed(base)
    own = {key: value for key, value in base.value.items() if key not in OWN}
    return Placed(_anchored(own, home), whole.places)


def _anchored(value: dict[str, Plain], folder: pathlib.Path) -> dict[str, Plain]:
    """The paths of a study file, which it takes from its own folder, made absolute."""

    def absolute(text: Plain) -> Plain:
        return str(folder / pathlib.Path(text).expanduser()) if isinstance(text, str) else text

    out = dict(value)
    if "root" in out:
        out["root"] = absolute(out["root"])
    if isinstance(reuse := out.get("reuse"), list):
        out["reuse"] = [absolute(text) for text in reuse]
    cluster, tracking = out.get("cluster"), out.get("tracking")
    profile = cluster.get("profile") if isinstance(cluster, dict) else None
    if (
        isinstance(cluster, dict)
        and isinstance(profile, str)
        and ("/" in profile or profile.endswith((".yaml", ".yml")))
    ):
        out["cluster"] = {**cluster, "profile": absolute(profile)}
    uri = tracking.get("uri") if isinstance(tracking, dict) else None
    if isinstance(tracking, dict) and isinstance(uri, str) and re.match(r"sqlite:///[^/]", uri):
        out["tracking"] = {**tracking, "uri": f"sqlite:///{absolute(uri.removeprefix('sqlite:///'))}"}
    return out


def _variants(document: Document, vary: Mapping[str, Any]) -> Iterator[tuple[str, Placed]]:
    """The combinations of all that varies, named by their parts; one without a name where nothing does."""
    for key in vary:
        if key not in VARIED:
            said = "; it makes the question, which is one for the suite" if key in SAME else nearest(key, VARIED)
            raise Refused(("vary", key), f"does not vary; accepts {', '.join(VARIED)}{said}")
    choices = [list(_choices(document, key, value)) for key, value in vary.items()]
    for combination in itertools.product(*choices):
        whole = Placed({})
        for _, part in combination:
            whole = merged(whole, part)
        yield "-".join(name for name, _ in combination), whole


def _choices(document: Document, key: str, value: object) -> Iterator[tuple[str, Placed]]:
    """The named variants of one section: a list of names or of mappings with a name, or a mapping of names."""
    path: Path = ("vary", key)
    if isinstance(value, list) and value:
        for at, item in enumerate(value):
            name = item.get("name") if isinstance(item, dict) else item
            if not isinstance(name, str):
                raise Refused((*path, at), f"got {show(item)}; accepts a name or a mapping with one")
            yield _slug(name), _under(key, placed(document, (*path, at)))
    elif isinstance(value, dict) and value:
        for name in value:
            yield name, _under(key, placed(document, (*path, name)))
    else:
        raise Refused(path, f"got {show(value)}; accepts a list of names or a mapping of names to variants")


def _slug(name: str) -> str:
    """A name as a folder can have it: ``mylab.data:Beats`` as ``mylab.data-beats``."""
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower())


def _under(key: str, part: Placed) -> Placed:
    return Placed({key: part.value}, {(key, *path): place for path, place in part.places.items()})
