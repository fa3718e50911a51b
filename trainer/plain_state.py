"""What user code keeps outside parameters and buffers: in attributes, on classes, in module globals.

Such state is in no checkpoint unless ``get_extra_state`` gives it. A :func:`snapshot` before and one after a training
step tell what has changed.
"""

from __future__ import annotations

import hashlib
import random
import sys
from collections import deque
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Kind = Literal["attribute", "class", "global"]
TRANSIENT = "actsweep_transient"
"""Class attribute: names of attributes that may change in training and that nothing later depends on."""
DEEP, LONG, LARGE = 4, 1000, 2**26
"""How far into containers a snapshot looks, how many items of one, and from how many bytes on at a part of an array."""
LIBRARIES = ("torch", "torchvision", "trainer", "builtins", "abc", "typing", "collections")
_OF_EVERY_MODULE = frozenset(vars(nn.Module())) | {"activation_names", "activation_uses", "functional_sites"}
_TENSOR = "tensor"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a value is kept: by which module of the network, and under what name there."""

    module: str
    name: str
    kind: Kind


Snapshot = dict[Place, Hashable]


def snapshot(root: nn.Module) -> Snapshot:
    """The values that can hold state, in a form that can be compared: numbers, texts, tensors, arrays, generators and
    containers of them, and those in objects of the user's own."""
    registered = {id(tensor) for tensor in (*root.parameters(), *root.buffers())}
    found: Snapshot = {}
    for path, module in root.named_modules():
        owners = [kind for kind in type(module).__mro__ if kind.__module__.partition(".")[0] not in LIBRARIES]
        if not owners:
            continue
        tops = frozenset(kind.__module__.partition(".")[0] for kind in owners)
        transient = set(getattr(module, TRANSIENT, ()))
        sources: list[tuple[Kind, Mapping[str, Any]]] = [("attribute", vars(module))]
        sources += [("class", vars(kind)) for kind in owners]
        sources += [("global", vars(sys.modules[name])) for kind in owners if (name := kind.__module__) in sys.modules]
        for kind, names in sources:
            for name, value in list(names.items()):
                if name in _OF_EVERY_MODULE or name in transient or name.startswith("__"):
                    continue
                frozen = _freeze(value, registered, tops, DEEP)
                if frozen is not None:
                    found[Place(module=path, name=name, kind=kind)] = frozen
    return found


def changed(before: Snapshot, after: Snapshot) -> set[Place]:
    """Places whose value is another one, or is new."""
    return {place for place, value in after.items() if before.get(place) != value}


def unregistered(root: nn.Module) -> Iterator[tuple[str, str, str]]:
    """(module, attribute, what) of parameters and modules that lie in plain lists, tuples or dictionaries, where the
    network does not know of them: they are not trained, moved or saved."""
    known = {id(item) for item in (*root.parameters(), *root.modules())}
    for path, module in root.named_modules():
        for name, value in vars(module).items():
            if name in _OF_EVERY_MODULE:
                continue
            inside = list(value.values()) if isinstance(value, dict) else value
            for item in inside if isinstance(inside, list | tuple) else ():
                held = [item] if isinstance(item, nn.Parameter) else []
                if isinstance(item, nn.Module) and id(item) not in known:
                    held = list(item.parameters())
                if any(id(parameter) not in known for parameter in held):
                    yield path, name, "ParameterList" if isinstance(item, nn.Parameter) else "ModuleList"
                    break


def plain_tensors(module: nn.Module) -> list[str]:
    """Attributes of ``module`` and what is in it that are tensors and neither parameters nor buffers."""
    return sorted(
        {
            name
            for child in module.modules()
            for name, value in vars(child).items()
            if name not in _OF_EVERY_MODULE
            and any(isinstance(item, Tensor) for item in (value if isinstance(value, list | tuple) else [value]))
        }
    )


def _freeze(value: Any, registered: set[int], tops: frozenset[str], depth: int) -> Hashable:
    """None for what holds no state that we know of. Only objects of the packages ``tops`` are looked into: a library's,
    as a logger, change for reasons of their own."""
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return value
    if isinstance(value, Tensor):
        return None if id(value) in registered or torch.nn.parameter.is_lazy(value) else (_TENSOR, _digest(value))
    if isinstance(value, np.ndarray | np.generic):
        return None if value.dtype.hasobject else (_TENSOR, _digest(torch.from_numpy(_bytes_of(np.asarray(value)))))
    if isinstance(value, torch.Generator):
        return value.get_state().numpy().tobytes()
    if isinstance(value, np.random.Generator):
        return repr(value.bit_generator.state).encode()
    if isinstance(value, np.random.RandomState):
        return repr(value.get_state()).encode()
    if isinstance(value, random.Random):
        return repr(value.getstate()).encode()
    if depth == 0:
        return None
    return _freeze_container(value, registered, tops, depth - 1)


def _freeze_container(value: Any, registered: set[int], tops: frozenset[str], depth: int) -> Hashable:
    items: list[Any]
    if isinstance(value, Mapping):
        items = [part for pair in value.items() for part in pair] if len(value) <= LONG else []
    elif isinstance(value, list | tuple | deque | set | frozenset):
        items = sorted(value, key=repr) if isinstance(value, set | frozenset) else list(value)
    elif (
        type(value).__module__.partition(".")[0] in LIBRARIES or isinstance(value, nn.Module | type) or callable(value)
    ):
        return None
    else:
        items = list(getattr(value, "__dict__", {}).values())
        if not items:
            return None
    return (type(value).__name__, len(items), *(_freeze(item, registered, tops, depth) for item in items[:LONG]))


def _bytes_of(array: NDArray[Any]) -> NDArray[np.uint8]:
    return np.require(array, requirements=["C", "W"]).reshape(-1).view(np.uint8)


@torch.no_grad()
def _digest(tensor: Tensor) -> str:
    if tensor.is_meta or tensor.layout != torch.strided:
        return str(tensor.shape)
    flat = tensor.detach().reshape(-1)
    if flat.numel() * flat.element_size() > LARGE:
        flat = flat[:: flat.numel() * flat.element_size() // LARGE + 1]
    raw = flat.cpu().contiguous().view(torch.uint8).numpy()
    return hashlib.sha256(f"{tensor.shape}{tensor.dtype}".encode() + raw.tobytes()).hexdigest()
