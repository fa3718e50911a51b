"""What is tried before a study writes anything: everything that would fail each of its folds."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from collections.abc import Iterator
from typing import NamedTuple

from actsweep_start import why_hidden
from analysis.runs.plan import Sameness
from sweeps.driver import alike, profiles, receivers
from sweeps.driver.asking import ask
from sweeps.driver.session import data_root
from sweeps.errors import StudyError, SweepError
from sweeps.search import tryout
from sweeps.study import planner
from sweeps.study.study import Study
from sweeps.wording import counted, duration
from trainer.codec import to_text
from trainer.spec import FoldSpec

START_S, STEP_S, RESUME_S = 5.0, 0.45, 0.45
"""Seconds of one core (Intel Xeon VM, torch 2.15): to load torch, for a ResNet-34 of 32x32 pixels that is built and
takes a step, and for a second one that goes on from its checkpoint. Measured by ``tests/bench/bench_preflight.py``."""


class Checked(NamedTuple):
    remarks: list[str]
    """What data sets have to say of their files, and tasks of models and activations."""
    places: str
    """Where the activations stand in the model, in words."""
    same: Sameness
    """Which of them are the same function."""


def check(study: Study) -> Checked:
    """Tries a study, and gives what is to be said of it.

    Raises what would stop every fold: a profile that is none, a module that is not installed, a data set that is not
    there or cannot be dealt to these folds, a model or an activation that does not train at the bounds of its space.
    Data set and torch are loaded by another process, so that the driver stays small."""
    from slurm.clusters import refuse_elsewhere, settled

    receivers.refuse_missing(study.notify)
    refuse_elsewhere(profile := profiles.of(study))
    profile = settled(profile)
    without = [here.partition for here in profile.places if here.executor == "slurm" and here.gpus_per_pack == 0]
    if study.cluster.device == "cuda" and without:
        where = f" in partition {', '.join(filter(None, without))}" if any(without) else ""
        raise StudyError(
            f"{study.name}: cluster.device: got cuda, and profile {profile.name} gives packs no GPU{where} "
            "(gpus_per_pack: 0); accepts auto or cpu there, or give another profile with --cluster"
        )
    tryout.check(study)
    for name in {study.activation(label).activation for label in study.compared()} | {study.model.name}:
        module = name.partition(":")[0]
        if ":" in name and not _importable(module):
            remedy = why_hidden(module) or (
                f"install it for {sys.executable}, or put its folder on PYTHONPATH, here and on the nodes"
            )
            raise StudyError(f"{study.name}: {name}: there is no module {module} here; {remedy}")
    asked = {
        "data_root": data_root(study),
        "device": profile.device_for(study.cluster.device),
        "trains_here": profile.executor == "local",
        "specs": [dataclasses.asdict(spec) for spec in bounds(study)],
        "alike": alike.asked(question := alike.question(study)),
    }
    answer = ask("trainer.preflight", asked, lambda words: SweepError(f"{study.name}: cannot be tried here:\n{words}"))
    if answer["problems"]:
        raise StudyError("\n".join(f"{study.name}: {problem}" for problem in answer["problems"]))
    return Checked(answer["remarks"], answer["places"], alike.described(study, question, answer["alike"]))


def cost(study: Study, *, done: bool = False) -> str:
    """What :func:`check` does before a run, and how long it takes, in words. ``done``: it was, just now."""
    own = any(":" in name for name in (study.model.name, study.task.name))
    tried: dict[str, None] = {}
    twice: set[str] = set()
    for spec in bounds(study):
        tried[f"{to_text(spec.model)} {to_text(spec.activation)}"] = None
        if own or ":" in spec.activation.name:
            twice.add(spec.activation.name)
    seconds = START_S + len(tried) * STEP_S + len(twice) * RESUME_S
    again = f", {counted(len(twice), 'activation')} again after a checkpoint" if twice else ""
    if done:
        return f"tried, as before a run: {counted(len(tried), 'setting')} with one training step on real items{again}"
    return (
        f"before a run: {counted(len(tried), 'setting')} tried with one training step on real items{again}; about "
        f"{duration(seconds)} for a ResNet-34 at 32x32 on one core, and the time to read the data"
    )


def bounds(study: Study) -> Iterator[FoldSpec]:
    """A fold of each activation in each phase, at both ends of its space and with its own setting; of the first
    activation every fold, so that every split is dealt once."""
    for phase in planner.phases(study):
        for label in study.compared():
            for number, (params, _) in enumerate(study.space_of(label).ends()):
                specs = planner.fold_specs(study, phase=phase, trial="t", label=label, params=params)
                yield from specs if label == study.compared()[0] and number == 0 else specs[:1]


def _importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
