"""Fake sbatch, squeue, sacct, scancel, scontrol and srun, for tests without a cluster.

:class:`FakeSlurm` puts executables into a folder for the PATH and keeps their state in files beside them, so that real
programs (submitit, ours, yours) talk to them as to Slurm. Nothing happens by itself: the test says which job runs, ends
or is forgotten, and which command refuses, hangs, answers garbage or breaks off after it did its work.

    fake = FakeSlurm(tmp_path / "slurm")
    monkeypatch.setenv("PATH", f"{fake.install()}:{os.environ['PATH']}")
    fake.refuse("sbatch", "sbatch: error: Batch job submission failed: Socket timed out", accept=True)

:meth:`FakeSlurm.be` makes it a whole site: what its commands answer, and what its sbatch refuses, comes from a folder
of text files (:mod:`slurm.fake.site`).
"""

from __future__ import annotations

import contextlib
import enum
import fcntl
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from slurm import fake_answers
from slurm.fake import node as fake_node
from slurm.fake import sbatch as fake_sbatch
from slurm.fake import site as fake_site

COMMANDS = ("sbatch", "squeue", "sacct", "scancel", "scontrol", "srun", "sinfo", "sacctmgr")
LIVE = ("PENDING", "RUNNING", "SUSPENDED", "COMPLETING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD")
NO_ACCOUNTING = "Slurm accounting storage is disabled"
SUBMIT_LIMIT = (
    "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed: "
    "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"
)
ARRAY_LIMIT = "sbatch: error: Batch job submission failed: Invalid job array specification"
EMPTY = {
    "jobs": {},
    "next": 100,
    "calls": [],
    "faults": [],
    "config": {"MaxArraySize": "1001", "MaxJobCount": "10000"},
    "told": [],
    "version": "22.05.8",
    "accounting": True,
    "max_submit": None,
    "site": None,
}

Job = dict[str, Any]


class FaultKind(enum.StrEnum):
    """What goes wrong with a call of a command."""

    REFUSE = "refuse"
    GARBLE = "garble"
    DELAY = "delay"
    NOTICE = "notice"


