"""Which pairs of searcher and scheduler are held to ``tune.Tuner``, and how: shared by the test and by the bench."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

from sweeps.search.schedulers import NoScheduler, scheduler
from sweeps.search.searchers import Sampled
from sweeps.search.sequential import Sequential
from sweeps.search.tune_searchers import maker
from sweeps.study import algorithms
from sweeps.study.sections import Scheduler, Search
from sweeps.study.space import Domain, Space

METRIC, SEED, EPOCHS, SAMPLES = "validation/loss", 7, 9, 14
NUMBERS = {
    "activation.a": Domain(kind="uniform", args=(60.0, 85.0)),
    "activation.k": Domain(kind="loguniform", args=(1.0, 20.0)),
    "activation.n": Domain(kind="randint", args=(1, 5)),
}
CHOICE = {"training.batch": Domain(kind="choice", args=(32, 64))}
SPACES = {
    "random": {"activation.g": Domain(kind="grid_search", args=(1, 2)), **NUMBERS, **CHOICE},
    "grid": {
        "activation.g": Domain(kind="grid_search", args=(1, 2, 3)),
        "training.batch": Domain(kind="grid_search", args=(32, 64, 128)),
    },
    "optuna/brute_force": {"activation.n": NUMBERS["activation.n"], **CHOICE},
    "optuna/cmaes": NUMBERS,
    "optuna/qmc": NUMBERS,
    "bayesopt": {
        "activation.a": NUMBERS["activation.a"],
        "activation.k": Domain(kind="uniform", args=(1.0, 20.0)),
    },
}
FIRST = {"activation.a": 80.0, "activation.k": 5.0, "activation.n": 2, "training.batch": 64}
SEARCHES = ["random", "grid", "tpe", *(f"optuna/{name}" for name in algorithms.SAMPLERS), "hyperopt", "bayesopt"]
PAIRS = [(each, stops) for each in SEARCHES for stops in ("none", "asha", "median", "hyperband")
         if stops != "hyperband" or each in ("random", "grid")]  # fmt: skip
"""HyperBand with a search that learns is not among them: Tune fills its brackets as suggestions come, ours are those of
the whole search, so that they do not depend on what is over when."""


def runnable(algorithm):
    name, _, sampler = algorithm.partition("/")
    module = algorithms.of(name, sampler or None).module
    return not module or importlib.util.find_spec(module) is not None


def reference(pairs, folder):
    """What ``tune.Tuner`` does, by pair."""
    # Ray's own deprecations, in a process of its own, are not ours to hear about.
    quiet = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "PYTHONWARNINGS": "ignore"}
    script = Path(__file__).with_name("tune_reference.py")
    asked = ["+".join(pair) for pair in pairs]
    done = subprocess.run(
        [sys.executable, str(script), str(folder), *asked], capture_output=True, text=True, env=quiet, timeout=580
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    return {pair: found[name] for pair, name in zip(pairs, asked, strict=True)}


def made(algorithm):
    """Ours, with one trial in flight where it learns."""
    name, _, sampler = algorithm.partition("/")
    domains = dict(sorted(SPACES.get(algorithm, {**NUMBERS, **CHOICE}).items()))
    if name in ("random", "grid"):
        return Sampled(Space(domains=domains), 5, seed=SEED)
    searched = Space(domains=domains, first={key: FIRST[key] for key in domains})
    search = Search(algorithm=name, sampler=sampler or None, samples=SAMPLES, concurrent=1)
    return Sequential(searched, SAMPLES, maker(search, searched, mode="min", seed=SEED), seed=SEED, metric=METRIC,
                      mode="min", concurrent=1)  # fmt: skip


def differences(pair, theirs):
    """In what ours differs from ``tune.Tuner``, told the same in the same order; and how many settings and stops there
    were."""
    algorithm, stops = pair
    searcher = made(algorithm)
    chosen = Scheduler(name=stops)
    if stops == "median":
        chosen = Scheduler(name=stops, grace_epochs=2)
    stopping = NoScheduler() if stops == "none" else scheduler(
        chosen, metric=METRIC, mode="min", epochs=EPOCHS, trials=searcher.count, seed=SEED
    )  # fmt: skip
    last = {}
    for _, index, epoch, value, _ in (event for event in theirs["events"] if event[0] == "result"):
        last[index] = (epoch, value)
    found = []
    for index, config in enumerate(theirs["configs"]):
        ours = searcher.ask(index)
        if not _equal(ours, config):
            found.append(f"setting {index}: {ours}, Tune's {config}")
            break
        searcher.complete(index, {METRIC: last[index][1]})
    if len(theirs["configs"]) != searcher.count:
        found.append(f"{searcher.count} settings, Tune's {len(theirs['configs'])}")
    ended, said = set(), set()
    for event, index, *rest in theirs["events"]:
        if event == "complete" and index not in said and last[index][0] == EPOCHS and index not in ended:
            ended.add(index)
            stopping.complete(index, None)
        elif event == "result" and stopping.result(index, rest[0], {METRIC: rest[1]}):
            said.add(index)
    said |= {index for index in getattr(stopping, "stopped", ()) if theirs["epochs"][index] < EPOCHS}
    expected = {index for index, epoch in enumerate(theirs["epochs"]) if epoch < EPOCHS}
    if said != expected:
        found.append(f"stopped {sorted(said)}, Tune {sorted(expected)}")
    return found, len(theirs["configs"]), len(expected)


def _equal(ours, theirs):
    return ours is not None and ours.keys() == theirs.keys() and all(
        abs(value - theirs[key]) <= 1e-12 * abs(theirs[key]) for key, value in ours.items()
    )  # fmt: skip
