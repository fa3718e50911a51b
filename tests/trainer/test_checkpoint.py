from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from trainer import checkpoint, entry, journal, selection
from trainer.codec import to_text
from trainer.errors import DataError
from trainer.spec import ActivationSpec


class Cut(BaseException):
    """Ends a pack where a power failure would."""


def cut_after(monkeypatch, epochs):
    """Makes the process die right after the record of an epoch."""
    write = journal.Writer.write

    def and_die(self, record):
        write(self, record)
        if isinstance(record, journal.Epoch) and record.epoch == epochs:
            raise Cut

    monkeypatch.setattr(journal.Writer, "write", and_die)


def cut_once(monkeypatch, pack, epochs):
    with monkeypatch.context() as patch:
        cut_after(patch, epochs)
        with pytest.raises(Cut):
            entry.run(to_text(pack))
    return Path(pack.launches[0].folder)


def numbers(folder):
    history = journal.read_fold(folder)
    return (
        [(record.epoch, record.metrics, record.activation) for record in history.epochs],
        history.end.status,
        history.end.outcomes,
    )


def attempt_dir(folder, number):
    path = journal.attempt_folder(folder, number)
    path.mkdir(parents=True, exist_ok=True)
    return path


def test_newest_generation_then_the_one_before(tmp_path):
    folder = attempt_dir(tmp_path, 1)
    for epoch in (1, 2, 3):
        checkpoint.save_generation(folder, {"digest": "d", "epoch": epoch, "w": torch.ones(4) * epoch})
    assert checkpoint.newest(tmp_path, "d", before=2)["epoch"] == 3
    assert checkpoint.load(folder / checkpoint.PREVIOUS)["epoch"] == 2
    assert sorted(path.name for path in folder.iterdir()) == [checkpoint.PREVIOUS, checkpoint.FILE]


@pytest.mark.parametrize("damage", ["torn", "empty", "flipped", "text", "gone"])
def test_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path, damage, caplog):
    folder = attempt_dir(tmp_path, 1)
    for epoch in (1, 2):
        checkpoint.save_generation(folder, {"digest": "d", "epoch": epoch, "w": torch.randn(1000)})
    path = folder / checkpoint.FILE
    whole = path.read_bytes()
    if damage == "torn":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "flipped":  # one bit in the middle of the weights: torch itself would load it
        middle = len(whole) // 2
        path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    elif damage == "text":
        path.write_text("checkpoint", encoding="utf-8")
    else:
        path.unlink()
    assert checkpoint.newest(tmp_path, "d", before=2)["epoch"] == 1
    assert ("is not whole" in caplog.text) == (damage != "gone")


def test_newest_attempt_with_a_whole_checkpoint_counts(tmp_path):
    for number, epoch in ((1, 5), (2, 3)):
        checkpoint.save_generation(attempt_dir(tmp_path, number), {"digest": "d", "epoch": epoch})
    attempt_dir(tmp_path, 3)
    assert checkpoint.newest(tmp_path, "d", before=4)["epoch"] == 3
    assert checkpoint.newest(tmp_path, "d", before=2)["epoch"] == 5
    assert checkpoint.newest(tmp_path, "other", before=4) is None
    assert checkpoint.newest(tmp_path, "d", before=1) is None


def test_half_written_file_is_never_the_checkpoint(tmp_path, monkeypatch):
    folder = attempt_dir(tmp_path, 1)
    checkpoint.save_generation(folder, {"digest": "d", "epoch": 1})

    def half(state, file):
        file.write(b"half")
        raise Cut

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(Cut):
        checkpoint.save_generation(folder, {"digest": "d", "epoch": 2})
    assert checkpoint.newest(tmp_path, "d", before=2)["epoch"] == 1


def test_what_equals_the_current_weights_is_stored_once():
    scores = {"loss": -1, "accuracy": 1}
    chosen = selection.Selection(scores)
    weights = {"w": torch.zeros(3)}
    for epoch, loss, accuracy in ((1, 2.0, 0.9), (2, 1.0, 0.5)):
        weights["w"] += 1
        chosen.see(epoch, {"validation/loss": loss, "validation/accuracy": accuracy}, weights)
    state = chosen.state(2)
    assert list(state["weights"]) == ["1"]
    again = selection.Selection(scores)
    again.restore(state, 2, weights)
    assert again.epochs(2) == chosen.epochs(2)
    assert again.weights(1)["w"].tolist() == [1, 1, 1]
    weights["w"] += 1
    assert again.weights(2)["w"].tolist() == [2, 2, 2]


def test_checkpoint_is_plain_tensors_and_numbers(small, packed, monkeypatch):
    folder = cut_once(monkeypatch, packed(small(activation=ActivationSpec(name="dsrelu"))), 2)
    state = torch.load(folder / "attempt-1" / checkpoint.FILE, weights_only=True)
    assert state["epoch"] == 2
    assert state["learner"].keys() == {"model", "optimizer", "schedule", "generators", "task", "inputs"}


