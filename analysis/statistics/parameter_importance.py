"""How much each searched parameter matters, behind a gate.

On noise an importance looks like a finding: three irrelevant parameters get 0.29, 0.16 and 0.14 of a forest's. So
importance is what is lost of R2 on unseen settings where the parameter alone is dealt anew, and a parameter counts only
if that loss is beyond chance, corrected for the number of parameters. Otherwise: no detectable effect.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.runs.schema import ACTIVATION_PARAM, DEGREES, SCORED, TRAINING_PARAM
from analysis.runs.wording import counted
from analysis.statistics import dsrelu, multiplicity, parameter_gate, races
from analysis.statistics.scores import Array

LEAST_SETTINGS = 12
"""Fewer finished settings than this are not analysed."""
PER_PARAMETER = 30
"""Settings that a parameter asks for; below, the note says so."""
TREES = 60
COLUMNS = ["parameter", "importance", "fanova", "chance_95", "p", "r2", "passes", "word", "settings", "note"]
NO_EFFECT, EFFECT = "no detectable effect", "detectable effect"


def settings(cube: pd.DataFrame, activation: str, *, column: str) -> pd.DataFrame:
    """One row a setting that finished: trial, its varied parameters as numbers, score (mean over folds), sd and folds.

    DSReLU's derived ones are added where a, b or k vary. Only rows of the search phase count, where there are any; of
    settings that raced, those on the folds that all of them have.
    """
    rows = cube[(cube["activation"] == activation) & cube["status"].isin(SCORED)]
    if (rows["phase"] == "search").any():
        rows = races.on_shared_folds(rows[rows["phase"] == "search"])
    rows = rows[np.isfinite(rows[column].astype(float))] if column in rows else rows.iloc[:0]
    every = [str(name) for name in rows.columns if str(name).startswith((ACTIVATION_PARAM, TRAINING_PARAM))]
    # An angle is its tangent told once more, not a second parameter.
    named = [name for name in every if name.removesuffix(DEGREES) == name or name.removesuffix(DEGREES) not in every]
    table = rows.groupby("trial", sort=True).agg(
        score=(column, "mean"), sd=(column, "std"), folds=(column, "size"), **{name: (name, "first") for name in named}
    )
    for name in named:
        numbers = pd.to_numeric(table[name], errors="coerce")
        if numbers.isna().any() or numbers.nunique() < 2:
            table = table.drop(columns=name)
        else:
            table[name] = numbers
    # The ends of the slope need all three, varied or not.
    if dsrelu.A in table or dsrelu.B in table or dsrelu.K in table:
        whole = rows.groupby("trial", sort=True)[[n for n in (dsrelu.A, dsrelu.B, dsrelu.K) if n in rows]].first()
        extra = dsrelu.derived(whole)
        for name in dsrelu.DERIVED:
            if name in extra and pd.to_numeric(extra[name], errors="coerce").nunique() > 1:
                table[name] = extra[name].astype(float)
    return table.reset_index()


def parameters_of(table: pd.DataFrame, *, derived: bool = False) -> list[str]:
    """The varied parameters of :func:`settings`; with ``derived`` the derived ones in place of a, b and k."""
    own = [str(name) for name in table.columns if str(name).startswith((ACTIVATION_PARAM, TRAINING_PARAM))]
    extra = [name for name in dsrelu.DERIVED if name in table]
    if not derived or not extra:
        return own
    return [*extra, *(name for name in own if name not in (dsrelu.A, dsrelu.B, dsrelu.K))]


def importance(
    table: pd.DataFrame,
    rng: np.random.Generator,
    *,
    parameters: Sequence[str] | None = None,
    fanova: bool = True,
) -> pd.DataFrame:
    """Importance of each parameter with the gate: columns ``COLUMNS``, most important first.

    ``table`` is from :func:`settings`. ``importance`` is the R2 on unseen settings that is lost where the parameter
    alone is dealt anew, ``chance_95`` the 95th percentile of such a loss by chance, ``p`` that of its test after Holm
    over the parameters, ``r2`` that of all of them together; see :mod:`analysis.statistics.parameter_gate`. ``passes``
    where p is at most 0.05 and r2 above 0. Of DSReLU's derived parameters, which determine one another, each stands
    alone beside the others. ``fanova`` is Optuna's (nan where switched off). Too few settings or a constant score give
    no numbers and say why. What is random is drawn from ``rng``.
    """
    names = list(parameters) if parameters is not None else parameters_of(table)
    why = _refusal(table, names)
    if why:
        rows = [[name, *[math.nan] * 5, False, NO_EFFECT, len(table), why] for name in names]
        return pd.DataFrame(rows, columns=pd.Index(COLUMNS))
    X, y = _plain(table, names), table["score"].to_numpy(dtype=float)
    found = [_tested(X, y, names, name, rng) for name in names]
    p = multiplicity.holm([one.p for one in found])
    by_fanova = _fanova(_scaled(table, names), y, names, rng) if fanova else dict.fromkeys(names, math.nan)
    needed = PER_PARAMETER * len(names)
    note = (
        f"{counted(len(table), 'setting')}; about {needed} are needed for {counted(len(names), 'parameter')}."
        if len(table) < needed
        else ""
    )
    rows = []
    for name, one, adjusted in zip(names, found, p, strict=True):
        passes = bool(adjusted <= parameter_gate.LEVEL and one.r2 > 0)
        word = EFFECT if passes else NO_EFFECT
        numbers = [one.loss, by_fanova[name], one.chance_95, float(adjusted), one.r2]
        rows.append([name, *numbers, passes, word, len(table), note])
    frame = pd.DataFrame(rows, columns=pd.Index(COLUMNS))
    return frame.sort_values("importance", ascending=False, kind="stable").reset_index(drop=True)


def _tested(X: Array, y: Array, names: Sequence[str], name: str, rng: np.random.Generator) -> parameter_gate.Tested:
    """One parameter beside the others, but for those that it is derived with."""
    beside = [at for at, other in enumerate(names) if other != name and not {name, other} <= set(dsrelu.DERIVED)]
    columns = [names.index(name), *beside]
    return parameter_gate.tested(X[:, columns], y, 0, rng, draws=parameter_gate.deals(len(names)))


def _refusal(table: pd.DataFrame, names: Sequence[str]) -> str:
    if not names:
        return "No parameter was varied."
    if len(table) < LEAST_SETTINGS:
        return f"{counted(len(table), 'finished setting')}; at least {LEAST_SETTINGS} are needed."
    scores = table["score"].to_numpy(dtype=float)
    if not np.isfinite(scores).all():
        return "Some scores are not finite; leave those settings out."
    if np.ptp(scores) <= 1e-12 * max(1.0, float(np.abs(scores).max())):
        return "The score is the same for every setting."
    return ""


def _scaled(table: pd.DataFrame, names: Sequence[str]) -> Array:
    """Parameters (settings, parameters); those that are positive and span more than a factor of 5 as logarithms."""
    columns = []
    for name in names:
        values = table[name].to_numpy(dtype=float)
        wide = bool((values > 0).all()) and values.max() > 5 * values.min()
        columns.append(np.log(values) if wide else values)
    return np.column_stack(columns)


def _forest(rng: np.random.Generator) -> Any:
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(n_estimators=TREES, min_samples_leaf=2, random_state=_seed(rng), n_jobs=1)


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def _fanova(X: Array, y: Array, names: Sequence[str], rng: np.random.Generator) -> dict[str, float]:
    """Optuna's functional ANOVA over the same settings."""
    import optuna

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    low, high = X.min(axis=0), X.max(axis=0)
    spaces: dict[str, optuna.distributions.BaseDistribution] = {
        name: optuna.distributions.FloatDistribution(float(low[i]), float(high[i])) for i, name in enumerate(names)
    }
    study.add_trials(
        [
            optuna.trial.create_trial(
                params=dict(zip(names, map(float, row), strict=True)), distributions=spaces, value=float(value)
            )
            for row, value in zip(X, y, strict=True)
        ]
    )
    evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=TREES, seed=_seed(rng))
    found = optuna.importance.get_param_importances(study, evaluator=evaluator, params=list(names))
    return {name: float(found.get(name, math.nan)) for name in names}


