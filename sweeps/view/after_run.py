"""What is said after a run: its cost, what stopping early saved, what went wrong and what can be done about it."""

from __future__ import annotations

from dataclasses import dataclass

from sweeps.driver import decisions
from sweeps.driver.driver import Driver
from sweeps.folder import damage
from sweeps.folder.layout import quote_path
from sweeps.study import planner
from sweeps.view import damages
from sweeps.view.footprint import footprint
from sweeps.view.savings import raced, savings
from sweeps.view.status import by_reason, retry_hint, without_score
from sweeps.wording import counted


@dataclass(frozen=True, kw_only=True)
class Line:
    text: str
    problem: bool = False


@dataclass(frozen=True, kw_only=True)
class AfterRun:
    lines: tuple[Line, ...]
    lost: bool
    """Whether a fold has no score, so that a report is only made where incomplete ones are allowed."""
    incomplete: bool
    """Whether the claims lack something that was planned."""


def after_run(driver: Driver, *, finished: bool) -> AfterRun:
    """``finished``: to its end, not stopped on the way."""
    study, state, folder = driver.study, driver.state, quote_path(driver.path)
    lost = without_score(driver.path)
    damaged, unseen = damage.glance(driver.path, state)
    unchosen = [label for label in study.compared() if label not in state.selected]
    claims = decisions.claimed(state, planner.claims_phase(study), study.searched())
    lines = [Line(text=footprint(driver.cluster.costs).words())]
    saved = savings(study, state, driver.path / "trials")
    if saved is not None and saved.epochs:
        lines.append(Line(text=saved.words()))
    if state.reused:
        lines.append(Line(text=f"not trained again: {counted(len(state.reused), 'fold')}, taken from where they were"))
    for (source, why), count in sorted(driver.reuse.not_taken.items()):
        named = f" of {source}" if source else ""
        lines.append(Line(text=f"trained anew: {counted(count, 'fold')}{named} could not be taken: {why}"))
    if spared := raced(study, state):
        lines.append(Line(text=spared))
    if driver.tracking_problem:
        text = f"MLflow is behind: {driver.tracking_problem}. `actsweep sync {folder}` catches up."
        lines.append(Line(text=text, problem=True))
    for reason, folds in by_reason(lost).items():
        first = f"`actsweep logs {folder} {folds[0].replace('/', ' ')}`"
        lines.append(Line(text=f"given up: {', '.join(folds)}: {reason}. See {first}", problem=True))
    if finished and unchosen:
        text = f"not compared: {', '.join(unchosen)}: no setting searched has a result"
        lines.append(Line(text=text, problem=True))
    unpaid = [Line(text=f"not paid for by the budget: {each.what}", problem=True) for each in state.spending.shortfalls]
    lines += unpaid
    told = [f"passed over: {line}" for lines_of in driver.journals.damaged.values() for line in lines_of]
    told += [*damages.words(driver.path, state, damaged, unseen), *damages.trained_again(state)]
    lines += [Line(text=text, problem=True) for text in told]
    if lost:
        lines.append(Line(text=retry_hint(driver.path, study, state, lost), problem=True))
    if not finished:
        lines.append(Line(text=f"stopped; go on with `actsweep resume {folder}`"))
    unpaid_claims = finished and bool(state.unfinished())
    without = {*lost, *(fold for fold, wrong in damaged.items() if wrong.lost)}
    return AfterRun(
        lines=tuple(lines),
        lost=bool(without) or unpaid_claims,
        incomplete=bool(unchosen) or not claims.isdisjoint(without) or unpaid_claims,
    )
