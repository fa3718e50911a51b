"""What a store holds already under a study's name, told before anything is trained or written.

A study of that name that says something else is a clash, which a person decides. The same study, run by somebody else
or in another folder, is none: its runs and ours lie side by side, each sweep's in an experiment of its own.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.runs import plan as planning
from analysis.runs import schema
from sweeps.errors import StudyError, TrackingError
from sweeps.folder import layout, sweep_name
from sweeps.folder.layout import quote_path
from sweeps.folder.secrets import redact
from sweeps.study.study import Study, digest
from sweeps.tracking import store as stores
from sweeps.tracking.experiment_search import OWNER, active, tagged
from sweeps.tracking.store import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True, kw_only=True)
class _Sweep:
    study: str
    digest: str
    folder: Path
    name: str
    """"" while its folder is to be made."""


def look(study: Study, folder: Path, silent: set[Store] | None = None) -> list[str]:
    """What is worth a line of the store that a study is tracked in, in this folder, which may be there or not.

    Raises :class:`StudyError` for a clash. A store that does not answer is told and no reason to stop; ``silent`` are
    those that did not, and are not asked again. The store in the study's own folder is not asked at all: nobody else
    writes there."""
    silent = set() if silent is None else silent
    try:
        store = stores.locate(study.tracking.uri, folder)
    except TrackingError as error:
        raise StudyError(str(error)) from error
    own = store.database is not None and store.database.parent == folder.resolve()
    if own or store in silent or (store.database is not None and not store.database.exists()):
        return []
    try:
        return _seen(stores.connect(store), store, _sweep(study, folder))
    except StudyError:
        raise
    except Exception as error:
        silent.add(store)
        what = str(error) if isinstance(error, TrackingError) else stores.words(store, error)
        return [f"{redact(what)}. The study goes on without it; whether its name is free there was not seen"]
    finally:
        stores.leave(store)


def _sweep(study: Study, folder: Path) -> _Sweep:
    if not (folder / layout.STUDY).is_file():
        return _Sweep(study=study.name, digest=digest(study), folder=folder, name="")
    try:
        plan = planning.from_json((folder / layout.PLAN).read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError):  # told where the folder is opened
        return _Sweep(study=study.name, digest=digest(study), folder=folder, name="")
    return _Sweep(study=plan.study, digest=plan.first_digest, folder=folder, name=sweep_name.of(folder, plan))


def _seen(api: MlflowClient, store: Store, ours: _Sweep) -> list[str]:
    if ours.name and tagged(api, schema.SWEEP, ours.name):
        return []
    remarks: list[str] = []
    where, named = redact(store.uri), api.get_experiment_by_name(ours.study)
    same = [one for one in tagged(api, schema.STUDY_DIGEST, ours.digest) if active(one)]
    if named is not None and active(named) and named.experiment_id not in [one.experiment_id for one in same]:
        there = named.tags.get(schema.STUDY_DIGEST)
        if there is not None:
            raise StudyError(_clash(api, where, named, there, ours))
        remarks.append(
            f"{where}: experiment {ours.study!r} there is none of actsweep's and is left alone; this study's has a "
            "longer name"
        )
    if same and not (ours.name and any(schema.SWEEP not in one.tags for one in same)):  # which may be this very one
        others = "; ".join(f"experiment {one.name!r} ({_owner(api, one)})" for one in same)
        remarks.append(f"{where}: this study is there already: {others}; this run of it lies beside, with its own runs")
    return remarks


def _clash(api: MlflowClient, where: str, found: Any, there: str, ours: _Sweep) -> str:
    anew = (
        f"or go on beside it with `actsweep resume {quote_path(ours.folder)}`"
        if ours.name
        else "or give this study another name:"
    )
    return (
        f"{where}: experiment {found.name!r} holds another study of that name: digest {there}, this one has "
        f"{ours.digest}; it is of {_owner(api, found)}. Rename or delete that experiment in MLflow and run "
        f"again; {anew}"
    )


def _owner(api: MlflowClient, experiment: Any) -> str:
    if OWNER in experiment.tags:
        return str(experiment.tags[OWNER])
    runs = api.search_runs([experiment.experiment_id], f"tags.`{schema.KIND}` = 'study'", max_results=1)
    if not runs:
        return "nobody known"
    begun = datetime.datetime.fromtimestamp(runs[0].info.start_time / 1000, datetime.UTC)
    return f"user {runs[0].data.tags.get('mlflow.user', 'unknown')}, declared {begun.isoformat(timespec='seconds')}"
