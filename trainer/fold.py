"""One fold's training, epoch by epoch: what is measured, what is written down, and when it ends.

An epoch's checkpoint is on disk before its journal record, and carries the records of all epochs so far: whichever
attempt's checkpoint a successor resumes from, it can complete the journal.
"""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from trainer import checkpoint, device, energy, journal, selection
from trainer.attempt import Attempt
from trainer.batches import Resident
from trainer.datasets.reader import Dataset
from trainer.errors import DataError
from trainer.files import Kept, write_kept
from trainer.journal import End, Epoch, Outcome, Start, Status
from trainer.learner import Learner
from trainer.spec import FoldSpec, Pack
from trainer.tasks import task
from trainer.tasks.description import LAST

PREDICTIONS = "predictions.npz"
PREDICTIONS_SCHEMA = 2


class Fold:
    """An attempt at a fold. :meth:`begin`, then :meth:`advance` until it gives a status."""

    def __init__(self, attempt: Attempt, spec: FoldSpec, pack: Pack, *, code: str) -> None:
        self.attempt, self.spec, self.pack, self.code = attempt, spec, pack, code
        self.epoch = 0
        """Epochs done."""
        self._writer = journal.Writer(attempt.folder)
        self._started = False
        self._records: list[Epoch] = []
        self._lines: list[str] = []
        """Of the records, those that a checkpoint has held, as it holds them."""
        self._selection = selection.Selection({})
        self._learner: Learner | None = None
        self._unsaved: checkpoint.State | None = None
        self._saved_at = time.monotonic()
        self._carried_s = 0.0
        self._remarks, self._kept = dict[str, str](), dict[str, Kept]()

    @property
    def validates(self) -> bool:
        return len(self._split.validation) > 0

    @property
    def learner(self) -> Learner:
        assert self._learner is not None
        return self._learner

    @property
    def epoch_s(self) -> float:
        """Seconds of the last epoch; 0 before the first."""
        return self._records[-1].seconds if self._records else 0.0

    def begin(self, dataset: Dataset, data: Resident) -> None:
        """Builds the model, takes up an earlier attempt's newest checkpoint, and writes the Start record."""
        spec = self.spec
        kind = task.fitting(spec.task, spec.task_options, dataset)
        self._split = task.deal(kind, dataset, spec)
        self._learner = Learner(spec, dataset, data, self._split, kind(dataset, **spec.task_options))
        described = kind.described(spec.task, **spec.task_options)
        self._selection = selection.Selection(
            selection.scores(described, spec.training.checkpoint_rule) if self.validates else {}
        )
        state = checkpoint.newest(self.attempt.fold, spec.digest, before=self.attempt.number)
        if state is not None:
            self._restore(state)
        else:
            self.learner.fit()
        self._start(
            data.items.device,
            data_digest=dataset.digest,
            split_hash=self._split.hash,
            n_train=len(self._split.train),
            n_validation=len(self._split.validation),
            n_heldout=len(self._split.heldout),
            n_heldout_searched=self._split.heldout_searched,
            references=self.learner.references(),
            floors=self.learner.floors(),
            case=self._split.case.name if self._split.case is not None else "",
            n_parameters=self.learner.n_parameters,
        )
        self._complete_journal()

    def advance(self, check: Callable[[], None]) -> Status | None:
        """Trains one epoch, and ends the fold where it is over. ``check`` is called before every batch and may raise;
        the epoch is then as if it had not begun. Raises :class:`trainer.errors.Superseded`."""
        entered = time.perf_counter()
        self.attempt.check()
        if self.attempt.stop_asked:
            return self._end(Status.STOPPED, "STOP file")
        if reason := self._over():  # a resumed fold that was killed while it ended
            return self._end(Status.FINISHED, reason)
        target, epoch = self.learner.device, self.epoch + 1
        device.begin_peak(target)
        joules = energy.Counter(target)
        began = time.perf_counter()
        metrics = _named("train", self.learner.train(epoch, check))
        trained = time.perf_counter()
        if validated := self._to_be_validated(epoch):
            metrics |= self._validate()
        evaluated = time.perf_counter()
        self.attempt.check()
        if problem := selection.diverged(metrics):
            return self._end(Status.DIVERGED, f"{problem} at epoch {epoch}")
        rate = self.learner.schedule.told
        self.learner.end_epoch(metrics)
        self.epoch = epoch
        if validated and self.learner.in_last_stage:
            self._selection.see(epoch, metrics, self.learner.weights())
        record = Epoch(
            epoch=epoch,
            time=time.time(),
            metrics=metrics,
            train_s=trained - began,
            evaluate_s=evaluated - trained,
            rest_s=0.0,
            peak_memory_mb=device.peak_memory_mb(target),
            activation=self.learner.learned(),
            stage=self.learner.stage.name,
            learning_rate=rate,
            utilisation=device.utilisation(target),
            energy_j=joules.since(),
        )
        self._records.append(record)
        reason = self._over()
        if not reason:
            self._save()
        written = time.perf_counter()
        rest_s = self._carried_s + (began - entered) + (written - evaluated)
        self._records[-1] = dataclasses.replace(record, time=time.time(), rest_s=rest_s)
        self._writer.write(self._records[-1])
        self._carried_s = time.perf_counter() - written
        return self._end(Status.FINISHED, reason) if reason else None

    def fail(self, error: Exception, target: Any) -> None:
        """Ends the fold for an error of its own."""
        self.attempt.check()
        if not self._started:
            self._start(
                target,
                data_digest="",
                split_hash="",
                n_train=0,
                n_validation=0,
                n_heldout=0,
                references={},
                n_parameters=0,
            )
        words = str(error).strip().splitlines()
        self._close(Status.FAILED, f"{type(error).__name__}: {words[-1] if words else 'no message'}", {})

    def suspend(self) -> None:
        """Before the process leaves of its own accord: what is done and not yet on disk goes there."""
        if self._unsaved is not None:
            self.attempt.check()
            self._write(self._unsaved)
        self.close()

    def close(self) -> None:
        """Gives back the file and the memory; writes nothing."""
        self._writer.close()
        self._learner = self._unsaved = None
        self._selection = selection.Selection({})

    def _start(self, target: Any, **facts: Any) -> None:
        self._writer.write(
            Start(
                digest=self.spec.digest,
                attempt=self.attempt.number,
                resumed_epoch=self.epoch,
                time=time.time(),
                device=target.type,
                device_name=device.name(target),
                threads=self.pack.threads,
                host=socket.gethostname(),
                pid=os.getpid(),
                environment=device.environment(target),
                code=self.code,
                **facts,
            )
        )
        self._started = True

    def _to_be_validated(self, epoch: int) -> bool:
        training = self.spec.training
        return epoch % training.evaluate_every == 0 or self.learner.ends_stage(epoch)

    def _validate(self) -> dict[str, float]:
        """Metrics of the weights as they are, on the validation part and, where asked for, on the training part."""
        metrics = _named("validation", self.learner.evaluate("validation")) if self.validates else {}
        if self.spec.training.clean_train:
            metrics |= _named("train_clean", self.learner.evaluate("train"))
        return metrics

    def _over(self) -> str:
        """Why training has gone on long enough, in words; "" while it has not."""
        training = self.spec.training
        if self.epoch >= training.epochs:
            return "all epochs"
        if training.patience is not None and self._selection.idle_epochs(self.epoch) >= max(training.patience, 1):
            return "patience"
        return ""

    def _restore(self, state: checkpoint.State) -> None:
        if state["split_hash"] != self._split.hash:
            raise DataError(
                f"the data set {self.spec.data.name!r} or its split is not what earlier attempts trained on; restore "
                f"the data, or delete {self.attempt.fold} to train the fold afresh"
            )
        self.epoch = state["epoch"]
        self.learner.restore(state["learner"], epochs=self.epoch)
        self._selection.restore(state["selection"], self.epoch, self.learner.weights())
        for line in state["records"]:
            record = journal.parse(line, "checkpoint")
            assert isinstance(record, Epoch)
            self._records.append(record)

    def _complete_journal(self) -> None:
        """Writes again what the resumed-from checkpoint knows and the resolved journal lacks or tells differently."""
        history = journal.read_fold(self.attempt.fold)
        assert history is not None
        told = {record.epoch: record.metrics for record in history.epochs}
        for record in self._records:
            if told.get(record.epoch) != record.metrics:
                self._writer.write(record)

    def _save(self) -> None:
        state = {
            "digest": self.spec.digest,
            "split_hash": self._split.hash,
            "epoch": self.epoch,
            "learner": self.learner.state(),
            "selection": self._selection.state(self.epoch),
        }
        if time.monotonic() - self._saved_at < self.pack.checkpoint_every_s:
            # A signal may come in the middle of the next epoch, when the weights have moved on.
            self._unsaved = checkpoint.copied(state)
            return
        self._write(state)
        self._unsaved = None
        self._saved_at = time.monotonic()
        if (self.attempt.folder / checkpoint.PREVIOUS).exists():
            checkpoint.remove(self.attempt.fold, before=self.attempt.number)

    def _write(self, state: checkpoint.State) -> None:
        """A checkpoint, with the records of the epochs that it has behind it. Each is put into words once, and only
        when it is written: of thousands of short epochs this would otherwise take the square of their number."""
        fresh = self._records[len(self._lines) : state["epoch"]]
        self._lines += [json.dumps(dataclasses.asdict(record)) for record in fresh]
        checkpoint.save_generation(self.attempt.folder, {**state, "records": self._lines[: state["epoch"]]})

    def _end(self, status: Status, reason: str) -> Status:
        outcomes = self._outcomes(status)
        self._close(status, reason, outcomes)
        return status

    def _close(self, status: Status, reason: str, outcomes: dict[str, Outcome]) -> None:
        self._writer.write(
            End(
                time=time.time(),
                status=status,
                epochs=self.epoch,
                reason=reason,
                rule=self.spec.training.checkpoint_rule,
                outcomes=outcomes,
                remarks=self._remarks,
                kept=self._kept,
            )
        )
        if status is not Status.FAILED:  # another try goes on from what earlier attempts have saved
            checkpoint.remove(self.attempt.fold, before=self.attempt.number + 1)
        self.close()

    def _outcomes(self, status: Status) -> dict[str, Outcome]:
        """Measures each rule's weights on the held-out part, which nothing has looked at before."""
        if self.epoch == 0:
            return {}
        if status is not Status.DIVERGED and not self._to_be_validated(self.epoch):  # stopped between two validations
            found = {**self._records[-1].metrics, **self._validate()}
            self._records[-1] = dataclasses.replace(self._records[-1], metrics=found)
            if self.learner.in_last_stage:
                self._selection.see(self.epoch, found, self.learner.weights())
        picks = self._selection.epochs(self.epoch)
        if status is Status.DIVERGED:  # the last finite weights are gone unless a rule kept them
            del picks[LAST]
        # The weights at hand come first: measuring another rule's replaces them.
        order = sorted(picks.items(), key=lambda pick: pick[0] != LAST)
        measured: dict[int, dict[str, float]] = {}
        declared = picks.get(self.spec.training.checkpoint_rule)
        for rule, epoch in order:
            if epoch in measured:
                continue
            if rule != LAST:
                weights = self._selection.weights(epoch)
                assert weights is not None
                self.learner.load_weights(weights)
            measured[epoch] = self._measure(epoch, declared=epoch == declared)
        return {rule: Outcome(epoch=epoch, metrics=measured[epoch]) for rule, epoch in picks.items()}

    def _measure(self, epoch: int, *, declared: bool) -> dict[str, float]:
        self.learner.seed_outcome(epoch)
        known = self._records[epoch - 1].metrics
        found = {name: value for name, value in known.items() if not name.startswith("train/")}
        outputs = self.learner.outputs("heldout")
        found |= _named("heldout", self.learner.measure(outputs, "heldout") | self.learner.outcome())
        if declared:
            self._remarks = self.learner.task.remarks()
            if "train_clean/loss" not in found:
                found |= _named("train_clean", self.learner.evaluate("train"))
            self.attempt.check()
            self._keep(epoch, outputs)
        return found

    def _keep(self, epoch: int, outputs: Tensor) -> None:
        """Predictions, and the weights where they are to stay, of the declared rule."""
        folder = self.attempt.folder
        arrays: dict[str, Any] = {
            "indices": self._split.heldout,
            "schema": np.array(PREDICTIONS_SCHEMA),
            "task": np.array(self.spec.task),
            **self.learner.task.predictions(outputs, self.learner.targets("heldout")),
        }
        path = folder / PREDICTIONS
        self._kept[PREDICTIONS] = write_kept(path, lambda file: np.savez(file, allow_pickle=False, **arrays))
        if self.pack.keep == "best":
            state = {"digest": self.spec.digest, "epoch": epoch, "model": self.learner.weights()}
            state |= {"task": self.learner.task.state_dict(), "inputs": self.learner.inputs.state_dict()}
            self._kept[checkpoint.BEST] = checkpoint.save(folder / checkpoint.BEST, state)


def _named(part: str, metrics: dict[str, float]) -> dict[str, float]:
    return {f"{part}/{name}": value for name, value in metrics.items()}
