"""A base and what differs from it, put together: plain values in which every key still knows the line it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from slurm.yaml_reader import Document, Path, Plain


class Place(NamedTuple):
    """Where a value was written."""

    origin: str
    line: int


@dataclass(frozen=True)
class Placed:
    """Plain values, and the place of each."""

    value: Plain
    places: Mapping[Path, Place] = field(default_factory=dict)

    def place(self, path: Path) -> Place:
        """Of a value, or of the nearest thing around it that was written."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, Place("suite", 1))

    def at(self, key: str) -> Placed:
        """The part under one key."""
        assert isinstance(self.value, dict)
        return Placed(self.value[key], {path[1:]: place for path, place in self.places.items() if path[:1] == (key,)})


def placed(document: Document, path: Path = ()) -> Placed:
    """The part of a document that stands at a path."""
    value = document.value
    for key in path:
        value = value[key]  # type: ignore[index]  # the caller has seen it there
    depth = len(path)
    lines = {known[depth:]: line for known, line in document.lines.items() if known[:depth] == path}
    return Placed(value, {known: Place(document.origin, line) for known, line in lines.items()})


def merged(base: Placed, over: Placed) -> Placed:
    """``base`` with what ``over`` says otherwise.

    Mappings are put together key by key, at every depth. Anything else replaces what was there: lists, single values,
    null, and a mapping whose ``name`` is another than the base's, since the options of one data set, model or task
    mean nothing to another. A base in short form (``data: digits``) takes options like ``{name: digits}``.
    """
    if not isinstance(over.value, dict):
        return over
    if isinstance(base.value, str) and "name" not in over.value:
        base = Placed({"name": base.value}, {**base.places, ("name",): base.place(())})
    if not isinstance(base.value, dict) or _renamed(base.value, over.value):
        return over
    value: dict[str, Plain] = {}
    places: dict[Path, Place] = {(): over.place(())} if over.places else dict(base.places)
    for key in [*base.value, *(key for key in over.value if key not in base.value)]:
        if key not in over.value:
            part = base.at(key)
        elif key not in base.value:
            part = over.at(key)
        else:
            part = merged(base.at(key), over.at(key))
        value[key] = part.value
        places |= {(key, *path): place for path, place in part.places.items()}
    return Placed(value, places)


def _renamed(base: Mapping[str, Plain], over: Mapping[str, Plain]) -> bool:
    return "name" in over and over["name"] != base.get("name")
