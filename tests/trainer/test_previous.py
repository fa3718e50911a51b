"""Journals of the version before: each record as it was written, and what is read of it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from trainer import journal
from trainer.errors import OtherVersion

START: dict[str, Any] = {
    "kind": "start", "schema": 1, "digest": "1c81c281df066bfb", "attempt": 1, "resumed_epoch": 0, "time": 1.5,
    "data_digest": "57", "split_hash": "7f", "n_train": 213, "n_validation": 53, "n_heldout": 134, "n_classes": 5,
    "chance": 0.8283582089552238, "n_parameters": 1357, "device": "cpu", "device_name": "cpu", "threads": 1,
    "host": "vm", "pid": 2880, "environment": {"python": "3.11.7"}, "code": "ad0dd3adbfc7f7b9",
}  # fmt: skip
EPOCH: dict[str, Any] = {
    "kind": "epoch", "epoch": 1, "time": 2.5, "metrics": {"validation/loss": 0.5}, "train_s": 1.0, "evaluate_s": 0.5,
    "rest_s": 0.1, "peak_memory_mb": 9.0, "activation": {"2/a": 0.5}, "utilisation": {},
}  # fmt: skip
END: dict[str, Any] = {
    "kind": "end", "time": 3.5, "status": "finished", "epochs": 1, "reason": "all epochs", "rule": "validation_loss",
    "outcomes": {"last": {"epoch": 1, "metrics": {"heldout/accuracy": 0.75}}},
}  # fmt: skip


def written(path: Path, *records: dict[str, Any]) -> Path:
    file = path / journal.FILE
    file.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return file


def test_a_whole_journal_is_read(tmp_path: Path) -> None:
    (tmp_path / "attempt-1").mkdir()
    written(tmp_path / "attempt-1", START, EPOCH, END)
    history = journal.read_fold(tmp_path)
    assert history is not None
    assert history.end is not None
    assert (history.start.schema, history.start.digest, history.start.code) == (2, START["digest"], START["code"])
    assert history.epochs[0].metrics == {"validation/loss": 0.5}
    assert (history.end.status, history.end.outcomes["last"].metrics) == ("finished", {"heldout/accuracy": 0.75})


def test_its_later_records_are_read_from_where_one_stopped(tmp_path: Path) -> None:
    offset = journal.follow(written(tmp_path, START)).offset
    found = journal.follow(written(tmp_path, START, EPOCH), offset).records
    assert [record.kind for record in found] == ["epoch"]


def test_what_knowing_nothing_scores_is_that_of_always_naming_the_commonest_class(tmp_path: Path) -> None:
    """Against scikit-learn, on a held-out part of 134 items of which 111 are of one class of five."""
    (record,) = journal.follow(written(tmp_path, START)).records
    assert isinstance(record, journal.Start)
    true = np.repeat([0, 1, 2, 3, 4], [111, 10, 8, 3, 2])
    said = np.zeros_like(true)
    assert record.references == pytest.approx(
        {
            "loss": -math.log(1 / 5),
            "accuracy": 111 / 134,
            "f1_weighted": f1_score(true, said, average="weighted", zero_division=0),
            "f1_macro": f1_score(true, said, average="macro", zero_division=0),
            "auc": 0.5,
        },
        abs=1e-12,
    )


def test_a_fold_that_failed_before_its_data_were_read_has_no_references(tmp_path: Path) -> None:
    (record,) = journal.follow(written(tmp_path, {**START, "n_classes": 0, "chance": 0.0})).records
    assert isinstance(record, journal.Start)
    assert record.references == {}


@pytest.mark.parametrize("schema", [0, 3])
def test_any_other_schema_is_refused_with_what_to_do(schema: int, tmp_path: Path) -> None:
    file = written(tmp_path, {**START, "schema": schema})
    with pytest.raises(OtherVersion) as caught:
        journal.follow(file)
    assert str(caught.value) == (
        f"{file}: Start: journal of schema {schema}; this version of actsweep reads schema 1 and 2: use the version "
        "that wrote it; where it is damaged instead, delete its attempt folder"
    )


def test_a_start_of_this_schema_may_not_say_what_the_one_before_said(tmp_path: Path) -> None:
    found = journal.follow(written(tmp_path, {**START, "schema": 2}))
    assert not found.records
    assert "missing references" in found.damaged[0]
