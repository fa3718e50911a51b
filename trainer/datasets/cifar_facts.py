"""What is true of CIFAR-10 and CIFAR-100 wherever they are read from."""

from __future__ import annotations

CITATION = "Krizhevsky A. Learning Multiple Layers of Features from Tiny Images. Technical report (2009)."
LICENCE = "none stated at the origin, which asks for a citation; in customary use for research"
SOURCE = "https://www.cs.toronto.edu/~kriz/cifar.html"

SCALING = {
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
}
"""(mean, std) a channel of all 50,000 training images."""

FULL = (50_000, 10_000)
"""Images of the official training and test part."""


def completeness(train: int, test: int) -> str:
    """A note for a data set's name where images are missing."""
    if (train, test) == FULL:
        return ""
    return f"{train} of {FULL[0]} training and {test} of {FULL[1]} test images"
