"""Calls of Slurm's commands: counted, with a time-out, without what an enclosing job left in the environment."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from slurm.executor import clean_environment
from slurm.jobs import Costs

TIMEOUT_S = 90.0
DEFAULT_ARRAY_SIZE = 1001


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def ok(self) -> bool:
        return self.code == 0


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the site's configuration says; None where it does not tell."""

    max_array_size: int = DEFAULT_ARRAY_SIZE
    max_job_count: int | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One job, or one task of an array, as squeue or sacct has it."""

    job: str
    name: str
    word: str
    node: str | None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Queue:
    """What squeue said."""

    rows: tuple[Row, ...] = ()
    whole: bool
    """Whether all of it could be read: then a job that is not among the rows is really gone."""
    problem: str = ""
    """What could not be read, or why there was no answer."""


class Scheduler:
    """Slurm's commands on this machine's PATH."""

    def __init__(self, costs: Costs) -> None:
        self.costs = costs
        self.without_accounting = False
        """Whether sacct said that this cluster keeps no accounts."""

    def ask(self, *words: str) -> Answer:
        """Runs a command; one that is missing, hangs or fails gives an answer that is not ``ok``."""
        self.costs.count(words[0])
        environment = {
            key: value
            for key, value in clean_environment(os.environ).items()
            if not key.startswith(("SQUEUE_", "SACCT"))
        }
        environment |= {"LC_ALL": "C", "SLURM_BITSTR_LEN": "0"}  # zero: lists of array tasks in full
        try:
            done = subprocess.run(
                words,
                env=environment,
                capture_output=True,
                text=True,
                errors="replace",
                stdin=subprocess.DEVNULL,
                timeout=TIMEOUT_S,
                check=False,
            )
        except FileNotFoundError:
            return Answer(code=127, out="", err=f"{words[0]}: not found; is this a machine of the cluster?")
        except (OSError, subprocess.TimeoutExpired) as problem:
            return Answer(code=124, out="", err=str(problem))
        return Answer(code=done.returncode, out=done.stdout, err=done.stderr.strip())

    def queue(self, names: list[str]) -> Queue:
        """This user's jobs of these names (of any name, where there are none) that slurmctld remembers. A notice before
        the rows (of a site, of a wrapper) is no row; a line among them that makes no sense may have been one."""
        words = ["squeue", "--noheader", "--states=all", f"--user={os.getuid()}", "--format=%F|%K|%T|%N|%j|%r"]
        if names:
            words.append(f"--name={','.join(names)}")
        answer = self.ask(*words)
        if not answer.ok:
            return Queue(whole=False, problem=_last_words(answer.err) or f"exit status {answer.code}")
        rows: list[Row] = []
        problem = ""
        for line in answer.out.splitlines():
            parts = line.split("|", 5)
            if len(parts) != 6 or not parts[0].strip().isdecimal():
                torn = bool(rows) or "|" in line or line.strip()[:1].isdecimal()
                problem = line.strip()[:200] if torn and line.strip() else problem
                continue
            root, tasks, word, node, name, reason = (part.strip() for part in parts)
            rows += [
                Row(job=job, name=name, word=word, node=node or None, reason=reason.replace("None", ""))
                for job in expand(root, tasks)
            ]
        return Queue(rows=tuple(_last(rows)), whole=not problem, problem=problem)

    def history(self, *selection: str) -> list[Row] | None:
        """Jobs that accounting remembers, selected by sacct's own options; None where it did not answer.

        Lines that make no sense are left out: what they were about is asked again.
        """
        answer = self.ask(
            "sacct", "--noheader", "--parsable2", "--allocations", "--format=JobID,State,NodeList,JobName", *selection
        )
        if not answer.ok:
            self.without_accounting = "disabled" in answer.err
            return None
        rows: list[Row] = []
        for line in answer.out.splitlines():
            parts = line.split("|", 3)
            found = re.fullmatch(r"(\d+)(?:_(\d+|\[.*\]))?", parts[0].strip())
            if len(parts) != 4 or found is None:
                continue
            node = None if "None" in parts[2] else parts[2].strip() or None
            ids = expand(found.group(1), found.group(2) or "N/A")
            rows += [Row(job=job, name=parts[3].strip(), word=parts[1].strip(), node=node) for job in ids]
        return _last(rows)

    def limits(self) -> Limits:
        """The site's limits, as far as users may read them."""
        answer = self.ask("scontrol", "show", "config")
        found = dict(re.findall(r"^(MaxArraySize|MaxJobCount)\s*=\s*(\d+)", answer.out, flags=re.MULTILINE))
        return Limits(
            max_array_size=int(found.get("MaxArraySize", DEFAULT_ARRAY_SIZE)) or 2,
            max_job_count=int(found["MaxJobCount"]) if "MaxJobCount" in found else None,
        )


def expand(root: str, tasks: str) -> Iterator[str]:
    """Ids that an array's id and a list of its tasks stand for: "5-7,9%4" or "[5-7,9%4]"; no tasks, the id itself."""
    listed = tasks.strip("[]").partition("%")[0]
    if not re.fullmatch(r"\d+(-\d+)?(:\d+)?(,\d+(-\d+)?(:\d+)?)*", listed):
        yield root
        return
    for part in listed.split(","):
        bounds, _, step = part.partition(":")
        first, _, last = bounds.partition("-")
        for task in range(int(first), int(last or first) + 1, int(step or 1)):
            yield f"{root}_{task}"


def _last_words(text: str) -> str:
    return next((line.strip()[:200] for line in reversed(text.splitlines()) if line.strip()), "")


def _last(rows: list[Row]) -> list[Row]:
    """One row per job: the last, which is the newest run of a requeued one."""
    return list({row.job: row for row in rows}.values())
