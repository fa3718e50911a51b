"""Cluster profiles: where packs run and under which limits, as people write them in YAML.

A profile is named (one of the package's ``profiles/*.yaml``) or is a path to a user's own file. It is read as strictly
as a study: what is wrong is told at once, each with file, line, what was got, what is accepted and the nearest name.
:func:`load` is the only reader.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Literal

from pydantic import (
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from slurm import messages, yaml_reader
from slurm.errors import ProfileError
from slurm.messages import Finding, Phrase, nearest, refuse
from slurm.profile_sections import DriverJob, Partition, Strict, two_limits
from slurm.sbatch_options import SbatchOptions
from slurm.time_limit import Minutes, TimeLimit
from slurm.yaml_reader import Path as Place
from slurm.yaml_reader import Plain, Problem


class Executor(enum.StrEnum):
    """Which of the two clusters there are."""

    LOCAL = "local"
    SLURM = "slurm"


class Profile(Strict):
    """Where packs run, what each of them gets, and how gently the cluster is asked."""

    name: str = Field(min_length=1, description="a name for the profile")
    """The file's stem."""
    executor: Executor = Field(strict=False, description="local (this machine) or slurm")

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
    time: TimeLimit | None = None
    """Time limit of one job in minutes, or in one of Slurm's forms: ``90``, ``90:30`` (minutes and seconds),
    ``1:00:00``, ``2-12`` (days and hours), ``2-12:00``, ``2-12:00:00``; rounded up to whole minutes. Slurm needs a
    limit, here or for each partition; on this machine None is no limit."""
    time_min: Minutes | None = None
    """The same as a whole number of minutes; one of the two."""
    signal_lead_s: int = Field(default=120, ge=1, le=65535)
    """How long before the time limit the node is told to save, in seconds. Slurm may do so up to 60 s earlier."""
    sbatch: SbatchOptions = Field(default_factory=dict)
    """Further sbatch options by their long names without dashes in front, as ``{exclusive: true}``."""

    setup: tuple[str, ...] = ()
    """Shell lines before Python starts on the node (modules, environments)."""
    python: str | None = None
    """Shell words that start Python on the node. None: the interpreter that submits."""
    environment: dict[str, str] = Field(default_factory=dict)
    working_folder: str | None = None
    """Folder in which packs start. None: the one in which the study was started."""
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

    @property
    def limit_min(self) -> int | None:
        """Time limit of one job in minutes, where it is one for all partitions."""
        return self.time or self.time_min

    def device_for(self, wish: Literal["auto", "cpu", "cuda"]) -> Literal["auto", "cpu", "cuda"]:
        """What packs train on, by what the study says."""
        if wish != "auto":
            return wish
        return self.device or ("cuda" if self.executor is Executor.SLURM and self.gpus_per_pack != 0 else "auto")

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
                "time": None,
                "time_min": own.limit_min,
                "mem_gb": own.mem_gb,
                "gpus_per_pack": 0,
                "gpu_type": None,
                "constraint": None,
                "cpus_per_pack": 1,
                "array_throttle": None,
            }
        )

    @field_validator("environment", mode="before")
    @classmethod
    def _variables(cls, environment: object) -> object:
        if isinstance(environment, Mapping):
            refuse(_unlike_variables(environment))
        return environment

    @model_validator(mode="after")
    def _consistent(self, info: ValidationInfo) -> Profile:
        """Between keys. A context names keys that are wrong by themselves: rules about them are not asked."""
        wrong: set[str] = info.context or set()
        rules = (
            ({"time", "time_min"}, two_limits),
            ({"executor"}, _only_on_slurm),
            ({"executor", "time", "time_min", "partitions"}, _no_limit),
            ({"executor", "time", "time_min", "partitions", "signal_lead_s"}, _too_short),
            ({"partition", "partitions"}, _both_kinds_of_partition),
            ({"partitions"}, _unlike_partitions),
            ({"poll_min_s", "poll_max_s"}, _poll_bounds),
        )
        refuse(each for keys, rule in rules if not keys & wrong for each in rule(self))
        return self


def _unlike_variables(environment: Mapping[str, object]) -> Iterator[Finding]:
    for name, value in environment.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            text = "accepts names of letters, digits and underscore, no digit first"
            yield (name,), Phrase(f'the name "{name}"'), text
        elif not isinstance(value, str):
            yield (name,), value, "accepts text; put it in quotes"
        elif "\n" in value:
            yield (name,), value, "accepts one line"


def _only_on_slurm(profile: Profile) -> Iterator[Finding]:
    if profile.executor is Executor.LOCAL:
        for key in ("partition", "partitions", "account", "qos", "sbatch"):
            if given := getattr(profile, key):
                got = Phrase(", ".join(entry.name for entry in given)) if key == "partitions" else given
                yield (key,), got, "accepts nothing with executor: local; remove it, or give executor: slurm"


