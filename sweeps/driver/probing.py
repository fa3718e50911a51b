"""A probe: a few epochs of each activation, in each of its phases, where the study will run.

A pack for each activation, in a folder of its own, by the study's own executor: one small array. What is measured is
``probe.json``: there, and in the study's folder, where a budget begins with it.
"""

from __future__ import annotations

import dataclasses
import secrets
import shutil
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from slurm.jobs import Cluster, JobReport
from slurm.profile import Profile
from sweeps.driver import holding, needs
from sweeps.driver.packs import pack_text
from sweeps.driver.session import node_for
from sweeps.driver.submission import CALL
from sweeps.errors import ProbeFailed, StudyError
from sweeps.folder import layout, ledger, probed
from sweeps.folder.device_kinds import trained_on
from sweeps.folder.probed import Epochs, Probed
from sweeps.folder.records import FoldKey, TrialAdded
from sweeps.study import planner
from sweeps.study.study import Study, resolved_yaml
from trainer import meter
from trainer.journal import FoldHistory, read_fold
from trainer.spec import FoldSpec, Options, Phase

EPOCHS = 3
"""Trained of each fold: the first, which may compile, and two that say what the others take."""
POLL_S = 0.5


def prepare(study: Study, folder: Path) -> dict[str, list[FoldSpec]]:
    """Makes the folder anew; what is trained there, by label. Raises :class:`StudyError` where something else is."""
    if folder.exists():
        if (folder / ledger.FILE).exists() or not (folder / layout.STUDY).is_file():
            raise StudyError(f"{folder}: holds no probe; name another folder with --folder, or move this one away")
        shutil.rmtree(folder)
    layout.write_aside(folder / layout.STUDY, resolved_yaml(study))
    specs = {label: _specs(study, label) for label in study.compared()}
    for label, folds in specs.items():
        for spec in folds:
            layout.write_trial(folder / "trials" / spec.trial, _trial(label, spec), {})
            layout.write_spec(folder / "trials" / spec.trial / spec.folder, spec)
    return specs


def run(
    study: Study,
    folder: Path,
    profile: Profile,
    cluster: Cluster | None = None,
    *,
    call: str = CALL,
    sleep: Callable[[float], None] = time.sleep,
) -> Probed:
    """Trains the probe in ``folder`` and gives what it measured. Raises :class:`ProbeFailed` for an activation that
    came to no epoch; an interrupt cancels the jobs."""
    from slurm.clusters import open_cluster, refuse_elsewhere, settled

    refuse_elsewhere(profile)
    specs, jobs = prepare(study, folder), (folder / "jobs").absolute()
    profile = settled(needs.here(study).for_nodes(profile.for_one_pack()))
    cluster = cluster or open_cluster(profile, jobs)
    node = node_for(study, profile)
    texts = []
    for index, folds in enumerate(specs.values()):
        known = {_key(spec): spec for spec in folds}
        texts.append(
            pack_text(study, node, known, folder / "trials", list(known), holding.folder(jobs, 0, index), None)
        )
    jobs.mkdir(parents=True, exist_ok=True)
    name = f"{study.name}.probe.{secrets.token_hex(3)}"
    ids = cluster.submit(call, texts, name=name, folder=jobs)
    reports = _wait(cluster, ids, sleep)
    found = {
        label: _measured(folder, folds, reports[job]) for (label, folds), job in zip(specs.items(), ids, strict=True)
    }
    return _probed(found, jobs, node.devices)


def keep(measured: Probed, folder: Path, study: Path) -> None:
    """In the probe's folder, and in the study's where there is one."""
    probed.write(folder, measured)
    if (study / layout.STUDY).is_file():
        probed.write(study, measured)


def _specs(study: Study, label: str) -> list[FoldSpec]:
    params, training = _setting(study, label)
    found = []
    for phase in planner.phases(study):
        if phase == "search" and label not in study.searched() and planner.claims_phase(study) != "search":
            continue
        trial = layout.trial_name(label, phase, 0)
        first = planner.fold_specs(study, phase=phase, trial=trial, label=label, params=params, training=training)[0]
        epochs = min(EPOCHS, first.training.epochs)
        found.append(
            dataclasses.replace(first, training=dataclasses.replace(first.training, epochs=epochs, patience=None))
        )
    return found


