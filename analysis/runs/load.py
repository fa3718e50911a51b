"""From a tracking store to a study's frames: the only reader of MLflow.

Whole metric histories are read, never the store's latest values alone: MLflow keeps the latest finite value of a
metric, so a NaN in the middle of a run would go unseen, and its SQL stores give an infinity back as 1.797e308. The
histories are read one metric at a time over many runs: from a SQL store by a query, from a server by its bulk call.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlparse

import numpy as np
import pandas as pd

from analysis.errors import SourceError
from analysis.runs import plan as planning
from analysis.runs import schema
from analysis.runs.frames import (
    HISTORY_PREFIXES,
    LARGEST,
    LEARNED,
    History,
    Run,
    environment,
    integer,
    of_this_version,
    to_cube,
    to_curves,
    to_learned,
    unique,
)
from analysis.runs.plan import Plan

DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
CHUNK = 100_000
"""Rows that are in flight between a database and an array."""
BULK_RUNS, BULK_RESULTS = 100, 25_000
"""What a server takes and gives in one bulk call."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """A study's runs and what was declared of them before the first."""

    cube: pd.DataFrame
    """One row per fold run; planned folds of the claims phase that have no run are rows of status ``missing``."""
    curves: pd.DataFrame
    """One row per run and epoch: run_id, epoch, time (seconds since the Unix epoch), then one column a metric."""
    plan: Plan
    learned: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=LEARNED))
    """The last logged value of each learned activation parameter: run_id, layer, parameter, value."""
    source: str = ""
    """Where the runs were read: a tracking URI or a folder's name."""
    study_run: str = ""
    """Id of the run that stands for the study."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Versions that the runs recorded, by name."""


class Store(Protocol):
    def experiments(self) -> dict[str, str]:
        """Name -> id of the active experiments."""

    def runs(self, experiment: str) -> list[Run]: ...

    def history(self, run_ids: Sequence[str], key: str, longest: int) -> Iterator[History]: ...

    def artifact(self, run: Run, path: str) -> str | None:
        """The text of a run's artifact; None where it has none."""


def load(source: str | Path, experiment: str | None = None, *, histories: Iterable[str] = HISTORY_PREFIXES) -> Study:
    """The runs of one study: from its folder, or from a tracking URI.

    ``experiment`` names the study where the store has several. ``histories`` are the beginnings of the metric names
    whose histories become columns of ``curves``; add ``"activation/"`` for every learned parameter at every epoch.

    Raises :class:`SourceError` for what cannot be read, :class:`DuplicateRuns` where two runs claim one fold.
    """
    uri, folder = resolve(source)
    store = open_store(uri)
    candidates = studies_in(store, experiment)
    if len(candidates) != 1:
        known = sorted(candidates or store.experiments())
        raise SourceError(
            f"{source}: {'no study' if not candidates else 'several studies'}"
            + (f" named {experiment!r}" if experiment else "")
            + f"; the store has {', '.join(known) or 'no experiments'}"
            + ("" if not candidates else "; name the one that is meant")
        )
    (study,) = assemble(store, candidates, uri=uri, folder=folder, histories=histories)
    return study


def load_all(sources: Iterable[str | Path]) -> tuple[Study, ...]:
    """Several studies, in the order given; a store with several experiments gives all of its studies."""
    studies: list[Study] = []
    for source in sources:
        uri, folder = resolve(source)
        if folder is not None:
            studies.append(load(source))
            continue
        store = open_store(uri)
        found = studies_in(store, None)
        if not found:
            known = sorted(store.experiments())
            raise SourceError(f"{source}: no study; the store has {', '.join(known) or 'no experiments'}")
        studies.extend(assemble(store, found, uri=uri, folder=None, histories=HISTORY_PREFIXES))
    return tuple(studies)


def studies_in(store: Store, experiment: str | None) -> dict[str, list[Run]]:
    """The runs of each experiment that holds a study, by its name; only of ``experiment`` where one is named."""
    found: dict[str, list[Run]] = {}
    for name, identity in store.experiments().items():
        if experiment in (None, name):
            runs = [run for run in store.runs(identity) if schema.KIND in run.tags]
            if runs:
                found[name] = runs
    return found


