"""Checks of a machine before a sweep is trusted to it. Changes nothing; torch is asked in a process of its own."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from actsweep_start import PACKAGES, why_hidden
from sweeps.wording import counted

if TYPE_CHECKING:
    from slurm.profile import Profile

_DEVICE = (
    "import torch; n = torch.cuda.device_count(); "
    "print(torch.__version__, '|', ', '.join(torch.cuda.get_device_name(i) for i in range(n)) or 'no GPU')"
)


@dataclass(frozen=True, kw_only=True)
class Finding:
    level: Literal["good", "note", "wrong"]
    text: str

    def words(self) -> str:
        return f"{self.level:5}  {self.text}"


def examine(profile: str | None) -> list[Finding]:
    """All findings, in the order a user would fix them."""
    return [*_python(), *_packages(), _device(), _data(), *_scheduler(), *([_profile(profile)] if profile else [])]


def _python() -> list[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    level: Literal["good", "wrong"] = "good" if sys.version_info >= (3, 11) else "wrong"
    return [Finding(level=level, text=f"Python {version}" + ("" if level == "good" else ": 3.11 or newer is needed"))]


def _packages() -> list[Finding]:
    """The four package names are common words: another distribution's ``trainer`` would overwrite ours silently."""
    owners = importlib.metadata.packages_distributions()
    found = []
    for package in PACKAGES:
        others = sorted({name for name in owners.get(package, []) if name != "actsweep"})
        if others:
            found.append(
                Finding(
                    level="wrong",
                    text=f"package {package!r} is also installed by {', '.join(others)}; they overwrite each other: "
                    "uninstall that, or install actsweep into an environment of its own",
                )
            )
    found += [Finding(level="note", text=text) for name in PACKAGES if (text := why_hidden(name))]
    versions = []
    for name in ("torch", "ray", "mlflow", "submitit", "optuna", "pandas"):
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            found.append(Finding(level="wrong", text=f"{name} is not installed: pip install --upgrade actsweep"))
    return [*found, Finding(level="good", text=", ".join(versions))]


def _device() -> Finding:
    run = subprocess.run([sys.executable, "-P", "-c", _DEVICE], capture_output=True, text=True, timeout=120)
    if run.returncode != 0:
        last = (run.stderr.strip().splitlines() or ["no message"])[-1]
        return Finding(level="wrong", text=f"torch cannot be imported: {last}")
    version, _, devices = run.stdout.strip().partition(" | ")
    return Finding(level="good", text=f"torch {version} sees {devices}; {counted(os.cpu_count() or 1, 'CPU core')}")


def _data() -> Finding:
    root = os.environ.get("ACTSWEEP_DATA")
    if root is None:
        text = "ACTSWEEP_DATA is not set: only data sets that come with a package are found, or a study's own root"
        return Finding(level="note", text=text)
    if not Path(root).is_dir():
        return Finding(level="wrong", text=f"ACTSWEEP_DATA is {root}, which is no folder")
    return Finding(level="good", text=f"data root {root}: {', '.join(sorted(p.name for p in Path(root).iterdir()))}")


def _scheduler() -> list[Finding]:
    if shutil.which("sbatch") is None:
        return [Finding(level="note", text="no sbatch on PATH: studies run on this machine (profile: local)")]
    run = subprocess.run(["sbatch", "--version"], capture_output=True, text=True, timeout=30)
    missing = [name for name in ("squeue", "sacct", "scancel", "scontrol") if shutil.which(name) is None]
    note = [Finding(level="note", text=f"not on PATH: {', '.join(missing)}")] if missing else []
    if run.returncode != 0:
        last = (run.stderr.strip().splitlines() or ["no message"])[-1]
        text = f"sbatch is installed but reaches no Slurm ({last}): studies run on this machine (profile: local)"
        return [Finding(level="note", text=text)]
    return [Finding(level="good", text=f"Slurm: {run.stdout.strip()}"), *note]


def _profile(name: str) -> Finding:
    from slurm.errors import ProfileError
    from slurm.profile import load

    try:
        profile = load(name)
    except ProfileError as error:
        return Finding(level="wrong", text=str(error))
    if profile.executor == "slurm" and shutil.which("sbatch") is None:
        return Finding(level="wrong", text=f"profile {name} needs Slurm, and there is no sbatch on PATH here")
    if profile.executor == "allocation":
        return _enclosing(profile)
    return Finding(level="good", text=f"profile {name}: {profile.executor}")


def _enclosing(profile: Profile) -> Finding:
    from slurm.errors import ClusterError
    from sweeps.view import enclosing_job

    try:
        return Finding(level="good", text=f"profile {profile.name}: {profile.executor}, {enclosing_job.words(profile)}")
    except ClusterError as error:
        return Finding(level="wrong", text=str(error))