class FakeSlurm:
    """The state of the fake cluster in a folder, as the test sees and sets it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self) -> Path:
        """Writes the executables and gives the folder to put first on the PATH."""
        programs = self.folder / "bin"
        programs.mkdir(parents=True, exist_ok=True)
        for command in COMMANDS:
            program = programs / command
            program.write_text(
                f"#!{sys.executable} -PS\nimport sys\nsys.path.append({str(Path(__file__).parents[1])!r})\n"
                f"from slurm.testing import main\nmain({command!r}, {str(self.folder)!r})\n",
                encoding="utf-8",
            )
            program.chmod(0o755)
        return programs

    @contextlib.contextmanager
    def state(self) -> Iterator[dict[str, Any]]:
        """The whole state, held against the commands until the end of the block, then written."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            path = self.folder / "state.json"
            state = json.loads(path.read_text(encoding="utf-8") if path.exists() else json.dumps(EMPTY))
            yield state
            path.write_text(json.dumps(state), encoding="utf-8")

    def jobs(self) -> dict[str, Job]:
        """Each job (each task of an array) by its id: name, word (Slurm's state), node, reason, partition, script."""
        with self.state() as state:
            return dict(state["jobs"])

    def put(
        self, job: str, word: str, *, node: str | None = None, reason: str = "", start: float | None = None
    ) -> None:
        """Sets a job's state to one of Slurm's words; ``start``: when it is expected to begin (seconds since 1970)."""
        with self.state() as state:
            state["jobs"][job] |= {"word": word, "reason": reason, "start": start and int(start)}
            state["jobs"][job] |= {"node": node} if node else {}

    def forget(self, *jobs: str) -> None:
        """Lets the queue forget jobs, as after MinJobAge; accounting still knows them."""
        with self.state() as state:
            for job in jobs:
                state["jobs"][job]["forgotten"] = True

    def run(self, job: str, *, node: str = "node1") -> int:
        """Runs a job's script to its end as its node would, sets COMPLETED or FAILED, and gives the exit status."""
        self.put(job, "RUNNING", node=node)
        known = self.jobs()[job]
        environment = fake_node.environment(job, node, known["options"])
        with Path(fake_node.log(known["options"].get("output", ""), environment)).open("ab") as log:
            done = subprocess.run(["bash", "-c", known["script"]], env=environment, stdout=log, stderr=log, check=False)
        if self.jobs()[job]["word"] == "RUNNING":
            self.put(job, "FAILED" if done.returncode else "COMPLETED")
        return done.returncode

    def account(self, job: str, *runs: dict[str, str]) -> None:
        """What sacct says of each run of a job, by its columns."""
        with self.state() as state:
            state["jobs"][job]["runs"] = list(runs)

    def tell(self, command: str, words: str, answer: str) -> None:
        """What a command answers from now on where its arguments begin with these words, as a real site did."""
        with self.state() as state:
            state["told"] = [*state["told"], [command, words, answer]]

    def refuse(self, command: str, words: str, *, times: int = 1, accept: bool = False) -> None:
        """The next calls of a command fail with these words; with ``accept`` only after doing their work."""
        self._fault(command, {"kind": FaultKind.REFUSE, "words": words, "accept": accept}, times)

    def garble(self, command: str, *, times: int = 1) -> None:
        """The next answers of a command have a torn line and one of nonsense in them."""
        self._fault(command, {"kind": FaultKind.GARBLE}, times)

    def notice(self, command: str, words: str, *, times: int = 1) -> None:
        """The next answers of a command begin with these words, as a site's wrapper prints them."""
        self._fault(command, {"kind": FaultKind.NOTICE, "words": words}, times)

    def delay(self, command: str, seconds: float, *, times: int = 1) -> None:
        """The next calls of a command take that much longer."""
        self._fault(command, {"kind": FaultKind.DELAY, "seconds": seconds}, times)

    def site(
        self, *, accounting: bool = True, max_submit: int | None = None, version: str = "22.05.8", **config: str
    ) -> None:
        """Sets whether there is accounting, the limit of submitted jobs, the version, and entries of ``scontrol show
        config``."""
        with self.state() as state:
            state["accounting"], state["max_submit"], state["version"] = accounting, max_submit, version
            state["config"] |= config

    def be(self, folder: Path) -> None:
        """Makes it the site that the files of a folder tell of; commands that are not there lose their executables."""
        site = fake_site.load(folder)
        for command in site["missing"]:
            (self.folder / "bin" / command).unlink(missing_ok=True)
        with self.state() as state:
            state["site"], state["accounting"] = site, "sacct" not in {*site["missing"], *site["failing"]}
            state["config"] |= site["config"]
            state["version"] = site["config"]["SLURM_VERSION"]
            limits = [int(each["MaxSubmit"]) for each in site["assoc"] if each["MaxSubmit"]]
            state["max_submit"] = min(limits, default=None)

    def waiting(self) -> list[str]:
        """Jobs that could start."""
        return [job for job, each in self.jobs().items() if each["word"] == "PENDING"]

    def calls(self, command: str) -> list[list[str]]:
        """The arguments of each call of a command so far."""
        with self.state() as state:
            return [call[1:] for call in state["calls"] if call[0] == command]

    def _fault(self, command: str, fault: Job, times: int) -> None:
        with self.state() as state:
            state["faults"] += [{"command": command, **fault}] * times


def main(command: str, folder: str) -> None:
    """What the executables run."""
    words = sys.argv[1:]
    if command == "srun":
        fake_node.become(words)
    fake = FakeSlurm(Path(folder))
    with fake.state() as state:
        if words == ["--version"]:  # no question to the scheduler
            sys.stdout.write(f"slurm {state['version']}\n")
            return
        state["calls"].append([command, *words])
        fault = next((each for each in state["faults"] if each["command"] == command), None)
        if fault is not None:
            state["faults"].remove(fault)
    kind = FaultKind(fault["kind"]) if fault else None
    if fault and kind is FaultKind.DELAY:
        time.sleep(fault["seconds"])
    if fault and kind is FaultKind.REFUSE and not fault["accept"]:
        _exit(fault["words"])
    with fake.state() as state:
        told = [answer for of, begin, answer in state["told"] if of == command and " ".join(words).startswith(begin)]
        site = state["site"]
        by_site = fake_site.answer(site, command, words) if site else None
        out, err = (told[-1], "") if told else by_site or ANSWERS[command](state, words)
    if fault and kind is FaultKind.REFUSE:
        _exit(fault["words"])
    if fault and kind is FaultKind.GARBLE:
        lines = out.splitlines()
        out = "\n".join([*lines[1:], lines[0][:4] if lines else "", "\x00|slurm_load_jobs|?"])
    if fault and kind is FaultKind.NOTICE:
        out = f"{fault['words']}\n{out}"
    if site:
        sys.stdout.write(site["before"][0])
        sys.stderr.write(site["before"][1])
    if err.startswith("sbatch: Job"):
        sys.stderr.write(err + "\n")  # the answer of --test-only, which is no error
    elif err:
        _exit(err)
    sys.stdout.write(out + "\n" if out else "")


