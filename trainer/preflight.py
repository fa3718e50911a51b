"""Tries what specifications ask for.

Reads the data set, deals it to folds, builds each model and rehearses its training on two real items (one, where a
batch is one). ``trainer.preflight`` as a program finds in seconds what would fail every fold of a trial hours later; a
process of its own, because it loads torch and the data set.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from trainer import alike
from trainer.catalogue import DATASETS, resolve
from trainer.codec import from_plain, to_text
from trainer.datasets.reader import Dataset, Reader
from trainer.datasets.validation import validate_dataset
from trainer.errors import DataError, TrainerError
from trainer.spec import DataSpec, FoldSpec

if TYPE_CHECKING:
    from trainer.rehearsal import Rehearsed
    from trainer.splits import Split

Device = Literal["auto", "cpu", "cuda"]


class Tried(NamedTuple):
    problems: list[str]
    """What is wrong with data sets, splits, models and activations, each said once."""
    remarks: list[str]
    """What the data sets have to say of their files (copies of one image, files left out), and tasks of models and
    activations."""
    places: str = ""
    """Where the activations stand in the model, in words."""


def problems(specs: list[FoldSpec], data_root: Path | None, device: Device = "cpu") -> list[str]:
    """What :func:`tried` finds wrong."""
    return tried(specs, data_root, device).problems


def tried(specs: list[FoldSpec], data_root: Path | None, device: Device = "cpu") -> Tried:
    """Tries ``specs``. ``device``: the kind that folds will train on; the CPU stands in for a GPU that this machine
    lacks."""
    found: dict[str, None] = {}
    cautions: dict[str, None] = {}
    datasets: dict[str, Dataset] = {}
    dealt: dict[tuple[str, int, int], Split] = {}
    built: set[str] = set()
    places = ""
    resumed: set[tuple[str, str, str]] = set()
    for spec in specs:
        try:
            key = spec.trained_data
            if key not in datasets:
                datasets[key] = read(spec, data_root, device)
            place = (f"{key} {to_text(spec.split)}", spec.repeat, spec.fold)
            if place not in dealt:
                dealt[place] = _deal(datasets[key], spec, dealt)
        except TrainerError as error:
            return Tried([str(error)], [])
        split, model = dealt[place], f"{key} {to_text(spec.model)} {to_text(spec.activation)} {spec.training.batch}"
        if model in built:
            continue
        built.add(model)
        # The ends of a space run the same code: one checkpoint is enough for it, and shipped parts have their tests.
        code = (spec.activation.name, spec.model.name, spec.task)
        resume = code not in resumed and any(":" in name for name in code)
        resumed.add(code)
        try:
            faults, told, found_places = _rehearse(spec, datasets[key], split, device, resume=resume)
            found |= dict.fromkeys(faults)
            cautions |= dict.fromkeys(told)
            places = places or found_places
        except Exception as error:  # a user's own class may raise anything
            named = spec.activation.name in str(error) or str(error).startswith(("model ", "task ", "data set "))
            found[str(error) if named else f"{spec.activation.name}: {error}"] = None
    remarks = [f"{known.name}: {remark}" for known in datasets.values() for remark in known.remarks]
    firsts = zip(specs[:1], datasets.values(), dealt.values(), strict=False)
    apart = next((_parted_copies(*first) for first in firsts), "")
    return Tried(list(found), [*remarks, *([apart] if apart else []), *cautions], places)


def _parted_copies(spec: FoldSpec, dataset: Dataset, split: Split) -> str:
    """What is to be known where items of the held-out part equal some that train; "" where none does."""
    if (groups := dataset.groups.get("copies")) is None:
        return ""
    known = np.concatenate([split.train, split.validation])
    if not (both := int(np.isin(groups[split.heldout], groups[known]).sum())):
        return ""
    remedy = "folds: {group: copies} keeps equal items on one side"
    if spec.split.scheme != "kfold":
        remedy = "with the data's option duplicates: drop they leave the held-out part"
    return f"{dataset.name}: {both} of {len(split.heldout)} held-out items equal one outside that part; {remedy}"


def read(spec: FoldSpec, root: Path | None, wish: Device) -> Dataset:
    """The data set as the fold's task trains on it."""
    from trainer import device
    from trainer.tasks import task

    return task.derived(spec, _stored(spec.data, root), device.choose("auto" if wish == "cuda" else wish), root)


def _stored(spec: DataSpec, root: Path | None) -> Dataset:
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


def _deal(dataset: Dataset, spec: FoldSpec, dealt: Mapping[tuple[str, int, int], Split]) -> Split:
    """The fold's split. Raises :class:`DataError` where an earlier one is the same."""
    from trainer.tasks import task

    made = task.deal(task.fitting(spec.task, spec.task_options, dataset), dataset, spec)
    for (_, repeat, fold), known in dealt.items():
        seeds_alone = spec.split.scheme != "kfold" and fold == spec.fold
        if known.hash == made.hash and not seeds_alone:  # the repeats of a declared split vary weights and order
            few = f"groups of {spec.split.group!r}" if spec.split.group else "items"
            raise DataError(
                f"data set {dataset.name!r}: repeat {repeat}, fold {fold} and repeat {spec.repeat}, fold {spec.fold} "
                f"are dealt the same items, so that one would be counted twice; with so few {few} use fewer repeats "
                "or another seed"
            )
    return made


def _rehearse(spec: FoldSpec, dataset: Dataset, split: Split, wish: Device, *, resume: bool) -> Rehearsed:
    import torch

    from trainer import device, rehearsal

    here = device.choose("auto" if wish == "cuda" else wish)
    try:
        with device.session(here, threads=1):
            return rehearsal.rehearse(spec, dataset, split, here, resume=resume)
    except torch.OutOfMemoryError:
        if here.type == "cpu":
            raise
    # Others use this machine's GPU, which says nothing of the nodes'.
    return _rehearse(spec, dataset, split, "cpu", resume=resume)


def _no_device(wish: Device) -> str:
    """What is wrong where packs run on this machine and it has no such device; "" else."""
    from trainer import device

    try:
        device.choose(wish)
    except RuntimeError as error:
        return f"cluster.device: {error}"
    return ""


def main() -> None:
    """Reads ``{"data_root": text or null, "device": text, "trains_here": bool, "specs": [...], "alike": question or
    null}`` from standard input; its last line of output is what :func:`tried` gives, and the answer to the question of
    :mod:`trainer.alike`, as JSON. ``trains_here``: whether packs run on this machine, which needs the device then."""
    asked = json.load(sys.stdin)
    root = None if asked["data_root"] is None else Path(asked["data_root"])
    if asked.get("trains_here") and (lacking := _no_device(asked["device"])):
        print(json.dumps({**Tried([lacking], [])._asdict(), "alike": None}))  # noqa: T201  # its answer
        return
    found = tried([from_plain(FoldSpec, raw) for raw in asked["specs"]], root, asked["device"])
    compared = asked.get("alike") if not found.problems else None
    same = dataclasses.asdict(alike.answer(from_plain(alike.Question, compared))) if compared else None
    print(json.dumps({**found._asdict(), "alike": same}))  # noqa: T201  # its answer


if __name__ == "__main__":
    main()
