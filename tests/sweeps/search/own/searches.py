"""Searchers and schedulers of a user, right and wrong ones, named by import path in tests."""

import random

from ray.tune.schedulers import FIFOScheduler, PopulationBasedTraining, TrialScheduler
from ray.tune.search import Searcher


class Halving(Searcher):
    """Steps towards the best number so far, by random numbers of its own."""

    def __init__(self, space, metric, mode, seed, width: float = 0.5):
        super().__init__(metric=metric, mode=mode)
        self.domains, self.random, self.width = space, random.Random(seed), width
        self.best, self.asked = None, {}

    def suggest(self, trial_id):
        config = {name: self.one(name, domain) for name, domain in self.domains.items()}
        self.asked[trial_id] = config
        return config

    def one(self, name, domain):
        if hasattr(domain, "categories"):
            return self.random.choice(domain.categories)
        low, high = domain.lower, domain.upper
        middle = self.best[1][name] if self.best else (low + high) / 2
        return min(max(middle + self.width * (high - low) * self.random.uniform(-1, 1), low), high)

    def on_trial_complete(self, trial_id, result=None, error=False):
        config = self.asked.pop(trial_id)
        if result and (self.best is None or result[self.metric] < self.best[0]):
            self.best = (result[self.metric], config)


class Unseeded(Halving):
    def one(self, name, domain):
        self.random = random
        return super().one(name, domain)


class Remembering(Halving):
    """Remembers, beyond its own life, how often it was made."""

    made = 0

    def __init__(self, space, metric, mode, seed):
        Remembering.made += 1
        super().__init__(space, metric, mode, seed + Remembering.made)


class Wandering(Halving):
    def one(self, name, domain):
        return domain.upper + 1 if hasattr(domain, "upper") else super().one(name, domain)


class Forgetful(Halving):
    def suggest(self, trial_id):
        config = super().suggest(trial_id)
        config.popitem()
        return config


class Silent(Halving):
    """Has no answer before two results are in, and after six none at all."""

    told = 0

    def suggest(self, trial_id):
        if self.told < 2 <= int(trial_id) or self.told >= 6:
            return None if self.told < 6 else Searcher.FINISHED
        return super().suggest(trial_id)

    def on_trial_complete(self, trial_id, result=None, error=False):
        self.told += result is not None
        super().on_trial_complete(trial_id, result, error)


def no_searcher(space):
    return list(space)


class WorstHalf(FIFOScheduler):
    """Stops, at half time, what is worse than the best of those that came there before."""

    def __init__(self, metric, mode, epochs, share: float = 0.5):
        super().__init__()
        self.name, self.half, self.best = metric, max(1, int(share * epochs)), None

    def on_trial_result(self, controller, trial, result):
        if result["training_iteration"] != self.half:
            return TrialScheduler.CONTINUE
        value, before = result[self.name], self.best
        self.best = value if before is None else min(before, value)
        return TrialScheduler.STOP if before is not None and value > before else TrialScheduler.CONTINUE


class Pausing(WorstHalf):
    """Pauses everything at half time, and resumes it when it is asked what to run."""

    def on_trial_result(self, controller, trial, result):
        return TrialScheduler.PAUSE if result["training_iteration"] == self.half else TrialScheduler.CONTINUE


class Meddling(WorstHalf):
    def on_trial_result(self, controller, trial, result):
        controller.pause_trial(trial)
        return TrialScheduler.CONTINUE


def population(metric, mode):
    return PopulationBasedTraining(metric=metric, mode=mode, hyperparam_mutations={"x": [1, 2]})
