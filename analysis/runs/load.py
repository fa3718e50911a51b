"""From a tracking store or a study folder to a study's frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.errors import SourceError
from analysis.runs import account as accounts
from analysis.runs import plan as planning
from analysis.runs import schema
from analysis.runs.account import Account
from analysis.runs.accounting import Accounting
from analysis.runs.accounting import from_texts as accounts_of
from analysis.runs.frames import (
    HISTORY_PREFIXES,
    LEARNED,
    History,
    Run,
    environment,
    of_this_version,
    to_cube,
    to_curves,
    to_learned,
    unique,
)
from analysis.runs.plan import Plan
from analysis.runs.stores import Store, open_store, uri_without_secrets


@dataclass(frozen=True, kw_only=True)
class Study:
    """A study's runs and what was declared of them before the first."""

    cube: pd.DataFrame
    """One row per fold run; planned folds of the claims phase that have no run are rows of status ``missing``."""
    curves: pd.DataFrame
    """One row per run and epoch: run_id, epoch, time (seconds since the Unix epoch), then one column a metric."""
    plan: Plan
    learned: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=LEARNED))
    """The last logged value of each learned activation parameter: run_id, layer, parameter, value."""
    folder: Path | None = None
    """The study folder that they were read from, which has what no store keeps; None where it was a store."""
    source: str = ""
    """Where the runs were read: a tracking URI or a folder's name."""
    study_run: str = ""
    """Id of the run that stands for the study."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Versions that the runs recorded, by name."""
    account: Account | None = None
    """What it might cost and did cost; None where that was not kept."""
    accounting: Accounting | None = None
    """What its jobs cost by the site's accounts; None where that was not asked."""


def load(
    source: str | Path,
    experiment: str | None = None,
    *,
    sweep: str | None = None,
    histories: Iterable[str] = HISTORY_PREFIXES,
) -> Study:
    """The runs of one study: from its folder, or from a tracking URI.

    ``experiment`` names the study where the store has several: an experiment, or the study that one alone is of.
    ``sweep`` is the run of the study that is meant, as its plan names it, whatever its experiment is called; of a
    folder, its plan says it. ``histories`` are the beginnings of the metric names
    whose histories become columns of ``curves``; add ``"activation/"`` for every learned parameter at every epoch.

    Raises :class:`SourceError` for what cannot be read, :class:`DuplicateRuns` where two runs claim one fold.
    """
    uri, folder = resolve(source)
    store = open_store(uri)
    if sweep is None and experiment is None and folder is not None:
        sweep = sweep_of(folder, store)
    candidates = studies_in(store, experiment, sweep)
    if not candidates and sweep is not None:
        raise SourceError(
            f"{source}: the store has no runs of sweep {sweep} yet; `actsweep sync DIR` writes them from the study "
            "folder"
        )
    if len(candidates) != 1:
        known = sorted(candidates or store.experiments())
        raise SourceError(
            f"{source}: {'no study' if not candidates else 'several studies'}"
            + (f" named {experiment!r}" if experiment else "")
            + f"; the store has {', '.join(map(repr, known)) or 'no experiments'}"
            + ("" if not candidates else "; name the experiment that is meant")
        )
    (study,) = assemble(store, candidates, uri=uri, folder=folder, histories=histories)
    return study


def load_all(sources: Iterable[str | Path]) -> tuple[Study, ...]:
    """Several studies, in the order given; a store with several experiments gives all of its studies."""
    studies: list[Study] = []
    for source in sources:
        uri, folder = resolve(source)
        if folder is not None:
            studies.append(load(source))
            continue
        store = open_store(uri)
        found = studies_in(store, None)
        if not found:
            known = sorted(store.experiments())
            raise SourceError(f"{source}: no study; the store has {', '.join(map(repr, known)) or 'no experiments'}")
        studies.extend(assemble(store, found, uri=uri, folder=None, histories=HISTORY_PREFIXES))
    return tuple(studies)


def studies_in(store: Store, experiment: str | None, sweep: str | None = None) -> dict[str, list[Run]]:
    """The runs of each experiment that holds a study, by its name; only of ``experiment`` where one is named, or of
    those that are of a study of that name, and only of ``sweep``."""
    named = store.experiments()
    if sweep is not None:
        of_sweep = store.tagged(schema.SWEEP)
        named = {name: identity for name, identity in named.items() if of_sweep.get(identity) == sweep}
    if experiment in named:
        named = {experiment: named[experiment]}
    elif experiment is not None:
        of_study = store.tagged(schema.STUDY)
        named = {name: identity for name, identity in named.items() if of_study.get(identity) == experiment}
    found: dict[str, list[Run]] = {}
    for name, identity in named.items():
        runs = [run for run in store.runs(identity) if schema.KIND in run.tags]
        runs.sort(key=lambda run: run.tags.get(schema.KEY, ""))  # runs of one millisecond come in any order
        if runs:
            found[name] = runs
    return found


