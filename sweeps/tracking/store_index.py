"""What an MLflow store holds of one sweep: learned from its runs once, then kept in step with every change made here.

Runs are found by the tag ``actsweep.key``, never by an id kept elsewhere. Of two with one key (two writers met, people
took one out of the trash) the one that ended last is kept, and the other goes to the trash; runs without our tags are
not looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.runs import schema
from sweeps.tracking import artifact_place, experiment_search, parcels
from sweeps.tracking.folder_reader import FolderReader
from sweeps.tracking.run_face import Face
from sweeps.tracking.run_values import LOGGED, MARKER, PARENT, STATUSES, Input, Mark, Point, Run, checksum
from sweeps.tracking.store import Store, connect
from sweeps.tracking.study_summary import SUMMARY

if TYPE_CHECKING:
    from mlflow import MlflowClient

DATA_CONTEXT = "mlflow.data.context"
LATER = (
    *(schema.SELECTED, schema.SELECTED_VALUE, schema.SELECTED_AMONG, schema.DROPPED, schema.EARLIER),
    schema.VERDICT,
)
"""Tags of a trial's run that may change after its end."""
PAGE = 200
"""Runs in one answer when the store is read at the start: whole runs are large."""


@dataclass(kw_only=True)
class KnownRun:
    """What the store holds of one run."""

    run_id: str
    parent: str = ""
    final: str = ""
    """A study's checksum of the metrics that it has; "" while it has none."""
    mark: Mark = field(default_factory=Mark)
    summary: str = ""
    """A trial's or study's checksum of what was logged at its end."""
    closed: bool = False
    end_ms: int = 0
    inputs: set[tuple[str, str]] = field(default_factory=set)
    """Name and digest of each data set that it names."""
    suspect: bool = False
    """Another version wrote it, or it may hold more than we can tell without reading it whole: replaced at the next
    occasion."""
    shows: int = 0
    """Checksum of its face."""
    face: Face | None = None
    """Kept while the run goes on: what it shows changes then."""
    noted: bool = False
    """People changed its note."""
    later: dict[str, str] = field(default_factory=dict)
    """Its tags that may change after its end."""

    def take(self, face: Face) -> None:
        """The run shows this now."""
        face = face.without_note() if self.noted else face
        self.shows, self.face = face.checksum(), face
        self.closed, self.end_ms = face.status not in ("RUNNING", "SCHEDULED"), face.end_ms
        self.later = {name: face.tags[name] for name in LATER if name in face.tags}
        if self.closed:
            self.face = None


