"""Writes the profile that follows from what a site says of itself, each choice with its reason beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator

from slurm.errors import ClusterError
from slurm.messages import nearest
from slurm.site import asking
from slurm.site.asking import Way
from slurm.site.facts import Site, SitePartition

CPUS_AT_MOST = 8
"""Cores of a pack, where a GPU's share of its node is larger: data sets that fit live on the device."""
MEMORY_AT_MOST_GB = 32.0
LONG_MIN = 1440
"""Packs save every epoch and are requeued: a longer limit waits longer in the queue and gains nothing."""
SMALLEST_ARRAY = 2
"""As MaxArraySize for a site without arrays: each pack is a job of its own."""
WORDS_AT_MOST = 160


def choose(site: Site, partition: str | None) -> SitePartition:
    """The partition named; else, of those that take jobs of ours, the default where it has GPUs, else the one that has
    most, else the default. Raises :class:`ClusterError` for one that is not there, and where none takes them."""
    by_name = {each.name: each for each in site.partitions}
    if partition is not None:
        if partition not in by_name:
            raise ClusterError(
                f"{partition}: no such partition here; accepts {', '.join(by_name)}{nearest(partition, list(by_name))}"
            )
        return by_name[partition]
    open_ones = [each for each in site.partitions if not each.closed]
    if not open_ones:
        reasons = "; ".join(f"{each.name} {each.closed}" for each in site.partitions)
        raise ClusterError(
            f"no partition of {site.cluster or 'this cluster'} takes jobs of yours now ({reasons}); "
            "name one with --partition"
        )
    return max(open_ones, key=lambda each: (bool(each.gpus), each.default, _total(each)))


def _total(partition: SitePartition) -> int:
    return sum(kind.usable * sum(kind.gpus.values()) for kind in partition.kinds)


def write(site: Site, partition: SitePartition, way: Way) -> str:
    """The profile as YAML, with comments."""
    lines = [*_header(site), "executor: slurm"]
    lines += [_line("partition", partition.name, _of_partition(partition)), *_other_partitions(site, partition)]
    lines += _account(site, partition, way)
    lines += _gpus(site, partition, way)
    lines += _cores_and_memory(site, partition, way)
    words, limit = _longest(site, partition, way)
    lines.append(_line("time", _time(limit), f"{words}; a pack saves every epoch and is requeued"))
    lines.append(_line("signal_lead_s", 120, "the node saves this long before the limit"))
    lines += _limits(site, partition, way)
    lines += [
        "setup: []                       # shell lines before Python; one that fails ends the job",
        "python: null                    # words that start Python on the node; null: the interpreter that submits",
        "scratch: null                   # a node's own disk, as $TMPDIR, where data sets are staged",
        _driver(site, partition, way),
        "poll_min_s: 15",
        "poll_max_s: 120",
        "sbatch: {}                      # further options, as {mail-type: FAIL, reservation: course}",
    ]
    return "\n".join(lines) + "\n"


def _header(site: Site) -> Iterator[str]:
    version = site.version or "of unknown version"
    yield f"# Profile for the cluster {site.cluster or '(unnamed)'}, Slurm {version}, from what it says of itself."
    yield "# Look it through; `actsweep check STUDY --cluster THIS_FILE` asks sbatch whether it takes it."
    if site.federated:
        yield f"# Answers come from several clusters; this profile, and all questions, are about {site.cluster} alone."
    for what, why in site.unknown.items():
        yield f"# Not learnt: {what} ({why})"


def _of_partition(partition: SitePartition) -> str:
    nodes = sum(kind.nodes for kind in partition.kinds)
    gpus = ", ".join(f"{count} {name or 'GPUs'}" for name, count in sorted(partition.gpus.items()))
    named = "the site's default; " if partition.default else ""
    closed = f"; it {partition.closed}" if partition.closed else ""
    return f"{named}{nodes} nodes{f' of up to {gpus}' if gpus else ', no GPUs'}{closed}"


def _other_partitions(site: Site, partition: SitePartition) -> Iterator[str]:
    others = [each for each in site.partitions if each.name != partition.name and (each.gpus or not partition.gpus)]
    named = [each.name for each in others if not each.closed]
    if named:
        yield f"# others{' with GPUs' if partition.gpus else ''}: {', '.join(named)}"
    if closed := [f"{each.name} {each.closed}" for each in others if each.closed]:
        yield f"# not for your jobs now: {'; '.join(closed)}"


def _account(site: Site, partition: SitePartition, way: Way) -> Iterator[str]:
    mine = asking.usable(site, partition)
    names = list(dict.fromkeys(each.account for each in mine))
    if len(names) > 1:
        yield _line("account", way.account, f"yours here: {', '.join(names)}")
    else:
        yield _line("account", way.account, "" if names else "none was told; your project, where asked for")
    there = asking.qos_there(partition, [each for each in mine if each.account == way.account])
    yield _line("qos", way.qos, f"yours here: {', '.join(there)}" if len(there) > 1 else "")


