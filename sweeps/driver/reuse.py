"""Takes folds that are trained already instead of training them: from the folders that ``reuse:`` names, and from this
one, where two trials are one and the same training.

A fold is decided on once, before it would be submitted for the first time: the record is in the ledger, then the copy
is made (:mod:`sweeps.folder.reused`). What is taken is finished, whole, of the same specification but for the names of
study and trial, of the same data and trained by the same code; anything else is trained, and counted by reason.
"""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path

from sweeps.driver.asking import ask
from sweeps.driver.packs import Node
from sweeps.folder import layout, own_code, reused
from sweeps.folder.growth_records import Reused
from sweeps.folder.journals import Journals
from sweeps.folder.ledger import Ledger
from sweeps.folder.records import FoldKey, trial_of
from sweeps.folder.reused import From, NotUsable
from sweeps.study.study import Study
from trainer import code
from trainer.journal import Status, newest_number
from trainer.spec import FoldSpec

TAKE_S = 2.0
"""How long one step of the driver may be kept by copies."""


def folders(study: Study) -> list[Path]:
    """Study folders that ``reuse:`` names; of a suite's, each of its studies'. Those that are gone are left out."""
    found: list[Path] = []
    for name in study.reuse:
        path = Path(name)
        below = sorted(file.parent for file in path.glob(f"*/{layout.STUDY}"))
        found += [path] if (path / layout.STUDY).is_file() else below
    return found


