"""Tells what happened, once: whoever ends a driver calls :func:`tell`, and what was told already is not told again."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from sweeps.driver import receivers, session
from sweeps.errors import FolderBusy, LedgerError, StudyError
from sweeps.folder import place
from sweeps.folder.lock import Lock
from sweeps.folder.notices import Answered, Begun, Book, Due, Notice, Outcome, Record
from sweeps.folder.provenance import mask
from sweeps.folder.reported import Reported
from sweeps.notify import events, sending
from sweeps.notify.events import Counts, Happened, Stands
from sweeps.notify.message import Message
from sweeps.study.running import Notify
from sweeps.study.study import Study
from sweeps.suite import folder as suites

PAUSES_S = (1.0, 4.0, 10.0)
"""Before a receiver that refused is asked again, one after the other; then it is given up."""
_ADDRESS = re.compile(r"https?://\S+", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Told:
    text: str
    problem: bool = False


@dataclass(frozen=True, kw_only=True)
class _Ended:
    """What was found in a folder, for a message."""

    notify: Notify
    happened: Happened
    message: Callable[[str], Message]
    """By the notice's id."""


def tell(
    path: Path, problem: str = "", *, by_cron: bool = False, sleep: Callable[[float], None] = time.sleep
) -> list[Told]:
    """Tells whoever the study or suite in ``path`` names what happened to it, unless that was told, and says how it
    went. ``problem``: the error that ended the driver. ``by_cron``: this will be called again and again, so that
    nothing is told that cannot be written down before. No driver of the folder may be open in this process."""
    try:
        found = _found(path, _clean(problem))
        if found is None or not _open(path, found):
            return []
        place.refuse_copy(path)
        with ExitStack() as stack:
            book = _book(path, stack, by_cron=by_cron)
            pen = _Pen(book, by_cron=by_cron)
            told = _hand_over(path, found, _decided(book, pen, found), pen, sleep)
            if pen.trouble:
                told.append(Told(text=f"{book.path}: cannot be written ({pen.trouble})", problem=True))
            return told
    except (FolderBusy, StudyError):  # another driver is at work and will tell; or nobody is named, or this is a copy
        return []
    except LedgerError as error:
        return [Told(text=f"nobody was told: {error}", problem=True)]


class _Pen:
    """Writes down what is told. A full disk is among what people are told of: then it is told without, unless it
    ``by_cron`` would be told again and again."""

    def __init__(self, book: Book, *, by_cron: bool) -> None:
        self._book, self._by_cron = book, by_cron
        self.trouble = ""

    def write(self, record: Record) -> None:
        try:
            self._book.write(record)
        except OSError as error:
            if self._by_cron:
                raise
            self.trouble = error.strerror or str(error)
            self._book.note(record)


def _book(path: Path, stack: ExitStack, *, by_cron: bool) -> Book:
    """The notices, and nobody else writes them until the stack ends."""
    try:
        stack.callback(Lock(path).release)
        book = Book(path, write=True)
    except OSError:
        if by_cron:
            raise
        return Book(path)
    stack.callback(book.close)
    return book


def _found(path: Path, problem: str) -> _Ended | None:
    """What is to be told; None where there is nothing, or nobody to be told."""
    return _of_suite(path, problem) if suites.is_suite(path) else _of_study(path, problem)


def _of_study(path: Path, problem: str) -> _Ended | None:
    study = session.opened(path)
    if study.notify is None:
        return None
    now = _stands(path, problem)
    return _ended(
        "study",
        study,
        path,
        events.of_study(path, study, now or Stands(), problem),
        lambda: events.counts(path, study, now.state) if now else None,
        lambda: events.reported(path, now.ended_at) if now and now.state.finished else None,
    )


def _stands(path: Path, problem: str) -> Stands | None:
    """None where the ledger cannot be read, which is what is to be told then."""
    try:
        return events.stands(path)
    except LedgerError:
        if not problem:
            raise
        return None


