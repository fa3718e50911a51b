"""Ledger records survive the way to disk and back; state is their replay; damage is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.errors import LedgerError
from sweeps.folder.ledger import FILE, Ledger, read
from sweeps.folder.records import (
    KINDS,
    Completed,
    GaveUp,
    JobOver,
    LedgerRecord,
    Migrated,
    Opened,
    Paused,
    Reported,
    Submitted,
    Submitting,
    TrialAdded,
    TrialStatus,
)
from sweeps.folder.state import replay

OPENED = Opened(sweep="abc", study="s", study_digest="d", time=1.0)
TRIAL = TrialAdded(
    trial="relu-s000", label="relu", activation="relu", phase="search", index=0,
    params={"k": 1.5}, training={}, folds=("relu-s000/fold-0-0", "relu-s000/fold-0-1"), config={"activation.k": 1.5},
)  # fmt: skip
BEGUN = Submitting(batch=0, name="s.abc.0", packs=(("relu-s000/fold-0-0",), ("relu-s000/fold-0-1",)))
TAKEN = Submitted(batch=0, jobs=("7_0", None))
OVER = JobOver(job="7_0", state="failed", reason="", node="n1", folds=(), epochs=2, counted=True, nodes_fault=False)


def written(path: Path, *records: LedgerRecord) -> Ledger:
    ledger = Ledger(path)
    ledger.write(*records)
    return ledger


def test_records_come_back_as_they_were(tmp_path: Path) -> None:
    records = (
        OPENED,
        TRIAL,
        BEGUN,
        TAKEN,
        Reported(trial="relu-s000", epoch=1, metrics={"validation/loss": 0.1}, stop=False),
    )
    written(tmp_path, *records).close()
    assert tuple(read(tmp_path / FILE)) == records


def test_every_kind_of_record_is_known() -> None:
    assert len(KINDS) == 23
    assert all(kind.__dataclass_fields__["kind"].default == name for name, kind in KINDS.items())


@given(st.integers(min_value=0, max_value=10_000))
def test_a_ledger_cut_anywhere_is_a_prefix_of_its_records(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    folder = tmp_path_factory.mktemp("ledger")
    records = (OPENED, TRIAL, BEGUN, TAKEN)
    written(folder, *records).close()
    whole = (folder / FILE).read_bytes()
    (folder / FILE).write_bytes(whole[: cut % (len(whole) + 1)])
    ledger = Ledger(folder)
    kept = list(read(folder / FILE))
    assert tuple(kept) == records[: len(kept)]
    ledger.write(GaveUp(fold="x", reason="y"))
    ledger.close()
    assert list(read(folder / FILE)) == [*kept, GaveUp(fold="x", reason="y")]


def test_damage_before_the_last_line_is_told_with_its_line(tmp_path: Path) -> None:
    written(tmp_path, OPENED, TRIAL).close()
    text = (tmp_path / FILE).read_text().splitlines(keepends=True)
    (tmp_path / FILE).write_text(text[0] + '{"kind": "trial_ad\n' + text[1])
    with pytest.raises(LedgerError, match=r"ledger\.jsonl:2: not a ledger record .* restore the file"):
        list(read(tmp_path / FILE))


def test_a_pack_that_did_not_get_in_is_in_no_job() -> None:
    state = replay([OPENED, TRIAL, BEGUN, TAKEN])
    assert state.job_of == {"relu-s000/fold-0-0": "7_0"}
    assert not state.unanswered


def test_a_submission_without_an_answer_is_known() -> None:
    assert list(replay([OPENED, TRIAL, BEGUN]).unanswered) == [0]


def test_only_a_loss_that_counts_spends_a_retry() -> None:
    def over(counted: bool) -> JobOver:
        return JobOver(
            job="7_0",
            state="failed",
            reason="",
            node="n1",
            folds=("relu-s000/fold-0-0",),
            epochs=2,
            counted=counted,
            nodes_fault=True,
        )

    assert replay([OPENED, TRIAL, BEGUN, TAKEN, over(False)]).spent == {}
    state = replay([OPENED, TRIAL, BEGUN, TAKEN, over(True)])
    assert state.spent == {"relu-s000/fold-0-0": 1}
    assert state.nodes == {"relu-s000/fold-0-0": ["n1"]}
    assert not state.job_of


def test_a_pause_marks_the_jobs_of_its_time() -> None:
    assert replay([OPENED, TRIAL, BEGUN, TAKEN, Paused(time=2.0)]).cancelled == {"7_0"}


def test_a_completed_trial_keeps_its_metrics() -> None:
    done = Completed(trial="relu-s000", status=TrialStatus.FINISHED, metrics={"validation/loss": 0.5})
    assert replay([OPENED, TRIAL, done]).completed["relu-s000"].metrics == {"validation/loss": 0.5}


OLD = (
    '{"kind":"opened","schema":1,"sweep":"50783a","study":"smoke","study_digest":"cff19869d7bcdd1b","time":1.5}\n'
    '{"kind":"job_over","job":"smoke.0","state":"STATE","reason":"","node":"vm","folds":[],"epochs":3,"counted":false}\n'
)


@pytest.mark.parametrize(
    ("state", "nodes_fault"),
    [("finished", True), ("failed", True), ("node failed", True), ("timed out", False), ("preempted", False)],
)
def test_a_job_in_a_ledger_of_schema_1_says_whether_its_node_was_blamed(
    state: str, nodes_fault: bool, tmp_path: Path
) -> None:
    (tmp_path / FILE).write_text(OLD.replace("STATE", state), encoding="utf-8")
    opened, over = read(tmp_path / FILE)
    assert opened == Opened(sweep="50783a", study="smoke", study_digest="cff19869d7bcdd1b", time=1.5)
    assert isinstance(over, JobOver)
    assert (over.nodes_fault, over.epochs, over.node) == (nodes_fault, 3, "vm")


def test_a_ledger_of_schema_1_goes_on_in_this_one(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(OLD.replace("STATE", "finished"), encoding="utf-8")
    before = list(read(tmp_path / FILE))
    ledger = written(tmp_path, OVER)
    ledger.close()
    Ledger(tmp_path).close()
    assert list(read(tmp_path / FILE)) == [*before, Migrated(schema=2), OVER]


def test_a_ledger_of_a_later_schema_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(OLD.replace('"schema":1', '"schema":3'), encoding="utf-8")
    with pytest.raises(LedgerError) as caught:
        list(read(tmp_path / FILE))
    words = "Opened: ledger of schema 3; this version of actsweep reads schema 1 and 2: use the version that wrote it"
    assert f"{FILE}:1: not a ledger record ({words}); restore the file from a backup" in str(caught.value)


def test_a_ledger_that_a_later_version_went_on_with_is_refused_where_it_did(tmp_path: Path) -> None:
    migrated = '{"kind":"migrated","schema":3}\n{"kind":"paused","time":2.0}\n'
    (tmp_path / FILE).write_text(OLD.replace("STATE", "finished") + migrated, encoding="utf-8")
    with pytest.raises(LedgerError, match=r":3: not a ledger record \(Migrated: ledger of schema 3;"):
        list(read(tmp_path / FILE))
