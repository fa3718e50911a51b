"""What a fold trained on, as far as the seconds of its epochs depend on it. Loads without torch."""

from __future__ import annotations

from typing import NamedTuple

SLOTS = "slots"
"""Of a Start's environment: how many packs share the device; 1 where it is not said."""


class DeviceKind(NamedTuple):
    """What the seconds of an epoch depend on beside what is trained."""

    device: str
    """cpu or cuda."""
    name: str
    """The device's model."""
    slots: int
    """Packs that share it."""
    threads: int
    """Of the pack."""

    def words(self) -> str:
        """As ``NVIDIA A100, 2 packs on it, 4 threads``."""
        shared = f", {self.slots} packs on it" if self.slots > 1 else ""
        return f"{self.name}{shared}, {self.threads} {'thread' if self.threads == 1 else 'threads'}"
