"""What the task ``regression`` measures, and its options, as light values."""

from __future__ import annotations

from collections.abc import Mapping

from trainer.errors import SpecError
from trainer.spec import Options, Scalar
from trainer.tasks.description import Description, refuse_unknown
from trainer.tasks.metric import LOSS, Metric

LOSSES = ("mse", "mae", "huber")
DEFAULTS: Mapping[str, Scalar] = {"loss": "mse", "scale_targets": True, "diffusion": False, "quantiles": 0}
METRICS = (
    Metric(name=LOSS, better="lower", low=0.0),
    Metric(name="rmse", better="lower", low=0.0),
    Metric(name="mae", better="lower", low=0.0),
    Metric(name="max_error", better="lower", low=0.0),
    Metric(name="r2", better="higher", high=1.0),
    Metric(name="nrmse", better="lower", low=0.0),
)
DIFFUSION = (
    Metric(name="diffusion", better="lower", low=0.0, heldout_only=True),
    Metric(name="diffusion_excess", better="lower", low=0.0, heldout_only=True),
)
"""Of the model on the data set's mesh. The excess is how far the score is from what the true function has there, on
either side: a score below the truth's is no better than one above it."""


def describe(options: Options) -> Description:
    """Raises :class:`SpecError` for an option that the task does not know, or does not take as it is given."""
    check(options)
    return Description(
        name="regression",
        metrics=(*METRICS, *(DIFFUSION if options.get("diffusion") else ())),
        primary="rmse",
        stratifies=bool(options.get("quantiles")),
    )


def check(options: Options) -> None:
    refuse_unknown("regression", options, DEFAULTS)
    given = {**DEFAULTS, **options}
    if given["loss"] not in LOSSES:
        raise SpecError(f"task regression: loss is {given['loss']!r}; accepts {', '.join(LOSSES)}")
    for name in ("scale_targets", "diffusion"):
        if not isinstance(given[name], bool):
            raise SpecError(f"task regression: {name} is {given[name]!r}; accepts true or false")
    quantiles = given["quantiles"]
    if isinstance(quantiles, bool) or not isinstance(quantiles, int) or quantiles < 0 or quantiles == 1:
        raise SpecError(
            f"task regression: quantiles is {quantiles!r}; accepts 0, which deals items at random, or a number of "
            "ranges of the target from 2 up, of each of which every part of a split gets its share"
        )
