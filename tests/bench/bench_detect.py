"""The difference that a design is said to tell, beside what simulated studies of that size really told.

A pilot is trained for real: a small network on the digits, two activations, 2 x 5 folds. Its spread of the differences
gives the predicted difference (80 % power) of a study of ``--repeats`` x 5 folds; then 50 such studies are simulated
with a true difference of that size, half of it, twice it and none. What is simulated: a study's differences are normal
with the pilot's spread and the correlation of cross-validation that the corrected t assumes (equicorrelated, rho =
n_test / (n_train + n_test)); each is judged by the product's own test at alpha over the family. Prints a table.

    python tests/bench/bench_detect.py [--repeats 4] [--studies 50] [--pilot DIR]
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from scipy import stats

from analysis.statistics import frequentist
from analysis.statistics.scores import of_arrays
from sweeps.study.reading import load
from sweeps.study.study import Study
from sweeps.view import outlay, pilot

TEXT = """
name: digits-pilot
seed: 5
data: {name: digits}
model: {name: mlp}
training: {epochs: 5, patience: null, lr: 0.001, batch: 64}
folds: {folds: 5, repeats: 2}
activations: [relu, silu, tanh]
control: relu
report: {rope: 0.0}
"""


def trained(folder: Path) -> Path:
    """The pilot, trained by the command that a user has."""
    file = folder / "pilot.yaml"
    file.write_text(TEXT)
    words = [sys.executable, "-m", "sweeps.cli", "run", str(file), "--folder", str(folder / "pilot"), "--no-report"]
    subprocess.run(words, check=True, cwd=folder, stdout=subprocess.DEVNULL)
    return folder / "pilot"


def differences(mean: float, sd: float, n: int, ratio: float, chance: np.random.Generator) -> np.ndarray:
    """Of one study: equicorrelated normal, with ``sd`` within a study, as a pilot shows it, and between studies the
    sd * sqrt(ratio) that all of a study's splits share."""
    return np.asarray(mean + sd * (chance.normal(size=n) + math.sqrt(ratio) * chance.normal()))


def told(study: Study, d: np.ndarray, ratio: float) -> bool:
    """Whether the corrected t finds the difference, at alpha over the study's family."""
    pairs = of_arrays(d, np.zeros_like(d), ratio=ratio)
    found = frequentist.corrected_t(pairs)
    goal = outlay.goal(study, 0.0)
    return bool(found.p < goal.alpha / goal.m and found.estimate > 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--studies", type=int, default=50)
    parser.add_argument("--pilot", type=Path, help="a study folder of the digits and mlp that is there already")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.pilot or trained(Path(temporary))
        study = load(TEXT.replace("repeats: 2", f"repeats: {chosen.repeats}").replace("digits-pilot", "later"))
        spreads = pilot.spreads(study, [folder])
    n = chosen.repeats * 5
    print(f"pilot: digits, mlp, 2 x 5 folds trained; study: {chosen.repeats} x 5 folds, family of 2, alpha 0.05")
    print(f"simulated: {chosen.studies} studies a row; predicted power 80 % at 'as predicted'")
    print(f"{'comparison':<16}{'spread':>9}{'true difference':>28}{'predicted':>11}{'told':>7}{'95 % interval':>16}")
    for at, spread in enumerate(spreads):
        sd, ratio = pilot.sd_in(study, spread), pilot.ratio(study)
        size = outlay.detectable(study, spread, chosen.repeats)
        for name, factor in (("none", 0.0), ("half", 0.5), ("as predicted", 1.0), ("twice", 2.0)):
            chance = np.random.default_rng([7, at, round(1000 * factor)])
            hits = sum(
                told(study, differences(factor * size, sd, n, ratio, chance), ratio) for _ in range(chosen.studies)
            )
            expected = outlay.goal(study, factor * size).power(sd, n, ratio) if factor else 0.0125
            low, high = stats.binomtest(hits, chosen.studies).proportion_ci(method="exact")
            print(
                f"{spread.activation + ' - ' + spread.control:<16}{sd:>9.4f}{f'{factor * size:.4f} ({name})':>28}"
                f"{expected:>11.2f}{hits / chosen.studies:>7.2f}{f'{low:.2f} to {high:.2f}':>16}"
            )


if __name__ == "__main__":
    main()
