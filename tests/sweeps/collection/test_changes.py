"""Whether a study folder says anything new."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from sweeps.collection import changes
from sweeps.testing import invent_attempt

Add = Callable[..., Path]


def test_an_epoch_more_is_news_of_its_fold_alone(add: Add) -> None:
    folder = add("study", write_folds=False)
    before = changes.stamps(folder)
    assert changes.folds(before, changes.stamps(folder)) == []
    invent_attempt(folder, "relu-c000/fold-0-1", epochs=1)
    now = changes.stamps(folder)
    assert changes.folds(before, now) == ["relu-c000/fold-0-1"]
    assert changes.text(before) != changes.text(now)


def test_what_was_decided_of_a_trial_is_news_of_all_its_folds(add: Add) -> None:
    folder = add("study")
    before = changes.stamps(folder)
    os.utime(folder / "trials" / "relu-c000" / "decided.json", (1, 1))
    assert changes.folds(before, changes.stamps(folder)) == ["relu-c000/fold-0-0", "relu-c000/fold-0-1"]


def test_what_nobody_shows_is_no_news(add: Add) -> None:
    folder = add("study")
    before = changes.text(changes.stamps(folder))
    (folder / "driver.lock").write_text("{}")
    (folder / "trials" / "relu-c000" / "fold-0-0" / "attempt-1" / "checkpoint.pt").write_text("weights")
    assert changes.text(changes.stamps(folder)) == before
    (folder / "reported.json").write_text("{}")
    assert changes.text(changes.stamps(folder)) != before


def test_a_folder_without_trials_has_a_state(tmp_path: Path) -> None:
    assert list(changes.stamps(tmp_path)) == [""]
