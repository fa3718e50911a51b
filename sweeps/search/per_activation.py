"""The searches of a study: one of Tune's searchers and one scheduler per activation, rebuilt by replaying the ledger.

Each activation is searched, and its trials are stopped, among its own settings alone: a scheduler that compared
activations would spend less on those that start slowly, and their budgets would no longer be equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sweeps.errors import LedgerError
from sweeps.folder.records import (
    Completed,
    FoldsAdded,
    LedgerRecord,
    Published,
    Reopened,
    Reported,
    TrialAdded,
    TrialStatus,
)
from sweeps.search import published
from sweeps.study.study import Study
from trainer.spec import Options, Scalar


class Searches:
    """Deterministic: the same study and the same ledger give the same suggestions and the same stops."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self.metric = study.select_on()
        self.labels = study.searched()
        if self.labels:
            from sweeps.search.schedulers import make_scheduler
            from sweeps.search.searchers import make_searcher

            self._searchers = {label: make_searcher(study, label) for label in self.labels}
            self._schedulers = {label: make_scheduler(study, label) for label in self.labels}
        self.unpublished = set(published.own_labels(study))
        """Labels whose own setting was not looked up yet: their classes are the user's."""

    def replay(self, records: Iterable[LedgerRecord]) -> None:
        """Brings searchers and schedulers to where the ledger ends. Raises :class:`LedgerError` where they would
        suggest something else than is recorded."""
        trials: dict[str, TrialAdded] = {}
        reopened: set[str] = set()
        for record in records:
            if isinstance(record, Published):
                self._publish(record)
            elif isinstance(record, TrialAdded):
                trials[record.trial] = record
                if self.concerns(record):
                    self._replay_ask(record)
            elif isinstance(record, Reported):
                self.reported(trials[record.trial], record.epoch, record.metrics)
            elif isinstance(record, Reopened):
                reopened.update(record.trials)
            elif isinstance(record, FoldsAdded):
                reopened.add(record.trial)
            elif isinstance(record, Completed) and record.trial not in reopened:
                self.completed(trials[record.trial], record)

    def _replay_ask(self, record: TrialAdded) -> None:
        config = self.ask(record.label, record.index)
        if config is None or dict(config) != dict(record.config):
            raise LedgerError(
                f"trial {record.trial} was suggested as {dict(record.config)}, a replay gives {config}; resume with "
                f"the versions of ray and optuna in provenance.json{self._own_code()}"
            )

    def _own_code(self) -> str:
        search = self._study.search
        return f", and {search.algorithm} as it was" if search is not None and ":" in search.algorithm else ""

    def concerns(self, trial: TrialAdded) -> bool:
        """Whether the trial is one of a search's, not a winner's or a baseline's."""
        return trial.phase == "search" and trial.label in self.labels

    def ready(self, label: str, index: int) -> bool:
        """Whether all results are in that suggestion ``index`` may depend on."""
        return self._searchers[label].ready(index)

    def ask(self, label: str, index: int) -> Mapping[str, Scalar] | None:
        """Suggestion ``index``; None when there are no more."""
        return self._searchers[label].ask(index)

    def publish(self, label: str) -> Published:
        """Looks an activation's own setting up, to be tried first; to be written down before it is."""
        record = Published(label=label, config=published.own_first(self._study, label))
        self._publish(record)
        return record

    def _publish(self, record: Published) -> None:
        self.unpublished.discard(record.label)
        self._searchers[record.label].first = None if record.config is None else dict(record.config)

    def resolve(self, label: str, config: Mapping[str, Scalar]) -> tuple[Options, Options]:
        """The activation's parameters and training fields that a suggestion means."""
        return self._study.space_of(label).resolve(config)

    def reported(self, trial: TrialAdded, epoch: int, metrics: Mapping[str, float]) -> bool:
        """Tells of an epoch; whether the trial should stop."""
        return self._schedulers[trial.label].result(trial.index, epoch, {self.metric: metrics[self.metric]})

    def completed(self, trial: TrialAdded, end: Completed) -> None:
        """Tells of a trial's end."""
        if self.concerns(trial):
            lost = end.status is TrialStatus.INFRA_FAILED
            self._searchers[trial.label].complete(trial.index, end.metrics or None, lost=lost)
            self._schedulers[trial.label].complete(trial.index, end.metrics or None)
