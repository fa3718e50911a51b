"""How a study searches, in words: algorithm, scheduler, first settings, relations."""

from __future__ import annotations

import json

from sweeps.search import published
from sweeps.study import algorithms, first, spaces
from sweeps.study.space import ACTIVATION, Space
from sweeps.study.study import Study
from sweeps.wording import counted
from trainer.spec import Options, Scalar


def search(study: Study) -> str:
    """Algorithm, samples and scheduler of a study that searches."""
    chosen = study.search
    assert chosen is not None
    said = [algorithms.words(chosen.algorithm, chosen.sampler), counted(chosen.samples, "sample")]
    if chosen.options:
        said.append(_options(chosen.options))
    scheduler = chosen.scheduler
    stops = algorithms.SCHEDULERS.get(scheduler.name, "your own")
    said.append(
        f"scheduler {scheduler.name} ({stops})" + (f" with {_options(scheduler.options)}" if scheduler.options else "")
    )
    tried = "each activation's own setting" if study.tries_published else "drawn like the others"
    return f"search: {', '.join(said)}; first setting: {tried}"


def of_label(study: Study, label: str) -> list[str]:
    """What is to be said of one activation's search: its first setting, and its relations."""
    made = study.space_of(label)
    lines = []
    if study.tries_published and not made.empty:
        lines.append(f"first: {_first(study, label, made)}")
    if made.relations:
        texts = " and ".join(relation.text for relation in made.relations)
        look = made.feasible
        lines.append(
            f"every setting fulfils {texts} ({look.fulfilling:,} of {counted(look.tried, 'setting')} looked at do)"
        )
    return lines


def _first(study: Study, label: str, made: Space) -> str:
    own = ":" in study.activation(label).activation
    config = published.own_first(study, label) if own else made.first
    if config is None:
        return f"drawn like the others, since {_why(study, label, made, own=own)}"
    parts = [_value(made, key, value) for key, value in config.items()]
    outside = [key.removeprefix(ACTIVATION) for key, value in config.items() if not made.domains[key].has(value)]
    beyond = f"; outside of what is drawn: {', '.join(outside)}" if outside else ""
    return f"{', '.join(parts)} (its own setting{beyond})"


def _why(study: Study, label: str, made: Space, *, own: bool) -> str:
    name = study.activation(label).activation
    defaults = published.own_defaults(name) if own else first.defaults_of(name)
    if defaults is None:
        return f"the class {name} cannot be asked for its defaults here"
    if lacking := first.lacking(made.domains, defaults):
        return f"{name} has no default for {', '.join(lacking)}"
    bare = first.setting(made.domains, defaults, spaces.plain(study.training))
    if bare is None or not made.fulfils(bare):
        said = " and ".join(relation.text for relation in made.relations) or "what an angle can be"
        return f"the setting of {name} breaks {said}"
    return f"the whole space is tried, and the setting of {name} is none of it"


def _value(made: Space, key: str, value: Scalar) -> str:
    domain = made.domains[key]
    number = f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else json.dumps(value)
    return f"{key.removeprefix(ACTIVATION)} {number}{' degrees' if domain.tan else ''}"


def _options(options: Options) -> str:
    return ", ".join(f"{name}: {json.dumps(value)}" for name, value in options.items())
