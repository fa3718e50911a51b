"""Runs ``tune.Tuner``, actors and all, for pairs of a searcher and a scheduler, in one Ray session.

A program of its own: Ray starts processes and hooks that a test session should not keep. Arguments: a folder, then
pairs as ``optuna/cmaes+hyperband``. Prints, as JSON on the last line, for each pair what was suggested, heard and
stopped.
"""

import json
import sys
import warnings

import numpy as np
import ray
from optuna import samplers
from ray import tune
from ray.tune import Callback
from ray.tune import schedulers as of_tune
from ray.tune.search import ConcurrencyLimiter
from ray.tune.search.basic_variant import BasicVariantGenerator
from ray.tune.search.optuna import OptunaSearch

SEED, METRIC, EPOCHS = 7, "validation/loss", 9
SPACE = {
    "activation.a": tune.uniform(60.0, 85.0),
    "activation.k": tune.loguniform(1.0, 20.0),
    "activation.n": tune.randint(1, 5),
}
CHOICE = {"training.batch": tune.choice([32, 64])}
GRID = {"activation.g": tune.grid_search([1, 2])}
WHOLE = {"activation.g": tune.grid_search([1, 2, 3]), "training.batch": tune.grid_search([32, 64, 128])}
FINITE = {"activation.n": tune.randint(1, 5), "training.batch": tune.choice([32, 64])}
UNIFORM = {"activation.a": tune.uniform(60.0, 85.0), "activation.k": tune.uniform(1.0, 20.0)}
FIRST = {"activation.a": 80.0, "activation.k": 5.0, "activation.n": 2}
SAMPLES = 14


def space(algorithm):
    if algorithm == "grid":
        return WHOLE
    if algorithm == "random":
        return {**GRID, **SPACE, **CHOICE}
    if algorithm == "optuna/brute_force":
        return FINITE
    if algorithm == "bayesopt":
        return UNIFORM
    return SPACE if algorithm in ("optuna/cmaes", "optuna/qmc") else {**SPACE, **CHOICE}


def first(algorithm):
    """The setting that is tried first; None where nothing is given."""
    if algorithm in ("grid", "random"):
        return None
    known = {**FIRST, "training.batch": 64}
    return {name: known[name] for name in space(algorithm)}


def searcher(algorithm):
    points = [first(algorithm)]
    if algorithm in ("grid", "random"):
        return BasicVariantGenerator(random_state=SEED)
    if algorithm == "tpe":
        made = OptunaSearch(seed=SEED, points_to_evaluate=points)
    elif algorithm.startswith("optuna/"):
        classes = {name.removesuffix("Sampler").lower(): getattr(samplers, name) for name in samplers.__all__
                   if name.endswith("Sampler")}  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sampler = classes[algorithm.partition("/")[2].replace("_", "")](seed=SEED)
        made = OptunaSearch(sampler=sampler, points_to_evaluate=points)
    elif algorithm == "hyperopt":
        from ray.tune.search.hyperopt import HyperOptSearch

        made = HyperOptSearch(random_state_seed=SEED, points_to_evaluate=points)
    elif algorithm == "bayesopt":
        from ray.tune.search.bayesopt import BayesOptSearch

        made = BayesOptSearch(random_state=SEED, points_to_evaluate=points)
    # One at a time, so that each knows all before it.
    return ConcurrencyLimiter(made, max_concurrent=1)


def scheduler(name):
    common = {"time_attr": "training_iteration"}
    return {
        "none": lambda: of_tune.FIFOScheduler(),
        "asha": lambda: of_tune.ASHAScheduler(**common, max_t=EPOCHS, grace_period=1, reduction_factor=3),
        "median": lambda: of_tune.MedianStoppingRule(**common, grace_period=2),
        "hyperband": lambda: of_tune.HyperBandScheduler(**common, max_t=EPOCHS, reduction_factor=3),
    }[name]()


def loss(config, epoch):
    a, k = config.get("activation.a", 70.0), config.get("activation.k", 5.0)
    n, batch, g = config.get("activation.n", 1), config.get("training.batch", 64), config.get("activation.g", 1)
    return abs(k - 5.0) + (a - 60.0) / 25.0 + 0.1 * n + batch / 640 + 0.03 * g + 1.0 / epoch


class Record(Callback):
    def __init__(self):
        self.events = []

    def on_trial_result(self, iteration, trials, trial, result, **info):
        if METRIC in result:
            done = bool(result.get("done"))
            self.events.append(["result", index(trials, trial), result["training_iteration"], result[METRIC], done])

    def on_trial_complete(self, iteration, trials, trial, **info):
        self.events.append(["complete", index(trials, trial)])


def index(trials, trial):
    """Number of the suggestion that made the trial."""
    return [item.trial_id for item in trials].index(trial.trial_id)


class Train(tune.Trainable):
    """Keeps its place when it is paused."""

    def setup(self, config):
        self.config, self.epoch = config, 0

    def step(self):
        self.epoch += 1
        return {METRIC: loss(self.config, self.epoch), "done": self.epoch >= EPOCHS}

    def save_checkpoint(self, folder):
        return {"epoch": self.epoch}

    def load_checkpoint(self, kept):
        self.epoch = kept["epoch"]

    def reset_config(self, config):
        self.config, self.epoch = config, 0
        return True


def tuned(algorithm, stops, folder):
    learns = algorithm not in ("grid", "random")
    record = Record()
    samples = {"grid": 1, "random": 5, "optuna/brute_force": 8}.get(algorithm, SAMPLES)
    np.random.seed(SEED)
    results = tune.Tuner(
        tune.with_resources(Train, {"cpu": 1}),
        param_space=space(algorithm),
        tune_config=tune.TuneConfig(
            metric=METRIC,
            mode="min",
            search_alg=searcher(algorithm),
            scheduler=scheduler(stops),
            num_samples=samples,
            # HyperBand has to know of all trials at its start; elsewhere two at a time mix their epochs.
            max_concurrent_trials=None if learns or stops == "hyperband" else 2,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            storage_path=folder, name=f"{algorithm}+{stops}".replace("/", "-"), callbacks=[record], verbose=0
        ),
    ).fit()
    return {"configs": [result.config for result in results], "events": record.events,
            "epochs": [result.metrics["training_iteration"] for result in results]}  # fmt: skip


def main(folder, *pairs):
    ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    found = {pair: tuned(*pair.split("+"), folder) for pair in pairs}
    ray.shutdown()
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
