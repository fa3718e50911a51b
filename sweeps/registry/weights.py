"""Which fold's weights are registered: folds are several models. Held-out scores select nothing here."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from analysis.runs.plan import Plan
from sweeps.errors import FoldChanged, StudyError
from sweeps.folder import damage
from sweeps.folder.damage import WEIGHTS
from sweeps.folder.layout import quote_path
from sweeps.registry.winner import Chosen
from sweeps.wording import counted
from trainer.codec import from_text
from trainer.files import Kept
from trainer.files import damage as wrong_with
from trainer.journal import FoldHistory, Status, attempt_folder, read_fold
from trainer.spec import FoldSpec
from trainer.tasks.description import LAST, RULE_PREFIX
from trainer.tasks.metric import LOSS


@dataclass(frozen=True, kw_only=True)
class Weights:
    """A finished fold that kept its weights."""

    folder: Path
    """Of the fold."""
    attempt: Path
    spec: FoldSpec
    history: FoldHistory
    run_id: str
    """Of its run in MLflow."""
    kept: Kept | None
    """Size and digest of the weights as they were written; None where the version that wrote them kept none."""
    score: float
    """Its validation score under the rule that picked its epoch; nan where nothing was validated."""
    why: str = ""
    """A sentence: how it was chosen."""

    @property
    def name(self) -> str:
        return f"{self.spec.repeat}-{self.spec.fold}"

    @property
    def epoch(self) -> int:
        assert self.history.end is not None
        return self.history.end.outcomes[self.history.end.rule].epoch


def of(folder: Path, plan: Plan, chosen: Chosen, fold: str | None) -> Weights:
    """``fold``: as ``0-2`` or ``fold-0-2``; None: the one with the best validation score. Raises :class:`StudyError`
    for a fold that the trial does not have or whose weights were not kept, and :class:`FoldChanged` for weights that
    are not what was written."""
    if fold is not None and not re.fullmatch(r"(fold-)?\d+-\d+", fold):
        raise StudyError(f"--fold {fold}: accepts REPEAT-FOLD as `actsweep status` counts them, as 0-2")
    finished = _finished(folder, plan, chosen)
    there = [one for one in finished if (one.attempt / WEIGHTS).is_file()]
    if fold is not None:
        wanted = fold.removeprefix("fold-")
        if wanted not in (names := [one.name for one in finished]):
            raise StudyError(
                f"--fold {fold}: {chosen.trial} has no such finished fold; accepts one of {', '.join(names) or 'none'}"
            )
        there = [one for one in there if one.name == wanted]
    if not there:
        raise StudyError(_not_kept(folder, chosen, fold))
    return _chosen(plan, finished, there, asked=fold is not None)


def copy(weights: Weights, target: Path) -> str:
    """Copies the weights to ``target``, held to the digest in the fold's journal; their SHA-256. Raises
    :class:`FoldChanged`."""
    source = weights.attempt / WEIGHTS
    assert weights.history.end is not None
    found = damage.kept_damage(weights.attempt, weights.history.end)
    if not found:
        shutil.copyfile(source, target)
        if weights.kept is not None and (words := wrong_with(target, weights.kept)):
            found = [(WEIGHTS, words)]
    if found:
        name, words = found[0]
        raise FoldChanged(
            f"{weights.attempt / name}: {words}; nothing was registered. `actsweep resume "
            f"{quote_path(weights.folder.parents[2])} --retry-failed` trains the fold again; or name another with "
            "--fold"
        )
    return weights.kept.sha256 if weights.kept is not None else _sha256(target)


def _finished(folder: Path, plan: Plan, chosen: Chosen) -> list[Weights]:
    """The trial's finished folds, by repeat and fold."""
    found = []
    for row in chosen.runs.sort_values(["repeat", "fold"]).itertuples():
        home = folder / "trials" / chosen.trial / f"fold-{row.repeat}-{row.fold}"
        history = read_fold(home)
        if history is None or history.end is None or history.end.status is not Status.FINISHED:
            continue
        if history.end.rule not in history.end.outcomes:
            continue
        metrics = history.end.outcomes[history.end.rule].metrics
        found.append(
            Weights(
                folder=home,
                attempt=attempt_folder(home, history.start.attempt),
                spec=from_text(FoldSpec, (home / "spec.json").read_text(encoding="utf-8")),
                history=history,
                run_id=str(row.run_id),
                kept=history.end.kept.get(WEIGHTS),
                score=metrics.get(f"validation/{_looks_at(plan)}", math.nan),
            )
        )
    return found


def _looks_at(plan: Plan) -> str:
    """The validation metric of the declared rule; of "last", which looks at none, the loss."""
    rule = plan.declaration.rule
    return LOSS if rule == LAST else rule.removeprefix(RULE_PREFIX)


def _chosen(plan: Plan, finished: list[Weights], there: list[Weights], *, asked: bool) -> Weights:
    metric = next(metric for metric in plan.metrics if metric.name == _looks_at(plan))
    scored = [one for one in there if math.isfinite(one.score)]
    best = max(scored, key=lambda one: metric.sign * one.score, default=there[0])  # of equal ones the first
    whole = counted(len(there), "fold")
    if len(there) < len(finished) and not asked:
        whole += f" whose weights are there (of {len(finished)})"
    if asked:
        why = f"Fold {best.name} was asked for" + (f" (validation {metric.name} {best.score:.4g})." if scored else ".")
    elif scored:
        why = f"Fold {best.name} has the best validation {metric.name}, {best.score:.4g}, of {whole}."
    else:
        why = f"Fold {best.name} is the first of {whole}: nothing was validated."
    return dataclasses.replace(best, why=f"{why} No held-out score had a part in the choice.")


def _not_kept(folder: Path, chosen: Chosen, fold: str | None) -> str:
    which = f"fold {fold.removeprefix('fold-')} of {chosen.trial}" if fold else f"{chosen.trial} ({chosen.label})"
    return (
        f"{folder}: the weights of {which} are not there, and a fold that is over gives none any more. They stay where "
        "the study file says keep: best below cluster: before a fold begins. Write it there, and run it in a new "
        "folder (`actsweep run STUDY --folder OTHER`), or give this one further repeats (`actsweep extend "
        f"{quote_path(folder)} STUDY`), whose folds keep theirs"
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
