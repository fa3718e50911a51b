"""Pages of MLflow's UI that show a study's runs: its prepared views, or those of several studies beside each other."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
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


def of_studies(store: Store, folders: Sequence[Path]) -> list[Page]:
    """All studies beside each other, then the comparison of each."""
    plans = {folder: plan for folder in folders if (plan := read_plan(folder)) is not None}
    found = {folder: each for folder, plan in plans.items() if (each := experiment(store, folder, plan)) is not None}
    comparisons = []
    for folder, one in found.items():
        first = _of_experiment(one, plans[folder])[0]
        comparisons.append(Page(name=plans[folder].study, url=first.url, shows=first.shows))
    phases = {plans[folder].claims_phase for folder in found}
    together = [beside([one.id for one in found.values()], phases)] if len(found) > 1 else []
    return [*together, *comparisons]


def _of_experiment(found: Experiment, plan: Plan) -> list[Page]:
    runs = f"/#/experiments/{found.id}/runs?{_TYPE}"
    views = [view for view in shared_views.of(plan) if shared_views.PREFIX + view.key in found.tags]
    return [Page(name=view.key, url=f"{runs}&{view.query}", shows=view.shows) for view in views] or [
        Page(name="runs", url=runs, shows="all runs; `actsweep sync` prepares views of them")
    ]


def beside(ids: Sequence[str], phases: Collection[str]) -> Page:
    """Several experiments' trials as charts: one for each metric, a bar for each trial. ``phases``: those that claims
    rest on; where they differ, trials of all phases are shown."""
    only = {schema.KIND: "trial"} | ({schema.PHASE: next(iter(phases))} if len(phases) == 1 else {})
    asked = {
        "experiments": json.dumps(list(ids), separators=(",", ":")),
        "searchFilter": shared_views.only(only),
        "compareRunsMode": "CHART",
    }
    url = f"/#/compare-experiments/s?{urlencode(asked, quote_via=quote)}&{_TYPE}"
    return Page(name="all", url=url, shows="the trials of all studies beside each other, a chart for each metric")


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
