"""How a tracking store gives its runs, histories and artifacts: the only reader of MLflow.

Whole metric histories are read, never the store's latest values alone: MLflow keeps the latest finite value of a
metric, so a NaN in the middle of a run would go unseen, and its SQL stores give an infinity back as 1.797e308. The
histories are read one metric at a time over many runs: from a SQL store by a query, from a server by its bulk call.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlparse

import numpy as np

from analysis.errors import SourceError
from analysis.runs import store_words
from analysis.runs.frames import LARGEST, History, Run

DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
CHUNK = 100_000
"""Rows that are in flight between a database and an array."""
BULK_RUNS, BULK_RESULTS = 64, 25_000
"""What is asked for in one bulk call, and what a server gives. It takes 100 runs, but their ids stand in the address,
and gunicorn takes 4,094 characters of that, with a metric's name among them."""


class Store(Protocol):
    def experiments(self) -> dict[str, str]:
        """Name -> id of the active experiments."""

    def tagged(self, tag: str) -> dict[str, str]:
        """Id of an active experiment -> what that tag of it says, of those that have it."""

    def runs(self, experiment: str) -> list[Run]: ...

    def history(self, run_ids: Sequence[str], key: str) -> Iterator[History]: ...

    def artifact(self, run: Run, path: str) -> str | None:
        """The text of a run's artifact; None where it has none."""


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


@contextlib.contextmanager
def _told(uri: str) -> Iterator[None]:
    """Whatever a store or its client raises, as one line of ours."""
    try:
        yield
    except (SourceError, GeneratorExit):
        raise
    except Exception as error:
        what, remedy, _ = store_words.failure(error)
        then = f"; {remedy}" if remedy else ""
        raise SourceError(f"{uri_without_secrets(uri)}: not an MLflow store that can be read: {what}{then}") from error


class SqlStore:
    """A SQL tracking store, read through MLflow's own table models; SQLite files are opened read-only."""

    def __init__(self, uri: str) -> None:
        import sqlalchemy
        from mlflow.store.tracking.dbmodels import models

        store_words.silence()
        self._sql, self._models, self._uri = sqlalchemy, models, uri
        path = urlparse(uri).path
        if uri.startswith("sqlite"):
            file = Path(unquote(path[1:]))
            if not file.is_file():
                raise SourceError(f"{uri}: no such file; give sqlite:///PATH of an MLflow store")
            uri = f"sqlite:///file:{file}?mode=ro&uri=true"
        with _told(self._uri):
            self._engine = sqlalchemy.create_engine(uri)
        self._read: set[int] = set()

    def experiments(self) -> dict[str, str]:
        table = self._models.SqlExperiment
        query = self._sql.select(table.name, table.experiment_id).where(table.lifecycle_stage == "active")
        return {name: str(identity) for name, identity in self._rows(query)}

    def tagged(self, tag: str) -> dict[str, str]:
        table, of = self._models.SqlExperiment, self._models.SqlExperimentTag
        query = self._sql.select(of.experiment_id, of.value).join(table, table.experiment_id == of.experiment_id)
        found = self._rows(query.where((of.key == tag) & (table.lifecycle_stage == "active")))
        return {str(identity): value for identity, value in found}

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

    def history(self, run_ids: Sequence[str], key: str) -> Iterator[History]:
        # The primary key begins with the metric's name and holds every column: the database reads one run of its index.
        table, run = self._models.SqlMetric, self._models.SqlRun
        columns = (table.run_uuid, table.step, table.timestamp, table.value, table.is_nan)
        query = self._sql.select(*columns).where(table.key == key).order_by(table.timestamp)
        if self._others():
            query = query.where(table.run_uuid.in_(self._sql.select(run.run_uuid).where(self._chosen())))
        text = str(query.compile(self._engine, compile_kwargs={"literal_binds": True}))
        index = {run_id: position for position, run_id in enumerate(run_ids)}
        # The driver's own cursor: SQLAlchemy's rows would cost several times as much.
        with _told(self._uri), self._engine.connect() as connection:
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
            with _told(self._uri):
                return file.read_text(encoding="utf-8") if file.is_file() else None
        return ClientStore(self._uri).artifact(run, path)

    def _rows(self, query: Any) -> Iterator[Any]:
        with _told(self._uri), self._engine.connect() as connection:
            result = connection.execution_options(stream_results=True).execute(query)
            while block := result.fetchmany(CHUNK):
                yield from block


class ClientStore:
    """Any other store, read through MLflow's client; histories by the server's bulk call where it has one."""

    def __init__(self, uri: str) -> None:
        from mlflow import MlflowClient

        store_words.silence()
        self._uri = uri
        self._at_once = BULK_RUNS
        with _told(uri):
            self._client = MlflowClient(tracking_uri=uri)

    def experiments(self) -> dict[str, str]:
        return {found.name: found.experiment_id for found in self._pages(self._client.search_experiments)}

    def tagged(self, tag: str) -> dict[str, str]:
        found = self._pages(self._client.search_experiments)
        return {one.experiment_id: one.tags[tag] for one in found if tag in one.tags}

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

    def history(self, run_ids: Sequence[str], key: str) -> Iterator[History]:
        index = {run_id: position for position, run_id in enumerate(run_ids)}
        begin = 0
        while begin < len(run_ids):
            with _told(self._uri):
                found = self._bulk(run_ids[begin : begin + self._at_once], key)
            if found is None:  # for so many runs, the server cut its answer
                self._at_once = max(1, self._at_once // 2)
                continue
            begin += self._at_once
            if not found:
                continue
            runs, steps, times, values = zip(*found, strict=True)
            run = np.array([index[run_id] for run_id in runs], dtype=np.int64)
            yield to_history(run, steps, times, np.array(values, dtype=np.float64))

    def artifact(self, run: Run, path: str) -> str | None:
        with _told(self._uri), tempfile.TemporaryDirectory() as folder:
            if path not in {found.path for found in self._client.list_artifacts(run.run_id)}:
                return None
            return Path(self._client.download_artifacts(run.run_id, path, folder)).read_text(encoding="utf-8")

    def _bulk(self, run_ids: Sequence[str], key: str) -> list[tuple[str, int, int, float]] | None:
        """None where the answer may lack rows, and fewer runs have to be asked for."""
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
                rows = answer.json()["metrics"]
                if len(rows) < BULK_RESULTS:
                    return [(row["run_id"], row["step"], row["timestamp"], float(row["value"])) for row in rows]
                if len(run_ids) > 1:
                    return None
        return [
            (run_id, entry.step, entry.timestamp, entry.value)
            for run_id in run_ids
            for entry in sorted(self._client.get_metric_history(run_id, key), key=lambda entry: entry.timestamp)
        ]

    def _pages(self, search: Any, *arguments: Any) -> Iterator[Any]:
        token: str | None = None
        while True:
            with _told(self._uri):
                page = search(*arguments, max_results=1000, page_token=token)
            yield from page
            token = page.token
            if not token:
                return


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
