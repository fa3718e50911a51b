"""The one file that touches submitit: what it writes, pickles and starts, for this machine and for Slurm.

submitit contributes the batch script, the pickle of one function reference with two strings, the process on the node
and the pickle of its result. What is replaced is named where it is replaced.
"""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import re
import shlex
import subprocess
import sys
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from submitit.core import utils
from submitit.local.local import LocalExecutor, LocalJob
from submitit.slurm.slurm import SlurmExecutor

from slurm import asked_for, payload, sbatch_said
from slurm.files import written_aside
from slurm.profile import Profile

FOREVER_MIN = 10 * 365 * 24 * 60
ENCLOSING = ("SLURM_", "SLURMD_", "SRUN_", "SBATCH_", "SUBMITIT_", "MLFLOW_TRACKING_")
KEPT = (
    "SLURM_CONF",
    *("MLFLOW_TRACKING_SERVER_CERT_PATH", "MLFLOW_TRACKING_CLIENT_CERT_PATH", "MLFLOW_TRACKING_INSECURE_TLS"),
)
"""Say where the scheduler's configuration is, and whom a tracking server's certificate is checked against: nothing of
an enclosing job's, and no secret."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What submitit kept of a job that came to its end by itself."""

    error: bool
    text: str
    """The payload's text, or the traceback."""


def node_environment(profile: Profile) -> dict[str, str]:
    """Variables set on the node: the profile's own, and as many threads as the pack has cores."""
    return {**payload.threads(profile.cpus_per_pack), **profile.environment}


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what an enclosing Slurm job or submitit left in it, and without a tracking server's
    credentials: nodes write journals, not MLflow."""
    return {key: value for key, value in environment.items() if key in KEPT or not key.startswith(ENCLOSING)}


def interpreter(profile: Profile) -> str:
    """Shell words that start Python on the node, to be followed by ``-m`` and a module. ``-P`` keeps its current folder
    out of the way of installed code; ``actsweep_start`` keeps what else is called ``slurm`` out of the way of ours."""
    python = f"{profile.python or shlex.quote(sys.executable)} -P -u -m actsweep_start"
    container = profile.container
    if container is None or container.apptainer is None:
        return python
    binds = [word for each in container.bind for word in ("--bind", each)]
    return f"{shlex.join([container.command, 'exec', *container.options, *binds, container.apptainer])} {python}"


def start_here(profile: Profile, function: str, text: str, *, folder: Path, gpus: Sequence[str]) -> int:
    """Starts ``function(text)`` as a process group and session of its own and gives the leader's pid.

    The job outlives this process, hears nothing of its terminal, and leaves ``<pid>_submitted.pkl``,
    ``<pid>_0_log.out`` and, at its end, ``<pid>_0_result.pkl`` in ``folder``. It does not begin before its pickle is
    there: a process whose submission was cut off in between gives up without having done anything.
    """
    executor = _DetachedExecutor(folder=folder, python=interpreter(profile))
    executor.profile, executor.gpus = profile, tuple(gpus)
    executor.update_parameters(
        timeout_min=profile.limit_min or FOREVER_MIN, signal_delay_s=profile.signal_lead_s, stderr_to_stdout=True
    )
    return int(executor.submit(payload.call, function, text).job_id)


def node_side(profile: Profile, folder: Path, run: str) -> tuple[str, dict[str, str]]:
    """A shell script that is the node side of a job, and the variables that it needs; ``run`` names the job in
    ``folder``. It waits a minute for its pickle (:func:`place_pickle`), without which it does nothing."""
    python = f"exec {interpreter(profile)} -m submitit.core._submit {shlex.quote(str(folder))}"
    own = {"EXECUTOR": "local", "LOCAL_JOB_ID": run, "LOCAL_GLOBALID": "0", "LOCAL_NTASKS": "1"}
    variables = {f"SUBMITIT_{name}": value for name, value in own.items()}
    return "\n".join([*asked_for.setup(profile), python]), node_environment(profile) | variables


class _DetachedExecutor(LocalExecutor):  # type: ignore[misc]  # submitit gives no types
    """submitit's local executor, with jobs in a session of their own, ``-P``, and an environment without Slurm's."""

    profile: Profile
    gpus: tuple[str, ...]

    def _submit_command(self, command: str) -> LocalJob[Any]:
        environment = clean_environment(os.environ) | node_environment(self.profile)
        environment |= {
            "CUDA_VISIBLE_DEVICES": ",".join(self.gpus),
            "ACTSWEEP_JOB_FOLDER": str(self.folder),
            "SUBMITIT_EXECUTOR": "local",
            "SUBMITIT_LOCAL_COMMAND": command,
            "SUBMITIT_LOCAL_JOB_NUM_NODES": "1",
            "SUBMITIT_LOCAL_NODEID": "0",
            "SUBMITIT_LOCAL_NTASKS": "1",
            "SUBMITIT_LOCAL_SIGNAL_DELAY_S": str(self.parameters["signal_delay_s"]),
            "SUBMITIT_LOCAL_TIMEOUT_S": str(60 * self.parameters["timeout_min"]),
            "SUBMITIT_LOCAL_WITH_SHELL": "",
            "SUBMITIT_STDERR_TO_STDOUT": "1",
        }
        words = [sys.executable, "-P", "-m", "submitit.local._local", str(self.folder)]
        if self.profile.setup:
            words = ["bash", "-c", "\n".join([*asked_for.setup(self.profile), f"exec {shlex.join(words)}"])]
        with (self.folder / "controller.log").open("ab") as log:
            process = subprocess.Popen(
                words,
                env=environment,
                cwd=self.profile.working_folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        process.returncode = 0  # let go: it is reaped by its pid, and not missed when this object goes
        return LocalJob(folder=self.folder, job_id=str(process.pid))


def submit_array(
    profile: Profile,
    function: str,
    texts: Sequence[str],
    *,
    name: str,
    folder: Path,
    partition: str | None = None,
    avoid: Collection[str] = (),
    here: Callable[[], str] = lambda: "",
) -> str:
    """Submits one array (one plain job for one text) with sbatch and gives Slurm's id of it. Raises
    :class:`SbatchError` with sbatch's words, ``SentElsewhere`` where these name another cluster than ``here`` does."""
    executor = _slurm_executor(profile, len(texts), name=name, folder=folder, partition=partition, avoid=avoid)
    kept = {key: os.environ.pop(key) for key in set(os.environ) - set(clean_environment(os.environ))}
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # submitit prints what it raises as well
            jobs = executor.map_array(payload.call, [function] * len(texts), list(texts))
    except (RuntimeError, OSError) as problem:
        for left in folder.glob("*.pkl"):
            if re.fullmatch(r"[0-9a-f]{32}\.pkl", left.name):
                left.unlink()
        raise SbatchError(str(problem) or repr(problem)) from None
    finally:
        os.environ.update(kept)
    job, there = str(jobs[0].job_id).partition("_")[0], executor.sent_to
    if there and (own := here()) and there != own:
        raise sbatch_said.SentElsewhere(job, there)
    return job


