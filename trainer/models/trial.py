"""One pass of a network without values, to see which non-linear functions it applies, where and how often.

It runs a copy of the network whose tensors are on torch's "meta" device, which computes shapes alone: a ResNet-34
takes milliseconds, and the network itself is not touched. Where that device will not do, a copy on the CPU runs.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from trainer.models import kinds
from trainer.models.call_sites import Site, site

BATCH = 2
Features = tuple[int | None, int]
"""How many features there are (None: not known), and on which axis."""


@dataclass(kw_only=True)
class Applied:
    """A non-linear function at one place of a network."""

    module: str
    """Path of the module that is the function, or that calls it."""
    kind: str
    site: Site | None
    """Where it calls it; None for a module that is the function."""
    features: Features
    """Of the layer that ran last before it was first applied."""
    applications: int = 0
    """In one pass in evaluation mode, or in training mode where evaluation leaves it out."""
    in_place: bool = False
    """Whether its argument was to be changed in place and was read again afterwards."""


@dataclass(kw_only=True)
class Seen:
    """What a trial saw. Functions that are children of another are not listed where the other is a ``place``."""

    applied: list[Applied] = field(default_factory=list)
    places: dict[str, tuple[int, Features]] = field(default_factory=dict)
    """Path of a module that was named as a place -> its applications, and the features before the first."""


def watch(model: nn.Module, input_shape: Sequence[int], places: frozenset[nn.Module] = frozenset()) -> Seen:
    """What ``model`` applies to a batch of items of ``input_shape``. ``places``: modules of it that count as they are,
    whatever they apply inside. Raises what the network raises on floating-point items on the CPU, where it runs
    neither on these nor on token numbers."""
    paths = frozenset(name for name, module in model.named_modules() if module in places)
    first: Exception | None = None
    for device in ("meta", "cpu"):
        for dtype in (torch.float32, torch.int64):
            try:
                return _watched(model, paths, torch.zeros(BATCH, *input_shape, dtype=dtype, device=device))
            except Exception as error:  # the user's own network may raise anything
                if device == "cpu" and first is None:
                    first = error
    assert first is not None
    raise first


def _watched(model: nn.Module, places: frozenset[str], items: Tensor) -> Seen:
    seen = Seen()
    for training in (False, True):
        copied = _copied(model, items.device)
        copied.train(training)
        passed = _Watching(copied, places)
        with passed.hooked(), passed, torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # said when it trains
            copied(items)
        _add(seen, passed)
    return seen


def _add(seen: Seen, passed: _Watching) -> None:
    known = {(item.module, item.kind, item.site): item for item in seen.applied}
    for key, found in passed.applied.items():
        if key in known:
            known[key].in_place |= found.in_place
        else:
            seen.applied.append(found)
    for path, counted in passed.places.items():
        seen.places.setdefault(path, counted)


def _copied(model: nn.Module, device: torch.device) -> nn.Module:
    if device.type == "cpu":
        return copy.deepcopy(model)
    tensors: dict[int, Any] = {
        id(item): nn.Parameter(item.detach().to(device), item.requires_grad) for item in model.parameters()
    }
    tensors |= {id(item): item.detach().to(device) for item in model.buffers()}
    return copy.deepcopy(model, tensors)


class _Watching(TorchFunctionMode):
    """Notes what is applied, and by which module, while a network runs that it is hooked into."""

    def __init__(self, model: nn.Module, places: frozenset[str]) -> None:
        super().__init__()
        self.applied: dict[tuple[str, str, Site | None], Applied] = {}
        self.places: dict[str, tuple[int, Features]] = {}
        self._model, self._named = model, places
        self._running: list[tuple[str, str | None]] = []
        self._inside_place = 0
        self._features: Features = (None, 1)
        self._changed: dict[int, tuple[Any, Applied]] = {}

    @contextmanager
    def hooked(self) -> Iterator[None]:
        handles = []
        for path, module in self._model.named_modules():
            handles.append(module.register_forward_pre_hook(partial(self._enter, path), prepend=True))
            handles.append(module.register_forward_hook(partial(self._leave, path)))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, path: str, module: nn.Module, _given: object) -> None:
        if not self._inside_place:
            kind = kinds.of_module(module)
            if path in self._named:
                times, features = self.places.get(path, (0, self._features))
                self.places[path] = times + 1, features
            elif kind is not None:
                self._count(path, kind, None)
        self._inside_place += path in self._named
        self._running.append((path, kinds.of_module(module)))

    def _leave(self, path: str, module: nn.Module, _given: object, _gave: object) -> None:
        self._running.pop()
        self._inside_place -= path in self._named
        if not self._inside_place:
            self._features = features(module) or self._features

    def _count(self, path: str, kind: str, where: Site | None) -> Applied:
        new = Applied(module=path, kind=kind, site=where, features=self._features)
        found = self.applied.setdefault((path, kind, where), new)
        found.applications += 1
        return found

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if self._changed:
            self._look_for_changed(args)
        path, is_kind = self._running[-1] if self._running else ("", None)
        if func not in kinds.CALLS or is_kind is not None or self._inside_place:
            return func(*args, **kwargs)
        kind, in_place = kinds.CALLS[func]
        found = self._count(path, kind, site()[0])
        if not (in_place or kwargs.get("inplace")):
            return func(*args, **kwargs)
        given: Tensor = args[0] if args else kwargs["input"]
        storage = given.untyped_storage()
        self._changed[storage._cdata] = storage, found
        gave: Tensor = func(given.clone(), *args[1:], **{key: item for key, item in kwargs.items() if key != "input"})
        return gave

    def _look_for_changed(self, args: tuple[Any, ...]) -> None:
        """Whether one of the arguments lies where a function has changed another in place."""
        for item in args:
            if isinstance(item, Tensor):
                if (known := self._changed.get(item.untyped_storage()._cdata)) is not None:
                    known[1].in_place = True
            elif isinstance(item, list | tuple):
                self._look_for_changed(tuple(item))


def features(module: nn.Module) -> tuple[int, int] | None:
    """How many features a layer gives and on which axis; None for a layer that has no say in it."""
    for attribute in ("num_features", "out_channels", "num_channels"):
        if isinstance(width := getattr(module, attribute, None), int):
            return width, 1
    for attribute in ("out_features", "embedding_dim", "hidden_size"):
        if isinstance(width := getattr(module, attribute, None), int):
            return width, -1
    if isinstance(module, nn.LayerNorm):
        return module.normalized_shape[-1], -1
    return None
