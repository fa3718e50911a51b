"""Does the conclusion hold under the choices that could have been declared instead?"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial

import pandas as pd

from analysis.report.blocks import Block, Notice, Section, Tabled, Text
from analysis.report.findings import Findings
from analysis.report.tables import Table
from analysis.runs.plan import Plan
from analysis.runs.schema import Status
from analysis.runs.wording import counted
from analysis.statistics import claims, robustness
from analysis.statistics.verdict import Verdict, Word


def section(findings: Findings) -> Section:
    if not findings.verdicts:
        blocks: list[Block] = [Notice("Nothing was compared.", tone="note")]
        return Section(anchor="robustness", title="Robustness of the conclusion", blocks=blocks)
    others = alternatives(findings)
    table = wide(findings.verdicts, others)
    blocks = [Text(sentence(findings.verdicts, others)), Tabled(table), Tabled(gains(findings))]
    return Section(anchor="robustness", title="Robustness of the conclusion", blocks=blocks)


PLAIN = "test: plain t"
CLAIMS = (Word.BETTER, Word.WORSE, Word.EQUIVALENT)


def sentence(declared: Sequence[Verdict], others: dict[str, list[Verdict]]) -> str:
    """How many of the declared verdicts change under any other choice; the plain t apart, since it is wrong."""
    words = {key(found): found.word for found in declared}
    flips = {name: {key(one) for one in found if one.word != words[key(one)]} for name, found in others.items()}
    loud = flips.pop(PLAIN, set())
    changed = set().union(*flips.values())
    if not changed and not loud and not any(word in CLAIMS for word in words.values()):
        return "Nothing was claimed, and under no other choice would it be."
    plain = (
        f"; with the plain t, which takes folds as independent and is wrong here, {len(loud)} would." if loud else "."
    )
    return (
        f"{len(changed)} of {counted(len(words), 'verdict')} {'changes' if len(changed) == 1 else 'change'} under "
        f"another checkpoint rule, another metric or another handling of diverged runs{plain}"
    )


def key(found: Verdict) -> tuple[str, str, str]:
    return found.dataset, found.activation, found.control


def alternatives(findings: Findings) -> dict[str, list[Verdict]]:
    """The verdicts with one choice changed at a time, each over all studies as one family, by the choice's name."""
    declared = findings.plan.declaration
    runs: dict[str, Callable[[Plan], list[Verdict]]] = {}
    for rule in robustness.rules(findings.cube, declared.metric):
        if rule != declared.rule:
            column = f"outcome.{rule}/heldout/{declared.metric}"
            runs[f"checkpoint: {rule.replace('_', ' ')}"] = partial(claims.compare, findings.cube, column=column)
    if (findings.claimed["status"] == Status.DIVERGED).any():
        runs["diverged runs: left out"] = partial(claims.compare, findings.cube, handling="complete")
    runs[PLAIN] = partial(robustness.plain, findings.cube)
    for name in (metric.name for metric in findings.metrics):
        if name != declared.metric and f"heldout/{name}" in findings.cube:
            runs[f"metric: {name.replace('_', ' ')}"] = partial(unscaled, findings.cube, name)
    result = {}
    for name, run in runs.items():
        verdicts = [found for plan in findings.plans for found in run(plan)]
        m = max(findings.family, len(verdicts))
        result[name] = claims.decide_all(verdicts, m=m, alpha=findings.alpha)
    return result


def unscaled(cube: pd.DataFrame, metric: str, plan: Plan) -> list[Verdict]:
    """By another metric, whose region of practical equivalence is not the declared one's."""
    free = dataclasses.replace(plan, declaration=dataclasses.replace(plan.declaration, rope=None))
    return claims.compare(cube, free, column=f"heldout/{metric}")


def wide(declared: Sequence[Verdict], others: dict[str, list[Verdict]]) -> Table:
    """One row a comparison, one column an alternative; a flipped word is boxed."""
    result = pd.DataFrame(
        {
            "dataset": [found.dataset for found in declared],
            "activation": [found.activation for found in declared],
            "control": [found.control for found in declared],
            "declared": [str(found.word) for found in declared],
        }
    )
    boxed: set[tuple[int, str]] = set()
    for name, verdicts in others.items():
        words = {key(found): str(found.word) for found in verdicts}
        result[name] = [words.get(key(found), "") for found in declared]
        boxed |= {
            (row, name) for row, found in enumerate(declared) if words.get(key(found), found.word) != str(found.word)
        }
    shades = {str(Word.BETTER): "better", str(Word.WORSE): "worse", str(Word.EQUIVALENT): "equivalent"}
    marked = {
        (row, str(name)): shades[text]
        for name in result.columns[3:]
        for row, text in enumerate(result[name])
        if text in shades
    }
    return Table(
        name="table-12-sensitivity",
        title="The verdict under other choices",
        caption=(
            "One choice changed at a time, otherwise by the rule of section 2 (plain t: its variance alone), with Holm "
            "over the declared family and n as there. A word that differs from the declared one is boxed. Other "
            "metrics use their own default region of practical equivalence, where seeds or items give one."
        ),
        frame=result,
        boxed=frozenset(boxed),
        marked=marked,
        heads={"dataset": "data set"},
    )


def gains(findings: Findings) -> Table:
    """Equation (1) for the leader of each data set under every checkpoint rule."""
    frames = []
    for dataset in findings.datasets:
        plan = findings.plan_of(dataset)
        means = findings.scores(dataset).shared.mean().dropna()
        if len(means) < 2:
            continue
        leader = str(means.idxmin() if findings.metric.better == "lower" else means.idxmax())
        found = robustness.gains(findings.cube[findings.cube["dataset"] == dataset], plan, leader)
        frames.append(found)
    frame = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    kept = [
        name
        for name in ("dataset", "rule", "activation", "basis", "score", "runner_up", "runner_up_score", "percent", "n")
        if name in frame
    ]
    return Table(
        name="table-13-gains",
        title="Equation (1) under every checkpoint rule",
        caption=(
            "For the activation with the best mean under the declared rule: by how many per cent of the runner-up's "
            "score it is better, over n splits, on means and on the best split. Picked after the fact; no test."
        ),
        frame=frame[kept],
        formats={"score": ".4f", "runner_up_score": ".4f", "percent": "+.2f", "n": "d"},
        heads={
            "dataset": "data set",
            "runner_up": "runner-up",
            "runner_up_score": "its score",
            "percent": "eq. (1), %",
        },
        fold=len(frame) > 18,
    )
