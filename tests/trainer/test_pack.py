from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from trainer import attempt, catalogue, checkpoint, device, entry, interruption, journal, staging, testing
from trainer.codec import to_text
from trainer.datasets import fingerprint
from trainer.datasets.digits import digits
from trainer.errors import SpecError
from trainer.spec import ActivationSpec, DataSpec


def run(pack):
    return json.loads(entry.run(to_text(pack)))


def numbers(launch):
    history = journal.read_fold(Path(launch.folder))
    return (
        [(record.epoch, record.metrics, record.activation) for record in history.epochs],
        history.end.status,
        history.end.outcomes,
    )


def on_epoch(monkeypatch, number, action, *, trial=None):
    """Calls ``action`` once, right after the record of an epoch (of a trial)."""
    write, done = journal.Writer.write, []

    def and_act(self, record):
        write(self, record)
        name = Path(self._file.name).parts[-4]
        if isinstance(record, journal.Epoch) and record.epoch == number and not done and trial in (None, name):
            done.append(True)
            action()

    monkeypatch.setattr(journal.Writer, "write", and_act)


def test_fold_gives_the_same_numbers_alone_and_packed(small, packed):
    specs = [
        small(),
        small(fold=1),
        small(trial="dsrelu", activation=ActivationSpec(name="dsrelu"), epochs=5),
        small(trial="prelu", activation=ActivationSpec(name="prelu"), lr=0.05),
    ]
    together = packed(*specs, where="together")
    run(together)
    for launch in together.launches:
        alone = packed(launch.spec, where="alone")
        run(alone)
        assert numbers(launch) == numbers(alone.launches[0])


def test_predictions_are_the_same_alone_and_packed(small, packed):
    together, alone = packed(small(), small(fold=1), where="together"), packed(small(fold=1), where="alone")
    run(together)
    run(alone)
    kept = [np.load(Path(launch.folder) / "attempt-1" / "predictions.npz") for launch in
            (together.launches[1], alone.launches[0])]  # fmt: skip
    for name in ("indices", "labels", "probabilities"):
        assert np.array_equal(kept[0][name], kept[1][name])


def test_folds_take_turns_by_epoch(small, packed, monkeypatch):
    order = []
    write = journal.Writer.write

    def noted(self, record):
        write(self, record)
        if isinstance(record, journal.Epoch):
            order.append((record.epoch, Path(self._file.name).parts[-3]))

    monkeypatch.setattr(journal.Writer, "write", noted)
    run(packed(small(), small(fold=1)))
    assert order == [(epoch, f"fold-0-{fold}") for epoch in (1, 2, 3) for fold in (0, 1)]


def test_data_are_loaded_once_for_all_folds(small, packed, monkeypatch):
    calls = []
    load = type(digits).load
    monkeypatch.setattr(type(digits), "load", lambda self, *given: calls.append(1) or load(self, *given))
    run(packed(small(epochs=1), small(fold=1, epochs=1)))
    assert len(calls) == 1


def test_finished_fold_is_reported_and_not_trained_again(small, packed):
    pack = packed(small())
    assert run(pack) == run(pack)
    assert journal.attempts(Path(pack.launches[0].folder)) == [1]


@pytest.mark.parametrize("name", ["SIGUSR2", "SIGTERM"])
def test_signal_ends_the_pack_with_its_epochs_on_disk(small, packed, monkeypatch, name):
    specs = [small(epochs=5), small(fold=1, epochs=5)]
    calm = packed(*specs, where="calm")
    run(calm)
    pack = packed(*specs)
    handler = signal.getsignal(getattr(signal, name))
    with monkeypatch.context() as patch:
        on_epoch(patch, 2, lambda: os.kill(os.getpid(), getattr(signal, name)))
        result = run(pack)
    assert result["interrupted"] is True
    assert set(result["folds"].values()) == {"interrupted"}
    assert signal.getsignal(getattr(signal, name)) is handler
    for launch, done in zip(pack.launches, (2, 1), strict=True):
        state = checkpoint.newest(Path(launch.folder), launch.spec.digest, before=2)
        assert state["epoch"] == done
        assert journal.read_fold(Path(launch.folder)).end is None
    result = run(pack)
    assert result["interrupted"] is False
    for launch, other in zip(pack.launches, calm.launches, strict=True):
        assert numbers(launch) == numbers(other)


def test_signal_saves_epochs_that_rarer_checkpoints_had_not(small, packed, monkeypatch):
    spec = small(epochs=5)
    calm = packed(spec, where="calm")
    run(calm)
    pack = packed(spec, checkpoint_every_s=3600.0)
    folder = Path(pack.launches[0].folder)
    with monkeypatch.context() as patch:
        batch = {"count": 0}
        check = interruption.Interruption.check

        def in_the_middle(self):
            batch["count"] += 1
            if batch["count"] == 15 * 3 + 7:  # the 7th batch of the 4th epoch
                os.kill(os.getpid(), signal.SIGUSR2)
            check(self)

        patch.setattr(interruption.Interruption, "check", in_the_middle)
        assert run(pack)["interrupted"]
    assert checkpoint.newest(folder, spec.digest, before=2)["epoch"] == 3
    run(pack)
    assert journal.read_fold(folder).start.resumed_epoch == 3
    assert numbers(pack.launches[0]) == numbers(calm.launches[0])


