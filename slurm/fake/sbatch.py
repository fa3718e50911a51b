"""What a site's sbatch refuses, in its words: Slurm's own rules, from what the site is, then the site's.

The words are those of Slurm 22.05 as its own sbatch says them; a rule that a version has not yet is left out there.
"""

from __future__ import annotations

import csv
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

Options = Mapping[str, str]
GPU_OPTIONS = ("gpus-per-node", "gpus-per-task", "gpus")
MEMORY = ("mem", "mem-per-cpu", "mem-per-gpu")
FITS_NOT = "Requested node configuration is not available"


def read(script: str, words: Sequence[str] = ()) -> dict[str, str]:
    """The options of a batch script and of sbatch's own words: long name -> value, "" without one."""
    given = re.findall(r"^#SBATCH\s+--(\S+.*)$", script, flags=re.MULTILINE)
    given += [word.removeprefix("--") for word in words if word.startswith("--")]
    found: dict[str, str] = {}
    for entry in given:
        name, _, value = entry.partition("=")
        found[name] = "".join(shlex.split(value))
    return found


def given(options: Options) -> dict[str, str]:
    """Variables by which a job hears what it was given."""
    gpus = sum(count for kind, _, count in _gres(options) if kind == "gpu")
    cores = {"SLURM_CPUS_PER_TASK": options["cpus-per-task"]} if "cpus-per-task" in options else {}
    return cores | ({"CUDA_VISIBLE_DEVICES": ",".join(map(str, range(gpus)))} if gpus else {})


def preset(site: dict[str, Any]) -> dict[str, str]:
    """Options that the site sets for every job."""
    return {rule["option"]: rule["value"] for rule in site["rules"] if rule["do"] == "set"}


def refusal(site: dict[str, Any], options: Options, *, test_only: bool = False) -> str | None:
    """What sbatch says of a job that it does not take; None for one that it takes."""
    said = next(_before_asking(site, options), None)
    if said is not None:
        return said
    end = "allocation failure: " if test_only else "sbatch: error: Batch job submission failed: "
    own = next(_own(site, options), None)
    if own is not None:
        return f"sbatch: error: {own}\n{end}Unspecified error"
    reason = next(_by_slurmctld(site, options), None)
    return None if reason is None else f"{reason[0]}{end}{reason[1]}"


def _before_asking(site: dict[str, Any], options: Options) -> Iterator[str]:
    """What sbatch finds by itself."""
    known = _known(tuple(site["version"]))
    for name, value in options.items():
        if name not in known:
            shown = f"--{name}={value}" if value else f"--{name}"
            yield f"sbatch: unrecognized option '{shown}'\nTry \"sbatch --help\" for more information"
    if sum(name in options for name in MEMORY) > 1:
        yield "sbatch: fatal: --mem, --mem-per-cpu, and --mem-per-gpu are mutually exclusive."
    if "," in options.get("nodelist", "") and options.get("nodes") == "1":
        yield "sbatch: error: invalid number of nodes (-N 2-1)"


