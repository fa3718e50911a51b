"""Runs ``tune.Tuner``, actors and all, and prints what it suggested, heard and stopped, as JSON on the last line.

A program of its own: Ray starts processes and hooks that a test session should not keep. Arguments: algorithm, folder.
"""

import json
import sys

import ray
from ray import tune
from ray.tune import Callback
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler
from ray.tune.search import ConcurrencyLimiter
from ray.tune.search.basic_variant import BasicVariantGenerator
from ray.tune.search.optuna import OptunaSearch

SEED, METRIC, EPOCHS = 7, "validation/loss", 9
SPACE = {
    "activation.a": tune.uniform(60.0, 85.0),
    "activation.k": tune.loguniform(1.0, 20.0),
    "activation.n": tune.randint(1, 5),
    "training.batch": tune.choice([32, 64]),
}
GRID = {"activation.g": tune.grid_search([1, 2]), **SPACE}


def loss(config, epoch):
    return abs(config["activation.k"] - 5.0) + (config["activation.a"] - 60.0) / 25.0 + 1.0 / epoch


class Record(Callback):
    def __init__(self):
        self.events = []

    def on_trial_result(self, iteration, trials, trial, result, **info):
        done = bool(result.get("done"))
        self.events.append(["result", index(trials, trial), result["training_iteration"], result[METRIC], done])

    def on_trial_complete(self, iteration, trials, trial, **info):
        self.events.append(["complete", index(trials, trial)])


def index(trials, trial):
    """Number of the suggestion that made the trial."""
    return [item.trial_id for item in trials].index(trial.trial_id)


def train(config):
    for epoch in range(1, EPOCHS + 1):
        tune.report({METRIC: loss(config, epoch)})


def main(algorithm, folder):
    if algorithm == "tpe":
        # Enough trials to pass the ten that are drawn at random; one at a time, so that each knows all before it.
        searcher = ConcurrencyLimiter(OptunaSearch(seed=SEED), max_concurrent=1)
        space, samples, concurrent, scheduler = SPACE, 14, None, FIFOScheduler()
    else:
        searcher = BasicVariantGenerator(random_state=SEED)
        space, samples, concurrent = GRID, 5, 2
        scheduler = ASHAScheduler(max_t=EPOCHS, grace_period=1, reduction_factor=3)
    ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    record = Record()
    results = tune.Tuner(
        tune.with_resources(train, {"cpu": 1}),
        param_space=space,
        tune_config=tune.TuneConfig(
            metric=METRIC,
            mode="min",
            search_alg=searcher,
            scheduler=scheduler,
            num_samples=samples,
            max_concurrent_trials=concurrent,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(storage_path=folder, callbacks=[record], verbose=0),
    ).fit()
    configs = [result.config for result in results]
    ray.shutdown()
    print(json.dumps({"configs": configs, "events": record.events}))


if __name__ == "__main__":
    main(*sys.argv[1:])
