"""A study folder as a sweep would leave it, with invented numbers: for tests, measurements and screenshots.

The files are written with the product's own writers; only the training did not happen.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from analysis.runs.metric import Metric
from analysis.runs.plan import Declaration, Plan, to_json
from sweeps.driver import trial_result
from sweeps.folder import decided, layout, ledger
from sweeps.folder.decided import Decided
from sweeps.folder.records import Selected, TrialAdded, TrialStatus
from trainer.codec import from_text, to_text
from trainer.journal import End, Epoch, Outcome, Status, Writer, attempt_folder, read_fold
from trainer.spec import (
    ActivationSpec,
    DataSpec,
    FoldSpec,
    ModelSpec,
    Phase,
    Scalar,
    SplitSpec,
    TrainingSpec,
)
from trainer.tasks.description import LAST, RULE_PREFIX, describe
from trainer.tasks.metric import LOSS
from trainer.testing import invented_end, invented_epoch, invented_start

EPOCH_ZERO = 1_760_000_000.0
"""Begin of the invented study, seconds since the Unix epoch."""
TASK = describe("classification")


@dataclasses.dataclass(frozen=True, kw_only=True)
class InventedTrial:
    label: str
    index: int = 0
    activation: str = ""
    phase: Phase = "confirm"
    params: Mapping[str, Scalar] = dataclasses.field(default_factory=dict)
    degrees: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """Angles of which parameters are the tangents."""

    @property
    def name(self) -> str:
        return f"{self.label}-{self.phase[0]}{self.index:03d}"


def invent_study(
    folder: Path,
    trials: Sequence[InventedTrial],
    *,
    name: str = "invented",
    folds: int = 3,
    epochs: int = 4,
    write_folds: bool = True,
) -> list[str]:
    """Writes ``plan.json``, ``study.yaml``, ``provenance.json`` and every trial's files below ``folder``; with
    ``write_folds`` every fold trained to its end. Returns the folds' keys, ``<trial>/fold-<repeat>-<fold>``."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = tuple(dict.fromkeys(trial.label for trial in trials))
    plan = Plan(
        study=name,
        study_digest="0123456789abcdef",
        study_seed=1,
        dataset="digits",
        model="resnet34 stem=small",
        task=TASK.name,
        metrics=tuple(Metric(**dataclasses.asdict(metric)) for metric in TASK.metrics),
        activations=labels,
        claims_phase="confirm",
        repeats=(0,),
        folds=folds,
        declaration=Declaration(
            question="Does the invented activation do better?",
            metric=TASK.primary,
            rule=RULE_PREFIX + LOSS,
            control=labels[0],
            declared_at="2025-10-09T08:00:00+00:00",
        ),
    )
    (folder / "plan.json").write_text(to_json(plan), encoding="utf-8")
    (folder / "study.yaml").write_text(f"name: {name}\nseed: 1\n", encoding="utf-8")
    provenance = {"schema": 1, "command": ["actsweep", "run"], "git": {"commit": "c0ffee" * 6 + "c0ff", "diff": ""}}
    (folder / "provenance.json").write_text(json.dumps(provenance), encoding="utf-8")
    keys = []
    for trial in trials:
        invent_trial(folder, trial)
        for fold in range(folds):
            key = invent_fold(folder, trial, study=name, fold=fold, folds=folds, epochs=epochs)
            keys.append(key)
            if write_folds:
                invent_attempt(folder, key, epochs=epochs, status=Status.FINISHED)
    return keys


def decide(folder: Path, trial: str) -> None:
    """Writes what the driver would have decided of a trial by its journals: nothing while one of its folds goes on."""
    home = folder / "trials" / trial
    folds = sorted(home.glob("fold-*"))
    given_up = [TrialStatus.INFRA_FAILED if (fold / layout.INFRA).exists() else None for fold in folds]
    found = trial_result.combine([read_fold(fold) for fold in folds], given_up)
    if found is None:
        (home / decided.FILE).unlink(missing_ok=True)
    else:
        (home / decided.FILE).write_text(to_text(Decided(status=found[0])), encoding="utf-8")


def invent_trial(folder: Path, trial: InventedTrial) -> None:
    home = folder / "trials" / trial.name
    home.mkdir(parents=True, exist_ok=True)
    text = {
        "schema": layout.TRIAL_SCHEMA,
        "trial": trial.name,
        "label": trial.label,
        "activation": trial.activation or trial.label,
        "phase": trial.phase,
        "index": trial.index,
        "params": dict(trial.params),
        "training": {"lr": 1e-3},
        "degrees": dict(trial.degrees),
    }
    (home / "trial.json").write_text(json.dumps(text), encoding="utf-8")


def invent_fold(folder: Path, trial: InventedTrial, *, study: str, fold: int, folds: int, epochs: int) -> str:
    """Writes the fold's ``spec.json``: planned, not begun. Returns its key."""
    spec = FoldSpec(
        study=study,
        study_seed=1,
        phase=trial.phase,
        trial=trial.name,
        repeat=0,
        fold=fold,
        data=DataSpec(name="digits"),
        split=SplitSpec(folds=folds),
        model=ModelSpec(options={"stem": "small"}),
        activation=ActivationSpec(name=trial.activation or trial.label, params=trial.params),
        training=TrainingSpec(epochs=epochs, lr=1e-3),
    )
    home = folder / "trials" / trial.name / spec.folder
    home.mkdir(parents=True, exist_ok=True)
    (home / "spec.json").write_text(to_text(spec), encoding="utf-8")
    return f"{trial.name}/{spec.folder}"


