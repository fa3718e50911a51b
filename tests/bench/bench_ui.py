"""How long the pages of MLflow's UI take for a study of 6,000 runs, and its server's memory.

    python tests/bench/bench_ui.py FOLDER [--trials 1000] [--folds 5] [--epochs 10] [--n 3]

FOLDER is a folder of studies: where it is empty, a study of invented numbers is written there (nothing is trained) and
brought into a SQLite store by the product's writer, once; later calls use it again. Each page is opened n times in a
headless browser with an empty profile, until a row and its metric are there as text, and until the page's charts are
drawn. Needs chromium and chromedriver.
"""

from __future__ import annotations

import argparse
import dataclasses
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from analysis.runs.plan import from_json, to_json
from sweeps.collection.keeper import Keeper
from sweeps.testing import InventedTrial, invent_study
from sweeps.tracking import ui_server
from sweeps.tracking.store import configure_mlflow
from sweeps.tracking.ui_server import Ui

VARIED = {"dsrelu": ("a", "b"), "apalu": ("a", "b"), "elu": ("alpha",)}
WAIT_S = 180.0
CHARTS = "svg.main-svg, .js-plotly-plot, canvas, svg.parcoords, .parcoords"


def invented(folder: Path, trials: int, folds: int, epochs: int) -> None:
    """Nine in ten of the trials are settings of a search."""
    numbers = random.Random(1)
    confirmed = max(1, trials // 10)
    planned = [InventedTrial(label=f"activation {number:03d}") for number in range(confirmed)]
    for index in range(trials - confirmed):
        label = list(VARIED)[index % len(VARIED)]
        params = {name: round(5 * numbers.random(), 4) for name in VARIED[label]}
        planned.append(InventedTrial(label=label, index=index // len(VARIED), phase="search", params=params))
    invent_study(folder, planned, name="six-thousand", folds=folds, epochs=epochs)
    path = folder / "plan.json"
    varies = {label: tuple(f"activation.{name}" for name in names) for label, names in VARIED.items()}
    plan = dataclasses.replace(
        from_json(path.read_text()), sweep="0" * 16, search_selects_on="validation/accuracy", search_varies=varies
    )
    path.write_text(to_json(plan))


def browser() -> Any:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for word in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--window-size=1700,1000",
    ):
        options.add_argument(word)
    options.add_argument(f"--user-data-dir={tempfile.mkdtemp(prefix='bench-ui-')}")
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))


def until(condition: Callable[[], bool], begun: float) -> float:
    from selenium.common.exceptions import StaleElementReferenceException

    while time.monotonic() < begun + WAIT_S:
        try:
            if condition():
                return time.monotonic() - begun
        except StaleElementReferenceException:
            pass
        time.sleep(0.1)
    return float("nan")


def opened(address: str, rows: str, drawn: str, login: str = "") -> tuple[float, float]:
    """Seconds until a text of the rows is there, and until as many charts are drawn as there are at first sight.
    ``login``: an address with a name and a password, which the browser then has for the others of that server."""
    page = browser()
    try:
        if login:
            page.get(login)
        begun = time.monotonic()
        page.get(address)
        shown = until(lambda: rows in page.find_element("tag name", "body").text, begun)
        charts = until(lambda: bool(page.find_elements("css selector", drawn)), begun) if drawn else float("nan")
        return shown, charts
    finally:
        page.quit()


def memory_mb(running: Ui) -> float:
    assert running.process is not None
    server = psutil.Process(running.process.pid)
    return sum(process.memory_info().rss for process in [server, *server.children(recursive=True)]) / 2**20


def line(name: str, values: list[float]) -> str:
    return f"  {name:<40} median {statistics.median(values):6.1f} s   {min(values):.1f} to {max(values):.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    for name, default in (("trials", 1000), ("folds", 5), ("epochs", 10), ("n", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    configure_mlflow()
    study = asked.folder / "study"
    if not study.exists():
        begun = time.monotonic()
        invented(study, asked.trials, asked.folds, asked.epochs)
        print(f"invented: {time.monotonic() - begun:.0f} s", flush=True)
    with Keeper(asked.folder, print) as keeper:
        for what in ("store of all studies, at first", "again, nothing new"):
            begun = time.monotonic()
            keeper.refresh()
            print(f"{what}: {time.monotonic() - begun:.1f} s {dict(keeper.troubles) or ''}", flush=True)
        pages = ui_server.pages.of_study(keeper.store, study)
        with ui_server.serve(keeper.store, keeper.home / "bench.log", keeper.pages()) as running:
            print(f"{asked.trials} trials x {asked.folds} folds x {asked.epochs} epochs, n = {asked.n}")
            print(f"  server's memory before: {memory_mb(running):.0f} MB")
            wanted = {"comparison": ("activation 0", ""), "search": ("· s", CHARTS), "folds": ("Group: ", CHARTS)}
            listed = [opened(running.url, "accuracy: ", "")[0] for _ in range(asked.n)]
            print(line("list of all studies: rows", listed), flush=True)
            for page in pages:
                taken = [opened(running.at(page), *wanted[page.name]) for _ in range(asked.n)]
                print(line(f"{page.name}: rows", [rows for rows, _ in taken]), flush=True)
                if wanted[page.name][1]:
                    print(line(f"{page.name}: charts", [charts for _, charts in taken]), flush=True)
            print(f"  server's memory after: {memory_mb(running):.0f} MB")


if __name__ == "__main__":
    main()
