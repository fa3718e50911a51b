"""What is wrong between the fields of ``training``, for each activation with what it fixes or searches of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from slurm.yaml_reader import Path
from sweeps.study.sections import Activation, Folds
from sweeps.study.space import TRAINING, Domain, Space
from sweeps.study.training import Training
from trainer.optimisation.facts import milestones
from trainer.spec import ScheduleSpec

Found = tuple[Path, object, str]


def conflicts(
    training: Training,
    activations: tuple[Activation, ...],
    spaces: tuple[Space, ...],
    *,
    epochs: Mapping[str, int],
    folds: Folds,
) -> Iterator[Found]:
    """``epochs``: the key that says them -> how many, of each phase."""
    told: dict[tuple[Path, str], Found] = {}
    for index, (item, space) in enumerate(zip(activations, spaces, strict=True)):
        for values, where in _settings(training, index, item, space):
            for key, got, message in _of(values, epochs, folds):
                path = where.get(str(key[0]), ("training",))
                found = ((*path, *key) if path == ("training",) else path, got, message)
                told.setdefault((found[0], message), found)
    yield from told.values()


def _settings(
    training: Training, index: int, item: Activation, space: Space
) -> Iterator[tuple[dict[str, Any], dict[str, Path]]]:
    """Fields as one activation may train with them, and where those are said that are not in ``training``: as
    fixed, and with each end of what is searched in its turn."""
    fixed = {key: value for key, value in item.training.items() if not isinstance(value, Domain)}
    where: dict[str, Path] = {key: ("activations", index, "training", key) for key in fixed}
    base = _values(training, fixed)
    yield base, where
    for name, domain in space.domains.items():
        if not name.startswith(TRAINING):
            continue
        key = name.removeprefix(TRAINING)
        place: Path = ("activations", index, "training", key) if key in item.training else ("space", "training", key)
        for end in domain.extremes():
            yield _values(training, {**fixed, key: end}), {**where, key: place}


def _values(training: Training, own: Mapping[str, Any]) -> dict[str, Any]:
    made = Training.model_validate({**training.model_dump(), **own})
    return {key: getattr(made, key) for key in Training.model_fields}


def _of(values: Mapping[str, Any], epochs: Mapping[str, int], folds: Folds) -> Iterator[Found]:
    """(key below ``training`` that is to be changed, what it is, what is accepted)."""
    if values["nesterov"] and values["optimizer"] != "sgd":
        yield ("nesterov",), True, f"accepts false with optimizer: {values['optimizer']}; it is a way of sgd's momentum"
    elif values["nesterov"] and values["momentum"] == 0:
        yield ("nesterov",), True, "accepts false with momentum: 0"
    if values["init"] == "default" and values["init_gain"] != "scheme":
        yield (
            ("init_gain",),
            values["init_gain"],
            "accepts scheme with init: default; name a scheme, as init: he_normal",
        )
    yield from _schedule(values, epochs, folds)


def _schedule(values: Mapping[str, Any], epochs: Mapping[str, int], folds: Folds) -> Iterator[Found]:
    schedule: ScheduleSpec = values["schedule"]
    options: Mapping[str, Any] = schedule.options
    for key, count in epochs.items():
        if options.get("warmup", 0) and options["warmup"] >= count:
            yield ("schedule", "warmup"), options["warmup"], f"accepts less than {key}, {count}"
        whole = schedule.name == "multistep" and float(options["milestones"].split(",")[-1]) >= 1
        if whole and milestones(options["milestones"], count)[-1] >= count:
            shares = ", or shares of them, as [0.3, 0.6, 0.8]"
            yield ("schedule", "milestones"), options["milestones"], f"accepts epochs below {key}, {count}{shares}"
    if options.get("floor", 0) > values["lr"]:
        yield ("schedule", "floor"), options["floor"], f"accepts at most lr, {values['lr']:g}"
    if schedule.name == "one_cycle" and values["patience"] is not None:
        yield (
            ("patience",),
            values["patience"],
            "accepts null with schedule: one_cycle, whose rate is low only at the end",
        )
    if schedule.name == "plateau" and options["watch"] == "validation":
        if folds.validation == 0:
            yield (
                ("schedule", "watch"),
                "validation",
                "accepts train with folds.validation: 0, since nothing is validated",
            )
        elif values["evaluate_every"] > 1:
            yield (
                ("evaluate_every",),
                values["evaluate_every"],
                "accepts 1 with a plateau on the validation loss, which every epoch is asked for; or watch: train",
            )
