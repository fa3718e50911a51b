"""The folds that share a process: one copy of the data, one device, one epoch of each in turn.

What a fold gives never depends on its company: every seed is its own, set anew at each epoch.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from trainer import attempt, catalogue, company, device, progress, staging
from trainer.batches import Resident, resident
from trainer.datasets.reader import Dataset, Reader
from trainer.errors import DataError, Superseded, UnknownName
from trainer.fold import Fold
from trainer.interruption import Interrupted, Interruption
from trainer.journal import Status
from trainer.kept import Kept, Key
from trainer.meter import Meter
from trainer.spec import FoldSpec, Launch, Pack
from trainer.tasks import task

MACHINE = (OSError, MemoryError, torch.AcceleratorError, DataError, UnknownName)
"""What a fold is not to blame for: data and names were tried before anything was submitted, so a node that lacks them
is not as it should be."""
DEVICE_ERRORS = ("cuDNN error", "CUDA error")
"""How the messages begin by which CUDA's libraries tell of a device at fault, as plain RuntimeErrors."""
INTERRUPTED = "interrupted"
OUT_OF_SECONDS = "out of seconds"
SUPERSEDED = "superseded"
CROWDED = "crowded"


@dataclass(frozen=True, kw_only=True)
class Loaded:
    dataset: Dataset
    data: Resident


KEPT: Kept[Loaded] = Kept()


def run(pack: Pack, *, code: str, meter: Meter | None = None) -> dict[str, str]:
    """Trains the pack's folds; "<trial>/<fold folder>" -> how the fold ended (a journal status), or why it did not:
    interrupted, out of seconds, superseded, running elsewhere, crowded. ``meter`` says when it has to leave; None:
    never.

    A fold's own failure ends that fold alone. Raises :class:`trainer.errors.SpecError` before any training where a
    folder is another fold's, and what is in ``MACHINE`` where the machine is at fault: such folds are not over, and
    resume in another attempt. Where others are on the device and its memory is short, all folds are saved and left
    (crowded): it is no failure of theirs.
    """
    for launch in pack.launches:
        attempt.enter(Path(launch.folder), launch.spec)
    meter = meter or Meter(None, None)
    begun: _Run | None = None
    try:
        target = device.choose(pack.device)
        with device.session(target, pack.threads), Interruption() as interruption:
            meter.ask = interruption.leave
            begun = _Run(pack, target, interruption, code, meter)
            return begun.report()
    except Exception as error:
        if not company.too_crowded(error):
            raise
        logging.getLogger(__name__).warning("no memory left beside others: %s", error)
        known = begun.statuses if begun is not None else {}
        return {(name := _name(launch)): known.get(name, CROWDED) for launch in pack.launches}
    finally:
        if begun is not None and begun.target.type == "cuda" and company.may_come():
            gc.collect()
            torch.cuda.empty_cache()  # others have use for it


class _Run:
    def __init__(self, pack: Pack, target: torch.device, interruption: Interruption, code: str, meter: Meter) -> None:
        self.pack, self.target, self.interruption, self.code, self.meter = pack, target, interruption, code, meter
        self.loaded: dict[str, Loaded] = {}
        self.statuses: dict[str, str] = {}
        self.active: dict[str, Fold] = {}
        self.crowded = False

    def report(self) -> dict[str, str]:
        try:
            for launch in self.pack.launches:
                if self._may_go_on():
                    self._open(launch)
            while self.active and self._may_go_on():
                # The fold that is furthest behind goes next: the mean over the folds is known early.
                name, fold = min(self.active.items(), key=lambda item: item[1].epoch)
                done = fold.epoch
                self._guard(name, lambda fold=fold: fold.advance(self.interruption.check))  # type: ignore[misc]
                if fold.epoch > done:
                    progress.epoch(fold.epoch_s)
            for name in list(self.active):
                self._guard(name, self.active[name].suspend, otherwise=self._left_as())
        finally:
            for fold in self.active.values():
                fold.close()
                fold.attempt.leave()
        for launch in self.pack.launches:
            self.statuses.setdefault(_name(launch), self._left_as())
        return self.statuses

    def _may_go_on(self) -> bool:
        """Whether nothing asks the pack to leave, and an epoch as long as the longest fits in the seconds it has."""
        longest = max((fold.epoch_s for fold in self.active.values()), default=0.0)
        return not self.interruption.asked and not self.crowded and self.meter.fits(longest)

    def _left_as(self) -> str:
        if self.crowded:
            return CROWDED
        return INTERRUPTED if self.interruption.signalled or not self.meter.cut else OUT_OF_SECONDS

    def _open(self, launch: Launch) -> None:
        name = _name(launch)
        claimed = attempt.claim(Path(launch.folder))
        if isinstance(claimed, str):
            self.statuses[name] = claimed
            return
        fold = Fold(claimed, launch.spec, self.pack, code=self.code)
        self.active[name] = fold

        def begin() -> None:
            loaded = self._load(launch.spec)
            fold.begin(loaded.dataset, loaded.data)

        self._guard(name, begin)

    def _load(self, spec: FoldSpec) -> Loaded:
        key = spec.trained_data
        if key not in self.loaded:
            reader: Reader = catalogue.resolve("data set", spec.data.name, catalogue.DATASETS)
            pack = self.pack
            root = None if pack.data_root is None else Path(pack.data_root)

            def load() -> Loaded:
                dataset = staging.load(reader, spec.data, root, pack.scratch, code=self.code)
                dataset = task.derived(spec, dataset, self.target, root)
                return Loaded(dataset=dataset, data=resident(dataset, self.target))

            where = Key(key, str(self.target), pack.data_root, pack.scratch, self.code)
            self.loaded[key] = KEPT.get(where, reader, spec.data, load)
        return self.loaded[key]

    def _guard(self, name: str, action: Callable[[], str | None], otherwise: str | None = None) -> None:
        """Runs ``action`` for a fold and settles the fold where that ends it."""
        fold = self.active[name]
        status = otherwise
        failure: Exception | None = None
        try:
            status = action() or otherwise
        except Superseded as taken:
            logging.getLogger(__name__).warning("%s", taken)
            status = SUPERSEDED
        except Interrupted:
            return  # the flag is up: all folds leave together
        except Exception as error:
            if company.too_crowded(error):
                logging.getLogger(__name__).warning("no memory left beside others: %s", error)
                self.crowded = True
                if otherwise is None:
                    return  # all folds are saved and leave together
            elif isinstance(error, MACHINE):
                raise
            else:
                failure = self._examined(name, error)
        if failure is not None:
            status = self._fail(fold, failure)
        if status is not None:
            self.statuses[name] = status
            del self.active[name]
            fold.close()
            if status not in tuple(Status):
                fold.attempt.leave()

    def _examined(self, name: str, error: Exception) -> Exception:
        """The error as the fold's own failure; raises it where it is the device's."""
        logging.getLogger(__name__).error("fold %s failed", name, exc_info=error)
        if self.target.type == "cuda" and not isinstance(error, torch.OutOfMemoryError):
            torch.cuda.synchronize(self.target)  # raises where the device itself is broken
            if str(error).startswith(DEVICE_ERRORS):
                raise error
        # The traceback holds the frames, and they hold the tensors that other folds may need the memory of.
        return error.with_traceback(None)

    def _fail(self, fold: Fold, error: Exception) -> str:
        try:
            fold.fail(error, self.target)
        except Superseded:
            return SUPERSEDED
        if self.target.type == "cuda":
            torch.cuda.empty_cache()
        return Status.FAILED


def _name(launch: Launch) -> str:
    return f"{launch.spec.trial}/{launch.spec.folder}"
