"""A pack that shares its device: short memory is nobody's failure, seconds are charged by share, epochs are told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from trainer import checkpoint, code, company, entry, journal, kept, meter, pack, progress, testing
from trainer.codec import to_text
from trainer.datasets.digits import digits
from trainer.learner import Learner
from trainer.meter import LEAVING_S, Meter
from trainer.spec import DataSpec


def run(given):
    return json.loads(entry.run(to_text(given)))


def numbers(launch):
    history = journal.read_fold(Path(launch.folder))
    return [(record.epoch, record.metrics) for record in history.epochs], history.end.status, history.end.outcomes


@pytest.fixture
def shared(monkeypatch):
    monkeypatch.setenv("ACTSWEEP_SLOTS", "2")


def short_in(monkeypatch, epoch, error):
    """Memory is short in the middle of an epoch, once."""
    step, raised = Learner.step, []

    def and_raise(self, index, *given, **named):
        if self.schedule_epoch == epoch and not raised:
            raised.append(True)
            raise error
        return step(self, index, *given, **named)

    begin = Learner.begin

    def noted(self, number, steps):
        self.schedule_epoch = number
        begin(self, number, steps)

    monkeypatch.setattr(Learner, "begin", noted)
    monkeypatch.setattr(Learner, "step", and_raise)


SHORT = (
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    MemoryError(),
    RuntimeError("CUDA error: out of memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory"),
)


@pytest.mark.parametrize("error", SHORT[1:3])
def test_short_memory_beside_others_saves_and_leaves_all_folds(small, packed, monkeypatch, shared, error):
    specs = [small(epochs=4), small(fold=1, epochs=4)]
    calm = packed(*specs, where="calm")
    run(calm)
    given = packed(*specs, checkpoint_every_s=1e6)  # what is done is not on disk yet
    with monkeypatch.context() as patch:
        short_in(patch, 3, error)
        result = run(given)
    assert result["crowded"] is True
    assert result["interrupted"] is False
    assert set(result["folds"].values()) == {"crowded"}
    for launch in given.launches:
        assert journal.read_fold(Path(launch.folder)).end is None
        assert checkpoint.newest(Path(launch.folder), launch.spec.digest, before=2)["epoch"] == 2
    assert set(run(given)["folds"].values()) == {"finished"}  # in the same process: nobody is at them any more
    assert [numbers(each) for each in given.launches] == [numbers(each) for each in calm.launches]


def test_short_memory_alone_is_the_folds_own_failure(small, packed, monkeypatch):
    given = packed(small(), small(fold=1))
    short_in(monkeypatch, 2, torch.OutOfMemoryError("CUDA out of memory"))
    result = run(given)
    assert "crowded" not in result
    assert sorted(result["folds"].values()) == ["failed", "finished"]


def test_a_device_without_room_for_another_process_is_crowded(small, packed, monkeypatch, shared):
    def full(wish):
        raise torch.AcceleratorError("CUDA error: out of memory")

    monkeypatch.setattr(pack.device, "choose", full)
    assert run(packed(small()))["folds"] == {"relu-0/fold-0-0": "crowded"}


def test_folds_that_have_ended_are_not_crowded(small, packed, monkeypatch, shared):
    given = packed(small(epochs=1), small(fold=1, epochs=4))
    short_in(monkeypatch, 3, MemoryError())
    assert run(given)["folds"] == {"relu-0/fold-0-0": "finished", "relu-0/fold-0-1": "crowded"}


@pytest.mark.parametrize(
    ("slots", "others", "comes"), [("1", None, False), ("1", "1", True), ("2", None, True), ("x", None, False)]
)
def test_company_is_what_the_environment_says(monkeypatch, slots, others, comes):
    monkeypatch.setenv("ACTSWEEP_SLOTS", slots)
    if others is not None:
        monkeypatch.setenv("ACTSWEEP_MAY_SHARE", others)
    assert company.may_come() is comes
    assert [company.too_crowded(error) for error in SHORT] == [comes] * len(SHORT)
    assert not company.too_crowded(ValueError("out of memory"))


def test_a_shared_device_is_in_the_journal(small, packed, monkeypatch):
    alone, beside = packed(small(epochs=1), where="alone"), packed(small(epochs=1), where="beside")
    run(alone)
    monkeypatch.setenv("ACTSWEEP_SLOTS", "4")
    run(beside)
    said = [journal.read_fold(Path(each.launches[0].folder)).start.environment for each in (alone, beside)]
    assert "slots" not in said[0]
    assert said[1] == {**said[0], "slots": "4"}


def test_each_epoch_is_told_where_somebody_listens(small, packed, monkeypatch):
    reader, writer = os.pipe()
    monkeypatch.setenv(progress.VARIABLE, str(writer))
    given = packed(small(), small(fold=1))
    run(given)
    told = [float(line) for line in os.read(reader, 65536).split()]
    epochs = [epoch for each in given.launches for epoch in journal.read_fold(Path(each.folder)).epochs]
    assert len(told) == 6
    assert sum(told) == pytest.approx(sum(epoch.seconds for epoch in epochs), abs=1e-4)
    testing.pretend(to_text(packed(small(), where="pretended")))
    assert len(os.read(reader, 65536).split()) == 3
    os.close(writer)
    os.close(reader)


def test_a_listener_that_is_gone_keeps_nobody_from_training(small, packed, monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    monkeypatch.setenv(progress.VARIABLE, str(writer))
    assert run(packed(small(epochs=1)))["folds"] == {"relu-0/fold-0-0": "finished"}
    os.close(writer)
    monkeypatch.setenv(progress.VARIABLE, "none")
    progress.epoch(1.0)


def test_who_shares_a_device_is_charged_a_share(tmp_path, monkeypatch):
    monkeypatch.setenv("ACTSWEEP_SLOTS", "4")
    with Meter(str(tmp_path), None):
        time.sleep(0.4)
    found = meter.held(tmp_path)
    assert 0.1 <= found.seen_s < 0.3
    assert found.seconds == pytest.approx(found.seen_s + LEAVING_S / 4)
    record = json.loads((tmp_path / "run-0.json").read_text())
    assert record.pop("share") == 0.25
    (tmp_path / "run-0.json").write_text(json.dumps(record))  # as earlier versions wrote it
    assert meter.held(tmp_path).seconds == pytest.approx(4 * found.seconds)


def test_a_share_of_the_device_may_be_held_as_much_longer(tmp_path, monkeypatch):
    def fitting(folder):
        with Meter(str(folder), 30.0) as alone:
            return next(seconds for seconds in range(200) if not alone.fits(seconds))

    alone = fitting(tmp_path / "alone")
    monkeypatch.setenv("ACTSWEEP_SLOTS", "4")
    assert 24 <= alone <= 28
    assert fitting(tmp_path / "shared") == pytest.approx(4 * 30 - LEAVING_S - 3, abs=2)


class Counting:
    """digits, and how often they were loaded."""

    def __init__(self, about, files=None):
        self.loads, self.about = 0, about
        if files is not None:
            self.files = lambda root, options: files

    def load(self):
        self.loads += 1
        return object()


def key(**changes):
    plain = {"trained_data": "digits", "device": "cpu", "root": "/data", "scratch": None, "code": "c"}
    return kept.Key(**{**plain, **changes})


def test_a_data_set_is_kept_until_another_comes_or_its_files_change(tmp_path):
    file = tmp_path / "table.csv"
    file.write_text("1")
    os.utime(file, (1, 1))
    reader = Counting(digits.about, [file])
    held = kept.Kept()

    def get(spec="mine", **changes):
        return held.get(key(**changes), reader, DataSpec(name=spec), reader.load)

    assert get() is not get()  # a process that ends with its pack keeps nothing
    held.begin()
    first = get()
    assert get() is first
    for other in ({"device": "cuda:0"}, {"trained_data": "other"}, {"code": "d"}, {"scratch": "/tmp"}):
        assert get(**other) is not first
        assert get() is not first
        first = get()
    file.write_text("2")
    assert get() is not first


def test_what_nobody_can_tell_the_state_of_is_not_kept():
    held = kept.Kept()
    held.begin()
    own, package = Counting(digits.about), Counting(digits.about)
    for _ in range(2):
        held.get(key(), own, DataSpec(name="mylab.data:reader"), own.load)
        held.get(key(), package, DataSpec(name="digits"), package.load)
    assert own.loads == 2
    assert package.loads == 2  # the other one took its place
    held.get(key(), package, DataSpec(name="digits"), package.load)
    assert package.loads == 2


def test_sources_that_are_settled_count_whatever_is_installed_later(monkeypatch):
    before = code.digest()
    monkeypatch.setattr(code, "_settled", None)
    code.settle()
    assert code.digest() == before
    monkeypatch.setattr(code, "_sources", lambda: b"of another version")
    assert code.digest() == before
    assert code.digest({"mine": "1"}) != before


@pytest.mark.slow
def test_preloading_trains_nothing_and_keeps_threads_and_devices_alone():
    script = """
import os, sys, threading
from trainer import entry, pack
entry.preload()
import torch
print(threading.active_count(), torch.cuda.is_initialized(), pack.KEPT._on, "torch._dynamo" in sys.modules)
print(*sorted({name.partition(".")[0] for name in sys.modules} & {"ray", "mlflow", "pydantic", "submitit"}))
print(*[link for link in map(os.readlink, (f"/proc/self/fd/{n}" for n in range(3))) if "nvidia" in link])
"""
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120).stdout
    assert out.split("\n")[:3] == ["1 False True True", "", ""]
