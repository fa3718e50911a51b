"""Submissions that the cluster takes in part, later, or elsewhere than asked."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import pytest

from slurm.errors import SubmissionRejected
from sweeps.driver.submission import Submitter
from sweeps.folder.ledger import Ledger
from sweeps.folder.records import JobOver, Opened, Submitted, Submitting, TrialAdded

FOLD = "relu-c000/fold-0-0"


class Small:
    """A cluster of one node, which is all there is."""

    def __init__(self) -> None:
        self.avoided: list[tuple[str, ...]] = []

    def room(self, active: int) -> int:
        return 5

    def release(self) -> None:
        pass

    def submit(
        self, call: str, texts: Sequence[str], *, name: str, folder: Path, avoid: Collection[str] = ()
    ) -> list[str]:
        self.avoided.append(tuple(avoid))
        if avoid:
            raise SubmissionRejected("Requested node configuration is not available")
        return [f"{name}.{index}" for index in range(len(texts))]


@pytest.fixture
def ledger(tmp_path: Path) -> Any:
    book = Ledger(tmp_path)
    trial = TrialAdded(
        trial="relu-c000", label="relu", activation="relu", phase="confirm", index=0, params={}, training={},
        folds=(FOLD,), config={},
    )  # fmt: skip
    book.write(Opened(sweep="a", study="s", study_digest="d", time=0.0), trial)
    for number in range(2):
        lost = JobOver(job=f"j{number}", state="failed", reason="", node="n1", folds=(FOLD,), epochs=0,
                       counted=True, nodes_fault=True)  # fmt: skip
        begun = Submitting(batch=number, name=f"b{number}", packs=((FOLD,),))
        book.write(begun, Submitted(batch=number, jobs=(f"j{number}",)), lost)
    yield book
    book.close()


def test_a_node_to_be_kept_from_is_used_where_there_is_no_other(ledger: Ledger, tmp_path: Path) -> None:
    cluster: Any = Small()
    submitter = Submitter(ledger, cluster, tmp_path / "jobs", lambda folds, meter, seconds: "text", lambda: 0.0)
    submitter.submit([FOLD], None)
    assert cluster.avoided == [("n1",), ()]
    assert ledger.state.job_of == {FOLD: "s.a.3.relu-c000.0"}
