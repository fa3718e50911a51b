"""The driver of a suite: one process that takes the decisions of all its studies in turn, and shares one cluster among
them. It decides nothing itself: each study's decisions stand in its own ledger, so that a suite that was killed
anywhere goes on where its studies' ledgers end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from slurm.clusters import open_cluster, settled
from slurm.errors import ClusterError
from slurm.jobs import Cluster
from sweeps.driver import needs, profiles, sent, session
from sweeps.driver.driver import Driver
from sweeps.driver.interrupt import Interrupt
from sweeps.driver.submission import CALL
from sweeps.errors import FolderBusy, SweepError
from sweeps.folder import layout, place, surroundings
from sweeps.folder.layout import quote_path
from sweeps.folder.lock import Lock
from sweeps.folder.records import FoldKey
from sweeps.folder.surroundings import Surroundings
from sweeps.study.study import Study
from sweeps.suite import folder
from sweeps.suite.folder import Opened
from sweeps.suite.sharing import SharedCluster
from sweeps.wording import jobs
from trainer.errors import TrainerError

OF_ONE_STUDY = (SweepError, ClusterError, TrainerError)
"""What ends one study's part and not the suite's. That another driver has a folder ends it all."""


@dataclass(kw_only=True)
class Member:
    """A study of the suite and how it stands with its driver."""

    name: str
    study: Study
    path: Path
    driver: Driver | None = None
    surroundings: Surroundings | None = None
    trouble: str = ""
    """Why it was set aside; "" where it was not."""
    stopped: bool = False
    """Its jobs were cancelled on request."""
    closed: bool = False
    """It took a step after its end, with which MLflow has all of it."""

    @property
    def done(self) -> bool:
        return self.driver is not None and self.driver.done

    @property
    def over(self) -> bool:
        """It takes no further step in this process."""
        return self.closed or bool(self.trouble) or self.stopped


class SuiteDriver:
    """Holds the suite's folder and those of its studies while it exists."""

    def __init__(self, suite: Opened, members: Sequence[Member], shared: SharedCluster, lock: Lock) -> None:
        self.suite, self.members, self.shared, self._lock = suite, list(members), shared, lock

    def tick(self) -> None:
        """One decision step of every study that has more to do. Those with the fewest jobs come first: what is free
        goes to them."""
        self._lock.beat()
        self.shared.begin_round()
        for member in self._in_turn():
            assert member.driver is not None
            try:
                self._step(member, member.driver)
            except FolderBusy:
                raise
            except OF_ONE_STUDY as error:
                member.trouble = str(error)
                self.shared.leave(member.name)

    def _step(self, member: Member, driver: Driver) -> None:
        with _in(member):
            if (request := member.path / layout.STOP).exists():
                driver.pause()
                request.unlink(missing_ok=True)
                member.stopped = True
                return
            driver.tick()
        if driver.done:
            member.closed = True
            self.shared.leave(member.name)

    def _in_turn(self) -> list[Member]:
        """Ties go to the study that has submitted least so far."""

        def rank(member: Member) -> tuple[int, int]:
            assert member.driver is not None
            return self.shared.live(member.name), member.driver.state.submissions

        return sorted((member for member in self.members if not member.over), key=rank)

    @property
    def over(self) -> bool:
        return all(member.over for member in self.members)

    @property
    def done(self) -> bool:
        return all(member.done for member in self.members)

    def retry_failed(self) -> list[FoldKey]:
        """As :meth:`sweeps.driver.driver.Driver.retry_failed`, each fold with its member's name before it."""
        again = []
        for member in self.members:
            if member.driver is not None and not member.trouble:
                with _in(member):
                    again += [f"{member.name}/{fold}" for fold in member.driver.retry_failed()]
        return again

    def mend(self) -> list[str]:
        """As :meth:`sweeps.driver.driver.Driver.mend`; a study that cannot be mended is set aside."""
        written = []
        for member in self.members:
            if member.driver is not None and not member.trouble:
                try:
                    with _in(member):
                        written += member.driver.mend()
                except OF_ONE_STUDY as error:
                    member.trouble = str(error)
                    self.shared.leave(member.name)
        return written

    def track(self) -> None:
        for member in self.members:
            if member.driver is not None and not member.trouble:
                member.driver.track(at_once=True)

    def pause(self) -> None:
        """Cancels every job of the suite, as :meth:`sweeps.driver.driver.Driver.pause`: first all, then waits."""
        going = [member for member in self.members if member.driver is not None and not member.done]
        for wait_s in (0.0, 60.0):
            for member in going:
                assert member.driver is not None
                with _in(member):
                    member.driver.pause(wait_s=wait_s)
                member.stopped = True


