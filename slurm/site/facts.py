"""Asks a Slurm what it is: partitions, GPUs, memory, limits, accounts. Five questions at most, none of them repeated.

What a site does not tell stays None, and its name in :attr:`Site.unknown` with the reason.
"""

from __future__ import annotations

import getpass
import grp
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from slurm.errors import ClusterError
from slurm.scheduler import clusters
from slurm.scheduler.commands import Answer, Scheduler
from slurm.time_limit import minutes

COLUMNS = ("%P", "%a", "%l", "%D", "%F", "%c", "%m", "%G", "%f")
UNLIMITED = ("UNLIMITED", "INFINITE", "NONE", "N/A", "(NULL)", "0", "")


@dataclass(frozen=True, kw_only=True)
class NodeKind:
    """Nodes of a partition that are alike."""

    nodes: int
    """All of them; ``usable`` are neither down nor drained nor otherwise away."""
    usable: int
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
    memory_by_gpu_gb: float | None = None
    """The same for a GPU."""
    memory_at_most_gb: float | None = None
    cpus_at_most: int | None = None
    """What a job may have of a node; None: all of it."""
    accounts: tuple[str, ...] = ()
    """Accounts that may use it; empty: all but ``denied``."""
    denied: tuple[str, ...] = ()
    qos: tuple[str, ...] = ()
    """The same of QOS."""
    denied_qos: tuple[str, ...] = ()
    closed: str = ""
    """Why none of our jobs would run there, as "needs a reservation"; "" where they would."""

    def takes(self, account: str) -> bool:
        """Whether jobs of this account may use it."""
        return account in self.accounts if self.accounts else account not in self.denied

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
    limit_min: int | None = None
    """Longest job in minutes."""


@dataclass(frozen=True, kw_only=True)
class Qos:
    """Limits of one user with a QOS; None where it has none."""

    limit_min: int | None
    max_submit: int | None
    max_jobs: int | None


