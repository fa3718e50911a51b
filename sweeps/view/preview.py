"""What a study would do and cost, in words, before anything runs. For ``actsweep check`` and ``actsweep studies``."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from slurm.profile import Executor, Profile
from sweeps.driver.packs import pack_size
from sweeps.study import planner
from sweeps.study.default_spaces import explain
from sweeps.study.objectives import COSTS
from sweeps.study.sections import SEARCH_SHARE
from sweeps.study.study import Study, digest
from sweeps.view import enclosing_job, epoch_times, pilot, search_words, until_decided
from sweeps.view.progress import sizes
from sweeps.wording import counted, duration
from trainer.spec import Options, Phase

ITEMS = {
    "breast_cancer": 569,
    "cifar10": 50_000,
    "cifar10_sheets": 50_000,
    "cifar100": 50_000,
    "cifar100_sheets": 50_000,
    "diabetes": 442,
    "digits": 1_797,
    "fashion_mnist": 60_000,
    "heartbeat_187": 109_446,
    "mini_imagenet": 60_000,
    "mitbih_windows": 109_446,
    "mnist": 60_000,
    "wine": 178,
}
"""Items of the complete data sets (of their training part, where there are two), for a price without reading them."""
STEP_MS = 4.0
"""Assumed time of a training step where none was measured: the middle of the 3 to 5 ms that an eager ResNet-34 step
at batch 32 and 32x32 pixels is expected to take on an H100, most of it launching kernels. Not a measurement."""


def for_a_cpu(name: str) -> bool:
    """Whether a shipped study is made to run in minutes on two cores."""
    return name.endswith("-cpu") or name in ("digits", "smoke")


def headline(text: str) -> str:
    """The first comment line of a file for people: what it answers, or is."""
    comments = (line for line in text.splitlines() if line.startswith("#") and "yaml-language-server" not in line)
    return next((line.lstrip("# ") for line in comments), "")


def design(study: Study) -> str:
    """Validated, and what it comes to: trials, folds, epochs, and what is searched."""
    lines = [f"study {study.name}, digest {digest(study)}: valid"]
    if study.question:
        lines.append(f"question: {study.question}")
    declared = planner.plan(study, "now")
    lines.append(f"task {declared.task}; data {declared.dataset}; model {declared.model}; control {study.control}")
    lines.append(f"splits: {declared.splits}")
    for phase, size in sizes(study).items():
        repeats = planner.repeats(study, phase)
        until = declared.until_decided if phase == "confirm" else None
        which = f"{until.looks[0]} to {until.looks[-1]} repeats" if until else numbered(repeats)
        lines.append(
            f"{phase}: {counted(size.trials, 'trial')} x {counted(len(planner.fold_numbers(study, phase)), 'fold')} of "
            f"{which} = {'at most ' if until else ''}{counted(size.folds, 'fold')}, at most "
            f"{counted(size.epochs, 'epoch')}"
        )
        if until:
            lines += until_decided.explained(study, until)
        lines += race(study) if phase == "search" else []
    for label in study.compared():
        domains = study.space_of(label).domains
        words = "; ".join(f"{key} {domain.words()}" for key, domain in domains.items()) or "nothing searched"
        tried = f"{counted(planner.trials(study, label, 'search'), 'setting')} tried; " if domains else ""
        lines.append(f"  {label}: {tried}{words}")
        lines += [f"    {said}" for said in search_words.of_label(study, label)]
        for name, domain, why in explain(study.activation(label).activation):
            if domains.get(f"activation.{name}") == domain:
                lines.append(f"    {name}: {why}")
    if study.searched():
        lines.append(search_words.search(study))
        lines += objectives(study)
        lines.append(f"winners by {study.select_on()}; claims rest on the {declared.claims_phase} phase")
        lines.append(seen_by_search(study))
    return "\n".join(lines)


def numbered(repeats: Sequence[int]) -> str:
    return f"repeat{'s' if len(repeats) > 1 else ''} {', '.join(map(str, repeats))}"


def race(study: Study) -> list[str]:
    """How the settings of each search race and what that may cost; empty where they do not."""
    declared = planner.race(study)
    if declared is None:
        return []
    each = {label: planner.trials(study, label, "search") for label in study.searched()}
    first, *_, last = declared.folds
    looks = ", ".join(map(str, declared.folds[:-1]))
    return [
        f"  they race, each activation's among themselves: compared after {looks} of {last} folds; what is shown to be "
        f"worse gets no more, the best is lost with probability {declared.error:g} at most ({declared.rule})",
        f"  at least {counted(first * sum(each.values()), 'fold')}, at most {last * sum(each.values())}",
    ]


def objectives(study: Study) -> list[str]:
    """What a search of several objectives looks for."""
    named = study.search.objectives if study.search is not None else ()
    if not named:
        return []
    told = [f"{name} ({COSTS[name]})" if name in COSTS else name for name in named]
    return [f"objectives: {' and '.join(told)}; the report shows what of it no other setting beats in both, no verdict"]


def seen_by_search(study: Study) -> str:
    """What of the items on which claims rest a search may use."""
    share = planner.search_share(study)
    if planner.claims_phase(study) == "search":
        return "each setting is chosen and scored on the same folds, which the report calls descriptive"
    if study.folds.scheme in ("fixed", "cases"):
        return "no search uses what is declared as held out"
    if share == 0:
        apart = f" (search: {{share: {SEARCH_SHARE:g}}} keeps them apart)" if study.folds.scheme == "kfold" else ""
        return (
            "the search uses all items: what it chooses is scored again on items that it has used, and the report says "
            f"so{apart}"
        )
    items = items_of(study.data.name, study.data.options)
    about = f" (about {round(share * items):,} of {items:,})" if items is not None else ""
    whole = f"groups ({study.folds.group})" if study.folds.group else "items"
    return (
        f"the search uses {100 * share:g} % of the {whole}{about}, which the confirm phase trains on and never holds "
        "out: claims rest on items that no search has used"
    )


@dataclass(frozen=True, kw_only=True)
class Price:
    device_s: float | None
    """At most, of one device; None where no length of an epoch is known."""
    basis: Literal["measured", "assumed", "unknown"]
    words: str


def price(study: Study, measured: Sequence[Path], profile: Profile | None = None) -> str:
    """:func:`priced`, in words."""
    return priced(study, measured, profile).words


def priced(study: Study, measured: Sequence[Path], profile: Profile | None = None) -> Price:
    """Device hours, from epoch times of earlier runs of the same data and model on the kinds of device that packs may
    get from the profile (None: from any), or from a named assumption. Raises :class:`StudyError` for a ``measured``
    folder that is no study's."""
    epochs = sum(size.epochs for size in sizes(study).values())
    all_epochs = counted(epochs, "epoch")
    here = epoch_times.usable(study, pilot.times(study, pilot.folders(study, measured)), profile)
    if here:
        kind, on = max(here.items(), key=lambda item: statistics.median(item[1].medians))
        seconds = statistics.median(on.medians)
        which = f", the slowest of {counted(len(here), 'kind')} of device" if len(here) > 1 else ""
        words = (
            f"price: at most {duration(epochs * seconds)} of one device: {all_epochs} of {seconds:.2f} s, the "
            f"median of {counted(on.folds, 'fold')} run before on {kind.words()}{which}"
            + ("; early stopping makes it less" if study.training.patience else "")
        )
        return Price(device_s=epochs * seconds, basis="measured", words=words)
    items = items_of(study.data.name, study.data.options)
    if items is None:
        words = f"price: not known: {all_epochs} of unmeasured length; run one and name its folder with --measured"
        return Price(device_s=None, basis="unknown", words=words)
    shares = {phase: planner.trained_share(study, phase) for phase in sizes(study)}
    steps = {phase: max(1, round(items * share / study.training.batch)) for phase, share in shares.items()}
    seconds = sum(size.epochs * steps[phase] for phase, size in sizes(study).items()) * STEP_MS / 1000
    each = " (search) and ".join(counted(count, "step") for count in dict.fromkeys(steps.values()))
    if profile is not None and all(here.gpus_per_pack == 0 for here in profile.places):
        words = (
            f"price: not known: {all_epochs} of {each} on the cores of profile {profile.name}, where packs have no GPU "
            "and no step was measured; `actsweep probe STUDY` measures it there, --measured DIR estimates it from your "
            "runs"
        )
        return Price(device_s=None, basis="unknown", words=words)
    words = (
        f"price: about {duration(seconds)} of a GPU if no fold stops early, an estimate: {all_epochs} of {each}, at "
        f"{STEP_MS:g} ms a step (ResNet-34 at 32x32 on an H100, not measured), no evaluation; --measured DIR estimates "
        "it from your runs"
    )
    return Price(device_s=seconds, basis="assumed", words=words)