class SbatchError(Exception):
    """sbatch did not say that it has the job; its words."""


def script(
    profile: Profile, count: int, *, name: str, folder: Path, partition: str | None = None, avoid: Collection[str] = ()
) -> str:
    """The batch script that :func:`submit_array` would send for ``count`` texts."""
    executor = _slurm_executor(profile, count, name=name, folder=folder, partition=partition, avoid=avoid)
    if count > 1:
        executor.parameters["map_count"] = count
    text: str = executor._make_submission_file_text(executor._submitit_command_str, "")
    return text


def submitted(folder: Path, name: str) -> str | None:
    """Slurm's id of the array of that name whose script lies in ``folder``: sbatch did accept it."""
    for path in folder.glob("*_submission.sh"):
        if f"#SBATCH --job-name={name}\n" in path.read_text(encoding="utf-8"):
            return path.name.removesuffix("_submission.sh")
    return None


def place_pickle(folder: Path, job: str, function: str, text: str) -> None:
    """Puts the job's pickle where its node waits for it, unless it is there."""
    path = pickle_path(folder, job)
    if not path.exists():
        delayed = utils.DelayedSubmission(payload.call, function, text)
        with written_aside(path) as aside:
            delayed.dump(aside)


class _Executor(SlurmExecutor):  # type: ignore[misc]  # submitit gives no types
    """submitit's Slurm executor, where scripts can be written on a machine without Slurm."""

    sent_to = ""
    """The cluster that sbatch named."""

    @classmethod
    def affinity(cls) -> int:
        return 2

    def _internal_process_submissions(self, delayed_submissions: list[Any]) -> list[Any]:
        """Where submitit sends an array by another executor, which reads sbatch's answer in its own way."""
        if len(delayed_submissions) == 1:
            return list(super()._internal_process_submissions(delayed_submissions))
        self.folder.mkdir(parents=True, exist_ok=True)
        aside = [self.folder / f"{uuid.uuid4().hex}.pkl" for _ in delayed_submissions]
        for path, each in zip(aside, delayed_submissions, strict=True):
            each.set_timeout(self.parameters["time"], self.max_num_timeout)
            each.dump(path)
        self.parameters["map_count"] = len(aside)  # from here on its scripts are an array's
        root = self._submit_command(self._submitit_command_str).job_id
        jobs = [self.job_class(folder=self.folder, job_id=f"{root}_{task}", tasks=[0]) for task in range(len(aside))]
        for path, job in zip(aside, jobs, strict=True):
            job.paths.move_temporary_file(path, "submitted_pickle")
        return jobs

    def _get_job_id_from_submission_command(self, string: bytes | str) -> str:
        """Of sbatch's own line, the last one: a site's notices name other jobs."""
        found = sbatch_said.accepted(string)
        if found is None:
            raise utils.FailedSubmissionError(f"Could not make sense of sbatch output {string!r}")
        job, self.sent_to = found
        return job


