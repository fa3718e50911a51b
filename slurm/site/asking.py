"""How jobs are asked for at a site: who pays, GPUs by which option and type, memory by which. What the site says of
itself gives a first way; where its sbatch refuses that, its words say which of them to change.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from slurm.errors import ClusterError
from slurm.messages import nearest
from slurm.scheduler.rehearsal import Rehearsal
from slurm.site.facts import Association, NodeKind, Site, SitePartition

TRIES_AT_MOST = 16
"""Questions to sbatch before it is left to a person."""
By = Literal["gpus-per-node", "gpus-per-task", "gpus", "gres"]
Memory = Literal["mem_gb", "mem_per_cpu_gb", "mem_per_gpu_gb", "none"]
GPU_WAYS: tuple[By, ...] = ("gpus-per-node", "gres", "gpus-per-task", "gpus")
TOPICS = {
    "gpus": r"gpu|gres|generic resource|node configuration",
    "memory": r"mem",
    "account": r"account|project|allocation",
    "qos": r"qos|wall|time limit",
}
"""What of a way sbatch's words are about."""


@dataclass(frozen=True, kw_only=True)
class Way:
    account: str | None
    qos: str | None
    gpus_as: By
    gpu_type: str | None
    memory: Memory
    named: bool = field(default=False, compare=False)
    """Whether a person named the account: then no other is tried."""
    refused: tuple[str, ...] = field(default=(), compare=False)
    """What sbatch said of the ways before this one."""


def first(site: Site, partition: SitePartition, account: str | None = None) -> Way:
    """By what the site says of itself. Raises :class:`ClusterError` for an account that is not the user's there."""
    mine = usable(site, partition)
    names = list(dict.fromkeys(each.account for each in mine))
    if account is not None and names and account not in names:
        raise ClusterError(
            f"{account}: no account of yours for partition {partition.name}; accepts {', '.join(names)}"
            f"{nearest(account, names)}"
        )
    chosen = account or (names[0] if names else None)
    types = [name for name in partition.gpus if name]
    return Way(
        account=chosen,
        qos=_needed_qos(partition, [each for each in mine if each.account == chosen]),
        gpus_as="gres" if site.old_select else "gpus-per-node",
        gpu_type=types[0] if len(types) == len(partition.gpus) == 1 else None,
        memory=_memory(site, partition),
        named=account is not None,
    )


def usable(site: Site, partition: SitePartition) -> list[Association]:
    """What the user may charge there."""
    return [
        each for each in site.associations if each.partition in ("", partition.name) and partition.takes(each.account)
    ]


def qos_there(partition: SitePartition, mine: Sequence[Association]) -> list[str]:
    """Names of the QOS that the user may give there."""
    allowed = partition.qos
    names = dict.fromkeys(name for each in mine for name in each.qos)
    return [name for name in names if (not allowed or name in allowed) and name not in partition.denied_qos]


def _needed_qos(partition: SitePartition, mine: Sequence[Association]) -> str | None:
    """None where the one that a job gets by itself will do."""
    there = qos_there(partition, mine)
    default = mine[0].default_qos if mine else ""
    if not there or default in there or (not default and len(there) == 1 and not partition.qos):
        return None
    return there[0]


def _memory(site: Site, partition: SitePartition) -> Memory:
    if partition.gpus and (partition.memory_by_gpu_gb or site.memory_by_gpu_gb) is not None:
        return "none"
    return "mem_per_cpu_gb" if (partition.memory_by_cpu_gb or site.memory_by_cpu_gb) is not None else "mem_gb"


def kind_of(partition: SitePartition) -> NodeKind:
    """The nodes that are most, of those with GPUs where some have them."""
    with_gpus = [kind for kind in partition.kinds if kind.gpus]
    return max(with_gpus or partition.kinds, key=lambda kind: (kind.usable, kind.nodes))


def fit(
    site: Site, partition: SitePartition, way: Way, ask: Callable[[Way], Rehearsal | None]
) -> tuple[Way, Rehearsal | None]:
    """The first way that sbatch takes, and what it said; the way given, where there is no sbatch, it cannot answer now,
    or it refuses all that is tried."""
    answer = ask(way)
    if answer is None or not answer.refused:
        return way, answer
    return _search(site, partition, way, answer.words, ask, {way}, {_rule(answer.words)}) or (way, answer)


def _search(
    site: Site,
    partition: SitePartition,
    now: Way,
    words: str,
    ask: Callable[[Way], Rehearsal | None],
    tried: set[Way],
    met: set[str],
) -> tuple[Way, Rehearsal | None] | None:
    """Ways beside one that was refused with these words. A refusal in words not heard before is a step on: one rule of
    the site is met, and the next one is not."""
    for other in _others(site, partition, now, words):
        if other in tried:
            continue
        if len(tried) >= TRIES_AT_MOST:
            return None
        tried.add(other)
        answer = ask(other)
        on = dataclasses.replace(other, refused=(*now.refused, words))
        if answer is None or not answer.refused:
            return on, answer
        if _rule(answer.words) not in met:
            met.add(_rule(answer.words))
            if found := _search(site, partition, on, answer.words, ask, tried, met):
                return found
    return None


def _rule(words: str) -> str:
    return re.sub(r"\d+", "", words)


def _others(site: Site, partition: SitePartition, way: Way, words: str) -> Iterator[Way]:
    """Ways that differ in one thing; what the words are about comes first."""
    accounts = [] if way.named else usable(site, partition)
    mine = [each for each in usable(site, partition) if each.account == way.account]
    by_topic = {
        "gpus": _other_gpus(partition),
        "memory": _other_memory(partition),
        "account": ({"account": each.account} for each in accounts),
        "qos": ({"qos": name} for name in qos_there(partition, mine)),
    }
    said = {topic: re.search(pattern, words, flags=re.IGNORECASE) for topic, pattern in TOPICS.items()}
    meant = sorted((found.start(), topic) for topic, found in said.items() if found)
    for topic in (*(topic for _, topic in meant), *(topic for topic in by_topic if not said[topic])):
        for change in by_topic[topic]:
            yield dataclasses.replace(way, **change)  # type: ignore[arg-type]  # names and values are those of a Way


def _other_gpus(partition: SitePartition) -> Iterator[dict[str, str | None]]:
    types = [name for name in kind_of(partition).gpus if name]
    for by in GPU_WAYS if partition.gpus else ():
        for name in (types[0], None) if types else (None,):
            yield {"gpus_as": by, "gpu_type": name}


def _other_memory(partition: SitePartition) -> Iterator[dict[str, str]]:
    for key in ("none", "mem_per_cpu_gb", *(("mem_per_gpu_gb",) if partition.gpus else ()), "mem_gb"):
        yield {"memory": key}
