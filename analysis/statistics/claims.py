"""From a study's runs to its claims: who won each search, and how each activation stands against the control.

Where a search chose among several settings, its choice is a column ``selected`` of the frame, true on the chosen
trial's rows: the driver's, which is read here and never made again.

A notebook needs no more than a frame of fold runs and the plan::

    import pandas as pd
    from analysis.runs.metric import Metric
    from analysis.runs.plan import Declaration, Plan
    from analysis.statistics import claims, verdict

    cube = pd.DataFrame(
        [
            {"study": "s", "dataset": "digits", "trial": label, "activation": label, "phase": "confirm",
             "repeat": 0, "fold": fold, "seed": 1, "split_hash": f"split-{fold}", "status": "finished",
             "n_train": 800, "n_heldout": 200, "run_id": f"{label}-{fold}", "heldout/score": score}
            for label, scores in {"relu": [0.80, 0.82, 0.81, 0.79, 0.83],
                                  "dsrelu": [0.84, 0.855, 0.85, 0.835, 0.865]}.items()
            for fold, score in enumerate(scores)
        ]
    )
    plan = Plan(
        study="s", study_digest="", study_seed=1, dataset="digits", model="mlp", activations=("relu", "dsrelu"),
        task="reading", metrics=(Metric(name="score", better="higher", low=0, high=1),),
        claims_phase="confirm", repeats=(0,), folds=5,
        declaration=Declaration(question="Is DSReLU better?", metric="score", rule="last", control="relu", rope=0.01,
                                declared_at="2026-01-01"),
    )
    verdict.to_frame(claims.compare(cube, plan))[["activation", "estimate", "low", "high", "p_adjusted", "word"]]
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from functools import partial

import pandas as pd

from analysis.errors import DeclarationError
from analysis.runs.metric import find
from analysis.runs.plan import Plan
from analysis.runs.schema import SCORED, Status
from analysis.statistics import bayes, course, design, frequentist, integrity, multiplicity, qualified, races, rule
from analysis.statistics.course import Course
from analysis.statistics.finding import to_frame
from analysis.statistics.grown import noted, standing
from analysis.statistics.scores import Handling, Pairs, Scores, pair, scores
from analysis.statistics.verdict import Verdict, Word

SMALL = "A difference is there, but it may be too small to matter."
ALONE = "Alone it would pass, in its family of comparisons it does not."
UNSEARCHED = "Nothing was searched."
EXPLORATORY = "Chosen and scored on the same splits: exploratory."
METHOD = "corrected resampled t with Holm; Bayesian correlated t"


def winners(cube: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """What each search chose, by the mean of ``plan.search_selects_on`` (a validation metric) over a trial's folds.

    Columns dataset, activation, trial (missing where nothing is chosen yet), score (that mean, as the choice was made),
    folds, settings (tried), complete (of them, those with every fold finished and the metric finite), note. An
    activation that was not searched has its one trial. Raises :class:`DeclarationError` for a metric of the held-out
    part or one that the runs do not have, and where several trials of one activation come without a choice.
    """
    rows = _of(cube, plan)
    rows = rows[rows["phase"] == "search"]
    _refuse_selection(rows, plan)
    result: list[dict[str, object]] = []
    for dataset in sorted(rows["dataset"].unique()):
        of_set = rows[rows["dataset"] == dataset]
        full = plan.search_race.folds[-1] if plan.search_race else int(of_set.groupby("trial").size().max())
        for label in plan.activations:
            tried = of_set[of_set["activation"] == label]
            means = _complete(tried, plan.search_selects_on, full)
            trial, score, note = _chosen(tried, label, plan, means)
            folds = int((tried["trial"] == trial).sum()) if plan.search_race and trial else full
            if trial and folds < full:
                note = f"{note} Chosen after {folds} of {full} folds: {_raced(tried)}.".strip()
            result.append(
                {
                    "dataset": dataset,
                    "activation": label,
                    "trial": trial,
                    "score": score,
                    "folds": folds if len(tried) else 0,
                    "settings": int(tried["trial"].nunique()),
                    "complete": len(means),
                    "note": note,
                }
            )
    columns = ["dataset", "activation", "trial", "score", "folds", "settings", "complete", "note"]
    return noted(pd.DataFrame(result, columns=pd.Index(columns)), _of(cube, plan), plan)


def _raced(tried: pd.DataFrame) -> str:
    """Why a race of settings ended before the one that was chosen had all of its folds."""
    left = tried[~races.dropped(tried) & (tried["status"] == Status.FINISHED)]
    return "no other was left in its race" if left["trial"].nunique() == 1 else "its race ended early"


def _refuse_selection(rows: pd.DataFrame, plan: Plan) -> None:
    """Raises for a column that no search may have chosen by."""
    column = plan.search_selects_on
    if column.split("/", 1)[0] == "heldout":
        raise DeclarationError(
            f"search_selects_on {column!r}: a search may not see the held-out part; use validation/..."
        )
    if len(rows) and column not in rows:
        have = sorted(str(name) for name in rows.columns if str(name).startswith("validation/"))
        raise DeclarationError(f"search_selects_on {column!r}: no such column in the runs; they have {', '.join(have)}")


def _complete(tried: pd.DataFrame, column: str, full: int) -> dict[str, float]:
    """Mean of ``column`` over the folds of each trial that ran all ``full`` of them to their end."""
    means = {}
    for trial, folds in tried.groupby("trial", sort=True):
        values = folds[column].astype(float)
        if len(folds) == full and folds["status"].isin(SCORED).all() and values.abs().lt(math.inf).all():
            means[str(trial)] = float(values.mean())
    return means


def _chosen(tried: pd.DataFrame, label: str, plan: Plan, means: dict[str, float]) -> tuple[str | None, float, str]:
    """The trial that was chosen, its score and what is to be said of it."""
    trials = sorted(map(str, tried["trial"].unique()))
    if not trials:
        return None, math.nan, "No run of its search is there." if plan.search_trials.get(label) else UNSEARCHED
    recorded = "selected" in tried and bool(tried["selected"].notna().any())
    won = tried[tried["selected"].eq(True)] if recorded else tried.iloc[:0]
    if len(won):
        trial = str(won["trial"].iloc[0])
        value = float(won["selected_value"].iloc[0]) if "selected_value" in won else math.nan
        return trial, means.get(trial, math.nan) if math.isnan(value) else value, ""
    if len(trials) == 1 and not (recorded and plan.search_trials.get(label)):
        return trials[0], means.get(trials[0], math.nan), UNSEARCHED if plan.search_trials.get(label) == 0 else ""
    if not recorded:
        raise DeclarationError(
            f"{label}: {len(trials)} trials of a search and no record of which it chose; add a column 'selected' to "
            "the runs, true on every row of the chosen trial"
        )
    return None, math.nan, "The search has not chosen a setting."


def claimed(cube: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """The rows on which the plan's claims rest: its claims phase, and of a search only the trials that it chose; where
    it went on and chose again (column ``earlier``), not what was trained for the choice before."""
    rows = _of(cube, plan)
    rows = standing(rows)
    rows = rows[rows["phase"] == plan.claims_phase]
    if plan.claims_phase == "confirm" or rows.empty:
        return rows
    won = winners(cube, plan)
    keep = set(zip(won["dataset"], won["activation"], won["trial"], strict=True))
    mine = [key in keep for key in zip(rows["dataset"], rows["activation"], rows["trial"], strict=True)]
    return rows[pd.Series(mine, index=rows.index, dtype=bool)]


def _of(cube: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    return cube[cube["study"] == plan.study] if "study" in cube.columns else cube


def compare(
    cube: pd.DataFrame,
    plan: Plan,
    *,
    column: str | None = None,
    handling: Handling = "penalised",
) -> list[Verdict]:
    """Each activation against the declared control on each data set (or all pairs, where the plan's family says so).

    One verdict a comparison: the corrected t's interval and p, Holm's p over the declared family, the posterior's three
    probabilities for the declared (or default) region of practical equivalence, and the word of :func:`decide`.
    ``column`` overrides the declared one (a secondary metric is a family of its own, exploratory).

    Of a study that repeats until its comparisons are decided, each verdict is of the look at which its comparison ended
    by the declared metric, with p-values and an interval that hold over the looks (:func:`followed`).
    """
    rows = claimed(cube, plan)
    find(plan.metrics, column or plan.declaration.metric)
    if plan.declaration.control not in plan.activations:
        raise DeclarationError(
            f"control {plan.declaration.control!r}: not among the activations; they are {', '.join(plan.activations)}"
        )
    found = sorted(rows["dataset"].unique())
    verdicts: list[Verdict] = []
    for dataset in found:
        of_set = rows[rows["dataset"] == dataset]
        if plan.until_decided is None:
            table = _table(of_set, plan, column, handling)
            verdicts += [_compared(table, a, b, plan) for a, b in comparisons(plan)]
            continue
        mine = followed(of_set, plan)
        if column is None and handling == "penalised":
            verdicts += [standing.verdict for standing in mine.standings.values()]
        else:
            other = partial(_table, plan=plan, column=column, handling=handling)
            verdicts += course.at_its_ends(of_set, plan, mine, other, _by(plan))
    m = multiplicity.family_size(plan.declaration.family, activations=len(plan.activations), datasets=len(found))
    return decide_all(verdicts, m=m, alpha=plan.declaration.alpha)


def followed(rows: pd.DataFrame, plan: Plan) -> Course:
    """How the comparisons of a study that repeats until they are decided stood after each look, by its claimed ``rows``
    on one data set. The words are the driver's."""

    def decided(verdict: Verdict) -> Verdict:
        return decide(verdict, alpha=course.ruled(plan).alpha)

    return course.follow(rows, plan, comparisons(plan), lambda mine: _table(mine, plan), _by(plan), decided)


def tables(rows: pd.DataFrame, plan: Plan) -> dict[course.Pair, Scores]:
    """The scores that each planned comparison rests on, of the claimed ``rows`` on one data set: all, or those of the
    repeats that it was decided by."""
    if plan.until_decided is None:
        return dict.fromkeys(comparisons(plan), _table(rows, plan))
    ends = {pair: standing.repeats for pair, standing in followed(rows, plan).standings.items()}
    each = {repeats: _table(course.until(rows, plan, repeats), plan) for repeats in set(ends.values())}
    return {pair: each[repeats] for pair, repeats in ends.items()}


def _table(rows: pd.DataFrame, plan: Plan, column: str | None = None, handling: Handling = "penalised") -> Scores:
    (dataset,) = rows["dataset"].unique()
    return scores(
        rows,
        dataset=str(dataset),
        metric=find(plan.metrics, column or plan.declaration.metric),
        column=column,
        activations=plan.activations,
        handling=handling,
        own_repeats=plan.until_decided is not None,
    )


def _by(plan: Plan) -> course.Compared:
    return lambda table, activation, control: _compared(table, activation, control, plan)


def concluded(cube: pd.DataFrame, plans: Sequence[Plan]) -> tuple[list[Verdict], pd.DataFrame]:
    """What may be claimed: :func:`compare_studies`, with what the checks of the data do to each word, and the checks
    (columns :data:`analysis.statistics.finding.COLUMNS`)."""
    findings = [one for plan in plans for one in integrity.found(claimed(cube, plan), plan, _of(cube, plan), followed)]
    return qualified.qualify(compare_studies(cube, plans), findings), to_frame(findings)


def at_level(plan: Plan, alpha: float) -> Plan:
    """The plan with another alpha: the one that several studies share."""
    return dataclasses.replace(plan, declaration=dataclasses.replace(plan.declaration, alpha=alpha))


def compare_studies(cube: pd.DataFrame, plans: Sequence[Plan], *, handling: Handling = "penalised") -> list[Verdict]:
    """:func:`compare` for several studies (data sets) as one family. The strictest alpha of the plans decides, and the
    intervals are of its level."""
    alpha = min((plan.declaration.alpha for plan in plans), default=0.05)
    verdicts = [verdict for plan in plans for verdict in compare(cube, at_level(plan, alpha), handling=handling)]
    m = sum(multiplicity.family_size(p.declaration.family, activations=len(p.activations), datasets=1) for p in plans)
    return decide_all(verdicts, m=max(m, len(verdicts)), alpha=alpha)


def comparisons(plan: Plan) -> list[tuple[str, str]]:
    """(activation, control) of each planned comparison on one data set."""
    control = plan.declaration.control
    others = [label for label in plan.activations if label != control]
    pairs = [(label, control) for label in others]
    if plan.declaration.family == "all_pairs":
        pairs += [(a, b) for i, a in enumerate(others) for b in others[i + 1 :]]
    return pairs


def _compared(table: Scores, activation: str, control: str, plan: Plan) -> Verdict:
    pairs = pair(table, activation, control)
    found = combined(pairs, rope=plan.declaration.rope, alpha=plan.declaration.alpha)
    return explored(found) if {activation, control} & chosen(plan) else found


def combined(pairs: Pairs, *, rope: float | None, alpha: float) -> Verdict:
    """The corrected t's interval and p with the posterior's probabilities for ``rope`` (None: the default one); the
    word is decided with its family."""
    posterior = bayes.correlated_t(pairs, rope=rope, alpha=alpha)
    width = float(posterior.extras["rope"])
    wanted = design.asked(pairs, rope)
    t = frequentist.corrected_t(pairs, alpha=alpha, rope=width if math.isfinite(width) else None)
    return dataclasses.replace(
        t,
        method=METHOD,
        probabilities=posterior.probabilities,
        extras={**posterior.extras, **t.extras, "planned": pairs.planned, "missing": pairs.missing}
        | {"difference_asked": wanted.size, "difference_is": wanted.what}
        | ({"difference_room": wanted.room} if math.isfinite(wanted.room) else {}),
    )


def chosen(plan: Plan) -> frozenset[str]:
    """Labels whose setting was chosen among several on the splits that the claims rest on."""
    if plan.claims_phase != "search":
        return frozenset()
    return frozenset(label for label, count in plan.search_trials.items() if count > 1)


def explored(verdict: Verdict) -> Verdict:
    """Of a comparison with a setting that was chosen on the same splits: no claim, whatever it shows."""
    word = verdict.word if verdict.word is Word.CANNOT_TELL else Word.DESCRIPTIVE
    return dataclasses.replace(verdict, word=word, note=f"{verdict.note} {EXPLORATORY}".strip())


def decide_all(verdicts: Sequence[Verdict], *, m: int, alpha: float) -> list[Verdict]:
    """The verdicts as one family of ``m``: Holm's p and, from it, the word."""
    return [decide(verdict, alpha=alpha) for verdict in multiplicity.adjust(verdicts, m)]


def decide(verdict: Verdict, *, alpha: float = 0.05) -> Verdict:
    """The word of a combined verdict.

    :func:`analysis.statistics.rule.word` with the family's p of either kind. What it leaves open is "cannot tell at
    this n" where the design could not have told the difference that was asked for (:mod:`analysis.statistics.design`;
    extras ``power`` at ``difference_asked`` and ``detectable``), unless a difference from 0 was told. What was refused,
    or has too few splits or no runs behind it, keeps its word. A verdict may be decided again, in another family.
    """
    verdict = design.foreseen(verdict, alpha)
    refused = verdict.word is Word.CANNOT_TELL and "power" not in verdict.extras
    if refused or verdict.withdrawn or verdict.word is Word.DESCRIPTIVE or verdict.probabilities is None:
        return verdict
    same, same_alone = verdict.extras.get("p_equivalence_adjusted"), verdict.extras.get("p_equivalence")
    family, alone = (
        rule.word(verdict.probabilities, p=p, p_same=None if q is None else float(q), alpha=alpha)
        for p, q in ((verdict.p_adjusted, same), (verdict.p, same_alone))
    )
    word, why = family, []
    if family is Word.UNDECIDED:
        if verdict.p_adjusted is not None and verdict.p_adjusted <= alpha:
            why.append(SMALL)
        else:
            why += [ALONE] if alone is not Word.UNDECIDED else []
            if float(verdict.extras.get("power", 1.0)) < design.COIN:
                word = Word.CANNOT_TELL
                why.append(design.weak(verdict))
    return reasoned(verdict, word, " ".join(why))


def reasoned(verdict: Verdict, word: Word, why: str) -> Verdict:
    """The verdict with another word and its reason, in place of the one that it had."""
    told = verdict.note.removesuffix(verdict.reason).strip()
    return dataclasses.replace(verdict, word=word, reason=why, note=" ".join(filter(None, (told, why))))
