"""Asks a Slurm what it is: partitions, GPUs, memory, limits, accounts. Four questions, none of them repeated.

What a site does not tell stays None, and its name in :attr:`Site.unknown` with the reason.
"""

from __future__ import annotations

import getpass
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from slurm.errors import ClusterError
from slurm.scheduler.commands import Answer, Scheduler
from slurm.time_limit import minutes

UNLIMITED = ("UNLIMITED", "INFINITE", "NONE", "N/A", "(NULL)", "0", "")


@dataclass(frozen=True, kw_only=True)
class NodeKind:
    """Nodes of a partition that are alike."""

    nodes: int
    cpus: int
    memory_gb: float
    gpus: Mapping[str, int]
    """Type -> GPUs of a node; "" where the site gives them no type."""
    gres: tuple[str, ...] = ()
    """Other generic resources, as ``lscratch:800``."""
    features: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SitePartition:
    name: str
    default: bool
    up: bool
    kinds: tuple[NodeKind, ...]
    limit_min: int | None
    """Longest job in minutes; None without a limit."""
    whole_nodes: bool = False
    """Whether a job gets, and pays for, all of a node."""
    memory_by_cpu_gb: float | None = None
    """Memory that comes with a core where nothing is asked for."""
    accounts: tuple[str, ...] = ()
    """Accounts that may use it; empty: all."""
    qos: tuple[str, ...] = ()

    @property
    def gpus(self) -> dict[str, int]:
        """Type -> most GPUs of one node."""
        found: dict[str, int] = {}
        for kind in self.kinds:
            for name, count in kind.gpus.items():
                found[name] = max(found.get(name, 0), count)
        return found


@dataclass(frozen=True, kw_only=True)
class Association:
    """An account that the user may charge."""

    account: str
    partition: str
    qos: tuple[str, ...]
    default_qos: str
    max_jobs: int | None
    max_submit: int | None


@dataclass(frozen=True, kw_only=True)
class Site:
    cluster: str
    version: tuple[int, ...]
    partitions: tuple[SitePartition, ...]
    associations: tuple[Association, ...] = ()
    max_array_size: int | None = None
    accounting: bool | None = None
    tracks_memory: bool | None = None
    """Whether memory is shared out: where it is not, what a job asks for only chooses among nodes."""
    memory_by_cpu_gb: float | None = None
    memory_by_gpu_gb: float | None = None
    old_select: bool = False
    """Whether the scheduler plug-in knows GPUs by ``--gres`` alone (select/cons_res, up to Slurm 23.02)."""
    unknown: Mapping[str, str] = field(default_factory=dict)
    """What could not be learnt -> why."""


def ask(scheduler: Scheduler) -> Site:
    """The site that this machine belongs to. Raises :class:`ClusterError` where there is no Slurm that answers."""
    lines = scheduler.ask("sinfo", "--noheader", "--format=%P|%a|%l|%D|%c|%m|%G|%f")
    if not lines.ok:
        raise ClusterError(
            f"sinfo: {_last(lines)}; run this on a login node of the cluster, where sinfo and sbatch are on the PATH"
        )
    unknown: dict[str, str] = {}
    config = _pairs(_answer(scheduler.ask("scontrol", "show", "config"), "the site's configuration", unknown))
    shown = _answer(scheduler.ask("scontrol", "show", "partition", "--oneliner"), "rules of partitions", unknown)
    rules = {pairs.get("PartitionName", ""): pairs for pairs in map(_words, shown.splitlines())}
    select = config.get("SelectTypeParameters", "").upper()
    return Site(
        cluster=config.get("ClusterName", ""),
        version=tuple(int(part) for part in re.findall(r"\d+", config.get("SLURM_VERSION", ""))[:3]),
        partitions=_partitions(lines.out, rules),
        associations=_associations(scheduler, config, unknown),
        max_array_size=_number(config.get("MaxArraySize")),
        accounting="slurmdbd" in config["AccountingStorageType"] if "AccountingStorageType" in config else None,
        tracks_memory="MEMORY" in select if select else None,
        memory_by_cpu_gb=_megabytes(config.get("DefMemPerCPU")),
        memory_by_gpu_gb=_megabytes(_job_default(config, "DefMemPerGPU")),
        old_select="cons_res" in config.get("SelectType", ""),
        unknown=unknown,
    )


def _answer(answer: Answer, what: str, unknown: dict[str, str]) -> str:
    if not answer.ok:
        unknown[what] = _last(answer)
    return answer.out if answer.ok else ""


