"""The sources of what a fold imports from the user: found, named by their contents, and compared with those elsewhere.

A study names an activation, a model, a reader or a task by its import path. Its module and what that imports in turn of
the same project are the user's own; the standard library, this product and what is installed beside it are not. Of a
named module that is itself installed, what pip recorded of its distribution stands for it. Nothing is imported here:
modules are looked for as an import would look for them, and their imports are read from their sources.
"""

from __future__ import annotations

import ast
import hashlib
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.machinery import ModuleSpec
from pathlib import Path

from actsweep_start import PACKAGES

LIBRARIES = frozenset({"torch", "torchvision", "numpy", "scipy", "sklearn", "wfdb", "PIL"})
"""What the trainer itself stands on; nodes may have other builds of it."""
_NOT_OWN = frozenset(sys.stdlib_module_names) | LIBRARIES | frozenset(PACKAGES) | {"actsweep_start"}
_STANDARD = tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib"))
_IMPORTERS = ("import_module", "__import__")

Codes = Mapping[str, str]
"""Module -> SHA-256 of its file; of an installed package its version and what pip recorded of its files."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A module of the user's own."""

    module: str
    file: Path
    content: bytes
    is_package: bool

    @property
    def place(self) -> str:
        """Where the file lies below the folder that is on ``sys.path``."""
        parts = self.module.split(".")
        return "/".join([*parts, self.file.name] if self.is_package else [*parts[:-1], self.file.name])


def sources(names: Iterable[str]) -> list[Source]:
    """The modules behind import paths (``package.module:Name``; other names are ours and passed over) and what they
    import of their own project, by name. A module that is not there is passed over: what imports it says so."""
    found: dict[str, Source] = {}
    todo = [name.partition(":")[0] for name in names if ":" in name]
    while todo:
        module = todo.pop()
        for source in _chain(module):
            if source.module not in found:
                found[source.module] = source
                todo += _imports(source)
    return [found[module] for module in sorted(found)]


def codes(names: Sequence[str]) -> dict[str, str]:
    """:data:`Codes` of all that import paths lead to."""
    found = {source.module: hashlib.sha256(source.content).hexdigest() for source in sources(names)}
    for top in {name.partition(":")[0].partition(".")[0] for name in names if ":" in name}:
        if top not in _NOT_OWN and top not in found and (recorded := _installed(top)):
            found[top] = recorded
    return found


def here(known: Codes) -> dict[str, str]:
    """What this machine has of the modules that ``known`` names."""
    found: dict[str, str] = {}
    for module in known:
        if " " in known[module]:
            found[module] = _installed(module)
        for source in _chain(module, anywhere=True):
            if source.module == module and module not in found:
                found[module] = hashlib.sha256(source.content).hexdigest()
    return {module: code for module, code in found.items() if code}


def differences(known: Codes, found: Codes) -> list[str]:
    """Modules that are not as they were, in words."""
    said = []
    for module in sorted(known.keys() | found.keys()):
        if known.get(module) != found.get(module):
            how = "not found" if module not in found else "new" if module not in known else "changed"
            said.append(f"{module} ({how})")
    return said


def _chain(module: str, *, anywhere: bool = False) -> Iterator[Source]:
    """The module and the packages around it, outermost first, as far as they are the user's own, or ``anywhere``: what
    is worked on here may be installed on a node."""
    parts = module.split(".")
    if parts[0] in _NOT_OWN:
        return
    path: Sequence[str] | None = None
    for end in range(1, len(parts) + 1):
        spec = _find(".".join(parts[:end]), path)
        if spec is None:
            return
        path = spec.submodule_search_locations
        if spec.origin is not None and spec.has_location:
            content = _content(spec)
            if content is None or not (anywhere or _is_own(Path(spec.origin))):
                return
            yield Source(module=spec.name, file=Path(spec.origin), content=content, is_package=path is not None)
        if path is None:
            return


def _find(name: str, path: Sequence[str] | None) -> ModuleSpec | None:
    """As ``importlib.util.find_spec``, which would import the packages around the module."""
    for finder in sys.meta_path:
        spec = finder.find_spec(name, path) if hasattr(finder, "find_spec") else None
        if spec is not None:
            return spec
    return None


def _content(spec: ModuleSpec) -> bytes | None:
    assert spec.origin is not None
    get_data = getattr(spec.loader, "get_data", None)  # which reads from a zip, too
    try:
        return bytes(get_data(spec.origin)) if get_data is not None else Path(spec.origin).read_bytes()
    except OSError:
        return None


def _is_own(file: Path) -> bool:
    """Whether a module's file is neither installed nor Python's. An editable install leaves it where the user works."""
    resolved = file.resolve()
    if {"site-packages", "dist-packages"} & set(resolved.parts):
        return False
    return not any(resolved.is_relative_to(root) for root in _STANDARD)


def _imports(source: Source) -> Iterator[str]:
    """Names of modules that the source may import, anywhere in it; some are no modules."""
    if source.file.suffix != ".py":
        return
    try:
        tree = ast.parse(source.content)
    except (SyntaxError, ValueError):
        return
    package = source.module if source.is_package else source.module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([node.module] if node.module else [])])
            if base:
                yield base
                yield from (f"{base}.{alias.name}" for alias in node.names if alias.name != "*")
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called in _IMPORTERS and isinstance(node.args[0].value, str):
                named = node.args[0].value
                yield f"{package}{named}" if named.startswith(".") else named


def _installed(top: str) -> str:
    """Version and files of the distributions that a top-level package comes from, by what pip recorded; "" for none."""
    total, versions = hashlib.sha256(), []
    for name in sorted(set(metadata.packages_distributions().get(top, []))):
        distribution = metadata.distribution(name)
        versions.append(f"{name} {distribution.version}")
        lines = (distribution.read_text("RECORD") or "").splitlines()
        # Compiled files have no hash and differ from machine to machine.
        total.update("\n".join(sorted(line for line in lines if line.startswith((f"{top}/", f"{top}.")))).encode())
    return f"{', '.join(versions)} {total.hexdigest()[:16]}" if versions else ""