def partial_dependence(
    cube: pd.DataFrame,
    activation: str,
    parameter: str,
    rng: np.random.Generator,
    *,
    column: str,
    points: int = 20,
) -> pd.DataFrame:
    """What the score is expected to be as one parameter moves and the others stay as they were: columns parameter,
    value, mean, low, high, forests. One forest for each (repeat, fold) of the search; the band is their range. Empty
    where nothing can be said."""
    columns = pd.Index(["parameter", "value", "mean", "low", "high", "forests"])
    table = settings(cube, activation, column=column)
    names = parameters_of(table, derived=parameter in dsrelu.DERIVED)
    if _refusal(table, names) or parameter not in names:
        return pd.DataFrame(columns=columns)
    grid = np.linspace(float(table[parameter].min()), float(table[parameter].max()), points)
    wide = _by_fold(cube, activation, column).reindex(table["trial"])
    lines = []
    for fold in wide.columns:
        scores = wide[fold]
        known = scores.notna().to_numpy()
        if known.sum() < LEAST_SETTINGS:
            continue
        forest = _forest(rng).fit(_plain(table[known], names), scores[known].to_numpy(dtype=float))
        lines.append(_expected(forest, table, names, {parameter: grid}))
    if not lines:
        return pd.DataFrame(columns=columns)
    drawn = np.array(lines)
    low, mean, high = drawn.min(axis=0), drawn.mean(axis=0), drawn.max(axis=0)
    band = {"value": grid, "mean": mean, "low": low, "high": high}
    return pd.DataFrame(band).assign(parameter=parameter, forests=len(lines))[columns]


