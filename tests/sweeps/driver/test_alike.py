"""Which compared activations are the same function: what is asked, what is said, and what the plan keeps."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import ray.tune  # noqa: F401  # sets hooks of the process when it is imported first, which is no test's doing

from analysis.runs.plan import Plan, Sameness, from_json, to_json
from analysis.statistics import same_functions
from sweeps.driver import alike, preflight, session
from sweeps.study import planner
from sweeps.study.reading import load
from trainer.activations.distance import SAME
from trainer.alike import answer

HEAD = "name: same\ndata: digits\nmodel: {name: mlp, hidden: '8'}\ntraining: {epochs: 4}\n"


def found(activations: str, search: str = "") -> Sameness:
    """As :func:`alike.check`, in this process."""
    study = load(f"{HEAD}{search}\nactivations: {activations}\n")
    question = alike.question(study)
    assert question is not None
    return alike.described(study, question, json.loads(json.dumps(dataclasses.asdict(answer(question)))))


def test_the_distance_is_stated_once() -> None:
    assert alike.WITHIN == SAME == same_functions.WITHIN


def test_different_functions_are_looked_at_and_nothing_is_said() -> None:
    none = found("[relu, gelu, dsrelu]")
    assert (none.within, none.said) == (SAME, ())
    assert alike.words(none).endswith("for standard normal inputs): none")


def test_fixed_activations_that_are_one_function_are_named_with_their_parameters() -> None:
    same = found(
        "[relu, elu, {activation: alrelu, params: {alpha: 0.0}}, {activation: lelu, params: {beta: 0.0}},"
        " {activation: gelu}, {activation: gelu, label: fast, params: {approximate: tanh}}]"
    )
    assert same.said == (
        "relu and alrelu (alpha=0) are the same function",
        "elu and lelu (beta=0) are the same function",
        "gelu and fast (approximate=tanh) are the same function",
    )
    assert same.pairs == (("relu", "alrelu"), ("elu", "lelu"), ("gelu", "fast"))
    assert same.starts == ()


def test_what_goes_on_to_learn_only_starts_as_the_other() -> None:
    same = found("[relu, {activation: prelu, params: {init: 0.0}}, {activation: prelu, label: quarter}]")
    assert "relu and prelu (init=0) start as the same function: only what is learned differs" in same.said
    assert "quarter can learn to be relu" in same.said
    assert same.pairs == ()
    assert ("relu", "prelu") in same.starts


def test_the_same_activation_twice_is_one_function_although_both_learn() -> None:
    same = found("[relu, prelu, {activation: prelu, label: again, training: {lr: 0.1}}]")
    assert same.pairs == (("prelu", "again"),)
    assert "prelu and again are the same function, trained differently (lr)" in same.said


def test_ends_and_defaults_of_searches_are_compared_with_others_and_with_each_other() -> None:
    same = found(
        "[elu, {activation: lelu, space: {beta: {uniform: [0.0, 0.9]}}},"
        " {activation: elu, label: tuned, space: {alpha: {uniform: [0.5, 2.0]}}},"
        " {activation: dsrelu, space: {k: {uniform: [1.0, 1.0001]}}}]\ncontrol: elu",
        "search: {algorithm: tpe, samples: 3}",
    )
    assert same.said == (
        "elu and lelu at beta=0, an end of its search, are the same function",
        "elu and tuned at its default are the same function",
        "lelu at beta=0, an end of its search, and tuned at its default are the same function",
        "dsrelu: k=1 and k=1, ends of its search, are the same function",
    )
    assert same.pairs == (), "a search may choose another setting"


def test_settings_that_are_known_before_are_counted_as_functions() -> None:
    """A grid of which two are nearer than the distance, and one is another activation."""
    same = found(
        "[relu, {activation: leaky_relu, space: {negative_slope: {grid_search: [0.0, 0.1, 0.1002, 0.3]}}}]",
        "search: {algorithm: grid, samples: 1, first: none}",
    )
    assert (
        "leaky_relu: its 4 settings come to 3 distinct functions; negative_slope=0.1002 repeats negative_slope=0.1"
        in same.said
    )
    assert "leaky_relu: 1 of its 4 settings are the function of relu, as negative_slope=0" in same.said


def test_random_settings_are_those_that_the_search_will_try() -> None:
    study = load(
        f"{HEAD}search: {{algorithm: random, samples: 30}}\n"
        "activations: [relu, {activation: leaky_relu, space: {negative_slope: {uniform: [0.1, 0.11]}}}]\n"
    )
    question = alike.question(study)
    assert question is not None
    same = alike.described(study, question, json.loads(json.dumps(dataclasses.asdict(answer(question)))))
    (line,) = [text for text in same.said if "settings come to" in text]
    from sweeps.search.searchers import make_searcher

    searcher = make_searcher(study, "leaky_relu")
    slopes = [float((searcher.ask(at) or {})["activation.negative_slope"]) for at in range(searcher.count)]  # type: ignore[arg-type]
    kept: list[float] = []
    for slope in slopes:
        if all(abs(slope - other) * 0.5**0.5 > SAME for other in kept):
            kept.append(slope)
    assert line.startswith(f"leaky_relu: its 30 settings come to {len(kept)} distinct functions; ")


def test_settings_that_differ_in_their_training_repeat_nothing() -> None:
    same = found(
        "[relu, {activation: lelu, training: {lr: {loguniform: [1e-4, 1e-2]}}}]",
        "search: {algorithm: random, samples: 20}",
    )
    assert same.said == ()


OWN = """
import torch
from torch import nn

