"""Cluster profiles: where packs run and under which limits, as people write them in YAML.

A profile is named (one of the package's ``profiles/*.yaml``) or is a path to a user's own file. Reading is strict:
unknown and duplicate keys, wrong types and impossible values are refused with the file, the line and the nearest legal
name. :func:`load` is the only reader.
"""

from __future__ import annotations

import difflib
import re
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError, model_validator

from slurm.errors import ProfileError

Share = Annotated[float, Field(gt=0)]

OURS = {
    "account": "account",
    "array": "array_throttle",
    "chdir": None,
    "constraint": "constraint",
    "cpus-per-task": "cpus_per_pack",
    "error": None,
    "exclude": None,
    "gpus": "gpus_per_pack",
    "gpus-per-node": "gpus_per_pack",
    "gpus-per-task": "gpus_per_pack",
    "gres": "gpus_per_pack and gpu_type",
    "job-name": None,
    "mem": "mem_gb",
    "no-requeue": None,
    "nodes": None,
    "ntasks": None,
    "ntasks-per-node": None,
    "open-mode": None,
    "output": None,
    "partition": "partition",
    "qos": "qos",
    "requeue": None,
    "signal": "signal_lead_s",
    "time": "time_min",
    "wrap": None,
}
"""sbatch options that a profile may not set by hand: the field that sets them, or None where the product decides."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Partition(_Strict):
    """One of several partitions of a study. With ``share``, packs are dealt out in proportion; without, the first
    partition with space under its ``max_jobs`` takes them."""

    name: str = Field(min_length=1)
    share: Share | None = None
    max_jobs: PositiveInt | None = None
    """Most packs of ours pending or running in this partition."""
    account: str | None = None
    qos: str | None = None
    time_min: PositiveInt | None = None
    """Overrides of the profile's own account, qos and time limit."""


class DriverJob(_Strict):
    """The small job that `actsweep run --detach` submits the driver as."""

    partition: str | None = None
    """None: the profile's own; name a CPU partition where there is one."""
    account: str | None = None
    qos: str | None = None
    time_min: PositiveInt = 1440
    """It asks to be requeued before its limit, so that a study may last longer."""
    mem_gb: PositiveFloat = 2.0


class Profile(_Strict):
    """Where packs run, what each of them gets, and how gently the cluster is asked."""

    name: str = Field(min_length=1)
    """The file's stem."""
    executor: Literal["local", "slurm"]

    partition: str | None = None
    """As sbatch takes it: "gpu", or "gpu,long" for whichever starts a job first."""
    partitions: tuple[Partition, ...] = ()
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None

    gpus_per_pack: int | None = Field(default=None, ge=0)
    """None: on Slurm 1; on this machine 1 where it has GPUs, else 0."""
    gpu_type: str | None = None
    device: Literal["auto", "cpu", "cuda"] | None = None
    """What packs train on where the study says ``auto``. None: on Slurm cuda for packs that ask for GPUs, so that a job
    without its GPU fails and is tried elsewhere instead of training on the CPU; what there is in all other cases."""
    cpus_per_pack: PositiveInt = 1
    """Also OMP_NUM_THREADS and its relatives on the node, unless ``environment`` says otherwise."""
    mem_gb: PositiveFloat = 8.0
    time_min: PositiveInt | None = None
    """Time limit of one job in minutes. Slurm needs one; on this machine None is no limit."""
    signal_lead_s: int = Field(default=120, ge=1, le=65535)
    """How long before the time limit the node is told to save, in seconds. Slurm may do so up to 60 s earlier."""
    sbatch: dict[str, str | int | bool] = Field(default_factory=dict)
    """Further sbatch options by their long names without dashes in front, as ``{exclusive: true}``."""

    setup: tuple[str, ...] = ()
    """Shell lines before Python starts on the node (modules, environments)."""
    python: str | None = None
    """Shell words that start Python on the node. None: the interpreter that submits."""
    environment: dict[str, str] = Field(default_factory=dict)
    scratch: str | None = None
    """Node-local folder for staging data; may name a variable of the node, as ``$TMPDIR``."""

    driver: DriverJob = DriverJob()
    array_throttle: PositiveInt | None = None
    """Most tasks of one array that run at a time."""
    max_jobs: PositiveInt | None = None
    """Most packs pending or running at a time. None: what the machine or the site allows."""
    max_array_size: int | None = Field(default=None, ge=2)
    """The site's MaxArraySize (tasks are numbered below it). None: asked from ``scontrol show config``."""
    max_submit: PositiveInt | None = None
    """The site's limit of submitted jobs per user. None: learnt from refusals."""
    accounting: bool = True
    """Whether sacct may be asked for jobs that squeue has forgotten."""
    poll_min_s: PositiveFloat = 5.0
    poll_max_s: PositiveFloat = 60.0
    """Bounds of the time between two questions to the scheduler, and of the wait after a refusal, in seconds."""

    def device_for(self, wish: Literal["auto", "cpu", "cuda"]) -> Literal["auto", "cpu", "cuda"]:
        """What packs train on, by what the study says."""
        if wish != "auto":
            return wish
        return self.device or ("cuda" if self.executor == "slurm" and self.gpus_per_pack != 0 else "auto")

    def for_driver(self) -> Profile:
        """The profile of the driver's own job: one core, no GPU, one task."""
        own = self.driver
        first = self.partitions[0] if self.partitions else None
        return self.model_copy(
            update={
                "partition": own.partition or (first.name if first else self.partition),
                "partitions": (),
                "account": own.account or (first.account if first and not own.partition else None) or self.account,
                "qos": own.qos or (first.qos if first and not own.partition else None) or self.qos,
                "time_min": own.time_min,
                "mem_gb": own.mem_gb,
                "gpus_per_pack": 0,
                "gpu_type": None,
                "constraint": None,
                "cpus_per_pack": 1,
                "array_throttle": None,
            }
        )

    @model_validator(mode="after")
    def _possible(self) -> Profile:
        if self.poll_max_s < self.poll_min_s:
            raise ValueError(f"poll_max_s ({self.poll_max_s}) is less than poll_min_s ({self.poll_min_s})")
        if self.executor == "slurm":
            self._possible_on_slurm()
        elif self.partitions or self.partition or self.account or self.qos or self.sbatch:
            raise ValueError("partition, partitions, account, qos and sbatch need executor: slurm")
        for key, value in self.environment.items():
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key) or "\n" in value:
                raise ValueError(f"environment: {key} is not a variable of one line")
        return self

    def _possible_on_slurm(self) -> None:
        if self.time_min is None and (not self.partitions or any(entry.time_min is None for entry in self.partitions)):
            raise ValueError("time_min is missing: the time limit of one job in minutes")
        for limit in {self.time_min, *(partition.time_min for partition in self.partitions)} - {None}:
            assert limit is not None
            if self.signal_lead_s >= 60 * limit:
                raise ValueError(
                    f"signal_lead_s ({self.signal_lead_s}) is not shorter than the time limit ({limit} min): "
                    "jobs would be told to stop as they start"
                )
        if self.partition and self.partitions:
            raise ValueError("partition and partitions exclude each other")
        shares = [partition.share is not None for partition in self.partitions]
        if any(shares) and not all(shares):
            raise ValueError("partitions: either every partition has a share or none has")
        names = [partition.name for partition in self.partitions]
        if len(set(names)) != len(names):
            raise ValueError("partitions: a partition is named twice")
        for option, value in self.sbatch.items():
            if not re.fullmatch(r"[a-z][a-z0-9-]*", option) or "\n" in str(value):
                raise ValueError(f"sbatch: {option} is not the long name of an sbatch option (as exclusive, mail-type)")
            if option in OURS:
                field = OURS[option]
                raise ValueError(f"sbatch: {option} is set by {field or 'actsweep itself'}")