def items_of(name: str, options: Options) -> int | None:
    """As many as the reader's options leave, where that can be said without reading."""
    sample, classes, each = options.get("sample"), options.get("classes"), options.get("per_class")
    if isinstance(sample, int):
        return sample
    if isinstance(classes, int) and isinstance(each, int):
        return classes * each
    return ITEMS.get(name)


def _packs(study: Study, phase: Phase) -> int:
    """Jobs of one trial, at most: a round of its folds shares none with another."""
    each = pack_size(study)
    return sum(math.ceil(len(folds) / (each or len(folds))) for folds in planner.rounds(study, phase))


@dataclass(frozen=True, kw_only=True)
class Submission:
    packs: int
    """At most."""
    arrays: tuple[int, ...]
    """Tasks of each array, were all sent at once; empty where nothing is sent to a scheduler."""
    script: str
    """Of the largest array; "" where there is none."""
    words: str


def submission(study: Study, profile: Profile) -> str:
    """:func:`sent`, in words."""
    return sent(study, profile).words


def sent(study: Study, profile: Profile) -> Submission:
    """Arrays, tasks and the batch script that the profile would send; for this machine, how many run at a time. Raises
    :class:`StudyError` for what this machine's sbatch would never take."""
    from slurm.clusters import open_cluster
    from slurm.pool import outfit
    from slurm.scheduler.cluster import render
    from sweeps.view import by_partition, jobs_of_packs

    jobs = sum(size.trials * _packs(study, phase) for phase, size in sizes(study).items())
    if profile.executor is Executor.ALLOCATION:
        words = f"cluster: profile {profile.name}: {counted(jobs, 'pack')} {enclosing_job.words(profile)}"
        return Submission(packs=jobs, arrays=(), script="", words=words)
    if profile.executor is Executor.LOCAL:
        planned = jobs_of_packs.planned(profile, jobs)
        if profile.holds == "pack":
            at_a_time = open_cluster(profile, Path("jobs")).room(0)
            planned = f"{counted(jobs, 'pack')} on this machine, {at_a_time} at a time"
        return Submission(packs=jobs, arrays=(), script="", words=f"cluster: profile {profile.name}: {planned}")
    as_sent = outfit.as_sent(profile)
    there = Path("runs") / study.name / "jobs"
    texts = jobs if profile.holds == "pack" else max(1, math.ceil(jobs / (outfit.at_a_time(profile) or jobs or 1)))
    rendering = render(as_sent, min(texts, profile.max_jobs or texts), name=study.name, folder=there)
    *first, last = rendering.tasks
    tasks = "".join(f"{count}, " for count in first) + counted(last, "task")
    largest = max(range(len(rendering.tasks)), key=rendering.tasks.__getitem__)
    script = rendering.scripts[largest].rstrip()
    packs = f"at most {counted(jobs, 'pack')}" if profile.holds == "pack" else jobs_of_packs.planned(profile, jobs)
    lines = [
        f"cluster: profile {profile.name}: {packs}; all at once {counted(len(rendering.tasks), 'array')} of {tasks}",
        f"batch script of the largest:\n{script}",
        *by_partition.differences(as_sent, script, name=study.name, folder=there),
        by_partition.rehearsed(as_sent, rendering.scripts, name=study.name, folder=there),
    ]
    return Submission(packs=jobs, arrays=tuple(rendering.tasks), script=script, words="\n".join(lines))
