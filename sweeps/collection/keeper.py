"""One MLflow store for all studies below a folder, made from their folders and kept up to date while it is looked at.

Every study has its own store, a file or a server's, and that stays as it is: the store here is a second view of the
same folders, by the same writer. It lies in ``.actsweep-ui`` below the folder, or in the user's cache where that cannot
be written, and may be removed at any time: the next look makes it anew. Studies that track on a server are shown there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.runs import schema
from analysis.runs.plan import Plan
from sweeps.collection import changes, found
from sweeps.collection.found import Found, Study
from sweeps.errors import FolderBusy, SweepError
from sweeps.folder.layout import REPORT, write_aside
from sweeps.folder.lock import Lock
from sweeps.tracking import pages, shared_views
from sweeps.tracking.pages import Page
from sweeps.tracking.run_values import NOTE, metric_key
from sweeps.tracking.store import DATABASE, connect, leave, locate
from sweeps.wording import counted

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from sweeps.tracking.tracker import Tracker

HOME = ".actsweep-ui"
SEEN = "seen.json"
MEANS = 5
"""Activations whose means are in the list of all studies."""


class Keeper:
    """Not for two threads. As a context: gives the store free on the way out."""

    def __init__(self, root: Path, say: Callable[[str], None]) -> None:
        """``say``: hears what takes long, a line each."""
        self.root = root
        self.home = home(root)
        self.store = locate(f"sqlite:///{self.home.resolve() / DATABASE}", self.home)
        self.found = Found()
        self.troubles: dict[str, str] = {}
        """Name of a study -> what keeps its runs from being shown as they are now."""
        self._say = say
        self._lock: Lock | None = None
        self._trackers: dict[str, tuple[Tracker, changes.Stamps]] = {}
        """Sweep -> its writer, and what its folder said when it was last read."""
        self._seen = _read_seen(self.home / SEEN)

    def __enter__(self) -> Keeper:
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            self._lock.release()

    @property
    def writes(self) -> bool:
        """Whether it is this process that keeps the store; otherwise another one does, that shows the same folder."""
        return self._lock is not None

    @property
    def here(self) -> list[Study]:
        """Those that this store shows."""
        return [study for study in self.found.studies if not _on_server(study)]

    def refresh(self) -> None:
        """Looks through the folder, and brings the store up to date where it is this process that writes it."""
        self.found = found.look(self.root)
        if self.store.database is not None and not self.store.database.exists():
            leave(self.store)  # somebody removed it: what MLflow keeps open is no longer there
            self._trackers, self._seen = {}, {}
            self.home.mkdir(parents=True, exist_ok=True)
        self._hold()
        if not self.writes:
            return
        api = connect(self.store)
        for study in self.here:
            try:
                self._keep(study)
                self.troubles.pop(study.name, None)
            except (SweepError, OSError) as error:
                self.troubles[study.name] = str(error).splitlines()[0]
        sweeps = {study.sweep for study in self.here}
        for experiment in api.search_experiments():
            if experiment.tags.get(schema.SWEEP) not in sweeps:  # its folder is gone; or MLflow's own, which is empty
                api.delete_experiment(experiment.experiment_id)
        self._seen = {sweep: word for sweep, word in self._seen.items() if sweep in sweeps}
        write_aside(self.home / SEEN, json.dumps(self._seen, indent=1))

    def pages(self) -> list[Page]:
        """The list of all studies, and the comparison of each."""
        first = Page(name="studies", url=pages.LIST, shows="all studies, each with the means of its activations")
        return [first, *pages.of_studies(self.store, {study.name: study.folder for study in self.here})]

    def elsewhere(self) -> dict[str, list[str]]:
        """Of the studies that track on a server: name -> the addresses of their views."""
        shown = {}
        for study in self.found.studies:
            if _on_server(study):
                store = locate(study.uri, study.folder)
                shown[study.name] = [store.uri + page.url for page in pages.of_study(store, study.folder)] or [
                    store.uri
                ]
        return shown

    def _hold(self) -> None:
        if self._lock is not None:
            try:
                self._lock.beat()
                return
            except FolderBusy:
                self._lock, self._trackers = None, {}
        with contextlib.suppress(FolderBusy):
            self._lock = Lock(self.home)

    def _keep(self, study: Study) -> None:
        """Brings one study's experiment up to date; costs a look at its files where they are as they were."""
        now = changes.stamps(study.folder)
        word = changes.text(now)
        if self._seen.get(study.sweep) == word and pages.experiment(self.store, study.folder, study.plan) is not None:
            return
        from sweeps.tracking.tracker import Tracker

        tracker, before = self._trackers.get(study.sweep, (None, {}))
        trouble = None
        if tracker is None or tracker.folder != study.folder:
            self._say(f"{study.name}: reads {counted(sum('/' in name for name in now), 'fold')}")
            tracker = Tracker(self.store.uri, study.folder)
            try:
                tracker.sync()
            except SweepError as error:
                trouble = error
        else:
            tracker.note(changes.folds(before, now))
            if not tracker.close():
                trouble = SweepError(tracker.trouble or "not all of it could be read; it is tried again")
        self._trackers[study.sweep] = tracker, now
        self._tell(study, tracker)
        if trouble is not None:  # what could be read is shown, and the rest is tried again
            raise trouble
        self._seen[study.sweep] = word

    def _tell(self, study: Study, tracker: Tracker) -> None:
        """The report, if any, and what the list of all studies shows, which the UI cuts after the first words."""
        if (study.folder / REPORT / "report.html").is_file():
            tracker.log_report(study.folder / REPORT)
        shown = pages.experiment(self.store, study.folder, study.plan)
        if shown is not None:
            api = connect(self.store)
            said = shown.tags.get(NOTE, "")
            where = f"folder {study.name}\n\n"
            first = [means(api, shown.id, study.plan), where + said.rpartition(where)[2]]
            api.set_experiment_tag(shown.id, NOTE, "\n\n".join(words for words in first if words))


