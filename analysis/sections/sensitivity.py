"""Does the conclusion hold under the choices that could have been declared instead?"""

from __future__ import annotations

import pandas as pd

from analysis import robustness
from analysis.blocks import Block, Notice, Section, Tabled, Text
from analysis.findings import Findings
from analysis.tables import Table
from analysis.verdict import Word

NAMES = {"rule": "checkpoint", "handling": "diverged runs", "test": "test", "metric": "metric"}


def section(findings: Findings) -> Section:
    if not findings.verdicts:
        blocks: list[Block] = [Notice("Nothing was compared.", tone="note")]
        return Section(anchor="sensitivity", title="Sensitivity of the conclusion", blocks=blocks)
    frame = pd.concat([robustness.alternatives(findings.cube, plan) for plan in findings.plans], ignore_index=True)
    table = wide(frame, len(findings.plans) > 1)
    flips = int((frame["flips"] & ~frame["declared"] & ~plain(frame)).sum())
    loud = int((frame["flips"] & plain(frame)).sum())
    blocks = [
        Text(
            f"{flips} verdicts change under another checkpoint rule, another metric or another handling of "
            "diverged runs"
            + (
                f"; {loud} change with the plain t, which takes folds as independent and is wrong here."
                if loud
                else "."
            )
        ),
        Tabled(table),
        Tabled(gains(findings)),
    ]
    return Section(anchor="sensitivity", title="Sensitivity of the conclusion", blocks=blocks)


def plain(frame: pd.DataFrame) -> pd.Series:
    return (frame["choice"] == "test") & (frame["value"] == "plain")


def wide(frame: pd.DataFrame, several: bool) -> Table:
    """One row a comparison, one column an alternative; a flipped word is boxed."""
    keys = ["dataset", "activation", "control"]
    main = frame[frame["declared"] & (frame["choice"] == "rule")]
    result = main[keys].reset_index(drop=True)
    result["declared"] = main["word"].to_list()
    boxed: set[tuple[int, str]] = set()
    others = frame[~frame["declared"]]
    for (choice, value), part in others.groupby(["choice", "value"], sort=False):
        name = f"{NAMES[str(choice)]}: {str(value).replace('_', ' ')}"
        words = part.set_index(keys)
        index = pd.MultiIndex.from_frame(result[keys])
        column = words["word"].reindex(index).fillna("").to_list()
        flips = words["flips"].reindex(index, fill_value=False).to_list()
        result[name] = column
        boxed |= {(row, name) for row, flip in enumerate(flips) if flip}
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
            "One choice changed at a time, each alternative its own Holm family"
            + (" within its study" if several else "")
            + "; corrected resampled t unless it says plain; n as in section 2. A word that differs from the declared "
            "one is boxed. Other metrics use their own default region of practical equivalence."
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
        means = findings.scores(dataset).values.mean().dropna()
        if len(means) < 2:
            continue
        leader = str(means.idxmin() if findings.metric.endswith("loss") else means.idxmax())
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
            "For the activation with the best mean under the declared rule: 100 (score − runner-up) / runner-up over n "
            "splits, on means and on the best split. Picked after the fact; no test."
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
