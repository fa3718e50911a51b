"""Small products in MVTec's layout: noise, and noise with a bright square as the defect."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from trainer.spec import DataSpec, FoldSpec, ModelSpec, SplitSpec

SIDE = 32


def write_product(folder: Path, *, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def picture() -> np.ndarray:
        return rng.integers(60, 120, (SIDE, SIDE)).astype(np.uint8)

    def save(path: Path, pixels: np.ndarray) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)

    for part, count in (("train", 12), ("test", 6)):
        for number in range(count):
            save(folder / part / "good" / f"{number:03}.png", picture())
    for kind, count in {"hole": 4, "big-hole": 3}.items():
        for number in range(count):
            pixels, mask = picture(), np.zeros((SIDE, SIDE), np.uint8)
            at, reach = int(rng.integers(4, 16)), 12 if kind.startswith("big") else 6
            pixels[at : at + reach, at : at + reach] = 250
            mask[at : at + reach, at : at + reach] = 255
            save(folder / "test" / kind / f"{number:03}.png", pixels)
            save(folder / "ground_truth" / kind / f"{number:03}_mask.png", mask)


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "cache"
    monkeypatch.setenv("ACTSWEEP_CACHE", str(place))
    return place


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two products, and two classes of shapes to pretrain on."""
    place = tmp_path / "data"
    for seed, name in enumerate(("nut", "pill")):
        write_product(place / "mvtec" / name, seed=seed)
    rng = np.random.default_rng(5)
    for kind in ("stripes", "checks"):
        (place / "shapes" / kind).mkdir(parents=True)
        for number in range(12):
            wide = np.arange(16) // 4 % 2 * 120 + rng.integers(0, 60, (16, 16))
            Image.fromarray((wide if kind == "stripes" else wide.T).astype(np.uint8)).save(
                place / "shapes" / kind / f"{number:02}.png"
            )
    return place


OPTIONS: dict[str, dict[str, Any]] = {
    "flow": {"backbone": "resnet18", "weights": "random", "rotations": 2, "levels": "0,1"},
    "distillation": {"backbone": "resnet18", "weights": "random", "levels": "0,1"},
    "gaussian": {
        "pretrain": "image_folder folder=shapes mode=grey size=16",
        "layers": "0,3",
        "features": 8,
        "pixel": True,
    },
}
MODELS = {
    "flow": ModelSpec(name="flow", options={"blocks": 2, "width": 16}),
    "distillation": ModelSpec(
        name="cloner", options={"teacher": "resnet18", "levels": 2, "convolutions": "1,1,1", "narrow": 4}
    ),
    "gaussian": ModelSpec(name="tiny_cnn"),
}


@pytest.fixture
def fold(small: Callable[..., FoldSpec]) -> Callable[..., FoldSpec]:
    """A fold of one of the three methods on the product "nut"; ``options`` of the task beside the method's own."""

    def make(method: str, options: dict[str, Any] | None = None, **changes: Any) -> FoldSpec:
        given: dict[str, Any] = {
            "task": "anomaly",
            "task_options": {"method": method, **OPTIONS[method], **(options or {})},
            "data": DataSpec(name="mvtec", options={"category": "nut", "size": SIDE, "mode": "grey"}),
            "split": SplitSpec(scheme="fixed", folds=1, validation=0.25),
            "model": MODELS[method],
            "epochs": 3,
            "batch": 4,
            "checkpoint_rule": "last",
        }
        return small(**{**given, **changes})

    return make


@pytest.fixture
def trained_on(packed: Callable[..., Any], root: Path) -> Callable[..., Any]:
    def make(*specs: FoldSpec, **changes: Any) -> Any:
        return dataclasses.replace(packed(*specs, **changes), data_root=str(root))

    return make
