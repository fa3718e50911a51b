"""The MLflow UI of a study as a person sees it. Set ``ACTSWEEP_SCREENSHOTS`` to a folder to keep the pictures."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from analysis.runs.plan import from_json, to_json
from sweeps.collection.keeper import Keeper
from sweeps.testing import InventedTrial, invent_attempt, invent_study
from sweeps.tracking.store import configure_mlflow
from sweeps.tracking.tracker import Tracker
from sweeps.tracking.ui_server import Ui, serve, ui

selenium = pytest.importorskip("selenium")

configure_mlflow()

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    # MLflow 3.17 asks SQLAlchemy 2.1 for a loader that is on its way out.
]

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
WAIT_S = 90.0
DSRELU = {"a": 3.73, "b": 0.58, "k": 5.0}
TRIALS = [
    InventedTrial(label="relu"),
    InventedTrial(label="dsrelu-75-30", activation="dsrelu", index=3, phase="search", params=DSRELU),
    InventedTrial(label="dsrelu-75-30", activation="dsrelu", params=DSRELU),
    InventedTrial(label="apalu", params={"a": 0.055, "b": 0.065}),
]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ui, Tracker]]:
    folder = tmp_path_factory.mktemp("ui") / "study"
    keys = invent_study(folder, TRIALS, name="digits-comparison", folds=3, epochs=12, write_folds=False)
    plan = from_json((folder / "plan.json").read_text())
    varies = {"dsrelu-75-30": tuple(f"activation.{name}" for name in DSRELU)}
    plan = dataclasses.replace(plan, search_selects_on="validation/accuracy", search_varies=varies)
    (folder / "plan.json").write_text(to_json(plan))
    for key in keys:
        if key == "apalu-c000/fold-0-1":
            invent_attempt(folder, key, epochs=3, status="diverged", loss=float("nan"))
        elif key == "apalu-c000/fold-0-2":
            invent_attempt(folder, key, epochs=7)
        else:
            invent_attempt(folder, key, epochs=12, status="finished")
    tracker = Tracker(None, folder)
    tracker.sync()
    with ui(folder) as running:
        yield running, tracker


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    if BROWSER is None or DRIVER is None:
        pytest.skip("needs chromium and chromedriver on the PATH")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for word in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--window-size=1700,1300",
        f"--user-data-dir={tmp_path / 'profile'}",
    ):
        options.add_argument(word)
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def wait(browser: Any, condition: Callable[[Any], Any], what: str) -> Any:
    from selenium.common.exceptions import StaleElementReferenceException
    from selenium.webdriver.support.ui import WebDriverWait

    waiting = WebDriverWait(browser, WAIT_S, ignored_exceptions=[StaleElementReferenceException])
    return waiting.until(condition, f"{what}: not in {WAIT_S:.0f} s")


def text(browser: Any) -> str:
    return str(browser.find_element("tag name", "body").text)


def close_assistant(browser: Any) -> None:
    """The panel of MLflow's assistant covers a third of the page at the first visit."""
    for button in browser.find_elements("css selector", "[data-component-id='mlflow.assistant.chat_panel.close']"):
        button.click()


