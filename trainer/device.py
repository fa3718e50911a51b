"""The device that a pack runs on: choosing it, making it repeatable, and saying what it is."""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import torch

from trainer import company
from trainer.spec import Precision

SLURM_VARIABLES = (
    "SLURM_JOB_ID",
    "SLURM_ARRAY_JOB_ID",
    "SLURM_ARRAY_TASK_ID",
    "SLURM_JOB_NODELIST",
    "SLURM_JOB_PARTITION",
    "SLURM_RESTART_COUNT",
)


VARIABLE = "ACTSWEEP_DEVICE"
"""Of the environment: what a pack that may train on any device trains on here (cpu, cuda), where its partition says."""


def choose(wish: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """Raises RuntimeError where "cuda" is asked for and there is none: a job that lost its GPU must not crawl on."""
    if wish == "auto" and (said := os.environ.get(VARIABLE, "auto")) != "auto":
        if said not in ("cpu", "cuda"):
            raise RuntimeError(f"{VARIABLE}: got {said!r}, accepts auto, cpu or cuda; correct it in the profile")
        wish = said  # type: ignore[assignment]  # one of the two
    if wish == "cpu" or (wish == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise RuntimeError("device 'cuda' was asked for and torch finds none here; ask for a GPU, or for device: auto")
    return torch.device("cuda", torch.cuda.current_device())


@contextlib.contextmanager
def session(device: torch.device, threads: int) -> Iterator[None]:
    """Deterministic algorithms and ``threads`` host threads while it lasts; the process's own settings afterwards."""
    # cuBLAS reads this when its first handle is made, which no import of ours does.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = (
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
        torch.backends.cuda.matmul.allow_tf32,
        torch.backends.cudnn.allow_tf32,
        torch.backends.cudnn.benchmark,
    )
    torch.set_num_threads(threads)
    # On CUDA some layers that users bring have no deterministic kernel: they get a warning, not a refusal.
    torch.use_deterministic_algorithms(True, warn_only=device.type == "cuda")
    # Filling what is about to be overwritten only finds bugs; it costs a pass over every activation.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1], warn_only=before[2])
        torch.utils.deterministic.fill_uninitialized_memory = before[3]  # type: ignore[attr-defined]
        set_tf32(before[4], before[5])
        torch.backends.cudnn.benchmark = before[6]


def set_tf32(matmul: bool, convolution: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = matmul
    torch.backends.cudnn.allow_tf32 = convolution


def set_precision(precision: Precision) -> None:
    """fp32 and fp64 are strict; tf32 lets CUDA's matrix units round their inputs; bf16 casts by autocast and leaves the
    rest."""
    rounded = precision in ("tf32", "bf16")
    set_tf32(rounded, rounded)


def dtype(precision: Precision) -> torch.dtype:
    """Of weights, inputs and outputs."""
    return torch.float64 if precision == "fp64" else torch.float32


def name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    with contextlib.suppress(OSError), Path("/proc/cpuinfo").open(encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def environment(device: torch.device) -> dict[str, str]:
    """Versions, Slurm's ids where there are any, and ``slots``: packs on the device at a time, where it is shared."""
    known = {"python": platform.python_version(), "torch": str(torch.__version__)}
    if device.type == "cuda":
        known["cuda"] = str(torch.version.cuda)
        known["cudnn"] = str(torch.backends.cudnn.version())  # type: ignore[no-untyped-call]
        with contextlib.suppress(OSError):
            first = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8").splitlines()[0]
            known["driver"] = next((word for word in first.split() if word[:1].isdigit() and "." in word), first)
    known.update({name: os.environ[name] for name in SLURM_VARIABLES if name in os.environ})
    if (slots := company.slots()) > 1:
        known["slots"] = str(slots)
    return known


def begin_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory_mb(device: torch.device) -> float:
    """CUDA: the most that was allocated since :func:`begin_peak`, by all folds of the pack together. CPU: the most that
    the process has had resident so far."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def utilisation(device: torch.device) -> dict[str, float]:
    """A sample of our own GPU's load; empty on the CPU and where the driver's library for it is not installed."""
    if device.type != "cuda":
        return {}
    free, total = torch.cuda.mem_get_info(device)
    sampled = {"gpu_memory_mb": (total - free) / 2**20}
    try:
        sampled["gpu_percent"] = float(torch.cuda.utilization(device))
    except Exception as error:  # no library for it, or one of the library's own errors; training does not hang on it
        logging.getLogger(__name__).debug("no GPU utilisation: %s", error)
    return sampled
