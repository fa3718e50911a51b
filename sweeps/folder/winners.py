"""Which trial stands for an activation's winner. A search that went on may have chosen again: what was trained for its
earlier choice stays in the data, and is no winner's any more. Pure."""

from __future__ import annotations

from sweeps.folder.records import FoldKey, TrialAdded
from sweeps.folder.state import State
from trainer.spec import Phase


def standing(state: State, label: str, phase: Phase) -> TrialAdded | None:
    """The trial of the confirm phase with what the label's search chose last, or with what was fixed for it; None where
    there is none yet."""
    added = (state.trials[name] for name in state.group(label, phase).trials)
    mine = [trial for trial in added if not is_earlier(state, trial)]
    return mine[-1] if mine else None


def is_earlier(state: State, trial: TrialAdded) -> bool:
    """Whether the trial confirms a setting that its search chose before it went on and chose another one."""
    chosen = state.selected.get(trial.label)
    won = state.trials.get(chosen.trial) if chosen is not None else None
    if trial.phase != "confirm" or won is None or won.phase != "search":
        return False
    return (dict(trial.params), dict(trial.training)) != (dict(won.params), dict(won.training))


def told_again(state: State) -> list[FoldKey]:
    """Folds of the trials of which a search that went on may say something else than before."""
    concerned = {chosen.trial for choices in state.earlier.values() for chosen in choices}
    concerned |= {trial.trial for trial in state.of_phase("confirm") if trial.label in state.earlier}
    return [fold for trial in state.trials.values() if trial.trial in concerned for fold in trial.folds]
