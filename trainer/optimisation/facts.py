"""Learning-rate schedules by name, and their options. Loads without torch."""

from __future__ import annotations

from trainer.part_options import Declared, Number, Numbers, Word

_WARMUP = Number(default=0.0, low=0.0)
_FLOOR = Number(default=0.0, low=0.0)

SCHEDULES: dict[str, Declared] = {
    "none": {"warmup": _WARMUP},
    "cosine": {"floor": _FLOOR, "warmup": _WARMUP},
    "multistep": {
        "milestones": Numbers(default="0.5,0.75"),
        "gamma": Number(default=0.1, low=0.0, open_ended=True, below=1.0),
        "warmup": _WARMUP,
    },
    "one_cycle": {
        "rise": Number(default=0.3, low=0.0, open_ended=True, below=1.0),
        "start": Number(default=25.0, low=1.0, open_ended=True),
        "end": Number(default=1e4, low=1.0),
    },
    "plateau": {
        "watch": Word(default="validation", accepts=("validation", "train")),
        "factor": Number(default=0.1, low=0.0, open_ended=True, below=1.0),
        "patience": Number(default=10, low=1, whole=True),
        "cooldown": Number(default=0, low=0, whole=True),
        "min_delta": Number(default=1e-4, low=0.0),
        "floor": _FLOOR,
        "warmup": _WARMUP,
    },
}
"""Schedule -> its options.

- ``warmup``: epochs (also 2.5) over which the rate rises to ``lr``, step by step
- ``cosine``: from ``lr`` to ``floor`` over the epochs after the warm-up, epoch by epoch
- ``multistep``: times ``gamma`` after each of the ``milestones``, which are epochs (60) or shares of all epochs (0.3)
- ``one_cycle``: step by step from ``lr / start`` up to ``lr`` over the share ``rise`` of all steps, then down to
  ``lr / start / end``; the momentum stays
- ``plateau``: times ``factor``, down to ``floor``, once the loss of the part ``watch`` has not fallen by more than
  ``min_delta`` for ``patience`` epochs; then it rests for ``cooldown`` epochs (as Keras counts them)
"""


def milestones(text: str, epochs: int) -> tuple[int, ...]:
    """Epochs after which the rate falls, of a text as :class:`~trainer.part_options.Numbers` keeps it."""
    numbers = [float(part) for part in text.split(",")]
    return tuple(round(number * epochs) if number < 1 else int(number) for number in numbers)
