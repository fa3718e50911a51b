"""The sections of a study file that say where and how it runs; no number and no conclusion depends on them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PlainValidator, field_validator

from slurm.messages import refusal
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
