"""The keys of study files and profiles as tables in Markdown, made from their JSON Schemas."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]


def tables(schema: Schema) -> str:
    """One table a section: its keys, what they accept, their defaults, and what they mean."""
    parts = [_table("", schema, schema)]
    for path, section in _sections(schema, schema):
        parts.append(_table(path, section, schema))
    return "\n\n".join(parts) + "\n"


def _sections(schema: Schema, root: Schema, above: str = "") -> Iterator[tuple[str, Schema]]:
    for key, held in schema.get("properties", {}).items():
        for name, section in _written_out(held, root):
            path = f"{above}{key}{name}"
            yield path, section
            yield from _sections(section, root, f"{path}.")


def _written_out(held: Schema, root: Schema) -> Iterator[tuple[str, Schema]]:
    """The mappings with keys of their own that a key accepts, with what stands behind the key."""
    for one in (held, *held.get("anyOf", [])):
        found = root["$defs"][one["$ref"].rpartition("/")[2]] if "$ref" in one else {}
        for section in (found, *found.get("anyOf", [])):
            if "properties" in section:
                yield "", section
        if "items" in one:
            yield from (("[]", section) for _, section in _written_out(one["items"], root))


def _table(path: str, section: Schema, root: Schema) -> str:
    head = [f"`{path}`: {section['description']}" if section.get("description") else f"`{path}`"] if path else []
    needed = section.get("required", [])
    rows = ["| key | accepts | default | meaning |", "| --- | --- | --- | --- |"]
    for key, held in section["properties"].items():
        default = "needed" if key in needed else _default(held)
        rows.append(f"| `{key}` | {_accepts(held, root)} | {default} | {held.get('description', '')} |")
    return "\n".join([*head, "", *rows] if head else rows)


def _default(held: Schema) -> str:
    if "default" not in held or isinstance(held["default"], dict):
        return ""
    return f"`{json.dumps(held['default'], ensure_ascii=False)}`"


def _accepts(held: Schema, root: Schema) -> str:
    if "$ref" in held:
        return _accepts(root["$defs"][held["$ref"].rpartition("/")[2]], root)
    if "anyOf" in held:
        return ", or ".join(dict.fromkeys(text for one in held["anyOf"] if (text := _accepts(one, root))))
    if "enum" in held:
        listed = [str(one) if one is not None else "null" for one in held["enum"]]
        return ", ".join(listed) if len(listed) <= 8 else f"one of {len(listed)} names, as {listed[0]}"
    if "const" in held:
        return json.dumps(held["const"])
    if "pattern" in held and "description" in held and "default" not in held:
        return str(held["description"])
    kinds = held.get("type", "")
    plain = [_KINDS.get(kind, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)]
    return ", ".join(plain) + _bounds(held)


_KINDS = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}


def _bounds(held: Schema) -> str:
    words = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    return "".join(f" {word} {held[key]:g}" for key, word in words.items() if key in held)
