"""Fold specifications and packs small enough to train in a moment."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trainer import entry, journal
from trainer.codec import to_text
from trainer.spec import (
    ActivationSpec,
    DataSpec,
    FoldSpec,
    Launch,
    ModelSpec,
    Pack,
    SplitSpec,
    TrainingSpec,
)

SMALL = FoldSpec(
    study="small",
    study_seed=7,
    phase="confirm",
    trial="relu-0",
    repeat=0,
    fold=0,
    data=DataSpec(name="digits"),
    split=SplitSpec(folds=3),
    model=ModelSpec(name="tiny_cnn"),
    activation=ActivationSpec(name="relu"),
    training=TrainingSpec(epochs=3, batch=64, lr=1e-2, patience=None),
)


@pytest.fixture
def small() -> Callable[..., FoldSpec]:
    """A small fold; keywords replace its fields, those of TrainingSpec its training's."""

    def make(**changes: Any) -> FoldSpec:
        names = {field.name for field in dataclasses.fields(TrainingSpec)}
        training = {name: changes.pop(name) for name in names & changes.keys()}
        return dataclasses.replace(SMALL, training=dataclasses.replace(SMALL.training, **training), **changes)

    return make


@pytest.fixture
def packed(tmp_path: Path) -> Callable[..., Pack]:
    """A pack of folds on the CPU, each in its folder below ``tmp_path``/``where``."""

    def make(*specs: FoldSpec, where: str = "trials", **changes: Any) -> Pack:
        launches = tuple(Launch(spec=spec, folder=str(tmp_path / where / spec.trial / spec.folder)) for spec in specs)
        return dataclasses.replace(Pack(launches=launches, data_root=None, device="cpu"), **changes)

    return make


DIES = """
import os, signal, sys
from trainer import entry, journal
write = journal.Writer.write
def and_die(self, record):
    write(self, record)
    if isinstance(record, journal.Epoch) and record.epoch == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
journal.Writer.write = and_die
entry.run(sys.argv[1])
"""


@pytest.fixture
def killed_after() -> Callable[[Pack, int], None]:
    """Trains a pack in a process of its own, which dies by SIGKILL as it has written an epoch's record."""

    def run(pack: Pack, epoch: int) -> None:
        done = subprocess.run([sys.executable, "-P", "-c", DIES, to_text(pack), str(epoch)], check=False)
        assert done.returncode == -signal.SIGKILL

    return run


@pytest.fixture
def left_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[Pack, int], None]:
    """Trains a pack until a SIGTERM that comes with an epoch's record."""

    def run(pack: Pack, epoch: int) -> None:
        write = journal.Writer.write

        def and_leave(self: journal.Writer, record: journal.Record) -> None:
            write(self, record)
            if isinstance(record, journal.Epoch) and record.epoch == epoch:
                signal.raise_signal(signal.SIGTERM)

        with monkeypatch.context() as patch:
            patch.setattr(journal.Writer, "write", and_leave)
            assert json.loads(entry.run(to_text(pack)))["interrupted"]

    return run


@pytest.fixture
def history_of() -> Callable[[Pack], journal.FoldHistory]:
    """Trains a pack of one fold, and gives what its journal came to."""

    def run(pack: Pack) -> journal.FoldHistory:
        entry.run(to_text(pack))
        history = journal.read_fold(Path(pack.launches[0].folder))
        assert history is not None
        return history

    return run