def assemble(
    store: Store, found: Mapping[str, Sequence[Run]], *, uri: str, folder: Path | None, histories: Iterable[str]
) -> list[Study]:
    """The studies of ``found`` (runs by experiment), by name. Histories are read once for all of them."""
    kinds: dict[str, dict[str, list[Run]]] = {}
    for name in sorted(found):
        of_this_version(found[name])
        unique(found[name])
        of_kind = kinds.setdefault(name, {"study": [], "trial": [], "fold": []})
        for run in found[name]:
            of_kind.setdefault(run.tags[schema.KIND], []).append(run)
    plans = {name: read_plan(store, of_kind["study"], folder, name) for name, of_kind in kinds.items()}
    every = [run for of_kind in kinds.values() for run in of_kind["fold"]]
    keys = sorted({key for run in every for key in run.metrics if key.startswith(tuple(histories))})
    longest = max((integer(run.tags.get(schema.EPOCHS), "epochs") for run in every), default=1)
    run_ids = [run.run_id for run in every]
    curves, broken = to_curves(every, {key: list(store.history(run_ids, key, longest)) for key in keys})
    ends = np.cumsum([len(of_kind["fold"]) for of_kind in kinds.values()])
    cuts = np.searchsorted(curves["run_id"].cat.codes.to_numpy(), [0, *ends])
    studies = []
    for at, (name, of_kind) in enumerate(kinds.items()):
        mine = curves.iloc[cuts[at] : cuts[at + 1]].reset_index(drop=True)
        mine["run_id"] = mine["run_id"].cat.remove_unused_categories()
        heads, folds = of_kind["study"], of_kind["fold"]
        studies.append(
            Study(
                cube=to_cube(folds, plans[name], broken, of_kind["trial"]),
                curves=mine,
                plan=plans[name],
                learned=to_learned(folds),
                source=folder.name if folder else uri_without_secrets(uri),
                study_run=heads[0].run_id if heads else "",
                environment=environment(folds),
            )
        )
    return studies


def resolve(source: str | Path) -> tuple[str, Path | None]:
    """The tracking URI, and the study folder where ``source`` is one."""
    text = str(source)
    if isinstance(source, str) and "://" in text:
        return text, None
    folder = Path(source)
    if folder.is_file() and folder.suffix == ".db":
        return f"sqlite:///{folder.absolute()}", None
    if not folder.is_dir():
        raise SourceError(
            f"{source}: neither a tracking URI nor a folder; give a study folder or a URI as sqlite:///..."
        )
    if (folder / "mlflow.db").is_file():
        return f"sqlite:///{(folder / 'mlflow.db').absolute()}", folder
    raise SourceError(
        f"{folder}: no mlflow.db; a study that tracks elsewhere is read by its tracking URI, and "
        "`actsweep sync` writes the embedded store anew"
    )


def open_store(uri: str) -> Store:
    scheme = urlparse(uri).scheme
    if scheme.split("+")[0] in DATABASES:
        return SqlStore(uri)
    return ClientStore(uri)


def uri_without_secrets(uri: str) -> str:
    parts = urlparse(uri)
    if parts.password or parts.username:
        return parts._replace(netloc=f"{parts.hostname}" + (f":{parts.port}" if parts.port else "")).geturl()
    return Path(parts.path).name if parts.scheme == "sqlite" else uri


def read_plan(store: Store, heads: Sequence[Run], folder: Path | None, name: str) -> Plan:
    if folder is not None and (folder / schema.PLAN_ARTIFACT).is_file():
        return planning.from_json((folder / schema.PLAN_ARTIFACT).read_text(encoding="utf-8"))
    for head in heads:
        text = store.artifact(head, schema.PLAN_ARTIFACT)
        if text is not None:
            return planning.from_json(text)
    raise SourceError(
        f"{name}: the study's run has no {schema.PLAN_ARTIFACT}; `actsweep sync` writes it from the study folder"
    )


