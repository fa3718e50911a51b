"""What is wrong between the keys of a study that are right each for itself: labels, parameters, phases, budgets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from slurm.messages import Phrase, nearest
from slurm.yaml_reader import Path
from sweeps.study import objectives, search_conflicts
from sweeps.study.default_spaces import PARAMETERS, Takes
from sweeps.study.sections import Activation, Confirm, Folds, Race, Search, Training, TunedForAll
from sweeps.study.space import Domain, Space
from sweeps.study.training_conflicts import conflicts
from trainer.activations.arguments import WrongArgument
from trainer.spec import Scalar
from trainer.tasks.description import LAST, Description


@dataclass(frozen=True, kw_only=True)
class Values:
    """What of a study can contradict itself."""

    activations: tuple[Activation, ...]
    spaces: tuple[Space, ...]
    """All that is searched for each of them."""
    tuned_for_all: TunedForAll
    control: str
    search: Search | None
    search_epochs: int
    confirm: Confirm | None
    folds: Folds
    training: Training
    task: Description

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(item.label for item in self.activations)


def contradictions(study: Values) -> Iterator[tuple[Path, object, str]]:
    """(path, what was got, what is accepted) of everything that is wrong between keys."""
    labels = list(_labels(study))
    yield from labels
    spaces = study.spaces
    yield from _validation(study)
    yield from conflicts(
        study.training,
        study.activations,
        study.spaces,
        epochs={"training.epochs": study.training.epochs}
        | ({"search.epochs": study.search_epochs} if study.search is not None else {}),
        folds=study.folds,
    )
    for index, item in enumerate(study.activations):
        yield from _parameters(("activations", index), item)
    yield from _until_decided(study)
    searched = any(not domains.empty for domains in spaces)
    if study.search is None:
        if searched:
            first = [not domains.empty for domains in spaces].index(True)
            where: Path = ("space",) if study.tuned_for_all.training else ("activations", first, "space")
            yield (
                where,
                Phrase("a search space"),
                "accepts one only with a search section; add search: {algorithm: random, samples: 10}",
            )
        if study.confirm is not None and study.confirm.until is None:
            yield (
                ("confirm",),
                study.confirm.model_dump(exclude_defaults=True),
                "accepts null where nothing is searched: all trials are of that phase; use folds.repeats, or until: "
                "decided",
            )
        return
    if not searched:
        yield (
            ("search",),
            Phrase("a search"),
            "accepts one only where something has a space; give an activation a space, or remove search",
        )
        return
    if not labels:  # a label that means two activations would tell wrong budgets
        yield from _search(study, study.search)


REPEATABLE = ("kfold", "fixed")
"""Schemes of which a further repeat is a further sample of the differences."""
LEAST = 3
"""Paired splits that a test needs."""


def _until_decided(study: Values) -> Iterator[tuple[Path, object, str]]:
    """What cannot be repeated until it is decided."""
    if study.confirm is None or study.confirm.until is None:
        return
    where = ("confirm", "until")
    if study.folds.scheme not in REPEATABLE:
        yield (
            where,
            study.confirm.until,
            f"accepts null with folds: {{scheme: {study.folds.scheme}}}: there a repeat trains the same splits with "
            "another seed, which makes no further sample, so that no boundary holds; give confirm.repeats (or "
            "folds.repeats, without a search) a number, or use scheme: kfold",
        )
    units = 1 if study.folds.scheme == "fixed" else study.folds.folds
    if study.confirm.most * units < LEAST:
        yield (
            ("confirm", "repeats", "most"),
            study.confirm.most,
            f"accepts at least {-(-LEAST // units)} here: a test needs {LEAST} paired splits",
        )
    if len(study.activations) < 2:
        yield where, study.confirm.until, "accepts null where there is no comparison; name another activation"


def _validation(study: Values) -> Iterator[tuple[Path, object, str]]:
    """Strata that the task does not have, and what needs a validation part where there is none."""
    folds, training = study.folds, study.training
    if folds.stratify and not study.task.stratifies:
        yield ("folds", "stratify"), True, f"accepts false: task {study.task.name} has no classes to stratify by"
    if folds.purge and folds.scheme not in ("time", "fixed"):
        yield ("folds", "purge"), folds.purge, "accepts 0 unless the scheme is time (or fixed, for data with a time)"
    if folds.validation > 0:
        return
    none = "with folds.validation: 0, since nothing is validated"
    if training.checkpoint_rule != LAST:
        yield ("training", "checkpoint_rule"), training.checkpoint_rule, f"accepts {LAST} {none}"
    if training.patience is not None:
        yield ("training", "patience"), training.patience, f"accepts null {none}"
    if study.search is not None:
        yield ("search",), Phrase("a search"), f"accepts none {none}; give folds.validation a share"


def _labels(study: Values) -> Iterator[tuple[Path, object, str]]:
    labels = study.labels
    counts = Counter(label.casefold() for label in labels)
    for index, label in enumerate(labels):
        if counts[label.casefold()] > 1 and label.casefold() in {other.casefold() for other in labels[:index]}:
            yield (
                ("activations", index),
                label,
                "accepts labels that differ in more than case; give this one a label of its own",
            )
    if study.control not in labels:
        yield (
            ("control",),
            study.control,
            f"accepts a label of activations: {', '.join(dict.fromkeys(labels))}{nearest(study.control, labels)}",
        )


def _parameters(path: Path, item: Activation) -> Iterator[tuple[Path, object, str]]:
    known = PARAMETERS.get(item.activation)
    for section, values in (("params", item.params), ("space", item.space)):
        for name in values:
            if not name.isidentifier():
                yield (
                    (*path, section, name),
                    name,
                    "accepts names as Python writes them: letters, digits and underscore",
                )
    for section, values in (("params", item.params), ("space", item.space)):
        for name, value in values.items():
            if known is not None and name not in known:
                accepted = f"accepts {', '.join(known)}{nearest(name, known)}" if known else "it has no parameters"
                yield (*path, section, name), value, f"unknown key of {item.activation}; {accepted}"
            elif section == "space" and name in item.params:
                yield (
                    (*path, section, name),
                    value,
                    "accepts a parameter in params or in space, not in both; remove one",
                )
            elif known is not None:
                yield from _values((*path, section, name), item.activation, value, known[name])


def _values(path: Path, activation: str, value: Scalar | Domain, takes: Takes) -> Iterator[tuple[Path, object, str]]:
    """A value that the activation does not take: as it stands, or at an end of its domain."""
    for each in value.extremes() if isinstance(value, Domain) else (value,):
        try:
            takes(activation, str(path[-1]), each)
        except WrongArgument as error:
            yield path, each, f"accepts {error.accepted}"
            return


def _search(study: Values, search: Search) -> Iterator[tuple[Path, object, str]]:
    yield from objectives.conflicts(search, study.task.validated)
    if search.share > 0 and study.confirm is not None and study.confirm.most == 0:
        yield (
            ("search", "share"),
            search.share,
            "accepts 0 with confirm: {repeats: 0}: claims rest on the search's own folds, so nothing is kept from it",
        )
    if search.share > 0 and study.folds.scheme != "kfold":
        yield (
            ("search", "share"),
            search.share,
            f"accepts 0 with folds: {{scheme: {study.folds.scheme}}}: what is held out is declared, not drawn",
        )
    if search.folds is not None and search.folds > study.folds.folds:
        yield ("search", "folds"), search.folds, f"accepts at most folds.folds, {study.folds.folds}"
    if search.race is not None:
        yield from _race(study, search, search.race)
    yield from search_conflicts.conflicts(search, study.activations, study.spaces, study.training, study.search_epochs)
    budgets = {
        item.label: s.trials(search.samples)
        for item, s in zip(study.activations, study.spaces, strict=True)
        if not s.empty
    }
    if len(set(budgets.values())) > 1 and not search.allow_unequal_budget:
        counts = ", ".join(f"{label} {count}" for label, count in budgets.items())
        yield (
            ("search",),
            Phrase(f"different numbers of settings to try ({counts})"),
            "accepts the same for every activation that is searched, or the comparison favours the one tuned most; "
            "change samples or the spaces, or set search.allow_unequal_budget: true and say so",
        )


def _race(study: Values, search: Search, race: Race) -> Iterator[tuple[Path, object, str]]:
    folds = search.repeats * (search.folds or study.folds.folds)
    if race.first >= folds:
        yield (
            ("search", "race", "first"),
            race.first,
            f"accepts fewer than the {folds} folds that a search trial may train (search.repeats times search.folds), "
            "or there is nothing to save; lower it, raise search.repeats, or set race: null",
        )
    if study.confirm is not None and study.confirm.most == 0:
        yield (
            ("search", "race"),
            race.model_dump(),
            "accepts null with confirm: {repeats: 0}: claims rest on the search's own folds, so none may be left out",
        )
    if len(search.objectives) > 1:
        yield (
            ("search", "race"),
            race.model_dump(),
            "accepts null with several objectives: a race compares by one, and would drop what is best by another",
        )
