"""What a worker has to say of its tickets: written at once where that can be done, else later, and in order."""

from __future__ import annotations

from collections.abc import Callable

from slurm.pool.tickets import Ended, Pool, Ticket


class Owed:
    """``say``: takes a line for the worker's log."""

    def __init__(self, pool: Pool, run: str, say: Callable[[str], None]) -> None:
        self._pool, self._run, self._say = pool, run, say
        self._todo: list[tuple[str, Callable[[], None]]] = []
        self.ended = 0
        """Ends that are on disk."""

    def end(self, ended: Ended, file: str) -> None:
        def write() -> None:
            self._pool.end(ended, self._run, file)
            self.ended += 1

        self._todo.append((file, write))
        self.pay()

    def give_back(self, ticket: Ticket) -> None:
        self._todo.append((ticket.file, lambda: self._pool.give_back(ticket, self._run)))
        self.pay()

    def pay(self) -> bool:
        """Writes what can be written; whether that was all."""
        while self._todo:
            file, write = self._todo[0]
            try:
                write()
            except OSError as problem:
                self._say(f"{file}: what became of it cannot be written ({problem}); trying again")
                return False
            del self._todo[0]
        return True
