"""The report in a real browser: a first screen that fits, nothing wider than the screen, nothing fetched, tables that
sort, contents that stay in view, a PDF with text.

Set ``ACTSWEEP_SCREENSHOTS`` to a folder to keep the pictures."""

from __future__ import annotations

import base64
import dataclasses
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from analysis.report import build, pdf
from analysis.report.blocks import Section, Text
from analysis.report.findings import gather
from analysis.report.sections import answer
from analysis.runs import simulated, simulated_measures
from analysis.runs.load import Study
from analysis.runs.metric import Metric
from analysis.runs.simulated_measures import Drawn, Shape

selenium = pytest.importorskip("selenium")

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(not (BROWSER and DRIVER), reason="needs chromium and chromedriver"),
]
WIDER = """
return Array.prototype.filter.call(document.querySelectorAll('body *'), function (part) {
  if (part.closest('.wide') || part.closest('svg') || part.closest('nav a')) { return false; }
  return part.getBoundingClientRect().right > document.documentElement.clientWidth + 1;
}).map(function (part) { return part.tagName + '.' + part.className; });
"""
CUT = """
return Array.prototype.filter.call(document.querySelectorAll('figure svg'), function (svg) {
  var frame = svg.getBoundingClientRect();
  return Array.prototype.some.call(svg.querySelectorAll('g[id*="text_"]'), function (text) {
    var box = text.getBoundingClientRect();
    return box.width > 0 && (box.left < frame.left - 1 || box.right > frame.right + 1 ||
      box.top < frame.top - 1 || box.bottom > frame.bottom + 1);
  });
}).map(function (svg) { return svg.getAttribute('aria-label'); });
"""
OVERLAP = """
return Array.prototype.filter.call(document.querySelectorAll('figure svg'), function (svg) {
  var boxes = Array.prototype.map.call(svg.querySelectorAll('g[id*="text_"]'), function (text) {
    return text.getBoundingClientRect();
  }).filter(function (box) { return box.width > 0; });
  return boxes.some(function (a, i) {
    return boxes.slice(i + 1).some(function (b) {
      return a.left + 1 < b.right && b.left + 1 < a.right && a.top + 1 < b.bottom && b.top + 1 < a.bottom;
    });
  });
}).map(function (svg) { return svg.getAttribute('aria-label'); });
"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    six = simulated.study(seed=1, diverged=[("lelu", 0, 2)])
    names = ("cifar100", "mini-imagenet", "mitbih")
    twenty = [
        simulated.study(seed=at, name=f"s-{name}", dataset=name, activations=simulated.TWENTY, repeats=10)
        for at, name in enumerate(names)
    ]
    return {
        "six": build.write(six, folder / "six"),
        "twenty": build.write(twenty, folder / "twenty"),
        "cases": build.write(cases(), folder / "cases"),
        "mesh": build.write(mesh(), folder / "mesh"),
    }


def cases() -> Study:
    """Ten cases in two stages, with floors of which no activation beats the best."""
    area = Metric(name="area", better="higher", low=0.0, high=1.0, reference=0.5)
    floors = {
        "residual of 32 principal components": 0.955,
        "distance to the mean of all training items": 0.87,
        "grey": 0.6,
    }
    return simulated_measures.study(
        **{"seed": 1, "name": "cases", "activations": simulated.SIX},  # type: ignore[arg-type]
        drawn=[
            Drawn(metric=area, middle=0.9, unit_sd=0.03, noise_sd=0.01, effects={"lelu": -0.04}, floors=floors),
            Drawn(metric=dataclasses.replace(area, name="area_before"), middle=0.7, noise_sd=0.02),
        ],
        shape=Shape(
            **{"scheme": "cases", "repeats": 3, "epochs": 12},  # type: ignore[arg-type]
            cases=[f"category number {at}" for at in range(10)],
            stages=[("before", 5), ("after", 7)],
        ),
    )


def mesh() -> Study:
    """Seeds on one split of a mesh, with a score that some runs lack."""
    error = Metric(name="mae", better="lower", low=0.0, unit="kW")
    others = [dataclasses.replace(error, name=name, unit="") for name in ("rmse", "diffusion", "diffusion_excess")]
    return simulated_measures.study(
        **{"seed": 2, "name": "mesh", "activations": simulated.SIX},  # type: ignore[arg-type]
        drawn=[
            Drawn(metric=error, middle=0.03, noise_sd=0.002, reference=0.15, floors={"linear interpolation": 0.0196}),
            *(
                Drawn(metric=metric, middle=0.05, noise_sd=0.01, floors={"the true function": truth})
                for metric, truth in zip(others, (0.01, 0.004, 0.0), strict=True)
            ),
        ],
        shape=Shape(scheme="fixed", repeats=6, learning_rate=[1e-2] * 3 + [1e-3] * 3),
        remarks={("elu", 0): {"diffusion": "a prediction is not above 0"}},
    )


A4_PX = (703, 1016)
"""What the margins leave of a page at 96 pixels an inch."""
SETS = ("cifar100", "mini-imagenet", "mitbih-heartbeats", "digits", "svhn-of-street-numbers")
SIZES = [(3, 1, False), (3, 5, True), (6, 1, True), (6, 5, False), (20, 1, True), (20, 5, False), (20, 5, True)]
"""Activations, data sets, and whether anything is decided."""


@pytest.fixture(scope="module")
def screens(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[int, int, bool], Path]:
    """First screens of few splits, where nothing is decided, and of many; with the contents of a whole page."""
    found = {}
    names = ("Verdicts", "What was asked", "Integrity", "Every split", "Differences and means", "How sure")
    names += ("Across data sets", "Robustness of the conclusion", "Learning curves", "Generalisation", "Cost")
    names += ("Shapes and parameters", "Power and the next step", "Limits", "How to read this", "Appendix")
    rest = [Section(anchor=name.replace(" ", "-"), title=name, blocks=[Text(name)]) for name in names]
    for activations, sets, decided in SIZES:
        spread = {"repeats": 6} if decided else {"folds": 3, "base": 0.9, "noise_sd": 0.03}
        studies = [
            simulated.study(
                **{"seed": at, "name": f"s-{name}", "dataset": name, "epochs": 4},
                **{"activations": simulated.TWENTY[:activations], "diverged": [("leaky_relu", 0, 1)], **spread},  # type: ignore[arg-type]
            )
            for at, name in enumerate(SETS[:sets])
        ]
        folder = tmp_path_factory.mktemp("screen")
        sections = [answer.section(gather(studies)), *rest]
        found[activations, sets, decided] = build.publish(sections, folder, title="A comparison", digest="")
    return found


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = BROWSER
    profile = tmp_path_factory.mktemp("profile") / "own"
    for word in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        "--window-size=1280,900",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(word)
    found = webdriver.Chrome(options=options, service=Service(executable_path=DRIVER))
    try:
        yield found
    finally:
        found.quit()


def shown(driver: Any, page: Path, width: int, *, dark: bool = False) -> None:
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    )
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    driver.get(page.as_uri())
    driver.execute_script("document.querySelectorAll('details').forEach(function (part) { part.open = true; });")


def keep(driver: Any, name: str) -> None:
    folder = os.environ.get("ACTSWEEP_SCREENSHOTS")
    if folder:
        options = {"captureBeyondViewport": True, "format": "png"}
        driver.execute_script("document.querySelectorAll('details').forEach(function (part) { part.open = false; });")
        picture = driver.execute_cdp_cmd("Page.captureScreenshot", options)
        (Path(folder) / f"{name}.png").write_bytes(base64.b64decode(picture["data"]))


def sized(driver: Any, width: int, height: int, media: str = "screen") -> None:
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media})


BOX = "var box = document.querySelector('section.screen').getBoundingClientRect(); return box."


@pytest.mark.parametrize("size", SIZES)
def test_the_first_screen_fits_a_screen_and_a_printed_page(
    driver: Any, screens: dict[tuple[int, int, bool], Path], size: tuple[int, int, bool]
) -> None:
    sized(driver, 1280, 800)
    driver.get(screens[size].as_uri())
    assert driver.execute_script(BOX + "bottom") <= 800
    smallest = "return Math.min(...Array.from(document.querySelectorAll('.screen p, .screen dd, .screen figcaption'),"
    assert driver.execute_script(smallest + "part => parseFloat(getComputedStyle(part).fontSize)))") >= 12
    for script in (WIDER, CUT, OVERLAP):
        assert driver.execute_script(script) == []
    sized(driver, *A4_PX, media="print")
    try:
        assert driver.execute_script(BOX + "height") <= A4_PX[1]
        assert driver.execute_script(WIDER) == []
    finally:
        sized(driver, 1280, 800)


@pytest.mark.parametrize("name", ["cases", "mesh"])
def test_the_first_screen_has_room_for_what_no_activation_beats(driver: Any, pages: dict[str, Path], name: str) -> None:
    sized(driver, 1280, 800)
    driver.get(pages[name].as_uri())
    assert driver.execute_script(BOX + "bottom") <= 800


@pytest.mark.parametrize("sets", [1, 5])
def test_the_first_screen_is_whole_at_400_pixels(
    driver: Any, screens: dict[tuple[int, int, bool], Path], sets: int
) -> None:
    sized(driver, 400, 800)
    driver.get(screens[20, sets, True].as_uri())
    for script in (WIDER, CUT, OVERLAP):
        assert driver.execute_script(script) == []
    inside = "return Array.from(document.querySelectorAll('.screen .wide'), box => box.scrollWidth <= box.clientWidth)"
    assert all(driver.execute_script(inside)) is (sets == 1)


def test_the_contents_stay_in_view_and_open_what_is_folded(driver: Any, pages: dict[str, Path]) -> None:
    sized(driver, 1280, 800)
    driver.get(pages["six"].as_uri())
    folded = "return Array.from(document.querySelectorAll('details.part'), part => part.open)"
    assert not any(driver.execute_script(folded))
    driver.execute_script("window.scrollTo(0, document.body.scrollHeight)")
    assert driver.execute_script("return document.querySelector('nav').getBoundingClientRect().top") == 0
    driver.execute_script("document.querySelector('nav a[href=\"#limits\"]').click()")
    opened = "var part = document.getElementById('limits'); return [part.closest('details').open, "
    opened += "part.getBoundingClientRect().top, document.querySelector('nav').getBoundingClientRect().bottom]"
    is_open, top, below = driver.execute_script(opened)
    assert is_open
    assert top >= below
    assert sum(driver.execute_script(folded)) == 1


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("name", ["six", "twenty", "cases", "mesh"])
def test_nothing_is_wider_than_the_screen_and_no_text_is_cut(
    driver: Any, pages: dict[str, Path], name: str, width: int
) -> None:
    shown(driver, pages[name], width)
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    assert driver.execute_script(WIDER) == []
    assert driver.execute_script(CUT) == []
    assert driver.execute_script(OVERLAP) == []
    keep(driver, f"report-{name}-{width}")


def test_the_verdicts_fit_a_screen_and_begin_with_the_word(driver: Any, pages: dict[str, Path]) -> None:
    cut = "var frame = document.getElementById('table-1-verdicts').parentNode;"
    shown(driver, pages["twenty"], 1280)
    assert driver.execute_script(cut + "return frame.scrollWidth <= frame.clientWidth;")
    shown(driver, pages["twenty"], 400)
    assert driver.execute_script(cut + "return frame.scrollWidth > frame.clientWidth;")
    assert driver.find_element("css selector", "#table-1-verdicts th:nth-child(3)").text == "verdict"
    right = "return document.querySelector('#table-1-verdicts td:nth-child(3)').getBoundingClientRect().right"
    assert driver.execute_script(right) <= 400
    assert "linear-gradient" in driver.execute_script(cut + "return getComputedStyle(frame).backgroundImage;")


def test_print_is_not_too_small_to_read(driver: Any, pages: dict[str, Path]) -> None:
    shown(driver, pages["six"], 700)  # about the width of the paper
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        for table in ("table-1-verdicts", "table-15-every-fold"):
            size = f"return parseFloat(getComputedStyle(document.querySelector('#{table} td')).fontSize)"
            assert driver.execute_script(size) >= 0.99 * 7 * 96 / 72, table
        lines = (
            "var cell = document.querySelector('#table-15-every-fold td.code:nth-last-child(2)');"
            "return cell.textContent.length * 0.6 * parseFloat(getComputedStyle(cell).fontSize) / cell.clientWidth"
        )
        assert driver.execute_script(lines) < 6
    finally:
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "screen"})


def test_the_page_fetches_nothing_and_logs_no_error(driver: Any, pages: dict[str, Path]) -> None:
    shown(driver, pages["six"], 1280)
    fetched = driver.execute_script(
        "return performance.getEntriesByType('resource').map(function (e) { return e.name; })"
    )
    assert [name for name in fetched if not name.startswith("data:")] == []


def test_a_table_sorts_by_number_on_a_click(driver: Any, pages: dict[str, Path]) -> None:
    shown(driver, pages["six"], 1280)
    column = "return Array.prototype.map.call(document.querySelectorAll('#table-2-means tbody td:nth-child(3)'),"
    read = column + "function (cell) { return Number(cell.dataset.v || cell.textContent); });"
    head = driver.find_element("css selector", "#table-2-means th:nth-child(3)")
    driver.execute_script("arguments[0].click()", head)
    up = driver.execute_script(read)
    driver.execute_script("arguments[0].click()", head)
    assert up == sorted(up)
    assert driver.execute_script(read) == sorted(up, reverse=True)


def test_figures_follow_the_dark_scheme(driver: Any, pages: dict[str, Path]) -> None:
    ink = "return getComputedStyle(document.querySelector('figure svg')).color"
    shown(driver, pages["six"], 1280)
    light = driver.execute_script(ink)
    shown(driver, pages["six"], 1280, dark=True)
    assert driver.execute_script(ink) != light
    keep(driver, "report-six-dark")


def test_the_page_prints(pages: dict[str, Path]) -> None:
    printed = pdf.write(pages["twenty"])
    content = printed.read_bytes()
    assert content.startswith(b"%PDF")
    assert len(content) > 100_000
    folder = os.environ.get("ACTSWEEP_SCREENSHOTS")
    if folder:
        shutil.copy(printed, Path(folder) / "report-twenty.pdf")
