"""Which experiment of a store is a sweep's: found by its tag ``actsweep.sweep``, whatever people call it.

One in the trash is taken out of it. Where several have the tag (two writers met, databases were merged), the one that
was made first is kept and the others go to the trash. One without the tag, or with another sweep's, is never taken
over, whatever its name: but for that of an earlier version, which named none, where it is this study's for certain.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING, Any

from analysis.runs import schema
from sweeps.tracking.folder_reader import FolderReader
from sweeps.tracking.store import DATABASE, Store

if TYPE_CHECKING:
    from mlflow import MlflowClient

KIND = "mlflow.experimentKind"  # else the UI asks at first sight what the experiment is about
OWNER = schema.PREFIX + "owner"
"""Tag of an experiment: whose it is, in words for those who meet it."""


def find(api: MlflowClient, store: Store, reader: FolderReader) -> Any:
    """The experiment of the folder's sweep, as MLflow has it; made where there is none."""
    sweep = reader.plan.sweep
    return _kept(api, tagged(api, schema.SWEEP, sweep)) or _adopted(api, store, reader) or _made(api, store, reader)


def tagged(api: MlflowClient, tag: str, value: str) -> list[Any]:
    """Experiments with that tag, those in the trash, too."""
    return list(_search(api, f"tags.`{tag}` = '{value}'"))


def owner_tags(reader: FolderReader) -> dict[str, str]:
    """What the experiment says of itself for those that look for it."""
    plan = reader.plan
    return {
        schema.SWEEP: plan.sweep,
        schema.STUDY: plan.study,
        schema.STUDY_DIGEST: plan.first_digest,
        OWNER: f"{reader.user or 'user unknown'}, folder {reader.place}, declared {plan.declaration.declared_at}",
    }


def _search(api: MlflowClient, text: str) -> Iterator[Any]:
    from mlflow.entities import ViewType

    token: str | None = None
    while True:
        page = api.search_experiments(view_type=ViewType.ALL, filter_string=text, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def active(experiment: Any) -> bool:
    return bool(experiment.lifecycle_stage == "active")


def _kept(api: MlflowClient, found: list[Any]) -> Any | None:
    """The one that is kept; out of the trash where all are in it."""
    by_age = sorted(found, key=lambda one: (one.creation_time or 0, one.experiment_id))
    first, *others = [one for one in by_age if active(one)] or [None]
    for other in others:
        api.delete_experiment(other.experiment_id)
    if first is None and by_age:
        first = max(by_age, key=lambda one: one.last_update_time or 0)
        return _restored(api, first)
    return first


def _restored(api: MlflowClient, found: Any) -> Any:
    api.restore_experiment(found.experiment_id)
    return api.get_experiment(found.experiment_id)


def _adopted(api: MlflowClient, store: Store, reader: FolderReader) -> Any | None:
    """The experiment that an earlier version made of this very folder's study."""
    candidates = [
        one for one in tagged(api, schema.STUDY_DIGEST, reader.plan.first_digest) if schema.SWEEP not in one.tags
    ]
    for one in sorted(candidates, key=lambda one: (not active(one), one.creation_time or 0)):
        if store.database == reader.folder.resolve() / DATABASE or _begins_with(api, one, reader):
            one = one if active(one) else _restored(api, one)
            api.set_experiment_tag(one.experiment_id, schema.SWEEP, reader.plan.sweep)
            return api.get_experiment(one.experiment_id)
    return None


def _begins_with(api: MlflowClient, experiment: Any, reader: FolderReader) -> bool:
    """Whether the run of its study begins when this one was declared."""
    from mlflow.entities import ViewType

    asked = f"tags.`{schema.KIND}` = 'study'"
    runs = api.search_runs([experiment.experiment_id], asked, run_view_type=ViewType.ALL)
    return any(run.info.start_time == declared_ms(reader) for run in runs)


def declared_ms(reader: FolderReader) -> int:
    return round(datetime.fromisoformat(reader.plan.declaration.declared_at).timestamp() * 1000)


def _made(api: MlflowClient, store: Store, reader: FolderReader) -> Any:
    from mlflow.exceptions import MlflowException

    tags = {**owner_tags(reader), KIND: "custom_model_development"}
    for name in _names(reader):
        if api.get_experiment_by_name(name) is not None:
            continue
        try:
            made = api.create_experiment(name, artifact_location=store.artifacts, tags=tags)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            # another writer took the name between the two, or an answer was lost after the server had done its work
            if (found := _kept(api, tagged(api, schema.SWEEP, reader.plan.sweep))) is not None:
                return found
            continue
        return api.get_experiment(str(made))
    raise AssertionError("names do not end")


def _names(reader: FolderReader) -> Iterator[str]:
    study, user, sweep = reader.plan.study, reader.user or "user unknown", reader.plan.sweep
    yield study
    yield beside_name(study, user, sweep)
    yield f"{study} ({user}, {sweep})"
    yield from (f"{study} ({user}, {sweep}, {number})" for number in count(2))


def beside_name(study: str, user: str, sweep: str) -> str:
    """Of a sweep whose study's name another experiment has."""
    return f"{study} ({user}, {sweep[:6]})"
