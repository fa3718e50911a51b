"""How long a report takes: python tests/bench/bench_report.py [folds] [epochs].

Fills a new MLflow SQLite store with invented studies (20 activations on 3 data sets, a search over settings and 10x5
confirming folds each; 10,000 fold runs of 50 epochs by default), loads it and writes the report, and prints seconds and
peak memory by stage. The store is filled behind MLflow's back, since it takes hours the usual way. A measurement.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd

STAGES = ["import", "load", "findings", "sections", "files"]
DATASETS = ("cifar100", "mini-imagenet", "mitbih")
CONFIRMED = 20 * 50


def fill(folder: Path, folds: int, epochs: int) -> int:
    """Writes the store and returns its number of metric rows."""
    import sqlalchemy
    from mlflow import MlflowClient

    from analysis.runs import plan as planning
    from analysis.runs import schema, simulated

    uri = f"sqlite:///{folder / 'mlflow.db'}"
    client = MlflowClient(tracking_uri=uri)
    searched = max(0, folds - CONFIRMED * len(DATASETS)) // len(DATASETS)
    heads = {}
    for name in DATASETS:
        experiment = client.create_experiment(f"s-{name}", artifact_location=str(folder / "mlartifacts"))
        heads[name] = (experiment, client.create_run(experiment))
    engine = sqlalchemy.create_engine(uri)
    total = 0
    with engine.begin() as connection:
        for seed, name in enumerate(DATASETS):
            experiment, head = heads[name]
            study = simulated.study(
                seed=seed,
                name=f"s-{name}",
                dataset=name,
                activations=simulated.TWENTY,
                repeats=10,
                epochs=epochs,
                stops=False,
            )
            client_tags = {
                schema.SCHEMA_TAG: str(schema.SCHEMA),
                schema.KIND: "study",
                schema.KEY: f"s-{name}",
                schema.STUDY: f"s-{name}",
            }
            artifacts = Path(head.info.artifact_uri.removeprefix("file://"))
            artifacts.mkdir(parents=True, exist_ok=True)
            (artifacts / schema.PLAN_ARTIFACT).write_text(planning.to_json(study.plan))
            insert(connection, "tags", [(key, value, head.info.run_id) for key, value in client_tags.items()])
            cube, curves = with_search(study.cube, study.curves, searched)
            insert_runs(connection, experiment, cube)
            total += insert_metrics(connection, cube, curves)
    return total


def with_search(cube: pd.DataFrame, curves: pd.DataFrame, searched: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Adds search runs: copies of the confirmed ones under trials of their own, five folds a setting."""
    copies = cube.iloc[[at % len(cube) for at in range(searched)]].copy().reset_index(drop=True)
    turn = copies.groupby("activation").cumcount()
    copies["phase"] = "search"
    copies["repeat"], copies["fold"] = 0, turn % 5
    copies["trial"] = copies["activation"] + "-s" + (turn // 5).astype(str)
    old = copies["run_id"].copy()
    copies["run_id"] = [f"{at:08x}{run[8:]}" for at, run in enumerate(old)]
    copies["training.lr"] = 1e-4 * (1 + turn // 5)
    by_run = dict(list(curves.groupby("run_id", sort=False)))
    extra = [by_run[run].assign(run_id=new) for run, new in zip(old, copies["run_id"], strict=True)]
    return pd.concat([cube, copies], ignore_index=True), pd.concat([curves, *extra], ignore_index=True)


def insert(connection: Any, table: str, rows: list[tuple[Any, ...]]) -> None:
    columns = {
        "tags": ("key", "value", "run_uuid"),
        "params": ("key", "value", "run_uuid"),
        "latest_metrics": ("key", "value", "timestamp", "step", "is_nan", "run_uuid"),
        "metrics": ("key", "value", "timestamp", "step", "is_nan", "run_uuid"),
        "runs": ("run_uuid", "name", "status", "lifecycle_stage", "experiment_id", "artifact_uri", "start_time"),
    }[table]
    marks = ", ".join("?" * len(columns))
    connection.connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)


def insert_runs(connection: Any, experiment: str, cube: pd.DataFrame) -> None:
    from analysis.runs import frames, schema

    runs, tags, params, latest = [], [], [], []
    named = {**frames.TEXT_TAGS, **frames.INTEGER_TAGS, **frames.SIZE_TAGS}
    for row in cube.to_dict(orient="records"):
        run = row["run_id"]
        runs.append((run, run[:8], "FINISHED", "active", int(experiment), "", 0))
        tags += [(tag, str(row[name]), run) for name, tag in named.items() if name in row]
        key = f"{row['study']}/{row['trial']}/{row['repeat']}-{row['fold']}"
        tags += [(schema.KIND, "fold", run), (schema.KEY, key, run), (schema.SCHEMA_TAG, str(schema.SCHEMA), run)]
        known = [name.removeprefix(frames.REFERENCE) for name in row if str(name).startswith(frames.REFERENCE)]
        tags += [(schema.REFERENCE_PREFIX + name, repr(row[frames.REFERENCE + name]), run) for name in known]
        params += [(name, str(row[name]), run) for name in row if str(name).startswith(("training.", "activation."))]
        outcomes = [name for name in row if str(name).startswith(("outcome.", "heldout/"))]
        latest += [(name, float(row[name]), 0, int(row["best_epoch"]), 0, run) for name in outcomes]
    for table, rows in (("runs", runs), ("tags", tags), ("params", params), ("latest_metrics", latest)):
        insert(connection, table, rows)


def insert_metrics(connection: Any, cube: pd.DataFrame, curves: pd.DataFrame) -> int:
    stamps = (curves["time"] * 1000).astype("int64").tolist()
    steps, runs = curves["epoch"].astype(int).tolist(), curves["run_id"].tolist()
    last = curves.groupby("run_id", sort=False).tail(1)
    total = 0
    for key in (name for name in curves.columns if "/" in name):
        values = curves[key].tolist()
        insert(
            connection,
            "metrics",
            [(key, v, t, s, 0, r) for v, t, s, r in zip(values, stamps, steps, runs, strict=True)],
        )
        ends = zip(last[key].tolist(), last["epoch"].tolist(), last["run_id"].tolist(), strict=True)
        insert(connection, "latest_metrics", [(key, v, 0, s, 0, r) for v, s, r in ends])
        total += len(values)
    return total


def measure(folder: Path) -> None:
    """Loads and reports; prints one JSON line. Runs in a process of its own, so that filling is not measured."""
    seconds: dict[str, tuple[float, float, float]] = {}
    begin, cpu = time.perf_counter(), time.process_time()

    def stage(name: str) -> None:
        nonlocal begin, cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        seconds[name] = (time.perf_counter() - begin, time.process_time() - cpu, peak)
        begin, cpu = time.perf_counter(), time.process_time()

    from analysis.report import build
    from analysis.report.findings import gather
    from analysis.runs import load

    stage("import")
    studies = load.load_all([f"sqlite:///{folder / 'mlflow.db'}"])
    stage("load")
    findings = gather(studies)
    stage("findings")
    sections = build.sections_of(findings)
    stage("sections")
    page = build.publish(sections, folder / "report", title="bench", digest=findings.digest)
    stage("files")
    rows = sum(len(study.cube) for study in studies), sum(len(study.curves) for study in studies)
    print(json.dumps({"seconds": seconds, "runs": rows[0], "epochs": rows[1], "page_mb": page.stat().st_size / 1e6}))


def main(folds: int, epochs: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = time.perf_counter()
        rows = fill(folder, folds, epochs)
        size = (folder / "mlflow.db").stat().st_size / 1e6
        print(f"filled in {time.perf_counter() - start:.0f} s: {rows} metric rows, {size:.0f} MB", flush=True)
        command = [sys.executable, __file__, "--measure", str(folder)]
        answer = subprocess.run(
            command, capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
        found = json.loads(answer.stdout.splitlines()[-1])
        print(f"{found['runs']} fold runs, {found['epochs']} epochs, page {found['page_mb']:.1f} MB")
        whole = sum(found["seconds"][name][0] for name in STAGES)
        for name in STAGES:
            wall, cpu, peak = found["seconds"][name]
            print(f"{name:10} {wall:7.1f} s  {100 * wall / whole:3.0f} %  cpu {cpu:6.1f} s  peak {peak:6.0f} MB")
        print(f"{'all':10} {whole:7.1f} s         cpu {sum(found['seconds'][n][1] for n in STAGES):6.1f} s")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(Path(sys.argv[2]))
    else:
        sizes = [int(argument) for argument in sys.argv[1:3]]
        main(*(sizes + [10_000, 50][len(sizes) :]))
