"""The searches of a study: one of Tune's searchers and one scheduler per activation, rebuilt by replaying the ledger.

Each activation is searched, and its trials are stopped, among its own settings alone: a scheduler that compared
activations would spend less on those that start slowly, and their budgets would no longer be equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sweeps.errors import LedgerError
from sweeps.folder.records import Completed, FoldsAdded, LedgerRecord, Reopened, Reported, TrialAdded, TrialStatus
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

    def replay(self, records: Iterable[LedgerRecord]) -> None:
        """Brings searchers and schedulers to where the ledger ends. Raises :class:`LedgerError` where they would
        suggest something else than is recorded."""
        trials: dict[str, TrialAdded] = {}
        reopened: set[str] = set()
        for record in records:
            if isinstance(record, TrialAdded):
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
                "the versions of ray and optuna in provenance.json"
            )

    def concerns(self, trial: TrialAdded) -> bool:
        """Whether the trial is one of a search's, not a winner's or a baseline's."""
        return trial.phase == "search" and trial.label in self.labels

    def ready(self, label: str, index: int) -> bool:
        """Whether all results are in that suggestion ``index`` may depend on."""
        return self._searchers[label].ready(index)

    def ask(self, label: str, index: int) -> Mapping[str, Scalar] | None:
        """Suggestion ``index``; None when there are no more."""
        return self._searchers[label].ask(index)

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
