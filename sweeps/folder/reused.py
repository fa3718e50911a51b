"""A fold that is taken from where the same training is finished already: whether it can be, and the copy.

The copy is one attempt, put in place by one rename: a journal of its own with all that the other's attempts came to,
what the model said of each held-out item, its weights where they were kept, and ``reused.json``, which says where from.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sweeps.errors import SweepError
from sweeps.folder import damage, layout
from sweeps.folder.damage import PREDICTIONS, WEIGHTS
from trainer.codec import Format, from_text, to_text
from trainer.errors import OtherVersion, SpecError
from trainer.journal import FoldHistory, Status, Writer, attempt_folder, attempts, newest_number, read_fold
from trainer.spec import FoldSpec

FILE = "reused.json"
REUSED = Format(name="reused fold", schema=1)


class NotUsable(SweepError):
    """A finished fold of the same training that cannot be taken, and why."""


@dataclass(frozen=True, kw_only=True)
class From:
    FORMAT: ClassVar[Format] = REUSED

    schema: int = REUSED.schema
    folder: str
    """Of the other study; "" for this one."""
    study: str
    fold: str
    digest: str
    """Of the training."""

    @property
    def key(self) -> str:
        """The ``actsweep.key`` of the other fold's run."""
        trial, _, name = self.fold.partition("/")
        return f"{self.study}/{trial}/{name.removeprefix('fold-')}"


def specification(fold: Path) -> FoldSpec | None:
    """None where there is none that can be read: the fold is then none to take."""
    try:
        return from_text(FoldSpec, (fold / layout.SPEC).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, SpecError):
        return None


def history(fold: Path, wanted: FoldSpec, *, weights: bool) -> FoldHistory:
    """What the fold came to. ``weights``: with the model's. Raises :class:`NotUsable` where it is not finished, not
    whole or not the training of ``wanted``."""
    spec = specification(fold)
    if spec is None or spec.training_digest != wanted.training_digest:
        raise NotUsable("another training")
    try:
        found = read_fold(fold)
    except (OtherVersion, OSError) as error:
        raise NotUsable("its journal is damaged") from error
    if found is None or found.end is None or found.end.status is not Status.FINISHED:
        raise NotUsable("not finished")
    numbers = [epoch.epoch for epoch in found.epochs]
    whole = numbers == list(range(1, found.end.epochs + 1)) and found.end.rule in found.end.outcomes
    if not whole or found.start.digest != spec.digest:
        raise NotUsable("its journal is damaged")
    home = attempt_folder(fold, found.start.attempt)
    if wrong := damage.kept_damage(home, found.end):
        raise NotUsable(f"its {wrong[0][0]} is damaged")
    if weights and not (home / WEIGHTS).exists():
        raise NotUsable("its weights were not kept")
    return found


def copy(source: Path, target: Path, spec: FoldSpec, found: FoldHistory, origin: From) -> None:
    """Makes the fold in ``target``, of ``spec``, what :func:`history` found in ``source``."""
    number = newest_number(target) + 1
    aside = target / f".{FILE}"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    home = attempt_folder(source, found.start.attempt)
    for name in (PREDICTIONS, WEIGHTS):
        if (home / name).exists():
            shutil.copyfile(home / name, aside / name)
    layout.write_aside(aside / FILE, to_text(origin))
    assert found.end is not None
    writer = Writer(aside)
    writer.write(dataclasses.replace(found.start, digest=spec.digest, attempt=number, resumed_epoch=0))
    for epoch in found.epochs:
        writer.write(epoch)
    writer.write(found.end)
    writer.close()
    aside.rename(attempt_folder(target, number))


def origin(fold: Path) -> From | None:
    """Where the fold was taken from; None where it was trained."""
    for number in attempts(fold)[-1:]:
        try:
            return from_text(From, (attempt_folder(fold, number) / FILE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
    return None


def finished(folder: Path) -> dict[str, str]:
    """Training digest -> key of the folds of a study folder that ended well, as far as can be read; of several equal
    ones the first."""
    result: dict[str, str] = {}
    for file in sorted((folder / "trials").glob(f"*/fold-*/{layout.SPEC}")):
        spec = specification(file.parent)
        if spec is not None and spec.training_digest not in result and _ended_well(file.parent):
            result[spec.training_digest] = f"{file.parent.parent.name}/{file.parent.name}"
    return result


def _ended_well(fold: Path) -> bool:
    """By its journal's last line alone; :func:`history` looks at all of it."""
    for number in attempts(fold)[-1:]:
        try:
            with (attempt_folder(fold, number) / "metrics.jsonl").open("rb") as file:
                last = file.read().splitlines()[-1:]
            return bool(last) and json.loads(last[0]).get("status") == Status.FINISHED
        except (OSError, ValueError, AttributeError):
            return False
    return False