def keep(browser: Any, name: str, tmp_path: Path) -> None:
    """Takes the picture; fails if there is none."""
    folder = Path(os.environ.get("ACTSWEEP_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / name
    assert browser.save_screenshot(str(picture))
    width, height = struct.unpack(">II", picture.read_bytes()[16:24])
    assert width > 1000
    assert height > 500


def test_the_run_list_shows_the_folds_below_their_trial(
    study: tuple[Ui, Tracker], browser: Any, tmp_path: Path
) -> None:
    running, _ = study
    browser.get(running.url.partition("&")[0])
    wait(browser, lambda page: "relu · c000" in text(page), "the list of runs")
    close_assistant(browser)
    shown = text(browser)
    assert {"dsrelu-75-30 · c000", "dsrelu-75-30 · s003", "apalu · c000", "digits-comparison"} <= set(
        shown.splitlines()
    )
    assert "r0 f" not in shown  # folds are folded away until asked for
    row = browser.find_element("link text", "apalu · c000").find_element("xpath", "./ancestor::*[@role='gridcell'][1]")
    row.find_element("css selector", "[role='button'], button").click()
    wait(browser, lambda page: "r0 f2 · apalu" in text(page), "the folds")
    assert {f"r0 f{fold} · apalu · c000" for fold in range(3)} <= set(text(browser).splitlines())
    keep(browser, "mlflow-runs.png", tmp_path)


def test_a_folds_page_draws_its_curves(study: tuple[Ui, Tracker], browser: Any, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    running, tracker = study
    client = MlflowClient(tracking_uri=tracker.store.uri)
    experiment = client.get_experiment_by_name("digits-comparison").experiment_id
    found = client.search_runs([experiment], "attributes.run_name = 'r0 f0 · dsrelu-75-30 · c000'")
    page = f"{running.address}/#/experiments/{experiment}/runs/{found[0].info.run_id}"
    browser.get(f"{page}?workflowType=machine_learning")
    wait(browser, lambda here: "activation.k" in text(here), "the fold's params")
    close_assistant(browser)
    keep(browser, "mlflow-fold.png", tmp_path)
    browser.get(f"{page}/model-metrics?workflowType=machine_learning")
    search = wait(browser, lambda here: here.find_elements("css selector", "input[type='text']"), "the search field")[0]
    search.send_keys("^(train|validation)/(loss|accuracy)")
    curves = [f"({part}/{metric})" for part in ("train", "validation") for metric in ("accuracy", "loss")]
    wait(browser, lambda here: all(curve in text(here) for curve in curves), "the curves")
    shown = text(browser)
    assert "r0 f0 · dsrelu-75-30 · c000" in shown
    keep(browser, "mlflow-curves.png", tmp_path)


def test_each_prepared_view_shows_its_metric_at_first_sight(
    study: tuple[Ui, Tracker], browser: Any, tmp_path: Path
) -> None:
    running, _ = study
    comparison, search, folds = running.pages
    assert running.url == running.at(comparison)

    browser.get(running.url)
    wait(browser, lambda page: "relu · c000" in text(page), "the confirmed trials")
    close_assistant(browser)
    shown = wait(browser, lambda page: "activation.a" in text(page) and text(page), "the columns")
    assert {"mean/heldout/accuracy", "sd/heldout/accuracy", "seconds/epoch", "3.73"} <= set(shown.splitlines())
    means = [float(found) for found in re.findall(r"^0\.[89]\d+$", shown, re.MULTILINE)]
    assert len(means) == 2  # apalu has folds that run, and no mean
    assert means == sorted(means, reverse=True)
    assert "s003" not in shown  # the search's
    keep(browser, "view-comparison.png", tmp_path)

    browser.get(running.at(search))
    wait(browser, lambda page: "dsrelu-75-30 · s003" in text(page), "the settings")
    wait(browser, lambda page: "Parallel Coordinates" in text(page), "the chart of settings")
    shown = text(browser)
    assert "c000" not in shown
    assert "settings\n(1)" in shown
    assert "one setting\n(3)" in shown
    keep(browser, "view-search.png", tmp_path)

    browser.get(running.at(folds))
    wait(browser, lambda page: "Group: relu" in text(page), "the folds by activation")
    curves = ["validation/loss", "validation/accuracy", "train/loss"]
    wait(browser, lambda page: all(f"relu ({curve})" in text(page) for curve in curves), "the curves' legends")
    assert "curves\n(3)" in text(browser)
    assert "r0 f0" not in text(browser)  # folded away below their activation
    keep(browser, "view-folds.png", tmp_path)


def test_all_studies_below_a_folder_are_listed_with_their_means(
    study: tuple[Ui, Tracker], browser: Any, tmp_path: Path
) -> None:
    _, tracker = study
    invent_study(tracker.folder.parent / "other", TRIALS[:2], name="other-comparison", folds=2)
    with Keeper(tracker.folder.parent, print) as keeper:
        keeper.refresh()
        assert keeper.troubles == {}
        with serve(keeper.store, keeper.home / "mlflow-ui.log", keeper.pages()) as running:
            browser.get(running.url)
            wait(browser, lambda page: "other-comparison" in text(page), "the list of studies")
            shown = text(browser)
            assert re.search(r"digits-comparison[\s\S]*accuracy: [\w-]+ 0\.\d+", shown)
            assert shown.count("accuracy: ") == 2
            keep(browser, "ui-runs.png", tmp_path)
            browser.get(running.at(next(page for page in running.pages if page.name == "other")))
            wait(browser, lambda page: "mean/heldout/accuracy" in text(page), "the comparison of one of them")
