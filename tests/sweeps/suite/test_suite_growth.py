"""A suite that grows: only what is new trains."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from sweeps.cli import suites
from sweeps.cli.main import main
from sweeps.driver import preflight, session
from sweeps.driver.preflight import Checked
from sweeps.errors import StudyError
from sweeps.study import planner
from sweeps.suite import driver, folder, growing
from sweeps.suite.reading import load
from sweeps.suite.suite import on_profile
from sweeps.testing import attempts, numbers

PRETEND = "trainer.testing:pretend"
SUITE = """
suite: grows
question: Is it better?
base:
  data: {name: digits}
  model: {name: tiny_cnn}
  training: {epochs: 2, patience: null}
  folds: {folds: 2}
  activations: [relu, lelu]
studies:
  a: {}
  b: {seed: 4}
"""
WIDER = SUITE.replace("[relu, lelu]", "[relu, lelu, mish]")
LONGER = SUITE + "  c: {seed: 5}\n"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTSWEEP_PRETEND_EPOCH_S", "0.01")


def profile(path: Path) -> str:
    file = path.parent / "pretend.yaml"
    file.write_text("name: pretend\nexecutor: local\nmax_jobs: 4\nmem_gb: 0.2\n")
    return str(file)


def grown(path: Path, text: str) -> list[str]:
    plan = growing.planned(path, load(text), "the file")
    tried = dict.fromkeys((*plan.grown, *plan.added), Checked([], "", planner.UNSEEN))
    return growing.extend(path, plan, "the file", ["test"], tried)


def driven(path: Path) -> None:
    with driver.driving(path, call=PRETEND) as suite:
        assert driver.drive(suite, lambda now: None, interval_s=0.02), [member.trouble for member in suite.members]


def made(path: Path, text: str = SUITE) -> Path:
    folder.make(on_profile(load(text), profile(path)), path, ["test"], {})
    return path


@pytest.mark.slow
def test_of_a_suite_that_grew_by_an_activation_and_a_study_only_those_train(tmp_path: Path) -> None:
    path = made(tmp_path / "suite")
    driven(path)
    before = {member: numbers(path / member) for member in "ab"}
    packs = set(path.glob("*/jobs/*/claim.json"))
    assert [words.partition(":")[0] for words in grown(path, WIDER)] == ["a", "b"]
    assert grown(path, WIDER + "  c: {seed: 5}\n") == ["c: a further study"]
    driven(path)
    for member in "ab":
        after = numbers(path / member)
        assert {fold: after[fold] for fold in before[member]} == before[member]
        assert {fold.partition("-c")[0] for fold in after.keys() - before[member].keys()} == {"mish"}
        assert set(attempts(path / member).values()) == {1}
    new = {job.parent.name for job in path.glob("*/jobs/*/claim.json") if job not in packs}
    assert len([job for job in new if job.startswith(("grows-a.", "grows-b."))]) == 2
    assert len(numbers(path / "c")) == 6
    straight = made(tmp_path / "straight", WIDER + "  c: {seed: 5}\n")
    driven(straight)
    for member in "abc":
        assert numbers(straight / member) == numbers(path / member)


def test_one_that_was_cut_off_is_extended_to_its_end_by_the_same_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made(tmp_path / "suite")
    whole, calls = growing.growing.extend, []

    def once(*given: object) -> object:
        if calls:
            raise KeyboardInterrupt
        calls.append(given)
        return whole(*given)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(growing.growing, "extend", once)
        with pytest.raises(KeyboardInterrupt):
            grown(path, WIDER + "  c: {seed: 5}\n")
    assert [session.opened(path / member).compared()[-1] for member in "ab"] == ["mish", "lelu"]
    assert folder.opened(path).members == ("a", "b")
    said = grown(path, WIDER + "  c: {seed: 5}\n")
    assert [words.partition(":")[0] for words in said] == ["b", "c"]
    assert folder.opened(path).members == ("a", "b", "c")
    assert {session.opened(path / member).compared()[-1] for member in "abc"} == {"mish"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SUITE, "is the suite of the file already; go on with `actsweep resume"),
        (SUITE.replace("  b: {seed: 4}\n", ""), "b is in it and not in the file; a member is not removed"),
        (SUITE.replace("suite: grows", "suite: other"), "holds suite grows, the file is of other"),
        (SUITE.replace("epochs: 2", "epochs: 3"), "training.epochs"),
        (SUITE.replace("seed: 4", "seed: 6"), "seed"),
    ],
)
def test_what_is_no_growth_is_refused_and_nothing_is_written(text: str, said: str, tmp_path: Path) -> None:
    path = made(tmp_path / "suite")
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    with pytest.raises(StudyError, match=said):
        growing.planned(path, load(text), "the file")
    assert {file: file.read_bytes() for file in path.rglob("*") if file.is_file()} == before


def test_a_changed_budget_is_shared_anew(tmp_path: Path) -> None:
    path = made(tmp_path / "suite", SUITE + "budget: {gpu_hours: 2}\n")
    grown(path, LONGER + "budget: {gpu_hours: 6}\n")
    hours = [session.opened(path / member).budget for member in "abc"]
    assert [each.gpu_hours for each in hours if each is not None] == [pytest.approx(2)] * 3


def test_the_command_takes_a_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made(tmp_path / "suite")
    (tmp_path / "longer.yaml").write_text(LONGER)
    monkeypatch.setattr(preflight, "check", lambda study: Checked([], "", planner.UNSEEN))
    monkeypatch.setattr(suites, "drive", lambda folder, **given: None)
    done = CliRunner().invoke(main, ["extend", str(path), str(tmp_path / "longer.yaml")])
    assert done.exit_code == 0, done.output
    assert "extended: c: a further study" in done.stdout
    assert folder.opened(path).members == ("a", "b", "c")
    done = CliRunner().invoke(main, ["run", str(tmp_path / "longer.yaml"), "--folder", str(made(tmp_path / "other"))])
    assert done.exit_code == 2
    assert "c is not in it. Runs of different settings" in done.stderr
    assert f"`actsweep extend {tmp_path / 'other'} SUITE`" in done.stderr
    (tmp_path / "one.yaml").write_text("name: one\ndata: {name: digits}\nactivations: [relu, lelu]\n")
    done = CliRunner().invoke(main, ["extend", str(path), str(tmp_path / "one.yaml")])
    assert done.exit_code == 2
    assert "a suite's folder, where a study's is asked for" in done.stderr
    done = CliRunner().invoke(main, ["extend", str(path / "a"), str(tmp_path / "longer.yaml")])
    assert done.exit_code == 2
    assert "not a suite's folder" in done.stderr
