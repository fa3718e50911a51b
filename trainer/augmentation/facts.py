"""Augmentations by name: for which kinds of items, and their options. Loads without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainer.part_options import Declared, Number, Word
from trainer.spec import AugmentSpec

_SHARE = Number(default=0.1, low=0.0, open_ended=True, below=1.0)
_STRENGTH = Number(default=0.4, low=0.0, high=1.0)


@dataclass(frozen=True, kw_only=True)
class Facts:
    kinds: tuple[str, ...]
    """Kinds of items (of a :class:`trainer.datasets.reader.Dataset`) that it is for."""
    options: Declared
    main: str
    """The option that a bare value is of, as in ``crop: 4``."""
    meaning: str


_IMAGE = ("image",)
_SERIES = ("signal", "sequence")
_ANY = ("image", "signal", "sequence", "table")

AUGMENTATIONS: dict[str, Facts] = {
    "crop": Facts(
        kinds=_IMAGE,
        main="padding",
        options={"padding": Number(default=4, low=1, whole=True)},
        meaning="shifted by up to `padding` pixels either way, 0 (as stored) where nothing is left",
    ),
    "flip": Facts(
        kinds=_IMAGE,
        main="axis",
        options={
            "axis": Word(default="horizontal", accepts=("horizontal", "vertical")),
            "probability": Number(default=0.5, low=0.0, open_ended=True, high=1.0),
        },
        meaning="mirrored; not for what changes its meaning so, as digits do",
    ),
    "rotate": Facts(
        kinds=_IMAGE,
        main="degrees",
        options={"degrees": Number(default=15.0, low=0.0, open_ended=True, high=180.0)},
        meaning="turned by up to `degrees` either way, bilinear, 0 outside",
    ),
    "translate": Facts(
        kinds=_IMAGE,
        main="share",
        options={"share": _SHARE},
        meaning="shifted by up to that share of each side, bilinear, 0 outside",
    ),
    "colour": Facts(
        kinds=_IMAGE,
        main="brightness",
        options={"brightness": _STRENGTH, "contrast": _STRENGTH, "saturation": _STRENGTH},
        meaning="brightness, contrast and (of three channels) saturation times 1 - s to 1 + s each",
    ),
    "cutout": Facts(
        kinds=_IMAGE,
        main="size",
        options={"size": Number(default=8, low=1, whole=True)},
        meaning="a square of `size` pixels around a random place set to 0 after standardisation (arXiv 1708.04552)",
    ),
    "noise": Facts(
        kinds=("signal", "sequence", "table"),
        main="sd",
        options={"sd": Number(default=0.05, low=0.0, open_ended=True)},
        meaning="Gaussian noise of that standard deviation added after standardisation",
    ),
    "shift": Facts(
        kinds=_SERIES,
        main="share",
        options={"share": _SHARE},
        meaning="moved in time by up to that share of its length; the value at the end is repeated",
    ),
    "scale": Facts(
        kinds=_SERIES,
        main="sd",
        options={"sd": Number(default=0.1, low=0.0, open_ended=True)},
        meaning="times 1 + a Gaussian number of that standard deviation, after standardisation",
    ),
    "mixup": Facts(
        kinds=_ANY,
        main="alpha",
        options={"alpha": Number(default=0.2, low=0.0, open_ended=True)},
        meaning="mixed with another item of the batch, and the loss with that item's (arXiv 1710.09412)",
    ),
    "cutmix": Facts(
        kinds=_IMAGE,
        main="alpha",
        options={"alpha": Number(default=1.0, low=0.0, open_ended=True)},
        meaning="a rectangle from another image of the batch, and the loss by area (arXiv 1905.04899)",
    ),
}
BLENDS = ("mixup", "cutmix")
"""Those that take another item's target, too: at most one of them."""


def misfit(augment: Sequence[AugmentSpec], kind: str, shape: Sequence[int]) -> str:
    """What keeps items of a kind and ``shape`` (channels, height, width) from being augmented so, and what is accepted;
    "" where nothing does."""
    for one in augment:
        facts = AUGMENTATIONS[one.name]
        if kind not in facts.kinds:
            fit = [name for name, other in AUGMENTATIONS.items() if kind in other.kinds]
            return (
                f"training.augment: {one.name} is for items of kind {' or '.join(facts.kinds)}, and these are of kind "
                f"{kind}; accepts {', '.join(fit) if fit else 'no augmentation'} there"
            )
        side = min(shape[1:])
        for key in ("padding", "size"):
            if key in one.options and int(one.options[key]) > side:  # type: ignore[arg-type]  # checked where it was read
                return (
                    f"training.augment: {one.name}.{key} is {one.options[key]}, and the items are "
                    f"{shape[1]}x{shape[2]}; accepts at most {side}"
                )
    return ""