def test_no_handler_is_touched_outside_the_main_thread(small, packed):
    results = []
    thread = threading.Thread(target=lambda: results.append(run(packed(small(epochs=1)))))
    thread.start()
    thread.join(60)
    assert results[0]["folds"] == {"relu-0/fold-0-0": "finished"}


def test_newer_attempt_silences_the_older(small, packed, monkeypatch):
    pack = packed(small(epochs=5), small(fold=1, epochs=5))
    folder = Path(pack.launches[0].folder)
    on_epoch(monkeypatch, 2, lambda: (folder / "attempt-2").mkdir())
    result = run(pack)
    assert result["folds"] == {"relu-0/fold-0-0": "superseded", "relu-0/fold-0-1": "finished"}
    records = journal.follow(folder / "attempt-1" / journal.FILE).records
    assert [record.epoch for record in records if isinstance(record, journal.Epoch)] == [1, 2]
    assert not any(isinstance(record, journal.End) for record in records)


def test_two_zombies_spoil_nothing(small, packed, monkeypatch):
    """Within an attempt a second is started, within that a third; the first two go on afterwards and end themselves."""
    spec = small(epochs=6)
    calm = packed(spec, where="calm")
    run(calm)
    pack = packed(spec)
    folder = Path(pack.launches[0].folder)
    monkeypatch.setattr(attempt, "_alive", lambda start: False)
    write, results = journal.Writer.write, []

    def and_start_another(self, record):
        write(self, record)
        numbered = Path(self._file.name).parts[-2]
        if isinstance(record, journal.Epoch) and (numbered, record.epoch) in {("attempt-1", 2), ("attempt-2", 4)}:
            results.append(run(pack)["folds"])

    monkeypatch.setattr(journal.Writer, "write", and_start_another)
    results.append(run(pack)["folds"])
    assert [list(result.values()) for result in results] == [["finished"], ["superseded"], ["superseded"]]
    assert journal.attempts(folder) == [1, 2, 3]
    assert numbers(pack.launches[0]) == numbers(calm.launches[0])
    assert not list(folder.glob("attempt-*/checkpoint*"))


def test_fold_at_work_in_a_living_process_is_left_to_it(small, packed):
    pack = packed(small())
    folder = Path(pack.launches[0].folder)
    one = pack.launches[0].spec
    attempt.enter(folder, one)
    claimed = attempt.claim(folder)
    parent = os.getppid()
    start = testing.invented_start(
        digest=one.digest, time=attempt.process_start(parent) + 100.0, host=os.uname().nodename, pid=parent
    )
    writer = journal.Writer(claimed.folder)
    writer.write(start)
    writer.close()
    assert run(pack)["folds"] == {"relu-0/fold-0-0": attempt.RUNNING_ELSEWHERE}
    assert journal.attempts(folder) == [1]


@pytest.mark.parametrize("change", ["host", "earlier"])
def test_number_of_another_process_does_not_hold_a_fold(small, packed, change):
    test_fold_at_work_in_a_living_process_is_left_to_it(small, packed)
    pack = packed(small(epochs=1), where="other")
    folder = Path(pack.launches[0].folder)
    attempt.enter(folder, pack.launches[0].spec)
    claimed = attempt.claim(folder)
    source = Path(packed(small()).launches[0].folder) / "attempt-1" / journal.FILE
    raw = json.loads(source.read_text())
    raw.update({"host": "elsewhere"} if change == "host" else {"time": attempt.process_start(raw["pid"]) - 100.0})
    del raw["crc"]
    (claimed.folder / journal.FILE).write_text(json.dumps(raw) + "\n")
    assert run(pack)["folds"] == {"relu-0/fold-0-0": "finished"}
    assert journal.attempts(folder) == [1, 2]


def test_process_start_is_known_and_a_dead_process_has_none():
    now = time.time()
    child = subprocess.Popen(["sleep", "60"])
    assert abs(attempt.process_start(child.pid) - now) < 3
    child.kill()
    deadline = time.time() + 5
    while attempt.process_start(child.pid) is not None and time.time() < deadline:
        time.sleep(0.01)
    assert attempt.process_start(child.pid) is None  # dead and not yet collected
    child.wait()
    assert attempt.process_start(child.pid) is None


def test_each_number_is_claimed_once(tmp_path):
    claims = [attempt.claim(tmp_path).number for _ in range(3)]
    assert claims == [1, 2, 3]


def test_folder_of_another_fold_is_refused_before_any_training(small, packed):
    pack = packed(small())
    run(pack)
    other = packed(small(lr=0.5))
    with pytest.raises(SpecError, match=r"holds fold .* give the study another folder") as caught:
        run(other)
    assert other.launches[0].spec.digest in str(caught.value)


class Watched:
    """The digits, as if they were read from a file below a root."""

    about = digits.about
    loads = 0

    def files(self, root, options):
        return [root / "digits.bin"]

    def load(self, root, options):
        type(self).loads += 1
        return digits.load(None, options)