def _exit(words: str) -> None:
    sys.stderr.write(words + "\n")
    raise SystemExit(1)


def _sbatch(state: dict[str, Any], words: Sequence[str]) -> tuple[str, str]:
    script = Path(words[-1]).read_text(encoding="utf-8")
    options = fake_sbatch.read(script, words[:-1])
    test_only, site = "--test-only" in words, state["site"]
    options |= fake_sbatch.preset(site) if site else {}
    said = fake_sbatch.refusal(site, options, test_only=test_only) if site else None
    if said is not None:
        return "", said
    root, tasks = str(state["next"]), [""]
    if "array" in options:
        first, last = options["array"].partition("%")[0].split("-")
        if int(last) >= int(state["config"]["MaxArraySize"]):
            return "", ARRAY_LIMIT
        tasks = [f"_{task}" for task in range(int(first), int(last) + 1)]
    live = sum(job["word"] in LIVE for job in state["jobs"].values())
    if state["max_submit"] is not None and live + len(tasks) > state["max_submit"]:
        return "", SUBMIT_LIMIT
    if test_only:
        words_of_it = site["test_only"].strip() if site else fake_site.TEST_ONLY
        return "", words_of_it.replace("%j", root).replace("%p", options.get("partition", "main"))
    state["next"] += 1
    job: Job = {
        "name": options.get("job-name", "sbatch"),
        "word": "PENDING",
        "node": "",
        "reason": "Priority",
        "script": script,
    }
    job |= {"partition": options.get("partition", "main"), "options": options, "forgotten": False}
    state["jobs"] |= {root + task: dict(job) for task in tasks}
    return (site["submitted"].strip() if site else fake_site.SUBMITTED).replace("%j", root), ""


def _squeue(state: dict[str, Any], words: Sequence[str]) -> tuple[str, str]:
    option = _options(words)
    names = option["name"].split(",") if "name" in option else None
    shown = {
        id_: job
        for id_, job in state["jobs"].items()
        if not job["forgotten"]
        and (names is None or job["name"] in names)
        and (option.get("states") == "all" or job["word"] in LIVE)
    }
    rows = fake_answers.queue_rows(shown)
    if "json" in option:
        return fake_answers.queue_in_json(rows), ""
    lines = fake_site.queue(state["site"], rows, names) if state["site"] else rows
    return "\n".join(line if isinstance(line, str) else _format(option["format"], *line) for line in lines), ""


def _format(pattern: str, root: str, tasks: str, job: Job) -> str:
    values = {"%F": root, "%K": tasks, "%T": job["word"].split()[0], "%N": job["node"], "%j": job["name"]}
    values |= {"%r": job["reason"] or "None", "%S": str(job.get("start") or "N/A")}
    return re.sub(r"%[A-Za-z]", lambda found: values.get(found.group(), "?"), pattern)


def _sacct(state: dict[str, Any], words: Sequence[str]) -> tuple[str, str]:
    if not state["accounting"]:
        return "", NO_ACCOUNTING
    return fake_answers.history(state["jobs"], _options(words)), ""


def _scancel(state: dict[str, Any], words: Sequence[str]) -> tuple[str, str]:
    for id_, job in state["jobs"].items():
        if (id_ in words or id_.partition("_")[0] in words) and job["word"] in LIVE:
            job["word"] = f"CANCELLED by {os.getuid()}"
    return "", ""


def _scontrol(state: dict[str, Any], words: Sequence[str]) -> tuple[str, str]:
    if list(words[:2]) == ["show", "config"]:
        return "\n".join(f"{key:<24}= {value}" for key, value in state["config"].items()), ""
    if words[0] == "requeue" and words[1] in state["jobs"]:
        state["jobs"][words[1]] |= {"word": "PENDING", "reason": "BeginTime", "node": ""}
        return "", ""
    return "", f"scontrol: error: cannot {' '.join(words)}"


def _not_told(state: dict[str, Any], words: Sequence[str]) -> tuple[str, str]:
    return "", "this site does not say"


ANSWERS = {
    "sbatch": _sbatch,
    "squeue": _squeue,
    "sacct": _sacct,
    "scancel": _scancel,
    "scontrol": _scontrol,
    "sinfo": _not_told,
    "sacctmgr": _not_told,
}


def _options(words: Sequence[str]) -> dict[str, str]:
    pairs = (word.removeprefix("--").partition("=") for word in words if word.startswith("--"))
    return {key: value for key, _, value in pairs}
