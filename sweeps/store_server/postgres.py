"""A PostgreSQL of the store's own: its cluster in the store's folder, reached through a Unix socket alone.

Nobody needs a password: PostgreSQL asks the kernel who is at the other end of the socket, and lets in the one who
started it. PostgreSQL refuses to run as root: there it runs as ``postgres``, or as ``nobody``.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile, mkdtemp
from urllib.parse import quote

from analysis.runs import store_words
from sweeps.errors import StoreError, TrackingError

FOLDER, LOG, ROLE = "postgresql", "postgresql.log", "actsweep"
RUNS, USERS = "mlflow", "mlflow_users"
"""The databases: of runs, and of those who may log in."""
DEBIAN = Path("/usr/lib/postgresql")
_SOCKET, _LONGEST = ".s.PGSQL.5432", 107
TIMEOUT_S = 120
INSTALL = "install it (Debian: apt-get install postgresql)"


def installed() -> dict[str, Path]:
    """Major version -> the folder of its programs: those on the PATH and Debian's."""
    found: dict[str, Path] = {}
    places = [Path(path).resolve().parent for path in [shutil.which("initdb")] if path]
    for folder in [*places, *sorted(DEBIAN.glob("*/bin"))]:
        if all((folder / name).is_file() for name in ("initdb", "pg_ctl", "postgres")):
            said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True)
            if version := re.search(r"\) (\d+)", said.stdout):
                found.setdefault(version[1], folder)
    return found


