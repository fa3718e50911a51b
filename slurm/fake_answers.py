"""The longer answers of the fake commands in :mod:`slurm.testing`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

Job = dict[str, Any]


def queue_rows(jobs: Mapping[str, Job]) -> list[tuple[str, str, Job]]:
    """As squeue groups them. Each row: an array's id, its tasks ("N/A" for none), a job; tasks that wait for the same
    reason are one row."""
    rows: list[tuple[str, str, Job]] = []
    waiting: dict[tuple[str, str], list[int]] = {}
    for id_, job in jobs.items():
        root, _, task = id_.partition("_")
        if job["word"] == "PENDING" and task:
            waiting.setdefault((root, job["reason"]), []).append(int(task))
        else:
            rows.append((root, task or "N/A", job))
    for (root, _), tasks in waiting.items():
        listed = ",".join(str(task) for task in tasks) + "%4"
        if len(tasks) > 2 and tasks == list(range(tasks[0], tasks[-1] + 1)):
            listed = f"{tasks[0]}-{tasks[-1]}"
        rows.append((root, listed, jobs[f"{root}_{tasks[0]}"]))
    return rows


def queue_in_json(rows: Iterable[tuple[str, str, Job]]) -> str:
    """As squeue with data_parser/v0.0.41 has it, of :func:`queue_rows`."""
    return json.dumps({"meta": {}, "errors": [], "jobs": [_in_json(*row) for row in rows]})


def _in_json(root: str, tasks: str, job: Job) -> Job:
    task = int(tasks) if tasks.isdecimal() else None
    told = {"job_id": int(root), "name": job["name"], "user_id": os.getuid(), "nodes": job["node"]}
    told |= {"job_state": [job["word"].split()[0]], "state_reason": job["reason"] or "None"}
    told |= {"array_task_string": "" if task is not None or tasks == "N/A" else tasks}
    array = 0 if tasks == "N/A" else int(root)
    numbers = {"array_job_id": array, "array_task_id": task, "start_time": job.get("start")}
    return told | {
        name: {"set": number is not None, "infinite": False, "number": number or 0} for name, number in numbers.items()
    }


def history(jobs: Mapping[str, Job], option: Mapping[str, str]) -> str:
    """sacct's lines: of each job its last run, with ``--duplicates`` all of them."""
    roots = option["jobs"].split(",") if "jobs" in option else None
    lines = []
    for id_, job in jobs.items():
        if roots is not None and id_.partition("_")[0] not in roots:
            continue
        values = {"JobID": id_, "State": job["word"], "JobName": job["name"], "Partition": job["partition"]}
        values |= {"NodeList": job["node"] or "None assigned"}
        runs = job.get("runs") or [{}]
        lines += [
            "|".join((values | run).get(column, "") for column in option["format"].split(","))
            for run in (runs if "duplicates" in option else runs[-1:])
        ]
    return "\n".join(lines)
