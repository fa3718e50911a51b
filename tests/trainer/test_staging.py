"""A data set from a node's copy is the one that was read: all of it, whatever fields it has."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from trainer import staging
from trainer.datasets.reader import About, Dataset, Mesh, Windows
from trainer.spec import DataSpec, Scalar

COUNT = 6
NUMBERS = np.arange(COUNT, dtype=np.int64)
FULL = Dataset(
    name="full",
    items=np.arange(COUNT * 3, dtype=np.float32).reshape(COUNT, 1, 1, 3),
    labels=NUMBERS % 2,
    classes=("even", "odd"),
    values=np.sqrt(NUMBERS.astype(np.float64))[:, None],
    kind="mesh",
    groups={"patient": NUMBERS // 2, "site": NUMBERS // 3},
    fixed_heldout=NUMBERS > 3,
    published=np.stack([NUMBERS > 3, NUMBERS < 2]),
    order=NUMBERS * 10,
    windows=Windows(first=NUMBERS - 2, ahead=NUMBERS + 11, known=NUMBERS[:, None] / 3, series=NUMBERS % 2, column=1),
    mesh=Mesh(shape=(2, 3), nodes=NUMBERS[::-1].copy(), centres=np.array([[0.5], [1.5]])),
    vocabulary=19,
    masks=np.arange(COUNT * 4).reshape(COUNT, 2, 2) % 3 == 0,
    sizes=np.stack([NUMBERS + 20, NUMBERS + 30], axis=1),
    standardise="constants",
    mean=(0.25,),
    std=(2.0,),
    remarks=("said",),
    digest="ab" * 32,
)


class Full:
    about = About(title="full", licence="", citation="", source="", needs="")

    def load(self, root: Path | None, options: Mapping[str, Scalar]) -> Dataset:
        return FULL

    prepare = load

    def files(self, root: Path, options: Mapping[str, Scalar]) -> list[Path]:
        return [root / "one.bin"]


def same(one: object, other: object) -> bool:
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and one.dtype == other.dtype and np.array_equal(one, other)
    if dataclasses.is_dataclass(one):
        return type(one) is type(other) and all(
            same(getattr(one, field.name), getattr(other, field.name)) for field in dataclasses.fields(one)
        )
    if isinstance(one, Mapping):
        return isinstance(other, Mapping) and one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    return one == other


def test_the_example_uses_every_field_of_a_data_set() -> None:
    """Who adds a field adds it here, and sees whether copies keep it."""
    plain = {
        field.name: field.default for field in dataclasses.fields(Dataset) if field.default is not dataclasses.MISSING
    }
    assert {name for name, default in plain.items() if same(getattr(FULL, name), default)} == {"standardise"}


def test_a_copy_has_every_field(tmp_path: Path) -> None:
    (tmp_path / "one.bin").write_bytes(b"bytes")
    copies = [
        staging.load(Full(), DataSpec(name="full"), tmp_path, str(tmp_path / "scratch"), code="") for _ in range(2)
    ]
    assert list((tmp_path / "scratch").glob("actsweep-*/*/facts.json"))
    for field in dataclasses.fields(Dataset):
        assert same(getattr(copies[1], field.name), getattr(FULL, field.name)), field.name