@dataclass(frozen=True)
class Postgres:
    """The cluster in one store's folder. Whatever fails raises :class:`TrackingError`, in one line."""

    home: Path

    @property
    def folder(self) -> Path:
        return self.home / FOLDER

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def uri(self, database: str) -> str:
        """For SQLAlchemy; has no secret."""
        return f"postgresql+psycopg://{ROLE}@/{database}?host={quote(str(self.folder), safe='/')}"

    def programs(self) -> Path:
        """The folder of the programs that fit the data, the newest where there are none yet."""
        have = installed()
        if not have:
            raise TrackingError(f"PostgreSQL is not installed: {INSTALL}, or give --sqlite")
        if not (self.data / "PG_VERSION").is_file():
            return have[max(have, key=int)]
        made = (self.data / "PG_VERSION").read_text(encoding="ascii").strip()
        if made not in have:
            raise TrackingError(
                f"{self.data}: PostgreSQL {made} made it, here is {', '.join(sorted(have, key=int))}; install "
                f"postgresql-{made}, bring it over with pg_upgrade, or start a new store and `actsweep sync` each study"
            )
        return have[made]

    def check(self) -> None:
        """Raises :class:`StoreError` where no PostgreSQL could be here, whatever is installed."""
        if len(os.fsencode(self.folder / _SOCKET)) > _LONGEST or re.search(r"[\",\n]", str(self.folder)):
            raise StoreError(
                f"{self.home}: PostgreSQL's socket lies in it, whose path has {_LONGEST} bytes at most and no comma or "
                "quotation mark; choose another folder"
            )
        if self._owner is not None:
            closed = next((path for path in reversed(self.home.parents) if not _enterable(path)), None)
            if closed is not None:
                raise StoreError(
                    f"{self.home}: started by root, PostgreSQL runs as {self._owner.pw_name}, who cannot enter "
                    f"{closed}; choose another folder, or start the store as a user of its own"
                )

    @property
    def runs(self) -> bool:
        if not (self.data / "PG_VERSION").is_file():
            return False
        return self._call([str(self.programs() / "pg_ctl"), "-D", str(self.data), "status"]).returncode == 0

    def start(self) -> None:
        """Does nothing where it runs; makes the cluster where there is none."""
        self.check()
        programs = self.programs()
        if self.runs:
            return
        self._make(programs)
        options = f"-c listen_addresses='' -k {shlex.quote(str(self.folder))}"
        log = self.folder / LOG
        before = log.stat().st_size if log.is_file() else 0
        control = [str(programs / "pg_ctl"), "-D", str(self.data), "-l", str(log)]
        done = self._call([*control, "-w", "-t", str(TIMEOUT_S), "-o", options, "start"])
        if done.returncode != 0:
            with log.open(encoding="utf-8", errors="replace") as file:
                file.seek(before)
                said = file.read()
            raise TrackingError(f"PostgreSQL did not start: {_told(said or done.stdout)} (whole log: {log})")
        self._databases()

    def stop(self) -> None:
        if self.runs:
            done = self._call([str(self.programs() / "pg_ctl"), "-D", str(self.data), "-w", "-m", "fast", "stop"])
            if done.returncode != 0:
                raise TrackingError(f"PostgreSQL did not stop: {_told(done.stdout)}")

    # -- made once -----------------------------------------------------------------------------------------------------

    def _make(self, programs: Path) -> None:
        """A cluster, whole or not at all."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        if self._owner is not None:
            os.chown(self.folder, self._owner.pw_uid, self._owner.pw_gid)
            self.home.chmod(self.home.stat().st_mode | 0o011)  # to pass through, not to list
        for left in self.folder.glob("making-*"):
            shutil.rmtree(left, ignore_errors=True)
        if self.data.is_dir():
            return
        aside = Path(mkdtemp(dir=self.folder, prefix="making-"))
        if self._owner is not None:
            os.chown(aside, self._owner.pw_uid, self._owner.pw_gid)
        done = self._call(
            [str(programs / "initdb"), "-D", str(aside), "-U", ROLE, "-E", "UTF8", "--locale=C", "-A", "reject"]
        )
        if done.returncode != 0:
            shutil.rmtree(aside, ignore_errors=True)
            raise TrackingError(f"PostgreSQL could not make a cluster in {self.folder}: {_told(done.stdout)}")
        (aside / "pg_hba.conf").write_text(f"local all {ROLE} peer map=store\n", encoding="utf-8")
        users = dict.fromkeys([pwd.getpwuid(os.getuid()).pw_name, self._owner.pw_name if self._owner else ""])
        lines = [f'store "{user}" {ROLE}\n' for user in users if user]
        (aside / "pg_ident.conf").write_text("".join(lines), encoding="utf-8")
        aside.rename(self.data)

    def _databases(self) -> None:
        try:
            import psycopg
        except ImportError as error:
            raise TrackingError("psycopg is not installed: pip install 'actsweep[store]', or give --sqlite") from error
        try:
            with psycopg.connect(host=str(self.folder), user=ROLE, dbname="postgres", autocommit=True) as connection:
                there = {name for (name,) in connection.execute("SELECT datname FROM pg_database")}
                for name in (RUNS, USERS):
                    if name not in there:
                        connection.execute(f'CREATE DATABASE "{name}"'.encode())
        except psycopg.Error as error:
            raise TrackingError(f"PostgreSQL in {self.folder}: {_told(str(error))}") from error

    # -- programs ------------------------------------------------------------------------------------------------------

    @property
    def _owner(self) -> pwd.struct_passwd | None:
        """Who runs it where root started it; None for anybody else."""
        if os.getuid() != 0:
            return None
        with contextlib.suppress(KeyError):
            return pwd.getpwnam("postgres")
        return pwd.getpwnam("nobody")

    def _call(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        who = self._owner
        as_other = {} if who is None else {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": [who.pw_gid]}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "MLFLOW_", "LC_"))}
        # into a file: a server that goes on running would keep a pipe open
        with TemporaryFile("w+", encoding="utf-8", errors="replace") as out:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**kept, "LC_ALL": "C"},
                cwd="/",
                check=False,
                **as_other,  # type: ignore[call-overload]
            )
            out.seek(0)
            said = out.read()
        return subprocess.CompletedProcess(command, done.returncode, said, "")


def _told(text: str) -> str:
    """PostgreSQL's own words in one line, or ours where they are known."""
    if found := store_words.known(text):
        return f"{found.what}; {found.remedy}" if found.remedy else found.what
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    grave = [line for line in lines if re.search(r"FATAL|PANIC|ERROR|error:", line)]
    return store_words.short(ValueError((grave or lines or ["it said nothing"])[-1 if not grave else 0]))


def _enterable(folder: Path) -> bool:
    return bool(folder.stat().st_mode & 0o001) if folder.is_dir() else True