def sweep_of(folder: Path, store: Store) -> str | None:
    """The sweep of a study folder, where its plan names one and the store knows it."""
    file = folder / schema.PLAN_ARTIFACT
    if not file.is_file():
        return None
    sweep = planning.from_json(file.read_text(encoding="utf-8", errors="replace")).sweep
    return sweep if sweep in store.tagged(schema.SWEEP).values() else None


def assemble(
    store: Store, found: Mapping[str, Sequence[Run]], *, uri: str, folder: Path | None, histories: Iterable[str]
) -> list[Study]:
    """The studies of ``found`` (runs by experiment), by name. Histories are read once for all of them."""
    kinds: dict[str, dict[str, list[Run]]] = {}
    for name in sorted(found):
        of_this_version(found[name])
        unique(found[name])
        of_kind = kinds.setdefault(name, {"study": [], "trial": [], "fold": []})
        for run in found[name]:
            of_kind.setdefault(run.tags[schema.KIND], []).append(run)
    plans = {name: read_plan(store, of_kind["study"], folder, name) for name, of_kind in kinds.items()}
    every = [run for of_kind in kinds.values() for run in of_kind["fold"]]
    wanted = tuple(histories)
    keys = sorted({key for run in every for key in run.metrics if schema.column(key).startswith(wanted)})
    run_ids = [run.run_id for run in every]
    read: dict[str, list[History]] = {}
    for key in keys:
        read.setdefault(schema.column(key), []).extend(store.history(run_ids, key))
    curves, broken = to_curves(every, read)
    ends = np.cumsum([len(of_kind["fold"]) for of_kind in kinds.values()])
    cuts = np.searchsorted(curves["run_id"].cat.codes.to_numpy(), [0, *ends])
    studies = []
    for at, (name, of_kind) in enumerate(kinds.items()):
        mine = curves.iloc[cuts[at] : cuts[at + 1]].reset_index(drop=True)
        mine["run_id"] = mine["run_id"].cat.remove_unused_categories()
        heads, folds = of_kind["study"], of_kind["fold"]
        studies.append(
            Study(
                cube=to_cube(folds, plans[name], broken, of_kind["trial"]),
                curves=mine,
                plan=plans[name],
                learned=to_learned(folds),
                folder=folder,
                source=folder.name if folder else uri_without_secrets(uri),
                study_run=heads[0].run_id if heads else "",
                environment=environment(folds),
                account=read_account(store, heads, folder),
                accounting=read_accounting(store, heads, folder),
            )
        )
    return studies


def resolve(source: str | Path) -> tuple[str, Path | None]:
    """The tracking URI, and the study folder where ``source`` is one."""
    text = str(source)
    if isinstance(source, str) and "://" in text:
        return text, None
    folder = Path(source)
    if folder.is_file() and folder.suffix == ".db":
        return f"sqlite:///{folder.absolute()}", None
    if not folder.is_dir():
        raise SourceError(
            f"{source}: neither a tracking URI nor a folder; give a study folder or a URI as sqlite:///..."
        )
    if (folder / "mlflow.db").is_file():
        return f"sqlite:///{(folder / 'mlflow.db').absolute()}", folder
    if below := sorted(str(store.parent) for store in folder.glob("*/mlflow.db")):
        raise SourceError(f"{folder}: no study folder, but it holds some; name those that are meant: {' '.join(below)}")
    raise SourceError(
        f"{folder}: no mlflow.db; a study that tracks elsewhere is read by its tracking URI, and "
        "`actsweep sync` writes the embedded store anew"
    )


def read_account(store: Store, heads: Sequence[Run], folder: Path | None) -> Account | None:
    if folder is not None:
        file = folder / schema.BUDGET_ARTIFACT
        return accounts.from_json(file.read_text(encoding="utf-8")) if file.is_file() else None
    texts = (store.artifact(head, schema.BUDGET_ARTIFACT) for head in heads)
    return next((accounts.from_json(text) for text in texts if text is not None), None)


def read_accounting(store: Store, heads: Sequence[Run], folder: Path | None) -> Accounting | None:
    names = (schema.ACCOUNTING_ARTIFACT, schema.ACCOUNTING_RUNS_ARTIFACT)
    if folder is not None:
        files = [folder / name for name in names]
        found = [tuple(file.read_text(encoding="utf-8") if file.is_file() else None for file in files)]
    else:
        found = [tuple(store.artifact(head, name) for name in names) for head in heads]
    return next((accounts_of(head, rows) for head, rows in found if head is not None and rows is not None), None)


def read_plan(store: Store, heads: Sequence[Run], folder: Path | None, name: str) -> Plan:
    if folder is not None and (folder / schema.PLAN_ARTIFACT).is_file():
        return planning.from_json((folder / schema.PLAN_ARTIFACT).read_text(encoding="utf-8", errors="replace"))
    for head in heads:
        text = store.artifact(head, schema.PLAN_ARTIFACT)
        if text is not None:
            return planning.from_json(text)
    raise SourceError(
        f"{name}: the study's run has no {schema.PLAN_ARTIFACT}; `actsweep sync` writes it from the study folder"
    )