class StoreIndex:
    """The runs of one sweep in one store. Errors of the store are the caller's to handle; after one, make a new index:
    what the store took of the failed call is not known."""

    def __init__(self, store: Store, reader: FolderReader) -> None:
        """Reaches the store, finds the sweep's experiment or makes it, and reads which runs it has."""
        self.api: MlflowClient = connect(store)
        if store.database is not None:
            artifact_place.settle(store.database)
        found = experiment_search.find(self.api, store, reader)
        self.experiment = str(found.experiment_id)
        """MLflow's id of the sweep's experiment."""
        self.tags: dict[str, str] = dict(found.tags)
        """Of the experiment."""
        self.runs: dict[str, KnownRun] = {}
        """By the tag ``actsweep.key``."""
        self.strays: list[str] = []
        """Ids of runs that have tags of ours and no key."""
        self.last_marker: dict[str, tuple[int, int]] = {}
        """Run id -> (epoch, time) of the last marker found in the store, while it is unsure what came behind it."""
        self.untaken: str | None = None
        """Which files the server would not take, in words."""
        self._learn()

    def closed(self, key: str) -> bool:
        return key in self.runs and self.runs[key].closed and not self.runs[key].suspect

    def set_tags(self, wanted: Mapping[str, str]) -> None:
        """Makes the experiment's tags say this; those of ours that it has beyond these are taken away."""
        for name, text in wanted.items():
            if self.tags.get(name) != text:
                self.api.set_experiment_tag(self.experiment, name, text)
                self.tags[name] = text
        for name in [name for name in self.tags if name.startswith(schema.PREFIX) and name not in wanted]:
            self.api.delete_experiment_tag(self.experiment, name)
            del self.tags[name]

    def _learn(self) -> None:
        """Reads from the store which runs there are and how much each holds."""
        ranks: dict[str, tuple[Any, ...]] = {}
        token: str | None = None
        while True:
            page = self.api.search_runs([self.experiment], max_results=PAGE, page_token=token)
            for run in page:
                key = run.data.tags.get(schema.KEY)
                if key is None:
                    if any(name.startswith(schema.PREFIX) for name in run.data.tags):
                        self.strays.append(run.info.run_id)
                    continue
                rank = _rank(run)
                if rank <= ranks.get(key, ()):
                    self.strays.append(run.info.run_id)
                    continue
                if key in self.runs:
                    self.strays.append(self.runs[key].run_id)
                ranks[key], self.runs[key] = rank, self._learn_run(run)
            token = page.token
            if not token:
                return

    def _learn_run(self, run: Any) -> KnownRun:
        tags: Mapping[str, str] = run.data.tags
        level, logged, face = tags[schema.KEY].count("/"), tags.get(LOGGED, ""), Face.held(run)
        known = KnownRun(
            run_id=run.info.run_id,
            parent=tags.get(PARENT, ""),
            summary=logged,
            noted=face.noted_by_people,
            inputs={(one.dataset.name, one.dataset.digest) for one in run.inputs.dataset_inputs},
        )
        known.take(face)
        known.suspect = tags.get(schema.SCHEMA_TAG) != str(schema.SCHEMA)
        if level == 0:  # the study's own
            known.final = tags.get(SUMMARY, "")
            known.suspect |= bool(run.data.metrics) and not (known.closed and known.final)
            return known
        finals = (schema.OUTCOME_PREFIX, schema.MEAN_PREFIX, "heldout/")
        if not known.closed:
            known.suspect |= LOGGED in tags or any(schema.column(key).startswith(finals) for key in run.data.metrics)
        if level == 1:  # a trial's
            return known
        if known.closed:
            mark = Mark.parse(logged)
            known.mark, known.suspect = mark or Mark(), known.suspect or mark is None
        elif MARKER in run.data.metrics:
            history = sorted(self.api.get_metric_history(known.run_id, MARKER), key=lambda entry: entry.step)
            # The last one may have been cut off behind its marker: it is sent again, and MLflow drops equal points.
            times = [(entry.step, entry.timestamp) for entry in history]
            known.mark = Mark(epochs=len(times) - 1, checksum=checksum(times[:-1]))
            self.last_marker[known.run_id] = times[-1]
        return known

    def create(self, wanted: Run, parent: str) -> KnownRun:
        """Makes a run that goes on, with all that it shows but its params."""
        tags = {name: text for name, text in wanted.tags.items() if name != LOGGED}  # says that all is there: sent last
        begun = Face.wanted(Run(key=wanted.key, name=wanted.name, start_ms=wanted.start_ms, tags=tags), tags)
        sent = {**begun.tags, PARENT: parent} if parent else dict(begun.tags)
        run = self.api.create_run(self.experiment, start_time=wanted.start_ms, tags=sent, run_name=wanted.name)
        known = KnownRun(run_id=run.info.run_id, parent=parent)
        known.take(begun)
        self.runs[wanted.key] = known
        return known

    def add_inputs(self, key: str, inputs: Sequence[Input]) -> None:
        """Names data sets in a run, those that it does not name yet."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        known = self.runs[key]
        further = [each for each in inputs if (each.name, each.digest) not in known.inputs]
        if further:
            named = [
                DatasetInput(
                    Dataset(each.name, each.digest, each.source_type, each.source, profile=each.profile),
                    [InputTag(DATA_CONTEXT, each.context)],
                )
                for each in further
            ]
            self.api.log_inputs(known.run_id, named)
            known.inputs |= {(each.name, each.digest) for each in further}

    def delete(self, key: str) -> None:
        self.api.delete_run(self.runs[key].run_id)
        del self.runs[key]

    def attach(self, run_id: str, folder: Path, below: str | None = None) -> bool:
        """Attaches a folder's files to a run, in the folder ``below`` of its artifacts; whether the store took all of
        them: see ``untaken``."""
        artifact_place.forget()
        untaken = parcels.attach(self.api, run_id, folder, below)
        self.untaken = untaken or self.untaken
        return untaken is None

    def attached(self, run_id: str) -> set[str]:
        """Artifacts of a run, folders by their name."""
        artifact_place.forget()
        return {found.path for found in self.api.list_artifacts(run_id)}

    def clear(self) -> None:
        """Sends runs with tags of ours that are nobody's to the trash."""
        while self.strays:
            self.api.delete_run(self.strays[-1])
            self.strays.pop()

    def terminate(self, run_id: str, wanted: Run) -> None:
        self.api.set_terminated(run_id, STATUSES[wanted.status], wanted.end_ms)

    def send(self, run_id: str, points: Sequence[Point], params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """Metrics in order, then params, then tags; in as many requests as the server asks for."""
        parcels.send(self.api, run_id, points, params, tags)


def _rank(run: Any) -> tuple[Any, ...]:
    """Of two runs with one key the higher one is kept."""
    tags, attempts = run.data.tags, run.data.tags.get(schema.ATTEMPTS, "")
    current, done = tags.get(schema.SCHEMA_TAG) == str(schema.SCHEMA), LOGGED in tags
    ended = run.info.end_time or 0
    return current, done, int(attempts) if attempts.isdecimal() else 0, ended, run.info.start_time, run.info.run_id
