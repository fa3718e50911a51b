"""Fetching official files through torchvision: only when a person asks for it, never inside a Slurm job."""

from __future__ import annotations

import os
from pathlib import Path

from trainer.errors import DataError

DOWNLOADABLE = {"cifar10": "CIFAR10", "cifar100": "CIFAR100", "fashion_mnist": "FashionMNIST", "mnist": "MNIST"}
"""Data set -> torchvision's class, whose own checksums are compared."""


def download(name: str, root: Path) -> None:
    """Fetches the official files below ``root`` in torchvision's layout, where the reader finds them. Raises
    :class:`DataError` for a set that cannot be fetched, inside a Slurm job, or where fetching fails."""
    if name not in DOWNLOADABLE:
        raise DataError(
            f"data set {name} cannot be downloaded from here; `actsweep data show {name}` says where to get it. "
            f"Downloadable: {', '.join(sorted(DOWNLOADABLE))}"
        )
    if job := os.environ.get("SLURM_JOB_ID"):
        raise DataError(
            f"data set {name}: no downloads inside Slurm job {job}; run `actsweep data prepare {name} --download` on a "
            "login node"
        )
    from torchvision import datasets

    kind = getattr(datasets, DOWNLOADABLE[name])
    try:
        kind(root=str(root), train=True, download=True)
        kind(root=str(root), train=False, download=True)
    except (OSError, RuntimeError) as error:
        told = f"data set {name}: download to {root} failed ({error}); the files can be put there by hand"
        raise DataError(told) from error
