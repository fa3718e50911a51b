"""YAML as people mean it, read strictly and with line numbers.

Scalars follow YAML 1.2: ``1e-4`` is a number, and only ``true`` and ``false`` are booleans (``on`` and ``no`` are
text). Duplicate keys, foreign tags, keys that are not text and non-finite numbers are refused. The one reader of what
people write: studies and cluster profiles, each with an error of its own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import yaml

Path = tuple[str | int, ...]
Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]

MOST_NODES = 100_000
"""A file that people write has some hundreds of nodes; aliases of aliases could stand for billions."""
MOST_PROBLEMS = 10
PLAIN_COLLECTIONS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing wrong with a file: where, and in words."""

    path: Path
    message: str


@dataclass(frozen=True, kw_only=True)
class Located:
    """A problem as it stands in a file."""

    file: str
    line: int
    key: str
    """``activations[1].space.k``; "" for the whole file."""
    message: str


def located_in(error: BaseException) -> list[Located]:
    """All problems that :meth:`Document.error` made one error of; empty for any other."""
    return list(getattr(error, "problems", []))


@dataclass(frozen=True, kw_only=True)
class Document:
    """A parsed file: plain values, and the line of every key and item."""

    origin: str
    value: Plain
    raises: type[ValueError]
    """What a file of this kind raises."""
    lines: dict[Path, int] = field(default_factory=dict)

    def line(self, path: Path) -> int:
        """Line of a value, or of the nearest thing around it that stands in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def error(self, problems: Iterable[Problem]) -> ValueError:
        """All problems as one error, in the order of the file, a line each."""
        ordered = sorted(problems, key=lambda problem: self.line(problem.path))
        located = list(dict.fromkeys(self._located(problem) for problem in ordered))
        texts = [f"{p.file}:{p.line}: {p.key}{': ' if p.key else ''}{p.message}" for p in located]
        if len(texts) > MOST_PROBLEMS:
            texts = [*texts[:MOST_PROBLEMS], f"{self.origin}: and {len(texts) - MOST_PROBLEMS} more"]
        made = self.raises("\n".join(texts))
        made.problems = located  # type: ignore[attr-defined]  # see located_in
        return made

    def _located(self, problem: Problem) -> Located:
        key = dotted(problem.path).removesuffix(": ")
        return Located(file=self.origin, line=self.line(problem.path), key=key, message=problem.message)


def dotted(path: Path) -> str:
    """``("activations", 1, "space", "k")`` as ``activations[1].space.k: ``; "" for the whole file."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
    return f"{text}: " if text else ""


class _Loader(yaml.SafeLoader):
    """PyYAML's safe scanner and parser with YAML 1.2's rules for plain scalars."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  # PyYAML's own attribute


for _tag, _pattern, _first in (
    ("null", r"(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", list("-+0123456789")),
    (
        "float",
        r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
        list("-+.0123456789"),
    ),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)


def parse(text: str, origin: str, raises: type[ValueError]) -> Document:
    """The document in ``text``; ``origin`` is what messages call it.

    Raises ``raises`` with every duplicate key, foreign tag and the like at once, or with the line at which the text
    stops being YAML."""
    try:
        node = yaml.compose(text, Loader=_Loader)  # a SafeLoader, and nothing is constructed by it
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        line = mark.line + 1 if mark is not None else 1
        what = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise raises(
            f"{origin}:{line}: not YAML: {what}; check indentation, colons and brackets here and on the line before"
        ) from error
    reading = _Reading()
    value = reading.plain(node, ()) if node is not None else None
    document = Document(origin=origin, value=value, raises=raises, lines=reading.lines)
    if reading.problems:
        raise document.error(reading.problems)
    return document


class _Reading:
    def __init__(self) -> None:
        self.lines: dict[Path, int] = {}
        self.problems: list[Problem] = []
        self._open: list[yaml.Node] = []
        self._nodes = 0

    def plain(self, node: yaml.Node, path: Path) -> Plain:
        self.lines.setdefault(path, node.start_mark.line + 1)
        self._nodes += 1
        if any(node is other for other in self._open) or self._nodes > MOST_NODES:
            if self._nodes <= MOST_NODES + 1:
                self._refuse(path, "an alias that stands for itself, or for far too much; write the values out")
            return None
        if isinstance(node, yaml.CollectionNode) and node.tag not in PLAIN_COLLECTIONS:
            self._refuse_tag(node, path)
            return None
        self._open.append(node)
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode):
                return [self.plain(item, (*path, index)) for index, item in enumerate(node.value)]
            return self._scalar(node, path)
        finally:
            self._open.pop()

    def _mapping(self, node: yaml.MappingNode, path: Path) -> Plain:
        result: dict[str, Plain] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._refuse(path, "got a list or mapping as a key; accepts text as keys", line=line)
                continue
            key = str(key_node.value)
            if key in result:
                first = self.lines[(*path, key)]
                self._refuse((*path, key), f"got the key twice (first on line {first}); keep one of them", line=line)
                continue
            self.lines[(*path, key)] = line
            result[key] = self.plain(value_node, (*path, key))
        return result

    def _scalar(self, node: yaml.Node, path: Path) -> Plain:
        text, tag = str(node.value), node.tag.removeprefix("tag:yaml.org,2002:")
        try:
            if tag == "str":
                return text
            if tag == "null":
                return None
            if tag == "bool":
                return {"true": True, "false": False}[text.lower()]
            if tag == "int":
                return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
            if tag == "float":
                number = float(text.replace(".inf", "inf").replace(".nan", "nan"))
                if math.isfinite(number):
                    return number
                self._refuse(path, f"got {text}; accepts finite numbers")
                return None
        except (KeyError, ValueError):
            self._refuse(path, f"got {text!r} tagged !!{tag}, which it is not; remove the tag")
            return None
        self._refuse_tag(node, path)
        return None

    def _refuse_tag(self, node: yaml.Node, path: Path) -> None:
        self._refuse(path, f"got the tag {node.tag}; accepts plain YAML without tags")

    def _refuse(self, path: Path, message: str, *, line: int | None = None) -> None:
        if line is not None and path in self.lines and line != self.lines[path]:
            # The second of two equal keys: its own line, under a path of its own that reads the same.
            path = (*path[:-1], _Again(path[-1])) if path else path
            self.lines[path] = line
        self.problems.append(Problem(path=path, message=message))


class _Again(str):
    """A key met again: prints like the first, yet is another entry among the lines."""

    __slots__ = ()

    def __new__(cls, key: object) -> _Again:
        return super().__new__(cls, str(key))

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)
