"""Which kinds of device folds were trained on, and which of them packs to come may get."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from trainer.device_kind import DeviceKind
from trainer.journal import FoldHistory

if TYPE_CHECKING:
    from slurm.profile import Profile

PARTITION = "SLURM_JOB_PARTITION"
Wish = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedOn:
    """Epochs on one kind of device in one partition, and the seconds that they took: training, evaluation, the rest."""

    device: str
    name: str
    slots: int
    threads: int
    partition: str
    """"" where there was none."""
    epochs: int
    seconds: float

    def __post_init__(self) -> None:
        """A driver keeps one for each trial, and their words are few."""
        for name in ("device", "name", "partition"):
            object.__setattr__(self, name, sys.intern(getattr(self, name)))

    @property
    def kind(self) -> DeviceKind:
        return DeviceKind(self.device, self.name, self.slots, self.threads)

    @property
    def device_s(self) -> float:
        """Of the seconds what the folds are charged: one that shares its device with N - 1 others, one N-th."""
        return self.seconds / self.slots


def trained_on(histories: Iterable[FoldHistory | None]) -> tuple[TrainedOn, ...]:
    """What folds have trained, by kind and partition, in the order in which those were first met."""
    found: dict[tuple[DeviceKind, str], tuple[int, float]] = {}
    for history in histories:
        for start, epochs in history.by_start() if history is not None else ():
            if epochs:
                key = start.device_kind, start.environment.get(PARTITION, "")
                count, seconds = found.get(key, (0, 0.0))
                found[key] = count + len(epochs), seconds + sum(epoch.seconds for epoch in epochs)
    return tuple(
        TrainedOn(
            device=kind.device,
            name=kind.name,
            slots=kind.slots,
            threads=kind.threads,
            partition=partition,
            epochs=epochs,
            seconds=seconds,
        )
        for (kind, partition), (epochs, seconds) in found.items()
    )


def possible(
    seen: Mapping[DeviceKind, Collection[str]], profile: Profile | None, wish: Wish, threads: int
) -> list[DeviceKind]:
    """Of the kinds that were seen, each with the partitions in which ("" where none was told), those that a pack may
    get from the profile. None: all of them."""
    if profile is None:
        return list(seen)
    return [kind for kind in seen if any(_fits(kind, seen, here, wish, threads) for here in profile.places)]


def _fits(
    kind: DeviceKind, seen: Mapping[DeviceKind, Collection[str]], here: Profile, wish: Wish, threads: int
) -> bool:
    device = here.device_for(wish)
    if kind.threads != threads or device not in ("auto", kind.device):
        return False
    if here.slots_per_gpu not in ("auto", kind.slots):
        return False
    told = set(seen[kind]) - {""}
    if here.executor == "local" and told:
        return False
    if here.partition is not None and told and not told & set(here.partition.split(",")):
        return False
    if here.gpu_type is None or kind.device != "cuda":
        return True
    return _may_be(here.gpu_type, kind.name)


def _may_be(gpu_type: str, name: str) -> bool:
    """Whether a site's name of a GPU type may be of the model: every part of it that names one, as a100, l40s or 3090,
    is part of the model's name, as NVIDIA A100-SXM4-80GB. Sites' own words (pascal, 3g.20gb) may be of any."""
    parts = re.split(r"[^a-z0-9]+", gpu_type.lower())
    models = [part for part in parts if re.fullmatch(r"[a-z]{1,5}[0-9]{1,4}[a-z]{0,2}|[0-9]{4}", part)]
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return all(model in plain for model in models)
