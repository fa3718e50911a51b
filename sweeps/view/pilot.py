"""What earlier runs of the same data and model say of a study to come: what an epoch takes, how far scores spread."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from slurm.profile import Profile
from sweeps.driver.estimates import STARTING_S
from sweeps.errors import StudyError
from sweeps.folder import probed
from sweeps.folder.layout import STUDY
from sweeps.study import planner
from sweeps.study.study import Study
from sweeps.view import epoch_times
from sweeps.view.epoch_times import Times
from trainer.codec import from_text
from trainer.errors import SpecError
from trainer.journal import FoldHistory, read_fold
from trainer.spec import FoldSpec, Phase

if TYPE_CHECKING:
    from analysis.statistics.scores import Pairs


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How the differences of one comparison spread in a pilot."""

    activation: str
    control: str
    sd: float
    n: int
    folds: int
    """Of a repeat of the pilot, which held out one of so many parts of what it dealt."""
    ratio: float
    """Held-out items over those that the fold's training could see."""
    source: Path
    same: bool
    """Whether these two activations were compared there; else it is another comparison's."""


@dataclass(frozen=True, kw_only=True)
class Costs:
    """``epoch_s``: of an epoch of the claims phase, by label, as it is to be expected; of an activation that was not
    run before, the mean of the others."""

    epoch_s: dict[str, float]
    starting_s: float
    folds: int
    devices: tuple[str, ...]
    """Kinds, in words."""
    slowest_s: dict[str, float] | None = None
    """On the slowest of several kinds of device that packs may get; None: as ``epoch_s``."""

    @property
    def at_most(self) -> Costs:
        """Where every pack gets the slowest device."""
        return replace(self, epoch_s=self.slowest_s or self.epoch_s)

    def fold_s(self, study: Study, label: str, phase: Phase) -> float:
        shares = planner.trained_share(study, phase) / planner.trained_share(study, planner.claims_phase(study))
        return study.epochs(phase) * self.epoch_s[label] * shares


def folders(study: Study, named: Sequence[Path]) -> list[Path]:
    """Those named, else what lies in ``runs``. Raises :class:`StudyError` for one that is no study's."""
    for folder in named:
        if not (folder / STUDY).is_file():
            raise StudyError(f"{folder}: not a study folder (it has no {STUDY}), so nothing to estimate from")
    return list(named) or sorted(path.parent for path in Path("runs").glob(f"*/{STUDY}"))


def trained_before(study: Study, folder: Path) -> Iterator[tuple[FoldSpec, FoldHistory]]:
    """Folds of a study folder that trained the same model on the same data with the same batch."""
    here = planner.data_spec(study), planner.model_spec(study), study.training.batch
    for path in sorted(folder.glob("trials/*/fold-*/spec.json")):
        try:
            spec = from_text(FoldSpec, path.read_text(encoding="utf-8"))
            history = read_fold(path.parent)
        except (SpecError, OSError, UnicodeDecodeError):
            continue
        if (spec.data, spec.model, spec.training.batch) == here and history is not None and history.epochs:
            yield spec, history


def costs(study: Study, found: Sequence[Path], profile: Profile | None = None) -> Costs | None:
    """None where no fold of the study's data, model and batch has trained on a kind of device that packs may get from
    the profile (None: from any)."""
    here = epoch_times.usable(study, times(study, found), profile)
    if not here:
        return None
    starting = [probe.starting_s for folder in found if (probe := probed.read(folder)) is not None]
    return Costs(
        epoch_s=epoch_times.expected(study, here),
        slowest_s=epoch_times.slowest(study, here),
        starting_s=sum(starting) / len(starting) if starting else STARTING_S,
        folds=sum(on.folds for on in here.values()),
        devices=tuple(sorted(kind.words() for kind in here)),
    )


def times(study: Study, found: Iterable[Path]) -> Times:
    """Of every kind of device on which folds like the study's were trained."""
    return epoch_times.measured(study, (known for folder in found for known in trained_before(study, folder)))


def spreads(study: Study, found: Iterable[Path]) -> list[Spread]:
    """One for each comparison with the study's control, from the pilot with the most pairs; empty without a pilot."""
    known = [spread for folder in found for spread in _spreads(study, folder)]
    if not known:
        return []
    most = max(known, key=lambda spread: spread.n)
    result = []
    for label in study.compared():
        if label == study.control:
            continue
        pair = study.activation(label).activation, study.activation(study.control).activation
        own = [spread for spread in known if (spread.activation, spread.control) in (pair, pair[::-1])]
        best = max(own, key=lambda spread: spread.n) if own else most
        values = {**best.__dict__, "activation": label, "control": study.control, "same": bool(own)}
        result.append(Spread(**values))
    return result


def _spreads(study: Study, folder: Path) -> list[Spread]:
    """Of the comparisons of a pilot of the same data and model, in which folds were scored by the study's metric."""
    from sweeps.driver import session
    from sweeps.errors import SweepError

    try:
        pilot = session.opened(folder)
    except (SweepError, ValueError):
        return []
    same = (planner.data_spec(pilot), planner.model_spec(pilot)) == (
        planner.data_spec(study),
        planner.model_spec(study),
    )
    if not same or study.report.metric not in {metric.name for metric in pilot.description.metrics}:
        return []
    result = []
    for pairs in _pairs(folder, study.report.metric):
        from analysis.statistics import power

        if power.plannable(pairs):
            result.append(
                Spread(
                    activation=pilot.activation(pairs.activation).activation,
                    control=pilot.activation(pairs.control).activation,
                    sd=power.spread(pairs),
                    n=pairs.n,
                    folds=max(2, pilot.folds.folds),
                    ratio=pairs.ratio,
                    source=folder,
                    same=True,
                )
            )
    return result


def _pairs(folder: Path, metric: str) -> list[Pairs]:
    """Every two activations of the claims phase that share splits."""
    from itertools import combinations

    from analysis.errors import AnalysisError
    from analysis.runs import frames
    from analysis.statistics import claims, scores
    from sweeps.errors import SweepError
    from sweeps.tracking.folder_reader import FolderReader

    try:
        reader = FolderReader.open(folder)
        contents = [content for fold in reader.all_folds() if (content := reader.fold(fold)[0]) is not None]
        runs = [
            frames.Run(
                run_id=f"{at}", artifacts="", tags=content.tags, params=content.params,
                metrics={point.key: point.value for point in content.final},
            )
            for at, content in enumerate(contents)
        ]  # fmt: skip
        rows = claims.claimed(frames.to_cube(runs, reader.plan, {}), reader.plan)
        if rows.empty:
            return []
        (dataset,) = rows["dataset"].unique()
        found = next(known for known in reader.plan.metrics if known.name == metric)
        table = scores.scores(rows, dataset=str(dataset), metric=found)
        return [scores.pair(table, *two) for two in combinations(table.values.columns, 2)]
    except (AnalysisError, SweepError, ValueError, KeyError):
        return []


def ratio(study: Study) -> float:
    """Held-out items over those that a fold's training could see, of the claims phase as it is planned."""
    share = planner.search_share(study)
    held = (1.0 - share) / max(study.folds.folds, 2)
    return held / (1.0 - held)


def sd_in(study: Study, spread: Spread) -> float:
    """The pilot's spread as it is with the study's own folds: as if it all came from the items that are held out, a
    bound from above where they are fewer."""
    pilot, own = spread.ratio / (1 + spread.ratio), ratio(study) / (1 + ratio(study))
    return spread.sd * math.sqrt(max(1.0, pilot / own))
