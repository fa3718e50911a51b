"""From a study's runs to its claims: who won each search, and how each activation stands against the control.

A notebook needs no more than a frame of fold runs and the plan::

    import pandas as pd
    from analysis.runs.plan import Declaration, Plan
    from analysis.statistics import claims, verdict

    cube = pd.DataFrame(
        [
            {"study": "s", "dataset": "digits", "trial": label, "activation": label, "phase": "confirm",
             "repeat": 0, "fold": fold, "seed": 1, "split_hash": f"split-{fold}", "status": "finished",
             "n_train": 800, "n_heldout": 200, "chance": 0.1, "run_id": f"{label}-{fold}", "heldout/accuracy": score}
            for label, scores in {"relu": [0.80, 0.82, 0.81, 0.79, 0.83],
                                  "dsrelu": [0.84, 0.855, 0.85, 0.835, 0.865]}.items()
            for fold, score in enumerate(scores)
        ]
    )
    plan = Plan(
        study="s", study_digest="", study_seed=1, dataset="digits", model="mlp", activations=("relu", "dsrelu"),
        claims_phase="confirm", repeats=(0,), folds=5,
        declaration=Declaration(question="Is DSReLU better?", control="relu", rope=0.01, declared_at="2026-01-01"),
    )
    verdict.to_frame(claims.compare(cube, plan))[["activation", "estimate", "low", "high", "p_adjusted", "word"]]
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import pandas as pd

from analysis.errors import DeclarationError
from analysis.runs.plan import Plan
from analysis.runs.schema import SCORED
from analysis.statistics import bayes, frequentist, multiplicity
from analysis.statistics.scores import Handling, Pairs, Scores, pair, scores, sign
from analysis.statistics.verdict import Verdict, Word

SMALL = "A difference is there, but it may be too small to matter."
ALONE = "Alone it would pass, in its family of comparisons it does not."
EXPLORATORY = "Chosen and scored on the same splits: exploratory."
METHOD = "corrected resampled t with Holm; Bayesian correlated t"


def winners(cube: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """The search's choice for each activation: the trial with the best mean of ``plan.search_selects_on`` (a validation
    metric) over its folds; ties go to the smaller trial id.

    Columns dataset, activation, trial (None where no trial ran all its folds), score, folds, settings (tried), complete
    (of them, those with every fold finished and the metric finite), note. Only complete trials can win. Raises
    :class:`DeclarationError` for a metric of the held-out part or one that the runs do not have.
    """
    metric = plan.search_selects_on
    if metric.split("/", 1)[0] == "heldout":
        raise DeclarationError(
            f"search_selects_on {metric!r}: a search may not see the held-out part; use validation/..."
        )
    rows = _of(cube, plan)
    rows = rows[rows["phase"] == "search"]
    if len(rows) and metric not in rows:
        have = sorted(str(name) for name in rows.columns if str(name).startswith("validation/"))
        raise DeclarationError(f"search_selects_on {metric!r}: no such column in the runs; they have {', '.join(have)}")
    result: list[dict[str, object]] = []
    for dataset in sorted(rows["dataset"].unique()):
        of_set = rows[rows["dataset"] == dataset]
        full = int(of_set.groupby("trial").size().max())
        for label in plan.activations:
            tried = of_set[of_set["activation"] == label]
            means = {}
            for trial, folds in tried.groupby("trial", sort=True):
                values = folds[metric].astype(float)
                if len(folds) == full and folds["status"].isin(SCORED).all() and values.abs().lt(math.inf).all():
                    means[str(trial)] = float(values.mean())
            best = min(means, key=lambda name: (-sign(metric) * means[name], name), default=None)
            result.append(
                {
                    "dataset": dataset,
                    "activation": label,
                    "trial": best,
                    "score": means[best] if best is not None else math.nan,
                    "folds": full,
                    "settings": int(tried["trial"].nunique()),
                    "complete": len(means),
                    "note": "" if best is not None else "No setting finished all its folds.",
                }
            )
    columns = ["dataset", "activation", "trial", "score", "folds", "settings", "complete", "note"]
    return pd.DataFrame(result, columns=pd.Index(columns))


def claimed(cube: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """The rows on which the plan's claims rest: its claims phase, and of a search only the winners' trials."""
    rows = _of(cube, plan)
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
    metric: str | None = None,
    handling: Handling = "penalised",
    datasets: int | None = None,
) -> list[Verdict]:
    """Each activation against the declared control on each data set (or all pairs, where the plan's family says so).

    One verdict a comparison: the corrected t's interval and p, Holm's p over the declared family, the posterior's three
    probabilities for the declared (or default) region of practical equivalence, and the word of :func:`decide`.
    ``metric`` overrides the declared column (a secondary metric is a family of its own, exploratory). ``datasets``
    fixes the family's number of data sets where some are missing from the cube.
    """
    rows = claimed(cube, plan)
    column = metric or f"heldout/{plan.declaration.metric}"
    if plan.declaration.control not in plan.activations:
        raise DeclarationError(
            f"control {plan.declaration.control!r}: not among the activations; they are {', '.join(plan.activations)}"
        )
    found = sorted(rows["dataset"].unique())
    verdicts: list[Verdict] = []
    for dataset in found:
        table = scores(rows, dataset=dataset, metric=column, activations=plan.activations, handling=handling)
        verdicts += [_compared(table, a, b, plan) for a, b in comparisons(plan)]
    m = multiplicity.family_size(
        plan.declaration.family, activations=len(plan.activations), datasets=max(len(found), datasets or 0)
    )
    return settle(verdicts, m=m, alpha=plan.declaration.alpha)


def at_level(plan: Plan, alpha: float) -> Plan:
    """The plan with another alpha: the one that several studies share."""
    return dataclasses.replace(plan, declaration=dataclasses.replace(plan.declaration, alpha=alpha))


def compare_studies(cube: pd.DataFrame, plans: Sequence[Plan], *, handling: Handling = "penalised") -> list[Verdict]:
    """:func:`compare` for several studies (data sets) as one family. The strictest alpha of the plans decides, and the
    intervals are of its level."""
    alpha = min((plan.declaration.alpha for plan in plans), default=0.05)
    verdicts = [verdict for plan in plans for verdict in compare(cube, at_level(plan, alpha), handling=handling)]
    m = sum(multiplicity.family_size(p.declaration.family, activations=len(p.activations), datasets=1) for p in plans)
    return settle(verdicts, m=max(m, len(verdicts)), alpha=alpha)


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
    word is settled with its family."""
    posterior = bayes.correlated_t(pairs, rope=rope, alpha=alpha)
    width = float(posterior.extras["rope"])
    t = frequentist.corrected_t(pairs, alpha=alpha, rope=width if math.isfinite(width) else None)
    return dataclasses.replace(
        t,
        method=METHOD,
        probabilities=posterior.probabilities,
        extras={**posterior.extras, **t.extras, "planned": pairs.planned, "missing": pairs.missing},
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


def settle(verdicts: Sequence[Verdict], *, m: int, alpha: float) -> list[Verdict]:
    """The verdicts as one family of ``m``: Holm's p and, from it, the word."""
    return [decide(verdict, alpha=alpha) for verdict in multiplicity.adjust(verdicts, m)]


def decide(verdict: Verdict, *, alpha: float = 0.05) -> Verdict:
    """The word of a combined verdict.

    Better or worse needs both: Holm's p <= alpha, and 1-alpha of the posterior beyond the region of practical
    equivalence on that side. Equivalent needs 1-alpha of it inside. What was refused, or has too few splits or no runs
    behind it, keeps its word.
    """
    if verdict.word in (Word.DESCRIPTIVE, Word.CANNOT_TELL) or verdict.probabilities is None:
        return verdict
    worse, same, better = verdict.probabilities
    apart = verdict.p_adjusted is not None and verdict.p_adjusted <= alpha
    word, why = Word.UNDECIDED, ""
    if same >= 1 - alpha:
        word = Word.EQUIVALENT
    elif apart and better >= 1 - alpha:
        word = Word.BETTER
    elif apart and worse >= 1 - alpha:
        word = Word.WORSE
    elif apart:
        why = SMALL
    elif verdict.p is not None and verdict.p <= alpha and max(worse, better) >= 1 - alpha:
        why = ALONE
    # A verdict that was decided in a smaller family before has its old reason taken back.
    told = verdict.note.removesuffix(SMALL).removesuffix(ALONE).strip()
    return dataclasses.replace(verdict, word=word, note=" ".join(filter(None, (told, why))))
