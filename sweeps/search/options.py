"""Keyword arguments that a study file gives to a searcher or scheduler, checked by signature before anything runs."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Iterable
from typing import Any

from slurm.messages import nearest
from sweeps.errors import StudyError
from trainer.spec import Options

PLAIN = frozenset({"int", "float", "bool", "str", "None", "NoneType", "Optional", "Union", "typing", "class", "Any"})
"""Words of an annotation that a study file can write a value for."""


def names_of(made: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Keyword arguments of a function or class."""
    every = inspect.signature(made).parameters
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {name: parameter for name, parameter in every.items() if parameter.kind in kinds}


def check_options(where: str, options: Options, made: Callable[..., Any], ours: Collection[str]) -> None:
    """Raises :class:`StudyError` for an option that ``made`` does not take, or that is not for a study file to give:
    ``ours`` are those that are given anyway."""
    parameters = names_of(made)
    plain = [name for name, parameter in parameters.items() if name not in ours and _plain(parameter)]
    given(where, options, plain)
    missing = [
        name
        for name, parameter in parameters.items()
        if parameter.default is inspect.Parameter.empty and name not in ours and name not in options
    ]
    if missing:
        raise StudyError(f"{where}: {missing[0]} is missing; it has no default")


def given(where: str, options: Options, accepted: Iterable[str]) -> None:
    """Raises :class:`StudyError` for an option that is none of these."""
    known = list(accepted)
    for name, value in options.items():
        if name not in known:
            raise StudyError(
                f"{where}: got {name}: {value!r}; accepts {', '.join(known) or 'none'}{nearest(name, known)}"
            )


def _plain(parameter: inspect.Parameter) -> bool:
    annotation = parameter.annotation
    if annotation is inspect.Parameter.empty:
        return True
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "") or str(annotation)
    text = text if isinstance(annotation, str | type) else str(annotation)
    return set(re.findall(r"[A-Za-z_]+", text)) <= PLAIN
