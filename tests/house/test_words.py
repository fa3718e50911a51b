"""The words of one task stand where that task is, and nowhere else: another task needs no file but its own."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORDS = re.compile(r"accurac(?:y|ies)|n_classes|softmax|cross_?entropy", re.IGNORECASE)

REASONS = {
    "trainer/tasks/classification/task.py": "the task itself",
    "trainer/tasks/classification/facts.py": "its metrics as values, for those who load no torch",
    "trainer/previous.py": "what the version before wrote",
    "analysis/runs/published.py": "the published tables of the DSReLU paper, which are of classification",
    "analysis/report/sections/published.py": "the DSReLU paper's own view",
}
"""Where the words may stand, and why. Shipped studies are YAML files and not asked."""


def named(root: Path) -> set[str]:
    """Python files of the three packages that hold one of the words: in code, strings, comments or parts of names."""
    return {
        path.relative_to(root).as_posix()
        for package in ("analysis", "sweeps", "trainer")
        for path in (root / package).rglob("*.py")
        if WORDS.search(path.read_text(encoding="utf-8"))
    }


def test_the_words_of_classification_stand_in_its_own_files() -> None:
    assert named(ROOT) - REASONS.keys() == set()


def test_no_file_is_excused_that_needs_no_excuse() -> None:
    assert REASONS.keys() - named(ROOT) == set()


def test_a_stray_word_is_found(tmp_path: Path) -> None:
    texts = {
        "sweeps/code.py": "best_accuracy = 1",
        "sweeps/text.py": "NAME = 'heldout/accuracy'",
        "analysis/comment.py": "# of the n_classes columns",
        "analysis/clean.py": "accurate = 'entropy of a soft maximum'",
        "trainer/call.py": "nn.CrossEntropyLoss()",
        "trainer/mean.py": "accuracies = []",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert named(tmp_path) == texts.keys() - {"analysis/clean.py"}
