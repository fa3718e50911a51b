"""The shape of a development cluster, and the files that make Slurm take that shape."""

from __future__ import annotations

import contextlib
import getpass
import os
import random
import shutil
import socket
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from slurm.errors import DevClusterError

PACKAGES = {
    "munged": "munge",
    "slurmctld": "slurm-wlm",
    "slurmd": "slurm-wlm",
    "sbatch": "slurm-wlm",
    "slurmdbd": "slurmdbd",
    "mariadbd": "mariadb-server",
    "mariadb-install-db": "mariadb-server",
}
ACCOUNTING = ("slurmdbd", "mariadbd", "mariadb-install-db")
STANDARD_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
PORTS = range(20000, 32000)
SYSTEM_FOLDERS = ("/usr/sbin", "/sbin", "/usr/local/sbin")
SETTINGS = {
    "ClusterName": "dev",
    "SlurmctldHost": "localhost(127.0.0.1)",
    "AuthType": "auth/munge",
    "CredType": "cred/munge",
    "ProctrackType": "proctrack/linuxproc",
    "TaskPlugin": "task/none",
    "MpiDefault": "none",
    "SwitchType": "switch/none",
    "SelectType": "select/cons_tres",
    "SelectTypeParameters": "CR_Core",
    "SlurmdParameters": "config_overrides",
    "SchedulerType": "sched/backfill",
    "SchedulerParameters": "sched_interval=1,bf_interval=1,batch_sched_delay=0,sched_min_interval=0",
    "PreemptType": "preempt/partition_prio",
    "PreemptMode": "REQUEUE",
    "GresTypes": "gpu",
    "ReturnToService": "2",
    "SlurmctldTimeout": "60",
    "InactiveLimit": "0",
    "KillWait": "10",
    "MinJobAge": "300",
    "JobAcctGatherType": "jobacct_gather/none",
    "JobCompType": "jobcomp/none",
}
"""Entries of slurm.conf that are the same for every development cluster."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What the development cluster looks like."""

    nodes: int = 4
    gpus_per_node: int = 4
    cpus_per_node: int = 8
    mem_gb_per_node: int = 16
    accounting: bool = True
    """With MariaDB and slurmdbd, so that sacct answers."""
    max_array_size: int = 1001
    max_submit: int | None = None
    """Most jobs a user may have submitted, by a QOS; needs accounting."""
    slurmd_timeout_s: int = 60
    """After this long without an answer a node is down and its jobs have failed with it."""
    requeue_wait_s: int = 10
    """How long a requeued job waits before it may start again: 5 at least, 120 on a cluster left as it comes."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Further lines of slurm.conf."""

    @property
    def node_names(self) -> list[str]:
        return [f"gpu{number}" for number in range(1, self.nodes + 1)]


def write(folder: Path, shape: Shape, ports: Sequence[int]) -> None:
    """Writes slurm.conf, gres.conf and slurmdbd.conf; ``ports`` are the controller's, the database daemon's and one per
    node."""
    (folder / "state").mkdir(exist_ok=True)
    (folder / "slurm.conf").write_text("\n".join([*_slurm_conf(folder, shape, ports), ""]), encoding="utf-8")
    gres = [
        f"NodeName={node} Name=gpu File={device}" for node in shape.node_names for device in _devices(folder, shape)
    ]
    (folder / "gres.conf").write_text("\n".join([*gres, ""]), encoding="utf-8")
    database = folder / "slurmdbd.conf"
    database.write_text(
        f"AuthType=auth/munge\nAuthInfo=socket={folder}/munge.socket\nDbdHost=localhost\nDbdPort={ports[1]}\n"
        f"SlurmUser={getpass.getuser()}\nStorageType=accounting_storage/mysql\nStorageHost=localhost\n"
        f"StorageUser=slurm\nStoragePass=dev\nStorageLoc=slurm_acct_db\n"
        f"LogFile={folder}/slurmdbd.log\nPidFile={folder}/slurmdbd.pid\n",
        encoding="utf-8",
    )
    database.chmod(0o600)


