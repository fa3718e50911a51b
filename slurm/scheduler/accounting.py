"""What jobs cost, by Slurm's own accounts: every run of each, with what it was given and what it used."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from slurm.jobs import Costs
from slurm.profile import Profile
from slurm.scheduler import submissions
from slurm.scheduler.commands import Scheduler
from slurm.scheduler.squeue import moment
from slurm.scheduler.submissions import RECORD

COLUMNS = (
    *("JobID", "State", "Partition", "NodeList", "Submit", "Eligible", "Start", "End"),
    *("ElapsedRaw", "AllocTRES", "TotalCPU", "ConsumedEnergyRaw"),
)
AT_ONCE = 500
"""Arrays of one question."""
MOST_J = 1e15
"""Beyond this, sacct's number for "none" is meant."""


@dataclass(frozen=True, kw_only=True)
class JobRun:
    """One run of one job. Times in seconds since 1970, None where it has none (yet)."""

    job: str
    state: str
    partition: str
    node: str
    submit: float | None
    eligible: float | None
    """Since when it could have started, had there been room."""
    start: float | None
    end: float | None
    elapsed_s: float
    gpus: int
    gpu_type: str
    """"" where the site does not tell types."""
    cpus: int
    cpu_s: float
    """Used by its processes; 0 where the site does not gather it."""
    energy_j: float | None
    """Of its nodes while it ran; None where that is not accounted."""


class Accounts(NamedTuple):
    """What accounting knows of the jobs that were submitted below a folder."""

    runs: list[JobRun] | None
    """None where it is not known."""
    why: str = ""
    """Why not, in words."""
    ever: bool = True
    """Whether it may yet be known: asking again is worth it."""


def of_folder(profile: Profile, folder: Path, costs: Costs) -> Accounts:
    """Of all arrays and jobs whose submission lies below ``folder``, those of a pool's workers too."""
    if profile.executor != "slurm":
        return Accounts(None, "jobs that no scheduler started are in no accounts", ever=False)
    if not profile.accounting:
        return Accounts(None, "the profile says accounting: false", ever=False)
    records = [path for pattern in ("*", "pool/*/*") for path in sorted(folder.glob(f"{pattern}/{RECORD}"))]
    known = [submission for path in records if (submission := submissions.load(path.parent)) is not None]
    jobs = [array.job for submission in known for array in submission.arrays if array.job is not None]
    scheduler = Scheduler(costs)
    runs = ask(scheduler, sorted(set(jobs), key=int))
    if runs is None and scheduler.without_accounting:
        return Accounts(None, "this site keeps no accounts of jobs", ever=False)
    return Accounts(runs, "" if runs is not None else "sacct does not answer")


def ask(scheduler: Scheduler, jobs: Sequence[str]) -> list[JobRun] | None:
    """The runs of these jobs (arrays and plain ones by their ids), from as few questions as there are hundreds of them.
    None where accounting does not answer one of them: then nothing is known for sure."""
    found: list[JobRun] = []
    for first in range(0, len(jobs), AT_ONCE):
        lines = scheduler.accounts(
            "--duplicates", f"--format={','.join(COLUMNS)}", f"--jobs={','.join(jobs[first : first + AT_ONCE])}"
        )
        if lines is None:
            return None
        found += _runs(lines)
    return found


def _runs(lines: Sequence[str]) -> Iterator[JobRun]:
    """A job's line is followed by those of its steps, which know what the job's own may not."""
    run: JobRun | None = None
    own_s = 0.0
    for line in lines:
        parts = [part.strip() for part in line.split("|")]
        if len(parts) != len(COLUMNS):
            continue
        told = dict(zip(COLUMNS, parts, strict=True))
        if "." in told["JobID"]:
            run = _with_step(run, told, own_s) if run is not None else None
            continue
        if run is not None:
            yield run
        run = _run(told) if re.fullmatch(r"\d+(_\d+)?", told["JobID"]) else None
        own_s = run.cpu_s if run is not None else 0.0
    if run is not None:
        yield run


def _run(told: dict[str, str]) -> JobRun:
    tres = dict(entry.split("=", 1) for entry in told["AllocTRES"].split(",") if "=" in entry)
    typed = {name.removeprefix("gres/gpu:"): _whole(count) for name, count in tres.items() if "gres/gpu:" in name}
    return JobRun(
        job=told["JobID"],
        state=told["State"],
        partition=told["Partition"],
        node="" if "None" in told["NodeList"] else told["NodeList"],
        submit=moment(told["Submit"]),
        eligible=moment(told["Eligible"]),
        start=moment(told["Start"]),
        end=moment(told["End"]),
        elapsed_s=float(_whole(told["ElapsedRaw"])),
        gpus=_whole(tres["gres/gpu"]) if "gres/gpu" in tres else sum(typed.values()),
        gpu_type=",".join(sorted(typed)),
        cpus=_whole(tres.get("cpu", "0")),
        cpu_s=cpu_seconds(told["TotalCPU"]),
        energy_j=_energy(told["ConsumedEnergyRaw"]),
    )


def _with_step(run: JobRun, told: dict[str, str], own_s: float) -> JobRun:
    """Steps of a job run side by side, so that the energy of its nodes is that of the step that saw most of it; the
    seconds of their processes add up, where the job's own line has none."""
    energy = [joules for joules in (run.energy_j, _energy(told["ConsumedEnergyRaw"])) if joules is not None]
    cpu_s = own_s or run.cpu_s + cpu_seconds(told["TotalCPU"])
    return replace(run, energy_j=max(energy, default=None), cpu_s=cpu_s)


def cpu_seconds(text: str) -> float:
    """Of sacct's ``[days-][hours:]minutes:seconds[.fraction]``; 0 for anything else."""
    found = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)", text.strip())
    if found is None:
        return 0.0
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _energy(text: str) -> float | None:
    value = float(_whole(text))
    return value if 0 < value < MOST_J else None
