"""Tries what specifications ask for and trains nothing.

Reads the data set, deals it to folds, builds each model and sends two blank items (one, where a batch is one) through
it. ``python -P -m trainer.preflight`` finds in seconds what would fail every fold of a trial hours later; a process of
its own, because it loads torch and the data set.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from trainer.catalogue import DATASETS, resolve
from trainer.codec import from_plain, to_text
from trainer.datasets.reader import Dataset, Reader
from trainer.datasets.validation import validate_dataset
from trainer.errors import DataError, TrainerError
from trainer.spec import DataSpec, FoldSpec


def problems(specs: list[FoldSpec], data_root: Path | None) -> list[str]:
    """What is wrong with data sets, splits, models and activations of ``specs``, each said once."""
    found: dict[str, None] = {}
    datasets: dict[str, Dataset] = {}
    dealt: dict[tuple[str, int, int], str] = {}
    built: set[str] = set()
    for spec in specs:
        try:
            key = to_text(spec.data)
            if key not in datasets:
                datasets[key] = _read(spec.data, data_root)
            place = (f"{key} {to_text(spec.split)}", spec.repeat, spec.fold)
            if place not in dealt:
                dealt[place] = _deal(datasets[key], spec, dealt)
        except TrainerError as error:
            return [str(error)]
        model = f"{key} {to_text(spec.model)} {to_text(spec.activation)} {spec.training.batch}"
        if model in built:
            continue
        built.add(model)
        try:
            _build(spec, datasets[key])
        except Exception as error:  # a user's own class may raise anything
            found[f"{spec.activation.name}: {error}" if spec.activation.name not in str(error) else str(error)] = None
    return list(found)


def _read(spec: DataSpec, root: Path | None) -> Dataset:
    """The data set. What a reader of the user's own does wrong is told as a :class:`DataError`."""
    reader: Reader = resolve("data set", spec.name, DATASETS)
    if ":" not in spec.name:
        return reader.load(root, spec.options)
    where = f"data set {spec.name!r}"
    if isinstance(reader, type) or not hasattr(reader, "load"):
        got = f"the class {reader.__name__}" if isinstance(reader, type) else f"a {type(reader).__name__}"
        raise DataError(f"{where}: got {got}; accepts an object with the methods of trainer.datasets.reader.Reader")
    try:
        dataset = reader.load(root, spec.options)
    except TrainerError:
        raise
    except Exception as error:  # the user's own code may raise anything
        raise DataError(f"{where}: its load raises {type(error).__name__}: {error}") from error
    if wrong := validate_dataset(dataset):
        raise DataError(f"{where}: " + "; ".join(wrong))
    return dataset


def _deal(dataset: Dataset, spec: FoldSpec, dealt: Mapping[tuple[str, int, int], str]) -> str:
    """The hash of the fold's split. Raises :class:`DataError` where an earlier one is the same."""
    from trainer.splits import split
    from trainer.tasks import task

    strata = task.fitting(spec.task, dataset).strata(dataset)
    place = {"seed": spec.study_seed, "repeat": spec.repeat, "fold": spec.fold}
    made = split(dataset, spec.split, strata, phase=spec.phase, **place).hash
    for (_, repeat, fold), known in dealt.items():
        if known == made:
            few = f"groups of {spec.split.group!r}" if spec.split.group else "items"
            raise DataError(
                f"data set {dataset.name!r}: repeat {repeat}, fold {fold} and repeat {spec.repeat}, fold {spec.fold} "
                f"are dealt the same items, so that one would be counted twice; with so few {few} use fewer repeats "
                "or another seed"
            )
    return made


def _build(spec: FoldSpec, dataset: Dataset) -> None:
    import torch

    from trainer import device
    from trainer.models import build
    from trainer.tasks import task

    shape, outputs = dataset.items.shape[1:], task.fitting(spec.task, dataset)(dataset).outputs
    model = build.build(spec.model, spec.activation, outputs=outputs, input_shape=shape, generator_seed=0)
    dtype = device.dtype(spec.training.precision)
    count = min(2, spec.training.batch)
    blank = torch.zeros(count, *shape, dtype=torch.int64 if dataset.kind == "tokens" else dtype)
    with torch.no_grad():
        got = tuple((model.double() if dtype == torch.float64 else model)(blank).shape)
    if got != (count, outputs):
        accepted = f"outputs ({count}, {outputs})"
        raise ValueError(f"model {spec.model.name!r}: gives {got} for {count} items; accepts {accepted}")


def main() -> None:
    """Reads ``{"data_root": text or null, "specs": [...]}`` from standard input; its last line of output is the
    problems as JSON."""
    asked = json.load(sys.stdin)
    root = None if asked["data_root"] is None else Path(asked["data_root"])
    found = problems([from_plain(FoldSpec, raw) for raw in asked["specs"]], root)
    print(json.dumps(found))  # noqa: T201  # its answer


if __name__ == "__main__":
    main()