def _no_limit(profile: Profile) -> Iterator[Finding]:
    if profile.executor is Executor.LOCAL or profile.limit_min is not None:
        return
    text = "is missing; accepts the time limit of one job, as 240 (minutes) or 4:00:00"
    if all(entry.limit_min is None for entry in profile.partitions):
        yield ("time",), None, text
        return
    for index, entry in enumerate(profile.partitions):
        if entry.limit_min is None:
            yield ("partitions", index, "time"), None, f"{text}; give it here, or one for all partitions above"


def _too_short(profile: Profile) -> Iterator[Finding]:
    """Time limits after whose begin jobs would at once be told to stop."""
    if profile.executor is Executor.LOCAL:
        return
    lead = profile.signal_lead_s
    places: list[tuple[Place, Profile | Partition]] = [((), profile)]
    places += [(("partitions", index), entry) for index, entry in enumerate(profile.partitions)]
    for place, entry in places:
        if entry.limit_min is not None and 60 * entry.limit_min <= lead:
            key = "time" if entry.time is not None else "time_min"
            yield (
                (*place, key),
                Phrase(f"{entry.limit_min} min"),
                f"accepts more than signal_lead_s ({lead} s), or jobs would be told to stop as they start; "
                "give more time, or a shorter signal_lead_s",
            )


def _both_kinds_of_partition(profile: Profile) -> Iterator[Finding]:
    if profile.partition and profile.partitions:
        text = "accepts one of the two; give partition, or name it among partitions"
        yield ("partition",), Phrase("both partition and partitions"), text


def _unlike_partitions(profile: Profile) -> Iterator[Finding]:
    with_share = [entry.share is not None for entry in profile.partitions]
    names = [entry.name for entry in profile.partitions]
    for index, name in enumerate(names):
        if any(with_share) and not with_share[index]:
            text = "is missing; accepts a number greater than 0; give every partition a share, or none"
            yield ("partitions", index, "share"), None, text
        if name in names[:index]:
            text = f"accepts a name of its own; partitions[{names.index(name)}] has this one: keep one of them"
            yield ("partitions", index, "name"), name, text


def _poll_bounds(profile: Profile) -> Iterator[Finding]:
    least, most = profile.poll_min_s, profile.poll_max_s
    if most >= least:
        return
    if "poll_max_s" in profile.model_fields_set:
        yield ("poll_max_s",), Phrase(f"{most:g}"), f"accepts at least poll_min_s, {least:g}"
    else:
        yield ("poll_min_s",), Phrase(f"{least:g}"), f"accepts at most poll_max_s, {most:g}"


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
        return parse(_read(text), source=text)
    known = names()
    if text not in known:
        raise ProfileError(
            f"{text}: no such cluster profile; accepts {', '.join(known)}, or the path of your own, as ./{text}.yaml"
            f"{nearest(text, known)}"
        )
    return parse((resources.files("slurm") / "profiles" / f"{text}.yaml").read_text(encoding="utf-8"), source=text)


def _read(origin: str) -> str:
    path = Path(origin).expanduser()
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        near = nearest(path.name, [item.name for item in path.parent.glob("*.y*ml")])
        raise ProfileError(f"{origin}: no such file; accepts the path of a cluster profile{near}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(f"{origin}: cannot be read ({error}); accepts a readable text file in UTF-8") from None


def parse(text: str, *, source: str) -> Profile:
    """The profile that a YAML text says; ``source`` is what errors call it, and its stem names the profile."""
    document = yaml_reader.parse(text, source, ProfileError)
    if not isinstance(document.value, dict):
        keys = "accepts a mapping with the keys of a profile: executor, time, mem_gb and so on"
        raise document.error([Problem(path=(), message=f"got {messages.show(document.value)}; {keys}")])
    values = {"name": Path(source).stem, **document.value}
    try:
        return _validated(values)
    except ValidationError as error:
        found = messages.problems(error, Profile)
    wrong = {str(problem.path[0]) for problem in found}
    sound = {key: value for key, value in values.items() if key not in wrong}
    try:  # what is wrong between keys is told in the same breath as what is wrong by itself
        _validated({"name": "profile", "executor": Executor.LOCAL, **sound}, wrong)
    except ValidationError as error:
        found += messages.problems(error, Profile)
    raise document.error(found)


def _validated(values: dict[str, Plain], wrong: set[str] | None = None) -> Profile:
    return Profile.model_validate(_tuples(values), context=wrong)


def _tuples(value: Plain) -> object:
    """YAML's lists as the tuples of a frozen model."""
    if isinstance(value, dict):
        return {key: _tuples(each) for key, each in value.items()}
    return tuple(_tuples(each) for each in value) if isinstance(value, list) else value
