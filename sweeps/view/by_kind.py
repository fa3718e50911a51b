"""What the epochs of a study took so far, by kind of device: for its remaining time, and for ``status`` to show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from slurm.profile import Profile
from sweeps.folder.device_kinds import possible
from sweeps.folder.journals import Journals, Trained
from sweeps.folder.records import TrialAdded
from sweeps.folder.state import State
from sweeps.study.study import Study
from sweeps.wording import counted
from trainer.device_kind import DeviceKind
from trainer.spec import Phase


@dataclass(frozen=True, kw_only=True)
class KindRow:
    kind: str
    """In words."""
    epochs: int
    epoch_s: float
    """Mean over all activations and phases."""
    possible: bool
    """Whether packs to come may get it from the profile."""


@dataclass(kw_only=True)
class Met:
    """The kinds on which folds were trained, as far as the ledger and journals that are open say it."""

    by_phase: dict[Phase, dict[DeviceKind, Trained]] = field(default_factory=dict)
    partitions: dict[DeviceKind, set[str]] = field(default_factory=dict)

    def _add(self, phase: Phase, kind: DeviceKind, epochs: int, seconds: float, partitions: Iterable[str]) -> None:
        known = self.by_phase.setdefault(phase, {}).get(kind, Trained(0, 0.0))
        self.by_phase[phase][kind] = Trained(known.epochs + epochs, known.seconds + seconds)
        self.partitions.setdefault(kind, set()).update(partitions)

    @classmethod
    def of(cls, state: State, journals: Journals, trials: Iterable[TrialAdded]) -> Met:
        """``trials``: those of which the ledger does not say what they trained."""
        met = cls()
        for (_, phase), group in state.index.groups.items():
            for kind, (epochs, seconds) in group.on.items():
                if epochs:
                    met._add(phase, kind, epochs, seconds, group.partitions[kind])
        for trial in trials:
            for fold in trial.folds:
                for on in journals.trained_on(fold):
                    met._add(trial.phase, on.kind, on.epochs, on.seconds, [on.partition])
        return met

    def to_come(self, study: Study, profile: Profile | None) -> list[DeviceKind]:
        """Of them, those that packs to come may get; all of them where the profile gives none of them."""
        cluster = study.cluster
        return possible(self.partitions, profile, cluster.device, cluster.threads) or list(self.partitions)

    def timed(self, kinds: Sequence[DeviceKind]) -> dict[Phase, Trained]:
        """What was trained on these kinds, by phase."""
        found: dict[Phase, Trained] = {}
        for phase, each in self.by_phase.items():
            known = [trained for kind, trained in each.items() if kind in kinds]
            if known:
                found[phase] = Trained(sum(one.epochs for one in known), sum(one.seconds for one in known))
        return found

    def rows(self, kinds: Sequence[DeviceKind]) -> tuple[KindRow, ...]:
        """``kinds``: those that packs to come may get."""
        rows = []
        for kind in self.partitions:
            each = [by_kind[kind] for by_kind in self.by_phase.values() if kind in by_kind]
            epochs = sum(one.epochs for one in each)
            seconds = sum(one.seconds for one in each)
            rows.append(KindRow(kind=kind.words(), epochs=epochs, epoch_s=seconds / epochs, possible=kind in kinds))
        return tuple(rows)


def seconds_each(
    done: Mapping[Phase, int], seconds: Mapping[Phase, float], shares: Mapping[Phase, float]
) -> dict[Phase, float]:
    """Of an epoch, by phase; of a phase that has not begun, as much longer than those of the other as it trains on more
    items."""
    per_share = sum(seconds.values()) / sum(shares[phase] * epochs for phase, epochs in done.items())
    return {phase: seconds[phase] / epochs if epochs else shares[phase] * per_share for phase, epochs in done.items()}


def lines(rows: Sequence[KindRow]) -> list[str]:
    """Empty where there is one kind."""
    if len(rows) < 2:
        return []
    said = ["an epoch by kind of device, mean over all that was trained:"]
    for row in rows:
        gone = "" if row.possible else "; packs to come do not get it"
        said.append(f"  {row.kind}: {row.epoch_s:.3g} s ({counted(row.epochs, 'epoch')}){gone}")
    return said
