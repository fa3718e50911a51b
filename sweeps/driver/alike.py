"""Which compared activations, and which of the settings that will be tried, are the same function: asked of another
process, which loads torch, before anything is trained."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterator, Mapping

from analysis.runs.plan import Sameness
from sweeps.driver.asking import ask
from sweeps.errors import SweepError
from sweeps.study import planner
from sweeps.study.space import ACTIVATION, TRAINING
from sweeps.study.study import Study
from sweeps.wording import counted
from trainer.alike import Answer, Point, Question
from trainer.codec import from_plain
from trainer.spec import ActivationSpec, Options

WITHIN = 1e-3
"""The stated distance: trainer.activations.distance.SAME, of which a test holds this to be a copy."""
CORNERS = 4
"""Most parameters of a search of which all corners of the space are looked at; of more, the lowest and the highest."""
SETTINGS = 2000
"""Most settings of all searches together that are compared, as many of each: seconds, and some hundred MB."""
SHOWN = 12
"""Sentences that are printed; the plan keeps them all."""


def check(study: Study) -> Sameness:
    """What is the same among the activations that a study compares. Raises :class:`SweepError` where the other process
    ends without an answer."""
    wanted = question(study)
    if wanted is None:
        return described(study, None, None)

    def failed(words: str) -> SweepError:
        return SweepError(f"{study.name}: its activations cannot be compared here:\n{words}")

    return described(study, wanted, ask("trainer.alike", asked(wanted), failed))


def question(study: Study) -> Question | None:
    """What to ask of :mod:`trainer.alike`; None where one activation without a search is all there is."""
    points = tuple(_points(study))
    epochs = study.epochs(planner.claims_phase(study))
    return Question(points=points, epochs=epochs, within=WITHIN) if len(points) > 1 else None


def asked(wanted: Question | None) -> dict[str, object] | None:
    """As the other process reads it."""
    return None if wanted is None else dataclasses.asdict(wanted)


def words(found: Sameness) -> str:
    """What was found, a line each, for people."""
    more = [f"  and {len(found.said) - SHOWN} more, in plan.json"] if len(found.said) > SHOWN else []
    listed = [f"  {sentence}" for sentence in found.said[:SHOWN]]
    return "\n".join([found.headline, *listed, *more])


def _points(study: Study) -> Iterator[Point]:
    for label in study.compared():
        name = study.activation(label).activation
        fixed, _ = study.fixed(label)
        domains = {
            key.removeprefix(ACTIVATION): domain
            for key, domain in study.space_of(label).domains.items()
            if key.startswith(ACTIVATION)
        }
        yield Point(label=label, kind="default" if domains else "fixed", spec=ActivationSpec(name=name, params=fixed))
        if not domains:
            continue
        ends = [dict.fromkeys((item.extremes()[0], item.extremes()[-1])) for item in domains.values()]
        corners = list(itertools.product(*ends)) if len(ends) <= CORNERS else [*zip(*map(list, ends), strict=False)]
        for corner in corners:
            params = {**fixed, **dict(zip(domains, corner, strict=True))}
            yield Point(label=label, kind="end", spec=ActivationSpec(name=name, params=params))
        yield from _settings(study, label, name, fixed)


def _settings(study: Study, label: str, name: str, fixed: Options) -> Iterator[Point]:
    """All settings of a search that knows them before it starts."""
    if study.search is None or study.search.algorithm not in ("random", "grid"):
        return
    from sweeps.search.searchers import make_searcher

    searcher = make_searcher(study, label)
    for index in range(min(searcher.count, max(1, SETTINGS // len(study.searched())))):
        config = searcher.ask(index)
        if config is None:
            return
        params, _ = study.space_of(label).resolve(config)
        searched = {key: value for key, value in config.items() if key.startswith(TRAINING)}
        yield Point(
            label=label,
            kind="setting",
            spec=ActivationSpec(name=name, params={**fixed, **params}),
            training=json.dumps(searched, sort_keys=True) if searched else "",
        )


def described(study: Study, wanted: Question | None, answer: object) -> Sameness:
    """The other process' answer in sentences, and as pairs of labels for those who conclude."""
    if wanted is None or answer is None:
        return Sameness(within=WITHIN)
    points, found = wanted.points, from_plain(Answer, answer)
    pairs: list[tuple[str, str]] = []
    starts: list[tuple[str, str]] = []
    fixed: dict[str, None] = {}
    searched: dict[str, None] = {}
    for a, b in found.same:
        one, other = points[a], points[b]
        if one.label == other.label:
            continue
        learns = one.spec != other.spec and bool({a, b} & set(found.learns))
        if one.kind == other.kind == "fixed":
            (starts if learns else pairs).append((one.label, other.label))
            fixed[_pair(study, one, other, learns=learns)] = None
        elif not {one.label, other.label} & {later for _, later in (*pairs, *starts)}:  # said of the earlier one
            searched[_pair(study, one, other, learns=learns)] = None
    said = [*fixed, *searched, *_ends(points, found)]
    said += [f"{points[a].label} can learn to be {_named(points[b])}" for a, b in found.becomes]
    said += _settings_in_words(study, points, found)
    said += dict.fromkeys(f"{points[int(at)].label} is not compared: {why}" for at, why in found.unclear.items())
    return Sameness(within=WITHIN, pairs=tuple(pairs), starts=tuple(starts), said=tuple(said))


