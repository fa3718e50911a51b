"""The folder of a store for a lab: what it was started with, its lock, and its secrets."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sweeps.errors import StoreError, TrackingError
from sweeps.folder.layout import quote_path

FILE, LOCK, SECRETS, ARTIFACTS = "store.json", "store.lock", "secrets", "artifacts"
SCHEMA = 1
ADMIN = "admin"
LOCAL = ("127.0.0.1", "::1", "localhost")
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104
"""Addresses that stand for every network of this machine, in the order of ``LOCAL``."""
WAIT_S = 300.0
"""How long a command waits for another one on the same store."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a store was asked for; has no secret."""

    database: Literal["postgresql", "sqlite"] = "postgresql"
    host: str = "127.0.0.1"
    """The address that it listens on."""
    port: int = 5000
    names: tuple[str, ...] = ()
    """What others call this machine, beside its own names."""
    login: bool = True
    certificate: str | None = None
    key: str | None = None

    def __post_init__(self) -> None:
        """Raises :class:`StoreError` for settings that do not go together."""
        if not self.login and self.host not in LOCAL:
            raise StoreError(
                f"--no-login: got --host {self.host}, accepts 127.0.0.1 alone; whoever reaches the port could change "
                "every run: leave --no-login out"
            )
        if (self.certificate is None) != (self.key is None):
            given, lacking = ("--certificate", "--key") if self.key is None else ("--key", "--certificate")
            raise StoreError(f"{given} was given without {lacking}; TLS takes both files")
        for option, file in (("--certificate", self.certificate), ("--key", self.key)):
            if file is not None:
                try:
                    Path(file).read_bytes()
                except OSError as error:
                    raise StoreError(f"{option} {file}: cannot be read ({error.strerror}); give a PEM file") from error

    @property
    def scheme(self) -> str:
        return "https" if self.certificate else "http"


@dataclass(frozen=True)
class Home:
    """One store's folder."""

    folder: Path

    @property
    def settings(self) -> Settings | None:
        """What it was last started with; None where it never was. Raises :class:`StoreError` for a damaged file."""
        path = self.folder / FILE
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            if said.pop("schema") != SCHEMA:
                raise ValueError("it is of another version of actsweep")
            return Settings(**{**said, "names": tuple(said["names"])})
        except (FileNotFoundError, NotADirectoryError):
            return None
        except StoreError:
            raise
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise StoreError(f"{path}: cannot be read ({error}); restore it, or delete it and start anew") from error

    def known(self) -> Settings:
        """As ``settings``; raises :class:`StoreError` where there is no store."""
        found = self.settings
        if found is None:
            raise StoreError(f"{self.folder}: no store here; `actsweep store up {quote_path(self.folder)}` makes one")
        return found

    def keep(self, settings: Settings) -> None:
        text = json.dumps({"schema": SCHEMA, **dataclasses.asdict(settings)}, indent=2) + "\n"
        self._write(self.folder / FILE, text, 0o644)

    def make(self) -> None:
        """The folder, with those parts of it that nobody else may enter. Raises :class:`StoreError` for a folder that
        is used otherwise."""
        if self.settings is None and self.folder.is_dir():
            ours = (LOCK, SECRETS, ARTIFACTS)
            if other := next((entry.name for entry in self.folder.iterdir() if entry.name not in ours), None):
                raise StoreError(f"{self.folder}: holds {other} and is no store; name a folder that is new or empty")
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in (SECRETS, ARTIFACTS):
            (self.folder / name).mkdir(mode=0o700, exist_ok=True)
            (self.folder / name).chmod(0o700)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other commands on this store waiting. Raises :class:`TrackingError` where one does not come to an
        end."""
        with (self.folder / LOCK).open("a") as file:
            until = time.monotonic() + WAIT_S
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > until:
                        raise TrackingError(
                            f"{self.folder}: another `actsweep store` has been at work for {WAIT_S:.0f} s; end it"
                        ) from None
                    time.sleep(0.1)
            yield

    # Secrets: files that only their owner can read, never printed.

    def login_file(self, user: str) -> Path:
        """The file with a user's name and password, as lines for a shell. Raises :class:`StoreError` for a name that
        is none."""
        if not _NAME.fullmatch(user):
            raise StoreError(f"user {user!r}: accepts letters, digits and . _ @ -, 64 at most, a letter or digit first")
        return self.folder / SECRETS / f"{user}.sh"

    def new_login(self, user: str) -> str:
        """A new password at random, kept in ``login_file``."""
        password = secrets.token_urlsafe(24)
        text = f"export MLFLOW_TRACKING_USERNAME={user}\nexport MLFLOW_TRACKING_PASSWORD={password}\n"
        self._write(self.login_file(user), text, 0o600)
        return password

    def password(self, user: str) -> str | None:
        """The password that was kept; None where there is none, or its file is not what was written."""
        with contextlib.suppress(OSError):
            found = re.search(r"MLFLOW_TRACKING_PASSWORD=([\w-]+)$", self.login_file(user).read_text(), re.MULTILINE)
            return found[1] if found else None
        return None

    def forms_key(self) -> str:
        """What MLflow's server signs its forms with: made once, the same in each of its processes."""
        path = self.folder / SECRETS / "forms"
        if not path.is_file():
            self._write(path, secrets.token_hex(32), 0o600)
        return path.read_text(encoding="ascii")

    def _write(self, path: Path, text: str, mode: int) -> None:
        aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:  # noqa: PTH123
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