def names() -> list[str]:
    """Names of the profiles that come with the package."""
    folder = resources.files("slurm") / "profiles"
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def load(profile: str | Path) -> Profile:
    """The profile of that name, or of that file (anything with a slash or ending in .yaml or .yml).

    Raises :class:`slurm.errors.ProfileError`.
    """
    text = str(profile)
    if "/" in text or text.endswith((".yaml", ".yml")):
        path = Path(text).expanduser()
        try:
            return parse(path.read_text(encoding="utf-8"), source=text)
        except OSError as problem:
            raise ProfileError(f"{text}: {problem.strerror}") from None
    known = names()
    if text not in known:
        near = difflib.get_close_matches(text, known, n=2) or known
        raise ProfileError(
            f"no cluster profile is named {text}; near: {', '.join(near)}. "
            f"Your own profile is given as a path: ./{text}.yaml"
        )
    return parse((resources.files("slurm") / "profiles" / f"{text}.yaml").read_text(encoding="utf-8"), source=text)


def parse(text: str, *, source: str) -> Profile:
    """The profile that a YAML text says; ``source`` is what errors call it, and its stem names the profile."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as problem:
        raise ProfileError(f"{source}: {problem}") from None
    if not isinstance(node, yaml.MappingNode):
        raise ProfileError(f"{source}: a profile is a mapping of names to values")
    _refuse_duplicates(node, source)
    values: dict[str, Any] = yaml.safe_load(text)
    values.setdefault("name", Path(source).stem)
    try:
        return Profile.model_validate(_tuples(values))
    except ValidationError as problem:
        raise ProfileError("\n".join(_explain(error, node, source) for error in problem.errors())) from None


def _tuples(values: Any) -> Any:
    """YAML's lists as the tuples of a frozen model, and its whole numbers where a float is due."""
    if isinstance(values, dict):
        return {key: _tuples(value) for key, value in values.items()}
    if isinstance(values, list):
        return tuple(_tuples(value) for value in values)
    return values


def _refuse_duplicates(node: yaml.Node, source: str) -> None:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_duplicates(item, source)
    if isinstance(node, yaml.MappingNode):
        first: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in first:
                raise ProfileError(
                    f"{source}, line {line}: {key.value} is given twice, first in line {first[key.value]}"
                )
            first[key.value] = line
            _refuse_duplicates(value, source)


def _explain(error: Any, root: yaml.MappingNode, source: str) -> str:
    place = tuple(error["loc"])
    words = ".".join(str(part) for part in place)
    where = f"{source}, line {_line(root, place)}"
    if error["type"] == "extra_forbidden":
        legal = list(Partition.model_fields if place[0] == "partitions" else Profile.model_fields)
        near = difflib.get_close_matches(str(place[-1]), legal, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(legal)}"
        return f"{where}: {words} is not an entry of a profile; {hint}"
    if error["type"] == "value_error":
        return f"{where}: {error['ctx']['error']}"
    if error["type"] == "missing":
        return f"{where}: {words} is missing"
    return f"{where}: {words}: {error['msg']}, got {error['input']!r}"


def _line(root: yaml.Node, place: tuple[int | str, ...]) -> int:
    node, line = root, root.start_mark.line
    for part in place:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == part:
                    node, line = value, key.start_mark.line
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line
    return line + 1
