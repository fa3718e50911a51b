"""The keys of study files, suites and profiles as tables in Markdown, made from their JSON Schemas."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from sweeps.study.recipes import KEY

Schema = dict[str, Any]
DOMAIN = "#/$defs/Domain"
LISTED, LISTED_ABOVE = 40, 8
"""Names that are listed; of more, the first is named. Above a table that lists them, fewer are."""
BELOW_SPACE = "A domain is a mapping with one key, wherever something is searched: `{uniform: [0, 1]}`."


def chapter(kind: str, schema: Schema, without: Mapping[str, str] | None = None) -> str:
    """All keys of one kind of file: a table a section, in the order of the file. ``without``: keys whose sections are
    told elsewhere -> where."""
    return _Chapter(kind, schema, without or {}).text()


class _Chapter:
    def __init__(self, kind: str, schema: Schema, without: Mapping[str, str]) -> None:
        self._kind, self._root, self._without = kind, schema, without
        self._sections = list(self._found(schema, ""))
        self._slugs = {path: self._slug(path) for path, _ in self._sections}

    def text(self) -> str:
        about = self._root.get("description", "")
        parts = [f"## {_title(self._kind)}", *([_cell(_plain(about))] if about else []), self._table("", self._root)]
        for path, section in self._sections:
            said = section.get("description", "")
            parts += [f"### {self._kind}: `{path}`", *([_plain(said)] if said else []), self._table(path, section)]
        domain = self._root.get("$defs", {}).get(DOMAIN.rpartition("/")[2])
        if domain is not None and not self._without:
            parts += ["### domains", BELOW_SPACE, self._table("", domain)]
        return "\n\n".join(parts) + "\n"

    def _slug(self, path: str) -> str:
        """As GitHub links a heading."""
        return "#" + re.sub(r"[^\w -]", "", f"{self._kind}: {path}".lower()).replace(" ", "-")

    def _found(self, schema: Schema, above: str) -> Iterator[tuple[str, Schema]]:
        for key, held in schema.get("properties", {}).items():
            if key in self._without and not above:
                continue
            for name, section in self._written_out(held):
                yield f"{above}{key}{name}", section
                yield from self._found(section, f"{above}{key}{name}.")

    def _written_out(self, held: Schema) -> Iterator[tuple[str, Schema]]:
        """The mappings with keys of their own that a key accepts, with what stands behind the key. Fields of training
        below another key are named where training is."""
        for one in (held, *held.get("anyOf", [])):
            found = self._referred(one) if one.get("$ref") != DOMAIN else {}
            for section in (found, *found.get("anyOf", [])):
                if "properties" in section:
                    yield "", section
            if "items" in one:
                yield from (("[]", section) for _, section in self._written_out(one["items"]))

    def _referred(self, held: Schema) -> Schema:
        if "$ref" not in held:
            return {}
        found: Schema = self._root["$defs"][held["$ref"].rpartition("/")[2]]
        return found

    def _table(self, path: str, section: Schema) -> str:
        needed = section.get("required", [])
        depends = "depends" if any("default" in held for held in section["properties"].values()) else ""
        rows = ["| key | accepts | default | meaning |", "| --- | --- | --- | --- |"]
        for key, held in section["properties"].items():
            own = f"{path}.{key}".lstrip(".")
            below = next((known for known in (own, f"{own}[]") if known in self._slugs), None)
            accepted = self._accepts(held) if below is None else self._short(held, below)
            if key in self._without and not path:
                accepted = f"{self._names(held)}, or a mapping"
            default = "needed" if key in needed else _default(held, "none" if key == KEY else depends)
            cells = [f"`{key}`", accepted, default, self._meaning(key, held, path)]
            rows.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
        return "\n".join(rows)

    def _meaning(self, key: str, held: Schema, path: str) -> str:
        said = held.get("description") or next(
            (text for _, section in self._written_out(held) if (text := section.get("description"))), ""
        )
        elsewhere = f" {self._without[key]}" if key in self._without and not path else ""
        return _plain(said)[:1].upper() + _plain(said)[1:] + elsewhere

    def _short(self, held: Schema, below: str) -> str:
        """Of a key with a table of its own: its short forms, and where the table is."""
        link = f"[a section]({self._slugs[below]})"
        if held.get("type") == "array":
            names = self._names(held["items"])
            return f"a list of: {names}, or {link}" if names else f"a list of [sections]({self._slugs[below]})"
        names = self._names(held)
        return f"{names}, or {link}" if names else link

    def _names(self, held: Schema) -> str:
        """The short forms."""
        plain = [one for one in self._forms(held) if "properties" not in one]
        many = [one for one in plain if len(one.get("enum", ())) > LISTED_ABOVE]
        said = self._accepts({"anyOf": [one for one in plain if one not in many]})
        return ", or ".join(filter(None, ["a name" if many else "", said]))

    def _forms(self, held: Schema) -> list[Schema]:
        """All that a key accepts, without what only refers to others."""
        forms: list[Schema] = []
        for one in (self._referred(held) or held).get("anyOf", [held]):
            referred = self._referred(one)
            forms += self._forms(referred) if referred else [one]
        return [self._referred(one) or one for one in forms]

    def _accepts(self, held: Schema) -> str:
        if held.get("$ref") == DOMAIN:
            return "[a domain](#domains)" if not self._without else "a domain"
        if "$ref" in held:
            return self._accepts(self._referred(held))
        if "anyOf" in held and "properties" not in held:
            return ", or ".join(dict.fromkeys(text for one in held["anyOf"] if (text := self._accepts(one))))
        if "enum" in held:
            listed = [f"`{json.dumps(one)}`" if not isinstance(one, str) else f"`{one}`" for one in held["enum"]]
            return ", ".join(listed) if len(listed) <= LISTED else f"one of {len(listed)} names, as {listed[0]}"
        if "const" in held:
            return f"`{held['const'] if isinstance(held['const'], str) else json.dumps(held['const'])}`"
        if "pattern" in held and "description" in held and "default" not in held:
            return _plain(str(held["description"]))
        kinds = held.get("type", "")
        plain = [self._kind_of(kind, held) for kind in ([kinds] if isinstance(kinds, str) else kinds)]
        return ", ".join(plain) + _bounds(held)

    def _kind_of(self, kind: str, held: Schema) -> str:
        if kind == "array" and (of := self._accepts(held.get("items", {}))) not in ("", "a mapping"):
            return f"a list of: {of}"
        if kind == "object" and isinstance(held.get("additionalProperties"), dict):
            return f"a mapping of names to: {self._accepts(held['additionalProperties'])}"
        if kind == "object" and "enum" in held.get("propertyNames", {}):
            some = "one" if held.get("maxProperties") == 1 else "some"
            return f"a mapping with {some} of: {self._accepts(held['propertyNames'])}"
        if kind == "object" and held.get("properties"):
            each = dict.fromkeys(self._accepts(value) for value in held["properties"].values())
            names = ", ".join(f"`{name}`" for name in held["properties"])
            return f"a mapping of {names} to: {', or '.join(each)}"
        return _KINDS.get(kind, kind)


def _title(kind: str) -> str:
    return f"Keys of a {kind} file" if kind != "profile" else "Keys of a cluster profile"


def _default(held: Schema, otherwise: str) -> str:
    """``otherwise``: where the schema has none; what it depends on, the meaning says."""
    if "default" not in held:
        return "none" if otherwise and held.get("type") == "object" else otherwise
    default = held["default"]
    if isinstance(default, dict):
        return f"`{default['name']}`" if "name" in default else "its defaults" if default else "none"
    if default in ([], ()):
        return "none"
    if isinstance(default, list):
        return f"`[{', '.join(map(str, default))}]`"
    return f"`{default}`" if isinstance(default, str) and default else f"`{json.dumps(default, ensure_ascii=False)}`"


_KINDS = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "`true` or `false`",
    "array": "a list",
    "object": "a mapping",
    "null": "`null`",
}


def _bounds(held: Schema) -> str:
    words = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    return "".join(f" {word} {_number(held[key])}" for key, word in words.items() if key in held)


def _number(value: float) -> str:
    return "2^63" if value == 2**63 else f"{value:g}"


def _plain(text: str) -> str:
    """Without references to our own code."""
    return re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"`\1`", text)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
