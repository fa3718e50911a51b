"""What a registered version says of itself: to people in its description, to programs in its tags."""

from __future__ import annotations

import math
from textwrap import shorten

from analysis.runs import schema
from analysis.runs.plan import Plan
from sweeps.registry.weights import Weights
from sweeps.registry.winner import Chosen
from sweeps.tracking.run_values import MAX_TAG, value_text
from sweeps.wording import counted
from trainer.serving import Answer

WEIGHTS_DIGEST = schema.PREFIX + "weights_sha256"
VERDICT = schema.PREFIX + "verdict"
MEAN, SD = schema.PREFIX + "mean", schema.PREFIX + "sd"
REGISTERED = schema.PREFIX + "registered"
LOGGED_MODEL = schema.PREFIX + "logged_model"
"""MLflow's id of the model behind a version."""
LONGEST, ANSWER = 4900, 1800
"""Characters of a description (MLflow's column has 5,000), and of the report's answer in it."""


def words(plan: Plan, chosen: Chosen, weights: Weights, said: Answer) -> str:
    """Markdown, as the model's page shows it."""
    spec, start = weights.spec, weights.history.start
    spread = f", standard deviation {chosen.sd:.4g}" if math.isfinite(chosen.sd) else ""
    params = ", ".join(f"{name} {value_text(value)}" for name, value in spec.activation.params.items())
    of_task = " (what the task makes of the data set's items, not those themselves)" if said.derived else ""
    shape = "x".join(map(str, said.shape))
    compared = (
        f"Of {counted(said.compared, 'held-out item')} it gave the fold's predictions again when it was registered; "
        f"largest difference {said.largest:.2g}."
        if said.compared
        else "The fold kept no predictions of this kind to compare with."
    )
    parts = [
        f"**{plan.declaration.question}**" if plan.declaration.question else "",
        f"**{chosen.verdict}** {chosen.why}",
        "The report's answer: " + shorten(" ".join(chosen.answer), ANSWER, placeholder=" ..."),
        f"Held-out {chosen.metric} of {chosen.label}: mean {chosen.mean:.4g}{spread}, n = {chosen.n} {chosen.unit}s, "
        f"{plan.claims_phase} phase, {plan.splits or counted(plan.folds, 'fold')}. Each fold is a model of its own; "
        "the mean is of them all, and not a score of this one.",
        f"Weights: {weights.why} Epoch {weights.epoch}, rule {spec.training.checkpoint_rule}; trained on "
        f"{start.n_train} items, validated on {start.n_validation}; {start.n_heldout} were held out.",
        f"Model: {plan.model}; activation {spec.activation.name}{f' ({params})' if params else ''}.",
        f"Takes an array of n x {shape} {said.dtype}, items of {plan.dataset} as its reader gives them{of_task}: they "
        f"are scaled in the model, by what the fold learnt of its training part. Gives {said.gives}. {compared}",
        f"Data: {plan.dataset}. Licence: {said.licence} Cite: {said.citation}",
        f"Study {plan.study}, digest {plan.first_digest}; fold {spec.digest}; code {start.code or 'not known'}. "
        "Loads with the actsweep and torch of its requirements: actsweep is installed from its own repository.",
    ]
    text = "\n\n".join(part for part in parts if part)
    return text if len(text) <= LONGEST else text[: LONGEST - 4] + " ..."


def tags(plan: Plan, sweep: str, chosen: Chosen, weights: Weights, digest: str) -> dict[str, str]:
    """``digest``: SHA-256 of the weights."""
    spec = weights.spec
    found = {
        schema.STUDY: plan.study,
        schema.STUDY_DIGEST: plan.first_digest,
        schema.SWEEP: sweep,
        schema.KEY: f"{plan.study}/{chosen.trial}/{weights.name}",
        schema.DATASET: plan.dataset,
        schema.MODEL: plan.model,
        schema.PHASE: spec.phase,
        schema.TRIAL: chosen.trial,
        schema.ACTIVATION: chosen.label,
        schema.ACTIVATION_NAME: spec.activation.name,
        schema.REPEAT: str(spec.repeat),
        schema.FOLD: str(spec.fold),
        schema.DIGEST: spec.digest,
        schema.CODE: weights.history.start.code,
        schema.DATA_DIGEST: weights.history.start.data_digest,
        WEIGHTS_DIGEST: digest,
        VERDICT: chosen.word,
        MEAN: repr(chosen.mean),
        SD: repr(chosen.sd),
    }
    return {name: value_text(text, MAX_TAG) for name, text in found.items() if text}
