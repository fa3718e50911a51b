"""Repeats until decided: what the driver looks at and decides, wherever it is killed, and that the report agrees."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from analysis.runs import load
from analysis.statistics import claims, course
from slurm.jobs import Costs, JobReport, JobState
from sweeps.driver import growing, session
from sweeps.driver.driver import Driver
from sweeps.driver.packs import Node
from sweeps.folder import ledger
from sweeps.folder.ledger import Ledger
from sweeps.folder.records import Finished, FoldsAdded, LedgerRecord, Looked
from sweeps.study.reading import load as read
from sweeps.study.study import Study
from trainer.codec import from_text
from trainer.journal import Outcome, Status, Writer, attempt_folder, attempts
from trainer.spec import FoldSpec, Pack
from trainer.tasks.description import LAST
from trainer.testing import invented_end, invented_epoch, invented_start

STUDY = """
name: repeated
data: {name: digits}
model: {name: mlp}
training: {epochs: 1, patience: null, checkpoint_rule: last}
folds: {folds: 5}
confirm: {repeats: {first: 2, most: 6}, until: decided}
report: {rope: 0.004}
activations: [relu, tanh, gelu, elu]
control: relu
"""
FAR = {"tanh": 0.05, "gelu": -0.05, "elu": 0.004}
"""Of the three comparisons two are decided at once, and one never is."""


class AtOnce:
    """A cluster whose jobs are over when they are polled. ``scores`` are invented by ``effects`` of the labels; a fold
    in ``broken`` ends with that status, or, for None, its job is lost."""

    trouble = ""

    def __init__(self, effects: Mapping[str, float], broken: Mapping[str, Status | None] | None = None) -> None:
        self.costs, self.effects, self.broken = Costs(), effects, dict(broken or {})
        self.backwards = False
        self._waiting: list[str] = []
        self._count = 0

    def submit(
        self, call: str, texts: Sequence[str], *, name: str, folder: Path, avoid: Collection[str] = ()
    ) -> list[str]:
        jobs = [f"{name}-{number}" for number in range(len(texts))]
        for text in reversed(texts) if self.backwards else texts:
            self._run(text)
        return jobs

    def recover(self, name: str, folder: Path) -> dict[int, str]:
        return {}

    def poll(self, jobs: Collection[str]) -> Mapping[str, JobReport]:
        return {job: JobReport(job=job, state=JobState.OUT_OF_MEMORY, reason="made up") for job in jobs}

    def cancel(self, jobs: Collection[str]) -> None:
        """Nothing runs."""

    def release(self) -> None:
        pass

    def room(self, active: int) -> int:
        return 1000

    def _run(self, text: str) -> None:
        for launch in from_text(Pack, text).launches:
            spec, home = launch.spec, Path(launch.folder)
            status = self.broken.get(f"{spec.trial}/{spec.folder}", Status.FINISHED)
            if status is not None:
                self._write(spec, home, status)

    def _write(self, spec: FoldSpec, home: Path, status: Status) -> None:
        number = max(attempts(home), default=0) + 1
        attempt_folder(home, number).mkdir()
        writer = Writer(attempt_folder(home, number))
        split = hashlib.sha256(f"{spec.repeat} {spec.fold}".encode()).hexdigest()
        sizes = {"n_train": 640, "n_validation": 160, "n_heldout": 200}
        writer.write(
            invented_start(digest=spec.digest, attempt=number, split_hash=split, references={"accuracy": 0.1}, **sizes)
        )
        loss = float("nan") if status is Status.DIVERGED else 0.5
        writer.write(invented_epoch(metrics={"train/loss": loss, "validation/loss": 0.5, "validation/accuracy": 0.8}))
        score = 0.8 + self.effects.get(spec.activation.name, 0.0) + 0.01 * drawn(spec)
        metrics = {"heldout/accuracy": score, "heldout/loss": 1 - score, "validation/loss": 0.5}
        outcomes = {LAST: Outcome(epoch=1, metrics=metrics)} if status is Status.FINISHED else {}
        writer.write(invented_end(status=status, reason="made up", rule=LAST, outcomes=outcomes))
        writer.close()


def drawn(spec: FoldSpec) -> float:
    text = f"{spec.activation.name} {spec.repeat} {spec.fold}"
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
    return float(np.random.default_rng(seed).normal())


def made(path: Path, text: str = STUDY) -> Study:
    study = read(text)
    session.make(study, path, ["test"])
    return study


def driver_on(path: Path, cluster: AtOnce) -> Driver:
    return Driver(path, session.opened(path), cluster, None, Node(data_root=None, scratch=None, code=""))


def driven(path: Path, cluster: AtOnce, text: str = STUDY) -> list[LedgerRecord]:
    made(path, text)
    return again(path, cluster)


def again(path: Path, cluster: AtOnce, *, retry: bool = False) -> list[LedgerRecord]:
    driver = driver_on(path, cluster)
    if retry:
        assert driver.retry_failed()
    for _ in range(60):
        driver.tick()
        if driver.done:
            break
    assert driver.done, "the study did not finish"
    driver.close()
    return list(ledger.read(path / ledger.FILE))


def looks(records: list[LedgerRecord]) -> list[Looked]:
    return [record for record in records if isinstance(record, Looked)]


def words(records: list[LedgerRecord]) -> dict[str, str]:
    return {name: word for look in looks(records) for name, word in look.decided.items()}


def rounds_of(records: list[LedgerRecord], trial: str) -> list[int]:
    return [record.round for record in records if isinstance(record, FoldsAdded) and record.trial == trial]


def reported(path: Path) -> tuple[load.Study, dict[str, str]]:
    """What the report says of the folder."""
    session.sync(path)
    study = load.load(path)
    found = claims.compare(study.cube, study.plan)
    return study, {course.named((one.activation, one.control)): str(one.word) for one in found}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[LedgerRecord]]:
    path = tmp_path_factory.mktemp("whole") / "study"
    return path, driven(path, AtOnce(FAR))


def test_what_is_decided_costs_no_further_folds(whole: tuple[Path, list[LedgerRecord]]) -> None:
    _, records = whole
    first = looks(records)[0]
    assert (first.look, first.repeats) == (0, 2)
    assert dict(first.decided) == {"tanh against relu": "better", "gelu against relu": "worse"}
    assert first.open == ("elu against relu",)
    assert dict(first.rounds) == {"relu-c000": 1, "elu-c000": 1}
    assert rounds_of(records, "relu-c000") == rounds_of(records, "elu-c000") == [1, 2, 3, 4]
    assert rounds_of(records, "tanh-c000") == rounds_of(records, "gelu-c000") == []
    assert [look.repeats for look in looks(records)] == [2, 3, 4, 5, 6]
    last = looks(records)[-1]
    assert (last.open, dict(last.rounds)) == (("elu against relu",), {})
    assert isinstance(records[-1], Finished)


def test_each_look_is_in_the_ledger_before_the_folds_that_follow_from_it(
    whole: tuple[Path, list[LedgerRecord]],
) -> None:
    promised: dict[str, int] = {}
    for record in whole[1]:
        if isinstance(record, Looked):
            promised = dict(record.rounds)
        if isinstance(record, FoldsAdded):
            assert promised[record.trial] == record.round


@pytest.mark.slow
def test_the_report_says_the_drivers_words(whole: tuple[Path, list[LedgerRecord]]) -> None:
    path, records = whole
    study, said = reported(path)
    assert words(records) == {name: word for name, word in said.items() if word in course.DECIDED}
    found = {one.activation: one for one in claims.compare(study.cube, study.plan)}
    assert {label: one.extras["repeats"] for label, one in found.items()} == {"tanh": 2, "gelu": 2, "elu": 6}
    assert {label: (one.n, one.extras["missing"]) for label, one in found.items()} == {
        "tanh": (10, 0),
        "gelu": (10, 0),
        "elu": (30, 0),
    }
    assert not (study.cube["status"] == "missing").any()


def test_the_order_of_results_changes_nothing(whole: tuple[Path, list[LedgerRecord]], tmp_path: Path) -> None:
    cluster = AtOnce(FAR)
    cluster.backwards = True
    assert looks(driven(tmp_path / "study", cluster)) == looks(whole[1])


def test_a_driver_killed_after_any_record_decides_the_same(
    whole: tuple[Path, list[LedgerRecord]], tmp_path: Path
) -> None:
    class Killed(Exception):
        pass

    _, undisturbed = whole
    path = tmp_path / "study"
    made(path)
    write, left = Ledger.write, 0

    def one_then_die(self: Ledger, *records: LedgerRecord) -> None:
        nonlocal left
        for record in records:
            if left == 0:
                raise Killed
            left -= 1
            write(self, record)

    cluster = AtOnce(FAR)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ledger, "write", one_then_die)
        for _ in range(200):
            left = 1
            try:
                driver = driver_on(path, cluster)
            except Killed:
                continue
            try:
                for _ in range(5):
                    driver.tick()
            except Killed:
                pass
            finally:
                driver.ledger.close()
            if driver.done:
                break
    records = list(ledger.read(path / ledger.FILE))
    assert looks(records) == looks(undisturbed)
    added = [record for record in undisturbed if isinstance(record, FoldsAdded)]
    assert [record for record in records if isinstance(record, FoldsAdded)] == added
    assert isinstance(records[-1], Finished)


def test_a_zone_of_equivalence_decides_too(tmp_path: Path) -> None:
    records = driven(tmp_path / "study", AtOnce({}), STUDY.replace("rope: 0.004", "rope: 0.05"))
    assert set(words(records).values()) == {"equivalent"}
    assert len(looks(records)) == 1


def test_a_label_without_a_result_holds_up_nobody_and_goes_on_when_it_was_retried(tmp_path: Path) -> None:
    path = tmp_path / "study"
    lost = {f"tanh-c000/fold-{repeat}-{fold}": Status.FAILED for repeat in (0, 1) for fold in range(5)}
    cluster = AtOnce(FAR, lost)
    records = driven(path, cluster)
    assert "tanh against relu" in looks(records)[-1].open
    assert words(records) == {"gelu against relu": "worse"}
    assert rounds_of(records, "tanh-c000") == []
    assert rounds_of(records, "elu-c000") == [1, 2, 3, 4]
    cluster.broken.clear()
    later = again(path, cluster, retry=True)
    assert words(later) == {"gelu against relu": "worse", "tanh against relu": "better"}
    assert rounds_of(later, "tanh-c000") == []


def test_a_label_that_was_retried_late_gets_the_repeats_that_the_others_had(tmp_path: Path) -> None:
    path = tmp_path / "study"
    lost = {f"elu-c000/fold-{repeat}-{fold}": Status.FAILED for repeat in (0, 1) for fold in range(5)}
    cluster = AtOnce({"tanh": 0.004, "gelu": 0.05, "elu": 0.004}, lost)
    before = driven(path, cluster)
    assert rounds_of(before, "relu-c000") == [1, 2, 3, 4]
    cluster.broken.clear()
    after = again(path, cluster, retry=True)
    assert rounds_of(after, "elu-c000") == [1, 2, 3, 4]
    assert rounds_of(after, "relu-c000") == [1, 2, 3, 4]
    assert looks(after)[: len(looks(before))] == looks(before)


def test_one_lost_fold_stops_no_comparison(tmp_path: Path) -> None:
    records = driven(tmp_path / "study", AtOnce(FAR, {"relu-c000/fold-0-0": None}))
    assert words(records) == {"tanh against relu": "better", "gelu against relu": "worse"}
    assert rounds_of(records, "elu-c000") == [1, 2, 3, 4]


def test_a_control_without_a_result_ends_the_study(tmp_path: Path) -> None:
    lost = {f"relu-c000/fold-{repeat}-{fold}": Status.FAILED for repeat in (0, 1) for fold in range(5)}
    records = driven(tmp_path / "study", AtOnce(FAR, lost))
    assert words(records) == {}
    assert [dict(look.rounds) for look in looks(records)] == [{}]


def test_folds_that_diverge_count_as_knowing_nothing(tmp_path: Path) -> None:
    lost = {f"tanh-c000/fold-{repeat}-{fold}": Status.DIVERGED for repeat in range(6) for fold in range(5)}
    records = driven(tmp_path / "study", AtOnce(FAR, lost))
    assert words(records)["tanh against relu"] == "worse"


def test_all_pairs_are_looked_at_where_the_family_is_all_pairs(tmp_path: Path) -> None:
    text = STUDY.replace("rope: 0.004", "rope: 0.004, family: all_pairs").replace("most: 6", "most: 3")
    records = driven(tmp_path / "study", AtOnce({"tanh": 0.05, "gelu": 0.0, "elu": 0.05}), text)
    assert words(records)["gelu against tanh" if "gelu against tanh" in words(records) else "tanh against gelu"]
    assert len(looks(records)[0].decided) + len(looks(records)[0].open) == 6


def test_a_budget_that_says_no_ends_the_study_with_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "study"
    made(path)
    asked: list[int] = []

    def affords(self: object, folds: Sequence[FoldSpec]) -> bool:
        asked.append(len(folds))
        return len(asked) < 3

    monkeypatch.setattr("sweeps.driver.budget.Budget.affords", affords)
    records = again(path, AtOnce(FAR))
    assert [dict(look.rounds) for look in looks(records)][-1] == {}
    assert looks(records)[-1].repeats == 4
    assert set(asked) == {10}


def test_a_label_that_was_added_later_is_looked_at_with_the_limits_of_the_larger_family(tmp_path: Path) -> None:
    path = tmp_path / "study"
    cluster = AtOnce({**FAR, "silu": 0.05})
    before = driven(path, cluster)
    grown = read(STUDY.replace("elu]", "elu, silu]"))
    growing.extend(path, growing.planned(path, grown, "study.yaml")[0], "study.yaml")
    after = again(path, cluster)[len(before) :]
    assert words(after) == {"tanh against relu": "better", "gelu against relu": "worse", "silu against relu": "better"}
    assert rounds_of(after, "silu-c000") == []
    assert rounds_of(after, "relu-c000") == []
    assert looks(after)[-1].open == ("elu against relu",)
    driver = driver_on(path, cluster)
    course_now = driver._confirmation._course({trial.label: trial for trial in driver.state.of_phase("confirm")})
    driver.close()
    assert len(course_now.standings) == 4
    assert {course.named(pair) for pair in course_now.open} == {"elu against relu"}