def _last(answer: Answer) -> str:
    return next((line for line in reversed(answer.err.splitlines()) if line.strip()), f"exit status {answer.code}")


def _pairs(text: str) -> dict[str, str]:
    return {name: value.strip() for name, value in re.findall(r"^(\w+)\s*=\s*(.*)$", text, flags=re.MULTILINE)}


def _words(line: str) -> dict[str, str]:
    return {name: value for name, _, value in (word.partition("=") for word in line.split()) if name}


def _partitions(out: str, rules: Mapping[str, Mapping[str, str]]) -> tuple[SitePartition, ...]:
    rows: dict[str, list[list[str]]] = {}
    for line in out.splitlines():
        parts = [part.strip() for part in line.split("|", 7)]
        if len(parts) == 8 and parts[3].isdecimal():
            rows.setdefault(parts[0], []).append(parts)
    return tuple(_partition(name, parts, rules.get(name.rstrip("*"), {})) for name, parts in rows.items())


def _partition(name: str, rows: list[list[str]], rules: Mapping[str, str]) -> SitePartition:
    return SitePartition(
        name=name.rstrip("*"),
        default=name.endswith("*") or rules.get("Default") == "YES",
        up=rows[0][1] == "up" and rules.get("State", "UP") == "UP",
        kinds=tuple(_kind(parts) for parts in rows),
        limit_min=_limit(rules.get("MaxTime", rows[0][2])),
        whole_nodes=rules.get("OverSubscribe", "").startswith("EXCLUSIVE"),
        memory_by_cpu_gb=_megabytes(rules.get("DefMemPerCPU")),
        accounts=_listed(rules.get("AllowAccounts", "ALL")),
        qos=_listed(rules.get("AllowQos", "ALL")),
    )


def _kind(parts: list[str]) -> NodeKind:
    gpus: dict[str, int] = {}
    others: list[str] = []
    for entry in re.split(r",(?![^(]*\))", parts[6]):
        bare = re.sub(r"\(.*?\)", "", entry).strip()
        words = bare.split(":")
        if words[0] == "gpu":
            count = int(words[-1]) if words[-1].isdecimal() else 1
            kind = words[1] if len(words) > 1 and not words[1].isdecimal() else ""
            gpus[kind] = gpus.get(kind, 0) + count
        elif bare and bare != "null":
            others.append(bare)
    features = () if parts[7] in ("(null)", "") else tuple(parts[7].split(","))
    return NodeKind(
        nodes=int(parts[3]),
        cpus=int(re.sub(r"\D", "", parts[4]) or 1),
        memory_gb=int(re.sub(r"\D", "", parts[5]) or 0) / 1024,
        gpus=gpus,
        gres=tuple(others),
        features=features,
    )


def _associations(scheduler: Scheduler, config: Mapping[str, str], unknown: dict[str, str]) -> tuple[Association, ...]:
    columns = "format=Account,Partition,QOS,DefaultQOS,MaxJobs,MaxSubmit"
    if config and "slurmdbd" not in config.get("AccountingStorageType", "slurmdbd"):
        unknown["accounts and their limits"] = "the site keeps no accounting"
        return ()
    answer = scheduler.ask(
        "sacctmgr", "--parsable2", "--noheader", "show", "associations", f"user={getpass.getuser()}", columns
    )
    found = []
    for line in _answer(answer, "accounts and their limits", unknown).splitlines():
        parts = line.split("|")
        if len(parts) == 6 and parts[0]:
            found.append(
                Association(
                    account=parts[0],
                    partition=parts[1],
                    qos=tuple(name for name in parts[2].split(",") if name),
                    default_qos=parts[3],
                    max_jobs=_number(parts[4]),
                    max_submit=_number(parts[5]),
                )
            )
    return tuple(found)


def _limit(text: str) -> int | None:
    return None if text.upper() in UNLIMITED else minutes(text)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None


def _megabytes(text: str | None) -> float | None:
    return int(text) / 1024 if text is not None and text.isdecimal() and int(text) > 0 else None


def _listed(text: str) -> tuple[str, ...]:
    return () if text.upper() in ("ALL", "", "(NULL)") else tuple(text.split(","))


def _job_default(config: Mapping[str, str], name: str) -> str | None:
    found = re.search(rf"{name}=(\d+)", config.get("JobDefaults", ""))
    return found.group(1) if found else config.get(name)
