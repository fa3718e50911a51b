"""The page as a PDF, where something on this machine can print one: Chromium, or WeasyPrint."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from analysis.errors import AnalysisError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-pdf-header-footer"),
)


class NoPrinter(AnalysisError):
    """Nothing on this machine prints PDF; says what would."""


def write(page: str | Path, *, timeout_s: float = 180.0) -> Path:
    """Prints an HTML report beside itself and returns the PDF's path.

    Raises :class:`NoPrinter` where there is neither Chromium nor WeasyPrint, or the one there is fails. A PDF
    carries its time of printing: its bytes differ from one printing to the next.
    """
    source = Path(page).absolute()
    target = source.with_suffix(".pdf")
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is not None:
        by_browser(browser, source, target, timeout_s)
        return target
    try:
        import weasyprint  # type: ignore[import-not-found, unused-ignore]
    except ImportError as error:
        raise NoPrinter(
            f"{source.name}: no PDF; install Chromium or the Python package weasyprint, or print the page from "
            "a browser"
        ) from error
    weasyprint.HTML(filename=str(source)).write_pdf(str(target))
    return target


def by_browser(browser: str, source: Path, target: Path, timeout_s: float) -> None:
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, *QUIET, f"--user-data-dir={profile}", f"--print-to-pdf={target}", source.as_uri()]
        try:
            run = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
        except subprocess.TimeoutExpired as error:
            raise NoPrinter(f"{source.name}: no PDF; {browser} took longer than {timeout_s:g} s") from error
    if run.returncode != 0 or not target.is_file():
        last = (run.stderr.strip().splitlines() or ["no message"])[-1]
        raise NoPrinter(f"{source.name}: no PDF; {browser} ended with {run.returncode}: {last}")
