"""Cluster profiles: where packs run and under which limits, as people write them in YAML.

A profile is named (one of the package's ``profiles/*.yaml``) or is a path to a user's own file. It is read as strictly
as a study: what is wrong is told at once, each with file, line, what was got, what is accepted and the nearest name.
:func:`load` is the only reader.
"""

from __future__ import annotations

import enum
from importlib import resources
from pathlib import Path
from typing import Literal

from pydantic import (
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from slurm import messages, profile_jobs, profile_rules, yaml_reader
from slurm.errors import ProfileError
from slurm.messages import nearest, refuse
from slurm.profile_sections import MEMORY, Container, DriverJob, Partition, Strict, Variables, two_limits
from slurm.sbatch_options import SbatchOptions
from slurm.time_limit import Minutes, TimeLimit
from slurm.yaml_reader import Plain, Problem

DEFAULT_MEM_GB = 8.0
DEVICE_VARIABLE = "ACTSWEEP_DEVICE"
"""Of a node's environment: what a pack that may train on any device trains on there."""


class Executor(enum.StrEnum):
    """Where jobs run: processes of this machine, jobs of Slurm, or steps in the Slurm job that the driver runs in."""

    LOCAL = "local"
    SLURM = "slurm"
    ALLOCATION = "allocation"


class Profile(Strict):
    """Where packs run, what each of them gets, and how gently the cluster is asked."""

    name: str = Field(min_length=1, description="a name for the profile; else the file's")
    """The file's stem."""
    executor: Executor = Field(
        strict=False, description="local (this machine), slurm, or allocation (the Slurm job that the driver runs in)"
    )

    partition: str | None = None
    """As sbatch takes it: "gpu", or "gpu,long" for whichever starts a job first."""
    partitions: tuple[Partition, ...] = ()
    """Several, with what each has otherwise; instead of ``partition``."""
    account: str | None = None
    """The project that jobs are charged to, where the site asks for one."""
    qos: str | None = None
    """Quality of service, where the site asks for one."""
    constraint: str | None = None
    """Features of nodes, as ``a100|h100``."""

    gpus_per_pack: int | None = Field(default=None, ge=0)
    """None: on Slurm 1; on this machine, and in an allocation, 1 where it has GPUs, else 0."""
    gpu_type: str | None = None
    """As the site calls it, as ``a100``; None: whichever there is."""
    ask_gpus_as: Literal["gpus-per-node", "gpus-per-task", "gpus", "gres"] = "gpus-per-node"
    """The sbatch option by which the site takes GPUs; gres writes ``--gres=gpu:TYPE:N``."""
    gres: tuple[str, ...] = ()
    """Other generic resources of a pack, as ``lscratch:50``."""
    exclude: tuple[str, ...] = ()
    """Nodes that no pack runs on, as ``gpu7`` or ``gpu[10-12]``."""
    device: Literal["auto", "cpu", "cuda"] | None = None
    """What packs train on where the study says ``auto``. None: on Slurm cuda for packs that ask for GPUs, so that a job
    without its GPU fails and is tried elsewhere instead of training on the CPU; what there is in all other cases."""
    cpus_per_pack: PositiveInt = 1
    """Also OMP_NUM_THREADS and its relatives on the node, unless ``environment`` says otherwise."""
    mem_gb: PositiveFloat | None = None
    """Memory of a pack. Where no key of memory is given, 8; null asks for none, at sites that give it by the core."""
    mem_per_cpu_gb: PositiveFloat | None = None
    """Memory by the core, at sites that want it so."""
    mem_per_gpu_gb: PositiveFloat | None = None
    """Memory by the GPU, at sites that want it so; one of the three."""
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
    container: Container | None = None
    """Runs Python on the node in a container."""
    python: str | None = None
    """Shell words that start Python on the node. None: the interpreter that submits."""
    environment: Variables = Field(default_factory=dict)
    """Variables that are set on the node."""
    working_folder: str | None = None
    """Folder in which packs start. None: the one in which the study was started."""
    scratch: str | None = None
    """Node-local folder for staging data; may name a variable of the node, as ``$TMPDIR``."""

    jobs: Literal["pack", "pilot", "node"] | None = None
    """What a job holds. pack: what one pack needs, for that pack. pilot: the same, and it takes further packs until its
    time is up. node: a whole node, as many packs at a time as it has devices for, and further ones until its time is
    up. None: pilot where packs share a GPU, node in an allocation, else pack."""
    slots_per_gpu: PositiveInt | Literal["auto"] = 1
    """Packs at a time on one device (``gpus_per_pack`` GPUs, or ``cpus_per_pack`` cores where packs have no GPU); auto
    finds the number by a short trial on the node."""
    gpus_per_node: int | None = Field(default=None, ge=0)
    """GPUs of a job that is a node; needed with ``jobs: node`` where packs have any."""
    cpus_per_node: PositiveInt | None = None
    """Its cores. None: as many as its packs need; of packs without a GPU, the whole node (``--exclusive``)."""
    mem_per_node_gb: PositiveFloat | None = None
    """Its memory. None: as much as its packs need."""
    reserve_s: PositiveFloat | None = None
    """A job that takes further packs takes none with less than this left before it is told to save. None: what the
    study knows that the pack needs until its first checkpoint, and a minute where it does not."""
    idle_s: PositiveFloat = 60.0
    """How long a job that takes further packs waits for one before it ends."""

    price_per_gpu_hour: PositiveFloat | None = None
    """What an hour of one GPU costs; of a whole pack, where packs have none."""
    currency: str = ""
    """How the price is called, as ``EUR``."""

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
    """Least seconds between two questions to the scheduler."""
    poll_max_s: PositiveFloat = 60.0
    """Most seconds between two questions, and of the wait after a refusal."""

    @property
    def memory_gb(self) -> float | None:
        """Memory of a pack in GB; None where it is not known, since the site gives it."""
        if self.mem_per_cpu_gb is not None:
            return self.mem_per_cpu_gb * self.cpus_per_pack
        if self.mem_per_gpu_gb is not None:
            return self.mem_per_gpu_gb * (1 if self.gpus_per_pack is None else self.gpus_per_pack)
        return DEFAULT_MEM_GB if self.mem_gb is None and "mem_gb" not in self.model_fields_set else self.mem_gb

    @property
    def memory_key(self) -> str:
        """The key that says a pack's memory."""
        return next((key for key in MEMORY if getattr(self, key) is not None), "mem_gb")

    def out_of_memory(self, partition: str | None) -> str:
        """What to say of a job in that partition which used more memory than it was given."""
        there = self.at(partition)
        own = next(
            (at for at, entry in enumerate(self.partitions) if entry.name == partition and entry.memory_keys), None
        )
        key = there.memory_key if own is None else f"partitions[{own}].{there.memory_key}"
        given = (
            f"it was given {there.memory_gb:g} GB"
            if there.memory_gb is not None
            else "it used more than the site gives a job"
        )
        return f"{given}; raise {key} in the profile, or give a pack fewer folds"

    @property
    def limit_min(self) -> int | None:
        """Time limit of one job in minutes, where it is one for all partitions."""
        return self.time or self.time_min

    @property
    def holds(self) -> Literal["pack", "pilot", "node"]:
        """What a job holds, as ``jobs`` says."""
        if self.jobs is not None:
            return self.jobs
        if self.executor is Executor.ALLOCATION:
            return "node"
        return "pack" if self.slots_per_gpu == 1 else "pilot"

    def for_one_pack(self) -> Profile:
        """The same with a job for each pack; in an allocation as it is."""
        if self.executor is Executor.ALLOCATION:
            return self
        return self.model_copy(update={"jobs": "pack", "slots_per_gpu": 1})

    @property
    def places(self) -> tuple[Profile, ...]:
        """The profile as packs have it in each of its partitions; itself where it has none."""
        return tuple(self.at(entry.name) for entry in self.partitions) or (self,)

    @property
    def prices(self) -> tuple[float, float] | None:
        """The least and the most that an hour of a device costs in any partition; None where none has a price."""
        each = [here.price_per_gpu_hour for here in self.places]
        return None if each.count(None) == len(each) else (min(p or 0.0 for p in each), max(p or 0.0 for p in each))

    @property
    def mixed(self) -> bool:
        """Whether packs train on GPUs in some of its partitions and on the CPU in others."""
        return self.device is None and len({entry.gpus(self.gpus_per_pack) == 0 for entry in self.partitions}) > 1

    def at(self, partition: str | None) -> Profile:
        """The profile as packs have it in one of ``partitions``; itself for None and any other name. A pack's text is
        the same wherever it lands: where partitions are mixed, its environment says what it trains on there."""
        own = next((entry for entry in self.partitions if entry.name == partition), None)
        if own is None:
            return self
        device: Literal["cpu", "cuda"] = "cpu" if own.gpus(self.gpus_per_pack) == 0 else "cuda"
        of_node = {DEVICE_VARIABLE: device, **self.environment} if self.mixed else self.environment
        changed = own.over({"environment": of_node, "sbatch": self.sbatch})
        return self.model_copy(update=changed | ({"device": device} if self.mixed else {}))

    def device_for(self, wish: Literal["auto", "cpu", "cuda"]) -> Literal["auto", "cpu", "cuda"]:
        """What packs train on, by what the study says; auto where partitions are mixed, see :meth:`at`."""
        if wish != "auto" or self.mixed:
            return wish
        if self.partitions:
            return self.places[0].device_for(wish)
        asks = bool(self.gpus_per_pack) or (self.executor is Executor.SLURM and self.gpus_per_pack is None)
        return self.device or ("cuda" if asks and self.executor is not Executor.LOCAL else "auto")

    def for_driver(self) -> Profile:
        """The profile of the driver's own job: one core, no GPU, one task, and of sbatch's options its own alone."""
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
                "mem_per_cpu_gb": None,
                "mem_per_gpu_gb": None,
                "gpus_per_pack": 0,
                "gpu_type": None,
                "gres": (),
                "exclude": (),
                "constraint": own.constraint,
                "cpus_per_pack": 1,
                "jobs": "pack",
                "slots_per_gpu": 1,
                "array_throttle": None,
                "sbatch": own.sbatch,
            }
        )

    @model_validator(mode="after")
    def _consistent(self, info: ValidationInfo) -> Profile:
        """Between keys. A context names keys that are wrong by themselves: rules about them are not asked."""
        wrong: set[str] = info.context or set()
        rules = (
            ({"time", "time_min"}, two_limits),
            ({"executor", "jobs"}, profile_rules.unlike_the_executor),
            ({"executor", "time", "time_min", "partitions"}, profile_rules.no_limit),
            ({"executor", "time", "time_min", "partitions", "signal_lead_s"}, profile_rules.too_short),
            ({"partition", "partitions"}, profile_rules.both_kinds_of_partition),
            ({"partitions"}, profile_rules.unlike_partitions),
            ({"poll_min_s", "poll_max_s"}, profile_rules.poll_bounds),
            ({*MEMORY, "gpus_per_pack"}, profile_rules.memory_in_two_ways),
            ({"gres"}, profile_rules.gpu_without_gpus),
            (profile_jobs.KEYS, profile_jobs.wrong),
            ({*MEMORY, "gpus_per_pack", "device", "partitions"}, profile_rules.unlike_the_profile),
        )
        refuse(each for keys, rule in rules if not keys & wrong for each in rule(self))
        return self


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
    return parse(text_of(text), source=text)


def text_of(name: str) -> str:
    """The text of a profile that comes with the package. Raises :class:`slurm.errors.ProfileError`."""
    known = names()
    if name not in known:
        raise ProfileError(
            f"{name}: no such cluster profile; accepts {', '.join(known)}, or the path of your own, as ./{name}.yaml"
            f"{nearest(name, known)}"
        )
    return (resources.files("slurm") / "profiles" / f"{name}.yaml").read_text(encoding="utf-8")


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
