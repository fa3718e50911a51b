"""A private Slurm on one machine: real daemons, pretended GPUs, one folder, no service of the system touched.

:func:`up` starts munge, MariaDB, slurmdbd, slurmctld and one slurmd per node, with their configuration, sockets, logs
and data below one folder and on ports that were free; everything is found through ``SLURM_CONF`` alone. :func:`down`
leaves no process behind. Nodes claim more cores and GPUs than the machine has; jobs see ``CUDA_VISIBLE_DEVICES`` as on
a real cluster, but there is no device behind it.
"""

from __future__ import annotations

import dataclasses
import getpass
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from slurm import processes
from slurm.dev import config
from slurm.dev.config import Shape, missing_packages
from slurm.dev.daemons import Daemons, last_words
from slurm.errors import DevClusterError
from slurm.files import write_whole

SCHEMA = 1
LAST = "mariadbd"
"""Keeps what the others write, so it ends after them."""


@dataclass(frozen=True, kw_only=True)
class Status:
    """How the development cluster stands."""

    folder: Path
    conf: Path
    shape: Shape
    daemons: Mapping[str, bool]
    """Whether each runs."""
    nodes: Mapping[str, str]
    """Slurm's word for each node; empty while the controller does not answer."""

    @property
    def running(self) -> bool:
        return all(self.daemons.values())