def _gpus(site: Site, partition: SitePartition, way: Way) -> Iterator[str]:
    gpus = partition.gpus
    if not gpus:
        yield _line("gpus_per_pack", 0, "the partition has no GPUs")
        yield _line("device", "cpu", "")
        if partition.whole_nodes:
            yield _line("jobs", "node", "the partition gives whole nodes: a job runs as many packs as fit, and goes on")
            yield _line("cpus_per_node", asking.kind_of(partition).cpus, "")
        return
    yield _line("gpus_per_pack", 1, "")
    if partition.whole_nodes:
        kind = asking.kind_of(partition)
        yield _line("jobs", "node", "the partition gives whole nodes: a job runs a pack on each GPU, and goes on")
        yield _line("gpus_per_node", sum(kind.gpus.values()), "")
    types = sorted(name for name in gpus if name)
    if way.gpu_type is not None or not types:
        yield _line("gpu_type", way.gpu_type, "" if types else "the site gives its GPUs no type")
    else:
        there = {name for kind in partition.kinds if kind.usable for name in kind.gpus}
        named = ", ".join(name for name in types if name in there)
        away = ", ".join(name for name in types if name not in there)
        why = f"any; times compare only among like ones: name one of {named}"
        yield _line("gpu_type", None, f"{why} (now down or drained: {away})" if away else why)
    if way.gpus_as != "gpus-per-node":
        why = "its scheduler plug-in knows no other way" if site.old_select else "sbatch refuses other ways"
        yield _line("ask_gpus_as", way.gpus_as, why)
    for words in way.refused:
        own = " ".join(words.split()).removesuffix(" allocation failure: Unspecified error")
        yield f"# sbatch said of another way to ask: {own[:WORDS_AT_MOST]}"


def _cores_and_memory(site: Site, partition: SitePartition, way: Way) -> Iterator[str]:
    kind = asking.kind_of(partition)
    share = max(sum(kind.gpus.values()), 1) if kind.gpus else kind.cpus
    whole = min(kind.cpus, partition.cpus_at_most or kind.cpus)
    cores = max(1, min(whole // share, CPUS_AT_MOST))
    yield _line("cpus_per_pack", cores, f"a node has {kind.cpus} cores and {kind.memory_gb:.0f} GB")
    most = min(0.9 * kind.memory_gb, partition.memory_at_most_gb or kind.memory_gb)
    memory = max(round(min(most / share, MEMORY_AT_MOST_GB), 1), 0.5)
    by_cpu = partition.memory_by_cpu_gb or site.memory_by_cpu_gb
    by_gpu = partition.memory_by_gpu_gb or site.memory_by_gpu_gb
    if way.memory == "none":
        why = f"the site gives {by_gpu:.4g} GB with each GPU" if by_gpu and kind.gpus else "sbatch refuses other ways"
        yield _line("mem_gb", None, why)
    elif way.memory == "mem_per_gpu_gb":
        yield _line("mem_per_gpu_gb", memory, "")
    elif way.memory == "mem_per_cpu_gb":
        why = f"the site gives {by_cpu:.4g} GB with a core" if by_cpu else ""
        yield _line("mem_per_cpu_gb", _down(min(by_cpu or memory, memory / cores)), why)
    else:
        shared_out = site.tracks_memory is not False
        yield _line("mem_gb", memory, "" if shared_out else "the site does not share out memory: it chooses nodes only")


def _down(gigabytes: float) -> float:
    """Two digits, rounded down: a site refuses, or charges, what is above its own."""
    return max(int(100 * gigabytes) / 100, 0.1)


def _longest(site: Site, partition: SitePartition, way: Way) -> tuple[str, int]:
    """Whose limit is the least, of partition, account and QOS, and what it is: a day where there is none."""
    mine = [each for each in asking.usable(site, partition) if each.account == way.account]
    qos = site.qos.get(way.qos or (mine[0].default_qos if mine else ""))
    known = {
        "the partition allows": partition.limit_min,
        "your account allows": min((each.limit_min for each in mine if each.limit_min), default=None),
        "the QOS allows": qos.limit_min if qos else None,
    }
    limits = [(limit, f"{words} {_time(limit)}") for words, limit in known.items() if limit]
    least, words = min(limits, default=(LONG_MIN, "the partition has no limit"))
    return words, min(least, LONG_MIN)


def _driver(site: Site, partition: SitePartition, way: Way) -> str:
    """Where a driver of its own job goes: to cores alone, where there are some for this account."""
    places = [each for each in site.partitions if not each.closed and not each.gpus and not each.whole_nodes]
    mine = [each for each in places if way.account is None or each.takes(way.account)]
    there = mine[0] if mine else partition
    keys = [f"partition: {there.name}"] if there is not partition else []
    keys += [f"time: {_time(_longest(site, there, way)[1])}", "mem_gb: 2" if way.memory == "mem_gb" else "mem_gb: null"]
    return f"driver: {{{', '.join(keys)}}} # where `actsweep run --detach` puts the driver itself"


def _limits(site: Site, partition: SitePartition, way: Way) -> Iterator[str]:
    if site.max_array_size is not None:
        why = "MaxArraySize" if site.max_array_size > 1 else "the site has no arrays: each pack is a job of its own"
        yield _line("max_array_size", max(site.max_array_size, SMALLEST_ARRAY), why)
    mine = [each for each in asking.usable(site, partition) if each.account == way.account]
    qos = site.qos.get(way.qos or (mine[0].default_qos if mine else ""))
    submits = [each.max_submit for each in mine] + ([qos.max_submit] if qos else [])
    jobs = [each.max_jobs for each in mine] + ([qos.max_jobs] if qos else [])
    if known := [limit for limit in submits if limit is not None]:
        yield _line("max_submit", min(known), "your limit of submitted jobs")
    if known := [limit for limit in jobs if limit is not None]:
        yield f"# at most {min(known)} of your jobs run at a time"
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
