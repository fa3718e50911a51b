"""What a study names by import path is tried by another process, which loads torch: what a check can say of it."""

from __future__ import annotations

import dataclasses

from sweeps.driver.asking import ask
from sweeps.errors import StudyError, SweepError
from sweeps.search import tryout
from sweeps.study import planner
from sweeps.study.study import Study
from trainer.catalogue import library
from trainer.models.facts import places_of
from trainer.named import Named
from trainer.spec import ActivationSpec


def check(study: Study) -> str:
    """Where the activations stand in the model, in words; "" for a network of the user's own, which is tried on the
    study's items before a run. Raises :class:`StudyError` for a thing that is not there, is none of its kind, or does
    not take its arguments. Costs nothing where a study names only what comes with the product, else what importing it
    costs."""
    tryout.check(study)
    activations = [
        ActivationSpec(name=item.activation, params={**item.params, **ends})
        for item in study.activations
        if ":" in item.activation
        for ends, _ in study.space_of(item.label).ends()
    ]
    named = Named(
        activations=tuple(activations),
        models=(planner.model_spec(study),) if ":" in study.model.name or library(study.model.name) else (),
        readers=(study.data.name,) if ":" in study.data.name else (),
    )
    if not (named.activations or named.models or named.readers):
        return places_of(study.model.name, study.model.options)
    answer = ask(
        "trainer.named",
        dataclasses.asdict(named),
        lambda words: SweepError(f"{study.name}: what it names cannot be tried here:\n{words}"),
    )
    if answer["problems"]:
        raise StudyError("\n".join(f"{study.name}: {problem}" for problem in answer["problems"]))
    return answer["places"] or places_of(study.model.name, study.model.options)