def _setting(study: Study, label: str) -> tuple[Options, Options]:
    """The first that its search would try; nothing beyond the file's own where nothing is searched."""
    if label not in study.searched():
        return {}, {}
    from sweeps.search.searchers import make_searcher

    config = make_searcher(study, label).ask(0)
    return study.space_of(label).resolve(config or {})


def _trial(label: str, spec: FoldSpec) -> TrialAdded:
    return TrialAdded(
        trial=spec.trial,
        label=label,
        activation=spec.activation.name,
        phase=spec.phase,
        index=0,
        params=spec.activation.params,
        training={},
        folds=(_key(spec),),
        config={},
    )


def _key(spec: FoldSpec) -> FoldKey:
    return f"{spec.trial}/{spec.folder}"


def _wait(cluster: Cluster, jobs: list[str], sleep: Callable[[float], None]) -> Mapping[str, JobReport]:
    try:
        while True:
            reports = cluster.poll(jobs)
            if all(reports[job].state.over for job in jobs):
                return reports
            sleep(POLL_S)
    except BaseException:  # an interrupt, too: nobody else knows of these jobs
        cluster.cancel(jobs)
        raise


def _measured(folder: Path, folds: list[FoldSpec], report: JobReport) -> dict[Phase, FoldHistory]:
    found: dict[Phase, FoldHistory] = {}
    for spec in folds:
        history = read_fold(folder / "trials" / _key(spec))
        if history is None or not history.epochs:
            said = history.end.reason if history is not None and history.end is not None else report.reason
            why = said or f"its job ended as {report.state.value}"
            raise ProbeFailed(
                f"{_key(spec)}: the probe came to no epoch: {why}. `actsweep check` tries the study; the job's log is "
                f"in {folder / 'jobs'}"
            )
        found[spec.phase] = history
    return found


def _probed(found: Mapping[str, Mapping[Phase, FoldHistory]], jobs: Path, devices: int) -> Probed:
    all_folds = [history for phases in found.values() for history in phases.values()]
    held = [meter.held(holding.folder(jobs, 0, index)) for index in range(len(found))]
    held_s = sum(each.seconds for each in held if each is not None)
    usual = {id(history): _usual(history) for history in all_folds}
    trained = sum(usual[id(history)] * len(history.epochs) for history in all_folds)
    return Probed(
        device=all_folds[0].start.device_name,
        devices=devices,
        starting_s=max(0.0, held_s - trained) / len(found),
        held_s=held_s * devices,
        epochs={
            label: {phase: _epochs(history) for phase, history in phases.items()} for label, phases in found.items()
        },
    )


def _usual(history: FoldHistory) -> float:
    """Seconds of an epoch after the first."""
    return statistics.fmean(epoch.seconds for epoch in history.epochs[1:] or history.epochs)


def _epochs(history: FoldHistory) -> Epochs:
    joules = [epoch.energy_j for epoch in history.epochs if epoch.energy_j is not None]
    return Epochs(
        seconds=_usual(history),
        first_s=history.epochs[0].seconds,
        memory_mb=max(epoch.peak_memory_mb for epoch in history.epochs),
        energy_j=statistics.fmean(joules) if joules else None,
        on=trained_on([history])[-1],
    )


def words(measured: Probed) -> list[str]:
    """A line for each activation and phase; of which kind of device, on each line where there are several."""
    kinds = [kind.words() for kind in measured.kinds()] or [measured.device]
    lines = [
        f"probe: on {'; '.join(kinds)}, {measured.held_s:.0f} device seconds; a job takes {measured.starting_s:.1f} s "
        "beside its epochs"
    ]
    for label, phases in measured.epochs.items():
        for phase, found in phases.items():
            told = "not told by this device" if found.energy_j is None else f"{found.energy_j:.3g} J"
            where = f" on {found.on.kind.words()}" if found.on is not None and len(kinds) > 1 else ""
            lines.append(
                f"  {label} ({phase}): {found.seconds:.3g} s an epoch{where}, the first {found.first_s:.3g} s; "
                f"{found.memory_mb:.0f} MB at most; energy {told}"
            )
    if len(kinds) > 1:
        lines.append("  activations were measured on different devices: these times do not compare them")
    return lines
