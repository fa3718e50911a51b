"""Races over a cluster that runs packs in this process, in any order, with settings whose truth is known."""

from __future__ import annotations

import functools
import hashlib
import json
import math
import os
import random
import signal
import time
import types
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from analysis.report import build
from analysis.runs import load as loading
from analysis.runs import plan as planning
from analysis.runs import schema
from slurm.jobs import Costs, JobReport, JobState
from sweeps.driver import in_race, session
from sweeps.driver.budget import Budget
from sweeps.driver.driver import Driver
from sweeps.driver.packs import Node
from sweeps.errors import StudyError
from sweeps.folder import decided, ledger
from sweeps.folder.ledger import Ledger
from sweeps.folder.records import (
    Completed,
    FoldsAdded,
    LedgerRecord,
    Looked,
    Raced,
    Reported,
    TrialStatus,
)
from sweeps.folder.state import State, replay
from sweeps.study import planner
from sweeps.study.reading import load
from sweeps.study.study import digest
from sweeps.testing import decisions, numbers
from sweeps.tracking.tracker import Tracker
from sweeps.view import preview, progress, status
from sweeps.view.after_run import after_run
from trainer import testing
from trainer.attempt import claim, enter
from trainer.codec import from_text
from trainer.journal import Status, Writer, read_fold
from trainer.spec import FoldSpec, Pack
from trainer.testing import pretended

STUDY = """
name: raced
seed: 3
data: {name: digits}
model: {name: tiny_cnn}
training: {epochs: 2, patience: null}
folds: {folds: 5}
search: {algorithm: random, samples: 8, race: {}}
activations:
  - relu
  - {activation: dsrelu, space: {k: {uniform: [1, 9]}}}
control: relu
"""
FORTY = STUDY.replace("samples: 8", "samples: 20").replace(
    "  - relu", "  - relu\n  - {activation: apalu, space: {a: {uniform: [1, 9]}}}"
)
DECIDED = FORTY + "confirm: {repeats: {first: 2, most: 6}, until: decided}\n"


def drawn(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) / 2**32


def truth(spec: FoldSpec) -> float:
    """How bad a setting is on average: best where its parameter is 5."""
    values = [abs(float(value) - 5) for name, value in spec.activation.params.items() if name in ("k", "a")]
    return 0.25 * sum(values) if spec.phase == "search" else -0.25 * (spec.activation.name == "dsrelu")


def score(spec: FoldSpec, epoch: int) -> float:
    """Validation loss: the setting's truth, what is hard in its fold, noise."""
    noise = sum(drawn(f"{spec.digest} {number}") for number in range(12)) - 6
    return 1 + truth(spec) + drawn(f"{spec.repeat} {spec.fold}") + 0.1 * noise + 1 / epoch


class InProcess:
    """Runs packs in this process, some at each poll, in an order of ``seed``; what it was given outlives it."""

    def __init__(self, home: Path, seed: int = 0, call: Callable[[str], str] = pretended.pretend) -> None:
        self._call = call
        self.trouble = ""
        self.costs, self._file, self._chance = Costs(), home / "in-process.json", random.Random(seed)
        self._begun: dict[str, dict[str, str]] = json.loads(self._file.read_text()) if self._file.exists() else {}
        self._over: set[str] = set()

    def submit(
        self, call: str, texts: Sequence[str], *, name: str, folder: Path, avoid: Collection[str] = ()
    ) -> list[str]:
        self._begun[name] = {f"{name}.{at}": text for at, text in enumerate(texts)}
        aside = self._file.with_suffix(".aside")
        aside.write_text(json.dumps(self._begun))
        aside.replace(self._file)
        return list(self._begun[name])

    def recover(self, name: str, folder: Path) -> dict[int, str]:
        return dict(enumerate(self._begun.get(name, {})))

    def poll(self, jobs: Collection[str]) -> Mapping[str, JobReport]:
        texts = {job: text for pack in self._begun.values() for job, text in pack.items()}
        open_ = sorted(set(jobs) - self._over)
        states = {job: JobState.FINISHED if job in self._over else JobState.RUNNING for job in jobs}
        for job in self._chance.sample(open_, min(len(open_), 6)):
            self._call(texts[job])  # a fold that is over is left as it is
            self._over.add(job)
        return {job: JobReport(job=job, state=state) for job, state in states.items()}

    def cancel(self, jobs: Collection[str]) -> None:
        self._over.update(jobs)

    def room(self, active: int) -> int:
        return 1000 - active

    def release(self) -> None:
        pass


