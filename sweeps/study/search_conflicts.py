"""What is wrong between a search, its algorithm, its scheduler, and what they are to search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from slurm.messages import nearest
from slurm.yaml_reader import Path
from sweeps.study import algorithms, relations, spaces
from sweeps.study.feasible import LEAST_SHARE
from sweeps.study.relations import ACTIVATION
from sweeps.study.sections import Activation, Search
from sweeps.study.space import Space
from sweeps.study.training import Training
from sweeps.wording import counted

Problem = tuple[Path, object, str]


def conflicts(
    search: Search, activations: Sequence[Activation], found: Sequence[Space], training: Training, epochs: int
) -> Iterator[Problem]:
    """``found``: the space of each activation. ``epochs``: of a search trial."""
    yield from _algorithm(search)
    yield from _scheduler(search, epochs)
    for index, (item, made) in enumerate(zip(activations, found, strict=True)):
        yield from _domains(search, index, item, made)
        yield from _relations(("activations", index, "where"), item, made, training)


def _algorithm(search: Search) -> Iterator[Problem]:
    if search.sampler is not None:
        names = list(algorithms.SAMPLERS)
        if search.algorithm != "optuna":
            yield (
                ("search", "sampler"),
                search.sampler,
                f"accepts null with algorithm: {search.algorithm}; samplers are of algorithm: optuna",
            )
        elif search.sampler not in names:
            yield ("search", "sampler"), search.sampler, f"accepts {', '.join(names)}{nearest(search.sampler, names)}"
    if search.options and search.algorithm in ("random", "grid"):
        yield ("search", "options"), dict(search.options), f"accepts none with algorithm: {search.algorithm}"


def _scheduler(search: Search, epochs: int) -> Iterator[Problem]:
    name, where = search.scheduler.name, ("search", "scheduler")
    if name in ("asha", "median") and search.scheduler.grace_epochs > epochs:
        yield (
            (*where, "grace_epochs"),
            search.scheduler.grace_epochs,
            f"accepts at most the epochs of the search, {epochs}",
        )
    if name == "none" and search.scheduler.options:
        yield (*where, "options"), dict(search.scheduler.options), "accepts none with name: none"
    unused = {"hyperband": ("grace_epochs",), "median": ("reduction_factor",)}.get(name, ())
    for key in unused:
        value = getattr(search.scheduler, key)
        if value != type(search.scheduler).model_fields[key].default:
            yield (*where, key), value, f"accepts nothing with name: {name}, which has no use for it; leave it out"


def _domains(search: Search, index: int, item: Activation, made: Space) -> Iterator[Problem]:
    if search.algorithm == "optuna" and (search.sampler or "tpe") not in algorithms.SAMPLERS:
        return
    for key, accepted in algorithms.refused_domains(search.algorithm, search.sampler, made.domains.items()):
        yield _where(index, item, key), made.domains[key], accepted
    least = algorithms.of(search.algorithm, search.sampler).least
    if 0 < len(made.domains) < least:
        yield (
            ("search", "sampler"),
            search.sampler,
            f"accepts {least} searched numbers or more of each activation, {item.label} has {len(made.domains)}; "
            "choose sampler: tpe",
        )


def _relations(path: Path, item: Activation, made: Space, training: Training) -> Iterator[Problem]:
    fixed = spaces.known(item, training)
    for number, text in enumerate(item.where):
        relation = relations.parse(text)
        for name in relation.names:
            if name in made.domains or name in fixed:
                continue
            short = [key.removeprefix(ACTIVATION) for key in {**made.domains, **fixed} if key.startswith(ACTIVATION)]
            said = name.removeprefix(ACTIVATION)
            accepted = ", ".join(sorted(short)) or "no parameter"
            yield (*path, number), text, f"names {said}; {item.label} has {accepted}{nearest(said, short)}"
            return
        if not any(name in made.domains for name in relation.names):
            yield (
                (*path, number),
                text,
                "accepts a relation with something that is searched in it; of these, nothing is",
            )
            return
        odd = [value for value in spaces.values_of(relation, made.domains, fixed) if not spaces.is_number(value)]
        if odd:
            yield (*path, number), text, f"accepts names of numbers; one of them may be {odd[0]!r}"
            return
    if not made.relations:
        return
    look = made.feasible
    if not look.per_combination or look.fulfilling < LEAST_SHARE * look.tried:
        yield (
            path,
            list(item.where),
            f"{'no setting fulfils this' if not look.fulfilling else 'hardly a setting fulfils this'}: "
            f"{look.fulfilling:,} of {counted(look.tried, 'setting')} tried; accepts relations that 1 of "
            f"{round(1 / LEAST_SHARE):,} fulfils; widen or narrow the domains to match",
        )


def _where(index: int, item: Activation, key: str) -> Path:
    section, _, name = key.partition(".")
    if section == "activation":
        return ("activations", index, "space", name)
    return ("activations", index, "training", name) if name in item.training else ("space", "training", name)
