"""The words of one task stand in that task's own section, and in no other file of the analysis."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3] / "analysis"
WORDS = re.compile(
    r"\b(?:n?rmse|mae|diffusion\w*|auroc\w*|svdd|autoencoder|mvtec|mnist|cifar\w*|persistence|skill|defects?)\b",
    re.IGNORECASE,
)
OWN = {
    "report/sections/regression.py": "errors of predicted values",
    "report/sections/diffusion.py": "diffusion on a mesh",
    "report/sections/kinds.py": "kinds of anomalies",
    "report/sections/forecast.py": "forecasts",
    "statistics/forecasting.py": "forecasts",
    "runs/published.py": "the data sets of the DSReLU paper",
}
"""Where such words may stand, and why. Data files are not asked."""


def named(root: Path) -> set[str]:
    return {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if WORDS.search(path.read_text(encoding="utf-8"))
    }


def test_no_section_but_its_own_knows_a_task() -> None:
    assert named(ROOT) - OWN.keys() == set()


def test_a_stray_word_is_found(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("column = 'heldout/rmse'")
    (tmp_path / "clean.py").write_text("warmse = 'the skills of persistent people'")
    assert named(tmp_path) == {"code.py"}
