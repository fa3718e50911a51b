"""Energy where the device tells it: the processor's counters, from a folder like the kernel's."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from trainer.energy import Counter


def counters(folder: Path, **joules: float) -> None:
    for name, value in joules.items():
        home = folder / name.replace("_", ":", 1).replace("rapl:", "intel-rapl:").replace("_", ":")
        home.mkdir(parents=True, exist_ok=True)
        (home / "energy_uj").write_text(f"{int(value * 1e6)}\n")
        (home / "max_energy_range_uj").write_text(f"{int(1000 * 1e6)}\n")


def test_the_processors_add_up_and_their_parts_do_not_count_twice(tmp_path: Path) -> None:
    counters(tmp_path, rapl_0=5.0, rapl_1=7.0, rapl_0_0=3.0)
    counter = Counter(torch.device("cpu"), tmp_path)
    counters(tmp_path, rapl_0=6.0, rapl_1=9.0, rapl_0_0=3.5)
    assert counter.since() == pytest.approx(3.0)
    assert counter.since() == 0.0


def test_a_counter_that_is_full_begins_again(tmp_path: Path) -> None:
    counters(tmp_path, rapl_0=999.0)
    counter = Counter(torch.device("cpu"), tmp_path)
    counters(tmp_path, rapl_0=1.0)
    assert counter.since() == pytest.approx(2.0)


def test_nothing_is_told_where_there_is_no_counter(tmp_path: Path) -> None:
    assert Counter(torch.device("cpu"), tmp_path).since() is None


def test_a_gpu_tells_joules_from_its_own_counter(monkeypatch: pytest.MonkeyPatch) -> None:
    class Library:
        millijoules = 5000

        def nvmlDeviceGetTotalEnergyConsumption(self, handle: str) -> int:
            assert handle == "GPU-1-2"
            self.millijoules += 1500
            return self.millijoules

    library = Library()
    properties = type("Properties", (), {"uuid": "1-2"})()
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda device: properties)
    monkeypatch.setattr("trainer.energy._handle", lambda uuid: (library, f"GPU-{uuid}"))
    counter = Counter(torch.device("cuda"))
    assert counter.since() == pytest.approx(1.5)
    monkeypatch.setattr("trainer.energy._handle", lambda uuid: (None, None))
    assert counter.since() is None
