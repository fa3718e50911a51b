"""The registry of an MLflow store: a name's versions, and a new one that is there whole or not at all.

A version is made by one request, once all that it consists of is in the store. What a process that was killed before
that left behind is a model that no version names: the next one finds it by its tag, and takes it where it is whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.runs import schema, store_words
from sweeps.errors import RegistryError, TrackingError
from sweeps.folder.secrets import redact
from sweeps.registry.description import LOGGED_MODEL, REGISTERED, WEIGHTS_DIGEST
from sweeps.tracking import artifact_place
from sweeps.tracking.store import Store, connect

if TYPE_CHECKING:
    from mlflow import MlflowClient

MAX_NAME = 250


def check_name(name: str) -> None:
    """Raises :class:`RegistryError` for a name that MLflow does not take, or that its addresses cannot carry."""
    fits = 0 < len(name) <= MAX_NAME and re.search(r"[/:%'\"\x00-\x1f]", name) is None
    if not fits or name != name.strip() or set(name) <= {"."}:
        raise RegistryError(
            f"NAME: got {name!r}; accepts 1 to {MAX_NAME} characters without / : % and quotes, and without space at "
            "its ends, as digits-activation"
        )


class Shelf:
    """The versions of one name. Its methods raise :class:`TrackingError` for a store that does not answer."""

    def __init__(self, store: Store, name: str) -> None:
        """Raises :class:`RegistryError` for a name that others use."""
        self.store, self.name = store, name
        with self._told():
            self.api: MlflowClient = connect(store)
            if store.database is not None:
                artifact_place.settle(store.database)
            self._known = self._registered()
            self._versions = list(self._all_versions()) if self._known is not None else []
        foreign = [one for one in self._versions if schema.DIGEST not in one.tags]
        if foreign:
            raise RegistryError(
                f"{name}: is a registered model in {redact(store.uri)} with versions that actsweep did not register "
                f"(version {foreign[0].version}); choose another name"
            )

    def find(self, tags: Mapping[str, str]) -> str | None:
        """The newest version of the same weights of the same fold; None where there is none."""
        for one in sorted(self._versions, key=lambda one: -int(one.version)):
            if all(one.tags.get(name) == tags[name] for name in (schema.DIGEST, WEIGHTS_DIGEST)) and self._whole(one):
                return str(one.version)
        return None

    def describe(self, version: str, tags: Mapping[str, str], description: str) -> bool:
        """Makes a version say this; whether it said anything else before."""
        (known,) = [one for one in self._versions if str(one.version) == version]
        changed = {name: text for name, text in tags.items() if known.tags.get(name) != text}
        with self._told():
            for name, text in changed.items():
                self.api.set_model_version_tag(self.name, version, name, text)
            if known.description != description:
                self.api.update_model_version(self.name, version, description)
        return bool(changed) or known.description != description

    def add(self, run_id: str, tags: Mapping[str, str], description: str, save: Callable[[str], Path]) -> str:
        """A new version, of the fold of that run. ``save``: makes the model's folder, given its id in MLflow."""
        whose = hashlib.sha256(f"{self.name} {tags[schema.DIGEST]} {tags[WEIGHTS_DIGEST]}".encode()).hexdigest()[:16]
        with self._told():
            experiment = str(self.api.get_run(run_id).info.experiment_id)
            model_id = self._left_behind(experiment, whose)
            if model_id is None:
                made = self.api.create_logged_model(
                    experiment, name=f"{_plain(self.name)}", source_run_id=run_id, tags={**tags, REGISTERED: whose}
                )
                model_id = made.model_id
                self.api.log_model_artifacts(model_id, str(save(model_id)))
                self.api.finalize_logged_model(model_id, "READY")
            if self._known is None:
                self._make_name()
            version = self.api.create_model_version(
                self.name,
                # as an address of its files: of models:/ID, MLflow asks whichever store its process has by default
                source=self.api.get_logged_model(model_id).artifact_location,
                run_id=run_id,
                tags={**tags, LOGGED_MODEL: model_id},
                description=description,
                model_id=model_id,
            )
        return str(version.version)

    def _make_name(self) -> None:
        try:
            self.api.create_registered_model(self.name, description="Models of actsweep's studies.")
        except Exception as error:
            if getattr(error, "error_code", "") != "RESOURCE_ALREADY_EXISTS":  # by another process, meanwhile
                raise

    def _left_behind(self, experiment: str, whose: str) -> str | None:
        """The id of a whole model that no version names; those that are not whole are removed."""
        found = self.api.search_logged_models([experiment], filter_string=f"tags.`{REGISTERED}` = '{whose}'")
        named = {one.tags.get(LOGGED_MODEL) for one in self._versions}
        whole = None
        for model in found:
            if model.model_id in named:
                continue
            if str(model.status) == "READY" and whole is None and self._has_files(model):
                whole = str(model.model_id)
            else:
                self.api.delete_logged_model(model.model_id)
        return whole

    def _whole(self, version: Any) -> bool:
        """Whether its files are where the store has them: not where a study's folder was moved with its store."""
        with self._told():
            try:
                model = self.api.get_logged_model(version.tags.get(LOGGED_MODEL, ""))
            except Exception as error:
                if getattr(error, "error_code", "") not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                    raise
                return False
            return self._has_files(model)

    def _has_files(self, model: Any) -> bool:
        from mlflow.artifacts import list_artifacts

        listed = list_artifacts(artifact_uri=model.artifact_location, tracking_uri=self.store.uri)
        return any(file.path.endswith("MLmodel") for file in listed)

    def _registered(self) -> Any:
        try:
            return self.api.get_registered_model(self.name)
        except Exception as error:
            if getattr(error, "error_code", "") != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None

    def _all_versions(self) -> Iterator[Any]:
        token = None
        while True:
            page = self.api.search_model_versions(f"name = '{self.name}'", page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Failures of the store in one line of ours."""
        try:
            yield
        except (TrackingError, RegistryError):
            raise
        except Exception as error:
            what, remedy, _ = store_words.failure(error)
            then = f"{redact(remedy)}, and register again" if remedy else "register again"
            raise TrackingError(
                f"MLflow store {redact(self.store.uri)}: {redact(what)}; no version was registered: {then}"
            ) from error


def _plain(name: str) -> str:
    """A logged model's name takes fewer signs than a registered one's."""
    return re.sub(r"[./:%\"']", "-", name)
