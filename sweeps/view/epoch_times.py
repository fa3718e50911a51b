"""What an epoch took in earlier runs of the same data and model, by kind of device, and what it will take where packs
go now. A kind that they may not get says nothing of them."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field

from slurm.profile import Profile
from sweeps.folder.device_kinds import PARTITION, possible
from sweeps.study import planner
from sweeps.study.study import Study
from sweeps.wording import counted
from trainer.device_kind import DeviceKind
from trainer.journal import FoldHistory
from trainer.spec import FoldSpec

Seconds = dict[str, list[float]]
"""Of an epoch of the claims phase, mean of each fold, by the activation's name."""


@dataclass(kw_only=True)
class OnKind:
    """What was measured on one kind of device."""

    seconds: Seconds = field(default_factory=dict)
    medians: list[float] = field(default_factory=list)
    """Of each fold's epochs, as they were."""
    partitions: set[str] = field(default_factory=set)

    @property
    def folds(self) -> int:
        return len(self.medians)

    @property
    def means(self) -> dict[str, float]:
        return {name: statistics.fmean(values) for name, values in self.seconds.items()}

    @property
    def mean_s(self) -> float:
        """Over activations."""
        return statistics.fmean(self.means.values())


Times = dict[DeviceKind, OnKind]


def measured(study: Study, runs: Iterable[tuple[FoldSpec, FoldHistory]]) -> Times:
    """A fold that went on on another kind of device counts with each."""
    claims = planner.trained_share(study, planner.claims_phase(study))
    found: Times = {}
    for spec, history in runs:
        share = claims / planner.share_of(spec.split, spec.phase)
        by_kind: dict[DeviceKind, list[float]] = {}
        for start, epochs in history.by_start():
            if epochs:
                by_kind.setdefault(start.device_kind, []).extend(epoch.seconds for epoch in epochs)
                found.setdefault(start.device_kind, OnKind()).partitions.add(start.environment.get(PARTITION, ""))
        for kind, seconds in by_kind.items():
            found[kind].seconds.setdefault(spec.activation.name, []).append(share * statistics.fmean(seconds))
            found[kind].medians.append(statistics.median(seconds))
    return found


def usable(study: Study, times: Times, profile: Profile | None) -> Times:
    """Of the kinds that were measured, those that packs may get from the profile (None: from any)."""
    seen = {kind: on.partitions for kind, on in times.items()}
    kinds = possible(seen, profile, study.cluster.device, study.cluster.threads)
    return {kind: times[kind] for kind in kinds}


def expected(study: Study, here: Times) -> dict[str, float]:
    """Seconds of an epoch by label: of the one kind there is, else the mean over kinds, weighted by how many folds each
    had. Of an activation that was not run before, as :func:`on_kind`."""
    folds = sum(on.folds for on in here.values())
    each = {kind: on_kind(study, here, kind) for kind in here}
    return {label: sum(on.folds / folds * each[kind][label] for kind, on in here.items()) for label in study.compared()}


def slowest(study: Study, here: Times) -> dict[str, float]:
    """The same on whichever kind takes longest: what no pack should pass."""
    each = [on_kind(study, here, kind) for kind in here]
    return {label: max(seconds[label] for seconds in each) for label in study.compared()}


def on_kind(study: Study, here: Times, kind: DeviceKind) -> dict[str, float]:
    """By label. Of an activation that was run on other kinds alone, as much longer as those are that were run on both;
    of one that was run on none, the mean of the others."""
    means = here[kind].means
    known = dict(means)
    for other in here.values():
        ratios = [means[name] / other.means[name] for name in means if name in other.means]
        for name, seconds in other.means.items():
            if ratios and name not in means:
                known[name] = max(known.get(name, 0.0), seconds * statistics.fmean(ratios))
    otherwise = statistics.fmean(known.values())
    names = {label: study.activation(label).activation for label in study.compared()}
    return {label: known.get(name, otherwise) for label, name in names.items()}


def table(study: Study, times: Times, profile: Profile) -> list[str]:
    """A line for each kind, and what is not measured; empty where there is one kind and packs may get it."""
    here = usable(study, times, profile)
    if not times or (len(times) == 1 and here):
        return []
    lines = ["an epoch by kind of device, mean over activations:"]
    for kind, on in times.items():
        no = "" if kind in here else f"; packs do not get it from profile {profile.name}: not used"
        lines.append(f"  {kind.words()}: {on.mean_s:.3g} s ({counted(on.folds, 'fold')}){no}")
    if not here:
        lines.append(
            f"  what packs get from profile {profile.name} is not measured: `actsweep probe STUDY`, with the same "
            "--cluster, measures it there"
        )
    return lines