class Mine(nn.Module):
    def __init__(self, alpha=0.0):
        super().__init__()
        self.alpha = alpha
    def forward(self, x):
        return torch.where(x > 0, x, self.alpha * x)

class Mixes(nn.Module):
    def forward(self, x):
        return x - x.mean()
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "alike_lab.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)  # for the process that compares
    return tmp_path


def test_activations_of_ones_own_are_compared_and_what_is_no_function_is_named(own: Path) -> None:
    same = found(
        "[relu, {activation: 'alike_lab:Mine', space: {alpha: {uniform: [0.0, 0.5]}}}, 'alike_lab:Mixes']",
        "search: {algorithm: tpe, samples: 3}",
    )
    assert "relu and Mine at alpha=0, an end of its search, are the same function" in same.said
    assert "relu and Mine at its default are the same function" in same.said
    assert any(text.startswith("Mixes is not compared: an output depends on more") for text in same.said)


def test_the_order_of_the_findings_is_that_of_the_study() -> None:
    once, again = (found("[relu, {activation: alrelu, params: {alpha: 0.0}}, prelu, elu]") for _ in range(2))
    assert once == again


def test_many_findings_are_cut_on_the_screen_and_kept_in_the_plan() -> None:
    many = Sameness(within=SAME, said=tuple(f"finding {at}" for at in range(20)))
    lines = alike.words(many).splitlines()
    assert "20 findings" in lines[0]
    assert lines[-1] == "  and 8 more, in plan.json"
    assert len(lines) == 14


def test_the_plan_keeps_it_and_an_earlier_plan_says_that_nobody_looked() -> None:
    study = load(f"{HEAD}activations: [relu, {{activation: alrelu, params: {{alpha: 0.0}}}}]\n")
    plan = planner.plan(study, "now", same=Sameness(within=SAME, pairs=(("relu", "alrelu"),), said=("they are",)))
    assert from_json(to_json(plan)) == plan
    raw = json.loads(to_json(plan))
    del raw["same"], raw["search_objectives"]
    earlier: Plan = from_json(json.dumps(raw))
    assert earlier.same == Sameness()
    assert earlier.same.headline == ""


@pytest.mark.slow
def test_a_study_is_told_it_by_the_process_that_tries_it_and_its_folder_keeps_it(tmp_path: Path) -> None:
    study = load(f"{HEAD}activations: [relu, {{activation: alrelu, params: {{alpha: 0.0}}}}]\n")
    _, places, same = preflight.check(study)
    assert same == alike.check(study)
    session.make(study, tmp_path / "made", ["actsweep"], places, same)
    assert from_json((tmp_path / "made" / "plan.json").read_text()).same == same


def test_check_says_it(tmp_path: Path) -> None:
    (tmp_path / "twice.yaml").write_text(
        f"{HEAD}folds: {{folds: 2}}\nactivations: [relu, {{activation: alrelu, params: {{alpha: 0.0}}}}]\n"
    )
    command = [sys.executable, "-P", "-m", "sweeps.cli", "check", "twice.yaml", "--quick"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert "  relu and alrelu (alpha=0) are the same function\n" in done.stdout
    assert "to within 0.001" in done.stdout


def test_of_very_many_settings_the_first_are_compared_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "SETTINGS", 20)
    same = found(
        "[relu, {activation: leaky_relu, space: {negative_slope: {uniform: [0.1, 0.101]}}},"
        " {activation: elu, space: {alpha: {uniform: [0.5, 2.0]}}}]",
        "search: {algorithm: random, samples: 50, first: none}",
    )
    (said,) = [text for text in same.said if text.startswith("leaky_relu: its")]
    assert said.startswith("leaky_relu: its first 10 of 50 settings come to 1 distinct function; ")
