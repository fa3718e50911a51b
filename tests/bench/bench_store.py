"""What a large study costs an MLflow store: python tests/bench/bench_store.py [RUNS ...] [--store sqlite] [--epochs 50]

An invented study (no fold trains; journals are written by the product's own writers): a search of many settings and
ten confirmed activations, five folds a trial, so that there are about RUNS runs: one of the study, and six of each
trial. It is written into the embedded SQLite store, and into a store for a lab as `actsweep store up` starts it:
MLflow's server with logins and proxied artifacts before a PostgreSQL (installed here). Prints, each step in a process
of its own (n = 1):

- ``ingest``   the first sync: all folds are over but one, which lacks its last epoch
- ``again``    a new process syncs: it reads which runs there are, and finds nothing to do
- ``epoch``    that one fold gained an epoch: a driver begins, and sends it
- ``end``      that one fold is over, and with it the study
- ``report``   of the store's address alone
- ``pages``    of a lab's store: its prepared views in a browser, three times each (as bench_ui.py does for SQLite)

Wall seconds beside CPU seconds of our process and of the servers: the machine may have other work.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import bench_ui
import psutil

from sweeps.store_server import lab
from sweeps.store_server.home import ADMIN, Home
from sweeps.store_server.mlflow_server import MlflowServer
from sweeps.store_server.postgres import Postgres
from sweeps.testing import InventedTrial, invent_attempt, invent_study
from sweeps.tracking import pages
from sweeps.tracking.store import configure_mlflow, locate
from trainer.journal import Status

FOLDS, CONFIRMED = 5, 10
STEPS = ("ingest", "again", "epoch", "end", "report", "pages")


def main(sizes: list[int], stores: list[str], epochs: int, steps: list[str]) -> None:
    for runs in sizes:
        for name in stores:
            with tempfile.TemporaryDirectory(prefix="bench-store-") as place:
                measure(Path(place), name, runs, epochs, steps)


def measure(place: Path, name: str, runs: int, epochs: int, steps: list[str]) -> None:
    folder = place / "study"
    trials = round((runs - 1) / (FOLDS + 1))
    keys = invent(folder, trials, epochs)
    whole = 1 + trials * (FOLDS + 1)
    print(f"\n{name}: {whole} runs = 1 study + {trials} trials x (1 + {FOLDS} folds), {epochs} epochs", flush=True)
    print(
        f"{'step':8} {'wall s':>8} {'our CPU s':>10} {'servers CPU s':>14} {'peak MB':>8}   what it came to", flush=True
    )
    with SERVERS[name](place) as server:
        uri, watched = server
        if uri is not None:
            (folder / "tracking").write_text(uri, encoding="utf-8")
        for step in steps:
            if step == "pages" and uri is None:
                continue
            before = cpu_s(watched())
            if step in ("epoch", "end"):
                invent_last(folder, keys[0], epochs, ended=step == "end")
            began = time.perf_counter()
            told = child(step, uri, folder)
            wall_s = time.perf_counter() - began
            used = cpu_s(watched()) - before
            words = ", ".join(f"{key} {value}" for key, value in told["told"].items())
            per = f"{whole / wall_s:.0f} runs/s, {told['told'].get('rows', 0) / wall_s:.0f} rows/s; "
            words = (per if step == "ingest" else "") + words
            print(
                f"{step:8} {wall_s:8.1f} {told['cpu_s']:10.1f} {used:14.1f} {told['peak_mb']:8.0f}   {words}",
                flush=True,
            )


def invent(folder: Path, trials: int, epochs: int) -> list[str]:
    """The study; its first fold is one epoch short of its last. Nothing waits for the disk."""
    os.fsync = lambda descriptor: None
    labels = ["relu", *(f"new{number}" for number in range(1, CONFIRMED))]
    confirmed = [InventedTrial(label=label) for label in labels]
    searched = [
        InventedTrial(
            label=labels[at % CONFIRMED], index=at // CONFIRMED, phase="search", params={"a": 3.7 + at, "b": 0.5}
        )
        for at in range(trials - CONFIRMED)
    ]
    keys = invent_study(folder, [*confirmed, *searched], folds=FOLDS, epochs=epochs, write_folds=False)
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    plan |= {
        "search_selects_on": "validation/loss",
        "search_trials": dict.fromkeys(labels, trials // CONFIRMED - 1),
        "search_varies": {label: ["activation.a", "activation.b"] for label in labels},
    }
    (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    invent_attempt(folder, keys[0], epochs=epochs - 1)
    for key in keys[1:]:
        invent_attempt(folder, key, epochs=epochs, status=Status.FINISHED)
    return keys


def invent_last(folder: Path, key: str, epochs: int, *, ended: bool) -> None:
    """A second attempt that resumed before the last epoch."""
    shutil.rmtree(folder / "trials" / key / "attempt-2", ignore_errors=True)
    invent_attempt(folder, key, attempt=2, resumed=epochs - 1, epochs=epochs, status=Status.FINISHED if ended else None)


# -- one step, in a process of its own ---------------------------------------------------------------------------------


def child(step: str, uri: str | None, folder: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--step", step, "--folder", str(folder), *(["--uri", uri] if uri else [])]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(run.stdout.splitlines()[-1])


def step(name: str, uri: str | None, folder: Path) -> None:
    if name == "report":
        told = report(uri, folder)
    elif name == "pages":
        told = pages_of(uri or "", folder)
    else:
        told = sync(name, uri, folder)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    peak_mb = usage.ru_maxrss / 1024
    print(json.dumps({"cpu_s": usage.ru_utime + usage.ru_stime, "peak_mb": peak_mb, "told": told}))


def sync(name: str, uri: str | None, folder: Path) -> dict[str, float]:
    from sweeps.tracking import store_index
    from sweeps.tracking.tracker import Tracker

    rows = 0
    send = store_index.StoreIndex.send

    def counting(self, run_id, points, *rest, **options):  # type: ignore[no-untyped-def]
        nonlocal rows
        rows += len(points)
        return send(self, run_id, points, *rest, **options)

    store_index.StoreIndex.send = counting  # type: ignore[method-assign]
    tracker = Tracker(uri, folder)
    if name == "epoch":
        tracker.flush()
    else:
        tracker.sync()
    assert tracker.trouble is None, tracker.trouble
    return {"rows": rows}


def report(uri: str | None, folder: Path) -> dict[str, float]:
    from sweeps.cli import reporting

    with tempfile.TemporaryDirectory() as out:
        lines = reporting.write([uri or f"sqlite:///{folder / 'mlflow.db'}"], Path(out))
        page = next(Path(out).glob("report.html"))
        return {"report.html KB": page.stat().st_size // 1024, "lines": len(lines)}


def pages_of(uri: str, folder: Path) -> dict[str, float]:
    """Median seconds until a row is there as text, and until the charts of the views that have some are drawn."""
    configure_mlflow()
    told = {}
    user, password = os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"]
    login = uri.replace("://", f"://{user}:{password}@") + "/version"
    for page in pages.of_study(locate(uri, folder), folder):
        row, charts = {
            "comparison": ("new1", ""),
            "search": ("· s", bench_ui.CHARTS),
            "folds": ("Group: ", bench_ui.CHARTS),
        }[page.name]
        taken = [bench_ui.opened(uri + page.url, row, charts, login) for _ in range(3)]
        for what, values in zip(("rows", "charts"), zip(*taken, strict=True), strict=True):
            if what == "rows" or charts:
                told[f"{page.name} {what}"] = round(statistics.median(values), 1)
    return told


# -- the stores --------------------------------------------------------------------------------------------------------

Watched = Callable[[], list[psutil.Process]]


@contextlib.contextmanager
def sqlite(place: Path) -> Iterator[tuple[str | None, Watched]]:
    yield None, list


@contextlib.contextmanager
def postgres(place: Path) -> Iterator[tuple[str | None, Watched]]:
    """A store for a lab, and its administrator's login."""
    place.chmod(0o755)
    home = Home(place / "lab")
    lab.up(home.folder, {"port": free_port()})
    os.environ["MLFLOW_TRACKING_USERNAME"] = ADMIN
    os.environ["MLFLOW_TRACKING_PASSWORD"] = home.password(ADMIN) or ""
    server = MlflowServer(home, home.known())

    def watched() -> list[psutil.Process]:
        database = psutil.Process(int((Postgres(home.folder).data / "postmaster.pid").read_text().split()[0]))
        return [database, *database.children(recursive=True), *map(psutil.Process, server.processes())]

    try:
        yield server.address, watched
    finally:
        lab.down(home.folder)


SERVERS = {"sqlite": sqlite, "postgres": postgres}


def cpu_s(processes: list[psutil.Process]) -> float:
    """Of those and of the ones that they have waited for."""
    return sum(sum(process.cpu_times()[:4]) for process in processes)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", type=int, nargs="*", default=[1000])
    parser.add_argument("--store", choices=SERVERS, action="append", default=[])
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--steps", choices=STEPS, nargs="+", default=list(STEPS))
    parser.add_argument("--step", choices=STEPS)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--uri")
    said = parser.parse_args()
    if said.step:
        step(said.step, said.uri, said.folder)
    else:
        main(said.runs, said.store or list(SERVERS), said.epochs, said.steps)
