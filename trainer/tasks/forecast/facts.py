"""What the task ``forecast`` measures, and its options, as light values."""

from __future__ import annotations

from collections.abc import Mapping

from trainer.errors import SpecError
from trainer.spec import Options, Scalar
from trainer.tasks.description import Description, refuse_unknown
from trainer.tasks.metric import LOSS, Metric

TARGETS = ("difference", "level")
DEFAULTS: Mapping[str, Scalar] = {"target": "difference"}
METRICS = (
    Metric(name=LOSS, better="lower", low=0.0),
    Metric(name="skill", better="higher", high=1.0, reference=0.0),
    Metric(name="rmse", better="lower", low=0.0),
    Metric(name="mae", better="lower", low=0.0),
    Metric(name="direction", better="higher", low=0.0, high=1.0),
    Metric(name="r2", better="higher", high=1.0),
)


def describe(options: Options) -> Description:
    """Raises :class:`SpecError` for an option that the task does not know, or does not take as it is given."""
    check(options)
    return Description(
        name="forecast",
        metrics=METRICS,
        primary="skill",
        stratifies=False,
        defaults={"folds": {"scheme": "time"}},
    )


def check(options: Options) -> None:
    refuse_unknown("forecast", options, DEFAULTS)
    target = options.get("target", DEFAULTS["target"])
    if target not in TARGETS:
        raise SpecError(
            f"task forecast: target is {target!r}; accepts difference (from the last known level) or level. The column "
            "that is predicted is an option of the data set"
        )
