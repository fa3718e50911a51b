"""A notice as it is read: one text, and the same as values."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

from sweeps.folder.layout import quote_path
from sweeps.folder.reported import Reported
from sweeps.notify.events import END, Counts, Happened

MOST = 1800
"""Characters of a text: chats cut or refuse longer ones (Discord at 2000)."""
LONG = 20_000
"""Characters of a variable: a system limits them."""
_ENDED = {"finished": "finished", "failed": "ended, and needs somebody", "stopped": "was stopped on request"}


@dataclass(frozen=True, kw_only=True)
class Message:
    id: str
    kind: str
    """Study or suite."""
    name: str
    question: str
    folder: Path
    happened: Happened
    counts: Counts | None
    """None where the ledger cannot be read."""
    reported: Reported | None

    @property
    def over(self) -> bool:
        return self.happened.of.startswith(END)

    def text(self) -> str:
        """A few lines for people, at most :data:`MOST` characters."""
        done = f": {self.counts.words()}" if self.counts else ""
        lines = [f"{self.kind} {self.name} {_ENDED[self.happened.event]}{done}", *self.happened.why]
        if self.reported is not None and self.reported.answer:
            lines.append(self.reported.answer)
        where = quote_path(self.folder)
        if self.reported is not None:
            last = f"report: {socket.gethostname()}:{self.reported.page}"
        elif self.over:
            last = f"no report yet: `actsweep report {where}` on {socket.gethostname()} writes it"
        else:
            last = f"go on with `actsweep resume {where}` on {socket.gethostname()}"
        whole = "\n".join(lines)
        room = MOST - len(last) - 1
        return f"{whole if len(whole) <= room else whole[: room - 4] + ' ...'}\n{last}"

    def values(self) -> dict[str, object]:
        return {
            "id": self.id,
            "event": self.happened.event,
            "kind": self.kind,
            "name": self.name,
            "question": self.question,
            "why": list(self.happened.why),
            "answer": self.reported.answer if self.reported is not None else None,
            "report": self.reported.page if self.reported is not None else None,
            "folds": self.counts and {key: getattr(self.counts, key) for key in ("planned", "done", "lost")},
            "epoch_hours": self.counts and self.counts.epoch_seconds / 3600,
            "folder": str(self.folder),
            "host": socket.gethostname(),
        }

    def body(self) -> dict[str, object]:
        """``text`` is what Slack, Mattermost and Rocket.Chat show, ``content`` what Discord does; the values are under
        one key of ours, which is none of theirs."""
        text = self.text()
        return {"text": text, "content": text, "actsweep": self.values()}

    def variables(self) -> dict[str, str]:
        values = {
            "NOTICE_ID": self.id,
            "EVENT": self.happened.event,
            "NAME": self.name,
            "TEXT": self.text(),
            "ANSWER": self.reported.answer if self.reported is not None else "",
            "REPORT": self.reported.page if self.reported is not None else "",
            "FOLDER": str(self.folder),
        }
        return {f"ACTSWEEP_{key}": value.replace("\0", "")[:LONG] for key, value in values.items()}
