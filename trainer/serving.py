"""Makes a kept fold a model of its own, and holds it to what the fold said of its held-out items.

``python -P -m actsweep_start -m trainer.serving`` answers one question from standard input: a process of its own,
because it loads torch, the data and what the user's modules load. This module itself loads without torch.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainer import catalogue, served
from trainer.codec import from_plain, from_text
from trainer.datasets.reader import Reader
from trainer.errors import DataError
from trainer.spec import FoldSpec

AGREES = 0.02
"""Largest difference between the model's predictions and the fold's, in standard deviations of the latter, that another
device or number of threads may make; a matter of 1e-6 on the same one."""


@dataclass(frozen=True, kw_only=True)
class Question:
    folder: str
    """Holds ``best.pt``; the rest of the model is written there."""
    fold: str
    """The fold's folder, with ``spec.json``."""
    predictions: str
    """The fold's ``predictions.npz``."""
    data_digest: str
    """Of the data set that the fold was trained on; "" where its journal does not say."""
    data_root: str | None
    own_folder: str | None
    """Whose modules come before all others."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    shape: tuple[int, ...]
    """Of an item."""
    dtype: str
    kind: str
    gives_shape: tuple[int, ...]
    """Of what the model says of an item: () is one number."""
    gives_dtype: str
    gives: str
    """In words."""
    compared: int
    """Held-out items whose predictions were compared with the fold's; 0 where the fold kept none to compare with."""
    largest: float
    """Difference among them, absolute."""
    licence: str
    citation: str
    derived: bool
    """Whether items are what the task makes of the data set's, not the data set's own."""
    code: str
    """Digest of the sources here."""


def answer(question: Question) -> Answer:
    """Writes the model, loads it as whoever uses it will, and compares. Raises :class:`DataError` for other data than
    the fold's or predictions that are not the fold's."""
    from trainer import code, device
    from trainer.tasks import task

    if question.own_folder is not None:
        sys.path.insert(0, question.own_folder)
    spec = from_text(FoldSpec, (Path(question.fold) / "spec.json").read_text(encoding="utf-8"))
    reader: Reader = catalogue.resolve("data set", spec.data.name, catalogue.DATASETS)
    root = None if question.data_root is None else Path(question.data_root)
    plain = reader.load(root, spec.data.options)
    target = device.choose("auto")
    dataset = task.derived(spec, plain, target, root)
    if question.data_digest and dataset.digest != question.data_digest:
        raise DataError(
            f"data set {spec.data.name!r}: is not what the fold was trained on (digest {dataset.digest[:16]}, then "
            f"{question.data_digest[:16]}); restore the data"
        )
    folder = Path(question.folder)
    served.write(folder, spec, dataset)
    model = served.Served(folder, target)
    with np.load(question.predictions, allow_pickle=False) as kept:
        heldout = kept["indices"]
        known = model.task.predicted_before(dict(kept))
    count = len(heldout) if known is not None else min(len(heldout), 2)
    said = model.predict(np.asarray(dataset.items[heldout[:count]]))
    largest = 0.0
    if known is not None:
        largest = _largest(known, said, f"{spec.trial}/{spec.folder}")
    return Answer(
        shape=model.facts.shape,
        dtype=model.facts.dtype,
        kind=model.facts.kind,
        gives_shape=said.shape[1:],
        gives_dtype=said.dtype.name,
        gives=model.task.predicted_words(),
        compared=count if known is not None else 0,
        largest=largest,
        licence=reader.about.licence,
        citation=reader.about.citation,
        derived=dataset.digest != plain.digest,
        code=code.digest(),
    )


def _largest(known: np.ndarray, said: np.ndarray, fold: str) -> float:
    if known.shape != said.shape:
        raise DataError(f"{fold}: the model gives {said.shape} where the fold kept {known.shape}; it is another model")
    largest = float(np.abs(known.astype(np.float64) - said).max())
    spread = float(known.std()) or 1.0
    if not largest <= AGREES * spread:
        raise DataError(
            f"{fold}: its weights do not give its predictions here: they differ by {largest:.3g} on a held-out item, "
            f"accepts {AGREES * spread:.3g} ({AGREES:g} standard deviations of the fold's predictions). Use the "
            "versions of actsweep and torch that trained it, and data that have not changed"
        )
    return largest


def main() -> None:
    """Reads a :class:`Question` as JSON from standard input; its last line of output is the :class:`Answer`, or a
    sentence under ``refused``."""
    from trainer.errors import TrainerError

    try:
        found = dataclasses.asdict(answer(from_plain(Question, json.load(sys.stdin))))
    except (TrainerError, ValueError, OSError) as error:
        found = {"refused": str(error)}
    print(json.dumps(found))  # noqa: T201  # its answer


if __name__ == "__main__":
    main()