@pytest.mark.parametrize("activation", ["relu", "dsrelu", "apalu"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_resumed_numbers_are_the_undisturbed_ones(small, packed, monkeypatch, activation, optimizer):
    spec = small(activation=ActivationSpec(name=activation), optimizer=optimizer, lr=0.05, epochs=5)
    calm = packed(spec, where="calm")
    entry.run(to_text(calm))
    pack = packed(spec)
    for epochs in (1, 4):
        folder = cut_once(monkeypatch, pack, epochs)
    entry.run(to_text(pack))
    assert numbers(folder) == numbers(Path(calm.launches[0].folder))
    history = journal.read_fold(folder)
    assert (history.attempts, history.start.resumed_epoch) == (3, 4)


def test_resuming_completes_a_journal_that_lacks_the_checkpointed_epoch(small, packed, monkeypatch):
    spec = small(epochs=4)
    calm = packed(spec, where="calm")
    entry.run(to_text(calm))
    pack = packed(spec)
    folder = cut_once(monkeypatch, pack, 2)
    path = folder / "attempt-1" / journal.FILE
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]) + lines[-1][:40])  # killed between the checkpoint and its record
    entry.run(to_text(pack))
    assert numbers(folder) == numbers(Path(calm.launches[0].folder))
    assert journal.read_fold(folder).start.resumed_epoch == 2


def test_damaged_newest_checkpoint_costs_an_epoch_and_no_digit(small, packed, monkeypatch):
    spec = small(epochs=4)
    calm = packed(spec, where="calm")
    entry.run(to_text(calm))
    pack = packed(spec)
    folder = cut_once(monkeypatch, pack, 3)
    path = folder / "attempt-1" / checkpoint.FILE
    path.write_bytes(path.read_bytes()[:-100])
    entry.run(to_text(pack))
    assert journal.read_fold(folder).start.resumed_epoch == 2
    assert numbers(folder) == numbers(Path(calm.launches[0].folder))


def test_checkpoints_of_earlier_attempts_go_once_there_are_newer_ones(small, packed, monkeypatch):
    pack = packed(small(epochs=9))
    folder = cut_once(monkeypatch, pack, 2)
    assert (folder / "attempt-1" / checkpoint.FILE).exists()
    cut_once(monkeypatch, pack, 3)
    assert (folder / "attempt-1" / checkpoint.FILE).exists()
    cut_once(monkeypatch, pack, 5)
    assert not (folder / "attempt-1" / checkpoint.FILE).exists()
    assert (folder / "attempt-3" / checkpoint.FILE).exists()


def test_rarer_checkpoints_lose_what_lies_between(small, packed, monkeypatch):
    pack = packed(small(epochs=5), checkpoint_every_s=3600.0)
    folder = cut_once(monkeypatch, pack, 3)
    assert not list(folder.glob("attempt-*/checkpoint*"))
    entry.run(to_text(pack))
    history = journal.read_fold(folder)
    assert history.start.resumed_epoch == 0
    assert [record.epoch for record in history.epochs] == [1, 2, 3, 4, 5]


def test_other_data_than_before_is_refused(small, packed, monkeypatch):
    pack = packed(small())
    folder = cut_once(monkeypatch, pack, 1)
    found = checkpoint.newest(folder, pack.launches[0].spec.digest, before=2)
    monkeypatch.setattr(checkpoint, "newest", lambda *a, **k: {**found, "split_hash": "other"})
    with pytest.raises(DataError, match="is not what earlier attempts trained on"):
        entry.run(to_text(pack))
    assert journal.read_fold(folder).end is None
    assert list(folder.glob("attempt-1/checkpoint*.pt"))


@pytest.mark.slow
def test_full_disk_is_the_machines_error_not_the_folds(tmp_path):
    """A file size limit stands for a full disk; in a process of its own, since the limit stays."""
    script = """
        import resource, sys, torch
        from pathlib import Path
        from trainer import checkpoint
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
        try:
            checkpoint.save_generation(Path(sys.argv[1]), {"w": torch.zeros(100_000)})
        except OSError as error:
            print("OSError", error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.stdout.startswith("OSError"), done.stderr
    assert not (tmp_path / checkpoint.FILE).exists()


def test_learner_state_is_copied_deeply():
    state = {"a": [torch.zeros(2), {"b": torch.zeros(1)}], "c": 1}
    copy = checkpoint.copied(state)
    state["a"][0] += 1
    state["a"][1]["b"] += 1
    assert copy["a"][0].tolist() == [0, 0]
    assert copy["a"][1]["b"].tolist() == [0]
    assert copy["c"] == 1