@dataclass(frozen=True, kw_only=True)
class Site:
    cluster: str
    version: str
    partitions: tuple[SitePartition, ...]
    associations: tuple[Association, ...] = ()
    qos: Mapping[str, Qos] = field(default_factory=dict)
    federated: bool = False
    """Whether answers come from several clusters, of which this machine belongs to one."""
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
    lines = scheduler.ask("sinfo", "--local", "--noheader", "--exact", f"--format={'|'.join(COLUMNS)}")
    if not lines.ok:
        raise ClusterError(
            f"sinfo: {_last(lines)}; run this on a login node of the cluster, where sinfo and sbatch are on the PATH"
        )
    unknown: dict[str, str] = {}
    config = _pairs(_answer(scheduler.ask("scontrol", "show", "config"), "the site's configuration", unknown))
    shown = _answer(scheduler.ask("scontrol", "show", "partition", "--oneliner"), "rules of partitions", unknown)
    rules = {pairs.get("PartitionName", ""): pairs for pairs in map(_words, shown.splitlines())}
    select = config.get("SelectTypeParameters", "").upper()
    name = config.get("ClusterName", "")
    associations = _associations(scheduler, config, unknown)
    here = clusters.here(lines.out, name)
    return Site(
        cluster=name,
        version=config.get("SLURM_VERSION", ""),
        partitions=_partitions(here, rules, config, associations),
        associations=associations,
        qos=_qos(scheduler, unknown) if associations else {},
        federated=here != lines.out or config.get("FederationParameters", "(null)") != "(null)",
        max_array_size=_number(config.get("MaxArraySize")),
        accounting="slurmdbd" in config["AccountingStorageType"] if "AccountingStorageType" in config else None,
        tracks_memory="MEMORY" in select if select else None,
        memory_by_cpu_gb=_megabytes(config.get("DefMemPerCPU")),
        memory_by_gpu_gb=_megabytes(_job_default(config, "DefMemPerGPU")),
        old_select=config.get("SelectType", "").endswith(("cons_res", "linear")),
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


def _partitions(
    out: str, rules: Mapping[str, Mapping[str, str]], config: Mapping[str, str], mine: Sequence[Association]
) -> tuple[SitePartition, ...]:
    rows: dict[str, list[list[str]]] = {}
    for line in out.splitlines():
        parts = [part.strip() for part in line.split("|", len(COLUMNS) - 1)]
        if len(parts) == len(COLUMNS) and parts[3].isdecimal():
            rows.setdefault(parts[0], []).append(parts)
    linear = config.get("SelectType", "").endswith("linear")
    return tuple(_partition(name, each, rules.get(name.rstrip("*"), {}), linear, mine) for name, each in rows.items())


def _partition(
    name: str, rows: list[list[str]], rules: Mapping[str, str], linear: bool, mine: Sequence[Association]
) -> SitePartition:
    cpus = rules.get("MaxCPUsPerNode", "")
    kinds = tuple(_kind(parts) for parts in rows)
    partition = SitePartition(
        name=name.rstrip("*"),
        default=name.endswith("*") or rules.get("Default") == "YES",
        up=rows[0][1] == "up" and rules.get("State", "UP") == "UP",
        kinds=kinds,
        limit_min=_limit(rules.get("MaxTime", rows[0][2])),
        whole_nodes=linear or rules.get("OverSubscribe", "").startswith("EXCLUSIVE"),
        memory_by_cpu_gb=_megabytes(rules.get("DefMemPerCPU")),
        memory_by_gpu_gb=_megabytes(_job_default(rules, "DefMemPerGPU")),
        memory_at_most_gb=_megabytes(rules.get("MaxMemPerNode")),
        cpus_at_most=_number(cpus) or None,
        accounts=_listed(rules.get("AllowAccounts", "ALL")),
        denied=_listed(rules.get("DenyAccounts", "")),
        qos=_listed(rules.get("AllowQos", "ALL")),
        denied_qos=_listed(rules.get("DenyQos", "")),
    )
    return replace(partition, closed=_closed(partition, rules, mine))


def _closed(partition: SitePartition, rules: Mapping[str, str], mine: Sequence[Association]) -> str:
    groups = _listed(rules.get("AllowGroups", "ALL"))
    if not partition.up:
        return "takes no jobs now"
    if rules.get("RootOnly") == "YES":
        return "is for root alone"
    if rules.get("ReqResv") == "YES":
        return "needs a reservation"
    if groups and not _groups() & set(groups):
        return f"is for the group {' or '.join(groups)}"
    here = [each for each in mine if each.partition in ("", partition.name)]
    if mine and not any(partition.takes(each.account) for each in here):
        return "is for accounts that are not yours"
    return "" if any(kind.usable for kind in partition.kinds) else "has no node that is not down or drained"


def _groups() -> set[str]:
    """Names of this user's groups."""
    found = set()
    for number in os.getgroups():
        try:
            found.add(grp.getgrgid(number).gr_name)
        except KeyError:  # a group without a name here
            continue
    return found


def _kind(parts: list[str]) -> NodeKind:
    gpus: dict[str, int] = {}
    others: list[str] = []
    for entry in re.split(r",(?![^(]*\))", parts[7]):
        bare = re.sub(r"\(.*?\)", "", entry).strip()
        words = bare.split(":")
        if words[0] == "gpu":
            count = int(words[-1]) if words[-1].isdecimal() else 1
            kind = words[1] if len(words) > 1 and not words[1].isdecimal() else ""
            gpus[kind] = gpus.get(kind, 0) + count
        elif bare and bare != "null":
            others.append(bare)
    by_state = [int(part) for part in parts[4].split("/") if part.isdecimal()]
    return NodeKind(
        nodes=int(parts[3]),
        usable=sum(by_state[:2]) if len(by_state) == 4 else int(parts[3]),
        cpus=int(re.sub(r"\D", "", parts[5]) or 1),
        memory_gb=int(re.sub(r"\D", "", parts[6]) or 0) / 1024,
        gpus=gpus,
        gres=tuple(others),
        features=() if parts[8] in ("(null)", "") else tuple(parts[8].split(",")),
    )


def _associations(scheduler: Scheduler, config: Mapping[str, str], unknown: dict[str, str]) -> tuple[Association, ...]:
    if config and "slurmdbd" not in config.get("AccountingStorageType", "slurmdbd"):
        unknown["accounts and their limits"] = "the site keeps no accounting"
        return ()
    columns = "format=Account,Partition,QOS,DefaultQOS,MaxJobs,MaxSubmit,MaxWall"
    answer = scheduler.ask(
        "sacctmgr", "--parsable2", "--noheader", "show", "associations", f"user={getpass.getuser()}", columns
    )
    return tuple(
        Association(
            account=parts[0],
            partition=parts[1],
            qos=tuple(name for name in parts[2].split(",") if name),
            default_qos=parts[3],
            max_jobs=_number(parts[4]),
            max_submit=_number(parts[5]),
            limit_min=_limit(parts[6]),
        )
        for line in _answer(answer, "accounts and their limits", unknown).splitlines()
        if len(parts := line.split("|")) == 7 and parts[0]
    )


def _qos(scheduler: Scheduler, unknown: dict[str, str]) -> dict[str, Qos]:
    columns = "format=Name,MaxWall,MaxSubmitPU,MaxJobsPU"
    answer = scheduler.ask("sacctmgr", "--parsable2", "--noheader", "show", "qos", columns)
    return {
        parts[0]: Qos(limit_min=_limit(parts[1]), max_submit=_number(parts[2]), max_jobs=_number(parts[3]))
        for line in _answer(answer, "limits of QOS", unknown).splitlines()
        if len(parts := line.split("|")) == 4 and parts[0]
    }


def _limit(text: str) -> int | None:
    return None if text.upper() in UNLIMITED else minutes(text)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None


def _megabytes(text: str | None) -> float | None:
    return int(text) / 1024 if text is not None and text.isdecimal() and int(text) > 0 else None


def _listed(text: str) -> tuple[str, ...]:
    return () if text.upper() in ("ALL", "", "NONE", "(NULL)") else tuple(text.split(","))


def _job_default(config: Mapping[str, str], name: str) -> str | None:
    found = re.search(rf"{name}=(\d+)", config.get("JobDefaults", ""))
    return found.group(1) if found else config.get(name)