@contextmanager
def _in(member: Member) -> Iterator[None]:
    """In the surroundings of one study: what its packs inherit and its data need."""
    assert member.surroundings is not None
    with surroundings.entered(member.surroundings):
        yield


@contextmanager
def driving(path: Path, *, call: str = CALL, here: bool = False, to_stop: bool = False) -> Iterator[SuiteDriver]:
    """A driver on the suite's folder, with its lock and those of its studies held; words as in
    :func:`sweeps.driver.session.driving`. A study that cannot go on is set aside, and the others do. Raises
    :class:`FolderBusy` where another driver has one of the folders."""
    suite = folder.opened(path)
    place.refuse_copy(path)
    lock = Lock(path)
    try:
        place.settle(path)
        members = [Member(name=name, study=suite.study(name), path=suite.folder(name)) for name in suite.members]
        shared = SharedCluster(_cluster(members, here=here))
        with ExitStack() as stack:
            for member in members:
                try:
                    member.driver = stack.enter_context(
                        session.driving(
                            member.path, call=call, here=here, to_stop=to_stop, cluster=shared.share(member.name)
                        )
                    )
                    member.surroundings = needs.kept(member.study, member.path)
                except FolderBusy:
                    raise
                except OF_ONE_STUDY as error:
                    member.trouble = str(error)
                    shared.leave(member.name)
            yield SuiteDriver(suite, members, shared, lock)
    finally:
        lock.release()


def _cluster(members: Sequence[Member], *, here: bool) -> Cluster:
    """The one cluster of all, whose packs find the user's modules as they were when the studies were started."""
    known = [needs.kept(member.study, member.path) for member in members]
    if here:
        known = [kept.replaced_by(needs.here(member.study)) for kept, member in zip(known, members, strict=True)]
    imports = tuple(dict.fromkeys(entry for kept in known for entry in kept.import_path))
    profile = replace(known[0], import_path=imports).for_nodes(profiles.of(members[0].study))
    return open_cluster(settled(profile), *(member.path / "jobs" for member in members))


def drive(driver: SuiteDriver, show: Callable[[SuiteDriver], None], *, interval_s: float) -> bool:
    """Ticks until no study has more to do, or until asked to stop; whether all are finished. KeyboardInterrupt is the
    caller's."""
    request = driver.suite.path / layout.STOP
    with Interrupt() as interrupt:
        while True:
            driver.tick()
            show(driver)
            if not driver.over and request.exists():
                driver.pause()
            if driver.over:
                request.unlink(missing_ok=True)
                return driver.done
            interrupt.wait(interval_s)


def stop(path: Path, *, wait_s: float = 120.0) -> list[str]:
    """Cancels the jobs of all studies: through the suite's driver where one lives, else study by study."""
    suite = folder.opened(path)
    place.refuse_copy(path)
    if (said := session.stopped_by_driver(path, wait_s)) is not None:
        return [said]
    drivers = sent.cancel(path, suite.study(suite.members[0]))
    (path / layout.STOP).unlink(missing_ok=True)
    lock = Lock(path)
    try:
        counts = {member: session.cancelled(suite.folder(member)) for member in suite.members}
    finally:
        lock.release()
    if all(count is None for count in counts.values()):
        return [f"nothing to stop: the suite in {path} is finished"]
    each = [
        f"{member}: {'finished' if count is None else jobs(count) + ' cancelled'}" for member, count in counts.items()
    ]
    each += [f"its driver: job {job} cancelled" for job in drivers]
    return [*each, f"go on with `actsweep resume {quote_path(path)}`"]


def sync(path: Path) -> list[str]:
    """Makes MLflow say what the folders say. Raises :class:`FolderBusy` while a driver writes one of them."""
    return [session.sync(member) for member in folder.members_of(path)]


def differences(path: Path) -> list[str]:
    """What this process' environment says otherwise than what the studies keep and use, each once."""
    found = [said for member in folder.members_of(path) for said in session.differences(member)]
    return list(dict.fromkeys(said.replace("\n", " ") for said in found))