def _slurm_executor(
    profile: Profile, count: int, *, name: str, folder: Path, partition: str | None, avoid: Collection[str]
) -> _Executor:
    profile = profile.at(partition)
    assert profile.limit_min is not None  # a profile for Slurm has one, for each of its partitions
    exports = [f"export {key}={shlex.quote(value)}" for key, value in sorted(node_environment(profile).items())]
    further = {option: value for option, value in profile.sbatch.items() if value is not False}
    where = {"chdir": profile.working_folder} if profile.working_folder else {}
    parameters: dict[str, Any] = {
        "job_name": name,
        "partition": partition or profile.partition,
        "account": profile.account,
        "qos": profile.qos,
        "constraint": profile.constraint,
        "exclude": ",".join([*profile.exclude, *sorted(avoid)]) or None,
        "time": profile.limit_min,
        "nodes": 1,
        "ntasks_per_node": 1,
        "cpus_per_task": profile.cpus_per_pack,
        "signal_delay_s": profile.signal_lead_s,
        "stderr_to_stdout": True,
        # a site's or a user's --export=NONE would keep srun from handing on what is exported here
        "setup": [
            "export SLURM_EXPORT_ENV=ALL",
            *exports,
            *asked_for.all_cores(profile),
            *asked_for.setup(profile),
        ],
        "array_parallelism": profile.array_throttle or count,
        "wckey": None,
        "srun_args": asked_for.srun_options(profile),
        # a variable of the submitting shell could change submitit's signal, and sites differ in JobRequeue
        "additional_parameters": {
            "signal": f"USR2@{profile.signal_lead_s}",
            "requeue": True,
            **asked_for.memory(profile),
            **asked_for.resources(profile),
            **where,
            **further,
        },
    }
    executor = _Executor(folder=folder, python=interpreter(profile))
    executor.update_parameters(
        **{key: value for key, value in parameters.items() if value is not None or key == "wckey"}
    )
    return executor


def result(folder: Path, job: str) -> Result | None:
    """What the job left at its end, or None while there is nothing whole."""
    path = utils.JobPaths(folder, job_id=job, task_id=0).result_pickle
    try:
        word, text = utils.pickle_load(path)
    except (OSError, EOFError, pickle.UnpicklingError, ValueError):
        return None
    return Result(error=word != "success", text=str(text))


def log_path(folder: Path, job: str) -> Path:
    """Where the job's standard output and error go, both in one file."""
    path: Path = utils.JobPaths(folder, job_id=job, task_id=0).stdout
    return path


def pickle_path(folder: Path, job: str) -> Path:
    """Where the node looks for the job's pickle."""
    path: Path = utils.JobPaths(folder, job_id=job, task_id=0).submitted_pickle
    return path
