"""A site as its commands answer it: a folder of text files, in the formats of Slurm 20.11 to 25.05.

| file | what it is |
| --- | --- |
| ``sinfo.txt`` | ``sinfo --exact``, columns as in :data:`SINFO` parted by ``|``; ``CLUSTER: x`` begins another's |
| ``config.txt`` | ``scontrol show config`` |
| ``partitions.txt`` | ``scontrol show partition``; hidden ones are left out of what is shown |
| ``assoc.txt``, ``qos.txt`` | ``sacctmgr --parsable2 show associations`` and ``show qos``, with their headers |
| ``sbatch.csv`` | the site's own rules: ``do,option,value,partition,words`` |
| ``reservations.txt`` | ``scontrol show reservation`` |
| ``test-only.txt`` | what ``sbatch --test-only`` says of a job that it takes |
| ``submitted.txt`` | what sbatch says of one that it took, ``%j`` for its id |
| ``squeue.txt`` | rows of others, as :data:`SQUEUE`; ``(jobs)`` stands for ours, ``(revoked)`` for their twins |
| ``before-out.txt``, ``before-err.txt`` | what every command prints first |
| ``COMMAND.failing.txt`` | what a command says that does not work there |
| ``missing.txt`` | commands that are not installed there |

All but the first three may be missing.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

Site = dict[str, Any]
"""What the files say, as plain values: it is kept with the state of the fake cluster."""

SINFO = {
    "%P": "PARTITION",
    "%a": "AVAIL",
    "%l": "TIMELIMIT",
    "%D": "NODES",
    "%c": "CPUS",
    "%m": "MEMORY",
    "%G": "GRES",
    "%f": "AVAIL_FEATURES",
    "%F": "NODES(A/I/O/T)",
    "%N": "NODELIST",
}
SACCTMGR = {"DefaultQOS": "Def QOS"}
"""Columns whose header differs from their name."""
SQUEUE = ("job", "tasks", "word", "node", "name", "reason")
Row = tuple[str, str, dict[str, Any]]
"""Id of the array, its tasks, and what is known of them."""
SUBMITTED = "Submitted batch job %j"
TEST_ONLY = "sbatch: Job %j to start at 2026-01-01T00:00:00 using 1 processors on nodes node1 in partition %p"


def load(folder: Path) -> Site:
    """The site that the files of a folder tell of."""

    def text(name: str) -> str:
        path = folder / name
        return path.read_text(encoding="utf-8") if path.exists() else ""

    config = dict(re.findall(r"^(\S+)\s*=[ ]?(.*)$", text("config.txt"), flags=re.MULTILINE))
    return {
        "name": folder.name,
        "version": [int(part) for part in re.findall(r"\d+", config["SLURM_VERSION"])[:2]],
        "sinfo": list(_table(text("sinfo.txt"))),
        "config_text": text("config.txt"),
        "config": {key: value.strip() for key, value in config.items()},
        "partitions_text": text("partitions.txt"),
        "partitions": [_words(" ".join(block.split())) for block in _blocks(text("partitions.txt"))],
        "assoc": list(_table(text("assoc.txt"))),
        "qos": list(_table(text("qos.txt"))),
        "rules": list(csv.DictReader(text("sbatch.csv").splitlines())),
        "reservations": re.findall(r"^ReservationName=(\S+)", text("reservations.txt"), flags=re.MULTILINE),
        "test_only": text("test-only.txt") or TEST_ONLY,
        "submitted": text("submitted.txt") or SUBMITTED,
        "squeue": text("squeue.txt").splitlines() or ["(jobs)"],
        "before": [text("before-out.txt"), text("before-err.txt")],
        "failing": {path.name.split(".")[0]: path.read_text() for path in folder.glob("*.failing.txt")},
        "missing": text("missing.txt").split(),
    }


def answer(site: Site, command: str, words: Sequence[str]) -> tuple[str, str] | None:
    """Standard output and error of a question about the site; None where the command is about jobs."""
    if command in site["failing"]:
        return "", site["failing"][command]
    option = {key: value for key, _, value in (word.removeprefix("--").partition("=") for word in words)}
    if command == "sinfo":
        return "\n".join(_sinfo(site, option)), ""
    if command == "scontrol" and list(words[:2]) == ["show", "config"]:
        return site["config_text"], ""
    if command == "scontrol" and list(words[:2]) == ["show", "partition"]:
        return "\n".join(_shown(site, "oneliner" in option)), ""
    if command == "sacctmgr":
        table = "qos" if "qos" in words else "assoc"
        return "\n".join(_accounts(site[table], option["format"].split(","))), ""
    return None


def queue(site: Site, ours: Sequence[Row], names: Sequence[str] | None) -> Iterator[Row | str]:
    """What squeue lists: rows of ours among those of others, of which a list of names leaves few."""
    for line in site["squeue"]:
        parts = line.split("|")
        if line == "(jobs)":
            yield from ours
        elif line == "(revoked)":
            yield from ((root, tasks, job | {"word": "REVOKED", "node": ""}) for root, tasks, job in ours)
        elif len(parts) != len(SQUEUE):
            yield line
        elif names is None or parts[SQUEUE.index("name")] in names:
            yield parts[0], parts[1], dict(zip(SQUEUE, parts, strict=True))


def _table(text: str) -> Iterator[dict[str, str]]:
    lines = [line for line in text.splitlines() if line.strip()]
    header = lines[0].split("|") if lines else []
    for line in lines[1:]:
        if line.startswith("CLUSTER: "):
            yield {"CLUSTER": line}
        else:
            yield dict(zip(header, line.split("|"), strict=True))


def _blocks(text: str) -> list[str]:
    return [f"PartitionName={block}" for block in re.split(r"^PartitionName=", text, flags=re.MULTILINE)[1:]]


def _words(line: str) -> dict[str, str]:
    return {name: value for name, _, value in (word.partition("=") for word in line.split())}


def _sinfo(site: Site, option: Mapping[str, str]) -> Iterator[str]:
    if "noheader" not in option:
        yield "|".join(SINFO.get(code, "?") for code in option["format"].split("|"))
    for row in site["sinfo"]:
        if "CLUSTER" in row:
            yield row["CLUSTER"]
        else:
            values = {code: row[column] for code, column in SINFO.items()}
            yield "|".join(values.get(code, "?") for code in option["format"].split("|"))


def _shown(site: Site, in_one_line: bool) -> Iterator[str]:
    for block in _blocks(site["partitions_text"]):
        if "Hidden=YES" not in block:
            yield " ".join(block.split()) if in_one_line else block


def _accounts(rows: Sequence[Mapping[str, str]], columns: Sequence[str]) -> Iterator[str]:
    for row in rows:
        yield "|".join(row.get(SACCTMGR.get(column, column), "") for column in columns)
