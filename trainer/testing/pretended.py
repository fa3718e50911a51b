"""A stand-in for training: the journals of a pack without torch, for trying drivers and clusters.

``trainer.testing:pretend`` takes the same text as ``trainer.entry:run`` and claims attempts, resumes and honours STOP
files in the same way; its numbers are functions of the fold's digest. The variable ``ACTSWEEP_PRETEND_EPOCH_S`` is how
long an epoch takes.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from trainer import progress
from trainer.attempt import Attempt, claim, enter
from trainer.codec import from_text
from trainer.entry import RESULT_SCHEMA
from trainer.errors import Superseded
from trainer.journal import End, Epoch, Outcome, Start, Status, Writer, read_fold
from trainer.meter import Meter
from trainer.seal import sealed
from trainer.spec import FoldSpec, Launch, Pack
from trainer.tasks.description import LAST, describe
from trainer.tasks.metric import LOSS

HELDOUT = 200
"""Items of a pretended held-out part."""
VARIABLES = ("SLURM_JOB_ID", "SLURM_RESTART_COUNT", "SLURM_JOB_NODELIST", "CUDA_VISIBLE_DEVICES")
"""What the journal repeats of the node's environment."""


def pretend(text: str) -> str:
    """Writes what training the pack would have written. Raises :class:`trainer.errors.SpecError` for another text."""
    pack = from_text(Pack, text)
    with Meter(pack.meter, pack.seconds) as meter:
        return _pretended(pack, meter)


def _pretended(pack: Pack, meter: Meter) -> str:
    told: list[int] = []

    def hear(number: int, frame: FrameType | None) -> None:
        told.append(number)

    before = {number: signal.signal(number, hear) for number in (signal.SIGTERM, signal.SIGUSR2)}
    try:
        statuses = _in_turn(
            {f"{item.spec.trial}/{item.spec.folder}": _fold(item, told, meter) for item in pack.launches}
        )
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return json.dumps({"schema": RESULT_SCHEMA, "folds": statuses, "interrupted": "interrupted" in statuses.values()})


def value(spec: FoldSpec, epoch: int) -> float:
    """The validation loss that :func:`pretend` gives an epoch: falls with the epochs to a floor of the fold's own."""
    drawn = int.from_bytes(hashlib.sha256(f"{spec.digest} {epoch}".encode()).digest()[:4]) / 2**32
    floor = int(spec.digest[:4], 16) / 2**16
    return floor + 1 / epoch + 0.01 * drawn


def _in_turn(folds: dict[str, Iterator[str]]) -> dict[str, str]:
    """An epoch of each in turn, as a pack trains; how each ended."""
    statuses: dict[str, str] = {}
    while len(statuses) < len(folds):
        for name, fold in folds.items():
            if name not in statuses and (status := next(fold)):
                statuses[name] = status
    return statuses


def _fold(launch: Launch, told: list[int], meter: Meter) -> Iterator[str]:
    """Yields "" after each epoch, then the fold's status."""
    spec, folder = launch.spec, Path(launch.folder)
    enter(folder, spec)
    claimed = claim(folder)
    if isinstance(claimed, str):
        yield claimed
        return
    history = read_fold(folder)
    first = len(history.epochs) + 1 if history is not None else 1
    writer = Writer(claimed.folder)
    try:
        writer.write(_start(spec, claimed.number, first - 1))
        yield from _epochs(spec, claimed, first, writer, told, meter)
    except Superseded:
        yield "superseded"
    finally:
        writer.close()
        claimed.leave()


