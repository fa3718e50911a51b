"""Sends the tiny job of :mod:`slurm.site.trial` through a profile and says how it went."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from slurm import clusters, executor
from slurm.errors import ClusterError
from slurm.jobs import JobState
from slurm.pool import outfit
from slurm.profile import Profile
from slurm.site import trial


def try_out(
    profile: Profile, folder: Path, *, wait_s: float = 900.0, say: Callable[[str], None] = lambda words: None
) -> str:
    """What the job found, in words; of several partitions in the first. Raises :class:`ClusterError` where sbatch
    refuses it, where it fails, and where it has not ended after ``wait_s``; then it is cancelled."""
    profile = outfit.as_sent(profile.places[0])
    folder.mkdir(parents=True, exist_ok=True)
    cluster = clusters.open_cluster(profile.for_one_pack(), folder)
    name = f"profile-test.{secrets.token_hex(3)}"
    (job,) = cluster.submit(trial.CALL, [json.dumps({"scratch": profile.scratch})], name=name, folder=folder)
    say(f"job {job} is sent")
    deadline, shown = time.monotonic() + wait_s, ""
    while not (report := cluster.poll([job])[job]).state.over:
        if executor.result(folder / name, job) is not None:  # sooner known than Slurm is asked again
            break
        if (now := f"job {job} is {report.state.value}{f': {report.reason}' if report.reason else ''}") != shown:
            say(now)
            shown = now
        if time.monotonic() > deadline:
            cluster.cancel([job])
            raise ClusterError(f"{shown} after {wait_s:.0f} s, and was cancelled; the queue is long, or see its reason")
        time.sleep(0.5)
    result = executor.result(folder / name, job)
    if result is None or result.error or (report.state.over and report.state is not JobState.FINISHED):
        log = clusters.log(job, folder)
        state = JobState.FAILED if result is not None and result.error else report.state
        why = result.text.strip().splitlines()[-1] if result is not None and result.error else report.reason
        raise ClusterError(f"job {job} {state.value}: {why}; its log is {log or 'not there'}")
    return _words(profile, json.loads(result.text), job)


def _words(profile: Profile, found: dict[str, object], job: str) -> str:
    lines = [f"job {job} ran on {found['host']}: Python {found['python']}, {found['cores']} cores"]
    gpus = found["gpus"]
    wanted = 1 if profile.gpus_per_pack is None else profile.gpus_per_pack
    assert isinstance(gpus, list)
    lines.append(f"GPUs: {', '.join(gpus) or 'none'}" + (f", {wanted} asked for" if wanted != len(gpus) else ""))
    if not found["torch"]:
        lines.append("torch is not installed for that Python: name the right one with python or setup")
    if not found["scontrol"]:
        lines.append("no scontrol on the node: an interrupted pack is submitted again by the driver")
    scratch = found["scratch"]
    if isinstance(scratch, list) and not scratch[1]:
        lines.append(f"scratch {scratch[0]} cannot be written on the node: correct scratch")
    return "\n".join(lines)