class Reuse:
    """``specs``: of every fold that was added so far; ``node``: what packs are told, with the code that trains."""

    def __init__(
        self,
        study: Study,
        path: Path,
        ledger: Ledger,
        journals: Journals,
        specs: Mapping[FoldKey, FoldSpec],
        node: Callable[[], Node],
    ) -> None:
        self._study, self._path, self._ledger, self._journals = study, path, ledger, journals
        self._specs, self._node = specs, node
        self._trained: set[FoldKey] = set()
        """Folds that are to be trained here, which is asked once."""
        self._alike: dict[str, list[str]] = {}
        """Trials by what they train, in the ledger's order."""
        self._signed: dict[str, str] = {}
        self._others: list[tuple[Path, dict[str, str]]] | None = None
        self._data: str | None = None
        self.taken: list[FoldKey] = []
        """Since :meth:`sort_out` was called last."""
        self.not_taken: Counter[tuple[str, str]] = Counter()
        """Folder and reason -> folds that are trained here, although they were trained there."""

    def sort_out(self, waiting: Iterable[FoldKey], compare_code: Callable[[], None]) -> Iterator[FoldKey]:
        """Takes what of the waiting folds is trained already, and gives one by one those that are to be trained now:
        not those whose training is under way in another trial. ``compare_code`` is called before anything is taken."""
        self.taken.clear()
        self._sign()
        if not self._study.reuse and len(self._alike) == len(self._signed):
            return iter(waiting)
        return iter(self._sort_out(list(waiting), compare_code))  # what is taken changes what waits

    def _sort_out(self, waiting: list[FoldKey], compare_code: Callable[[], None]) -> list[FoldKey]:
        until = time.monotonic() + TAKE_S
        compared, rest = False, []
        for fold in waiting:
            if fold in self._trained or newest_number(self._path / "trials" / fold):  # it has begun here
                rest.append(self._train(fold))
                continue
            wait, candidates = self._candidates(fold)
            if wait or (candidates and time.monotonic() > until):
                continue
            if candidates and not compared:
                compare_code()
                compared = True
            if not any(self._take(fold, *candidate) for candidate in candidates):
                rest.append(self._train(fold))
        return rest

    def _train(self, fold: FoldKey) -> FoldKey:
        self._trained.add(fold)
        return fold

    # -- where a fold may be taken from --------------------------------------------------------------------------------

    def _candidates(self, fold: FoldKey) -> tuple[bool, list[tuple[Path | None, FoldKey]]]:
        """Whether the same training is under way in this folder; else where it is finished: folder (None: this one)
        and fold."""
        found: list[tuple[Path | None, FoldKey]] = []
        for twin in self._twins(fold):
            history = self._journals.history(twin)
            if history is not None and history.end is not None:
                found += [(None, twin)] if history.end.status is Status.FINISHED else []
            elif self._may_still_end(twin):
                return True, []
        digest = self._specs[fold].training_digest if self._study.reuse else ""
        found += [(folder, known[digest]) for folder, known in self._finished_elsewhere() if digest in known]
        return False, found

    def _twins(self, fold: FoldKey) -> Iterator[FoldKey]:
        """The same fold of earlier trials that train the same."""
        state, trial = self._ledger.state, trial_of(fold)
        for other in self._alike[self._signed[trial]]:
            if other == trial:
                return
            twin = f"{other}/{fold.partition('/')[2]}"
            if twin in state.trials[other].folds:
                yield twin

    def _sign(self) -> None:
        """Looks at what the trials train that were added since."""
        for new in islice(self._ledger.state.trials.values(), len(self._signed), None):
            spec = dataclasses.replace(self._specs[new.folds[0]], repeat=0, fold=0)
            self._signed[new.trial] = spec.training_digest
            self._alike.setdefault(spec.training_digest, []).append(new.trial)

    def _may_still_end(self, fold: FoldKey) -> bool:
        state, trial = self._ledger.state, trial_of(fold)
        return trial not in state.completed and trial not in state.stopping and fold not in state.gave_up

    def _finished_elsewhere(self) -> list[tuple[Path, dict[str, str]]]:
        if self._others is None:
            mine = self._path.resolve()
            others = (folder for folder in folders(self._study) if folder.resolve() != mine)
            self._others = [(folder, reused.finished(folder)) for folder in others]
        return self._others

    # -- taking it -----------------------------------------------------------------------------------------------------

    def _take(self, fold: FoldKey, folder: Path | None, source: FoldKey) -> bool:
        spec, home = self._specs[fold], folder or self._path
        try:
            found = reused.history(home / "trials" / source, spec, weights=self._study.cluster.keep == "best")
            if found.start.code not in self._same_code(home, spec):
                raise NotUsable("trained by other code")
            if folder is not None and found.start.data_digest != self._data_digest(spec):
                raise NotUsable("trained on other data")
        except NotUsable as why:
            self.not_taken[str(folder or ""), str(why)] += 1
            return False
        named = str(folder or "")
        record = Reused(fold=fold, folder=named, source=source, digest=spec.training_digest, code=found.start.code)
        if self._ledger.state.reused.get(fold) != record:
            self._ledger.write(record)
        there = reused.specification(home / "trials" / source)
        assert there is not None
        origin = From(folder=named, study=there.study, fold=source, digest=spec.training_digest)
        reused.copy(home / "trials" / source, self._path / "trials" / fold, spec, found, origin)
        self._journals.refresh([fold])
        self.taken.append(fold)
        return True

    def _same_code(self, home: Path, spec: FoldSpec) -> Container[str]:
        """Digests of the code that trains this fold as it would be trained now. Where the fold names nothing of the
        user's own, what other folds of a study name makes no difference."""
        node = self._node()
        if not node.code:
            return _Any()
        own = any(":" in name for name in (spec.activation.name, spec.model.name, spec.data.name, spec.task))
        known = own_code.versions(home)
        if own:
            known = [one for one in known if all(node.own.get(name) == sha for name, sha in one.modules.items())]
        else:
            known = [*known, *own_code.versions(self._path)]
        return {node.code, *({code.digest()} if not own else ()), *(code.digest(one.modules) for one in known)}

    def _data_digest(self, spec: FoldSpec) -> str:
        """Of the study's data as they are here, read once."""
        if self._data is None:
            self._data = data_digest(spec, self._node())
        return self._data


class _Any:
    """Holds everything: no code is compared."""

    def __contains__(self, item: object) -> bool:
        return True


def data_digest(spec: FoldSpec, node: Node) -> str:
    """Of the data that the fold would train on here, found by a process of its own, which loads torch. Raises
    :class:`NotUsable`."""
    asked = {"data_root": node.data_root, "device": node.device, "spec": dataclasses.asdict(spec)}
    answer = ask("trainer.data_digest", asked, lambda words: NotUsable("the data cannot be read here, to compare them"))
    return str(answer["digest"])
