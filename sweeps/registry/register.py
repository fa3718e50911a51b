"""Registers the weights of one fold of a study's winner as a model, with what the report says of it."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path

from analysis.notebook import Comparison
from sweeps.driver import needs, session
from sweeps.errors import RegistryError
from sweeps.folder import sweep_name
from sweeps.folder.secrets import redact
from sweeps.registry import description, package, shelf, weights, winner
from sweeps.tracking import store


def register(
    folder: Path, name: str, found: Comparison, *, label: str | None = None, fold: str | None = None
) -> Sequence[str]:
    """What was done, in lines. ``found``: what the study in ``folder`` found. Nothing is written to the store before
    the model has been tried. Raises :class:`RegistryError`, :class:`sweeps.errors.StudyError`,
    :class:`sweeps.errors.FoldChanged` and :class:`sweeps.errors.TrackingError`."""
    study = session.opened(folder)
    plan = found.findings.plan
    chosen = winner.choose(found, label)
    taken = weights.of(folder, plan, chosen, fold)
    if not taken.run_id:
        raise RegistryError(f"{taken.folder}: has no run in MLflow; `actsweep sync` makes it")
    place_of = store.locate(study.tracking.uri, folder)
    books = shelf.Shelf(place_of, name)
    with tempfile.TemporaryDirectory(prefix="actsweep-register-") as temporary:
        place = Path(temporary)
        with needs.as_started(study, folder):
            said, digest = package.prepare(folder.absolute(), taken, place, session.data_root(study))
        tags = description.tags(plan, sweep_name.of(folder, plan), chosen, taken, digest)
        text = description.words(plan, chosen, taken, said)
        head = [chosen.verdict, chosen.why, taken.why]
        if (version := books.find(tags)) is not None:
            changed = books.describe(version, tags, text)
            also = "; its description now says what is known today" if changed else ""
            return [*head, f"{name} has these weights already, as version {version}{also}: no version was made"]

        def save(model_id: str) -> Path:
            return package.save(
                folder.absolute(), taken, place, said, run_id=taken.run_id, model_id=model_id, about=tags
            )

        version = books.add(taken.run_id, tags, text, save)
    return [*head, f"registered: {name}, version {version}", *usage(place_of, name, version, said.shape, said.dtype)]


def usage(place: store.Store, name: str, version: str, shape: Sequence[int], dtype: str) -> list[str]:
    """How it is used, where actsweep is installed."""
    return [
        f"use it: MLFLOW_TRACKING_URI={shlex.quote(redact(place.uri))} python",
        f'  mlflow.pyfunc.load_model("models:/{name}/{version}").predict(items)',
        f"  # items: an array of n x {' x '.join(map(str, shape))}, {dtype}",
    ]
