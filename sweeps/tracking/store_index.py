"""What an MLflow store holds of one study: learned from its runs once, then kept in step with every change made here.

Runs are found by the tag ``actsweep.key``, never by an id kept elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from analysis.runs import schema
from sweeps.errors import TrackingError
from sweeps.folder.secrets import redact
from sweeps.tracking.run_values import (
    LOGGED,
    MARKER,
    NOTE,
    PARENT,
    STATUSES,
    FoldRun,
    Input,
    Mark,
    Point,
    Run,
    checksum,
)
from sweeps.tracking.store import Store, connect

if TYPE_CHECKING:
    from mlflow import MlflowClient

DATA_CONTEXT = "mlflow.data.context"
EXPERIMENT_KIND = "mlflow.experimentKind"  # else the UI asks at first sight what the experiment is about
CHANGING = (
    *(schema.SCHEMA_TAG, schema.SELECTED, schema.SELECTED_VALUE, schema.SELECTED_AMONG, schema.DROPPED),
    *(schema.EARLIER, NOTE),
)
PAGE = 200
"""Runs in one answer when the store is read at the start: whole runs are large."""


@dataclass(kw_only=True)
class KnownRun:
    """What the store holds of one run."""

    run_id: str
    parent: str = ""
    mark: Mark = field(default_factory=Mark)
    summary: str = ""
    """A trial's or study's checksum of what was logged at its end."""
    attempts: int = 0
    closed: bool = False
    params: bool = False
    inputs: set[tuple[str, str]] = field(default_factory=set)
    """Name and digest of each data set that it names."""
    outdated: bool = False
    """A version before this one wrote it: a study's run gets the tags and params of this one, others are replaced."""
    told: dict[str, str] = field(default_factory=dict)
    """Of a trial's or the study's run, its tags that may change after its end."""
    suspect: bool = False
    """It may hold more than we can tell without reading it whole: replaced at the next occasion."""


class StoreIndex:
    """The runs of one study in one store. Errors of the store are the caller's to handle; after one, make a new index:
    what the store took of the failed call is not known."""

    def __init__(self, store: Store, study: str, digest: str) -> None:
        """Reaches the store, makes the experiment where there is none, and reads which runs it has. Raises
        :class:`TrackingError` for an experiment of another study or one in the trash."""
        self._store = store
        self.api: MlflowClient = connect(store)
        self.experiment = self._find_experiment(study, digest)
        """MLflow's id of the study's experiment."""
        self.runs: dict[str, KnownRun] = {}
        """By the tag ``actsweep.key``."""
        self.last_marker: dict[str, tuple[int, int]] = {}
        """Run id -> (epoch, time) of the last marker found in the store, while it is unsure what came behind it."""
        self._learn()

    def closed(self, key: str) -> bool:
        return key in self.runs and self.runs[key].closed and not self.runs[key].outdated

    def _find_experiment(self, name: str, digest: str) -> str:
        found = self.api.get_experiment_by_name(name)
        if found is None:
            tags = {schema.STUDY_DIGEST: digest, EXPERIMENT_KIND: "custom_model_development"}
            return str(self.api.create_experiment(name, artifact_location=self._store.artifacts, tags=tags))
        if found.lifecycle_stage != "active":
            raise TrackingError(
                f"experiment {name!r} is in the trash of {redact(self._store.uri)}; restore it, "
                "or give the study another name"
            )
        other = found.tags.get(schema.STUDY_DIGEST, digest)
        if other != digest:
            raise TrackingError(
                f"experiment {name!r} in {redact(self._store.uri)} holds a study of digest {other}, this one has "
                f"{digest}; give the study another name, or delete that experiment"
            )
        return str(found.experiment_id)

    def _learn(self) -> None:
        """Reads from the store which runs there are and how much each holds."""
        token: str | None = None
        while True:
            page = self.api.search_runs([self.experiment], max_results=PAGE, page_token=token)
            for run in page:
                key = run.data.tags.get(schema.KEY)
                if key is None:
                    continue
                if key in self.runs:  # two writers met, or an answer was lost after the server had done its work
                    self.api.delete_run(run.info.run_id)
                else:
                    self.runs[key] = self._learn_run(run)
            token = page.token
            if not token:
                return

    def _learn_run(self, run: Any) -> KnownRun:
        tags: Mapping[str, str] = run.data.tags
        logged = tags.get(LOGGED, "")
        known = KnownRun(
            run_id=run.info.run_id,
            parent=tags.get(PARENT, ""),
            summary=logged,
            attempts=int(tags.get(schema.ATTEMPTS, "0")),
            closed=run.info.status not in ("RUNNING", "SCHEDULED"),
            params=bool(run.data.params),
            inputs={(one.dataset.name, one.dataset.digest) for one in run.inputs.dataset_inputs},
        )
        if tags.get(schema.KIND) != "fold":
            known.told = {name: tags[name] for name in CHANGING if name in tags}
        known.outdated = tags.get(schema.SCHEMA_TAG) != str(schema.SCHEMA)
        if tags.get(schema.KIND) == "study":
            return known
        known.suspect = known.outdated  # its metrics have other names
        finals = (schema.OUTCOME_PREFIX, schema.MEAN_PREFIX, "heldout/")
        if not known.closed and not known.suspect:
            known.suspect = LOGGED in tags or any(schema.column(key).startswith(finals) for key in run.data.metrics)
        if tags.get(schema.KIND) != "fold":
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
        tags = dict(wanted.tags)
        tags.pop(LOGGED, None)  # says that all is there; sent with the last batch
        if parent:
            tags[PARENT] = parent
        run = self.api.create_run(self.experiment, start_time=wanted.start_ms, tags=tags, run_name=wanted.name)
        known = KnownRun(run_id=run.info.run_id, parent=parent)
        if isinstance(wanted, FoldRun):
            known.attempts = wanted.attempts
        else:
            known.told = {name: tags[name] for name in CHANGING if name in tags}
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

    def terminate(self, run_id: str, wanted: Run) -> None:
        self.api.set_terminated(run_id, STATUSES[wanted.status], wanted.end_ms)

    def send(self, run_id: str, points: Sequence[Point], params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """One ``log_batch``; the client cuts it into as many requests as MLflow's limits ask for, metrics in order."""
        from mlflow.entities import Metric, Param, RunTag

        if points or params or tags:
            self.api.log_batch(
                run_id,
                metrics=[Metric(*point) for point in points],
                params=[Param(*pair) for pair in params.items()],
                tags=[RunTag(*pair) for pair in tags.items()],
            )