def interaction(
    cube: pd.DataFrame,
    activation: str,
    parameters: tuple[str, str],
    rng: np.random.Generator,
    *,
    column: str,
    points: int = 12,
) -> pd.DataFrame:
    """Expected score over a grid of two parameters: columns first, second, expected (named values of the two, and the
    score). Empty where nothing can be said."""
    columns = pd.Index(["first", "second", "expected"])
    table = settings(cube, activation, column=column)
    names = parameters_of(table, derived=any(parameter in dsrelu.DERIVED for parameter in parameters))
    if _refusal(table, names) or not set(parameters) <= set(names):
        return pd.DataFrame(columns=columns)
    forest = _forest(rng).fit(_plain(table, names), table["score"].to_numpy(dtype=float))
    axes = [
        np.linspace(float(table[parameter].min()), float(table[parameter].max()), points) for parameter in parameters
    ]
    first, second = (axis.ravel() for axis in np.meshgrid(*axes, indexing="ij"))
    expected = _expected(forest, table, names, {parameters[0]: first, parameters[1]: second})
    return pd.DataFrame({"first": first, "second": second, "expected": expected})


def _by_fold(cube: pd.DataFrame, activation: str, column: str) -> pd.DataFrame:
    rows = cube[(cube["activation"] == activation) & cube["status"].isin(SCORED)]
    if (rows["phase"] == "search").any():
        rows = races.on_shared_folds(rows[rows["phase"] == "search"])
    return rows.pivot_table(index="trial", columns=["repeat", "fold", "seed"], values=column, aggfunc="mean")


def _plain(table: pd.DataFrame, names: Sequence[str]) -> Array:
    return table[list(names)].to_numpy(dtype=float)


def _expected(forest: Any, table: pd.DataFrame, names: Sequence[str], moved: dict[str, Array]) -> Array:
    """Mean prediction over the settings with the named parameters set to each of the values, (values,)."""
    base = _plain(table, names)
    size = len(next(iter(moved.values())))
    X = np.repeat(base[None], size, axis=0)
    for parameter, values in moved.items():
        X[:, :, list(names).index(parameter)] = values[:, None]
    predicted: Array = forest.predict(X.reshape(-1, base.shape[1])).reshape(size, len(base))
    return np.asarray(predicted.mean(axis=1))
