"""What a study costs, what its budget buys, and what the design can tell: for ``check`` and ``plan``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from slurm.profile import Profile
from sweeps.driver.packs import pack_size
from sweeps.errors import StudyError
from sweeps.study import planner
from sweeps.study.study import Study
from sweeps.view import epoch_times, pilot
from sweeps.view.pilot import Costs, Spread
from sweeps.wording import counted
from trainer.spec import Phase

if TYPE_CHECKING:
    from analysis.statistics.power import Goal

TARGET = 0.8
NO_PILOT = (
    "not known: no fold of this data set and model was scored before; run a pilot (this study with folds: {repeats: 2} "
    "and no search is one) and name its folder with --measured DIR"
)
NO_TIMES = "hours are not known: `actsweep probe STUDY` measures an epoch of each activation where it will run"


def hours(seconds: float, profile: Profile) -> str:
    """As budgets count: ``0.25 GPU-hours``; of processes where packs have no GPU, of devices where some have."""
    gpus = {here.gpus_per_pack != 0 for here in profile.places}
    what = "device" if len(gpus) > 1 else "GPU" if gpus == {True} else "process"
    return f"{seconds / 3600:.3g} {what}-hours"


def money(seconds: float, profile: Profile) -> str:
    """``, 12.50 EUR``; "" where the profile has no price; from the least to the most where partitions differ."""
    if profile.prices is None:
        return ""
    said = " to ".join(f"{seconds / 3600 * price:,.2f}" for price in dict.fromkeys(profile.prices))
    return f", {said} {profile.currency}".rstrip()


@dataclass(frozen=True, kw_only=True)
class Bought:
    """What a budget pays for, without a margin, if epochs take what they took before; of several kinds of device the
    mean, weighted by how many folds each had."""

    settings: int
    """Of every activation that is searched."""
    planned_settings: int
    repeats: int
    """Of the claims phase, of every activation."""
    planned_repeats: int
    most_s: float
    """Device seconds of all that is planned, at most: on the slowest kind of device."""


def bought(study: Study, cost: Costs) -> Bought:
    claims = planner.claims_phase(study)
    planned = len(planner.repeats(study, claims))
    searched = study.searched() if "search" in planner.phases(study) else ()
    setting_s = sum(_trial_s(study, cost, label, "search", None) for label in searched)
    settings = max((planner.trials(study, label, "search") for label in searched), default=0)
    first = study.confirm.first if study.confirm is not None and claims == "confirm" else planned
    repeat_s = sum(_trial_s(study, cost, label, "confirm", 1) for label in study.compared())
    most_s = settings * sum(_trial_s(study, cost.at_most, label, "search", None) for label in searched)
    if claims == "confirm":
        most_s += planned * sum(_trial_s(study, cost.at_most, label, "confirm", 1) for label in study.compared())
    if study.budget is None:
        return Bought(
            settings=settings, planned_settings=settings, repeats=planned, planned_repeats=planned, most_s=most_s
        )
    left = 3600.0 * study.budget.gpu_hours / study.budget.margin
    reserved = first * repeat_s if claims == "confirm" and searched else 0.0
    paid = min(settings, math.floor(max(0.0, left - reserved) / setting_s)) if setting_s > 0 else settings
    rest = left - paid * setting_s
    repeats = min(planned, math.floor(max(0.0, rest) / repeat_s)) if repeat_s > 0 else planned
    return Bought(settings=paid, planned_settings=settings, repeats=repeats, planned_repeats=planned, most_s=most_s)


def _trial_s(study: Study, cost: Costs, label: str, phase: Phase, repeats: int | None) -> float:
    """Of a trial's folds, or of so many repeats of them, with what their jobs take beside."""
    each = len(planner.fold_numbers(study, phase))
    folds = each * repeats if repeats is not None else len(planner.rounds(study, phase)[0])
    packs = math.ceil(folds / (pack_size(study) or folds))
    return folds * cost.fold_s(study, label, phase) + packs * cost.starting_s