class DevCluster:
    """One development cluster in a folder: its daemons, and what tests do to them."""

    def __init__(self, folder: Path, shape: Shape, daemons: Daemons | None = None) -> None:
        self.folder = folder
        self.shape = shape
        self.conf = folder / "slurm.conf"
        self._daemons = daemons or Daemons(folder)

    @property
    def nodes(self) -> list[str]:
        return self.shape.node_names

    def environment(self) -> dict[str, str]:
        """What a shell needs to reach it."""
        return {"SLURM_CONF": str(self.conf)}

    def start_controller(self) -> None:
        """Starts slurmctld and waits for its answer."""
        self._daemon("slurmctld", [config.find("slurmctld"), "-D", "-f", str(self.conf)])
        self._daemons.until("slurmctld", lambda: self._ask("scontrol", "ping") is not None)

    def stop_controller(self) -> None:
        """Ends slurmctld, as for its maintenance; jobs run on."""
        self._daemons.end("slurmctld", signal.SIGTERM)

    def start_node(self, node: str) -> None:
        """Starts a node's slurmd."""
        self._daemon(node, [config.find("slurmd"), "-D", "-f", str(self.conf), "-N", node])

    def kill_node(self, node: str) -> None:
        """Kills a node's slurmd: the node is cut off, its job steps run on unseen."""
        self._daemons.end(node, signal.SIGKILL)

    def status(self) -> Status:
        states = self._ask("sinfo", "--noheader", "--Node", "--format=%N %T") or ""
        pairs = (line.split() for line in states.splitlines() if line.strip())
        return Status(
            folder=self.folder,
            conf=self.conf,
            shape=self.shape,
            daemons={name: self._daemons.alive(name) for name in self._daemons.known},
            nodes={pair[0]: pair[-1] for pair in pairs},
        )

    def start(self) -> None:
        """Starts everything; raises :class:`slurm.errors.DevClusterError` with the tail of the log that says why."""
        ports = config.free_ports(2 + self.shape.nodes)
        config.write(self.folder, self.shape, ports)
        self._daemon("munged", self._munged())
        if self.shape.accounting:
            self._start_database()
        self._daemons.until("munged", (self.folder / "munge.socket").exists)
        if self.shape.accounting:
            self._daemon("slurmdbd", [config.find("slurmdbd"), "-D"])
            self._daemons.until("slurmdbd", lambda: _listens(ports[1]))
            self._ask("sacctmgr", "--immediate", "add", "cluster", "dev")
            if self.shape.max_submit is not None:
                self._limit(self.shape.max_submit)
        self.start_controller()
        for node in self.nodes:
            self.start_node(node)
        self._daemons.until("slurmctld", lambda: set(self.status().nodes.values()) == {"idle"})

    def end(self) -> None:
        """Ends every daemon and every job step; leaves no process."""
        if self._daemons.alive("slurmctld"):
            self._ask("scancel", "--user", str(os.getuid()), timeout=5)
        self._daemons.end_all(LAST)

    def _start_database(self) -> None:
        folder = self.folder / "database"
        account = ["--user=root"] if getpass.getuser() == "root" else []  # else it refuses to run as root
        folder.mkdir(exist_ok=True)
        # MariaDB empties its folder of temporary files as it starts, also of those that another one there is using
        aside = {"TMPDIR": str(self.folder / "tmp")}
        Path(aside["TMPDIR"]).mkdir(exist_ok=True)
        if not (folder / "mysql").exists():
            words = [
                config.find("mariadb-install-db"),
                "--no-defaults",
                *account,
                f"--datadir={folder}",
                "--skip-test-db",
            ]
            done = subprocess.run(words, env=os.environ | aside, capture_output=True, text=True, check=False)
            if done.returncode:
                raise DevClusterError(f"mariadb-install-db failed: {last_words(done.stderr or done.stdout)}")
        boot = self.folder / "database.sql"
        boot.write_text(
            "CREATE DATABASE IF NOT EXISTS slurm_acct_db;\n"
            "CREATE USER IF NOT EXISTS 'slurm'@'localhost' IDENTIFIED BY 'dev';\n"
            "GRANT ALL ON slurm_acct_db.* TO 'slurm'@'localhost';\n",
            encoding="utf-8",
        )
        boot.chmod(0o644)
        options = [
            f"--datadir={folder}",
            f"--socket={folder}/db.socket",
            f"--pid-file={folder}/db.pid",
            f"--init-file={boot}",
            "--skip-networking",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-buffer-pool-size=64M",
            "--innodb-lock-wait-timeout=900",
        ]
        self._daemon(LAST, [config.find("mariadbd"), "--no-defaults", *account, *options], aside)
        self._daemons.until(LAST, (folder / "db.socket").exists)

    def _munged(self) -> list[str]:
        key = self.folder / "munge.key"
        if not key.exists():
            key.write_bytes(os.urandom(128))
            key.chmod(0o600)
        named = ("key-file=munge.key", "socket=munge.socket", "pid-file=munge.pid", "seed-file=munge.seed")
        options = [f"--{name.replace('=', f'={self.folder}/')}" for name in (*named, "log-file=munge.log")]
        return [config.find("munged"), "--foreground", "--force", *options]

    def _limit(self, max_submit: int) -> None:
        """Registers this user and limits what the user may have submitted."""
        user = getpass.getuser()
        for words in (
            ["add", "account", "dev", "Cluster=dev"],
            ["add", "user", user, "Account=dev", "Cluster=dev"],
            ["modify", "qos", "normal", "set", f"MaxSubmitJobsPerUser={max_submit}"],
        ):
            if self._ask("sacctmgr", "--immediate", *words) is None:
                raise DevClusterError(f"sacctmgr {' '.join(words)} failed; see {self.folder}/slurmdbd.log")

    def _daemon(self, name: str, words: Sequence[str], variables: Mapping[str, str] | None = None) -> None:
        database = {"MYSQL_UNIX_PORT": str(self.folder / "database" / "db.socket")}
        self._daemons.start(name, words, {**self.environment(), **database, **(variables or {})})
        self._remember()

    def _ask(self, *words: str, timeout: float = 30) -> str | None:
        """A command's output; None where it failed."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("SLURM_")}
        try:
            done = subprocess.run(
                words,
                env=environment | self.environment(),
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout if done.returncode == 0 else None

    def _remember(self) -> None:
        """Notes who the daemons are, so that another process can end them."""
        record = {
            "schema": SCHEMA,
            "shape": dataclasses.asdict(self.shape),
            "daemons": {name: dataclasses.asdict(identity) for name, identity in self._daemons.known.items()},
        }
        write_whole(self.folder / "cluster.json", json.dumps(record))

    @classmethod
    def of(cls, folder: Path) -> DevCluster | None:
        """The cluster that was started in a folder, or None."""
        path = folder / "cluster.json"
        if not path.exists():
            return None
        record = json.loads(path.read_text(encoding="utf-8"))
        known = {name: processes.Identity(**values) for name, values in record["daemons"].items()}
        return cls(folder, Shape(**record["shape"]), Daemons(folder, known))


def default_folder() -> Path:
    """Where the development cluster lives unless told otherwise; short, for sockets have short names."""
    return Path(tempfile.gettempdir()) / f"actsweep-cluster-{getpass.getuser()}"


def up(nodes: int = 4, gpus_per_node: int = 4, folder: Path | None = None, shape: Shape | None = None) -> DevCluster:
    """Starts a development cluster; ``shape`` says more than the two numbers do.

    Raises :class:`slurm.errors.DevClusterError` where packages are missing, one runs in the folder already, or a daemon
    does not start (then nothing is left running).
    """
    shape = shape or Shape(nodes=nodes, gpus_per_node=gpus_per_node)
    if shape.max_submit is not None and not shape.accounting:
        raise DevClusterError("a limit of submitted jobs (max_submit) needs accounting")
    missing = missing_packages(shape)
    if missing:
        raise DevClusterError(
            f"the development cluster needs {', '.join(missing)}: apt-get install {' '.join(missing)} "
            "(their system services are not used and may stay stopped)"
        )
    folder = (folder or default_folder()).absolute()
    if len(str(folder)) > 80:
        raise DevClusterError(f"{folder} is too long a path for the sockets in it (80 characters at most)")
    known = DevCluster.of(folder)
    if known is not None:
        if any(known.status().daemons.values()):
            raise DevClusterError(f"a development cluster runs in {folder} already; `actsweep cluster down` ends it")
        shutil.rmtree(folder)
    elif folder.exists() and any(folder.iterdir()):
        raise DevClusterError(f"{folder} is not empty and no development cluster's folder; name another")
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    cluster = DevCluster(folder, shape)
    try:
        cluster.start()
    except BaseException:
        cluster.end()
        raise
    return cluster


def status(folder: Path | None = None) -> Status:
    """How the cluster in the folder stands; raises :class:`slurm.errors.DevClusterError` where there is none."""
    return _existing(folder).status()


def down(folder: Path | None = None) -> None:
    """Ends the cluster in the folder and removes the folder; raises where there is none."""
    cluster = _existing(folder)
    cluster.end()
    shutil.rmtree(cluster.folder)


def _existing(folder: Path | None) -> DevCluster:
    folder = (folder or default_folder()).absolute()
    cluster = DevCluster.of(folder)
    if cluster is None:
        raise DevClusterError(f"no development cluster in {folder}; `actsweep cluster up` starts one")
    return cluster


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
