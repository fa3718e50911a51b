"""What ``check`` says of a study that may be run: for people, and for programs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from slurm.yaml_reader import located_in
from sweeps.driver import alike, preflight, receivers
from sweeps.errors import StudyError
from sweeps.study import planner
from sweeps.study.study import Study, digest
from sweeps.view import outlay, preview
from sweeps.view.before_run import Looked
from sweeps.view.progress import sizes

SCHEMA = 1
LOCATED = re.compile(r"(.+?\.ya?ml):(\d+): (.+)", re.DOTALL)


def words(study: Study, looked: Looked, measured: Sequence[Path], *, quick: bool = False) -> list[str]:
    """The design, what was found, and what it costs; not yet what would be sent. Raises :class:`StudyError` as
    :func:`sweeps.view.preview.price`."""
    return [
        preview.design(study),
        *remarks(study, looked),
        preview.price(study, measured, looked.profile),
        preflight.cost(study, done=not quick),
        *outlay.check(study, looked.profile, measured),
        *([] if quick else receivers.words(study.notify)),
    ]


def remarks(study: Study, looked: Looked) -> list[str]:
    """Of data set, task and model."""
    places = looked.checked.places
    return [*looked.checked.remarks, *([f"{study.model.name}: {places}"] if places else [])]


def same(looked: Iterable[Looked]) -> list[str]:
    """Which activations are one function, said once for studies of the same activations."""
    return list(dict.fromkeys(alike.words(each.checked.same) for each in looked))


def where(path: Path, *, goes_on: bool, kind: str = "study") -> str:
    return f"{kind} folder: {path}" + (" (goes on where it ended)" if goes_on else "")


def record(
    study: Study, looked: Looked, path: Path, measured: Sequence[Path], *, quick: bool = False
) -> dict[str, Any]:
    """The same as plain values. Raises as :func:`words`."""
    declared = planner.plan(study, "now")
    price, sent, found = preview.priced(study, measured, looked.profile), looked.submission, looked.checked.same
    return {
        "schema": SCHEMA,
        "study": study.name,
        "digest": digest(study),
        "question": study.question,
        "task": declared.task,
        "dataset": declared.dataset,
        "model": declared.model,
        "control": study.control,
        "metric": declared.declaration.metric,
        "splits": declared.splits,
        "folder": str(path),
        "goes_on": looked.goes_on,
        "tried": not quick,
        "claims_phase": declared.claims_phase,
        "phases": {str(phase): _phase(study, phase) for phase in sizes(study)},
        "activations": [_activation(study, label) for label in study.compared()],
        "price": {"device_s": price.device_s, "basis": price.basis, "words": price.words},
        "outlay": outlay.check(study, looked.profile, measured),
        "notify": [] if quick else receivers.words(study.notify),
        "submission": {
            "profile": looked.profile.name,
            "executor": str(looked.profile.executor),
            "packs": sent.packs,
            "arrays": list(sent.arrays),
            "script": sent.script,
            "words": sent.words,
        },
        "same": {"within": found.within, "pairs": [list(pair) for pair in found.pairs], "said": list(found.said)},
        "remarks": remarks(study, looked),
        "problems": [],
    }


def _phase(study: Study, phase: Any) -> dict[str, Any]:
    size = sizes(study)[phase]
    return {
        "trials": size.trials,
        "folds": size.folds,
        "epochs": size.epochs,
        "repeats": list(planner.repeats(study, phase)),
        "folds_of_a_repeat": len(planner.fold_numbers(study, phase)),
    }


def _activation(study: Study, label: str) -> dict[str, Any]:
    domains = study.space_of(label).domains
    return {
        "label": label,
        "activation": study.activation(label).activation,
        "settings": planner.trials(study, label, "search") if domains else 0,
        "space": {key: domain.words() for key, domain in domains.items()},
    }


def refused(named: str, error: BaseException, words: str) -> dict[str, Any]:
    """What is wrong, for a program. ``named``: as the user names the file; ``words``: as people are told."""
    located = [
        {"file": one.file, "line": one.line, "key": one.key or None, "message": one.message}
        for one in located_in(error)
    ]
    lines = words.splitlines() if isinstance(error, StudyError) else [words]
    return {"schema": SCHEMA, "study": named, "problems": located or [_of_line(line) for line in lines]}


def _of_line(line: str) -> dict[str, Any]:
    found = LOCATED.fullmatch(line)
    file, number, message = found.groups() if found else (None, None, line)
    return {"file": file, "line": int(number) if number else None, "key": None, "message": message}
