"""What a search does to the claims made after it, on items that it used and on items that it did not: a simulation.

Twenty settings that are equally good on average, and a control that is as good as they are. Items are harder or
easier; each setting suits some items better than others, and learns more from some items than from others. So a
setting can be lucky in its items twice: in those it is scored on, and in those it is trained on. The best by mean
validation accuracy over the search's folds is confirmed on other repeats, dealt by :func:`trainer.splits.split` itself.
"Fresh items" is what the confirmed models score on items that no study has: the gain that is true. "At random" confirms
a setting that nothing selected: what the test does by itself (2.5 % are declared).

    python tests/bench/bench_search_share.py [--studies 2000] [--seed 1]
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from analysis.statistics.frequentist import corrected_t
from analysis.statistics.scores import of_arrays
from trainer import splits
from trainer.datasets.reader import Dataset
from trainer.spec import SplitSpec

Array = npt.NDArray[Any]
SETTINGS = 20
CLASSES = 10
EASE, SPREAD, SUITS, LUCK = 1.5, 1.0, 3.0, 2.0
"""In logits: how easy items are, how much they differ, how much settings differ on one item, and how much one item adds
to what a setting learns, times the square root of the items it is trained on."""
Pick = Literal["best", "random"]


@dataclass(frozen=True)
class Result:
    gain: float
    """Mean difference of the chosen setting to the control, in accuracy."""
    gain_se: float
    fresh: float
    """The same on items that no study has."""
    better: float
    """Share of studies in which the chosen setting is told to be better, by the corrected t at 5 % two-sided."""
    touched: float
    """Share of the confirmed held-out items that took part in the search."""


def simulate(
    items: int,
    share: float,
    *,
    pick: Pick,
    studies: int,
    seed: int,
    folds: int = 5,
    search_folds: int = 5,
    repeats: int = 2,
) -> Result:
    """``search_folds`` of the first repeat are searched on, ``repeats`` others confirm."""
    generator = np.random.default_rng(seed)
    dealt = [_dealt(items, share, number, folds, search_folds, repeats) for number in range(20)]
    elsewhere = generator.normal(EASE, np.hypot(SPREAD, SUITS), 4000)
    gains, fresh, better = np.empty(studies), np.empty(studies), np.empty(studies, dtype=bool)
    for number in range(studies):
        cut = dealt[number % len(dealt)]
        suits = generator.normal(EASE, SPREAD, items) + generator.normal(0, SUITS, (SETTINGS + 1, items))
        teaches = generator.normal(0, LUCK, (SETTINGS + 1, items))

        def accuracy(
            which: Array, train: Array, scored: Array, suits: Array = suits, teaches: Array = teaches
        ) -> Array:
            """Of the settings ``which``, on drawn answers."""
            learnt = teaches[np.ix_(which, train)].mean(axis=1, keepdims=True)
            right = expit(suits[np.ix_(which, scored)] + learnt)
            return (generator.random(right.shape) < right).mean(axis=1)

        settings = np.arange(1, SETTINGS + 1)
        means = np.mean([accuracy(settings, train, validation) for train, validation in cut.search], axis=0)
        winner = 1 + int(np.argmax(means)) if pick == "best" else 1
        two = np.array([winner, 0])
        x, y = np.array([accuracy(two, train, heldout) for train, heldout in cut.confirm]).T
        learnt = np.array([teaches[np.ix_(two, train)].mean(axis=1) for train, _ in cut.confirm])
        levels = expit(elsewhere[None, None, :] + learnt[:, :, None]).mean(axis=(0, 2))
        gains[number], fresh[number] = (x - y).mean(), levels[0] - levels[1]
        found = corrected_t(of_arrays(x, y, ratio=cut.ratio))
        better[number] = found.p is not None and found.p <= 0.05 and found.estimate > 0
    return Result(
        gain=float(gains.mean()),
        gain_se=float(gains.std(ddof=1) / np.sqrt(studies)),
        fresh=float(fresh.mean()),
        better=float(better.mean()),
        touched=float(np.mean([cut.touched for cut in dealt])),
    )


@dataclass(frozen=True)
class Cut:
    search: list[tuple[Array, Array]]
    """Training and validation items of each fold that is searched on."""
    confirm: list[tuple[Array, Array]]
    """Training and held-out items of each fold of the confirm phase."""
    ratio: float
    """Held-out items over those that a fold could see."""
    touched: float
    """Share of the held-out items that the search used."""


def _dealt(items: int, share: float, seed: int, folds: int, search_folds: int, repeats: int) -> Cut:
    labels = np.arange(items) % CLASSES
    data = Dataset(
        name="simulated",
        items=np.zeros((items, 1, 1, 1), dtype=np.uint8),
        labels=labels,
        classes=tuple(map(str, range(CLASSES))),
        groups={},
        fixed_heldout=None,
        mean=(0.0,),
        std=(1.0,),
        digest="0" * 64,
    )
    spec = SplitSpec(folds=folds, search_share=share)
    strata = splits.Strata(numbers=labels.astype(np.int64), names=data.classes)
    search = [
        splits.split(data, spec, strata, phase="search", seed=seed, repeat=0, fold=fold) for fold in range(search_folds)
    ]
    confirm = [
        splits.split(data, spec, strata, phase="confirm", seed=seed, repeat=repeat, fold=fold)
        for repeat in range(1, repeats + 1)
        for fold in range(folds)
    ]
    used = np.unique(np.concatenate([np.r_[part.train, part.validation] for part in search]))
    held = np.concatenate([part.heldout for part in confirm])
    return Cut(
        search=[(part.train, part.validation) for part in search],
        confirm=[(part.train, part.heldout) for part in confirm],
        ratio=float(np.mean([len(p.heldout) / (len(p.train) + len(p.validation)) for p in confirm])),
        touched=float(np.isin(held, used).mean()),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    print("| items | search on | confirmed | items used again | gain | on fresh items | better (declared 2.5 %) |")
    print("| ---: | --- | --- | ---: | ---: | ---: | ---: |")
    for items in (300, 1000, 3000):
        for share, name in ((0.0, "all items"), (0.4, "40 % of the items")):
            picks: tuple[Pick, ...] = ("random", "best")
            for pick in picks:
                found = simulate(items, share, pick=pick, studies=asked.studies, seed=asked.seed)
                print(
                    f"| {items} | {name} | {pick} | {100 * found.touched:.0f} % | {found.gain:+.4f} +- "
                    f"{2 * found.gain_se:.4f} | {found.fresh:+.4f} | {100 * found.better:.1f} % |"
                )


if __name__ == "__main__":
    main()
