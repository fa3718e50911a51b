"""What is known of the networks that come with it without building them. Loads without torch."""

from __future__ import annotations

from collections.abc import Mapping

from trainer.spec import Options

PLACES: Mapping[str, tuple[int, int]] = {
    "googlenet": (64, 64),
    "mobilenet": (27, 27),
    "resnet18": (9, 17),
    "resnet34": (17, 33),
    "small_cnn": (2, 2),
    "tiny_cnn": (2, 2),
}
"""Network -> its places for an activation and their applications in a pass, whatever its options."""


def places_of(name: str, options: Options) -> str:
    """As "17 places, 33 applications of relu"; "" where it takes building to say it."""
    if name not in PLACES or {"keep", "replace"} & options.keys():
        return ""
    places, applications = PLACES[name]
    return f"{places} places, {applications} applications of relu"
