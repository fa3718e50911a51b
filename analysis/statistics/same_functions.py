"""Whether a comparison is between one function and itself: what is found then is chance, or what training did."""

from __future__ import annotations

import itertools
from typing import Any

import pandas as pd

from analysis.runs.plan import Sameness
from analysis.runs.schema import ACTIVATION_PARAM, DEGREES, TRAINING_PARAM
from analysis.statistics import functions
from analysis.statistics.finding import Runs, Seen, warn

WITHIN = 1e-3
"""The distance where a plan states none."""
Setting = tuple[str, dict[str, Any]]


def look(runs: Runs) -> Seen:
    """Pairs of activations that the claimed runs trained as one function: by their formulas where these are known,
    whatever setting a search chose, else by what was found before the study started."""
    settings = {label: setting(runs.rows, label) for label in runs.plan.activations}
    within = runs.plan.same.within or WITHIN
    result: Seen = []
    for one, other in itertools.combinations(settings, 2):
        mine, theirs = settings[one], settings[other]
        apart = functions.distance(mine, theirs) if mine and theirs else float("nan")
        if apart <= within:
            assert mine is not None
            assert theirs is not None
            learnt = mine != theirs and (functions.learns(*mine) or functions.learns(*theirs))
        elif apart == apart or not planned(runs.plan.same, one, other):
            continue
        else:
            learnt = planned(runs.plan.same, one, other) == "starts"
        result.append(warn(sentence(runs, one, other, within, learnt=learnt), frozenset({one, other}), together=True))
    return result


def planned(same: Sameness, one: str, other: str) -> str:
    """Where the plan has the pair: "pairs", "starts", or "" for nowhere."""
    for name, found in (("pairs", same.pairs), ("starts", same.starts)):
        if {(one, other), (other, one)} & set(found):
            return name
    return ""


def sentence(runs: Runs, one: str, other: str, within: float, *, learnt: bool) -> str:
    differs = trained_differently(runs.rows, one, other)
    causes = ["what their parameters learned"] if learnt else []
    causes += [f"what differs in their training ({differs})"] if differs else []
    return (
        f"{one} and {other} {'start as' if learnt else 'are'} the same function, to within {within:g}: what is found "
        f"between them is {' or '.join([*causes, 'chance'])}."
    )


def trained_differently(rows: pd.DataFrame, one: str, other: str) -> str:
    """Training fields in which two activations' runs differ."""
    fields = [str(name) for name in rows.columns if str(name).startswith(TRAINING_PARAM)]
    of = [rows[rows["activation"] == label] for label in (one, other)]
    found = [name for name in fields if {*map(str, of[0][name])} != {*map(str, of[1][name])}]
    return ", ".join(name.removeprefix(TRAINING_PARAM) for name in found)


def setting(rows: pd.DataFrame, label: str) -> Setting | None:
    """Name and parameters that an activation's claimed runs had; None where they had several, or none is recorded."""
    if "activation_name" not in rows:
        return None
    mine = rows[(rows["activation"] == label) & (rows["run_id"] != "")]
    columns = [
        str(name) for name in mine.columns if str(name).startswith(ACTIVATION_PARAM) and DEGREES not in str(name)
    ]
    found: dict[str, Setting] = {}
    for record in mine[["activation_name", *columns]].to_dict(orient="records"):
        params = {
            name.removeprefix(ACTIVATION_PARAM): plain(record[name])
            for name in columns
            if record[name] is not None and record[name] == record[name]
        }
        one = (str(record["activation_name"]), params)
        found[repr(one)] = one
    return next(iter(found.values())) if len(found) == 1 else None


def plain(value: object) -> object:
    """A parameter as it was given, where a store made text of it."""
    return {"true": True, "false": False}.get(value.lower(), value) if isinstance(value, str) else value
