"""Ray Tune's schedulers, one per activation: which trials stop early.

**Your own**: ``scheduler: "mylab.sched:make"`` is a function or class that is given those of these keywords that it
names, and the study's ``search.scheduler.options``: ``metric`` and ``mode`` (what is compared, and whether to ``min``
or ``max`` it), ``epochs`` (of a trial), ``grace_epochs``, ``reduction_factor`` and ``seed``. It gives a
``ray.tune.schedulers.TrialScheduler`` over ``training_iteration``, the epoch. Only what it decides on stopping counts:
a trial that it pauses goes on training, and is not heard of until it is resumed (:mod:`sweeps.search.tune_scheduler`).
:mod:`sweeps.search.conformance` checks it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Protocol

from sweeps.errors import StudyError
from sweeps.search.options import check_options, names_of
from sweeps.search.tune_scheduler import Stopping
from sweeps.study import algorithms
from sweeps.study.sections import Scheduler
from sweeps.study.study import Mode, Study
from trainer.catalogue import resolve, what
from trainer.errors import UnknownName

TIME = "training_iteration"


class TrialScheduler(Protocol):
    def result(self, index: int, epoch: int, metrics: Mapping[str, float]) -> bool:
        """Tells the mean over a trial's folds after an epoch (from 1); whether the trial should stop now. Told again,
        it repeats its answer."""
        ...

    def complete(self, index: int, metrics: Mapping[str, float] | None) -> None:
        """Tells that a trial is over."""
        ...


def make_scheduler(study: Study, label: str) -> TrialScheduler:
    """The scheduler of one activation: it compares settings of that activation alone. Raises :class:`StudyError` for
    options that it does not take."""
    search = study.search
    assert search is not None
    if search.scheduler.name == "none":
        return NoScheduler()
    trials = study.space_of(label).trials(search.samples)
    seed = int.from_bytes(hashlib.sha256(f"scheduler/{study.seed}/{label}".encode()).digest()[:4], "big")
    return scheduler(
        search.scheduler,
        metric=search.select_on,
        mode=study.mode,
        epochs=study.epochs("search"),
        trials=trials,
        seed=seed,
    )


def scheduler(chosen: Scheduler, *, metric: str, mode: Mode, epochs: int, trials: int, seed: int) -> Stopping:
    """``trials``: how many there will be."""
    made, waits = _made(chosen, metric=metric, mode=mode, epochs=epochs, seed=seed)
    return Stopping(made, metric=metric, epochs=epochs, trials=trials if waits else None, seed=seed)


def _made(chosen: Scheduler, *, metric: str, mode: Mode, epochs: int, seed: int) -> tuple[Any, bool]:
    """One of Tune's schedulers, and whether it has to know of all trials before the first is over."""
    if ":" in chosen.name:
        return _own(chosen, {"metric": metric, "mode": mode, "epochs": epochs, "seed": seed}), True
    from ray.tune import schedulers

    common = {"time_attr": TIME, "metric": metric, "mode": mode}
    grace = {"grace_period": chosen.grace_epochs}
    factor = {"max_t": epochs, "reduction_factor": chosen.reduction_factor}
    made, arguments = {
        "asha": (schedulers.ASHAScheduler, {**common, **grace, **factor}),
        "median": (schedulers.MedianStoppingRule, {**common, **grace}),
        "hyperband": (schedulers.HyperBandScheduler, {**common, **factor}),
    }[chosen.name]
    # That it stops a trial, and at the last epoch, is not for an option to change.
    ours = {*arguments, "stop_last_trials", "hard_stop", "min_time_slice"}
    check_options(f"search.scheduler.options of {chosen.name}", chosen.options, made, ours)
    try:
        return made(**arguments, **chosen.options), chosen.name == "hyperband"
    except (AssertionError, ValueError, TypeError) as error:
        raise StudyError(f"search.scheduler.options: {dict(chosen.options)}: {error}") from error


def _own(chosen: Scheduler, common: Mapping[str, Any]) -> Any:
    from ray.tune import schedulers

    try:
        made = resolve("scheduler", chosen.name, {})
    except UnknownName as error:
        raise StudyError(f"search.scheduler.name: {error}") from error
    where = f"search.scheduler.name: {chosen.name}"
    if not callable(made):
        raise StudyError(f"{where} is {what(made)}; accepts a function or class: {algorithms.SCHEDULER_MAKER}")
    offered = {**common, "grace_epochs": chosen.grace_epochs, "reduction_factor": chosen.reduction_factor}
    check_options(f"search.scheduler.options of {chosen.name}", chosen.options, made, offered)
    found = made(**{name: value for name, value in offered.items() if name in names_of(made)}, **chosen.options)
    if not isinstance(found, schedulers.TrialScheduler):
        raise StudyError(
            f"{where} gave {what(found)}; accepts a ray.tune.schedulers.TrialScheduler: {algorithms.SCHEDULER_MAKER}"
        )
    for refused, why in {
        "pbt": (schedulers.PopulationBasedTraining, schedulers.PopulationBasedTrainingReplay),
        "resource_changing": (schedulers.ResourceChangingScheduler,),
        "hb_bohb": (schedulers.HyperBandForBOHB,),
    }.items():
        if isinstance(found, why):
            raise StudyError(f"{where} gave a {type(found).__name__}: it {algorithms.REFUSED_SCHEDULERS[refused]}")
    return found


class NoScheduler:
    """No scheduler: every trial trains to its end."""

    def result(self, index: int, epoch: int, metrics: Mapping[str, float]) -> bool:
        return False

    def complete(self, index: int, metrics: Mapping[str, float] | None) -> None:
        pass


class Asha(Stopping):
    """Asynchronous successive halving (arXiv 1810.05934): Tune's ASHAScheduler over epochs.

    At each rung (``grace_epochs`` times powers of ``reduction_factor``) a trial stops unless it is among the best
    ``1 / reduction_factor`` of those that came there before it.
    """

    def __init__(self, *, metric: str, mode: Mode, epochs: int, grace_epochs: int, reduction_factor: float) -> None:
        chosen = Scheduler(name="asha", grace_epochs=grace_epochs, reduction_factor=reduction_factor)
        made, _ = _made(chosen, metric=metric, mode=mode, epochs=epochs, seed=0)
        super().__init__(made, metric=metric, epochs=epochs, trials=None, seed=0)
