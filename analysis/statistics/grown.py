"""What it means for the claims that a study grew after its results could be seen."""

from __future__ import annotations

import pandas as pd

from analysis.runs.plan import Extension, Plan
from analysis.runs.wording import counted
from analysis.statistics.finding import Observation, Runs, Seen, passed, warn

FOR_ALL = ("repeats", "until", "budget")
"""What grows for every activation alike: how much of it there is may then hang on what it said so far."""


def declared_before_results(runs: Runs) -> Seen:
    """Growth after folds that the claims rest on were over: whoever decided on it could have seen how they came out."""
    plan = runs.plan
    late = [one for one in plan.history if one.folds_done.get(plan.claims_phase, 0)]
    if not late:
        return [passed(f"{one.words().capitalize()}.") for one in plan.history]
    return [seen for one in late for seen in _seen(one, plan, runs)]


def _seen(extension: Extension, plan: Plan, runs: Runs) -> Seen:
    when = f"on {extension.at}, {extension.seen()}"
    found: list[Observation] = []
    if of_all := [words for kind, words in extension.changes.items() if kind in FOR_ALL]:
        found.append(warn(f"The study was extended {when}: {'; '.join(of_all)}."))
    if extension.added:
        found.append(warn(f"{', '.join(extension.added)} came in {when}.", frozenset(extension.added)))
    if extension.searched_again:
        labels, again = extension.searched_again, earlier(runs.every, plan)
        chosen = "".join(
            f" {label} has another winner since; {words} confirmed the one before, and {_is(words)} left out."
            for label, words in again.items()
            if label in labels
        )
        samples = extension.changes.get("samples", "further settings")
        found.append(warn(f"Searches of {', '.join(labels)} went on {when}: {samples}.{chosen}", frozenset(labels)))
    return found


def _is(words: str) -> str:
    return "are" if "," in words else "is"


def earlier(cube: pd.DataFrame, plan: Plan) -> dict[str, str]:
    """Activation -> trials, with their folds in words, that were trained for a winner that is none any more."""
    if "earlier" not in cube:
        return {}
    rows = cube[cube["earlier"].eq(True) & (cube["phase"] == plan.claims_phase)]
    found: dict[str, list[str]] = {}
    for (label, trial), folds in rows.groupby(["activation", "trial"], sort=True):
        found.setdefault(str(label), []).append(f"{trial} ({counted(len(folds), 'fold')})")
    return {label: ", ".join(trials) for label, trials in found.items()}


def standing(rows: pd.DataFrame) -> pd.DataFrame:
    """Without what was trained for a winner that is none any more."""
    return rows[rows["earlier"].ne(True)] if "earlier" in rows else rows


def noted(winners: pd.DataFrame, cube: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """Winners of searches, with a note where an earlier one was confirmed."""
    past = earlier(cube, plan)
    said = {
        label: f" An earlier winner was confirmed by {trials}; no claim rests on it." for label, trials in past.items()
    }
    notes = [
        f"{note}{said.get(label, '')}".strip()
        for label, note in zip(winners["activation"], winners["note"], strict=True)
    ]
    return winners.assign(note=notes)
