"""How often chance makes one of two equal activations the cheaper: python tests/bench/bench_device_kinds.py [studies].

Simulated studies of two activations whose epochs cost the same, five folds each, on cards of which one takes 2.5 times
as long. Devices are dealt by chance: to each activation's whole pack, or to each fold. Counted is how often the 95 %
interval of the ratio of training times leaves 1 out: over all pairs of folds on a split, whatever they were trained on,
and within one kind of device as the report does it; and how often the report says that it does not compare.
A measurement; ``test_kinds`` holds a small version to it.
"""

from __future__ import annotations

import sys

import numpy as np

from analysis.runs import simulated
from analysis.runs.simulated import Key
from analysis.statistics import timing

CARDS = (("fast card", 1.0), ("slow card", 2.5))
DEALT = ("to each pack", "to each fold")
COST = {"relu": 1.0, "elu": 20.0 / 20.5}
"""That makes the simulated seconds of the two equal."""


def study(dealt: str, seed: int) -> tuple[bool, bool, bool]:
    """Whether a difference is claimed over all pairs, whether within a kind, and whether nothing is compared."""
    rng = np.random.default_rng(seed)
    of_pack = {label: CARDS[rng.integers(2)] for label in COST}
    of_fold = {(label, fold): CARDS[rng.integers(2)] for label in COST for fold in range(5)}

    def device(key: Key) -> tuple[str, float]:
        name, longer = of_pack[key.activation] if dealt == "to each pack" else of_fold[key.activation, key.fold]
        return name, longer * COST[key.activation]

    made = simulated.study(seed=seed, activations=tuple(COST), epochs=6, stops=False, devices=device)
    timed = timing.runs(made.cube, made.curves)
    pooled = timing.summary(timed.assign(kind="any"), "relu").set_index("activation").loc["elu"]
    rows = timing.summary(timed, "relu")
    within = rows[(rows["activation"] == "elu") & rows["ratio_low"].notna()]
    return (
        _claims(pooled["ratio_low"], pooled["ratio_high"]),
        any(_claims(row["ratio_low"], row["ratio_high"]) for row in within.to_dict("records")),
        within.empty,
    )


def _claims(low: float, high: float) -> bool:
    return bool(low > 1 or high < 1)


def main(studies: int = 200) -> None:
    print(f"{'device dealt':<16}{'studies':>8}{'claimed, pooled':>17}{'claimed, in a kind':>20}{'no interval':>13}")
    for dealt in DEALT:
        found = np.array([study(dealt, seed) for seed in range(studies)])
        pooled, within, none = found.mean(axis=0)
        print(f"{dealt:<16}{studies:>8}{pooled:>17.1%}{within:>20.1%}{none:>13.1%}")


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
