"""Writes the profile that follows from what a site says of itself, each choice with its reason beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from slurm.errors import ClusterError
from slurm.messages import nearest
from slurm.site.facts import Association, NodeKind, Site, SitePartition

CPUS_AT_MOST = 8
"""Cores of a pack, where a GPU's share of its node is larger: data sets that fit live on the device."""
MEMORY_AT_MOST_GB = 32.0
LONG_MIN = 1440
"""Packs save every epoch and are requeued: a longer limit waits longer in the queue and gains nothing."""
HEADER_WIDTH = 96


def choose(site: Site, partition: str | None) -> SitePartition:
    """The partition named; else the default where it has GPUs, else the one that has most, else the default. Raises
    :class:`ClusterError` for one that is not there, and where none takes jobs."""
    by_name = {each.name: each for each in site.partitions}
    if partition is not None:
        if partition not in by_name:
            raise ClusterError(
                f"{partition}: no such partition here; accepts {', '.join(by_name)}{nearest(partition, list(by_name))}"
            )
        return by_name[partition]
    usable = [each for each in site.partitions if each.up and _allowed(each, site.associations)]
    if not usable:
        raise ClusterError(
            f"no partition of {site.cluster or 'this cluster'} takes jobs of yours now; name one with --partition"
        )
    return max(usable, key=lambda each: (bool(each.gpus), each.default, _total(each)))


def _allowed(partition: SitePartition, associations: Sequence[Association]) -> bool:
    mine = {each.account for each in associations}
    return not partition.accounts or not mine or bool(mine & set(partition.accounts))


def _total(partition: SitePartition) -> int:
    return sum(kind.nodes * sum(kind.gpus.values()) for kind in partition.kinds)


def write(site: Site, partition: SitePartition) -> str:
    """The profile as YAML, with comments."""
    lines = [*_header(site), "executor: slurm"]
    lines += [_line("partition", partition.name, _of_partition(partition))]
    others = [each.name for each in site.partitions if each.gpus and each.up and each.name != partition.name]
    if others:
        lines.append(f"# others with GPUs: {', '.join(others)}")
    lines += _account(site, partition)
    lines += _gpus(site, partition)
    lines += _cores_and_memory(site, partition)
    limit = min(partition.limit_min or LONG_MIN, LONG_MIN)
    longest = "has no limit" if partition.limit_min is None else f"allows {_time(partition.limit_min)}"
    lines.append(_line("time", _time(limit), f"the partition {longest}; a pack saves every epoch and is requeued"))
    lines.append(_line("signal_lead_s", 120, "the node saves this long before the limit"))
    lines += _limits(site, partition)
    lines += [
        "setup: []                       # shell lines before Python; one that fails ends the job",
        "python: null                    # words that start Python on the node; null: the interpreter that submits",
        "scratch: null                   # a node's own disk, as $TMPDIR, where data sets are staged",
        "poll_min_s: 15",
        "poll_max_s: 120",
        "sbatch: {}                      # further options, as {mail-type: FAIL, reservation: course}",
    ]
    return "\n".join(lines) + "\n"


def _header(site: Site) -> Iterator[str]:
    version = ".".join(map(str, site.version)) or "of unknown version"
    yield f"# Profile for the cluster {site.cluster or '(unnamed)'}, Slurm {version}, from what it says of itself."
    yield "# Look it through; `actsweep check STUDY --cluster THIS_FILE` asks sbatch whether it takes it."
    for what, why in site.unknown.items():
        yield f"# Not learnt: {what} ({why})"


def _of_partition(partition: SitePartition) -> str:
    nodes = sum(kind.nodes for kind in partition.kinds)
    gpus = ", ".join(f"{count} {name or 'GPUs'}" for name, count in sorted(partition.gpus.items()))
    named = "the site's default; " if partition.default else ""
    return f"{named}{nodes} nodes{f' of up to {gpus}' if gpus else ', no GPUs'}"