def budget(study: Study, profile: Profile, cost: Costs | None) -> list[str]:
    """What the budget buys; empty without one."""
    if study.budget is None:
        return []
    cap = 3600.0 * study.budget.gpu_hours
    never = "never passed" if profile.holds == "pack" else "never passed by what packs hold of their jobs"
    said = f"budget: {hours(cap, profile)}{money(cap, profile)}, {never} (margin {study.budget.margin:g})"
    if cost is None:
        return [f"{said}; what it buys is not known: {NO_TIMES}"]
    found = bought(study, cost)
    parts = []
    if found.planned_settings:
        parts.append(f"{found.settings} of {counted(found.planned_settings, 'setting')} of every activation")
    if planner.claims_phase(study) == "confirm":
        parts.append(f"{found.repeats} of {counted(found.planned_repeats, 'repeat')} of every activation")
    return [f"{said}; buys {' and '.join(parts)} (all that is planned: at most {hours(found.most_s, profile)})"]


def goal(study: Study, size: float) -> Goal:
    from analysis.statistics import multiplicity
    from analysis.statistics.power import Goal

    m = multiplicity.family_size(study.report.family, activations=len(study.compared()), datasets=1)
    return Goal(size, study.report.rope or 0.0, study.report.alpha, max(1, m))


def detectable(study: Study, spread: Spread, repeats: int, *, target: float = TARGET) -> float:
    """The smallest true difference that so many repeats of the study's folds tell with ``target`` power; nan for fewer
    than two pairs."""
    pairs = repeats * len(planner.fold_numbers(study, planner.claims_phase(study)))
    return goal(study, 0.0).detectable(pilot.sd_in(study, spread), pairs, pilot.ratio(study), target=target)


def tells(study: Study, spreads: Sequence[Spread], repeats: int) -> list[str]:
    """The smallest differences that the design tells, a line for each comparison."""
    metric = study.report.metric
    if len(study.compared()) < 2:
        return []
    if not spreads:
        return [f"smallest difference in {metric} that it tells: {NO_PILOT}"]
    lines = []
    for spread in spreads:
        size = detectable(study, spread, repeats)
        named = f"{spread.activation} against {spread.control}"
        told = "none: fewer than two pairs" if math.isnan(size) else f"{size:.4g}"
        lines.append(f"  {named}: {told} ({_of(spread)})")
    head = f"smallest difference in {metric} told with {100 * TARGET:g} % power by {counted(repeats, 'repeat')}:"
    return [head, *lines]


def _of(spread: Spread) -> str:
    whose = "" if spread.same else ", of another comparison"
    return f"spread {spread.sd:.3g} of {counted(spread.n, 'pair')} in {spread.source}{whose}"


def check(study: Study, profile: Profile, named: Sequence[Path], pilots: Sequence[Path] = ()) -> list[str]:
    """Lines on money, budget and power. ``named``: folders whose epoch times count, none for all in ``runs``;
    ``pilots``: where else scores may be."""
    found = pilot.folders(study, named)
    cost = pilot.costs(study, found, profile)
    lines = [*epoch_times.table(study, pilot.times(study, found), profile), *costs_of_unlike(study, profile)]
    lines += cores(study, profile)
    lines += budget(study, profile, cost)
    repeats = len(planner.repeats(study, planner.claims_phase(study)))
    if cost is not None:
        most = bought(study, cost)
        repeats = most.repeats if study.budget is not None else repeats
        if profile.prices is not None:
            lines.append(f"money: at most {hours(most.most_s, profile)}{money(most.most_s, profile)}")
    return lines + tells(study, pilot.spreads(study, [*found, *pilots]), repeats)