def _known(version: tuple[int, ...]) -> set[str]:
    text = (Path(__file__).parents[1] / "sbatch_long_options.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return {row["name"] for row in rows if tuple(int(part) for part in row["since"].split(".")) <= version}


def _own(site: dict[str, Any], options: Options) -> Iterator[str]:
    """The words of the site's job_submit plug-in."""
    partition = _partition(site, options)
    for rule in site["rules"]:
        if rule["do"] == "set" or not fnmatchcase(partition, rule["partition"] or "*"):
            continue
        given = options.get(rule["option"])
        fits = given is not None and fnmatchcase(given, rule["value"] or "*")
        if fits == (rule["do"] == "refuse"):
            yield rule["words"]


def _partition(site: dict[str, Any], options: Options) -> str:
    default = next((each["PartitionName"] for each in site["partitions"] if each.get("Default") == "YES"), "")
    return options.get("partition", default)


def _by_slurmctld(site: dict[str, Any], options: Options) -> Iterator[tuple[str, str]]:
    """Line before, and reason."""
    name = _partition(site, options)
    rules = next((each for each in site["partitions"] if each["PartitionName"] == name), None)
    if rules is None:
        yield f"sbatch: error: invalid partition specified: {name}\n", "Invalid partition name specified"
        return
    if rules.get("State") in ("DRAIN", "INACTIVE"):
        yield "", "Required partition not available (inactive or drain)"
    yield from (("", words) for words in _account(site, rules, options))
    limit, asked = rules.get("MaxTime", "UNLIMITED"), _minutes(options.get("time", "1"))
    if site["config"].get("EnforcePartLimits", "NO") != "NO" and limit != "UNLIMITED" and asked > _minutes(limit):
        yield "", "Requested time limit is invalid (missing or exceeds some limit)"
    if "reservation" in options and options["reservation"] not in site["reservations"]:
        yield "", "Requested reservation is invalid"
    if rules.get("ReqResv") == "YES" and "reservation" not in options:
        yield "", "Access denied to requested reservation"
    licences = site["config"].get("Licenses", "(null)")
    for licence in options["licenses"].split(",") if "licenses" in options else ():
        if licence.split(":")[0] not in [each.split(":")[0] for each in licences.split(",")]:
            yield "", "Invalid license specification"
    there = {node for each in site["partitions"] for node in nodes(each.get("Nodes", ""))}
    if not {node for option in ("nodelist", "exclude") for node in nodes(options.get(option, ""))} <= there:
        yield "", "Invalid node name specified"
    yield from _fitting(site, name, rules, options)


def nodes(text: str) -> Iterator[str]:
    """Names that a list of Slurm's stands for, as ``c[001-003,7],d1``."""
    for part in re.split(r",(?![^\[]*\])", text) if text else ():
        head, _, ranges = part.rstrip("]").partition("[")
        for each in ranges.split(",") if ranges else ():
            first, _, last = each.partition("-")
            yield from (f"{head}{number:0{len(first)}}" for number in range(int(first), int(last or first) + 1))
        if not ranges:
            yield head


def _account(site: dict[str, Any], rules: Mapping[str, str], options: Options) -> Iterator[str]:
    enforced = site["config"].get("AccountingStorageEnforce", "none")
    if "associations" not in enforced:
        return
    account = options.get("account", site["assoc"][0]["Account"])
    mine = [each for each in site["assoc"] if each["Account"] == account]
    here = [each for each in mine if each["Partition"] in ("", rules["PartitionName"])]
    allowed, denied = rules.get("AllowAccounts", "ALL"), rules.get("DenyAccounts", "")
    if not here or (allowed != "ALL" and account not in allowed.split(",")) or account in denied.split(","):
        yield "Invalid account or account/partition combination specified"
        return
    qos = options.get("qos") or here[0]["Def QOS"] or here[0]["QOS"].split(",")[0]
    allowed = rules.get("AllowQos", "ALL")
    if qos not in here[0]["QOS"].split(",") or (allowed != "ALL" and qos not in allowed.split(",")):
        yield "Invalid qos specification"
    longest = next((each["MaxWall"] for each in site["qos"] if each["Name"] == qos), "")
    if "qos" in enforced and longest and _minutes(options.get("time", "1")) > _minutes(longest):
        yield (
            "QOSMaxWallDurationPerJobLimit\nJob violates accounting/QOS policy "
            "(job submit limit, user's size and/or time limits)"
        )


def _minutes(text: str) -> float:
    days, _, rest = text.rpartition("-")
    parts = [int(part) for part in rest.split(":")]
    if days:
        parts = [*parts, 0, 0][:3]
        return 1440 * int(days) + 60 * parts[0] + parts[1] + parts[2] / 60
    if len(parts) == 3:
        return 60 * parts[0] + parts[1] + parts[2] / 60
    return parts[0] + (parts[1] / 60 if len(parts) > 1 else 0)


def _fitting(site: dict[str, Any], name: str, rules: Mapping[str, str], options: Options) -> Iterator[tuple[str, str]]:
    wanted = list(_gres(options))
    types = site["config"].get("GresTypes", "(null)").split(",")
    if any(each[0] not in types for each in wanted):
        yield "", "Invalid generic resource (gres) specification"
    if any(option in options for option in GPU_OPTIONS) and "cons_tres" not in site["config"].get("SelectType", ""):
        yield "", "Requested GRES option unsupported by configured SelectType plugin"
    alone = "gpus-per-task" in options and not {"ntasks", "gpus"} & set(options)
    if alone and (tuple(site["version"]) >= (23, 2) or "ntasks-per-node" not in options):
        yield (
            "sbatch: error: Failed to validate job spec. --gpus-per-task or --tres-per-task used without either "
            "--gpus or -n/--ntasks is not allowed.\n",
            "Invalid generic resource (gres) specification",
        )
    gpus = sum(count for kind, _, count in wanted if kind == "gpu")
    if "mem-per-gpu" in options and not gpus:
        said = "sbatch: error: Requested mem_per_tres=gres:gpu but did not request any GPU.\n"
        yield said, "Invalid generic resource (gres) specification"
    rows = [each for each in site["sinfo"] if each.get("PARTITION", "").rstrip("*") == name] or _hidden(rules)
    features = {feature for row in rows for feature in row["AVAIL_FEATURES"].split(",")}
    for feature in re.findall(r"[\w.-]+", re.sub(r"\*\d+", "", options.get("constraint", ""))):
        if feature not in features:
            yield "", "Invalid feature specification"
    if not any(_fits(row, rules, options, wanted, gpus) for row in rows):
        yield "", FITS_NOT


def _hidden(rules: Mapping[str, str]) -> list[dict[str, str]]:
    """Nodes of a partition that sinfo does not show, as its total says."""
    total = dict(each.partition("=")[::2] for each in rules.get("TRES", "").split(","))
    nodes = int(total.get("node", 1))
    memory = int(re.sub(r"\D", "", total.get("mem", "0M")) or 0) * (1024 if total.get("mem", "").endswith("G") else 1)
    gres = f"gpu:{int(total['gres/gpu']) // nodes}" if "gres/gpu" in total else "(null)"
    return [
        {
            "CPUS": str(int(total.get("cpu", 1)) // nodes),
            "MEMORY": str(memory // nodes),
            "GRES": gres,
            "AVAIL_FEATURES": "(null)",
        }
    ]


def _gres(options: Options) -> Iterator[tuple[str, str, int]]:
    """Kind, type and count of each generic resource that is asked for."""
    for option in GPU_OPTIONS:
        for entry in options[option].split(",") if option in options else ():
            yield _counted(f"gpu:{entry}")
    for entry in options["gres"].split(",") if options.get("gres", "none") != "none" else ():
        yield _counted(entry)


def _counted(entry: str) -> tuple[str, str, int]:
    parts = re.sub(r"\(.*?\)", "", entry).split(":")
    count = re.fullmatch(r"(\d+)[KMGT]?", parts[-1])
    rest = parts[1:-1] if count else parts[1:]
    return parts[0], ":".join(rest), int(count.group(1)) if count else 1


def _fits(
    row: Mapping[str, str],
    rules: Mapping[str, str],
    options: Options,
    wanted: Sequence[tuple[str, str, int]],
    gpus: int,
) -> bool:
    cpus = int(options.get("cpus-per-task", "1")) * int(options.get("ntasks-per-node", options.get("ntasks", "1")))
    limit = rules.get("MaxCPUsPerNode", "UNLIMITED")
    most = min(int(re.sub(r"\D", "", row["CPUS"])), int(limit) if limit.isdecimal() else 10**6)
    given = {name: _megabytes(options[name]) for name in MEMORY if name in options}
    memory = given.get("mem", given.get("mem-per-cpu", 0.0) * cpus or given.get("mem-per-gpu", 0.0) * gpus)
    largest = rules.get("MaxMemPerNode", "UNLIMITED")
    room = min(float(re.sub(r"\D", "", row["MEMORY"])), float(largest) if largest.isdecimal() else 1e12)
    has = [_counted(entry) for entry in re.split(r",(?![^(]*\))", row["GRES"]) if entry != "(null)"]
    for kind, type_, count in wanted:
        if count > sum(there for name, of, there in has if name == kind and type_ in ("", of)):
            return False
    return cpus <= most and memory <= room


def _megabytes(text: str) -> float:
    found = re.fullmatch(r"(\d+)([KMGT]?)B?", text.upper())
    assert found is not None, text
    return int(found.group(1)) * {"K": 1 / 1024, "": 1, "M": 1, "G": 1024, "T": 1024**2}[found.group(2)]
