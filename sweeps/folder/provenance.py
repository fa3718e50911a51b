"""Where a study's numbers come from: ``provenance.json`` with command, git state, versions, host and time.

Of the environment only an allowlist is kept, and what looks like a credential is masked in the command and in the diff:
the file travels with the study into its MLflow view.
"""

from __future__ import annotations

import getpass
import json
import os
import platform
import re
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from sweeps.folder.layout import PROVENANCE, write_aside
from sweeps.folder.secrets import redact

SCHEMA = 1
PACKAGES = (
    "actsweep",
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "scikit-learn",
    "pandas",
    "ray",
    "optuna",
    "mlflow",
    "submitit",
    "wfdb",
)
ENVIRONMENT = (
    "ACTSWEEP_DATA",
    "CONDA_DEFAULT_ENV",
    "CUDA_VISIBLE_DEVICES",
    "LANG",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "SLURM_CLUSTER_NAME",
    "SLURM_CONF",
    "SLURM_JOB_ID",
    "TZ",
    "VIRTUAL_ENV",
)
"""The only environment variables that are written down."""
MAX_DIFF = 500_000
"""Characters of a diff that are kept: a working tree with data in it is not provenance."""
GIT_TIMEOUT_S = 20.0

_SECRET = re.compile(
    r"((?:passw(?:or)?d|secret|token|api[_-]?key|credential)[\w-]{0,40}['\"]?\s{0,8}[:=]\s{0,8}['\"]?)[^\s'\",;]+",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Git:
    """The repository of the folder that the command ran in; empty without one."""

    commit: str = ""
    branch: str = ""
    dirty: bool = False
    diff: str = ""
    """Of tracked files against the commit, credentials masked, cut at :data:`MAX_DIFF` characters."""
    untracked: int = 0
    """Files that git neither tracks nor ignores; their text is not kept."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    schema: int = SCHEMA
    command: tuple[str, ...]
    time: str
    """ISO 8601, UTC."""
    host: str
    user: str
    platform: str
    python: str
    versions: Mapping[str, str]
    environment: Mapping[str, str]
    git: Git


def mask(text: str) -> str:
    """The text without credentials: those in URIs, and values after words such as password or token."""
    return _SECRET.sub(r"\1***", redact(text))


def mask_command(command: Sequence[str]) -> tuple[str, ...]:
    """:func:`mask` for a command line, where an option's value is a word of its own."""
    masked: list[str] = []
    for word in command:
        named = bool(masked) and masked[-1].startswith("-") and _SECRET.search(f"{masked[-1]}=x") is not None
        masked.append("***" if named and not word.startswith("-") else mask(word))
    return tuple(masked)


def collect(command: Sequence[str], directory: Path, *, environment: Mapping[str, str] | None = None) -> Provenance:
    """What can be known now. ``directory``: whose git repository is meant. Never fails for want of git."""
    variables = os.environ if environment is None else environment
    return Provenance(
        command=mask_command(command),
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        host=socket.gethostname(),
        user=_user(),
        platform=platform.platform(),
        python=platform.python_version(),
        versions=_versions(),
        environment={name: mask(variables[name]) for name in ENVIRONMENT if name in variables},
        git=_git(directory),
    )


def write(study_folder: Path, provenance: Provenance) -> None:
    """Writes ``provenance.json``."""
    write_aside(study_folder / PROVENANCE, json.dumps(asdict(provenance), indent=1, sort_keys=True))


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user id without a name, as in containers
        return str(os.getuid())


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _git(directory: Path) -> Git:
    commit = _ask(directory, "rev-parse", "HEAD")
    if not commit:
        return Git()
    diff = _ask(directory, "diff", "--no-ext-diff", "--no-textconv", "--no-color", "HEAD")
    others = _ask(directory, "ls-files", "--others", "--exclude-standard", "--full-name", ":/")
    kept = mask(diff[:MAX_DIFF])
    if len(diff) > MAX_DIFF:
        kept += f"\n... cut: {len(diff)} characters in all\n"
    return Git(
        commit=commit.strip(),
        branch=_ask(directory, "rev-parse", "--abbrev-ref", "HEAD").strip(),
        dirty=bool(diff),
        diff=kept,
        untracked=len(others.splitlines()),
    )


def _ask(directory: Path, *arguments: str) -> str:
    """Git's answer; "" where it has none."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(directory), *arguments],
            capture_output=True,
            timeout=GIT_TIMEOUT_S,
            check=False,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.decode("utf-8", errors="replace") if answer.returncode == 0 else ""
