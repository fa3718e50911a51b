"""Slurm as a cluster.

Nothing is lost or doubled wherever the driver is killed, because of two facts. What is to be submitted is on disk
before sbatch is called, under a job name that Slurm repeats; and a job does nothing before its pickle lies where its
node looks for it, which is only after sbatch said its id. A job that came to be while nobody knew its id (the driver
was killed, the connection broke) can therefore be found by name while it lives, and then either be given its pickles or
be cancelled unused; one that is over by then gave up without having done anything, as if it had never been.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from slurm import executor
from slurm.errors import SubmissionRefused, SubmissionRejected
from slurm.jobs import Costs, JobReport, check_name
from slurm.profile import Profile
from slurm.sbatch_said import SentElsewhere
from slurm.scheduler import answers, arrays, clusters, sbatch_errors, states, submissions
from slurm.scheduler.answers import Means
from slurm.scheduler.commands import Limits, Scheduler
from slurm.scheduler.poller import Poller
from slurm.scheduler.sbatch_errors import Meaning
from slurm.scheduler.squeue import Row
from slurm.scheduler.submissions import Array, Submission

CANCEL_AT_ONCE = 200
UNCONFIRMED_FOR_S = 900.0
"""How long a submission whose fate is unknown is looked out for."""
LONGEST_NAME = 200


@dataclass(frozen=True, kw_only=True)
class Rendering:
    """What a submission would look like."""

    scripts: tuple[str, ...]
    """The batch scripts, one per array."""
    tasks: tuple[int, ...]
    """Tasks of each array."""


def render(profile: Profile, count: int, *, name: str, folder: Path, limits: Limits | None = None) -> Rendering:
    """The exact batch scripts that a submission of ``count`` texts would send; asks nothing of a scheduler."""
    largest = array_size(profile, limits or Limits())
    planned = arrays.split(name, count, profile, largest=largest, active={})
    root = folder.expanduser().absolute() / name
    scripts = (
        executor.script(profile, array.count, name=array.name, folder=root, partition=array.partition)
        for array in planned
    )
    return Rendering(scripts=tuple(scripts), tasks=tuple(array.count for array in planned))


def array_size(profile: Profile, limits: Limits) -> int:
    """Most tasks of one array."""
    return max(1, (profile.max_array_size or limits.max_array_size) - 1)


class SlurmCluster:
    """Jobs as arrays of a real Slurm. ``now`` is the clock, in seconds since 1970."""

    def __init__(self, profile: Profile, *folders: Path, now: Callable[[], float] = time.time) -> None:
        self.profile = profile
        self.costs = Costs()
        self.scheduler = Scheduler(self.costs)
        self._now = now
        self._poller = Poller(
            profile,
            self.scheduler,
            folder_of=self._folder_of,
            name_of=self._name_of,
            partition_of=self._partition_of,
            now=now,
        )
        self._folders: list[Path] = []
        self._arrays: dict[str, tuple[Submission, Array]] = {}
        """By Slurm's id of the array."""
        self._limits: Limits | None = None
        self._learnt_limit: int | None = None
        """Most jobs that the site let us have, where it refused more."""
        self._not_before = 0.0
        self._wait = profile.poll_min_s
        self._unconfirmed: dict[str, float] = {}
        self._to_cancel: set[str] = set()
        """Jobs whose scancel did not reach the scheduler."""
        self._cancel_again = 0.0
        for folder in folders:
            self._add_folder(folder)

    @property
    def trouble(self) -> str:
        return self._poller.trouble

    def submit(
        self, call: str, texts: Sequence[str], *, name: str, folder: Path, avoid: Collection[str] = ()
    ) -> list[str]:
        check_name(name, LONGEST_NAME)
        if shutil.which("sbatch") is None or shutil.which("srun") is None:
            raise SubmissionRejected("no sbatch or srun on the PATH; submit from a machine of the Slurm cluster")
        if (wait := self._not_before - self._now()) > 0:
            raise SubmissionRefused(f"the scheduler refused a moment ago; it is asked again in {wait:.0f} s")
        root = self._add_folder(folder)
        if submissions.load(root / name) is not None:
            raise SubmissionRejected(f'jobs named "{name}" were submitted before; recover() gives them')
        planned = arrays.split(name, len(texts), self.profile, largest=self.array_size(), active=self._by_partition())
        submission = submissions.begin(name, root, call, texts, planned)
        for array in planned:
            submission = self._submit_array(submission, array, texts, avoid)
        self._wait = self.profile.poll_min_s
        ids = [job for array in submission.arrays if array.job is not None for job in array.ids(array.job)]
        self._poller.expect(ids)
        return ids

    def recover(self, name: str, folder: Path) -> dict[int, str]:
        """As :meth:`slurm.jobs.Cluster.recover`; raises :class:`slurm.errors.SubmissionRefused` while the scheduler
        does not say whether a job is there."""
        root = self._add_folder(folder)
        submission = submissions.load(root / name)
        if submission is None:
            return {}
        found: dict[int, str] = {}
        for array in submission.arrays:
            job = array.job or executor.submitted(submission.folder, array.name) or self._look_up(array)
            if job is None:
                self._track_unconfirmed(array.name)
                continue
            if array.job is None:
                submission = self._adopt(submission, array, job)
            else:
                self._arrays[job] = (submission, array)
                self._place_pickles(submission, array, job)
            found |= {array.start + task: each for task, each in enumerate(array.ids(job))}
        return found

    def poll(self, jobs: Collection[str]) -> Mapping[str, JobReport]:
        if self._to_cancel and self._now() >= self._cancel_again:
            again, self._to_cancel = sorted(self._to_cancel), set()
            self._scancel(again)
        reports = self._poller.poll(jobs)
        self._cancel_orphans()
        return reports

    def cancel(self, jobs: Collection[str]) -> None:
        wanted = [job for job in jobs if job not in self._poller.cancelled]
        self._poller.cancelled.update(wanted)
        for folder in {self._arrays[root][0].folder for job in wanted if (root := _root(job)) in self._arrays}:
            mine = [job for job in wanted if self._folder_of(job) == folder]
            with (folder / "cancelled.jsonl").open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(job) + "\n" for job in mine)
        self._scancel(wanted)

    def room(self, active: int) -> int:
        if self._now() < self._not_before:
            return 0
        known = (self.profile.max_jobs, self.profile.max_submit, self._learnt_limit, self._site().max_job_count)
        limits = [limit for limit in known if limit is not None]
        return max(0, min([self.array_size(), *(limit - active for limit in limits)]))

    def release(self) -> None:
        """Holds nothing beyond its jobs."""

    def array_size(self) -> int:
        """Most tasks of one array here; asks the site's configuration once, unless the profile says it."""
        return array_size(self.profile, self._site())

    def _site(self) -> Limits:
        if self._limits is None:
            self._limits = self.scheduler.limits() if self.profile.max_array_size is None else Limits()
        return self._limits

    def _submit_array(
        self, submission: Submission, array: Array, texts: Sequence[str], avoid: Collection[str]
    ) -> Submission:
        """Submits one array and gives the submission with its id; after a refusal nothing of the whole call is left."""
        self.costs.count("sbatch")
        try:
            job = executor.submit_array(
                self.profile,
                submission.call,
                texts[array.start : array.start + array.count],
                name=array.name,
                folder=submission.folder,
                partition=array.partition,
                avoid=avoid,
                here=self.scheduler.cluster,
            )
        except SentElsewhere as error:
            self.scheduler.ask("scancel", f"--clusters={error.cluster}", error.job)
            self._withdraw(submission)
            raise SubmissionRejected(clusters.sent_elsewhere(error.job, error.cluster)) from None
        except executor.SbatchError as error:
            words = str(error)
            meaning = sbatch_errors.meaning(words)
            if meaning is Meaning.UNCERTAIN:
                here = self._unclaimed(self.scheduler.queue([array.name]).rows)
                if here is not None:
                    return self._adopt(submission, array, here)
                self._track_unconfirmed(array.name)
            self._withdraw(submission)
            if meaning is Meaning.NEVER:
                raise SubmissionRejected(f"sbatch: {words}") from None
            if meaning is Meaning.LATER_AND_FEWER:
                self._learnt_limit = len(self._poller.active()) + array.count // 2
            self._not_before = self._now() + self._wait
            self._wait = min(self.profile.poll_max_s, 2 * self._wait)
            raise SubmissionRefused(f"sbatch: {words}") from None
        if self._learnt_limit is not None and len(self._poller.active()) + array.count >= self._learnt_limit:
            self._learnt_limit += 1  # the limit may have been lifted
        known = submission.with_job(array, job)
        known.write()
        self._remember(known)
        return known

    def _withdraw(self, submission: Submission) -> None:
        """A later array was refused: what was accepted of the call is cancelled, so that the call did nothing."""
        accepted = [array.job for array in submission.arrays if array.job is not None]
        self._scancel(accepted)
        for job in accepted:
            self._arrays.pop(job, None)
        shutil.rmtree(submission.folder, ignore_errors=True)

    def _adopt(self, submission: Submission, array: Array, job: str) -> Submission:
        """A job that came to be while nobody knew its id gets its pickles and its place in the submission."""
        self._place_pickles(submission, array, job)
        known = submission.with_job(array, job)
        known.write()
        self._remember(known)
        self._unconfirmed.pop(array.name, None)
        return known

    def _place_pickles(self, submission: Submission, array: Array, job: str) -> None:
        ids = array.ids(job)
        if all(executor.pickle_path(submission.folder, each).exists() for each in ids):
            return
        texts = submission.texts()
        for each, text in zip(ids, texts[array.start : array.start + array.count], strict=True):
            executor.place_pickle(submission.folder, each, submission.call, text)

    def _look_up(self, array: Array) -> str | None:
        """Slurm's id of a job by its name, where it lives."""
        answer = self.scheduler.queue([array.name])
        found = self._unclaimed(answer.rows)
        if found is None and not answer.whole:
            raise SubmissionRefused(f"squeue does not answer: whether {array.name} was submitted is not known yet")
        return found

    def _unclaimed(self, rows: Collection[Row]) -> str | None:
        """Of jobs of one name, the newest that lives and is not ours already."""
        roots = {_root(row.job) for row in rows if not states.read(row.word).over} - set(self._arrays)
        return max(roots, key=int, default=None)

    def _track_unconfirmed(self, name: str) -> None:
        """A submission that may yet turn up: it can do nothing without its pickles, and is cancelled when seen."""
        self._unconfirmed[name] = self._now() + UNCONFIRMED_FOR_S
        self._poller.unconfirmed.add(name)

    def _cancel_orphans(self) -> None:
        seen = {_root(job) for jobs in self._poller.orphans.values() for job in jobs}
        self._poller.orphans = {}
        self._scancel(sorted(seen - set(self._arrays)))
        self._unconfirmed = {name: until for name, until in self._unconfirmed.items() if until > self._now()}
        self._poller.unconfirmed = set(self._unconfirmed)

    def _scancel(self, jobs: Sequence[str]) -> None:
        for first in range(0, len(jobs), CANCEL_AT_ONCE):
            batch = jobs[first : first + CANCEL_AT_ONCE]
            answer = self.scheduler.ask("scancel", *batch)
            if not answer.ok and Means.LATER in answers.meanings("scancel", answer.err):
                self._to_cancel.update(batch)
                self._cancel_again = self._now() + self.profile.poll_max_s
        if jobs:
            self._poller.soon()

    def _by_partition(self) -> Counter[str]:
        counted: Counter[str] = Counter()
        for job in self._poller.active():
            known = self._arrays.get(_root(job))
            if known is not None and known[1].partition is not None:
                counted[known[1].partition] += 1
        return counted

    def _add_folder(self, folder: Path) -> Path:
        root = folder.expanduser().absolute()
        if root not in self._folders:
            self._folders.append(root)
            for submission in submissions.load_all(root):
                self._remember(submission)
        return root

    def _remember(self, submission: Submission) -> None:
        for array in submission.arrays:
            if array.job is not None:
                self._arrays[array.job] = (submission, array)
        self._poller.cancelled.update(_cancelled(submission.folder))

    def _folder_of(self, job: str) -> Path | None:
        known = self._arrays.get(_root(job))
        return known[0].folder if known else None

    def _name_of(self, job: str) -> str | None:
        known = self._arrays.get(_root(job))
        return known[1].name if known else None

    def _partition_of(self, job: str) -> str | None:
        known = self._arrays.get(_root(job))
        return known[1].partition if known else None


def _root(job: str) -> str:
    return job.partition("_")[0]


def _cancelled(folder: Path) -> Iterator[str]:
    path = folder / "cancelled.jsonl"
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            if re.fullmatch(r'"[0-9_]+"', line):
                yield json.loads(line)