def _epochs(
    spec: FoldSpec, claimed: Attempt, first: int, writer: Writer, told: list[int], meter: Meter
) -> Iterator[str]:
    took_s = float(os.environ.get("ACTSWEEP_PRETEND_EPOCH_S", "0"))
    for epoch in range(first, spec.training.epochs + 1):
        if told:
            yield "interrupted"
            return
        if not meter.fits(took_s):
            yield "out of seconds"
            return
        time.sleep(took_s)
        claimed.check()
        loss = value(spec, epoch)
        metrics = {**_scores(spec, "validation", loss), "train/loss": loss / 2}
        writer.write(invented_epoch(epoch=epoch, time=time.time(), metrics=metrics, train_s=took_s))
        progress.epoch(took_s)
        if claimed.stop_asked and epoch < spec.training.epochs:
            yield _end(spec, epoch, Status.STOPPED, "STOP file", writer)
            return
        yield ""
    yield _end(spec, spec.training.epochs, Status.FINISHED, "all epochs", writer)


def _start(spec: FoldSpec, attempt: int, resumed: int) -> Start:
    environment = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    split = hashlib.sha256(f"{spec.study_seed} {spec.repeat} {spec.fold}".encode()).hexdigest()
    return invented_start(
        digest=spec.digest,
        attempt=attempt,
        resumed_epoch=resumed,
        time=time.time(),
        split_hash=split,
        references={describe(spec.task, spec.task_options).primary: 0.1},
        host=socket.gethostname(),
        pid=os.getpid(),
        environment=environment,
    )


def invented_start(**facts: Any) -> Start:
    """A Start record of a fold that never trained; ``facts`` replace what is invented."""
    invented: dict[str, Any] = {
        "digest": "0" * 16,
        "attempt": 1,
        "resumed_epoch": 0,
        "time": 0.0,
        "data_digest": "0" * 64,
        "split_hash": "0" * 64,
        "n_train": 640,
        "n_validation": 160,
        "n_heldout": 200,
        "references": {},
        "n_parameters": 1,
        "device": "cpu",
        "device_name": "pretended",
        "threads": 1,
        "host": "nowhere",
        "pid": 1,
    }
    return Start(**{**invented, **facts})


def invented_epoch(**facts: Any) -> Epoch:
    """An Epoch record as :func:`invented_start`."""
    invented: dict[str, Any] = {
        "epoch": 1,
        "time": 0.0,
        "metrics": {},
        "train_s": 0.0,
        "evaluate_s": 0.0,
        "rest_s": 0.0,
        "peak_memory_mb": 1.0,
    }
    return Epoch(**{**invented, **facts})


def invented_end(**facts: Any) -> End:
    """An End record as :func:`invented_start`."""
    invented: dict[str, Any] = {"time": 0.0, "status": Status.FINISHED, "epochs": 1, "reason": "", "rule": LAST}
    return End(**{**invented, **facts})


def rewrite(journal: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Writes a journal as if its records had been other ones: ``change`` gets each as a mapping."""
    lines = []
    for line in journal.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        record.pop("crc", None)
        change(record)
        lines.append(sealed(json.dumps(record, separators=(",", ":"))) + "\n")
    journal.write_text("".join(lines), encoding="utf-8")


def _scores(spec: FoldSpec, part: str, loss: float) -> dict[str, float]:
    """The loss and, from it, the task's primary metric."""
    primary = 1 - loss / 3
    if part == "heldout":
        primary = round(HELDOUT * primary) / HELDOUT
    return {f"{part}/{LOSS}": loss, f"{part}/{describe(spec.task, spec.task_options).primary}": primary}


def _end(spec: FoldSpec, epochs: int, status: Status, reason: str, writer: Writer) -> str:
    best = min(range(1, epochs + 1), key=lambda epoch: value(spec, epoch))
    outcomes: dict[str, Outcome] = {}
    for rule in (*describe(spec.task, spec.task_options).tracked(spec.training.checkpoint_rule), LAST):
        epoch = epochs if rule == LAST else best
        loss = value(spec, epoch)
        heldout = {**_scores(spec, "heldout", loss), f"heldout/{LOSS}": loss + 0.01}
        outcomes[rule] = Outcome(epoch=epoch, metrics={**_scores(spec, "validation", loss), **heldout})
    rule = spec.training.checkpoint_rule
    end = invented_end(time=time.time(), status=status, epochs=epochs, reason=reason, rule=rule, outcomes=outcomes)
    writer.write(end)
    return status