def invent_attempt(
    folder: Path,
    key: str,
    *,
    epochs: int,
    attempt: int = 1,
    resumed: int = 0,
    status: Status | None = None,
    loss: float | None = None,
) -> None:
    """Writes one attempt's journal: epochs ``resumed + 1`` to ``epochs``, then an end of ``status``, or none while it
    runs. Values depend on trial, fold and epoch only, times on the attempt, too. ``loss``: of the last epoch."""
    home = folder / "trials" / key
    spec = from_text(FoldSpec, (home / "spec.json").read_text(encoding="utf-8"))
    attempt_folder(home, attempt).mkdir()
    writer = Writer(attempt_folder(home, attempt))
    begin = EPOCH_ZERO + 1000.0 * attempt + 10.0 * spec.fold
    writer.write(
        invented_start(
            digest=spec.digest,
            attempt=attempt,
            resumed_epoch=resumed,
            time=begin,
            data_digest="da7a" * 4,
            split_hash=f"{spec.repeat:08x}{spec.fold:08x}",
            n_train=1149,
            n_validation=288,
            n_heldout=360,
            references={LOSS: math.log(10), TASK.primary: 0.1019},
            n_parameters=21_280_000,
            device_name="invented processor",
            host=f"node{attempt}",
            pid=4000 + attempt,
            environment={"python": "3.11", "torch": "2.15"},
            code="c0de" * 4,
        )
    )
    last = begin
    for epoch in range(resumed + 1, epochs + 1):
        last = begin + 2.0 * epoch
        writer.write(_epoch(spec, epoch, last, loss if epoch == epochs else None))
    if status is not None:
        writer.write(_end(spec, epochs, last + 0.5, status))
    writer.close()
    decide(folder, spec.trial)


def _epoch(spec: FoldSpec, epoch: int, time: float, loss: float | None) -> Epoch:
    metrics = {
        f"{part}/{name}": _value(spec, part, name, epoch) for part in ("train", "validation") for name in TASK.names
    }
    if loss is not None:
        metrics[f"train/{LOSS}"] = loss
    return invented_epoch(
        epoch=epoch,
        time=time,
        metrics=metrics,
        train_s=1.5 + 0.01 * spec.fold,
        evaluate_s=0.3,
        rest_s=0.05,
        peak_memory_mb=512.0,
        activation={"layer1.0.relu/a": 3.7 - 0.01 * epoch},
    )


def _end(spec: FoldSpec, epochs: int, time: float, status: Status) -> End:
    outcomes: dict[str, Outcome] = {}
    if status in (Status.FINISHED, Status.STOPPED):
        scored = ("heldout", "validation")
        best = {f"{part}/{name}": _value(spec, part, name, epochs) for part in scored for name in TASK.names}
        rules = (*TASK.tracked(spec.training.checkpoint_rule), LAST)
        outcomes = {rule: Outcome(epoch=epochs, metrics=best) for rule in rules}
    reason = {
        Status.FINISHED: "all epochs",
        Status.STOPPED: "STOP file",
        Status.DIVERGED: f"loss is nan at epoch {epochs}",
    }
    return invented_end(
        time=time,
        status=status,
        epochs=epochs,
        reason=reason.get(status, "RuntimeError: invented"),
        rule=spec.training.checkpoint_rule,
        outcomes=outcomes,
    )


def _value(spec: FoldSpec, part: str, name: str, epoch: int) -> float:
    """A curve that looks like learning: a loss that falls, a score that rises, apart by activation, fold and part."""
    offset = sum(map(ord, spec.trial)) % 7 * 0.004 + spec.fold * 0.006 + {"train": 0.0}.get(part, 0.02)
    decay = math.exp(-epoch / 4)
    return round(2.2 * decay + 0.1 + offset if name == LOSS else 0.98 - 0.8 * decay - offset, 6)


def numbers(folder: Path) -> dict[str, object]:
    """What the journals of a finished study say, without times, hosts and attempts: fold -> its epochs and its end.
    Two runs of one study that were disturbed in different ways must agree on it."""
    found: dict[str, object] = {}
    for spec in sorted((folder / "trials").glob("*/fold-*/spec.json")):
        history = read_fold(spec.parent)
        if history is None or history.end is None:
            raise ValueError(f"{spec.parent}: has no end")
        epochs = [(epoch.epoch, dict(epoch.metrics)) for epoch in history.epochs]
        key = f"{spec.parent.parent.name}/{spec.parent.name}"
        found[key] = (epochs, history.end.status, dict(history.end.outcomes))
    return found


def decisions(folder: Path) -> tuple[dict[str, object], dict[str, object]]:
    """Suggestions (trial -> parameters, searched values, folds) and winners (label -> trial, among how many)."""
    records = list(ledger.read(folder / ledger.FILE))
    added = {r.trial: (dict(r.params), dict(r.config), r.folds) for r in records if isinstance(r, TrialAdded)}
    chosen = {r.label: (r.trial, r.among) for r in records if isinstance(r, Selected)}
    return dict(added), dict(chosen)


def attempts(folder: Path) -> dict[str, int]:
    """Attempts that each fold took."""
    return {
        f"{spec.parent.parent.name}/{spec.parent.name}": history.attempts
        for spec in sorted((folder / "trials").glob("*/fold-*/spec.json"))
        if (history := read_fold(spec.parent)) is not None
    }