def home(root: Path) -> Path:
    """Where the store of this folder's studies lies; made. Raises OSError where there is no place for it."""
    below = root / HOME
    with contextlib.suppress(OSError):
        below.mkdir(exist_ok=True)
        if os.access(below, os.W_OK | os.X_OK):
            return below
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    own = cache / "actsweep" / "ui" / hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]
    own.mkdir(parents=True, exist_ok=True)
    return own


def means(api: MlflowClient, experiment: str, plan: Plan) -> str:
    """What the activations score, best first: ``rmse: dsrelu 0.408, relu 0.412``; empty before there is a mean."""
    metric = metric_key(f"{schema.MEAN_PREFIX}heldout/{plan.primary.name}")
    only = shared_views.only({schema.KIND: "trial", schema.PHASE: plan.claims_phase})
    order = [f"metrics.`{metric}` {'DESC' if plan.primary.sign > 0 else 'ASC'}"]
    asked = f"{only} and metrics.`{metric}` > -1e300"  # those that have one
    runs = api.search_runs([experiment], asked, order_by=order, max_results=4 * MEANS)
    first: dict[str, float] = {}
    for run in runs:
        if math.isfinite(run.data.metrics[metric]):  # a fold diverged
            first.setdefault(run.data.tags.get(schema.ACTIVATION, ""), run.data.metrics[metric])
    shown = [f"{label} {mean:.4g}" for label, mean in list(first.items())[:MEANS]]
    rest = ["and more"] if len(first) > MEANS else []
    return f"{plan.primary.name}: {', '.join([*shown, *rest])}" if first else ""


def _on_server(study: Study) -> bool:
    return study.uri is not None and study.uri.startswith("http")


def _read_seen(path: Path) -> dict[str, str]:
    """Sweep -> what its folder said when the store was brought up to date; nothing where that is not known."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(sweep): str(word) for sweep, word in found.items()} if isinstance(found, dict) else {}