def _devices(folder: Path, shape: Shape) -> list[str]:
    """A character device per pretended GPU: new ones where we may make them, else ones that every system has."""
    devices = folder / "devices"
    devices.mkdir(exist_ok=True)
    wanted = [devices / f"gpu{number}" for number in range(shape.gpus_per_node)]
    try:
        for path in wanted:
            if not path.exists():
                os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        return [str(path) for path in wanted]
    except PermissionError:
        usable = [f"/dev/{name}" for name in STANDARD_DEVICES if Path(f"/dev/{name}").is_char_device()]
        if len(usable) < shape.gpus_per_node:
            raise DevClusterError(
                f"without the right to make devices a node can pretend {len(usable)} GPUs, "
                f"not {shape.gpus_per_node}; ask for fewer, or run as root"
            ) from None
        return usable[: shape.gpus_per_node]


def _slurm_conf(folder: Path, shape: Shape, ports: Sequence[int]) -> list[str]:
    settings = {**SETTINGS, **_places(folder, shape, ports), **_accounting(folder, shape, ports), **shape.settings}
    gres = f"Gres=gpu:{shape.gpus_per_node} " if shape.gpus_per_node else ""
    return [
        *(f"{key}={value}" for key, value in settings.items()),
        *(
            f"NodeName={node} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} CPUs={shape.cpus_per_node} "
            f"RealMemory={1024 * shape.mem_gb_per_node} {gres}State=UNKNOWN"
            for node, port in zip(shape.node_names, ports[2:], strict=True)
        ),
        "PartitionName=main Nodes=ALL Default=YES State=UP MaxTime=INFINITE PriorityTier=1 PreemptMode=REQUEUE",
        "PartitionName=urgent Nodes=ALL State=UP MaxTime=INFINITE PriorityTier=10 PreemptMode=OFF",
    ]


def _places(folder: Path, shape: Shape, ports: Sequence[int]) -> dict[str, str]:
    """What depends on folder, user and shape."""
    return {
        "SlurmctldPort": str(ports[0]),
        "SlurmUser": getpass.getuser(),
        "SlurmdUser": getpass.getuser(),
        "AuthInfo": f"socket={folder}/munge.socket,cred_expire={shape.requeue_wait_s}",
        "StateSaveLocation": f"{folder}/state",
        "SlurmdSpoolDir": f"{folder}/spool-%n",
        "SlurmctldPidFile": f"{folder}/slurmctld.pid",
        "SlurmdPidFile": f"{folder}/slurmd-%n.pid",
        "SlurmctldLogFile": f"{folder}/slurmctld.log",
        "SlurmdLogFile": f"{folder}/%n.log",
        "SlurmdTimeout": str(shape.slurmd_timeout_s),
        "MaxArraySize": str(shape.max_array_size),
    }


def _accounting(folder: Path, shape: Shape, ports: Sequence[int]) -> dict[str, str]:
    if not shape.accounting:
        return {"AccountingStorageType": "accounting_storage/none"}
    settings = {
        "AccountingStorageType": "accounting_storage/slurmdbd",
        "AccountingStorageHost": "localhost",
        "AccountingStoragePort": str(ports[1]),
        "AccountingStoragePass": f"{folder}/munge.socket",
        "AccountingStorageTRES": "gres/gpu",
    }
    if shape.max_submit is not None:
        settings["AccountingStorageEnforce"] = "limits,qos"
    return settings


def missing_packages(shape: Shape) -> list[str]:
    """Packages (as Debian names them) whose programs are not installed."""
    needed = [name for name in PACKAGES if shape.accounting or name not in ACCOUNTING]
    return sorted({PACKAGES[name] for name in needed if which(name) is None})


def which(name: str) -> str | None:
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *SYSTEM_FOLDERS]))


def find(name: str) -> str:
    found = which(name)
    if found is None:
        raise DevClusterError(f"the development cluster needs {PACKAGES[name]}: apt-get install {PACKAGES[name]}")
    return found


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, below those that systems give to outgoing connections."""
    found: list[int] = []
    # not the process' own generator: two processes that seeded it alike would take the same ports
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            return found
    raise DevClusterError(f"fewer than {count} ports from {PORTS.start} to {PORTS.stop - 1} are free")
