"""What a study comes to: its phases, the trials and folds of each, their specifications, the declared plan. Pure."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Mapping

from analysis.runs.boundaries import Boundaries
from analysis.runs.metric import Metric
from analysis.runs.plan import Declaration, Plan, Race, Sameness
from sweeps.study.study import Study, digest
from trainer.spec import ActivationSpec, DataSpec, FoldSpec, ModelSpec, Options, Phase, Scalar, Scheme, SplitSpec

RACE_RULE = "Gupta's subset rule on corrected folds"
"""By which settings are dropped from a race; what it is stands in :mod:`sweeps.search.racing`."""
Place = tuple[int, int]
"""Repeat and fold."""
UNSEEN = Sameness()


def phases(study: Study) -> tuple[Phase, ...]:
    if not study.searched():
        return ("confirm",)
    assert study.confirm is not None
    return ("search", "confirm") if study.confirm.most else ("search",)


def claims_phase(study: Study) -> Phase:
    return phases(study)[-1]


def trials(study: Study, label: str, phase: Phase) -> int:
    """Trials of one activation in a phase. One with nothing to search has none in the search phase, unless claims rest
    on it."""
    if phase not in phases(study):
        return 0
    if phase == "confirm":
        return 1
    domains = study.space_of(label)
    if domains.empty:
        return int(claims_phase(study) == "search")
    assert study.search is not None
    return domains.trials(study.search.samples)


def repeats(study: Study, phase: Phase) -> tuple[int, ...]:
    """Repeat numbers of a phase, as many as there may be at most. The confirm phase's follow the search's: other
    numbers, other splits."""
    if not study.searched():
        most = study.confirm.most if study.confirm is not None else study.folds.repeats
        return tuple(range(most)) if phase == "confirm" else ()
    assert study.search is not None
    assert study.confirm is not None
    first = study.search.repeats
    return tuple(range(first)) if phase == "search" else tuple(range(first, first + study.confirm.most))


def fold_numbers(study: Study, phase: Phase) -> tuple[int, ...]:
    """Folds of each repeat that a trial of the phase trains."""
    some = study.search.folds if study.search is not None and phase == "search" else None
    return tuple(range(some or study.folds.folds))


def rounds(study: Study, phase: Phase) -> tuple[tuple[Place, ...], ...]:
    """The folds of a trial, in the order in which it may get them: all in one round, but for settings that race, and
    for comparisons that are repeated until they are decided. A trial always has the first round."""
    places = [(repeat, fold) for repeat in repeats(study, phase) for fold in fold_numbers(study, phase)]
    if phase == "search" and study.search is not None and study.search.race is not None:
        first, step = study.search.race.first, study.search.race.step
    elif phase == "confirm" and study.confirm is not None and study.confirm.until is not None:
        step = len(fold_numbers(study, phase))
        first = study.confirm.first * step
    else:
        first, step = len(places), 1
    further = (places[start : start + step] for start in range(first, len(places), step))
    return (tuple(places[:first]), *map(tuple, further))


def race(study: Study) -> Race | None:
    """How the settings of each search race, as it is declared; None where they do not."""
    if study.search is None or study.search.race is None or not study.searched():
        return None
    folds = tuple(itertools.accumulate(map(len, rounds(study, "search"))))
    return Race(rule=RACE_RULE, folds=folds, error=study.search.race.error)


def fold_specs(
    study: Study,
    *,
    phase: Phase,
    trial: str,
    label: str,
    params: Options | None = None,
    training: Options | None = None,
) -> list[FoldSpec]:
    """Specifications of all folds that a trial may get, by repeat, then fold. ``params`` and ``training`` are what the
    search chose; the file's fixed ones are added here."""
    fixed_params, fixed_training = study.fixed(label)
    overrides = {"epochs": study.epochs(phase), **fixed_training, **(training or {})}
    first = FoldSpec(
        study=study.name,
        study_seed=study.seed,
        phase=phase,
        trial=trial,
        repeat=0,
        fold=0,
        task=study.task.name,
        task_options=study.task.options,
        data=data_spec(study),
        split=split_spec(study),
        model=model_spec(study),
        activation=ActivationSpec(name=study.activation(label).activation, params={**fixed_params, **(params or {})}),
        training=study.training.spec(overrides),
    )
    return [
        dataclasses.replace(first, repeat=repeat, fold=fold)
        for repeat in repeats(study, phase)
        for fold in fold_numbers(study, phase)
    ]


def data_spec(study: Study) -> DataSpec:
    return DataSpec(name=study.data.name, options=study.data.options)


def model_spec(study: Study) -> ModelSpec:
    return ModelSpec(name=study.model.name, options=study.model.options)


