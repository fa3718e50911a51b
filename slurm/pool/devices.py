"""What a worker's job was given, as devices: so many GPUs, or so many cores, for each ticket.

Standard library only, and never a touch of a GPU: its driver is asked through ``nvidia-smi``.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

ASK_S = 60.0
MPS_PIPES = Path("/tmp/nvidia-mps")  # noqa: S108  # NVIDIA's own default
CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, kw_only=True)
class Device:
    """What one ticket gets; what as many share as there are slots."""

    name: str
    """GPUs as CUDA_VISIBLE_DEVICES takes them, "0" or "0,1"; "cores 0-3" where tickets have no GPU."""
    gpus: tuple[str, ...]
    cores: tuple[int, ...]
    """That its processes are bound to; empty: to none, since nothing says which are ours."""


def found(*, gpus: int, cpus: int, most: int | None) -> list[Device]:
    """The devices of this job, ``gpus`` GPUs or (where that is 0) ``cpus`` cores for each; ``most`` at most.

    Raises RuntimeError where GPUs are wanted and there are too few for one device.
    """
    here, known = cores_here()
    if not gpus:
        return _of_cores(here, cpus, most, known=known)
    visible = gpus_here()
    groups = [visible[first : first + gpus] for first in range(0, len(visible) - gpus + 1, gpus)][:most]
    if not groups:
        raise RuntimeError(
            f"packs need {gpus} GPU{'s' if gpus > 1 else ''} each and this job sees {len(visible)} "
            f"(CUDA_VISIBLE_DEVICES is {os.environ.get('CUDA_VISIBLE_DEVICES', 'not set')}); ask for GPUs in the "
            "profile, or set gpus_per_pack: 0"
        )
    share = len(here) // len(groups) if known else 0
    return [
        Device(name=",".join(group), gpus=tuple(group), cores=tuple(here[number * share : (number + 1) * share]))
        for number, group in enumerate(groups)
    ]


def _of_cores(here: list[int], cpus: int, most: int | None, *, known: bool) -> list[Device]:
    count = max(1, len(here) // cpus)
    if most is not None and most < count:
        count, known = most, False
    groups = [here[number * cpus : (number + 1) * cpus] for number in range(count)]
    return [
        Device(
            name=f"cores {_ranges(group)}" if known else f"{len(group)} cores ({number + 1})",
            gpus=(),
            cores=tuple(group) if known else (),
        )
        for number, group in enumerate(groups)
    ]


def cores_here() -> tuple[list[int], bool]:
    """Cores of this job, and whether they are known to be ours: where nothing confines the job to its cores, Slurm's
    number of them counts, and which they are is open."""
    allowed = sorted(os.sched_getaffinity(0))
    for variable in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"):
        with contextlib.suppress(KeyError, ValueError):
            given = int(os.environ[variable])
            return allowed[:given], given >= len(allowed)
    return allowed, True


def gpus_here() -> list[str]:
    """Names of the GPUs that this process may use, as CUDA_VISIBLE_DEVICES takes them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [gpu.strip() for gpu in visible.split(",") if gpu.strip() not in ("", "-1", "NoDevFiles")]
    return [row[0] for row in _asked("index")]


def kind(device: Device) -> str:
    """What devices of one kind have in common: name, memory and number of the GPUs, or name and number of the cores."""
    if device.gpus:
        names = sorted({", ".join(row) for row in _asked("name,memory.total", device.gpus)}) or ["GPU"]
        return f"{len(device.gpus)} x {' and '.join(names)}"
    return f"{len(device.cores) or 'some'} cores of {_processor()}"


def memory(found: Sequence[Device], processes: Iterable[int]) -> tuple[float, float] | None:
    """(used, there) in MB; None where it is not told. Of GPUs the fullest one's, whoever uses it; of cores the
    ``processes``' own and what this job may have, which all devices share."""
    gpus = [gpu for device in found for gpu in device.gpus]
    if gpus:
        rows = [(float(used), float(there)) for used, there in _asked("memory.used,memory.total", gpus)]
        return max(rows, key=lambda row: row[0] / row[1], default=None)
    there = _limit_mb()
    used = [mb for pid in processes if (mb := _used_mb(pid)) is not None]
    return (sum(used), there) if used and there else None


def mps() -> str:
    """In words, whether GPUs are shared through NVIDIA's MPS, which then runs on this node already."""
    pipes = Path(os.environ.get("CUDA_MPS_PIPE_DIRECTORY", MPS_PIPES))
    if (pipes / "control").exists():
        return f"MPS runs here ({pipes}): GPUs are shared through it"
    return "no MPS here: processes take turns on a GPU that they share"


def _asked(columns: str, gpus: Iterable[str] = ()) -> list[list[str]]:
    """A row for each GPU, as ``nvidia-smi`` tells; none where it does not."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    words = [tool, f"--query-gpu={columns}", "--format=csv,noheader,nounits"]
    if chosen := ",".join(gpus):
        words.append(f"--id={chosen}")
    try:
        told = subprocess.run(words, capture_output=True, text=True, timeout=ASK_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    rows = [[cell.strip() for cell in line.split(",")] for line in told.stdout.splitlines() if line.strip()]
    wanted = columns.count(",") + 1
    whole = all(len(row) == wanted and not any(cell.startswith("[") for cell in row) for row in rows)
    return rows if told.returncode == 0 and whole else []


def _processor() -> str:
    with contextlib.suppress(OSError), Path("/proc/cpuinfo").open(encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return os.uname().machine


def _used_mb(pid: int) -> float | None:
    """What a process has of the memory, with its share of what it shares (the libraries of all children)."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return None


def _limit_mb() -> float:
    """What this job may have: the machine's memory, the container's, Slurm's, or the cgroup's of this process."""
    known = []
    with contextlib.suppress(OSError, ValueError, IndexError):
        first = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()[0]
        known.append(int(first.split()[1]) / 1024)
    with contextlib.suppress(KeyError, ValueError):
        if given := int(os.environ["SLURM_MEM_PER_NODE"]):  # in MB; 0: all
            known.append(float(given))
    own = [CGROUP / "memory.max", CGROUP / "memory/memory.limit_in_bytes"]
    with contextlib.suppress(OSError, IndexError):
        below = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()[-1].split(":", 2)[2].strip("/")
        folder = CGROUP / below
        own += [each / "memory.max" for each in (folder, *folder.parents) if each.is_relative_to(CGROUP)]
    for path in own:
        with contextlib.suppress(OSError, ValueError):
            known.append(int(path.read_text(encoding="ascii")) / 2**20)
    return min(known, default=0.0)


def _ranges(numbers: Iterable[int]) -> str:
    """ "0-3,8" for 0, 1, 2, 3, 8."""
    ends: list[list[int]] = []
    for number in numbers:
        if ends and number == ends[-1][1] + 1:
            ends[-1][1] = number
        else:
            ends.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ends)
