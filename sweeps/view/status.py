"""How a study stands, from its files alone: no lock, no scheduler, no change. For ``actsweep status`` and ``logs``."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from analysis.runs.account import Account
from analysis.runs.accounting import Accounting
from analysis.runs.plan import from_json
from slurm.errors import ClusterError
from slurm.profile import Profile
from sweeps.driver import account, accounted, decisions, profiles, session, waiting
from sweeps.driver.fold_specs import specs_of
from sweeps.driver.waiting import Waiting
from sweeps.errors import StudyError
from sweeps.folder import damage, ledger, place
from sweeps.folder.journals import Journals
from sweeps.folder.layout import PLAN, quote_path
from sweeps.folder.lock import held
from sweeps.folder.records import FoldKey, Submitted, Submitting, trial_of
from sweeps.folder.state import State, replay
from sweeps.study.study import Study
from sweeps.view import by_kind, damages, notices
from sweeps.view.next_step import next_step
from sweeps.view.progress import Snapshot, snapshot
from sweeps.view.screen import UNWATCHED, screen
from sweeps.view.waiting import lines as waiting_lines
from sweeps.wording import counted, jobs
from trainer.journal import FoldHistory, Status


@dataclass(frozen=True, kw_only=True)
class StudyStatus:
    folder: Path
    now: Snapshot
    driver_alive: bool
    copy_of: Path | None
    """The study folder of which this one is a copy."""
    jobs_live: int
    """Jobs that the ledger does not know to be over."""
    troubled: dict[FoldKey, str]
    """Folds that did not end well, and why."""
    history: tuple[str, ...]
    """How the study was declared and extended, in words; empty where it never was extended."""
    hint: str
    """What can be done about them; "" where there is nothing, or nothing yet."""
    account: Account
    """What was spent and promised, and of what."""
    lost: int
    """Folds that the ledger counts as over and whose journals have no end."""
    damaged: dict[FoldKey, str]
    """Folds that are over and of which a file is not as it was written, and which."""
    notes: tuple[str, ...]
    """What is said of them, and of folds that were trained again."""
    accounting: Accounting | None = None
    """What its jobs cost by the site's accounts; None while it was not asked, which is at the study's end."""
    told: tuple[str, ...] = ()
    """Who was told of its last end."""
    notice: Mapping[str, object] | None = None
    """The same as values."""
    waiting: Waiting | None = None
    """What its jobs wait for, as its driver last saw; None where there are none, or nobody said."""

    def words(self) -> str:
        text = io.StringIO()
        # Whether they run or wait, only the scheduler knows, and it is not asked here.
        several = self.waiting is not None and self.waiting.on_jobs is not None
        live = counted(self.jobs_live, "pack") if several else jobs(self.jobs_live)
        known = f"{live} not known to be over" if not self.now.finished else "no jobs"
        Console(file=text, width=110).print(screen(self.now, UNWATCHED, known))
        why = waiting_lines(self.waiting, alive=self.driver_alive) if self.waiting else []
        step = next_step(self.folder, finished=self.now.finished, kind="study")
        lines = [text.getvalue().rstrip(), *self.history, step, *why]
        for reason, folds in by_reason(self.troubled).items():
            first = f"`actsweep logs {quote_path(self.folder)} {folds[0].replace('/', ' ')}`"
            lines.append(f"{', '.join(folds)}: {reason}; see {first}")
        if self.hint:
            lines.append(self.hint)
        lines += [*self.notes, *by_kind.lines(self.now.kinds)]
        cost = self.accounting.words()[:3] if self.accounting else []
        return "\n".join([*lines, *account.words(self.account), *(["; ".join(cost)] if cost else []), *self.told])

    def json(self) -> str:
        plain = dataclasses.asdict(self.now)
        plain |= {"driver_alive": self.driver_alive, "jobs_live": self.jobs_live, "troubled": self.troubled}
        plain |= {"waiting": dataclasses.asdict(self.waiting) if self.waiting else None}
        plain |= {"history": list(self.history), "damaged": self.damaged}
        plain |= {"copy_of": str(self.copy_of) if self.copy_of else None}
        plain |= {"budget": dataclasses.asdict(self.account)}
        plain |= {"notice": self.notice}
        plain |= {"accounting": self.accounting.words() if self.accounting else None}
        return json.dumps(plain, indent=1)


def history(folder: Path) -> tuple[str, ...]:
    plan = (
        from_json((folder / PLAN).read_text(encoding="utf-8", errors="replace")) if (folder / PLAN).is_file() else None
    )
    if plan is None or not plan.history:
        return ()
    return (f"declared on {plan.declaration.declared_at}", *(extension.words() for extension in plan.history))


def retry_hint(folder: Path, study: Study, state: State, lost: Collection[FoldKey]) -> str:
    """What can be done about folds without a score."""
    again = {trial.trial for trial in decisions.reopenable(state, study.searched())}
    if any(trial_of(fold) in again for fold in lost):
        return f"after fixing the cause, `actsweep resume {quote_path(folder)} --retry-failed` tries them again"
    return "their searches ended without them: they are not tried again"


def by_reason(reasons: Mapping[FoldKey, str]) -> dict[str, list[FoldKey]]:
    """What went wrong -> with which folds: one cause usually takes many folds with it."""
    grouped: dict[str, list[FoldKey]] = {}
    for fold, reason in reasons.items():
        grouped.setdefault(reason, []).append(fold)
    return grouped


def read(folder: Path, *, verify: bool = False) -> StudyStatus:
    """``verify``: reads every file of the folds that are over, not their ends and sizes alone. Raises
    :class:`sweeps.errors.StudyError` for a folder without a study."""
    study = session.opened(folder)
    state = replay(ledger.read(folder / ledger.FILE))
    journals = Journals(folder / "trials")
    lost = without_score(folder) if state.finished else {}
    if verify:
        damaged, unseen = damage.verify(folder, state, specs_of(study, state)), 0
    else:
        damaged, unseen = damage.glance(folder, state)
    return StudyStatus(
        folder=folder,
        history=history(folder),
        hint=retry_hint(folder, study, state, lost) if lost else "",
        lost=sum(wrong.lost for wrong in damaged.values()),
        damaged={fold: wrong.what for fold, wrong in damaged.items()},
        notes=(*damages.words(folder, state, damaged, unseen), *damages.trained_again(state)),
        now=snapshot(
            study,
            state,
            journals,
            lost=[fold for fold, wrong in damaged.items() if wrong.lost],
            profile=_profile(study),
        ),
        driver_alive=held(folder),
        copy_of=place.original(folder),
        jobs_live=len(state.folds_of),
        troubled=_troubled(state, journals),
        account=account.of(study, state, journals),
        accounting=accounted.read(folder) if state.finished else None,
        told=tuple(notices.words(folder, study.notify)),
        notice=notices.plain(folder),
        waiting=waiting.read(folder) if state.folds_of and not state.finished else None,
    )


def _profile(study: Study) -> Profile | None:
    """None where its file is gone: what packs to come get is not known then."""
    try:
        return profiles.of(study)
    except (ClusterError, StudyError):
        return None


def _troubled(state: State, journals: Journals) -> dict[FoldKey, str]:
    found = dict(state.gave_up)
    for trial in state.trials.values():
        done = state.completed.get(trial.trial)
        if done is not None and done.status.has_result:
            continue
        for fold in trial.folds:
            history = journals.history(fold)
            if (
                history is not None
                and history.end is not None
                and history.end.status in (Status.DIVERGED, Status.FAILED)
            ):
                found[fold] = f"{history.end.status}: {history.end.reason}"
    return found


def without_score(folder: Path) -> dict[FoldKey, str]:
    """Folds that nothing tries again unless told to, and why: given up, or failed by an error of their own.
    A diverged one is not among them: it has a score, that of chance."""
    state = replay(ledger.read(folder / ledger.FILE))
    journals = Journals(folder / "trials")
    # A node that was cut off may have come to the fold's end after all.
    lost = {fold: why for fold, why in state.gave_up.items() if not ((h := journals.history(fold)) and h.end)}
    for done in state.completed.values():
        if done.status.may_be_retried:
            for fold in state.trials[done.trial].folds:
                history = journals.history(fold)
                if history is not None and history.end is not None and history.end.status is Status.FAILED:
                    lost[fold] = f"failed: {history.end.reason}"
    return lost


def _jobs_of(folder: Path, folds: Collection[FoldKey]) -> list[str]:
    """Every job that any of the folds was ever in, oldest first."""
    jobs: list[str] = []
    packs: dict[int, tuple[tuple[FoldKey, ...], ...]] = {}
    for record in ledger.read(folder / ledger.FILE):
        if isinstance(record, Submitting):
            packs[record.batch] = record.packs
        elif isinstance(record, Submitted):
            in_batch = zip(packs.pop(record.batch), record.jobs, strict=True)
            jobs += [job for pack, job in in_batch if job is not None and not set(pack).isdisjoint(folds)]
    return jobs


def logs(folder: Path, trial: str, fold: str | None, lines: int) -> str:
    """The end of every job log of a trial's folds, newest job last, and how the journals ended."""
    from slurm import clusters

    session.opened(folder)
    state = replay(ledger.read(folder / ledger.FILE))
    name, _, inside = trial.partition("/")
    fold = fold or inside or None
    if name not in state.trials:
        raise StudyError(f"{folder}: no trial {name!r}; it has {', '.join(sorted(state.trials)) or 'none yet'}")
    folds = state.trials[name].folds
    if fold is not None:
        key = f"{name}/{fold if fold.startswith('fold-') else f'fold-{fold}'}"
        if key not in folds:
            raise StudyError(
                f"{folder}: no fold {fold!r} in {name}; it has {', '.join(f.split('/')[1] for f in folds)}"
            )
        folds = (key,)
    journals = Journals(folder / "trials")
    parts = [_ended(key, journals.history(key), state.gave_up.get(key)) for key in folds]
    of_folds = _jobs_of(folder, folds)
    for job in of_folds:
        log = clusters.log(job, folder / "jobs")
        tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:] if log else ["no log yet"]
        parts.append("\n".join([f"--- {log or job}", *tail]))
    if not of_folds:
        parts.append("no job has been submitted for it yet")
    return "\n".join(parts)


def _ended(fold: FoldKey, history: FoldHistory | None, given_up: str | None) -> str:
    if history is None:
        story = "has not begun"
    elif history.end is None:
        story = (
            f"{counted(len(history.epochs), 'epoch')} so far, attempt {history.start.attempt} on {history.start.host}"
        )
    else:
        story = f"{history.end.status} after {counted(history.end.epochs, 'epoch')} ({history.end.reason})"
    return f"{fold}: {story}" + (f"; given up: {given_up}" if given_up else "")