def split_spec(study: Study) -> SplitSpec:
    return SplitSpec(**study.folds.model_dump(exclude={"repeats"}), search_share=search_share(study))


def search_share(study: Study) -> float:
    """Share of the items that searches use and the confirm phase never holds out; 0 where they use all, or where there
    is none."""
    return study.search.share if study.search is not None and study.searched() else 0.0


def trained_share(study: Study, phase: Phase) -> float:
    """Share of the items that a fold of the phase trains on."""
    return share_of(split_spec(study), phase)


def share_of(split: SplitSpec, phase: Phase) -> float:
    """:func:`trained_share` of folds that are split so."""
    if phase == "search":
        given = dealt = split.search_share or 1.0
    else:
        given, dealt = 1.0, 1.0 - split.search_share
    return (given - dealt / max(split.folds, 2)) * (1 - split.validation)


def plan(study: Study, declared_at: str, places: str = "", same: Sameness = UNSEEN) -> Plan:
    """What is planned and declared, for ``plan.json``. ``declared_at``: ISO 8601, UTC; ``places``: where the
    activations stand in the model, in words; ``same``: which of them are the same function."""
    phase, searched = claims_phase(study), study.searched()
    return Plan(
        study=study.name,
        study_digest=digest(study),
        study_seed=study.seed,
        dataset=_named(study.data.name, study.data.options),
        model=_named(study.model.name, study.model.options),
        places=places,
        splits=_splits(split_spec(study)),
        scheme=study.folds.scheme,
        task=_named(study.task.name, study.task.options),
        metrics=tuple(Metric(**dataclasses.asdict(metric)) for metric in study.description.metrics),
        activations=study.compared(),
        claims_phase=phase,
        repeats=repeats(study, phase),
        folds=len(fold_numbers(study, phase)),
        search_trials={label: trials(study, label, "search") if label in searched else 0 for label in study.compared()},
        search_varies={label: tuple(study.space_of(label).domains) for label in searched},
        search_selects_on=study.select_on(),
        search_share=search_share(study),
        search_race=race(study),
        until_decided=until_decided(study),
        search_objectives=study.search.objectives if study.search is not None and searched else (),
        same=same,
        declaration=Declaration(
            question=study.question,
            metric=study.report.metric,
            rule=study.training.checkpoint_rule,
            control=study.control,
            rope=study.report.rope,
            alpha=study.report.alpha,
            declared_at=declared_at,
            family=study.report.family,
        ),
    )


def until_decided(study: Study) -> Boundaries | None:
    """When a comparison counts as decided; None where each has a fixed number of repeats."""
    confirm = study.confirm
    if confirm is None or confirm.until is None:
        return None
    from analysis.statistics import sequential

    looks = sequential.Looks(*paired_units(study), confirm.first, confirm.most)
    report = study.report
    return sequential.boundaries(looks, labels=len(study.activations), family=report.family, alpha=report.alpha)


def paired_units(study: Study) -> tuple[int, float]:
    """Paired units that a repeat of the confirm phase gives, and held-out over training items. Where every run has the
    same held-out part nothing is known of its size; 0 makes the repeats independent, by which no limit is too wide."""
    folds = len(fold_numbers(study, "confirm"))
    if study.folds.scheme == "fixed":
        return 1, 0.0
    held = (1.0 - search_share(study)) / folds
    return folds, round(held / (1.0 - held), 6)


PARTS: dict[Scheme, str] = {
    "kfold": "{folds} folds",
    "fixed": "the held-out part that the data set declares",
    "published": "{folds} published splits",
    "time": "{folds} stretches of time, each held out from what came before it, with a gap of {purge} steps",
    "block": "{folds} blocks of neighbours",
    "cases": "{folds} cases, each with a held-out part of its own",
}


def _splits(spec: SplitSpec) -> str:
    """How items are assigned to folds, as a reader of the report should see it."""
    parts = PARTS[spec.scheme].format(folds=spec.folds, purge=spec.purge)
    stratified = ", stratified by class" if spec.stratify else ""
    grouped = f", no {spec.group} on two sides" if spec.group else ", items assigned individually (no groups)"
    kept = (
        f"; {100 * spec.search_share:g} % of the items are the search's and never held out" if spec.search_share else ""
    )
    return (
        f"{parts}{stratified}{grouped if spec.scheme == 'kfold' else ''}; validation {spec.validation:g} of the "
        f"rest{kept}"
    )


def _named(name: str, options: Mapping[str, Scalar]) -> str:
    """``resnet34(stem=small)``."""
    inside = ", ".join(
        f"{key}={json.dumps(value) if not isinstance(value, str) else value}" for key, value in sorted(options.items())
    )
    return f"{name}({inside})" if inside else name
