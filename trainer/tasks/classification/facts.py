"""What classification measures. Loads without torch."""

from __future__ import annotations

from trainer.spec import Options
from trainer.tasks.description import Description
from trainer.tasks.metric import LOSS, Metric


def describe(options: Options) -> Description:
    """The same for all options."""
    return Description(
        name="classification",
        metrics=(
            Metric(name=LOSS, better="lower", low=0.0),
            Metric(name="accuracy", better="higher", low=0.0, high=1.0, share_of_items=True),
            Metric(name="f1_weighted", better="higher", low=0.0, high=1.0),
            Metric(name="f1_macro", better="higher", low=0.0, high=1.0),
            Metric(name="auc", better="higher", low=0.0, high=1.0, reference=0.5),
        ),
        primary="accuracy",
        stratifies=True,
    )
