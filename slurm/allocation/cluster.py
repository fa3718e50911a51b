"""The Slurm job that the driver runs in as a cluster: one job of ours a node, each a step of its own that ``srun``
starts and that outlives the driver. What is on disk of each is told in :mod:`slurm.allocation.step`.

The scheduler is asked for the nodes and the end of the enclosing job, once a minute at most while something is to
begin, and for its steps only where an srun is gone and left no result. A step of another job than the one that this
process is in (``resume`` in a new ``salloc``) is over unless the scheduler says that it still runs.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from slurm import job_results
from slurm.allocation import enclosing, srun
from slurm.allocation import step as steps
from slurm.allocation.enclosing import Allocation, Node
from slurm.allocation.srun import Meaning
from slurm.allocation.step import Step
from slurm.errors import SubmissionRefused, SubmissionRejected
from slurm.files import read_record
from slurm.jobs import NAME, Costs, JobReport, JobState, check_name, numbered
from slurm.profile import Profile
from slurm.scheduler.commands import Scheduler

KILL_AFTER_S = 30.0
"""From the request to save and leave to the kill of what is left."""
RESULT_LAG_S = 5.0
"""How long a shared file system may keep a result from this host, after its step is over."""
RESERVE_S = 60.0
"""Nothing begins with less than this left before the warning, where the profile does not say."""
LOOK_AGAIN_S = 60.0
"""How long what is known of the enclosing job is used."""


class AllocationCluster:
    """Runs jobs as steps of the Slurm job that this process is in, one at a time on each of its nodes.

    Jobs beyond that wait: they are started by later calls of :meth:`poll`. ``folders`` are where earlier drivers' jobs
    are looked for. Outside of any Slurm job what ran is still known, and can be cancelled; :meth:`submit` refuses.
    ``now`` is the clock, in seconds since the Unix epoch.
    """

    def __init__(self, profile: Profile, *folders: Path, now: Callable[[], float] = time.time) -> None:
        self.profile = profile
        self.costs = Costs()
        self.scheduler = Scheduler(self.costs)
        self._environment = dict(os.environ)
        self.here = enclosing.job_here(self._environment)
        self.trouble = ""
        self._now = now
        self._folders: list[Path] = []
        self._jobs: dict[str, Step] = {}
        self._known: Allocation | None = None
        self._looked_at = 0.0
        self._listed: dict[str, tuple[float, dict[str, str] | None]] = {}
        """Allocation -> when its steps were asked for, and their names with their ids; None: no answer."""
        self._without: frozenset[Meaning] = frozenset()
        self._short_until: float | None = None
        """End of the enclosing job, once something found the time until then too short for it."""
        for folder in folders:
            self._add_folder(folder)

    # -- what a driver sees --------------------------------------------------------------------------------------------

    def submit(
        self, call: str, texts: Sequence[str], *, name: str, folder: Path, avoid: Collection[str] = ()
    ) -> list[str]:
        check_name(name)
        root = self._add_folder(folder)
        jobs = [f"{name}.{index}" for index in range(len(texts))]
        if any(self._find(job) is not None for job in jobs):
            raise SubmissionRejected(f'jobs named "{name}" were submitted before; recover() gives them')
        self._refuse()
        for job, text in zip(jobs, texts, strict=True):
            self._jobs[job] = steps.claim(root / job, call, text, sorted(avoid))
        self._start(jobs)
        return jobs

    def recover(self, name: str, folder: Path) -> dict[int, str]:
        root = self._add_folder(folder)
        found = numbered(root, name, steps.CLAIM)
        return {index: job for index, job in found.items() if self._find(job) is not None}

    def poll(self, jobs: Collection[str]) -> Mapping[str, JobReport]:
        self.trouble = ""
        reports = {job: self._report(job) for job in jobs}
        if self._start(job for job, report in reports.items() if report.state is JobState.PENDING):
            reports = {job: self._report(job) for job in jobs}
        return reports

    def cancel(self, jobs: Collection[str]) -> None:
        """Asks steps to save and leave; Slurm's own way of cancelling a step, which kills at once, comes later."""
        for job in jobs:
            step = self._find(job)
            if step is None or step.cancelled_at is not None or self._report(job).state.over:
                continue
            step.cancel(self._now())
            if step.run and step.srun_lives:
                step.to_srun(signal.SIGUSR2)
            elif step.run:
                self._scancel(step, "--signal=USR2")

    def room(self, active: int) -> int:
        """Nodes of the enclosing job without a job of ours; whether there is time left for one, :meth:`submit` says."""
        nodes = len(self._nodes()) if self.here is not None else 0
        return max(0, min(nodes, self.profile.max_jobs or nodes) - active)

    def release(self) -> None:
        """Holds nothing beyond its jobs."""

    def allocation(self, *, at_most_s: float = LOOK_AGAIN_S) -> Allocation:
        """The enclosing job, as seen so many seconds ago at most. Raises :class:`slurm.errors.ClusterError` outside of
        any."""
        if self._known is None or (self._known.running and self._now() - self._looked_at >= at_most_s):
            self._known = enclosing.look(self.scheduler, self._environment, before=self._known)
            self._looked_at = self._now()
        return self._known

    # -- starting ------------------------------------------------------------------------------------------------------

    def _nodes(self) -> list[Node]:
        left_out = {name for each in self.profile.exclude for name in enclosing.expand(each)}
        return [node for node in self.allocation().nodes if node.name not in left_out]

    def _refuse(self) -> None:
        """Raises where nothing can begin, now or ever."""
        if self.here is None:
            raise SubmissionRejected(enclosing.OUTSIDE)
        why = self._too_late()
        if why and any(not self._report(job).state.over for job in list(self._jobs)):
            raise SubmissionRefused(why)
        if why:
            raise SubmissionRejected(f"{why}; go on in another job with `actsweep resume`")
        if not self._nodes():
            names = ", ".join(node.name for node in self.allocation().nodes) or "not said"
            raise SubmissionRejected(
                f"job {self.allocation().id}, which this process runs in, has no node for packs (its nodes: {names}); "
                "correct exclude in the profile"
            )

    def _too_late(self) -> str:
        """Why no step can begin any more; "" where one can."""
        known = self.allocation()
        named = f"job {known.id}, which this process runs in,"
        if not known.running:
            return f"{named} is over"
        left = None if known.end is None else known.end - self._now()
        least = self.profile.signal_lead_s + (self.profile.reserve_s or RESERVE_S)
        if left is None or (left > least and known.end != self._short_until):
            return ""
        at = time.strftime("%H:%M:%S", time.localtime(known.end))
        return f"{named} ends at {at}, and {max(left, 0):.0f} s are too few to begin anything"

    def _start(self, waiting: Iterable[str]) -> bool:
        """Starts waiting jobs, in order, on nodes without one; whether it started any."""
        waiting = [job for job in waiting if not self._jobs[job].run and self._now() >= self._jobs[job].again_at]
        if not waiting or self.here is None or self._too_late():
            return False
        taken = {
            step.node
            for job, step in self._jobs.items()
            if step.run and step.allocation == self.here and not self._report(job).state.over
        }
        started = False
        for step in (self._jobs[job] for job in waiting):
            kept_from = taken | set(read_record(step.folder / steps.CLAIM)["avoid"])
            node = next((node for node in self._nodes() if node.name not in kept_from), None)
            if node is None or step.cancelled_at is not None:
                continue
            self.costs.count("srun")
            step.launch(self.profile, self.allocation(), node, self._without)
            taken.add(node.name)
            started = True
        return started

    # -- how jobs stand ------------------------------------------------------------------------------------------------

    def _add_folder(self, folder: Path) -> Path:
        root = folder.expanduser().absolute()
        if root not in self._folders:
            self._folders.append(root)
        return root

    def _find(self, job: str) -> Step | None:
        """The job from memory or from disk."""
        if job not in self._jobs and NAME.fullmatch(job):
            found = next((step for root in self._folders if (step := steps.load(root / job)) is not None), None)
            if found is not None:
                self._jobs[job] = found
        return self._jobs.get(job)

    def _report(self, job: str) -> JobReport:
        step = self._find(job)
        if step is None:
            return JobReport(job=job, state=JobState.UNKNOWN, reason="no such job in the folders known here")
        state, reason = step.end or self._state_of(step)
        if state.over:
            step.end = state, reason
        return JobReport(job=job, state=state, node=step.node or None, reason=reason)

    def _state_of(self, step: Step) -> tuple[JobState, str]:
        if not step.run:
            waits = (JobState.PENDING, self._why_waiting(step))
            return waits if step.cancelled_at is None else (JobState.CANCELLED_BY_US, "")
        overdue = step.cancelled_at is not None and self._now() - step.cancelled_at > KILL_AFTER_S
        if step.srun_lives:
            if overdue:
                step.to_srun(signal.SIGTERM)
            return (
                (JobState.RUNNING, "") if step.begun else (JobState.PENDING, step.said or "its step is being started")
            )
        left = step.left()
        if left is not None:
            if left[0] is JobState.FINISHED:
                return left if not step.short else self._too_short(step)
            return left if step.cancelled_at is None else (JobState.CANCELLED_BY_US, "")
        return self._without_srun(step, overdue=overdue)

    def _without_srun(self, step: Step, *, overdue: bool) -> tuple[JobState, str]:
        """Its srun is gone, or another host's, and there is no result."""
        listed = self._steps_of(step.allocation)
        if listed is None and step.allocation == self.here:
            self.trouble = "squeue does not answer: whether steps whose srun is gone still run is not known"
            return JobState.UNKNOWN, self.trouble
        if listed is not None and step.name in listed:
            step.gone_at = None
            if overdue:
                self._scancel(step)
            return JobState.RUNNING, ""
        step.gone_at = step.gone_at or self._now()
        if self._now() - step.gone_at < RESULT_LAG_S:
            return (JobState.RUNNING if step.begun else JobState.PENDING), "its step is over, its result is looked for"
        return (JobState.CANCELLED_BY_US, "") if step.cancelled_at is not None else self._end_of(step)

    def _too_short(self, step: Step) -> tuple[JobState, str]:
        """It came to its end for want of time: nothing more begins until then."""
        if step.allocation == self.here:
            self._short_until = step.ends
        return JobState.PREEMPTED, f"what was left of the time of job {step.allocation.partition('.')[0]} was too short"

    def _end_of(self, step: Step) -> tuple[JobState, str]:
        """Of a step that left no result: by its allocation, by what srun said, by the last line of its log."""
        line = job_results.last_logged(step.folder, step.run)
        meanings = [srun.meaning(words) for words in (line if step.begun else "", step.said)]
        meaning = next((found for found in meanings if found is not Meaning.UNKNOWN), Meaning.UNKNOWN)
        number = step.allocation.partition(".")[0]
        if meaning is Meaning.TIME_IS_UP or (step.ends is not None and self._now() >= step.ends):
            return JobState.TIMED_OUT, f"the time of job {number}, which it ran in, was up"
        over = step.allocation != self.here or not self.allocation(at_most_s=RESULT_LAG_S).running
        if over or meaning is Meaning.OVER:
            return JobState.PREEMPTED, f"job {number}, which it ran in, is over"
        if not step.begun and (meaning is Meaning.AGAIN or meaning in srun.OTHERWISE - self._without):
            said = step.said
            self._try_again(step, meaning)
            return JobState.PENDING, said
        state = srun.STATES.get(meaning, JobState.FAILED)
        said = step.said or "ended without a word"
        log = f"; last line of its log: {line}" if step.begun else ""
        return state, f"srun on {step.node}: {said}{log}"

    def _try_again(self, step: Step, meaning: Meaning) -> None:
        if meaning is Meaning.AGAIN:
            step.wait = min(max(2 * step.wait, self.profile.poll_min_s), self.profile.poll_max_s)
        else:
            self._without |= {meaning}
        step.try_again(self._now() + step.wait)

    def _why_waiting(self, step: Step) -> str:
        if self.here is None:
            return enclosing.OUTSIDE
        if step.again_at > self._now():
            return f"srun is asked again in {step.again_at - self._now():.0f} s"
        return self._too_late() or "waits for a node of the allocation"

    def _steps_of(self, allocation: str) -> dict[str, str] | None:
        """Names and ids of the steps of a job that run; none where it is over; None where the scheduler does not
        answer."""
        asked, found = self._listed.get(allocation, (float("-inf"), None))
        if self._now() - asked >= self.profile.poll_min_s:
            number = allocation.partition(".")[0]
            answer = self.scheduler.ask("squeue", "--steps", "--noheader", f"--job={number}", "--format=%i|%j")
            rows = [line.strip().partition("|") for line in answer.out.splitlines() if "|" in line]
            sound = answer.ok or "Invalid job id" in answer.err
            found = {name: number for number, _, name in rows} if sound else None
            self._listed[allocation] = self._now(), found
        return found

    def _scancel(self, step: Step, *how: str) -> None:
        number = (self._steps_of(step.allocation) or {}).get(step.name)
        if number is not None:
            self.scheduler.ask("scancel", *how, number)
