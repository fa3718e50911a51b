"""The text of a pack: its folds' specifications, and what a node is told beyond them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from slurm.profile import Profile
from sweeps.folder.records import FoldKey
from sweeps.study.study import Study
from trainer.codec import to_text
from trainer.spec import FoldSpec, Launch, Pack


@dataclass(frozen=True, kw_only=True)
class Node:
    """What a pack is told beyond its folds and the study's ``cluster`` section."""

    data_root: str | None
    scratch: str | None
    code: str
    """Digest of the trainer's and the user's sources here; "" asks for no comparison there."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    own: Mapping[str, str] = field(default_factory=dict)
    """As :class:`trainer.spec.Pack` has them."""
    own_folder: str | None = None
    devices: int = 1
    """That a pack holds, as a budget counts them."""
    profile: Profile | None = None
    """Where packs run: which kinds of device they may get."""


def own_names(study: Study) -> list[str]:
    """Import paths that the study names."""
    activations = {study.activation(label).activation for label in study.compared()}
    return sorted(name for name in {*activations, study.model.name, study.data.name, study.task.name} if ":" in name)


def pack_size(study: Study) -> int | None:
    """Most folds of a pack; None: all of a trial's."""
    pack = study.cluster.pack
    return pack if isinstance(pack, int) else {"trial": None, "fold": 1, "node": 1}[pack]


def pack_text(
    study: Study,
    node: Node,
    specs: Mapping[FoldKey, FoldSpec],
    trials: Path,
    folds: Sequence[FoldKey],
    meter: Path | None = None,
    seconds: float | None = None,
    least_s: float | None = None,
) -> str:
    """The text that :func:`trainer.entry.run` takes. ``trials``: the folder of the trials' folders; the others as
    :class:`trainer.spec.Pack` has them."""
    settings = study.cluster
    return to_text(
        Pack(
            launches=tuple(Launch(spec=specs[fold], folder=str((trials / fold).absolute())) for fold in folds),
            data_root=node.data_root,
            scratch=node.scratch,
            device=node.device,
            threads=settings.threads,
            checkpoint_every_s=settings.checkpoint_every_s,
            keep=settings.keep,
            code=node.code,
            own=node.own,
            own_folder=node.own_folder,
            on_drift=settings.on_drift,
            meter=str(meter) if meter is not None else None,
            seconds=seconds,
            least_s=least_s,
        )
    )
