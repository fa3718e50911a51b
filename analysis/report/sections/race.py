"""Races of a search's settings: by which rule settings were dropped, at which look, and what that spared."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis.report.blocks import Block, Section, Tabled, Text
from analysis.report.findings import Findings
from analysis.report.tables import Table
from analysis.runs.plan import Race
from analysis.runs.wording import counted
from analysis.statistics import races

METHODS = (
    "A setting is dropped from its race where another of its activation is better, in the mean over the n folds that "
    "both have, by more than h s √(2 (1/n + n2/n1)): Gupta's subset selection (1965) with the standard error of Nadeau "
    "and Bengio (2003) for folds that share items. s is the noise of the better half of the settings (of eight, where "
    "that is more), or the pair's own where that is greater; h is Dunnett's one-sided constant (1955) at the error "
    "divided by the number of looks.",
    "That the best setting is dropped no more often than is said holds where scores are normal, two folds correlate by "
    "n2/(n1+n2) and the best setting is no noisier than the better half.",
)


def section(findings: Findings) -> Section | None:
    rows: list[dict[str, Any]] = []
    said: dict[str, None] = {}
    for dataset in findings.datasets:
        race = findings.plan_of(dataset).search_race
        cube = findings.cube[(findings.cube["dataset"] == dataset) & (findings.cube["phase"] == "search")]
        if race is None or cube.empty:
            continue
        said[rule(race)] = None
        for label in findings.plan_of(dataset).activations:
            mine = cube[cube["activation"] == label]
            if len(mine):
                rows.append({"dataset": dataset, "activation": label, **races.course(mine, race)})
    if not rows:
        return None
    frame = pd.DataFrame(rows)
    after = [name for name in frame.columns if str(name).startswith(races.AFTER)]
    frame[after] = frame[after].fillna(0).astype(int)
    blocks: list[Block] = [*(Text(text) for text in said), Text(spared(frame, after)), Tabled(table(frame, after))]
    return Section(anchor="races", title="Races of settings", blocks=blocks, methods=METHODS)


def rule(race: Race) -> str:
    """What was declared."""
    looks = ", ".join(map(str, race.folds[:-1]))
    return (
        f"Settings of one activation raced on their folds: after {looks} of {race.folds[-1]}, those shown to be worse "
        f"than another of them got no more ({race.rule}). For each activation, the probability that the truly best "
        f"setting is dropped is to be {race.error:g} at most. Search budgets are equal in the number of settings and "
        "in this rule, not in folds."
    )


def spared(frame: pd.DataFrame, after: list[str]) -> str:
    """What was found."""
    dropped, settings = int(frame[after].to_numpy().sum()), int(frame["settings"].sum())
    if not dropped:
        return "No setting was dropped."
    never, planned = int(frame["spared"].sum()), int(frame["planned"].sum())
    return (
        f"{dropped} of {counted(settings, 'setting')} dropped; {never} of {counted(planned, 'planned fold')} of "
        "searches not trained. These are not missing: the mean of a dropped setting is over the folds that it had."
    )


def table(frame: pd.DataFrame, after: list[str]) -> Table:
    columns = ["dataset", "activation", "settings", *after, "lost", "left", "trained", "planned", "spared"]
    numbers = [name for name in columns if name not in ("dataset", "activation")]
    return Table(
        name="table-5-races",
        title="Races of settings",
        caption=(
            "Dropped after so many folds; without a result: stopped early, diverged, failed or given up; left: in the "
            "race to its end, of whom the winner was chosen. Folds in the last three columns."
        ),
        frame=frame[columns],
        formats=dict.fromkeys(numbers, "d"),
        heads={
            "dataset": "data set",
            "lost": "without a result",
            "spared": "not needed",
            **{name: f"dropped after {name.removeprefix(races.AFTER)}" for name in after},
        },
    )
