"""This machine as a cluster: packs as processes that outlive the driver.

A job is a folder ``<name>.<index>`` below the folder given at submission. What happens to it is on disk before it
happens, so a driver that was killed anywhere finds every job and starts none twice:

``claim.json``      written first: the job counts as submitted from here on, and is PENDING until a slot is free
``<pid>_submitted.pkl``  without it the process does nothing and gives up; with it the job is under way
``started.json``    who the process is: host, boot, number and start time, so that no other is taken for it
``cancelled.json``  we asked for its end, and when
``<pid>_0_log.out``, ``<pid>_0_result.pkl``  output, and the payload's text or traceback
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from slurm import executor, job_results, processes
from slurm.errors import SubmissionRejected
from slurm.files import read_record, write_record
from slurm.jobs import NAME, Costs, JobReport, JobState, check_name, numbered
from slurm.profile import Profile

MARK = "ACTSWEEP_JOB_FOLDER"
"""Variable by which the processes of a job are recognised."""
KILL_AFTER_S = 20.0
"""From the request to end (SIGTERM, on which a pack saves) to the kill of what is left."""


@dataclass(kw_only=True)
class _Job:
    folder: Path
    process: processes.Identity | None = None
    gpus: tuple[str, ...] = ()
    cancelled_at: float | None = None
    end: tuple[JobState, str] | None = None


class LocalCluster:
    """Runs jobs as processes of this machine, as many at a time as the profile's needs fit into it.

    Jobs beyond that wait: they are started by later calls of :meth:`poll`. ``folders`` are where earlier drivers' jobs
    are looked for; folders given to :meth:`submit` and :meth:`recover` are known from then on.
    """

    def __init__(self, profile: Profile, *folders: Path) -> None:
        self.profile = profile
        self.costs = Costs()
        self._folders: list[Path] = []
        self._jobs: dict[str, _Job] = {}
        self._gpus: tuple[str, ...] | None = None
        for folder in folders:
            self._add_folder(folder)

    trouble = ""
    """Processes of this machine are always known."""

    def submit(
        self, call: str, texts: Sequence[str], *, name: str, folder: Path, avoid: Collection[str] = ()
    ) -> list[str]:
        check_name(name)
        where = self.profile.working_folder
        if where is not None and not Path(where).is_dir():
            raise SubmissionRejected(
                f"working_folder is {where}, and there is no such folder here; correct the profile"
            )
        root = self._add_folder(folder)
        jobs = [f"{name}.{index}" for index in range(len(texts))]
        if any((root / job / "claim.json").exists() for job in jobs):
            raise SubmissionRejected(f'jobs named "{name}" were submitted before; recover() gives them')
        for job, text in zip(jobs, texts, strict=True):
            (root / job).mkdir(parents=True, exist_ok=True)
            write_record(root / job / "claim.json", {"call": call, "text": text})
            self._jobs[job] = _Job(folder=root / job)
        self.costs.count("submit")
        self._start(jobs)
        return jobs

    def recover(self, name: str, folder: Path) -> dict[int, str]:
        root = self._add_folder(folder)
        found = numbered(root, name, "claim.json")
        return {index: job for index, job in found.items() if self._find(job) is not None}

    def poll(self, jobs: Collection[str]) -> Mapping[str, JobReport]:
        reports = {job: self._report(job) for job in jobs}
        if self._start(job for job, report in reports.items() if report.state is JobState.PENDING):
            reports = {job: self._report(job) for job in jobs}
        return reports

    def cancel(self, jobs: Collection[str]) -> None:
        for job in jobs:
            known = self._find(job)
            if known is None or known.cancelled_at is not None or self._report(job).state.over:
                continue
            known.cancelled_at = time.time()
            write_record(known.folder / "cancelled.json", {"at": known.cancelled_at})
            if known.process is not None and processes.alive(known.process):
                self.costs.count("kill")
                processes.signal_group(known.process.pid, signal.SIGTERM)

    def room(self, active: int) -> int:
        return max(0, self.capacity() - active)

    def release(self) -> None:
        """Holds nothing beyond its jobs."""

    def capacity(self) -> int:
        """Most jobs that run at a time: the profile's ``max_jobs``, or as many packs as fit into cores, memory and
        GPUs, but at least one."""
        profile = self.profile
        if profile.max_jobs is not None:
            return profile.max_jobs
        fits = [processes.cores() // profile.cpus_per_pack]
        if profile.memory_gb is not None:
            fits.append(int(processes.memory_gb() // profile.memory_gb))
        if per_pack := self._gpus_per_pack():
            fits.append(len(self._all_gpus()) // per_pack)
        return max(1, min(fits))

    def _gpus_per_pack(self) -> int:
        wanted = self.profile.gpus_per_pack
        return (1 if self._all_gpus() else 0) if wanted is None else wanted

    def _all_gpus(self) -> tuple[str, ...]:
        if self._gpus is None:
            self._gpus = gpus_here()
        return self._gpus

    def _add_folder(self, folder: Path) -> Path:
        root = folder.expanduser().absolute()
        if root not in self._folders:
            self._folders.append(root)
        return root

    def _start(self, waiting: Iterable[str]) -> bool:
        """Starts waiting jobs, in order, while there are slots; whether it started any."""
        waiting = list(waiting)
        if not waiting:
            return False
        running = [job for job in self._jobs if self._report(job).state is JobState.RUNNING]
        slots = self.capacity() - len(running)
        started = False
        for job in waiting:
            known = self._jobs[job]
            if slots <= 0:
                break
            if known.process is not None or known.cancelled_at is not None:
                continue
            known.gpus = self._free_gpus(running)
            claim = read_record(known.folder / "claim.json")
            pid = executor.start_here(self.profile, claim["call"], claim["text"], folder=known.folder, gpus=known.gpus)
            self._started(known, processes.identify(pid), pid)
            running.append(job)
            slots -= 1
            started = True
        return started

    def _started(self, known: _Job, process: processes.Identity | None, pid: int) -> None:
        known.process = process or processes.Identity(
            host=processes.this_host(), boot=processes.this_boot(), pid=pid, started=-1.0
        )
        record = {"gpus": list(known.gpus), "process": dataclasses.asdict(known.process)}
        write_record(known.folder / "started.json", record)

    def _free_gpus(self, running: Sequence[str]) -> tuple[str, ...]:
        """GPUs for one more job: those that the fewest running jobs have."""
        taken = [gpu for job in running for gpu in self._jobs[job].gpus]
        ranked = sorted(self._all_gpus(), key=taken.count)
        return tuple(ranked[: self._gpus_per_pack()])

    def _find(self, job: str) -> _Job | None:
        """The job from memory or from disk."""
        if job in self._jobs:
            return self._jobs[job]
        for root in self._folders:
            if NAME.fullmatch(job) and (root / job / "claim.json").exists():
                known = _Job(folder=root / job)
                self._restore(known)
                self._jobs[job] = known
                return known
        return None

    def _restore(self, known: _Job) -> None:
        """What an earlier driver did with the job, wherever it was cut off."""
        if (known.folder / "cancelled.json").exists():
            known.cancelled_at = read_record(known.folder / "cancelled.json")["at"]
        if (known.folder / "started.json").exists():
            started = read_record(known.folder / "started.json")
            known.process, known.gpus = processes.Identity(**started["process"]), tuple(started["gpus"])
            return
        for path in known.folder.glob("*_submitted.pkl"):  # cut off after the process was given its work
            pid = int(path.name.removesuffix("_submitted.pkl"))
            ours = processes.has_variable(pid, MARK, str(known.folder))
            self._started(known, processes.identify(pid) if ours else None, pid)
            return
        self._kill_leftovers(known)  # cut off before: what runs has no work, and the job is started anew

    def _kill_leftovers(self, known: _Job) -> None:
        for pid in processes.with_variable(MARK, str(known.folder)):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    def _report(self, job: str) -> JobReport:
        known = self._find(job)
        if known is None:
            return JobReport(job=job, state=JobState.UNKNOWN, reason="no such job in the folders known here")
        if known.end is None:
            state, reason = self._state_of(known)
            if state.over:
                known.end = state, reason
        else:
            state, reason = known.end
        node = known.process.host if known.process else None
        return JobReport(job=job, state=state, node=node, reason=reason)

    def _state_of(self, known: _Job) -> tuple[JobState, str]:
        if known.process is None:
            return (JobState.CANCELLED_BY_US, "") if known.cancelled_at else (JobState.PENDING, "waits for a free slot")
        living = processes.alive(known.process)
        if living is None:
            ended = executor.result(known.folder, str(known.process.pid))
            if ended is None:
                host = known.process.host
                return JobState.UNKNOWN, f"runs on {host}; start the driver there to go on from where it is"
        elif living:
            if known.cancelled_at is not None and time.time() - known.cancelled_at > KILL_AFTER_S:
                processes.signal_group(known.process.pid, signal.SIGKILL)
            return JobState.RUNNING, ""
        return self._end_of(known, known.process.pid)

    def _end_of(self, known: _Job, pid: int) -> tuple[JobState, str]:
        ended = job_results.from_result(known.folder, str(pid))
        if ended is None:
            self._kill_leftovers(known)  # a task whose controller was killed
            ended = job_results.from_result(known.folder, str(pid))
        if ended is not None and ended[0] is JobState.FINISHED:
            return ended
        if known.cancelled_at is not None:
            return JobState.CANCELLED_BY_US, ""
        if ended is not None:
            return ended
        if self._reached_limit(known, pid):
            return JobState.TIMED_OUT, f"reached the profile's time limit of {self.profile.limit_min} min (time)"
        line = job_results.last_logged(known.folder, str(pid))
        return (
            JobState.FAILED,
            f"the process ended without a result (killed, or out of memory?); last line of its log: {line}",
        )

    def _reached_limit(self, known: _Job, pid: int) -> bool:
        if self.profile.limit_min is None:
            return False
        with contextlib.suppress(OSError):
            begun = (known.folder / "started.json").stat().st_mtime
            end = executor.log_path(known.folder, str(pid)).stat().st_mtime
            return (
                max(end, (known.folder / "controller.log").stat().st_mtime) - begun >= 60 * self.profile.limit_min - 5
            )
        return False


def log(job: str, folder: Path) -> Path | None:
    """Where the job's standard output and error go; None for one that is not of this machine, or was not started."""
    started = folder / job / "started.json"
    return executor.log_path(folder / job, str(read_record(started)["process"]["pid"])) if started.exists() else None


def gpus_here() -> tuple[str, ...]:
    """Names of the GPUs that this process may use, as CUDA_VISIBLE_DEVICES takes them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return tuple(gpu.strip() for gpu in visible.split(",") if gpu.strip() not in ("", "-1", "NoDevFiles"))
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    try:
        listed = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    count = sum(line.startswith("GPU ") for line in listed.stdout.splitlines()) if listed.returncode == 0 else 0
    return tuple(str(number) for number in range(count))