def _of_suite(path: Path, problem: str) -> _Ended | None:
    suite = suites.opened(path)
    if suite.notify is None:
        return None
    paths = {member: suite.folder(member) for member in suite.members}
    studies = {member: suite.study(member) for member in suite.members}
    found = {member: _stands(folder, problem) for member, folder in paths.items()}
    now = {member: each or Stands() for member, each in found.items()}
    happened = events.of_suite(paths, now, studies, problem)

    def counts() -> Counts | None:
        if not all(found.values()):
            return None
        return sum((events.counts(paths[name], studies[name], each.state) for name, each in now.items()), Counts())

    def reported() -> Reported | None:
        if happened is None or not happened.of.startswith(events.END):
            return None
        return events.reported(paths[suite.members[0]], max(each.ended_at for each in now.values()))

    return _ended("suite", suite, path, happened, counts, reported)


def _ended(
    kind: str,
    named: Study | suites.Opened,
    path: Path,
    happened: Happened | None,
    counts: Callable[[], Counts | None],
    reported: Callable[[], Reported | None],
) -> _Ended | None:
    """What is to be told, where the study or suite wants to tell that; the rest is looked at once it is told."""
    notify = named.notify
    if notify is None or happened is None or happened.event not in notify.on:
        return None
    return _Ended(
        notify=notify,
        happened=happened,
        message=lambda identity: Message(
            id=identity,
            kind=kind,
            name=named.name,
            question=named.question,
            folder=path.absolute(),
            happened=happened,
            counts=counts(),
            reported=reported(),
        ),
    )


def _open(path: Path, found: _Ended) -> bool:
    """Whether somebody has not been told; so that a folder where all is told is not locked."""
    notice = Book(path).notices.get(found.happened.of)
    return notice is None or not all(notice.settled(to) for to in receivers.of(found.notify))


def _decided(book: Book, pen: _Pen, found: _Ended) -> Notice:
    """The notice of what happened, in the book before anybody hears of it."""
    happened = found.happened
    if happened.of not in book.notices:
        pen.write(Due(id=secrets.token_hex(8), of=happened.of, event=happened.event, time=time.time()))
    return book.notices[happened.of]


def _hand_over(path: Path, found: _Ended, notice: Notice, pen: _Pen, sleep: Callable[[float], None]) -> list[Told]:
    message = found.message(notice.due.id)
    said = []
    for to in receivers.of(found.notify):
        name = receivers.called(found.notify, to)
        if notice.settled(to):
            continue
        try:
            hand = _hand(to, path, found.notify, message)
        except StudyError as error:  # not set, or not there: here and now
            said.append(Told(text=f"not told: {error}", problem=True))
            continue
        outcome, words = _to(to, hand, notice, pen, sleep)
        delivered = outcome is Outcome.DELIVERED
        said.append(Told(text=f"told: {name}" if delivered else f"not told: {name} {words}", problem=not delivered))
    return said


Hand = Callable[[], sending.Answer]


def _hand(to: str, path: Path, notify: Notify, message: Message) -> Hand:
    """What hands the message to a receiver. Raises :class:`StudyError` where that is not there."""
    if to == receivers.URL:
        assert notify.url is not None
        address = receivers.address(notify.url)
        return lambda: sending.post(address, message.body(), message.id)
    assert notify.command is not None
    command, program = notify.command, receivers.program(notify.command)
    return lambda: sending.run(command, program, message.body(), message.variables(), path)


def _to(to: str, hand: Hand, notice: Notice, pen: _Pen, sleep: Callable[[float], None]) -> sending.Answer:
    """Hands the notice to one receiver until that is settled; each time is written down before and after."""
    for pause_s in (*PAUSES_S, 0.0):
        pen.write(Begun(id=notice.due.id, to=to, time=time.time()))
        outcome, words = hand()
        words = _clean(words)
        pen.write(Answered(id=notice.due.id, to=to, outcome=outcome, said=words))
        if notice.settled(to):
            break
        sleep(pause_s)
    return outcome, words


def _clean(text: str) -> str:
    """Without what may be a secret."""
    return _ADDRESS.sub("https://***", mask(text))
