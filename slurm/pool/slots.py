"""How many tickets at a time a device bears: a number, or what a trial with real tickets finds."""

from __future__ import annotations


class Slots:
    """One number for all devices of a worker, which are of one kind."""

    def __init__(self, wanted: int | str) -> None:
        self.now = wanted if isinstance(wanted, int) else 1
        self.settled = True
        self.why = ""

    def crowded(self, most: int) -> bool:
        """Memory was short where ``most`` tickets ran at a time; whether the number is now another."""
        before = self.now
        self.now = min(self.now, max(1, most // 2))
        return self.now != before
