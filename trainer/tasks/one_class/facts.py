"""What one-class classification measures, and which options it takes. Loads without torch."""

from __future__ import annotations

from trainer.activations import arguments
from trainer.spec import Options
from trainer.tasks.description import LAST, Description
from trainer.tasks.metric import LOSS, Metric

NAME = "one_class"
AUTOENCODER, SPHERE = "autoencoder", "one_class"
"""Names of the two stages."""
EMBEDDING = 32


def describe(options: Options) -> Description:
    """What is measured of the stage before the last is left out where there is no such stage. Raises ValueError for an
    option that is not accepted."""
    check(options)
    staged = bool(options.get("autoencoder_epochs", 0))
    before = Metric(name="auroc_autoencoder", better="higher", low=0.0, high=1.0, reference=0.5, heldout_only=True)
    return Description(
        name=NAME,
        metrics=(
            Metric(name=LOSS, better="lower", low=0.0),
            Metric(name="auroc", better="higher", low=0.0, high=1.0, reference=0.5, heldout_only=True),
            Metric(name="average_precision", better="higher", low=0.0, high=1.0, heldout_only=True),
            *((before,) if staged else ()),
            Metric(name="spread", better="higher", low=0.0),
        ),
        primary="auroc",
        stratifies=True,
        defaults={"training": {"checkpoint_rule": LAST, "patience": None}, "folds": {"validation": 0.0}},
    )


def check(options: Options) -> None:
    """Raises ValueError for a value that its option does not accept."""
    normal = options.get("normal")
    if normal is not None and (isinstance(normal, bool) or not isinstance(normal, int | str)):
        raise arguments.WrongArgument(NAME, "normal", normal, "a class's name or its number")
    if epochs := options.get("autoencoder_epochs", 0):
        arguments.count(NAME, "autoencoder_epochs", epochs)
    elif isinstance(epochs, bool) or epochs != 0:
        raise arguments.WrongArgument(NAME, "autoencoder_epochs", epochs, "a whole number of at least 0")
    arguments.count(NAME, "embedding", options.get("embedding", EMBEDDING))
    for name, bound in (("autoencoder_lr", {"above": 0.0}), ("autoencoder_weight_decay", {"low": 0.0})):
        if (value := options.get(name)) is None:
            continue
        if not epochs:
            raise arguments.WrongArgument(NAME, name, value, "none without autoencoder_epochs")
        arguments.real(NAME, name, value, **bound)