class SqlStore:
    """A SQL tracking store, read through MLflow's own table models; SQLite files are opened read-only."""

    def __init__(self, uri: str) -> None:
        import sqlalchemy
        from mlflow.store.tracking.dbmodels import models

        self._sql, self._models, self._uri = sqlalchemy, models, uri
        path = urlparse(uri).path
        if uri.startswith("sqlite"):
            file = Path(unquote(path[1:]))
            if not file.is_file():
                raise SourceError(f"{uri}: no such file; give sqlite:///PATH of an MLflow store")
            uri = f"sqlite:///file:{file}?mode=ro&uri=true"
        self._engine = sqlalchemy.create_engine(uri)
        self._read: set[int] = set()

    def experiments(self) -> dict[str, str]:
        table = self._models.SqlExperiment
        query = self._sql.select(table.name, table.experiment_id).where(table.lifecycle_stage == "active")
        return {name: str(identity) for name, identity in self._rows(query)}

    def runs(self, experiment: str) -> list[Run]:
        run, tag, param = self._models.SqlRun, self._models.SqlTag, self._models.SqlParam
        latest = self._models.SqlLatestMetric
        self._read.add(int(experiment))
        chosen = (run.experiment_id == int(experiment)) & (run.lifecycle_stage == "active")
        heads = dict(self._rows(self._sql.select(run.run_uuid, run.artifact_uri).where(chosen)))
        tags: dict[str, dict[str, str]] = {key: {} for key in heads}
        params: dict[str, dict[str, str]] = {key: {} for key in heads}
        metrics: dict[str, dict[str, float]] = {key: {} for key in heads}
        for table, into in ((tag, tags), (param, params)):
            query = self._sql.select(table.run_uuid, table.key, table.value)
            for run_id, key, value in self._rows(query.join(run, run.run_uuid == table.run_uuid).where(chosen)):
                into[run_id][key] = value
        query = self._sql.select(latest.run_uuid, latest.key, latest.value, latest.is_nan)
        for run_id, key, value, is_nan in self._rows(query.join(run, run.run_uuid == latest.run_uuid).where(chosen)):
            metrics[run_id][key] = float("nan") if is_nan else value
        return [
            Run(run_id=key, artifacts=heads[key], tags=tags[key], params=params[key], metrics=metrics[key])
            for key in sorted(heads)
        ]

    def history(self, run_ids: Sequence[str], key: str, longest: int) -> Iterator[History]:
        # The primary key begins with the metric's name and holds every column: the database reads one run of its index.
        table, run = self._models.SqlMetric, self._models.SqlRun
        columns = (table.run_uuid, table.step, table.timestamp, table.value, table.is_nan)
        query = self._sql.select(*columns).where(table.key == key).order_by(table.timestamp)
        if self._others():
            query = query.where(table.run_uuid.in_(self._sql.select(run.run_uuid).where(self._chosen())))
        text = str(query.compile(self._engine, compile_kwargs={"literal_binds": True}))
        index = {run_id: position for position, run_id in enumerate(run_ids)}
        # The driver's own cursor: SQLAlchemy's rows would cost several times as much.
        with self._engine.connect() as connection:
            cursor = connection.connection.cursor()
            cursor.execute(text)
            while block := cursor.fetchmany(CHUNK):
                runs, steps, times, values, nans = zip(*block, strict=True)
                place = np.fromiter(map(index.get, runs, repeat(-1)), dtype=np.int64, count=len(runs))
                value = np.array(values, dtype=np.float64)
                value[np.array(nans, dtype=bool)] = np.nan
                yield to_history(place, steps, times, value)

    def _chosen(self) -> Any:
        return self._models.SqlRun.experiment_id.in_(sorted(self._read))

    def _others(self) -> bool:
        """Whether the store has runs of experiments that were not asked for."""
        run = self._models.SqlRun
        query = self._sql.select(self._sql.func.count()).select_from(run).where(~self._chosen())
        return any(count for (count,) in self._rows(query))

    def artifact(self, run: Run, path: str) -> str | None:
        place = urlparse(run.artifacts)
        if place.scheme in ("", "file"):
            file = Path(unquote(place.path)) / path
            return file.read_text(encoding="utf-8") if file.is_file() else None
        return ClientStore(self._uri).artifact(run, path)

    def _rows(self, query: Any) -> Iterator[Any]:
        try:
            with self._engine.connect() as connection:
                result = connection.execution_options(stream_results=True).execute(query)
                while block := result.fetchmany(CHUNK):
                    yield from block
        except self._sql.exc.SQLAlchemyError as error:
            raise SourceError(f"{self._uri}: not an MLflow store that can be read ({error})") from error