def staged(root, scratch, code="c"):
    return staging.load(Watched(), DataSpec(name="w"), root, None if scratch is None else str(scratch), code=code)


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(Watched, "loads", 0)
    monkeypatch.setattr(fingerprint, "SETTLE_S", 1e9)  # files of a moment ago stay so, however slow the machine
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "digits.bin").write_bytes(b"1")
    return folder


def test_data_are_staged_once_and_read_back_the_same(root, tmp_path):
    scratch = tmp_path / "scratch"
    first, second = staged(root, scratch), staged(root, scratch)
    assert Watched.loads == 1
    plain = digits.load(None, {})
    for found in (first, second):
        assert np.array_equal(found.items, plain.items)
        assert np.array_equal(found.labels, plain.labels)
        assert (found.name, found.classes, found.mean, found.std, found.digest) == (
            plain.name, plain.classes, plain.mean, plain.std, plain.digest)  # fmt: skip
        assert found.fixed_heldout is None
    assert not list(scratch.rglob("*.lock"))
    assert not list(scratch.rglob("*.part"))


def test_changed_files_or_code_are_staged_anew(root, tmp_path):
    scratch = tmp_path / "scratch"
    staged(root, scratch)
    (root / "digits.bin").write_bytes(b"22")
    staged(root, scratch)
    staged(root, scratch, code="other")
    assert Watched.loads == 3


def test_concurrent_packs_stage_once(root, tmp_path):
    found = []
    threads = [threading.Thread(target=lambda: found.append(staged(root, tmp_path / "s"))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 6
    assert Watched.loads == 1


@pytest.mark.parametrize(
    ("pid", "made_at"),
    [(4194303, None), (os.getpid(), 1)],
    ids=["a process that is gone", "a number that another process has now"],
)
def test_lock_of_a_dead_process_is_broken(root, tmp_path, monkeypatch, pid, made_at):
    monkeypatch.setattr(staging, "WAIT_S", 0.01)
    scratch = tmp_path / "s"
    staged(root, scratch)
    [copy] = [path for path in scratch.glob("*/*") if path.is_dir()]
    copy.rename(tmp_path / "gone")
    lock = copy.with_suffix(".lock")
    lock.mkdir()
    (lock / "owner").write_text(f"{os.uname().nodename} {pid}")
    if made_at is not None:
        os.utime(lock / "owner", (made_at, made_at))
    staged(root, scratch)
    assert Watched.loads == 2


@pytest.mark.parametrize(
    "damage", [lambda copy: os.truncate(copy / "items.npy", 500), lambda copy: (copy / "facts.json").write_text("{")]
)
def test_a_damaged_copy_is_removed_and_the_data_read_where_they_are(root, tmp_path, caplog, damage):
    scratch = tmp_path / "s"
    staged(root, scratch)
    [copy] = [path for path in scratch.glob("*/*") if path.is_dir()]
    damage(copy)
    assert len(staged(root, scratch).labels) == 1797
    assert "is damaged" in caplog.text
    assert not copy.exists()


@pytest.mark.parametrize("scratch", ["$ACTSWEEP_NO_SUCH_VARIABLE/x", "/proc/none"])
def test_scratch_that_cannot_be_used_costs_a_warning(root, scratch, caplog):
    assert staged(root, scratch).name == "digits"
    assert "reading" in caplog.text


def test_packs_read_staged_data(small, packed, root, tmp_path, monkeypatch):
    monkeypatch.setitem(catalogue.DATASETS, "watched", "staged_lab:reader")
    lab = type(sys)("staged_lab")
    lab.reader = Watched()
    monkeypatch.setitem(sys.modules, "staged_lab", lab)
    monkeypatch.setenv("ACTSWEEP_TEST_SCRATCH", str(tmp_path / "node"))
    spec = small(data=DataSpec(name="watched"), epochs=1)
    plain = packed(small(epochs=1), where="plain")
    run(plain)
    for where in ("a", "b"):
        pack = packed(spec, where=where, data_root=str(root), scratch="$ACTSWEEP_TEST_SCRATCH/s")
        assert run(pack)["folds"] == {"relu-0/fold-0-0": "finished"}
        assert numbers(pack.launches[0]) == numbers(plain.launches[0])
    assert Watched.loads == 1


def test_session_gives_the_process_its_settings_back():
    before = (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled())
    with device.session(torch.device("cpu"), before[0] + 1):
        assert torch.get_num_threads() == before[0] + 1
        assert torch.are_deterministic_algorithms_enabled()
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before


def test_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device.choose("auto").type == "cpu"
    with pytest.raises(RuntimeError, match="device 'cuda' was asked for and torch finds none here"):
        device.choose("cuda")


def test_slurm_ids_are_written_where_there_are_any(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    found = device.environment(torch.device("cpu"))
    assert (found["SLURM_JOB_ID"], found["SLURM_RESTART_COUNT"]) == ("12", "1")
    assert "SLURM_ARRAY_JOB_ID" not in found
