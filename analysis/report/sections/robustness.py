"""Does the conclusion hold under the choices that could have been declared instead?"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial

import pandas as pd

from analysis.report.blocks import Block, Section, Tabled, Text
from analysis.report.findings import Findings
from analysis.report.tables import Table
from analysis.runs.plan import Plan
from analysis.runs.schema import Status
from analysis.runs.wording import counted
from analysis.statistics import claims, qualified, robustness
from analysis.statistics.verdict import Verdict, Word


def section(findings: Findings) -> Section | None:
    if not findings.verdicts:
        return None
    others = findings.once("alternatives", alternatives)
    blocks: list[Block] = [
        Text(sentence(findings.verdicts, others)),
        *([Text(left)] if (left := uncompared(findings.verdicts, others)) else []),
        Tabled(wide(findings.verdicts, others)),
        *([Tabled(gains(findings))] if findings.dsrelu else []),
    ]
    return Section(anchor="robustness", title="Robustness of the conclusion", blocks=blocks, methods=METHODS)


PLAIN = "test: plain t"
KINDS = {
    "checkpoint": "another checkpoint rule",
    "metric": "another metric",
    "diverged runs": "another handling of diverged runs",
}
NOT_COMPARED = "not compared"
METHODS = (
    "Robustness: one choice is changed at a time, otherwise the rule of the verdicts holds, with Holm over the same "
    "family; the plain t differs in its variance alone, and other metrics have the zone of equivalence that seeds or "
    "items, or what knowing nothing scores give them, if any.",
    "A verdict changes where a claim comes, goes or turns; undecided and cannot tell at this n both leave it open. "
    "Words are compared only where both could have come out.",
)


def sentence(declared: Sequence[Verdict], others: dict[str, list[Verdict]]) -> str:
    """How many of the declared verdicts change under any other choice; the plain t apart, since it is wrong."""
    flips = flipped(declared, others)
    loud = flips.pop(PLAIN, set())
    changed = set().union(*flips.values())
    if not changed and not loud and not any(found.word in robustness.CLAIMS for found in declared):
        return "Nothing was claimed, and under no other choice would it be."
    plain = (
        f"; with the plain t, which takes folds as independent and is wrong here, {len(loud)} would." if loud else "."
    )
    tried = " or ".join(text for kind, text in KINDS.items() if any(name.startswith(kind) for name in flips))
    return (
        f"{len(changed)} of {counted(len(declared), 'verdict')} {'changes' if len(changed) == 1 else 'change'} under "
        f"{tried or 'another choice'}{plain}"
    )


def flipped(declared: Sequence[Verdict], others: dict[str, list[Verdict]]) -> dict[str, set[tuple[str, str, str]]]:
    """The comparisons whose word changes, by the choice under which it does."""
    mine = {key(found): found for found in declared}
    return {
        name: {key(one) for one in found if robustness.changes(mine[key(one)], one)} for name, found in others.items()
    }


def uncompared(declared: Sequence[Verdict], others: dict[str, list[Verdict]]) -> str:
    """Under which choices claims could not be compared, and why; empty where all could."""
    mine = {key(found): found for found in declared}
    whys: dict[str, dict[str, int]] = {}
    for name, found in others.items():
        for one in found:
            why = robustness.incomparable(mine[key(one)], one)
            if why and Word.DESCRIPTIVE is not mine[key(one)].word:
                whys.setdefault(why, {}).setdefault(name, 0)
                whys[why][name] += 1
    parts = [
        f"{', '.join(f'{count} under {name}' for name, count in names.items())}, since {why}"
        for why, names in whys.items()
    ]
    return f"Not compared: {'; '.join(parts)}." if parts else ""


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
        if name != declared.metric and measured(findings.claimed, name):
            runs[f"metric: {name.replace('_', ' ')}"] = partial(unscaled, findings.cube, name)
    result = {}
    for name, run in runs.items():
        verdicts = [found for plan in findings.plans for found in run(plan)]
        if not verdicts:
            continue
        m = max(findings.family, len(verdicts))
        result[name] = qualified.carried(claims.decide_all(verdicts, m=m, alpha=findings.alpha), findings.verdicts)
    return result


def measured(rows: pd.DataFrame, metric: str) -> bool:
    """Whether any run has a value of the metric on its held-out part."""
    return f"heldout/{metric}" in rows and bool(rows[f"heldout/{metric}"].notna().any())


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
        theirs = {key(found): found for found in verdicts}
        cells = [(mine, theirs.get(key(mine))) for mine in declared]
        result[name] = [
            "" if other is None else NOT_COMPARED if robustness.incomparable(mine, other) else str(other.word)
            for mine, other in cells
        ]
        boxed |= {
            (row, name)
            for row, (mine, other) in enumerate(cells)
            if other is not None and robustness.changes(mine, other)
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
            "The declared word, and the word with one choice changed at a time; a claim that comes, goes or turns is "
            "boxed."
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
            f"score it is better, over n {findings.unit}s, on means and on the best one. Picked after the fact; no "
            "test."
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
