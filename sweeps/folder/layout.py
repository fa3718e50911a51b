"""A study folder: the names in it, and its small files, each written aside and renamed."""

from __future__ import annotations

import errno
import json
import os
import shlex
import time
from collections.abc import Mapping
from pathlib import Path

from sweeps.folder.records import TrialAdded
from trainer.codec import to_text
from trainer.journal import set_aside
from trainer.spec import FoldSpec, Phase

STUDY = "study.yaml"
SUITE = "suite.yaml"
"""Of a suite's folder; below it lies a study folder for each of its members."""
PLAN = "plan.json"
PROVENANCE = "provenance.json"
STOP = "STOP"
INFRA = "infra.json"
TRIAL = "trial.json"
TRIAL_SCHEMA = 2
SPEC = "spec.json"
REPORT = "report"
REPORTED = "reported.json"


def quote_path(path: Path) -> str:
    """The path as a user can paste it into a command."""
    return shlex.quote(str(path))


def trial_name(label: str, phase: Phase, index: int) -> str:
    """``dsrelu-s003`` is the fourth setting searched of dsrelu, ``dsrelu-c000`` its confirmation: a function of what
    the trial is, never of when it was added."""
    return f"{label}-{phase[0]}{index:03d}"


def refuse_unwritable(folder: Path) -> None:
    """Raises OSError, as making the folder or writing into it would."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(path))
    number = errno.ENOTDIR if not there.is_dir() else errno.EACCES if not os.access(there, os.W_OK | os.X_OK) else 0
    if number:
        raise OSError(number, os.strerror(number), str(there))


def write_aside(path: Path, text: str) -> None:
    """The whole file or none of it, whoever looks and whenever the process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with aside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError:  # a full disk: what is half written is in the way
        aside.unlink(missing_ok=True)
        raise


def write_trial(path: Path, trial: TrialAdded, degrees: Mapping[str, float], *, anew: bool = False) -> None:
    """What a view needs to know of a trial without the ledger, once or ``anew``. ``degrees``: the angles of which
    parameters are the tangents, by parameter."""
    if anew or not (path / TRIAL).exists():
        write_aside(path / TRIAL, json.dumps(_plain(trial, degrees), indent=1))


def trial_differs(path: Path, trial: TrialAdded, degrees: Mapping[str, float]) -> str:
    """What is wrong with a trial's file, in words; "" where nothing is, or where the trial has no folder yet."""
    try:
        told = json.loads((path / TRIAL).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return "is missing" if path.is_dir() else ""
    except (ValueError, RecursionError) as error:
        return f"is damaged ({error})"
    wanted = json.loads(json.dumps(_plain(trial, degrees)))
    if not isinstance(told, dict) or told.get("schema") != TRIAL_SCHEMA:
        return "is damaged" if not isinstance(told, dict) or "schema" not in told else ""
    return "" if told == wanted else "is not what the ledger says"


def _plain(trial: TrialAdded, degrees: Mapping[str, float]) -> dict[str, object]:
    names = ("trial", "label", "activation", "phase", "index", "params", "training")
    return {"schema": TRIAL_SCHEMA} | {name: getattr(trial, name) for name in names} | {"degrees": dict(degrees)}


def write_spec(path: Path, spec: FoldSpec, *, anew: bool = False) -> None:
    if anew or not (path / SPEC).exists():
        write_aside(path / SPEC, to_text(spec))


def was_reported(path: Path) -> bool:
    """Whether a report of the study is known to have been written."""
    return (path / REPORTED).exists() or any((path / REPORT).glob("report.*"))


def write_stop(path: Path) -> None:
    """Asks the fold to end at its next epoch."""
    if not (path / STOP).exists():
        write_aside(path / STOP, "")


def infra_differs(path: Path) -> bool:
    """Whether the fold's word that it was given up is there and cannot be read."""
    try:
        told = json.loads((path / INFRA).read_text(encoding="utf-8"))
        return not isinstance(told["time"], float) or not isinstance(told["reason"], str)
    except FileNotFoundError:
        return False
    except (ValueError, TypeError, KeyError, RecursionError):
        return True


def write_infra(path: Path, reason: str, *, anew: bool = False) -> None:
    """Says that the driver gave the fold up."""
    if anew or not (path / INFRA).exists():
        write_aside(path / INFRA, json.dumps({"reason": reason, "time": time.time()}))


def reopen(path: Path, failed: int | None) -> None:
    """Frees a fold that was given up or that ended with attempt ``failed``; doing it again changes nothing."""
    if failed is not None:
        set_aside(path, failed)
    (path / INFRA).unlink(missing_ok=True)
