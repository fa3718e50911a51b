"""A probe by pretended training: what is measured, where it is kept, and what is said of one that fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurm.profile import Profile, parse
from sweeps.driver import probing, session
from sweeps.errors import ProbeFailed, StudyError
from sweeps.folder import layout, probed
from sweeps.folder.journals import Journals
from sweeps.folder.state import State
from sweeps.study.reading import load
from sweeps.study.study import Study
from trainer.codec import from_text
from trainer.spec import FoldSpec

PRETEND = "trainer.testing:pretend"
TEXT = """
name: probed
data: {name: digits}
model: {name: tiny_cnn}
training: {epochs: 20}
folds: {folds: 3}
search: {samples: 4, epochs: 2}
activations:
  - relu
  - {activation: dsrelu, space: {k: {uniform: [1, 9]}}}
control: relu
budget: {gpu_hours: 1}
"""


@pytest.fixture(scope="module", autouse=True)
def _ray() -> None:
    import ray.tune.search.variant_generator  # noqa: F401  # which leaves traces in the process


def profile() -> Profile:
    return parse("name: here\nexecutor: local\nmax_jobs: 2\nmem_gb: 0.5\n", source="here.yaml")


@pytest.fixture(scope="module")
def study() -> Study:
    return load(TEXT)


@pytest.mark.slow
def test_each_activation_is_measured_in_its_phases_and_a_budget_begins_with_it(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACTSWEEP_PRETEND_EPOCH_S", "0.05")
    path = tmp_path / "study"
    there = probed.beside(path)
    measured = probing.run(study, there, profile(), call=PRETEND)
    assert {label: set(phases) for label, phases in measured.epochs.items()} == {
        "relu": {"confirm"},
        "dsrelu": {"search", "confirm"},
    }
    assert measured.epoch_s("relu", "confirm") == pytest.approx(0.05)
    assert measured.held_s > 2 * measured.starting_s * 0.99 > 0
    specs = [from_text(FoldSpec, file.read_text()) for file in there.glob("trials/*/*/spec.json")]
    assert sorted(spec.training.epochs for spec in specs) == [2, 3, 3]
    probing.keep(measured, there, path)
    assert probed.read(path) is None, "there is no study yet"
    session.make(study, path, ["test"])
    assert probed.read(path) == measured
    from sweeps.driver.estimates import Estimates

    estimates = Estimates(study, Journals(path / "trials"), probed.read(path))
    estimates.observe(State())
    assert estimates.epoch_s("dsrelu", "search") == measured.epoch_s("dsrelu", "search")
    assert estimates.starting_s() == measured.starting_s
    assert any("energy not told by this device" in line for line in probing.words(measured))
    probing.prepare(study, there)  # a probe may be made again


def test_a_folder_that_is_something_else_is_left_alone(study: Study, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "work.txt").write_text("mine")
    with pytest.raises(StudyError, match="holds no probe"):
        probing.prepare(study, tmp_path / "mine")
    assert (tmp_path / "mine" / "work.txt").exists()


@pytest.mark.slow
def test_an_activation_that_fails_is_named_with_why(study: Study, tmp_path: Path) -> None:
    with pytest.raises(ProbeFailed, match=r"fold-.*: the probe came to no epoch: .*module"):
        probing.run(study, tmp_path / "probe", profile(), call="nowhere_at_all:run")


def test_a_damaged_probe_is_told(tmp_path: Path) -> None:
    (tmp_path / probed.FILE).write_text("{}")
    with pytest.raises(StudyError, match=r"probe\.json.*missing.*probe the study again"):
        probed.read(tmp_path)
    assert probed.read(tmp_path / "elsewhere") is None
    assert layout.STUDY not in {file.name for file in tmp_path.iterdir()}