class ClientStore:
    """Any other store, read through MLflow's client; histories by the server's bulk call where it has one."""

    def __init__(self, uri: str) -> None:
        from mlflow import MlflowClient

        self._uri = uri
        self._client = MlflowClient(tracking_uri=uri)

    def experiments(self) -> dict[str, str]:
        return {found.name: found.experiment_id for found in self._pages(self._client.search_experiments)}

    def runs(self, experiment: str) -> list[Run]:
        found = self._pages(self._client.search_runs, [experiment])
        runs = [
            Run(
                run_id=run.info.run_id,
                artifacts=run.info.artifact_uri,
                tags=run.data.tags,
                params=run.data.params,
                metrics=run.data.metrics,
            )
            for run in found
        ]
        return sorted(runs, key=lambda run: run.run_id)

    def history(self, run_ids: Sequence[str], key: str, longest: int) -> Iterator[History]:
        index = {run_id: position for position, run_id in enumerate(run_ids)}
        # A resumed fold may have logged an epoch twice: room for that, or the server cuts the answer.
        step = max(1, min(BULK_RUNS, BULK_RESULTS // (2 * longest + 2)))
        for begin in range(0, len(run_ids), step):
            found = self._bulk(run_ids[begin : begin + step], key)
            if not found:
                continue
            runs, steps, times, values = zip(*found, strict=True)
            run = np.array([index[run_id] for run_id in runs], dtype=np.int64)
            yield to_history(run, steps, times, np.array(values, dtype=np.float64))

    def artifact(self, run: Run, path: str) -> str | None:
        if path not in {found.path for found in self._client.list_artifacts(run.run_id)}:
            return None
        with tempfile.TemporaryDirectory() as folder:
            return Path(self._client.download_artifacts(run.run_id, path, folder)).read_text(encoding="utf-8")

    def _bulk(self, run_ids: Sequence[str], key: str) -> list[tuple[str, int, int, float]]:
        from mlflow.utils.credentials import get_default_host_creds
        from mlflow.utils.rest_utils import http_request

        if self._uri.startswith("http"):
            answer = http_request(
                host_creds=get_default_host_creds(self._uri),
                endpoint="/ajax-api/2.0/mlflow/metrics/get-history-bulk",
                method="GET",
                params={"run_id": list(run_ids), "metric_key": key, "max_results": BULK_RESULTS},
            )
            if answer.status_code == 200:
                return [
                    (row["run_id"], row["step"], row["timestamp"], float(row["value"]))
                    for row in answer.json()["metrics"]
                ]
        return [
            (run_id, entry.step, entry.timestamp, entry.value)
            for run_id in run_ids
            for entry in sorted(self._client.get_metric_history(run_id, key), key=lambda entry: entry.timestamp)
        ]

    def _pages(self, search: Any, *arguments: Any) -> Iterator[Any]:
        from mlflow.exceptions import MlflowException

        token: str | None = None
        try:
            while True:
                page = search(*arguments, max_results=1000, page_token=token)
                yield from page
                token = page.token
                if not token:
                    return
        except MlflowException as error:
            raise SourceError(f"{uri_without_secrets(self._uri)}: cannot be read ({error})") from error


def to_history(run: Any, steps: Sequence[int], milliseconds: Sequence[int], value: Any) -> History:
    value[value >= LARGEST] = np.inf
    value[value <= -LARGEST] = -np.inf
    kept = run >= 0
    return History(
        run=run[kept],
        step=np.array(steps, dtype=np.int64)[kept],
        milliseconds=np.array(milliseconds, dtype=np.int64)[kept],
        value=value[kept],
    )
