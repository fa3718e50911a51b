"""Calls of Slurm's commands: counted, with a time-out, without what an enclosing job left in the environment."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

from slurm.executor import clean_environment
from slurm.jobs import Costs
from slurm.scheduler import answers, clusters, squeue
from slurm.scheduler.answers import Means
from slurm.scheduler.squeue import Queue, Row

TIMEOUT_S = 90.0
DEFAULT_ARRAY_SIZE = 1001
JSON_SLOW_S = 10.0
"""An answer in JSON that took longer is the last one that is asked for."""


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


def plain_environment(command: str) -> dict[str, str]:
    """In which commands answer the same on every site and to every user: no option of theirs from a variable, English,
    lists of array tasks in full; of squeue and sacct, whose times are read, these in seconds since 1970."""
    kept = {
        key: value
        for key, value in clean_environment(os.environ).items()
        if not key.startswith(("SQUEUE_", "SACCT", "SCANCEL_", "SCONTROL_", "SINFO_"))
    }
    times = {"SLURM_TIME_FORMAT": "%s"} if command in ("squeue", "sacct") else {}
    return kept | {"LC_ALL": "C", "SLURM_BITSTR_LEN": "0"} | times


class Scheduler:
    """Slurm's commands on this machine's PATH."""

    def __init__(self, costs: Costs) -> None:
        self.costs = costs
        self.without_accounting = False
        """Whether sacct said that this cluster keeps no accounts."""
        self._cluster: str | None = None
        self._json: bool | None = None
        """Whether squeue is asked for JSON; None while its version was not asked."""
        self._json_once = False
        """Whether it gave some that could be read."""

    def ask(self, *words: str) -> Answer:
        """Runs a command; one that is missing, hangs or fails gives an answer that is not ``ok``."""
        self.costs.count(words[0])
        return self._run(words)

    def _run(self, words: Sequence[str]) -> Answer:
        try:
            done = subprocess.run(
                words,
                env=plain_environment(words[0]),
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
        """This user's jobs of these names (of any name, where there are none) that slurmctld remembers."""
        asked = ["--states=all", "--local", f"--user={os.getuid()}", *([f"--name={','.join(names)}"] if names else [])]
        if self._speaks_json() and (told := self._queue_in_json(asked)) is not None:
            return told
        answer = self.ask("squeue", "--noheader", *asked, f"--format={squeue.COLUMNS}")
        if not answer.ok:
            return Queue(whole=False, problem=_last_words(answer.err) or f"exit status {answer.code}")
        return squeue.read_text(self._here(answer.out))

    def _speaks_json(self) -> bool:
        """Whether squeue is asked for JSON. Its version is its own to know: that costs the scheduler nothing."""
        if self._json is None:
            known = squeue.version(self._run(("squeue", "--version")).out)
            self._json = known is not None and known >= squeue.JSON_FROM
        return self._json

    def _queue_in_json(self, asked: list[str]) -> Queue | None:
        """None where the text form is to be asked for, from now on."""
        begun = time.monotonic()
        answer = self.ask("squeue", "--json", *asked)
        told = squeue.read_json(answer.out, os.getuid()) if answer.ok else None
        if told is not None:
            self._json, self._json_once = time.monotonic() - begun <= JSON_SLOW_S, True
            return told
        if not answer.ok and self._json_once:  # it can; the scheduler does not answer now
            return Queue(whole=False, problem=_last_words(answer.err) or f"exit status {answer.code}")
        self._json = False
        return None

    def history(self, *selection: str) -> list[Row] | None:
        """Jobs that accounting remembers, selected by sacct's own options; None where it did not answer.

        Lines that make no sense are left out: what they were about is asked again.
        """
        lines = self.accounts("--allocations", "--format=JobID,State,NodeList,JobName", *selection)
        if lines is None:
            return None
        rows: list[Row] = []
        for line in lines:
            parts = line.split("|", 3)
            found = re.fullmatch(r"(\d+)(?:_(\d+|\[.*\]))?", parts[0].strip())
            if len(parts) != 4 or found is None:
                continue
            node = None if "None" in parts[2] else parts[2].strip() or None
            ids = squeue.expand(found.group(1), found.group(2) or "N/A")
            rows += [Row(job=job, name=parts[3].strip(), word=parts[1].strip(), node=node) for job in ids]
        return squeue.newest(rows)

    def cluster(self) -> str:
        """The name of this machine's cluster; "" where nobody says it. Asked once, by those that need it."""
        if self._cluster is None:
            self.limits()
        return self._cluster or ""

    def _here(self, out: str) -> str:
        """What this machine's cluster answered, where several did."""
        return clusters.here(out, self.cluster()) if clusters.several(out) else out

    def accounts(self, *options: str) -> list[str] | None:
        """What sacct says, line by line; None where it said nothing that counts: some versions end with 0 while the
        database is away."""
        answer = self.ask("sacct", "--local", "--noheader", "--parsable2", *options)
        if answer.ok and answers.said("sacct", answer.err) is None:
            return answer.out.splitlines()
        self.without_accounting = Means.ABSENT in answers.meanings("sacct", answer.err)
        return None

    def limits(self) -> Limits:
        """The site's limits, as far as users may read them."""
        answer = self.ask("scontrol", "show", "config")
        named = re.search(r"^ClusterName\s*=\s*(\S+)", answer.out, flags=re.MULTILINE)
        self._cluster = named.group(1) if named else self._cluster
        found = dict(re.findall(r"^(MaxArraySize|MaxJobCount)\s*=\s*(\d+)", answer.out, flags=re.MULTILINE))
        return Limits(
            max_array_size=int(found.get("MaxArraySize", DEFAULT_ARRAY_SIZE)) or 2,
            max_job_count=int(found["MaxJobCount"]) if "MaxJobCount" in found else None,
        )


def _last_words(text: str) -> str:
    return next((line.strip()[:200] for line in reversed(text.splitlines()) if line.strip()), "")