@pytest.fixture(autouse=True)
def _known_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretended, "value", score)
    monkeypatch.setenv("ACTSWEEP_PRETEND_EPOCH_S", "0")


def driver_on(path: Path, seed: int = 0) -> Driver:
    study = session.opened(path)
    node = Node(data_root=None, scratch=None, code="")
    return Driver(path, study, InProcess(path, seed), None, node, call="trainer.testing:pretend")


def made(path: Path, text: str = STUDY) -> Path:
    session.make(load(text), path, ["test"])
    return path


def finish(driver: Driver, ticks: int = 5000) -> Driver:
    try:
        while not driver.done:
            driver.tick()
            ticks -= 1
            assert ticks, "the study did not finish"
    finally:
        driver.close()
    return driver


def records(path: Path) -> list[LedgerRecord]:
    return list(ledger.read(path / ledger.FILE))


def repeated(path: Path) -> list[object]:
    """Looks at the comparisons of the confirm phase."""
    return [record for record in records(path) if isinstance(record, Looked)]


def looks(path: Path) -> list[Raced]:
    return [record for record in records(path) if isinstance(record, Raced)]


def outcome(path: Path) -> object:
    """All that was decided and trained."""
    rounds = sorted(
        (record.trial, record.round, record.folds) for record in records(path) if isinstance(record, FoldsAdded)
    )
    raced = sorted((look.label, look.round, look.compared, look.further, dict(look.dropped)) for look in looks(path))
    return decisions(path), raced, [*rounds, *repeated(path)], numbers(path)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("undisturbed") / "study"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretended, "value", score)
        finish(driver_on(made(path)))
    return path


def state_of(path: Path) -> State:
    return replay(records(path))


def depth(state: State, trial: str) -> float:
    return abs(float(state.trials[trial].params["k"]) - 5)  # type: ignore[arg-type]


def test_settings_that_are_shown_to_be_worse_get_no_further_folds(undisturbed: Path) -> None:
    state = state_of(undisturbed)
    assert [look.round for look in looks(undisturbed)] == list(range(len(looks(undisturbed))))
    assert len(looks(undisturbed)[0].compared) == 8
    assert state.dropped
    planned = planning.from_json((undisturbed / "plan.json").read_text()).search_race
    assert planned is not None
    assert planned.folds == (2, 3, 4, 5)
    for look in looks(undisturbed):
        left = [trial for trial in look.compared if trial not in look.dropped]
        assert left
        for trial in look.dropped:
            assert len(state.trials[trial].folds) == planned.folds[look.round]
            assert depth(state, trial) > min(depth(state, other) for other in left)


def test_the_winner_is_chosen_among_those_with_all_folds(undisturbed: Path) -> None:
    state = state_of(undisturbed)
    won = state.selected["dsrelu"]
    searched = in_race.searched(state, "dsrelu")
    left = in_race.running(state.races["dsrelu"])
    assert won.trial in left
    assert won.among == len(searched) == 8
    if len(left) > 1:
        assert {len(state.trials[trial].folds) for trial in left} == {5}
    values = {trial: state.completed[trial].metrics["validation/loss"] for trial in left}
    assert won.trial == min(values, key=values.__getitem__)
    assert won.value == values[won.trial]


def test_a_dropped_trial_says_why_in_its_folder(undisturbed: Path) -> None:
    state = state_of(undisturbed)
    for trial in state.dropped:
        said = decided.read(undisturbed / "trials" / trial)
        assert said is not None
        assert said.status is TrialStatus.FINISHED
        assert said.dropped == state.dropped[trial]
        assert "Gupta's subset rule" in said.dropped
        assert f"after {len(state.trials[trial].folds)} of 5 folds its validation/loss is worse" in said.dropped
    others = [trial for trial in state.trials if trial not in state.dropped]
    told = [decided.read(undisturbed / "trials" / trial) for trial in others]
    assert [one.dropped for one in told if one] == [""] * len(others)


