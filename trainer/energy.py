"""Energy that a device has used, where it tells: NVIDIA's own counter, or the processor's (RAPL) where it is readable.

Both are of the whole device: of a GPU that is shared, or of a machine with other work, more than one training's.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

RAPL = Path("/sys/class/powercap")


class Counter:
    """``rapl``: where Linux has the processors' counters."""

    def __init__(self, device: torch.device, rapl: Path = RAPL) -> None:
        self._read: Callable[[], dict[str, float]] = _of_gpu(device) if device.type == "cuda" else _of_cpu(rapl)
        self._ranges = {} if device.type == "cuda" else _ranges(rapl)
        self._last = self._read()

    def since(self) -> float | None:
        """Joules since the last call, or since it was made; None where the device does not tell."""
        now, last = self._read(), self._last
        self._last = now
        if not now or now.keys() != last.keys():
            return None
        steps = {name: now[name] - last[name] for name in now}  # a counter that is full begins again at 0
        return sum(step if step >= 0 else step + self._ranges.get(name, 0.0) for name, step in steps.items())


def _of_gpu(device: torch.device) -> Callable[[], dict[str, float]]:
    def read() -> dict[str, float]:
        try:
            library, handle = _handle(str(torch.cuda.get_device_properties(device).uuid))
            return {"gpu": library.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000}
        except Exception as error:  # no library, one of its own errors, a card before Volta
            logging.getLogger(__name__).debug("no energy: %s", error)
            return {}

    return read


@functools.cache
def _handle(uuid: str) -> tuple[Any, Any]:
    import pynvml

    pynvml.nvmlInit()
    return pynvml, pynvml.nvmlDeviceGetHandleByUUID(uuid if uuid.startswith("GPU-") else f"GPU-{uuid}")


def _packages(rapl: Path) -> list[Path]:
    """One of each processor; what lies below one is part of it."""
    return [path for path in sorted(rapl.glob("intel-rapl:*")) if path.name.count(":") == 1]


def _of_cpu(rapl: Path) -> Callable[[], dict[str, float]]:
    def read() -> dict[str, float]:
        try:
            return {path.name: int((path / "energy_uj").read_text()) / 1e6 for path in _packages(rapl)}
        except (OSError, ValueError):  # most systems let only root read it
            return {}

    return read


def _ranges(rapl: Path) -> dict[str, float]:
    try:
        return {path.name: int((path / "max_energy_range_uj").read_text()) / 1e6 for path in _packages(rapl)}
    except (OSError, ValueError):
        return {}
