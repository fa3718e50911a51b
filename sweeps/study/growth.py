"""How a study's declaration has grown: what may grow, and what of two versions differs otherwise. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from sweeps.errors import StudyError
from sweeps.study import planner
from sweeps.study.sections import Budget
from sweeps.study.study import NOT_IDENTITY, Study, digest
from sweeps.wording import counted

Kind = Literal["samples", "repeats", "until", "activations", "budget"]
MAY_GROW = (
    "search.samples, the number of repeats (folds.repeats, confirm.repeats), confirm.until: decided, further "
    "activations, and any change of budget"
)
_ABSENT = object()


@dataclass(frozen=True, kw_only=True)
class Growth:
    changes: Mapping[Kind, str]
    """What has grown -> how, in words."""
    added: tuple[str, ...]
    """Labels that were not there before."""
    searched_again: tuple[str, ...]
    """Labels whose searches get further settings."""


class Differs(NamedTuple):
    key: str
    was: str
    now: str
    why: str = ""


class NoGrowth(StudyError):
    """A declaration that is another study's, not the same one grown."""


def between(old: Study, new: Study) -> Growth:
    """How ``new`` has grown from ``old``; a folder of ``old`` can go on with it. Raises :class:`NoGrowth` with each key
    that differs otherwise, and where nothing differs."""
    if digest(old) == digest(new):
        raise NoGrowth("nothing has grown: it is the same study")
    differing = list(_otherwise(old, new))
    if differing:
        raise NoGrowth(refusal(differing))
    again = [label for label in old.searched() if settings(new, label) > settings(old, label)]
    added = [label for label in new.compared() if label not in old.compared()]
    changes: dict[Kind, str] = {}
    if new.search is not None and old.search is not None and new.search.samples > old.search.samples:
        changes["samples"] = f"search.samples {old.search.samples}, now {new.search.samples}"
    before, now = _Repeats.of(old), _Repeats.of(new)
    if now.most > before.most:
        changes["repeats"] = f"{counted(before.most, 'repeat')}, now {'at most ' if now.until else ''}{now.most}"
    if now.until and not before.until:
        changes["until"] = f"a fixed number of repeats, now until decided (at first {now.first}, at most {now.most})"
    if added:
        changes["activations"] = f"{', '.join(added)} added"
    if old.budget != new.budget:
        changes["budget"] = f"budget {_budget(old.budget)}, now {_budget(new.budget)}"
    return Growth(changes=changes, added=tuple(added), searched_again=tuple(again))


def refusal(differing: list[Differs]) -> str:
    lines = [f"  {one.key}: was {one.was}, now {one.now}" + (f" ({one.why})" if one.why else "") for one in differing]
    return "\n".join([f"what may grow is {MAY_GROW}; it differs in", *lines])


def settings(study: Study, label: str) -> int:
    return planner.trials(study, label, "search") if label in study.searched() else 0


class _Repeats(NamedTuple):
    """Of the phase that claims rest on."""

    first: int
    most: int
    until: str | None

    @classmethod
    def of(cls, study: Study) -> _Repeats:
        if study.confirm is None:
            return cls(study.folds.repeats, study.folds.repeats, None)
        return cls(study.confirm.first, study.confirm.most, study.confirm.until)


def _otherwise(old: Study, new: Study) -> Iterator[Differs]:
    """What differs and may not."""
    before, now = _plain(old), _plain(new)
    activations = before.pop("activations"), now.pop("activations")
    for label, item in activations[0].items():
        if label not in activations[1]:
            yield Differs(f"activations.{label}", "there", "gone", "its runs are in the data")
        else:
            yield from _leaves(f"activations.{label}", item, activations[1][label])
    yield from _leaves("", before, now)
    yield from _samples(old, new)
    yield from _repeats(old, new)
    yield from _folds(old, new)


def _plain(study: Study) -> dict[str, Any]:
    """As a mapping, by label, without what may grow and is looked at by itself."""
    plain = study.model_dump(mode="json", exclude={*NOT_IDENTITY, "budget", "confirm"})
    plain["activations"] = {item["label"]: item for item in plain["activations"]}
    del plain["folds"]["repeats"]
    if plain["search"] is not None:
        del plain["search"]["samples"]
    return plain


def _leaves(path: str, was: Any, now: Any) -> Iterator[Differs]:
    if isinstance(was, dict) and isinstance(now, dict):
        for key in {**was, **now}:
            yield from _leaves(f"{path}.{key}".lstrip("."), was.get(key, _ABSENT), now.get(key, _ABSENT))
    elif was != now or type(was) is not type(now):
        yield Differs(path, _text(was), _text(now))


def _text(value: Any) -> str:
    return "not there" if value is _ABSENT else "none" if value is None else json.dumps(value)


def _budget(budget: Budget | None) -> str:
    return "none" if budget is None else f"{budget.gpu_hours:g} GPU hours (margin {budget.margin:g})"


def _samples(old: Study, new: Study) -> Iterator[Differs]:
    if old.search is None or new.search is None or old.search.samples == new.search.samples:
        return
    was, now = str(old.search.samples), str(new.search.samples)
    if new.search.samples < old.search.samples:
        yield Differs("search.samples", was, now, "settings that were tried are in the data")
    elif old.search.race is not None:
        yield Differs("search.samples", was, now, "what a race promises is of one race among all settings")


def _repeats(old: Study, new: Study) -> Iterator[Differs]:
    before, now = _Repeats.of(old), _Repeats.of(new)
    key = "confirm.repeats" if old.confirm is not None else "folds.repeats"
    if (before.most > 0) != (now.most > 0):
        why = "claims would rest on another phase"
        yield Differs(key, str(before.most), str(now.most), why)
    elif now.most < before.most:
        yield Differs(key, str(before.most), str(now.most), "repeats that were trained are in the data")
    elif before.until and not now.until:
        yield Differs("confirm.until", str(before.until), "none", "its looks have been taken")
    elif before.until and now.first != before.first:
        yield Differs("confirm.repeats.first", str(before.first), str(now.first), "the first look is after them")
    elif now.until and now.first < before.first:
        why = f"{counted(before.first, 'repeat')} are planned already, and the first look is after all of them"
        yield Differs("confirm.repeats.first", str(before.first), str(now.first), why)
    elif before == now and old.folds.repeats != new.folds.repeats:
        why = "confirm.repeats says how many there are"
        yield Differs("folds.repeats", str(old.folds.repeats), str(new.folds.repeats), why)


def _folds(old: Study, new: Study) -> Iterator[Differs]:
    """The folds themselves, whatever the keys say: those of before must be among those of now."""
    for phase in planner.phases(old):
        for label in set(old.compared()) & set(new.compared()):
            known = {spec.digest for spec in planner.fold_specs(new, phase=phase, trial="t", label=label)}
            for spec in planner.fold_specs(old, phase=phase, trial="t", label=label):
                if spec.digest not in known:
                    yield Differs(f"the folds of {label}", f"{phase} {spec.folder}", "other ones")
                    return