def _account(site: Site, partition: SitePartition) -> Iterator[str]:
    mine = [each for each in site.associations if each.partition in ("", partition.name)]
    usable = [each for each in mine if not partition.accounts or each.account in partition.accounts]
    names = list(dict.fromkeys(each.account for each in usable))
    if len(names) > 1:
        yield _line("account", names[0], f"yours here: {', '.join(names)}")
    else:
        yield _line(
            "account", names[0] if names else None, "" if names else "none was told; your project, where asked for"
        )
    qos = [name for each in usable[:1] for name in each.qos if not partition.qos or name in partition.qos]
    default = usable[0].default_qos if usable else ""
    asked = default if default in qos else None
    yield _line("qos", None if len(qos) <= 1 else asked, f"yours: {', '.join(qos)}" if len(qos) > 1 else "")


def _gpus(site: Site, partition: SitePartition) -> Iterator[str]:
    gpus = partition.gpus
    if not gpus:
        yield _line("gpus_per_pack", 0, "the partition has no GPUs")
        yield _line("device", "cpu", "")
        return
    yield _line("gpus_per_pack", 1, "")
    types = sorted(name for name in gpus if name)
    if len(types) > 1:
        yield _line("gpu_type", None, f"any; times compare only among like ones: name one of {', '.join(types)}")
    else:
        yield _line("gpu_type", types[0] if types else None, "" if types else "the site gives its GPUs no type")
    if site.old_select:
        yield _line("ask_gpus_as", "gres", "its scheduler plug-in knows no other way")
    if partition.whole_nodes:
        most = max(gpus.values())
        yield f"# The partition gives whole nodes: a job of one GPU pays for {most}; a shared one may be cheaper."


def _cores_and_memory(site: Site, partition: SitePartition) -> Iterator[str]:
    kind = _kind(partition)
    share = max(sum(kind.gpus.values()), 1) if kind.gpus else kind.cpus
    cores = max(1, min(kind.cpus // share, CPUS_AT_MOST))
    yield _line("cpus_per_pack", cores, f"a node has {kind.cpus} cores and {kind.memory_gb:.0f} GB")
    memory = max(round(min(0.9 * kind.memory_gb / share, MEMORY_AT_MOST_GB), 1), 0.5)
    by_cpu = partition.memory_by_cpu_gb or site.memory_by_cpu_gb
    if site.memory_by_gpu_gb is not None and kind.gpus:
        yield _line("mem_gb", None, f"the site gives {site.memory_by_gpu_gb:g} GB with each GPU")
    elif by_cpu is not None:
        yield _line(
            "mem_per_cpu_gb", round(min(by_cpu, memory / cores), 2), f"the site gives {by_cpu:g} GB with a core"
        )
    elif site.tracks_memory is False:
        yield _line("mem_gb", memory, "the site does not share out memory: this only chooses among nodes")
    else:
        yield _line("mem_gb", memory, "")


def _kind(partition: SitePartition) -> NodeKind:
    """The nodes that are most, of those with GPUs where some have them."""
    with_gpus = [kind for kind in partition.kinds if kind.gpus]
    return max(with_gpus or partition.kinds, key=lambda kind: kind.nodes)


def _limits(site: Site, partition: SitePartition) -> Iterator[str]:
    if site.max_array_size is not None:
        yield _line("max_array_size", site.max_array_size, "MaxArraySize")
    submits = [each.max_submit for each in site.associations if each.max_submit is not None]
    jobs = [each.max_jobs for each in site.associations if each.max_jobs is not None]
    if submits:
        yield _line("max_submit", min(submits), "your account's limit of submitted jobs")
    if jobs:
        yield f"# your account runs at most {min(jobs)} jobs at a time"
    if site.accounting is False:
        yield _line("accounting", False, "the site keeps none: sacct is not asked")


def _line(key: str, value: object, why: str) -> str:
    shown = "null" if value is None else value if isinstance(value, str) and _plain(value) else json.dumps(value)
    text = f"{key}: {shown}"
    return f"{text:<31} # {why}" if why else text


def _plain(value: str) -> bool:
    return (
        value[:1].isalnum() and all(letter.isalnum() or letter in "-_.:" for letter in value) and not value.isdecimal()
    )


def _time(minutes: int) -> str:
    days, rest = divmod(minutes, 1440)
    return f"{days}-{rest // 60:02d}:{rest % 60:02d}:00" if days else f"{rest // 60}:{rest % 60:02d}:00"