def _pair(study: Study, one: Point, other: Point, *, learns: bool) -> str:
    if learns:
        sentence = f"{_named(one)} and {_named(other)} start as the same function: only what is learned differs"
    else:
        sentence = f"{_named(one)} and {_named(other)} are the same function"
    differ = sorted(
        name
        for name in {*study.fixed(one.label)[1], *study.fixed(other.label)[1]}
        if study.fixed(one.label)[1].get(name) != study.fixed(other.label)[1].get(name)
    )
    return sentence + (f", trained differently ({', '.join(differ)})" if differ else "")


def _named(point: Point) -> str:
    """``lelu at beta=0, an end of its search``; ``alrelu (alpha=0)``."""
    params = _short(point.spec.params)
    if point.kind == "fixed":
        return f"{point.label} ({params})" if params else point.label
    if point.kind == "default":
        return f"{point.label} at its default" + (f" ({params})" if params else "")
    return f"{point.label} at {params}" + (", an end of its search," if point.kind == "end" else "")


def _short(params: Mapping[str, object]) -> str:
    return ", ".join(
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in sorted(params.items())
    )


def _ends(points: tuple[Point, ...], found: Answer) -> Iterator[str]:
    """Ends of one search that are one function."""
    of_label: dict[str, list[tuple[int, int]]] = {}
    for a, b in found.same:
        if points[a].label == points[b].label and points[a].kind == points[b].kind == "end":
            of_label.setdefault(points[a].label, []).append((a, b))
    for label, pairs in of_label.items():
        a, b = pairs[0]
        more = f" ({counted(len(pairs), 'such pair')})" if len(pairs) > 1 else ""
        yield (
            f"{label}: {_short(points[a].spec.params)} and {_short(points[b].spec.params)}, ends of its search, are "
            f"the same function{more}"
        )


def _settings_in_words(study: Study, points: tuple[Point, ...], found: Answer) -> Iterator[str]:
    for a, some in itertools.groupby(sorted(found.tried), key=lambda pair: pair[0]):
        hits = [points[b] for _, b in some]
        for label in dict.fromkeys(point.label for point in hits):
            mine = [point for point in hits if point.label == label]
            total = sum(point.kind == "setting" and point.label == label for point in points)
            if points[a].kind == "fixed":
                yield (
                    f"{label}: {len(mine)} of its {_of(study, label, total)} are the function of {_named(points[a])}, "
                    f"as {_short(mine[0].spec.params)}"
                )
    totals: dict[str, int] = {}
    for point in points:
        if point.kind == "setting":
            totals[point.label] = totals.get(point.label, 0) + 1
    for label, total in totals.items():
        mine_again = [(points[a], points[b]) for a, b in found.repeated if points[a].label == label]
        if mine_again:
            again, first = mine_again[0]
            distinct = counted(total - len(mine_again), "distinct function")
            yield (
                f"{label}: its {_of(study, label, total)} come to {distinct}; "
                f"{_short(again.spec.params)} repeats {_short(first.spec.params)}"
            )


def _of(study: Study, label: str, compared: int) -> str:
    """ "40 settings", or how many of them were compared."""
    count = planner.trials(study, label, "search")
    return counted(count, "setting") if compared >= count else f"first {compared} of {counted(count, 'setting')}"
