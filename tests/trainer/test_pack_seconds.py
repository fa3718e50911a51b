"""A pack whose seconds are used up: its folds stay without an end, on disk, and another job ends them as if nothing had
been."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainer import entry, journal, meter
from trainer.codec import to_text


def numbers(launch):
    history = journal.read_fold(Path(launch.folder))
    return [(record.epoch, record.metrics) for record in history.epochs], history.end.status, history.end.outcomes


def test_it_leaves_and_another_job_goes_on(small, packed, tmp_path, monkeypatch):
    whole = packed(small(epochs=4), small(fold=1, epochs=4), where="whole")
    entry.run(to_text(whole))
    left = [5]

    def fits(self, seconds):
        left[0] -= 1
        if left[0] < 0:
            self._leave()
        return not self.cut

    cut = packed(small(epochs=4), small(fold=1, epochs=4), meter=str(tmp_path / "meter"), seconds=3600.0)
    with monkeypatch.context() as patched:
        patched.setattr(meter.Meter, "fits", fits)
        result = json.loads(entry.run(to_text(cut)))
    assert set(result["folds"].values()) == {"out of seconds"}
    assert result["interrupted"] is False, "or Slurm would be asked to start the job again"
    histories = [journal.read_fold(Path(launch.folder)) for launch in cut.launches]
    assert sum(len(history.epochs) for history in histories) == 3
    assert all(history.end is None for history in histories)
    found = meter.held(tmp_path / "meter")
    assert (found.cut, found.ended) == (True, True)
    entry.run(to_text(cut))
    assert [numbers(launch) for launch in cut.launches] == [numbers(launch) for launch in whole.launches]


def test_an_epoch_as_long_as_the_last_one_must_fit(small, packed, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(meter.Meter, "fits", lambda self, seconds: asked.append(seconds) or True)
    pack = packed(small(epochs=3), seconds=3600.0)
    entry.run(to_text(pack))
    history = journal.read_fold(Path(pack.launches[0].folder))
    took = [epoch.train_s + epoch.evaluate_s + epoch.rest_s for epoch in history.epochs]
    assert asked[:2] == [0.0, 0.0]
    assert asked[2:] == pytest.approx(took[:2])


@pytest.mark.slow
def test_in_the_middle_of_an_epoch_it_leaves_too(small, packed, tmp_path, monkeypatch):
    monkeypatch.setattr(meter, "CLOSING_S", 28.4)  # asked to leave after 0.6 s, and ended, with these tests, after 29
    monkeypatch.setattr(meter, "CLOSING_SHARE", 1.0)
    pack = packed(small(epochs=2, batch=1, evaluate_batch=1), meter=str(tmp_path / "meter"), seconds=30.0)
    result = json.loads(entry.run(to_text(pack)))
    found = meter.held(tmp_path / "meter")
    assert set(result["folds"].values()) == {"out of seconds"}
    assert found.cut
    assert found.seconds < 30.0
