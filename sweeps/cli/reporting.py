"""Brings studies, stores and published tables to :mod:`analysis.report.build`, and attaches the report to its study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sweeps.errors import FolderBusy, SweepError, TrackingError
from sweeps.folder import layout, reported
from sweeps.tracking import store
from sweeps.view import answered, damages

if TYPE_CHECKING:
    from analysis.runs import load


def write(
    sources: Sequence[str],
    out: Path | None,
    *,
    imported: Sequence[Path] = (),
    experiments: Sequence[str] = (),
    allow_incomplete: bool = False,
    pdf_wanted: bool = False,
) -> list[str]:
    """Writes the report and says where it is. A study folder's MLflow is brought up to date first. A suite's folder
    stands for its studies, which are reported together."""
    from analysis.report import build, pdf
    from analysis.runs import published
    from sweeps.suite import folder

    suites = [Path(source) for source in sources if folder.is_suite(Path(source))]
    if suites == [Path(source) for source in sources] and len(suites) == 1:
        out = out or suites[0] / layout.REPORT
    found = gathered(sources, experiments, needed=not imported)
    folders, notes = found.folders, list(found.notes)
    target = out or (folders[0] / layout.REPORT if len(folders) == 1 else Path(layout.REPORT))
    tables = published.read(*_csvs(imported)) if imported else None
    incomplete = allow_incomplete or found.unpaid  # as the report says
    page = build.write(found.studies, target, allow_incomplete=incomplete, published=tables)
    for path in folders:
        reported.note(path, page, answered.said(path, found.studies, page))
    printed = [f"printed: {pdf.write(page).absolute()}"] if pdf_wanted else []
    if len(folders) == 1 and len(found.sources) == 1 and not imported:
        notes += _attach(folders[0], target)
    return [*notes, f"report: {page.absolute()}", *printed]


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """The studies of sources that people name."""

    studies: Sequence[load.Study]
    sources: Sequence[str]
    """A suite's folder stands for its studies'."""
    folders: Sequence[Path]
    """Of them, those that are study folders."""
    notes: Sequence[str]
    """What may be missing, in sentences."""

    @property
    def unpaid(self) -> bool:
        """Whether a budget did not pay for all that was planned."""
        return any(study.account is not None and study.account.cut for study in self.studies)


def gathered(sources: Sequence[str], experiments: Sequence[str] = (), *, needed: bool = True) -> Gathered:
    """Reads the studies of folders, suites and stores; a study folder's MLflow is brought up to date first. Raises
    :class:`analysis.errors.IncompleteFolds` where no fold has finished, if one is ``needed``."""
    from analysis.errors import IncompleteFolds
    from analysis.runs import load
    from analysis.runs.schema import Status
    from sweeps.suite import folder

    sources = [
        str(found)
        for source in sources
        for found in (folder.members_of(Path(source)) if folder.is_suite(Path(source)) else [source])
    ]
    store.configure_mlflow()  # or MLflow tries a server that does not answer for many minutes
    folders = [Path(source) for source in sources if (Path(source) / layout.STUDY).is_file()]
    current = {path: _bring_up_to_date(path) for path in folders}
    notes = [note for path in folders for note in (*current[path][0], *damages.found(path))]
    if experiments:
        studies = [load.load(source, experiment) for source in sources for experiment in experiments]
    else:
        aside = {str(path): study for path, (_, study) in current.items() if study is not None}
        studies = [study for each in sources for study in ([aside[each]] if each in aside else _studies(each))]
    if studies and needed and not any((study.cube["status"] == Status.FINISHED).any() for study in studies):
        raise IncompleteFolds(
            f"{', '.join(sources)}: no fold has finished, so there is nothing to report; go on with `actsweep resume`"
        )
    return Gathered(studies=studies, sources=sources, folders=folders, notes=notes)


def _studies(source: str) -> list[load.Study]:
    """The studies of a source. A study's folder whose runs are tracked elsewhere stands for that store."""
    from analysis.runs import load
    from sweeps.driver import session
    from sweeps.tracking import login
    from sweeps.tracking.folder_reader import FolderReader

    login.use(source)
    path = Path(source)
    if (path / layout.STUDY).is_file() and (named := session.opened(path).tracking.uri) is not None:
        uri = store.locate(named, path).uri
        login.use(uri)
        return [load.load(uri, sweep=FolderReader.open(path).plan.sweep)]
    return list(load.load_all([source]))


def _csvs(paths: Sequence[Path]) -> list[Path]:
    """The files named, and those in the folders named."""
    return [file for path in paths for file in (sorted(path.glob("*.csv")) if path.is_dir() else [path])]


def _bring_up_to_date(path: Path) -> tuple[list[str], load.Study | None]:
    """What may be missing in its MLflow, in sentences; and the study as its folder says it, where that is read instead
    of a store that cannot be written."""
    from sweeps.driver import session
    from sweeps.tracking import aside

    try:
        session.sync(path)
    except FolderBusy:
        return [f"{path}: a driver is at work; the report shows what it has logged so far"], None
    except TrackingError as error:
        behind = f"MLflow could not be brought up to date: {error}"
        try:
            return [f"{behind}. The report was made from the folder itself"], aside.read(path)
        except SweepError:
            return [f"{behind}. The report may miss what came last"], None
    return [], None


def _attach(path: Path, report: Path) -> list[str]:
    from sweeps.driver import session
    from sweeps.tracking.tracker import Tracker

    try:
        Tracker(session.opened(path).tracking.uri, path).log_report(report)
    except TrackingError as error:
        return [f"the report was written but not attached in MLflow: {error}"]
    return []
