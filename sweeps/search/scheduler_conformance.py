"""The checks of schedulers: each takes a case and raises AssertionError. :mod:`sweeps.search.conformance` runs them."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from unittest import mock

from sweeps.search.schedulers import TrialScheduler
from sweeps.search.unlike import METRIC, difference, other_randomness


@dataclass(frozen=True, kw_only=True)
class SchedulerCase:
    """``make``: a fresh scheduler, for so many trials of so many epochs, of a metric that is to be small."""

    make: Callable[[], TrialScheduler]
    trials: int
    epochs: int


Event = tuple[int, int]
"""Trial and epoch; epoch 0: the trial ended before its time."""


def _loss(trial: int, epoch: int) -> float:
    return ((trial * 7) % 11) / 10 + 1 / epoch + 0.05 * math.sin(trial * epoch)


def _events(case: SchedulerCase, seed: int) -> Iterator[Event]:
    """An order in which epochs may come: every trial's own in order, those of several mixed; some end early."""
    chaos = random.Random(seed)
    done = dict.fromkeys(range(case.trials), 0)
    while done:
        trial = chaos.choice(list(done)[:4])
        done[trial] += 1
        if trial % 6 == 5 and done[trial] > case.epochs // 2:
            yield trial, 0
            del done[trial]
            continue
        yield trial, done[trial]
        if done[trial] == case.epochs:
            del done[trial]


def _answers(case: SchedulerCase, made: TrialScheduler, events: Sequence[Event]) -> list[bool]:
    """What it says to each; a trial that it stops is over, and its later epochs are answered True."""
    stopped: set[int] = set()
    answers = []
    for trial, epoch in events:
        if trial in stopped:
            answers.append(True)
            continue
        stop = epoch > 0 and made.result(trial, epoch, {METRIC: _loss(trial, epoch)})
        answers.append(stop)
        if stop:
            stopped.add(trial)
        if stop or epoch in (0, case.epochs):
            made.complete(trial, None if epoch == 0 else {METRIC: _loss(trial, epoch)})
    return answers


def stops_the_same(case: SchedulerCase) -> None:
    """The same results in the same order have the same answers, whatever other random numbers there are."""
    events = list(_events(case, 1))
    with other_randomness(1):
        first = _answers(case, case.make(), events)
    with other_randomness(2):
        again = _answers(case, case.make(), events)
    assert first == again, f"told the same, it answered {difference(first, again)}"


def stops_the_same_after_a_replay(case: SchedulerCase) -> None:
    """Made anew after any result, and told the same again, it goes on as it would have."""
    events = list(_events(case, 1))
    whole = _answers(case, case.make(), events)
    for end in range(1, len(events), max(1, len(events) // 7)):
        again = _answers(case, case.make(), events[:end])
        assert again == whole[:end], f"replayed to result {end}, it answered {difference(whole[:end], again)}"


def asks_no_clock(case: SchedulerCase) -> None:
    """How long an epoch takes, or a driver was away, changes nothing."""
    events = list(_events(case, 1))
    first = _answers(case, case.make(), events)
    late = iter(range(10**9, 2 * 10**9, 10**5))

    def clock() -> float:
        return float(next(late))

    with ExitStack() as patched:
        for name in ("time", "monotonic", "perf_counter"):
            patched.enter_context(mock.patch.object(time, name, clock))
        again = _answers(case, case.make(), events)
    assert first == again, f"at another time it answered {difference(first, again)}"


class _Twice:
    """Tells everything twice."""

    def __init__(self, made: TrialScheduler) -> None:
        self._made = made

    def result(self, index: int, epoch: int, metrics: Mapping[str, float]) -> bool:
        first, again = (self._made.result(index, epoch, metrics) for _ in range(2))
        assert first == again, f"told of epoch {epoch} of trial {index} again, it answered {again} after {first}"
        return first

    def complete(self, index: int, metrics: Mapping[str, float] | None) -> None:
        self._made.complete(index, metrics)


def repeats_its_answer(case: SchedulerCase) -> None:
    """Told of an epoch again, as after a requeue, it says what it said, and decides the others as if told once."""
    events = list(_events(case, 1))
    once = _answers(case, case.make(), events)
    twice = _answers(case, _Twice(case.make()), events)
    assert twice == once, f"told twice, it answered {difference(once, twice)}"


def lets_some_end(case: SchedulerCase) -> None:
    """In any order, some trial trains to its end, and none is stopped at its last epoch; answers are True or False."""
    for seed in (1, 2, 3):
        events = list(_events(case, seed))
        answers = _answers(case, case.make(), events)
        odd = [answer for answer in answers if type(answer) is not bool]
        assert not odd, f"it answered {odd[0]!r}, not True or False"
        ended = [
            trial for (trial, epoch), stop in zip(events, answers, strict=True) if epoch == case.epochs and not stop
        ]
        assert ended, f"every one of {case.trials} trials was stopped: none has a result to choose"


SCHEDULERS: Mapping[str, Callable[[SchedulerCase], None]] = {
    "deterministic": stops_the_same,
    "replayable": stops_the_same_after_a_replay,
    "independent of time": asks_no_clock,
    "repeats its answers": repeats_its_answer,
    "lets some end": lets_some_end,
}
