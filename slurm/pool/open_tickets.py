"""What is open, as a worker sees it: in order, looked at seldom, and only what it may take."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection

from slurm.pool.tickets import OPEN, TAKEN, Pool, Ticket

LOOK_S = 1.0
"""Least time between two looks at the folder."""


class OpenTickets:
    """``hosts``: the names by which this node is known. Times in seconds since the Unix epoch."""

    def __init__(self, pool: Pool, run: str, hosts: Collection[str]) -> None:
        self._pool, self._run, self._hosts = pool, run, frozenset(hosts)
        self._files: deque[str] = deque()
        self._passed_over: set[str] = set()
        self._looked_at = float("-inf")
        self._needs: dict[str, float | None] = {}
        """File -> seconds that the ticket needs, of tickets that were read; None: this node does not take it."""
        self.seen_at = float("-inf")
        """When something was open that this worker may take."""

    def take(self, now: float, allows: Callable[[float], bool]) -> tuple[str, Ticket | None] | None:
        """The next ticket of those that ``allows`` has the seconds for, taken, with its file's name: None in its place
        where it cannot be read. None where there is nothing to take, by a look that is at most :data:`LOOK_S` old."""
        if not self._files and now - self._looked_at >= LOOK_S:
            self._look(now)
        while self._files:
            file = self._files.popleft()
            needed_s = self._needed(file)
            if needed_s is None or not allows(needed_s):
                continue
            self.seen_at = now
            if self._pool.claim(file, self._run):
                self._needs.pop(file, None)
                return file, self._pool.read(self._pool.folder / TAKEN / self._run / file)
        return None

    def _look(self, now: float) -> None:
        self._looked_at = now
        self._files = deque(self._pool.open_files())
        self._needs = {file: self._needs[file] for file in self._files if file in self._needs}

    def _needed(self, file: str) -> float | None:
        """Seconds that the ticket needs to come to something; None where this node is not to take it."""
        if file not in self._needs:
            ticket = self._pool.read(self._pool.folder / OPEN / file)
            avoided = ticket is not None and bool(self._hosts & set(ticket.avoid))
            self._needs[file] = None if avoided else (ticket and ticket.least_s) or 0.0
        return self._needs[file]

    def look_again(self) -> None:
        """A slot has become free: the folder may be looked at at once."""
        self._looked_at = float("-inf")
