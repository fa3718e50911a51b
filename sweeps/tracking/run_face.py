"""What a run shows beside its metrics, ours alone: compared with what it should show, so that what people changed of it
is found without asking the store for each run, and what they added stays.

A run's note is theirs once they changed it: ``actsweep.noted`` has the checksum of the one that we wrote.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analysis.runs import schema
from sweeps.tracking.run_values import NOTE, STATUSES, Run

NOTED = schema.PREFIX + "noted"
OURS = (
    *("mlflow.source.name", "mlflow.source.type", "mlflow.source.git.commit", "mlflow.source.git.branch"),
    *("mlflow.user", NOTE),
)
"""Tags of MLflow's own names that a run of ours may carry."""


@dataclass(frozen=True, kw_only=True)
class Face:
    """Of a run: its name, status and end as MLflow has them, and its tags and params."""

    name: str
    status: str
    end_ms: int
    """0 while it runs."""
    tags: Mapping[str, str]
    params: Mapping[str, str]

    @staticmethod
    def wanted(run: Run, tags: Mapping[str, str]) -> Face:
        """``tags``: all that the run is to have, but for its parent."""
        status = STATUSES[run.status]
        return Face(name=run.name, status=status, end_ms=run.end_ms, tags=signed(tags), params=run.params)

    @staticmethod
    def held(run: Any) -> Face:
        """Of an MLflow run."""
        tags = {name: text for name, text in run.data.tags.items() if name.startswith(schema.PREFIX) or name in OURS}
        return Face(
            name=run.info.run_name or "",
            status=run.info.status,
            end_ms=run.info.end_time or 0,
            tags=tags,
            params=dict(run.data.params),
        )

    @property
    def noted_by_people(self) -> bool:
        note = self.tags.get(NOTE)
        return (note is not None or NOTED in self.tags) and _sum(note) != self.tags.get(NOTED)

    def without_note(self) -> Face:
        tags = {name: text for name, text in self.tags.items() if name not in (NOTE, NOTED)}
        return Face(name=self.name, status=self.status, end_ms=self.end_ms, tags=tags, params=self.params)

    def checksum(self) -> int:
        tags, params = sorted(self.tags.items()), sorted(self.params.items())
        return zlib.crc32(repr((self.name, self.status, self.end_ms, tags, params)).encode())

    def changed_tags(self, held: Face) -> dict[str, str]:
        """Tags of this face that the other lacks or has otherwise."""
        return {name: text for name, text in self.tags.items() if held.tags.get(name) != text}

    def contradicts(self, held: Face) -> bool:
        """Whether the other has a param with another value, which MLflow never changes, or one of ours beyond them."""
        ours = (schema.ACTIVATION_PARAM, schema.TRAINING_PARAM)
        beyond = any(name.startswith(ours) for name in held.params.keys() - self.params.keys())
        return beyond or any(held.params.get(name, text) != text for name, text in self.params.items())


def signed(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags with the checksum of the note, where they have one."""
    return {**tags, NOTED: _sum(tags[NOTE])} if NOTE in tags else dict(tags)


def _sum(note: str | None) -> str:
    return f"{zlib.crc32((note or '').encode()):08x}"
