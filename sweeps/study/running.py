"""The sections of a study file that say where and how it runs; no number and no conclusion depends on them."""

from __future__ import annotations

import pathlib
import re
import shlex
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, PlainValidator, field_validator, model_validator

from slurm.messages import refusal
from sweeps.folder.provenance import mask
from sweeps.study.section import Section


def _pack(raw: object) -> object:
    if raw in ("trial", "fold", "node") or (type(raw) is int and raw >= 1):
        return raw
    raise refusal("accepts trial, fold, a number of folds from 1 up, or node")


class Cluster(Section):
    """Where and how folds run; takes no part in the study's identity."""

    profile: str = "local"
    """Name or file of a cluster profile."""
    threads: int = Field(default=1, ge=1)
    """Threads of a process on the CPU."""
    pack: Annotated[int | str, PlainValidator(_pack)] = "trial"
    """Folds that share one process: a trial's, one, or at most so many. node: one, and jobs are whole nodes that take
    packs until their time is up, as with ``jobs: node`` in the profile."""
    slots_per_gpu: Annotated[int, Field(ge=1)] | Literal["auto"] | None = None
    """Packs at a time on one device. None: as the profile says."""
    checkpoint_every_s: float = Field(default=0.0, ge=0)
    """Least seconds between two checkpoints of a fold; 0: one after each epoch."""
    keep: Literal["none", "best"] = "none"
    """Whether the weights of the checkpoint rule stay when a fold is over."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """What packs train on; auto: what the profile says."""
    max_retries: int = Field(default=3, ge=0)
    """Times that a fold is tried again without having gained an epoch."""
    scratch: str | None = None
    """Folder of the node to which data are copied first; null: as the profile says."""
    on_drift: Literal["refuse", "warn"] = "refuse"
    """What a node does whose code is not the driver's: refuse to train, or warn."""
    own_code: Literal["live", "frozen"] = "live"
    """Whether nodes import the user's own code where it is installed, or a copy of it made when the study was."""


class Tracking(Section):
    """Where MLflow keeps the runs."""

    uri: str | None = None
    """MLflow tracking address; None: the SQLite store in the study's folder."""

    @field_validator("uri")
    @classmethod
    def _without_credentials(cls, uri: str | None) -> str | None:
        if uri is not None and "@" in uri.partition("://")[2].partition("/")[0]:
            raise refusal(
                "accepts an address without credentials: a study file is copied and logged; set "
                "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            )
        return uri


Event = Literal["finished", "failed", "stopped"]
VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})\Z")
_WEB = re.compile(r"https?://", re.IGNORECASE)
_THIS_MACHINE = re.compile(r"https?://(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?(?:/|\Z)", re.IGNORECASE)


def _secret(word: str) -> bool:
    found = re.search(r"https?://\S*", word, re.IGNORECASE)
    return mask(word) != word or (found is not None and not _THIS_MACHINE.match(found[0]))


class Notify(Section):
    """Who is told when the study ends; no number and no conclusion depends on it. A text alone is a command, or an url
    where it begins with $ or http."""

    url: str | None = None
    """Where the address of a webhook stands: $NAME of a variable, or a file outside of the study, as ~/.webhook; null:
    none. An address itself is a secret and accepted on localhost alone."""
    command: Annotated[tuple[str, ...] | None, Field(strict=False)] = None
    """A program and its arguments, which finds what is told as JSON on its input and in ACTSWEEP_ variables; null:
    none."""
    on: Annotated[tuple[Event, ...], Field(strict=False)] = ("finished", "failed")
    """What is told: the study finished; it ended without all that was planned, or its driver by an error; its jobs
    were stopped on request."""

    @model_validator(mode="before")
    @classmethod
    def _written_out(cls, raw: object) -> object:
        if not isinstance(raw, str | list | tuple | Mapping | Notify):
            raise refusal("accepts $NAME, a command, or a mapping with url, command and on")
        if isinstance(raw, str):
            raw = {"url" if raw.startswith("$") or _WEB.match(raw) else "command": raw}
        elif isinstance(raw, list | tuple):
            raw = {"command": raw}
        if isinstance(raw, Mapping) and isinstance(raw.get("command"), str):
            try:
                raw = {**raw, "command": shlex.split(raw["command"])}
            except ValueError as error:
                raise refusal(f"accepts a command with its quotes closed ({error})") from error
        if isinstance(raw, Mapping) and isinstance(raw.get("on"), str):
            raw = {**raw, "on": [raw["on"]]}
        return raw

    @field_validator("url")
    @classmethod
    def _names_where_it_stands(cls, url: str | None) -> str | None:
        if url is None or VARIABLE.match(url) or _THIS_MACHINE.match(url):
            return url
        if _WEB.match(url):
            raise refusal(
                "an address of a webhook is a secret, for whoever has it can write there, and a study file is copied "
                "and logged; accepts the variable that holds it, as $ACTSWEEP_WEBHOOK, or a file that does, as "
                "~/.actsweep-webhook",
                whole=True,
            )
        if "/" not in url or "://" in url:
            raise refusal(
                "accepts the variable that holds the address, as $ACTSWEEP_WEBHOOK, or a file that does, as "
                "~/.actsweep-webhook"
            )
        return url

    @field_validator("on")
    @classmethod
    def _something(cls, on: tuple[Event, ...]) -> tuple[Event, ...]:
        if not on:
            raise refusal("accepts finished, failed, stopped, one or more; to tell nobody, leave notify out")
        return on

    @field_validator("command")
    @classmethod
    def _some(cls, command: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if command is not None and not (command and command[0]):
            raise refusal("accepts a program and its arguments, as [mail, -s, done, me]")
        if command is not None and any(_secret(word) for word in command):
            raise refusal(
                "a command of a study file is copied and logged, and this one holds an address or a word that may be a "
                "secret; accepts one that takes it from a variable, as [sh, -c, 'curl \"$MY_ADDRESS\"'], or a script",
                whole=True,
            )
        return command

    @model_validator(mode="after")
    def _somebody(self) -> Notify:
        if self.url is None and self.command is None:
            raise refusal("accepts url, command or both: nobody would be told")
        return self

    def below(self, folder: pathlib.Path) -> Notify:
        """With paths that are taken from ``folder``."""

        def absolute(text: str) -> str:
            return str(folder / pathlib.Path(text).expanduser())

        update: dict[str, object] = {}
        if self.url is not None and not VARIABLE.match(self.url) and not _WEB.match(self.url):
            update["url"] = absolute(self.url)
        if self.command is not None and "/" in self.command[0]:
            update["command"] = (absolute(self.command[0]), *self.command[1:])
        return self.model_copy(update=update)