def test_no_look_sees_what_was_held_out(tmp_path: Path, undisturbed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Held-out scores turned round: all that is decided stays."""
    plain = pretended._scores

    def turned(spec: FoldSpec, part: str, loss: float) -> dict[str, float]:
        return plain(spec, part, 30 - loss if part == "heldout" else loss)

    monkeypatch.setattr(pretended, "_scores", turned)
    path = made(tmp_path / "study")
    finish(driver_on(path))
    assert outcome(path)[:3] == outcome(undisturbed)[:3]  # type: ignore[index]
    assert outcome(path) != outcome(undisturbed)


def test_no_order_of_results_decides_anything(undisturbed: Path, tmp_path: Path) -> None:
    for seed in (1, 2, 3):
        path = made(tmp_path / str(seed))
        finish(driver_on(path, seed))
        assert outcome(path) == outcome(undisturbed)


def test_searchers_hear_of_the_first_round_alone(tmp_path: Path) -> None:
    asha = "algorithm: tpe, scheduler: {name: asha, grace_epochs: 1, reduction_factor: 2}"
    text = STUDY.replace("algorithm: random", asha).replace("epochs: 2", "epochs: 4")
    path = made(tmp_path / "study", text)
    finish(driver_on(path))
    state = state_of(path)
    first_ends: dict[str, int] = {}
    for record in records(path):
        if isinstance(record, Completed):
            first_ends[record.trial] = first_ends.get(record.trial, 0) + 1
        if isinstance(record, Reported):
            assert first_ends.get(record.trial, 0) == 0
    assert max(first_ends.values()) > 1
    stopped = list(state.stopping)
    assert stopped
    for look in state.races["dsrelu"]:
        assert not set(stopped) & set(look.compared)
    finish(driver_on(path))  # a replay of its searcher suggests the same


class Stopped(BaseException):
    pass


ALIKE = ("trial_added", "reported", "completed", "job_over")
"""Records of which a study of forty trials has hundreds."""


def behind_records(end: Callable[[], object], *, alike: int = 1) -> Callable[..., None]:
    """A ``Ledger.write`` that ends the driver behind every record, of those in ``ALIKE`` behind one of so many; but not
    behind the second try of a submission, or nothing would ever be submitted."""
    plain = Ledger.write

    def write(self: Ledger, *written: LedgerRecord) -> None:
        plain(self, *written)
        if not written:
            return
        lines = self.path.read_bytes().splitlines()
        *_, before, last = [{}, *map(json.loads, lines[-2:])]
        again = last["kind"] == "submitting" and before.get("kind") == "submitted" and not any(before["jobs"])
        if not again and (last["kind"] not in ALIKE or len(lines) % alike == 0):
            end()

    return write


def test_a_driver_stopped_behind_every_record_decides_and_trains_the_same(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made(tmp_path / "study")
    stops = 0

    def stop() -> None:
        raise Stopped

    monkeypatch.setattr(Ledger, "write", behind_records(stop))
    while True:
        try:
            driver = driver_on(path, stops)
        except Stopped:
            stops += 1
            continue
        try:
            finish(driver)
            break
        except Stopped:
            stops += 1
    assert stops > 0.6 * len(records(path))  # some records are written together
    assert outcome(path) == outcome(undisturbed)


@pytest.mark.slow
@pytest.mark.usefixtures("undisturbed")  # which loads Ray before the test begins
def test_forty_trials_killed_behind_their_records_end_as_the_undisturbed_study(tmp_path: Path) -> None:
    """Racing, then repeats until decided; SIGKILL of processes of their own, behind every decision of race and looks
    and behind one in six of the records that tell of a fold or trial. At random moments beside."""
    alone = made(tmp_path / "alone", DECIDED)
    finish(driver_on(alone))
    assert len(state_of(alone).of_phase("search")) == 40
    assert state_of(alone).dropped
    assert state_of(alone).looks
    path = made(tmp_path / "killed", DECIDED)
    assert killed_until_done(path, alike=6) > 40
    assert outcome(path) == outcome(alone)


@pytest.mark.slow
@pytest.mark.usefixtures("undisturbed")  # which loads Ray before the test begins
@pytest.mark.parametrize(("gpu_hours", "pays"), [(1.0, True), (0.45, False)])
def test_a_study_with_a_budget_decides_alike_however_often_the_driver_is_killed(
    gpu_hours: float, pays: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Epochs that say that they took ten seconds. Where the budget pays for all, kills change nothing; where it does
    not, what it pays for goes by what was spent, which it never passes, and is the same for every activation."""
    monkeypatch.setattr(pretended, "time", types.SimpleNamespace(time=time.time, sleep=lambda seconds: None))
    monkeypatch.setenv("ACTSWEEP_PRETEND_EPOCH_S", "10")
    text = DECIDED + f"budget: {{gpu_hours: {gpu_hours}}}\n"
    path = made(tmp_path / "killed", text)
    assert killed_until_done(path, alike=12) > 25
    state = state_of(path)
    assert state.spending.spent_s < 3600 * gpu_hours
    if pays:
        alone = made(tmp_path / "alone", text)
        finish(driver_on(alone))
        assert state.budget_reached is None
        assert outcome(path) == outcome(alone)
    else:
        assert state.budget_reached is not None
        settings = [sum(trial.label == label for trial in state.of_phase("search")) for label in ("dsrelu", "apalu")]
        assert 1 < settings[0] == settings[1] < 20


def killed_until_done(path: Path, *, alike: int) -> int:
    """How many processes were killed until one of them finished the study."""
    kills, chance = 0, random.Random(5)
    while True:
        at_random_s = 0.5 * chance.random() if chance.random() < 0.1 else 0.0
        if (child := os.fork()) == 0:
            _driven_until_killed(path, kills, at_random_s, alike)
        _, how = os.waitpid(child, 0)
        if not os.WIFSIGNALED(how):
            assert os.WEXITSTATUS(how) == 0, "the driver failed"
            return kills
        kills += 1


def _driven_until_killed(path: Path, seed: int, at_random_s: float, alike: int) -> None:
    """In a child: never returns."""
    try:
        die = functools.partial(os.kill, os.getpid(), signal.SIGKILL)
        if at_random_s:
            signal.signal(signal.SIGALRM, lambda number, frame: die())
            signal.setitimer(signal.ITIMER_REAL, at_random_s)
        else:
            Ledger.write = behind_records(die, alike=alike)  # type: ignore[method-assign]
        finish(driver_on(path, seed))
        os._exit(0)
    except BaseException:
        os._exit(1)


# -- settings that end otherwise ---------------------------------------------------------------------------------------


def ending(how: Mapping[tuple[int, int], str]) -> Callable[[str], str]:
    """Packs in which the fold (index of the setting, fold) of a search ends as ``how`` says."""

    def call(text: str) -> str:
        pack = from_text(Pack, text)
        for launch in pack.launches:
            spec = launch.spec
            status = how.get((int(spec.trial[-3:]), spec.fold)) if spec.phase == "search" else None
            if status is not None and read_fold(Path(launch.folder)) is None:
                enter(Path(launch.folder), spec)
                claimed = claim(Path(launch.folder))
                assert not isinstance(claimed, str)
                writer = Writer(claimed.folder)
                writer.write(testing.invented_start(digest=spec.digest, attempt=claimed.number, time=1.0))
                rule = spec.training.checkpoint_rule
                writer.write(testing.invented_end(status=Status(status), reason="RuntimeError: mine", rule=rule))
                writer.close()
        return pretended.pretend(text)

    return call


def driver_with(path: Path, how: Mapping[tuple[int, int], str]) -> Driver:
    driver = driver_on(path)
    driver.close()
    node = Node(data_root=None, scratch=None, code="")
    return Driver(path, session.opened(path), InProcess(path, 0, ending(how)), None, node)


def best_first(path: Path) -> list[int]:
    """Indices of the settings by their mean over the first two folds, the best first."""
    state = state_of(path)
    of = {trial.index: trial.trial for trial in in_race.searched(state, "dsrelu")}
    values = {}
    for index, trial in of.items():
        ends = [read_fold(path / "trials" / fold) for fold in state.trials[trial].folds[:2]]
        values[index] = sum(
            end.end.outcomes[end.end.rule].metrics["validation/loss"] for end in ends if end and end.end
        )
    return sorted(values, key=values.__getitem__)


@pytest.mark.parametrize("how", ["diverged", "failed"])
def test_what_has_no_result_in_the_first_round_is_out_of_the_race(how: str, undisturbed: Path, tmp_path: Path) -> None:
    best = best_first(undisturbed)[0]
    path = made(tmp_path / "study")
    finish(driver_with(path, {(best, 1): how}))
    state = state_of(path)
    assert f"dsrelu-s{best:03d}" not in state.races["dsrelu"][0].compared
    assert len(state.races["dsrelu"][0].compared) == 7
    assert len(state.trials[f"dsrelu-s{best:03d}"].folds) == 2
    assert state.selected["dsrelu"].trial != f"dsrelu-s{best:03d}"


def test_a_setting_that_is_lost_in_a_later_round_leaves_the_race_there(undisturbed: Path, tmp_path: Path) -> None:
    best = best_first(undisturbed)[0]
    path = made(tmp_path / "study")
    finish(driver_with(path, {(best, 2): "diverged"}))
    state = state_of(path)
    lost = f"dsrelu-s{best:03d}"
    assert lost in state.races["dsrelu"][0].compared
    assert all(lost not in look.compared for look in state.races["dsrelu"][1:])
    assert state.selected["dsrelu"].trial != lost
    assert math.isfinite(state.selected["dsrelu"].value)


def test_where_all_that_are_left_diverge_the_best_of_the_others_wins(undisturbed: Path, tmp_path: Path) -> None:
    path = made(tmp_path / "study")
    finish(driver_with(path, {(index, 2): "diverged" for index in range(8)}))
    state = state_of(path)
    won = state.selected["dsrelu"]
    assert won.trial in state.dropped
    assert math.isfinite(won.value)


def test_where_every_setting_diverges_the_first_stands_for_all(tmp_path: Path) -> None:
    path = made(tmp_path / "study")
    finish(driver_with(path, {(index, 0): "diverged" for index in range(8)}))
    state = state_of(path)
    assert not state.races
    assert state.selected["dsrelu"].trial == "dsrelu-s000"
    assert math.isnan(state.selected["dsrelu"].value)


def test_a_failed_round_is_tried_again_while_nothing_was_decided_without_it(undisturbed: Path, tmp_path: Path) -> None:
    """All that are left fail in a later round: no winner, and another try ends as if nothing had failed."""
    path = made(tmp_path / "study")
    finish(driver_with(path, {(index, 2): "failed" for index in range(8)}))
    assert "dsrelu" not in state_of(path).selected
    driver = driver_on(path)
    again = driver.retry_failed()
    assert again == [f"{trial}/fold-0-2" for trial in in_race.running(looks(undisturbed)[:1])]
    finish(driver)
    assert outcome(path) == outcome(undisturbed)


def test_a_race_that_went_on_takes_nobody_back(undisturbed: Path, tmp_path: Path) -> None:
    """The driver is stopped in mid-race; a setting that failed in the first round is not tried again."""
    worst = best_first(undisturbed)[-1]
    path = made(tmp_path / "study")
    driver = driver_with(path, {(worst, 0): "failed"})
    while not driver.state.races:
        driver.tick()
    assert driver.retry_failed() == []
    finish(driver)
    state = state_of(path)
    assert state.completed[f"dsrelu-s{worst:03d}"].status is TrialStatus.FAILED
    assert in_race.out(state, state.trials[f"dsrelu-s{worst:03d}"])


def test_what_failed_before_the_first_look_is_tried_again_and_races(undisturbed: Path, tmp_path: Path) -> None:
    path = made(tmp_path / "study")
    driver = driver_with(path, {(0, 0): "failed"})
    while "dsrelu-s000" not in driver.state.completed:
        driver.tick()
    assert not driver.state.races
    driver.close()
    driver = driver_on(path)
    assert driver.retry_failed() == ["dsrelu-s000/fold-0-0"]
    finish(driver)
    assert outcome(path) == outcome(undisturbed)


def test_a_race_ends_where_the_budget_affords_no_further_round(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def affords(self: object, folds: Sequence[FoldSpec]) -> bool:
        asked.append(len(folds))
        return not folds or folds[0].phase != "search" or folds[0].fold < 3

    monkeypatch.setattr(Budget, "affords", affords)
    path = made(tmp_path / "study")
    finish(driver_on(path))
    state = state_of(path)
    left = in_race.running(state.races["dsrelu"])
    assert len(left) > 1
    assert {len(state.trials[trial].folds) for trial in left} == {3}
    assert state.races["dsrelu"][-1].further == ()
    assert state.selected["dsrelu"].trial in left
    assert len(left) in asked  # for a whole round at once, or none of it
    assert {trial for look in looks(path) for trial in look.dropped} <= set(state_of(undisturbed).dropped)


# -- what people see ---------------------------------------------------------------------------------------------------


def test_the_progress_counts_what_was_dropped_and_waits_for_none_of_it(undisturbed: Path) -> None:
    state = state_of(undisturbed)
    now = status.read(undisturbed).now
    (row,) = [row for row in now.rows if row.phase == "search"]
    assert row.dropped == len(state.dropped) > 0
    trained = sum(len(trial.folds) for trial in state.trials.values())
    assert (now.folds_done, now.folds - now.folds_never, now.folds) == (trained, trained, 8 * 5 + 2 * 5)
    assert now.epochs_most == now.epochs_done == 2 * trained
    assert now.epochs_planned == 2 * now.folds
    words = status.read(undisturbed).words()
    assert f"{len(state.dropped)} dropped" in words
    assert f"{2 * (now.folds - trained)} of 100 planned epochs not needed" in words


def test_while_it_races_the_progress_expects_no_fold_of_what_is_out(tmp_path: Path) -> None:
    path = made(tmp_path / "study")
    driver = driver_on(path)
    before = progress.view(driver)
    assert (before.folds - before.folds_never, before.epochs_most) == (50, 100)
    while not driver.state.dropped:
        driver.tick()
    now = progress.view(driver)
    driver.close()
    gone = sum(5 - len(driver.state.trials[trial].folds) for trial in driver.state.dropped)
    assert now.folds_never == gone
    assert now.epochs_most == 100 - 2 * gone


def test_after_a_run_it_is_said_what_the_race_saved(undisturbed: Path) -> None:
    driver = driver_on(undisturbed)
    said = [line.text for line in after_run(driver, finished=True).lines]
    driver.close()
    state = driver.state
    trained = sum(len(trial.folds) for trial in state.of_phase("search"))
    assert f"race: {len(state.dropped)} of 8 settings dropped; {40 - trained} of 40 planned folds not trained" in said


def test_a_study_says_how_its_settings_race_and_what_that_may_cost() -> None:
    words = preview.design(load(FORTY))
    assert "compared after 2, 3, 4 of 5 folds" in words
    assert "with probability 0.05 at most" in words
    assert "at least 80 folds, at most 200" in words
    assert "they race" not in preview.design(load(STUDY.replace(", race: {}", "")))


@pytest.mark.slow
def test_mlflow_and_the_report_say_what_was_dropped_also_after_a_crash_behind_the_record(undisturbed: Path) -> None:
    state = state_of(undisturbed)
    tracker = Tracker(None, undisturbed)
    tracker.sync()
    uri = tracker.store.uri
    tags = trial_tags(uri)
    assert {trial: told[schema.DROPPED] for trial, told in tags.items() if schema.DROPPED in told} == state.dropped
    # A run that ended before its trial was dropped, by a driver that died behind the record.
    api = MlflowClient(uri)
    some = next(iter(state.dropped))
    (run,) = [run for run in all_runs(api) if run.data.tags.get(schema.KEY) == f"raced/{some}"]
    api.delete_tag(run.info.run_id, schema.DROPPED)
    later = Tracker(None, undisturbed)
    later.flush()
    later.close()
    assert trial_tags(uri)[some][schema.DROPPED] == state.dropped[some]
    found = loading.load(undisturbed)
    assert set(found.cube.loc[found.cube["dropped"] != "", "trial"]) == set(state.dropped)
    text = (build.write(found, undisturbed / "report").parent / "report.md").read_text()
    trained = sum(len(trial.folds) for trial in state.of_phase("search"))
    assert f"{len(state.dropped)} of 8 settings dropped; {40 - trained} of 40 planned folds of searches not" in text


def all_runs(api: MlflowClient) -> list[Run]:
    return list(api.search_runs([one.experiment_id for one in api.search_experiments()]))


def trial_tags(uri: str) -> dict[str, dict[str, str]]:
    runs = all_runs(MlflowClient(uri))
    return {r.data.tags[schema.TRIAL]: r.data.tags for r in runs if r.data.tags.get(schema.KIND) == "trial"}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ("race: {first: 5}", "search.race.first: got 5; accepts fewer than the 5 folds that a search trial may train"),
        ("folds: 2, race: {}", "got 2; accepts fewer than the 2 folds"),
        ("race: {first: 1}", "greater than or equal to 2"),
        ("race: {error: 0}", "greater than 0"),
        ("race: {frist: 2}", "first"),
        ("race: {}}\nconfirm: {repeats: 0", "accepts null with confirm: {repeats: 0}"),
    ],
)
def test_a_race_that_cannot_be_is_refused_by_name(changed: str, said: str) -> None:
    with pytest.raises(StudyError) as refused:
        load(STUDY.replace("race: {}", changed))
    assert said in str(refused.value)


def test_a_race_is_declared_in_the_plan_and_counts_in_the_identity(undisturbed: Path) -> None:
    raced, plain = load(STUDY), load(STUDY.replace(", race: {}", ""))
    assert digest(raced) != digest(plain)
    declared = planning.from_json((undisturbed / "plan.json").read_text())
    assert declared == planning.from_json(planning.to_json(declared))
    assert declared.search_race == planning.Race(
        rule="Gupta's subset rule on corrected folds", folds=(2, 3, 4, 5), error=0.05
    )
    assert "search_race" not in planning.to_json(planner.plan(plain, "now"))
