"""Comparisons of one function with itself: which they are, and what becomes of their words."""

from __future__ import annotations

import dataclasses
from typing import Any

import pandas as pd
import pytest

from analysis.report.findings import gather
from analysis.report.sections import declaration
from analysis.runs import simulated
from analysis.runs.load import Study
from analysis.runs.plan import Sameness
from analysis.statistics import claims, integrity, same_functions
from analysis.statistics.verdict import Verdict, Word

CHECK = "different functions"


def study(settings: dict[str, tuple[str, dict[str, Any]]], same: Sameness | None = None, **training: Any) -> Study:
    """A simulated study of which each label's runs had the setting given; ``training``: learning rate by label."""
    made = simulated.study(seed=2, activations=tuple(settings), epochs=4, repeats=2, effects={"other": 0.05})
    cube = made.cube.assign(activation_name=made.cube["activation"].map(lambda label: settings[label][0]))
    for name in {key for _, params in settings.values() for key in params}:
        cube[f"activation.{name}"] = cube["activation"].map(lambda label, name=name: settings[label][1].get(name))
    if training:
        cube["training.lr"] = cube["activation"].map(lambda label: training.get(label, 1e-3))
    plan = made.plan if same is None else dataclasses.replace(made.plan, same=same)
    return dataclasses.replace(made, cube=cube, plan=plan)


def notes(made: Study) -> list[str]:
    found = integrity.checks(made.cube, made.plan)
    rows = found[(found["check"] == CHECK) & (found["status"] == "warn")]
    return [str(note) for note in rows["note"]]


def verdict(made: Study, label: str = "other") -> Verdict:
    (found,) = [one for one in claims.concluded(made.cube, [made.plan])[0] if one.activation == label]
    return found


def test_a_word_between_one_function_and_itself_says_that_it_is_chance() -> None:
    made = study({"relu": ("relu", {}), "other": ("alrelu", {"alpha": 0.0}), "third": ("elu", {})})
    text = "relu and other are the same function, to within 0.001: what is found between them is chance."
    assert notes(made) == [text]
    assert verdict(made).doubts == (text,)
    assert verdict(made).word is Word.BETTER, "the numbers stay, qualified"
    assert text in verdict(made).note
    assert verdict(made, "third").doubts == ()


@pytest.mark.parametrize(("alpha", "same"), [(0.0012, True), (0.0016, False)])
def test_it_is_the_setting_that_was_claimed_that_counts(alpha: float, same: bool) -> None:
    """sqrt(alpha^2 / 2) on either side of the distance: a search may choose an end of its space."""
    made = study({"relu": ("relu", {}), "other": ("alrelu", {"alpha": alpha})})
    assert bool(notes(made)) is same


def test_what_learns_or_is_trained_otherwise_is_not_called_chance_alone() -> None:
    learns = study({"relu": ("relu", {}), "other": ("prelu", {"init": 0.0})})
    assert notes(learns) == [
        "relu and other start as the same function, to within 0.001: what is found between them is what their "
        "parameters learned or chance."
    ]
    faster = study({"relu": ("relu", {}), "other": ("relu", {})}, other=1e-2)
    assert notes(faster) == [
        "relu and other are the same function, to within 0.001: what is found between them is what differs in their "
        "training (lr) or chance."
    ]
    twice = study({"relu": ("prelu", {}), "other": ("prelu", {})})
    assert "is chance." in notes(twice)[0], "both learn alike"


def test_trainable_as_a_store_writes_it() -> None:
    made = study({"relu": ("relu", {}), "other": ("alrelu", {"alpha": 0.0005, "trainable": "True"})})
    assert "what their parameters learned" in notes(made)[0]


def test_where_no_formula_is_known_the_plan_is_asked() -> None:
    settings: dict[str, tuple[str, dict[str, Any]]] = {"relu": ("relu", {}), "other": ("lab:Mine", {})}
    assert notes(study(settings)) == []
    found = Sameness(within=0.01, pairs=(("relu", "other"),))
    assert notes(study(settings, found)) == [
        "relu and other are the same function, to within 0.01: what is found between them is chance."
    ]
    later = Sameness(within=0.01, starts=(("other", "relu"),))
    assert "what their parameters learned" in notes(study(settings, later))[0]


def test_a_schedule_by_another_reading_is_another_function() -> None:
    kept = study({"relu": ("dsrelu", {}), "other": ("dsrelu", {"progress": "step"})})
    assert len(notes(kept)) == 1
    assert not notes(study({"relu": ("dsrelu", {}), "other": ("dsrelu", {"progress": "epochs"})}))
    assert not notes(study({"relu": ("dsrelu", {}), "other": ("dsrelu", {"progress": "constant", "t": 0.5})}))


def test_runs_that_do_not_say_what_they_trained_are_not_judged() -> None:
    made = simulated.study(seed=2, activations=("relu", "leaky_relu"), epochs=4)
    assert same_functions.setting(made.cube, "relu") is None
    several = study({"relu": ("relu", {}), "other": ("elu", {"alpha": 1.0})}).cube
    several.loc[several.index[-1], "activation.alpha"] = 0.5
    assert same_functions.setting(several, "other") is None


def test_the_report_says_it_on_its_first_screen_and_what_the_plan_found_before() -> None:
    found = Sameness(within=1e-3, said=tuple(f"finding {at}" for at in range(9)))
    made = study({"relu": ("relu", {}), "other": ("alrelu", {"alpha": 0.0})}, found)
    findings = gather(made)
    from analysis.report import build

    text = build.markdown(build.sections_of(findings), title="t", digest=findings.digest)
    assert "are the same function, to within 0.001: what is found between them is chance." in text.split("## ")[0]
    facts = dict(declaration.subjects(findings))
    assert facts["Same functions"].startswith("to within 0.001, before the first epoch: finding 0; ")
    assert facts["Same functions"].endswith("; and 3 more, in plan.json")
    nobody = gather(simulated.study(seed=2, activations=("relu", "elu"), epochs=4))
    assert "Same functions" not in dict(declaration.subjects(nobody))


def test_a_frame_of_checks_names_the_pair() -> None:
    found: pd.DataFrame = integrity.checks(
        *(lambda made: (made.cube, made.plan))(study({"relu": ("relu", {}), "other": ("relu", {})}))
    )
    assert found.loc[found["check"] == CHECK, "activations"].tolist() == [("other", "relu")]
