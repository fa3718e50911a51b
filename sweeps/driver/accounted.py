"""What a study's jobs cost, asked once of the site's accounts when it is over; else what the journals know of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from analysis.errors import SourceError
from analysis.runs import accounting
from analysis.runs.accounting import Accounting, JobRun
from analysis.runs.schema import ACCOUNTING_ARTIFACT, ACCOUNTING_RUNS_ARTIFACT
from slurm.errors import ClusterError
from slurm.jobs import Costs
from slurm.profile import load as load_profile
from sweeps.driver import holding
from sweeps.driver.packs import pack_size
from sweeps.errors import StudyError
from sweeps.folder import ledger, probed
from sweeps.folder.journals import Journals
from sweeps.folder.layout import write_aside
from sweeps.folder.records import FoldKey, Submitted, Submitting
from sweeps.study import planner
from sweeps.study.study import Study
from trainer import meter
from trainer.errors import JournalError

if TYPE_CHECKING:
    from slurm.scheduler import accounting as accounts


class Pack(NamedTuple):
    """What a job was submitted for."""

    folds: tuple[FoldKey, ...]
    batch: int
    at: int
    """Of its packs."""
    time: float
    devices: int


def settle(path: Path, study: Study, journals: Journals, costs: Costs | None = None) -> None:
    """Writes the accounts of a study that is over into its folder, unless they are there and nothing was added since.
    Counts its questions in ``costs``. Nothing rests on them: what cannot be read or written is asked again later."""
    with contextlib.suppress(OSError, JournalError):
        _settle(path, study, journals, costs or Costs())


def _settle(path: Path, study: Study, journals: Journals, costs: Costs) -> None:
    from slurm.scheduler import accounting as accounts  # with submitit, which reading needs not

    packs = _packs(path)
    known = read(path)
    if not packs or (known is not None and known.complete and known.jobs == len(packs)):
        return
    try:
        profile = load_profile(study.cluster.profile)
        found = accounts.of_folder(profile, path / "jobs", costs)
    except ClusterError as error:
        found = accounts.Accounts(None, str(error))
    trained = {job: _trained(pack, journals) for job, pack in _last_of(packs).items()}
    kinds = {job: _device(pack.folds, journals) for job, pack in packs.items()}
    if found.runs is not None:
        runs = _by_sacct(found.runs, packs, trained, kinds)
    else:
        runs = _by_meters(path, packs, trained, kinds)
    own = {job for job in packs if job.partition("_")[0].isdecimal()}  # of a pool, the workers' are the scheduler's
    over = all(run.end is not None or not run.elapsed_s for run in runs) and own <= {run.job for run in runs}
    made = Accounting(
        source="sacct" if found.runs is not None else "journals",
        why=found.why,
        asked_at=time.time(),
        complete=bool(runs) and over if found.runs is not None else not found.ever,
        jobs=len(packs),
        planned_s=planned_s(study, path),
        trained_s=sum(trained.values()),
        runs=tuple(runs),
    )
    write_aside(path / ACCOUNTING_RUNS_ARTIFACT, accounting.to_csv(made))
    write_aside(path / ACCOUNTING_ARTIFACT, accounting.to_json(made))


def read(path: Path) -> Accounting | None:
    """None where nothing was asked yet, or what is there cannot be read: then it is asked again."""
    try:
        head = (path / ACCOUNTING_ARTIFACT).read_text(encoding="utf-8")
        return accounting.from_texts(head, (path / ACCOUNTING_RUNS_ARTIFACT).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, SourceError):
        return None


def planned_s(study: Study, path: Path) -> float | None:
    """Device seconds of all that is planned, by what a probe measured; None where the study was not probed."""
    try:
        measured = probed.read(path)
    except StudyError:
        return None
    if measured is None:
        return None
    total = 0.0
    for phase in planner.phases(study):
        for label in study.compared():
            each = measured.epoch_s(label, phase)
            trials = planner.trials(study, label, phase)
            if trials and each is None:
                return None
            folds = trials * len(planner.repeats(study, phase)) * len(planner.fold_numbers(study, phase))
            packs = -(-folds // (pack_size(study) or len(planner.fold_numbers(study, phase)))) if folds else 0
            total += folds * study.epochs(phase) * (each or 0.0) + packs * measured.starting_s
    return total * measured.devices


def _packs(path: Path) -> dict[str, Pack]:
    """By job, in the order in which they were submitted."""
    begun: dict[int, Submitting] = {}
    found: dict[str, Pack] = {}
    for record in ledger.read(path / ledger.FILE):
        if isinstance(record, Submitting):
            begun[record.batch] = record
        elif isinstance(record, Submitted) and (batch := begun.pop(record.batch, None)) is not None:
            for index, (job, folds) in enumerate(zip(record.jobs, batch.packs, strict=True)):
                if job is not None:
                    found[job] = Pack(folds, record.batch, index, batch.time, batch.devices)
    return found


def _last_of(packs: Mapping[str, Pack]) -> dict[str, tuple[FoldKey, ...]]:
    """Of each job, the folds that no later one was submitted for: what they trained counts once."""
    last = {fold: job for job, pack in packs.items() for fold in pack.folds}
    return {job: tuple(fold for fold in pack.folds if last[fold] == job) for job, pack in packs.items()}


def _trained(folds: tuple[FoldKey, ...], journals: Journals) -> float:
    return sum(journals.trained(fold).seconds for fold in folds)


def _device(folds: tuple[FoldKey, ...], journals: Journals) -> str:
    """What the first of the folds that began was trained on, in the words of its journal."""
    for fold in folds:
        history = journals.history(fold)
        journals.forget([fold])
        if history is not None:
            return history.start.device_name
    return ""


def _by_sacct(
    told: list[accounts.JobRun], packs: Mapping[str, Pack], trained: Mapping[str, float], kinds: Mapping[str, str]
) -> list[JobRun]:
    """What the folds of a job trained counts for its last run."""
    last = {run.job: at for at, run in enumerate(told)}
    counted: dict[str, int] = {}
    runs = []
    for at, run in enumerate(told):
        counted[run.job] = counted.get(run.job, 0) + 1
        since = run.eligible if run.eligible is not None else run.submit
        waited = max(0.0, run.start - since) if run.start is not None and since is not None else None
        pack = packs.get(run.job)
        runs.append(
            JobRun(
                job=run.job,
                run=counted[run.job],
                state=run.state,
                partition=run.partition,
                node=run.node,
                kind=run.gpu_type or kinds.get(run.job) or ("GPU" if run.gpus else "CPU"),
                submit=run.submit,
                eligible=run.eligible,
                start=run.start,
                end=run.end,
                waited_s=waited,
                elapsed_s=run.elapsed_s,
                devices=max(1, run.gpus),
                cpus=run.cpus,
                cpu_s=run.cpu_s or None,
                energy_j=run.energy_j,
                trained_s=None if pack is None else trained[run.job] if last[run.job] == at else 0.0,
                folds=len(pack.folds) if pack is not None else 0,
            )
        )
    return runs


def _by_meters(
    path: Path, packs: Mapping[str, Pack], trained: Mapping[str, float], kinds: Mapping[str, str]
) -> list[JobRun]:
    """As the nodes themselves wrote it down."""
    runs = []
    for job, pack in packs.items():
        told = meter.held(holding.folder(path / "jobs", pack.batch, pack.at))
        runs.append(
            JobRun(
                job=job,
                kind=kinds[job],
                submit=pack.time or None,
                start=told.began if told is not None else None,
                end=told.began + told.seen_s if told is not None else None,
                waited_s=max(0.0, told.began - pack.time) if told is not None and pack.time else None,
                elapsed_s=told.seconds if told is not None else 0.0,
                devices=pack.devices,
                trained_s=trained[job],
                folds=len(pack.folds),
            )
        )
    return runs