def cores(study: Study, profile: Profile) -> list[str]:
    """Where packs train on the CPU with fewer threads than they ask for cores, or more; a line a partition."""
    threads = study.cluster.threads
    said = []
    for here in profile.places:
        if here.gpus_per_pack != 0 or here.cpus_per_pack == threads:
            continue
        where = f" in partition {here.partition}" if here.partition else ""
        use = "the others idle" if here.cpus_per_pack > threads else "they wait for one another"
        said.append(
            f"packs ask for {counted(here.cpus_per_pack, 'core')}{where} and train with {counted(threads, 'thread')} "
            f"(cluster: {{threads: {threads}}}): {use}; cluster: {{threads: {here.cpus_per_pack}}} uses them all"
        )
    return said


def costs_of_unlike(study: Study, profile: Profile) -> list[str]:
    """A warning where a search looks for seconds in partitions that give different devices."""
    named = study.search.objectives if study.search is not None else ()
    alike = {(here.device_for("auto"), here.gpu_type, here.constraint, here.gpus_per_pack) for here in profile.places}
    if "epoch_s" not in named or len(alike) < 2:
        return []
    return [
        f"search.objectives has epoch_s, and the partitions of profile {profile.name} differ in device: seconds from "
        "one do not compare with those from another; give one partition, or the search is told a mixture"
    ]


def needed(study: Study, profile: Profile, named: Sequence[Path], *, size: float, target: float) -> list[str]:
    """What would tell a true difference of ``size`` in the reported metric with ``target`` power. Raises
    :class:`StudyError` for a difference that the study calls too small to matter."""
    from analysis.statistics import power

    rope = study.report.rope or 0.0
    if size <= rope:
        raise StudyError(
            f"--detect {size:g}: lies within report.rope, {rope:g}, which calls it too small to matter; accepts more "
            "than that"
        )
    if len(study.compared()) < 2:
        raise StudyError(f"{study.name}: compares one activation with nothing; accepts a study of two or more")
    found = pilot.folders(study, named)
    spreads, cost = pilot.spreads(study, found), pilot.costs(study, found, profile)
    metric = study.report.metric
    head = f"a difference of {size:g} in {metric}, told with {100 * target:g} % power:"
    if not spreads:
        return [f"{head} {NO_PILOT}"]
    aim, folds = goal(study, size), len(planner.fold_numbers(study, planner.claims_phase(study)))
    lines, most = [head], 0
    for spread in spreads:
        sd, ratio = pilot.sd_in(study, spread), pilot.ratio(study)
        repeats = power.fewest(aim, power.Design(folds, ratio, sd, 1.0), target=target)
        most = max(most, repeats or 0)
        named_ = f"  {spread.activation} against {spread.control}"
        if repeats is not None:
            lines.append(f"{named_}: {counted(repeats, 'repeat')} of {counted(folds, 'fold')} ({_of(spread)})")
            continue
        least = goal(study, 0.0).detectable(sd, power.MOST * folds, ratio, target=target)
        other = power.cheapest(aim, power.designs(folds, ratio, sd), target=target)
        instead = (
            f"; {counted(other.repeats, 'repeat')} of {counted(other.design.folds, 'fold')} would do"
            if other is not None
            else ""
        )
        lines.append(
            f"{named_}: not reachable by repeats; the least that they reach is {least:.4g}{instead} ({_of(spread)})"
        )
    lines += epoch_times.table(study, pilot.times(study, found), profile)
    if most and cost is None:
        lines.append(NO_TIMES)
    elif most and cost is not None:
        seconds = most * sum(_trial_s(study, cost.at_most, label, "confirm", 1) for label in study.compared())
        lines.append(
            f"{counted(most, 'repeat')} of all {counted(len(study.compared()), 'activation')}: "
            f"{most * folds * len(study.compared())} folds, at most {hours(seconds, profile)}"
            f"{money(seconds, profile)}, by {counted(cost.folds, 'fold')} run before on {', '.join(cost.devices)}"
        )
    return lines
