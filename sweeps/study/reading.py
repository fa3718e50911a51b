"""From a study file to a study, or to one error that tells all that is wrong with it."""

from __future__ import annotations

import os
import pathlib
from typing import Any

from pydantic import ValidationError

from slurm import messages, yaml_reader
from slurm.messages import nearest
from slurm.yaml_reader import Plain, Problem
from sweeps.errors import StudyError
from sweeps.study.field_types import TASK
from sweeps.study.sections import Task
from sweeps.study.study import WRITTEN_OUT, Study
from trainer.errors import UnknownName
from trainer.tasks.description import Description, describe


def load(
    path_or_text: pathlib.Path | str,
    *,
    origin: str | None = None,
    check_files: bool = True,
    task: Description | None = None,
    written_out: bool = False,
) -> Study:
    """The study in a file (given as a Path) or in a text (given as str).

    ``origin`` is the name shown in messages; the path itself by default. Relative paths in ``root``, ``reuse``,
    ``cluster.profile`` and a ``tracking.uri`` of SQLite are taken from the file's folder (a text's: from the current
    one) and made absolute; ``check_files=False`` does not ask whether they exist, for a study folder that was moved.
    ``written_out``: a text that :func:`sweeps.study.study.resolved_yaml` wrote, maybe that of an earlier version.
    ``task`` is the description of the study's task, where it is known; else one of the user's own is asked for it.
    Raises :class:`StudyError` with all problems that can be told at once.
    """
    if isinstance(path_or_text, pathlib.Path):
        origin, folder = origin or str(path_or_text), path_or_text.absolute().parent
        try:
            text = path_or_text.read_text(encoding="utf-8")
        except FileNotFoundError as error:
            near = nearest(path_or_text.name, [item.name for item in folder.glob("*.y*ml")])
            raise StudyError(
                f"{origin}: no such file{near.removesuffix('?')}; accepts the path of a study file (actsweep "
                "studies lists ready ones)"
            ) from error
        except (OSError, UnicodeDecodeError) as error:
            raise StudyError(f"{origin}: cannot be read ({error}); accepts a readable text file in UTF-8") from error
    else:
        origin, folder, text = origin or "study", pathlib.Path.cwd(), path_or_text
    document = yaml_reader.parse(text, origin, StudyError)
    if isinstance(document.value, dict) and "suite" in document.value and "name" not in document.value:
        raise StudyError(
            f"{origin}: a suite of several studies, where one study is asked for; name the file of one (a suite is "
            "taken by check, run, and by the commands on its folder)"
        )
    study, found = validated(document.value, folder, check_files=check_files, task=task, written_out=written_out)
    if study is None or found:
        raise document.error(found)
    return study


def validated(
    value: Plain,
    folder: pathlib.Path,
    *,
    check_files: bool = True,
    task: Description | None = None,
    written_out: bool = False,
) -> tuple[Study | None, list[Problem]]:
    """The study that plain values come to, or all that is wrong with them; further words as in :func:`load`."""
    described, found = (task, []) if task is not None else _described(value)
    if described is None:
        return None, found
    try:
        study = Study.model_validate(value, context={TASK: described, WRITTEN_OUT: written_out})
    except ValidationError as error:
        return None, messages.problems(error, Study)
    study, missing = _absolute(study, folder)
    return study, missing if check_files else []


def _described(value: Plain) -> tuple[Description | None, list[Problem]]:
    """Of the task that a study names, or why there is none; that it names none is told with all else."""
    named = value.get("task") if isinstance(value, dict) else None
    section = {"name": named} if isinstance(named, str) else named
    try:
        task = Task.model_validate(section)
    except ValidationError:  # told with all else
        return describe("classification"), []
    try:
        return describe(task.name, task.options), []
    except (UnknownName, ValueError) as error:
        return None, [Problem(path=("task",), message=str(error))]


def _absolute(study: Study, folder: pathlib.Path) -> tuple[Study, list[Problem]]:
    """With paths made absolute, and what does not exist."""
    missing: list[Problem] = []
    update: dict[str, Any] = {}
    if study.root is not None:
        root = folder / pathlib.Path(study.root).expanduser()
        update["root"] = str(root)
        if not root.is_dir():
            missing.append(
                Problem(
                    path=("root",),
                    message=f"got {study.root!r}; no such folder: {root}; put the data there, or correct it",
                )
            )
    profile = study.cluster.profile
    if "/" in profile or profile.endswith((".yaml", ".yml")):
        file = folder / pathlib.Path(profile).expanduser()
        update["cluster"] = study.cluster.model_copy(update={"profile": str(file)})
        if not file.is_file():
            missing.append(
                Problem(
                    path=("cluster", "profile"),
                    message=f"got {profile!r}; no such file: {file}; give a profile's name or its file",
                )
            )
    if study.reuse:
        update["reuse"] = tuple(os.path.normpath(folder / pathlib.Path(name).expanduser()) for name in study.reuse)
        for at, (name, path) in enumerate(zip(study.reuse, update["reuse"], strict=True)):
            if not [*pathlib.Path(path).glob("study.yaml"), *pathlib.Path(path).glob("*/study.yaml")]:
                said = f"got {name!r}; no folder of a study: {path}; name one that `actsweep run` made, or leave it out"
                missing.append(Problem(path=("reuse", at), message=said))
    uri = study.tracking.uri
    if uri is not None and uri.startswith("sqlite:///") and not uri.startswith("sqlite:////"):
        database = folder / pathlib.Path(uri.removeprefix("sqlite:///")).expanduser()
        update["tracking"] = study.tracking.model_copy(update={"uri": f"sqlite:///{database}"})
    if study.notify is not None:
        update["notify"] = study.notify.below(folder)
    return (study.model_copy(update=update) if update else study), missing
