"""Makes a fold's weights an MLflow model in a folder: what loads it is the trainer's, and nothing in it is pickled."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

from sweeps.driver.asking import ask
from sweeps.errors import RegistryError
from sweeps.folder import own_code
from sweeps.folder.damage import PREDICTIONS, WEIGHTS
from sweeps.registry import weights as kept_weights
from sweeps.registry.weights import Weights
from trainer.codec import from_plain
from trainer.serving import Answer

DATA, MODEL = "data", "model"
LOADER = "trainer.served"
EXAMPLE_NUMBERS = 10_000
"""Most numbers of an item for which the model has an input example, which MLflow keeps as text."""


def prepare(study: Path, weights: Weights, place: Path, data_root: str | None) -> tuple[Answer, str]:
    """The model's own files below ``place``, tried and compared with the fold's predictions; and the SHA-256 of its
    weights. Raises :class:`RegistryError` with what is wrong, and as :func:`sweeps.registry.weights.copy`."""
    data = place / DATA
    data.mkdir()
    digest = kept_weights.copy(weights, data / WEIGHTS)
    code = _own_code(study, weights)
    question = {
        "folder": str(data),
        "fold": str(weights.folder),
        "predictions": str(weights.attempt / PREDICTIONS),
        "data_digest": weights.history.start.data_digest,
        "data_root": data_root,
        "own_folder": str(code) if code is not None else None,
    }

    def failed(words: str) -> RegistryError:
        return RegistryError(f"{weights.folder}: cannot be made a model here:\n{words}")

    said = ask("trainer.serving", question, failed)
    if "refused" in said:
        raise RegistryError(f"{weights.folder}: cannot be made a model: {said['refused']}. Nothing was registered")
    return from_plain(Answer, said), digest


def save(
    study: Path, weights: Weights, place: Path, said: Answer, *, run_id: str, model_id: str, about: Mapping[str, str]
) -> Path:
    """The model as MLflow has them, made of what :func:`prepare` made; its folder."""
    import mlflow.pyfunc
    import numpy as np
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema, TensorSpec

    wanted = TensorSpec(np.dtype(said.dtype), (-1, *said.shape), "items")
    gives = TensorSpec(np.dtype(said.gives_dtype), (-1, *said.gives_shape))
    small = np.prod(said.shape, dtype=int) <= EXAMPLE_NUMBERS
    code = _own_code(study, weights)
    trained = weights.history.start.environment.get("torch", metadata.version("torch")).partition("+")[0]
    with _quiet():
        mlflow.pyfunc.save_model(
            place / MODEL,
            loader_module=LOADER,
            data_path=str(place / DATA),
            code_paths=sorted(map(str, code.iterdir())) if code is not None else None,
            mlflow_model=Model(run_id=run_id, model_id=model_id),
            pip_requirements=[f"actsweep=={metadata.version('actsweep')}", f"torch=={trained}"],
            signature=ModelSignature(Schema([TensorSpec(wanted.type, wanted.shape)]), Schema([gives])),
            input_example=np.zeros((1, *said.shape), said.dtype) if small else None,
            metadata=dict(about),
        )
    return place / MODEL


def _own_code(study: Path, weights: Weights) -> Path | None:
    """The user's own modules that the fold was trained with, as the study's folder keeps them; None where it used
    none."""
    known = own_code.versions(study)
    if not known:
        return None
    version = next((one for one in known if one.digest == weights.history.start.code), known[-1])
    return study.absolute() / own_code.FOLDER / version.digest


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """MLflow has remarks on what is meant as it is: that a model has no example, that a requirement is not public."""
    log = logging.getLogger("mlflow")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(before)
