"""Submits packs so that a crash, a refusal or a time-out neither loses nor doubles one.

The ledger says what is about to be submitted, and a submission without an answer is looked up on the cluster by its
name before anything else is tried.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from slurm.errors import SubmissionRefused, SubmissionRejected
from slurm.jobs import Cluster
from sweeps.driver import decisions, holding
from sweeps.folder.ledger import Ledger
from sweeps.folder.records import FoldKey, Submitted, Submitting, trial_of

CALL = "trainer.entry:run"
PUT_OFF_S = (15.0, 300.0)
"""Least and greatest wait after a refused submission; doubles in between."""


Pack = tuple[FoldKey, ...]


class Granted(NamedTuple):
    """A pack that may be submitted."""

    pack: Pack
    seconds: float | None = None
    """That it may hold what it runs on; None: no limit."""
    devices: int = 1


def unlimited(packs: Iterable[Pack]) -> Iterable[Granted]:
    return (Granted(pack) for pack in packs)


def _nothing(packs: Iterable[Pack]) -> None:
    pass


class Submitter:
    """``text`` makes the text of a pack; ``folder`` takes the cluster's scripts, logs and pickles."""

    def __init__(
        self,
        ledger: Ledger,
        cluster: Cluster,
        folder: Path,
        text: Callable[[Sequence[FoldKey], Path, float | None], str],
        clock: Callable[[], float],
        call: str = CALL,
    ) -> None:
        self._ledger, self._cluster, self._folder, self._text, self._clock = ledger, cluster, folder, text, clock
        self._call = call
        self._again_at = 0.0
        self._put_off_s = 0.0
        self.refused = ""
        """Why the last submission was put off; "" if it was not."""

    def recover(self, *, at_once: bool = False) -> None:
        """Finds out what became of submissions without an answer."""
        if self._clock() < self._again_at and not at_once:
            return
        for begun in list(self._ledger.state.unanswered.values()):
            try:
                found = self._cluster.recover(begun.name, self._folder)
            except SubmissionRefused as error:
                self._put_off(error)
                return
            jobs = tuple(found.get(index) for index in range(len(begun.packs)))
            self._ledger.write(Submitted(batch=begun.batch, jobs=jobs, reason="found again after an interruption"))

    def submit(
        self,
        waiting: Iterable[FoldKey],
        pack_size: int | None,
        grant: Callable[[Iterable[Pack]], Iterable[Granted]] = unlimited,
        *,
        before: Callable[[Iterable[Pack]], None] = _nothing,
    ) -> None:
        """Submits as many packs of the waiting folds as there is room for, of those that ``grant`` lets through; calls
        ``before`` with them where there is any. Raises :class:`SubmissionRejected`, and what ``before`` raises."""
        state = self._ledger.state
        if state.unanswered or self._clock() < self._again_at:
            return
        room = max(self._cluster.room(len(state.folds_of)), 0)
        by_avoid: dict[tuple[str, ...], list[Granted]] = {}
        for granted in list(itertools.islice(grant(decisions.packs(waiting, pack_size)), room)):
            by_avoid.setdefault(decisions.bad_nodes(state, granted.pack), []).append(granted)
        if by_avoid:
            before([granted.pack for several in by_avoid.values() for granted in several])
        for avoid, several in by_avoid.items():
            if not self._submit_batch(several, avoid):
                return

    def _submit_batch(self, granted: Sequence[Granted], avoid: Collection[str]) -> bool:
        opened = self._ledger.state.opened
        assert opened is not None
        number = self._ledger.state.submissions
        packs = tuple(each.pack for each in granted)
        trials = {trial_of(fold) for pack in packs for fold in pack}
        what = trials.pop() if len(trials) == 1 else f"{len(packs)}-packs"
        limits = tuple(each.seconds for each in granted if each.seconds is not None)
        begun = Submitting(
            batch=number,
            name=f"{opened.study}.{opened.sweep}.{number}.{what}",
            packs=packs,
            seconds=limits,
            devices=granted[0].devices,
            time=self._clock(),
        )
        self._ledger.write(begun)
        texts = [
            self._text(each.pack, holding.folder(self._folder, number, index), each.seconds)
            for index, each in enumerate(granted)
        ]
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            jobs = self._cluster.submit(self._call, texts, name=begun.name, folder=self._folder, avoid=avoid)
        except SubmissionRefused as error:
            # A refusal by time-out may have got through after all: the submission stays without an answer until then.
            self._put_off(error)
            return False
        except SubmissionRejected as error:
            self._ledger.write(Submitted(batch=number, jobs=(None,) * len(packs), reason=str(error)))
            if avoid:  # the nodes to be kept from may be all there are
                return self._submit_batch(granted, ())
            raise
        self._put_off_s, self.refused = 0.0, ""
        self._ledger.write(Submitted(batch=number, jobs=tuple(jobs)))
        return True

    def _put_off(self, why: SubmissionRefused) -> None:
        self._put_off_s = min(max(2 * self._put_off_s, PUT_OFF_S[0]), PUT_OFF_S[1])
        self._again_at = self._clock() + self._put_off_s
        self.refused = str(why)
