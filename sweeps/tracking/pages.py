"""Pages of MLflow's UI that show a study's runs: its prepared views, or those of several studies beside each other."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlencode

from analysis.runs import plan as planning
from analysis.runs import schema
from analysis.runs.plan import Plan
from sweeps.folder import sweep_name
from sweeps.folder.layout import PLAN
from sweeps.tracking import shared_views
from sweeps.tracking.store import Store, connect

LIST = "/#/experiments?workflowType=machine_learning"
"""All experiments. The UI opens on its view for language models unless the address says otherwise."""
_TYPE = "workflowType=machine_learning"


@dataclass(frozen=True, kw_only=True)
class Page:
    name: str
    url: str
    """Behind the address of the server."""
    shows: str = ""
    """In words."""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What a store has of one study."""

    id: str
    tags: Mapping[str, str] = field(default_factory=dict)


def of_study(store: Store, folder: Path) -> list[Page]:
    """The study's views, the one to be opened first; the plain list of its runs where an earlier version wrote them.
    None where the store has nothing of it, or does not answer."""
    plan = read_plan(folder)
    found = None if plan is None else experiment(store, folder, plan)
    return [] if plan is None or found is None else _of_experiment(found, plan)


def of_studies(store: Store, folders: Mapping[str, Path]) -> list[Page]:
    """The comparison of each study, under the name that it has here; of those that the store has something of."""
    found = {name: of_study(store, folder)[:1] for name, folder in folders.items()}
    return [Page(name=name, url=page.url, shows=page.shows) for name, first in found.items() for page in first]


def beside(store: Store, folders: Sequence[Path]) -> list[Page]:
    """The trials of several studies in one table; none where there are not several."""
    plans = {folder: plan for folder in folders if (plan := read_plan(folder)) is not None}
    found = {folder: each for folder, plan in plans.items() if (each := experiment(store, folder, plan)) is not None}
    if len(found) < 2:
        return []
    phases = {plans[folder].claims_phase for folder in found}
    only = {schema.KIND: "trial"} | ({schema.PHASE: phases.pop()} if len(phases) == 1 else {})
    asked = {
        "experiments": json.dumps([each.id for each in found.values()], separators=(",", ":")),
        "searchFilter": shared_views.only(only),
        "compareRunsMode": "TABLE",
    }
    url = f"/#/compare-experiments/s?{urlencode(asked, quote_via=quote)}&{_TYPE}"
    return [Page(name="all", url=url, shows="the trials of all studies in one table; choose its columns there")]


def _of_experiment(found: Experiment, plan: Plan) -> list[Page]:
    runs = f"/#/experiments/{found.id}/runs?{_TYPE}"
    views = [view for view in shared_views.of(plan) if shared_views.PREFIX + view.key in found.tags]
    return [Page(name=view.key, url=f"{runs}&{view.query}", shows=view.shows) for view in views] or [
        Page(name="runs", url=runs, shows="all runs; `actsweep sync` prepares views of them")
    ]


def read_plan(folder: Path) -> Plan | None:
    """None where it cannot be read."""
    with contextlib.suppress(OSError, ValueError):
        return planning.from_json((folder / PLAN).read_text(encoding="utf-8"))
    return None


def experiment(store: Store, folder: Path, plan: Plan) -> Experiment | None:
    """The study's experiment: by the tag that names its sweep, whatever the experiment's name; where an earlier version
    wrote it, by its name and no tag of another sweep's. None, too, where the store does not answer."""
    sweep = sweep_name.of(folder, plan)
    look: Callable[[Store, str, str], list[Experiment]] = _in_file if store.database is not None else _at_server
    with contextlib.suppress(Exception):  # the page is a convenience: the server itself says what is wrong with it
        found = look(store, sweep, plan.study)
        ours = [each for each in found if each.tags.get(schema.SWEEP) == sweep]
        return next(iter(ours or [each for each in found if schema.SWEEP not in each.tags]), None)
    return None


def _in_file(store: Store, sweep: str, name: str) -> list[Experiment]:
    """Without MLflow, which takes seconds to import."""
    asked = (
        "select experiment_id from experiments e where lifecycle_stage = 'active' and (name = ? or exists (select 1 "
        "from experiment_tags t where t.experiment_id = e.experiment_id and t.key = ? and t.value = ?))"
    )
    address = f"file:{quote(str(store.database))}?mode=ro"
    with contextlib.closing(sqlite3.connect(address, uri=True)) as database:
        ids = [row[0] for row in database.execute(asked, (name, schema.SWEEP, sweep))]
        tags = "select key, value from experiment_tags where experiment_id = ?"
        return [Experiment(id=str(found), tags=dict(database.execute(tags, (found,)).fetchall())) for found in ids]


def _at_server(store: Store, sweep: str, name: str) -> list[Experiment]:
    api = connect(store)
    found = list(api.search_experiments(filter_string=f"tags.`{schema.SWEEP}` = '{sweep}'"))
    named = None if found else api.get_experiment_by_name(name)
    if named is not None and named.lifecycle_stage == "active":
        found.append(named)
    return [Experiment(id=str(each.experiment_id), tags=dict(each.tags)) for each in found]
