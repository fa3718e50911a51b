"""Calls of an activation as a function (``functional.relu(x)``, ``x.relu_()``), and how another one takes their place.

A call site is where the source calls, in one module's ``forward`` or in a function that it uses: all rounds of a loop
are one site, as they would be with one ``nn.ReLU``. The module whose ``forward`` it is, the owner, gets a child for
each of its sites (``functional_relu``, ``functional_relu_2``), and its class a ``forward`` that sends the calls there.
Only while an owner runs does a call of torch's take longer, by about a microsecond.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils import _device

from trainer.models import kinds

SITES = "functional_sites"
"""Attribute of an owner: where its calls stand -> :class:`Redirected`. Nothing of it changes as it trains."""
Site = tuple[tuple[CodeType, int], ...]
"""The frames of a call, innermost first, up to its owner's ``forward``: the code, and the instruction in it."""

_DISPATCH = (torch.overrides.__file__, torch.nn.functional.__file__, _device.__file__)
_BORDERS = (nn.modules.module.__file__, __file__)


@dataclass(frozen=True, kw_only=True)
class Redirected:
    """Where the calls of one site go."""

    child: str
    """Name of the module in the owner."""
    in_place: bool
    """Whether the network reads the argument again, which such a call is to have changed."""


def site() -> tuple[Site, FrameType | None]:
    """Of the call of torch's that the caller of this handles: where it stands, and the frame that called the owner's
    ``forward``."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename in _DISPATCH:
        frame = frame.f_back
    frames: list[tuple[CodeType, int]] = []
    while frame is not None and frame.f_code.co_filename not in _BORDERS:
        frames.append((frame.f_code, frame.f_lasti))
        frame = frame.f_back
    return tuple(frames), frame


class _Redirecting(TorchFunctionMode):
    """Active while an owner's ``forward`` runs. What modules inside it call is theirs, and goes on as it is."""

    def __init__(self, owner: nn.Module, caller: FrameType) -> None:
        super().__init__()
        self.owner, self.caller = owner, caller

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in kinds.CALLS:
            here, caller = site()
            redirected = vars(self.owner)[SITES].get(here) if caller is self.caller else None
            if redirected is not None:
                place = getattr(self.owner, redirected.child)
                given: Tensor = args[0] if args else kwargs["input"]
                return given.copy_(place(given.clone())) if redirected.in_place else place(given)
        return func(*args, **kwargs)


def redirect(owner: nn.Module, sites: Mapping[Site, Redirected]) -> None:
    """Sends the calls at ``sites`` to the children of ``owner`` that they name."""
    setattr(owner, SITES, dict(sites))
    owner.__class__ = _redirecting(type(owner))


def _redirecting(kind: type[nn.Module]) -> type[nn.Module]:
    class Redirects(kind):  # type: ignore[misc,valid-type]  # whatever the owner is
        def forward(self, *args: Any, **kwargs: Any) -> Any:
            mode = _Redirecting(self, sys._getframe())
            try:
                with mode:
                    return super().forward(*args, **kwargs)
            finally:
                mode.caller = cast(FrameType, None)  # or frame and mode would keep each other, and all tensors in it

    Redirects.__name__, Redirects.__qualname__, Redirects.__module__ = kind.__name__, kind.__qualname__, kind.__module__
    return Redirects
