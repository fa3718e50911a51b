"""What it costs to find the same functions before a run, and how near the catalogue's activations are to one another.

    python tests/bench/bench_alike.py [settings]

30 labels that each search with 40 settings (or as many as given), all known before: the seconds of the process that
compares them, its start included, and the CPU seconds of the comparison alone. Nothing is simulated. Then the nearest
pairs of the catalogue as they come, and what the stated distance calls the same.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time

import numpy as np

from trainer.activations.distance import SAME, course, distances
from trainer.alike import Point, Question, answer
from trainer.catalogue import ACTIVATIONS
from trainer.spec import ActivationSpec

LABELS = 30
SPACES = {
    "elu": ("alpha", 0.1, 2.0),
    "leaky_relu": ("negative_slope", 0.001, 0.3),
    "alrelu": ("alpha", 0.001, 0.3),
    "lelu": ("beta", 0.05, 0.95),
    "apalu": ("b", 0.01, 1.0),
    "dsrelu": ("k", 1.0, 20.0),
}


def question(settings: int) -> Question:
    names = list(SPACES)
    points = []
    for at in range(LABELS):
        name = names[at % len(names)]
        parameter, low, high = SPACES[name]
        values = np.random.default_rng(at).uniform(low, high, settings).tolist()
        for kind, value in [("default", None), ("end", low), ("end", high), *(("setting", value) for value in values)]:
            params = {} if value is None else {parameter: value}
            points.append(Point(label=f"{name}-{at}", kind=kind, spec=ActivationSpec(name=name, params=params)))  # type: ignore[arg-type]
    return Question(points=tuple(points), epochs=100, within=SAME)


def main() -> None:
    settings = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    asked = question(settings)
    start = time.perf_counter()
    command = [sys.executable, "-P", "-m", "actsweep_start", "-m", "trainer.alike"]
    subprocess.run(command, input=json.dumps(dataclasses.asdict(asked)), text=True, check=True, capture_output=True)
    whole = time.perf_counter() - start
    start = time.process_time()
    found = answer(asked)
    alone = time.process_time() - start
    asked_of = f"{LABELS} labels x {settings} settings, {len(asked.points)} points"
    print(f"{asked_of}: {whole:.1f} s, comparing {alone:.1f} s of CPU")
    told = {"named pairs": found.same, "settings that are another's": found.tried, "repeated": found.repeated}
    print(", ".join(f"{what} {len(those)}" for what, those in told.items()))
    names = sorted(ACTIVATIONS)
    table = distances(*[[course(ActivationSpec(name=name), 10) for name in names]] * 2).numpy()
    pairs = sorted((table[i, j], names[i], names[j]) for i in range(len(names)) for j in range(i))
    for apart, one, other in pairs[:8]:
        print(f"{one:>18} {other:<18} {apart:.4f}{'  the same' if apart <= SAME else ''}")


if __name__ == "__main__":
    main()
