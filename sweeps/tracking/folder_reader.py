"""What a study folder says of its study, trials and folds, without the ledger: the source of the MLflow view."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.runs import plan as planning
from analysis.runs import schema
from analysis.runs.plan import Plan
from sweeps.errors import TrackingError
from sweeps.folder import decided, own_code, reused, sweep_name
from sweeps.folder.decided import Decided
from sweeps.folder.layout import INFRA, PROVENANCE, SPEC
from sweeps.folder.secrets import redact
from sweeps.tracking.fold_outcome import fold_result
from sweeps.tracking.run_content import fold_run
from sweeps.tracking.run_inputs import USER, origin_tags
from sweeps.tracking.run_values import FoldResult, FoldRun, Trial, milliseconds
from trainer.codec import from_text
from trainer.errors import SpecError
from trainer.journal import FILE, attempt_folder, attempts, follow, resolve
from trainer.spec import FoldSpec

_RESUME = "`actsweep resume DIR` writes it anew"


class Unreadable(TrackingError):
    """A file of the study folder that is missing or damaged."""


@dataclass(frozen=True)
class FolderReader:
    """Reads one study folder; keeps nothing but the plan."""

    folder: Path
    plan: Plan
    """With the name of its sweep, also where it was declared before plans said it."""
    origin: Mapping[str, str]
    """Where the study was started from, by whom, from which sources: tags of every run."""
    host: str = ""
    """Where it was started; "" where that is not known."""

    @staticmethod
    def open(folder: Path) -> FolderReader:
        """Raises :class:`Unreadable` for a folder without a plan, or with a damaged one."""
        path = folder / schema.PLAN_ARTIFACT
        try:
            plan = planning.from_json(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise Unreadable(
                f"{path}: cannot be read ({error}); restore it: it alone says what was declared before the first epoch"
            ) from error
        plan = dataclasses.replace(plan, sweep=sweep_name.of(folder, plan))
        said = _provenance(folder / PROVENANCE)
        return FolderReader(folder, plan, origin_tags(said), str(said.get("host") or ""))

    @property
    def user(self) -> str:
        """Who started it; "" where that is not known."""
        return self.origin.get(USER, "")

    @property
    def place(self) -> str:
        """Host and path of the folder, for people."""
        return f"{self.host}:{self.folder.resolve()}".lstrip(":")

    def trials(self) -> list[str]:
        trials = self.folder / "trials"
        return sorted(entry.name for entry in trials.iterdir() if entry.is_dir()) if trials.is_dir() else []

    def folds(self, trial: str) -> list[str]:
        """Keys, ``<trial>/fold-<repeat>-<fold>``, of the folds that the driver has planned so far."""
        found = (self.folder / "trials" / trial).glob(f"fold-*/{SPEC}")
        return sorted(f"{trial}/{path.parent.name}" for path in found)

    def all_folds(self) -> list[str]:
        return [fold for trial in self.trials() for fold in self.folds(trial)]

    def run_key(self, fold: str) -> str:
        """The value of ``actsweep.key`` on the fold's run."""
        trial, _, name = fold.partition("/")
        return f"{self.plan.study}/{trial}/{name.removeprefix('fold-')}"

    def trial(self, name: str) -> Trial:
        path = self.folder / "trials" / name / "trial.json"
        try:
            return Trial(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise Unreadable(f"{path}: cannot be read ({error}); {_RESUME}") from error

    def trial_and_training(self, name: str) -> Trial:
        """The trial with all that its folds are trained with."""
        trial = self.trial(name)
        for key in self.folds(name):
            with contextlib.suppress(OSError, ValueError, RecursionError):  # told when that fold's own turn comes
                spec = from_text(FoldSpec, (self.folder / "trials" / key / SPEC).read_text(encoding="utf-8"))
                return dataclasses.replace(trial, trained_with=dataclasses.asdict(spec.training))
        return trial

    def decided(self, name: str) -> Decided | None:
        """What the driver decided of a trial; None while it decided nothing. Raises :class:`Unreadable`."""
        folder = self.folder / "trials" / name
        try:
            return decided.read(folder)
        except (OSError, ValueError) as error:
            raise Unreadable(f"{folder / decided.FILE}: cannot be read ({error}); `actsweep sync` writes it") from error

    def fold(self, key: str) -> tuple[FoldRun | None, FoldResult | None]:
        """The fold's run as it should be, and its result once it has ended; no run for a fold that neither began nor
        was given up. Raises :class:`Unreadable`."""
        folder = self.folder / "trials" / key
        try:
            records = {number: follow(attempt_folder(folder, number) / FILE).records for number in attempts(folder)}
            history = resolve(records)
            gave_up = _gave_up(folder / INFRA)
            if history is None and gave_up is None:
                return None, None
        except (OSError, ValueError) as error:
            raise Unreadable(f"{folder}: cannot be read ({error})") from error
        try:
            spec = from_text(FoldSpec, (folder / SPEC).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise Unreadable(f"{folder / SPEC}: cannot be read ({error}); {_RESUME}") from error
        first_s = min((found[0].time for found in records.values() if found), default=gave_up[0] if gave_up else 0.0)
        trial = self.trial(key.partition("/")[0])
        taken = reused.origin(folder)
        run = fold_run(self.plan, trial, spec, history, first_s, gave_up, self.origin, taken.key if taken else "")
        return run, fold_result(run, history)

    def first_start_ms(self, trial: str, default: int) -> int:
        """When the first fold of the trial began; ``default`` where none is known to have begun before."""
        starts = [default]
        for key in self.folds(trial):
            folder = self.folder / "trials" / key
            for number in attempts(folder)[:1]:
                with contextlib.suppress(OSError, SpecError):  # told when that fold's own turn comes
                    records = follow(attempt_folder(folder, number) / FILE).records
                    starts += [milliseconds(record.time) for record in records[:1]]
        return min(starts)

    def artifacts(self) -> dict[str, str]:
        """Name -> text of what describes the study, without the credentials that a URI may carry."""
        accounts = (schema.BUDGET_ARTIFACT, schema.ACCOUNTING_ARTIFACT, schema.ACCOUNTING_RUNS_ARTIFACT)
        names = (schema.STUDY_ARTIFACT, schema.PLAN_ARTIFACT, *accounts, PROVENANCE)
        files = [self.folder / name for name in names]
        described = {file.name: file.read_text(encoding="utf-8", errors="replace") for file in files if file.is_file()}
        return {name: redact(text) for name, text in {**described, **own_code.texts(self.folder)}.items()}


def _gave_up(path: Path) -> tuple[float, str] | None:
    """When (seconds since the Unix epoch) and why the driver gave the fold up; None where it did not."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return float(said["time"]), str(said["reason"])
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Unreadable(f"{path}: cannot be read ({error}); {_RESUME}") from error


def _provenance(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
