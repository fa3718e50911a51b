"""A rehearsal of training: two steps on real items, with a checkpoint between them, by the code that trains folds.

It finds what a blank pass cannot: operations that break the backward pass, gradients that are cut, parameters that are
never trained, tensors that would stay on another device, and state that a checkpoint loses. Each is told with what to
write instead.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from trainer import batches, checkpoint, plain_state, probe
from trainer.datasets.reader import Dataset
from trainer.excerpt import Excerpt, take
from trainer.learner import Learner
from trainer.models import placement
from trainer.plain_state import Place, Snapshot
from trainer.spec import FoldSpec
from trainer.splits import Split
from trainer.tasks import task as tasks

UNTRAINED = "actsweep_untrained"
"""Class attribute of any module: names (with * and ?) of its parameters that need not get a gradient."""
STEP = 2
"""Items of a training step."""
FIXES = {
    "modified by an inplace operation": "something that the backward pass needs is changed in place: write x.clone() "
    "first, or the operation without the trailing _ (and without inplace=True, out= or x[...] = ...)",
    "leaf Variable that requires grad": "a parameter is changed in place in forward: keep what is counted or averaged "
    "in a buffer (self.register_buffer), and leave parameters to the optimiser",
    "Can't call numpy": "numpy takes no tensor that is trained through: write it in torch's operations",
}
"""Words of torch's messages -> what to write instead."""


class Rehearsed(NamedTuple):
    faults: list[str]
    """What is wrong, each said once."""
    cautions: list[str]
    """What the task has to say of the model and its activation."""
    places: str = ""
    """Where the activation stands in the model, in words."""


def rehearse(spec: FoldSpec, dataset: Dataset, split: Split, target: torch.device, *, resume: bool) -> Rehearsed:
    """The fold's model, activation and task on the device ``target``; what user code raises is raised. ``resume``: also
    whether a step after a checkpoint equals the uninterrupted one, which takes twice as long."""
    made = tasks.find(spec.task, spec.task_options)(dataset, **spec.task_options)
    made.dealt(split)
    rehearsal = _Rehearsal(spec, dataset, take(made, dataset, split), target)
    faults = list(dict.fromkeys(rehearsal.findings(resume=resume)))
    return Rehearsed(faults, rehearsal.cautions, rehearsal.places)


class _Rehearsal:
    def __init__(self, spec: FoldSpec, dataset: Dataset, excerpt: Excerpt, target: torch.device) -> None:
        self.spec, self.dataset, self.excerpt, self.target = spec, dataset, excerpt, target
        self.cautions: list[str] = []
        self.places = ""

    def _learner(self) -> Learner:
        task = tasks.find(self.spec.task, self.spec.task_options)(self.dataset, **self.spec.task_options)
        # The excerpt's were chosen among those that it trains on, and have other numbers here.
        task.trained_on = lambda split: split.train  # type: ignore[method-assign]
        data = batches.resident(self.excerpt.dataset, self.target)
        return Learner(self.spec, self.dataset, data, self.excerpt.split, task)

    def findings(self, *, resume: bool) -> Iterator[str]:
        try:
            learner = self._learner()
        except ValueError as error:  # torch's, of a parameter without a size
            if "uninitialized parameter" not in str(error):
                raise
            yield self._lazy([])
            return
        self._roots = {"model": learner.model, "task": learner.task}
        self._places, self.places = placement.activation_modules(learner.model), placement.places(learner.model)
        if lazy := [name for name, item in learner.model.named_parameters() if torch.nn.parameter.is_lazy(item)]:
            yield self._lazy(lazy)
            return
        yield from self._unregistered()
        before, names = self._snapshot(learner), self._registered(learner)
        with probe.watched(self._places) as watch:
            try:
                learner.fit()
                found = list(self._first_step(learner))
                for number in range(1, len(learner.stages)) if not found else ():
                    learner.enter(number, epochs=0)
                    found = found or list(self._first_step(learner))
                self.cautions = list(learner.cautions())
            except RuntimeError as error:
                yield from self._failed(error, learner, watch)
                return
        made_late = sorted(self._registered(learner) - names)
        yield from (self._made_late(name) for name in made_late)
        faults = [f"{self.spec.activation.name}: {words}" for words in watch.faults(self.spec.activation.params)]
        found = faults or found
        if ":" in self.spec.task and not found:  # what is asked of a task beside its steps
            learner.floors()
            learner.measure(learner.outputs("heldout"), "heldout")
            learner.outcome()
        if resume and not made_late and not found:
            found = list(self._resumed(learner, before))
        yield from found or self._elsewhere(learner, watch)

    def _elsewhere(self, learner: Learner, watch: probe.Watch) -> Iterator[str]:
        """Tensors that would stay behind on another device, of the activation or else of the network around it."""
        name, model = self.spec.activation.name, self.spec.model.name
        items = learner.items(learner.trained_on[:STEP])
        looked = [(name, *found) for found in watch.ends()[:1]] if ":" in name else []
        looked += [(f"model {model!r}", learner.model, items)] if ":" in model else []
        for who, module, given in looked:
            if words := probe.stays_behind(module, given):
                yield f"{who}: {words}"
                return

    # -- the first step ------------------------------------------------------------------------------------------------

    def _first_step(self, learner: Learner) -> Iterator[str]:
        """Takes it; what can be seen of outputs and gradients."""
        count = min(STEP, self.spec.training.batch, len(learner.trained_on))
        found: list[str] = []

        def look(outputs: Tensor, loss: Tensor | None) -> None:
            model, wanted = self.spec.model.name, (count, learner.task.outputs)
            if loss is None:
                gives = type(learner.task).forward is not tasks.Task.forward  # something that only the task knows
                if tuple(outputs.shape) != wanted and not gives:
                    accepted = f"accepts outputs ({wanted[0]}, {wanted[1]})"
                    raise ValueError(f"model {model!r}: gives {tuple(outputs.shape)} for {count} items; {accepted}")
                if not bool(torch.isfinite(outputs).all()):
                    found.append(f"model {model!r}: gives NaN or infinite outputs before any training")
            elif not found:
                found.extend(self._gradients(learner))

        learner.begin(1, 1)
        learner.step(learner.trained_on[:count], look)
        yield from found

    def _gradients(self, learner: Learner) -> Iterator[str]:
        without: dict[str, dict[str, None]] = {}
        trained = {id(item) for item in learner.task.trained(learner.model)}
        for kind, root in self._roots.items():
            spared = set(excused(root))
            for name, item in root.named_parameters():
                if not item.requires_grad or name in spared or id(item) not in trained:
                    continue
                if item.grad is None:
                    without.setdefault(self._owner(kind, name), {})[self._shown(kind, name)] = None
                elif not bool(torch.isfinite(item.grad).all()):
                    yield (
                        f"{self._who()}: the gradients of the first step are NaN or infinite (first in {name}); keep "
                        "divisions, logarithms and roots away from 0, also in the branch that torch.where leaves out"
                    )
                    return
        for owner, names in without.items():
            yield (
                f"{owner}: no gradient in a training step for {', '.join(names)}, never trained therefore: use it in "
                f"forward, leave it out, make it a buffer, or say {UNTRAINED} = {tuple(names)!r} in the class if that "
                "is meant"
            )

    def _failed(self, error: RuntimeError, learner: Learner, watch: probe.Watch) -> Iterator[str]:
        """What a failed step comes from. Raises the error again where nothing better can be said."""
        faults = [f"{self.spec.activation.name}: {words}" for words in watch.faults(self.spec.activation.params)]
        if faults:
            yield from faults
            return
        if probe.ELSEWHERE.search(str(error)):
            of_activation = [name for module in self._places.values() for name in plain_state.plain_tensors(module)]
            names = of_activation or plain_state.plain_tensors(learner.model)
            who = f"model {self.spec.model.name!r}" if names and not of_activation else self._who()
            yield f"{who}: {probe.stays(sorted(set(names)))}"
            return
        for words, fix in FIXES.items():
            if words in str(error):
                yield f"{self._who()}: {fix} (torch: {re.split(r':|[.] ', str(error))[0]})"
                return
        raise error

    # -- parameters ----------------------------------------------------------------------------------------------------

    def _registered(self, learner: Learner) -> set[tuple[str, str]]:
        """(kind, name) of all that a checkpoint holds."""
        names = {("parameter", name) for name, _ in learner.model.named_parameters()}
        return names | {("buffer", name) for name, _ in learner.model.named_buffers()}

    def _made_late(self, late: tuple[str, str]) -> str:
        kind, name = late
        shown = self._shown("model", name)
        never = "the optimiser never sees it and" if kind == "parameter" else "it is in no new model, so that"
        maker = f"self.{shown} = nn.Parameter(...)" if kind == "parameter" else f"self.register_buffer({shown!r}, ...)"
        return (
            f"{self._owner('model', name)}: {kind} {shown} is made in the first forward: {never} no resume can load "
            f"it; write {maker} in __init__, which is told the number of features where it names channels"
        )

    def _lazy(self, names: list[str]) -> str:
        shown = ", ".join(dict.fromkeys(self._shown("model", name) for name in names))
        return (
            f"{self._who()}: no size before the first forward for {shown or 'a parameter'} (a lazy layer): the "
            "optimiser cannot train it and no resume can load it; give the layer its size where it is made, which is "
            "told channels (an activation) or channels, input_shape and outputs (a model) where it names them"
        )

    def _unregistered(self) -> Iterator[str]:
        for kind, root in self._roots.items():
            for path, name, wanted in plain_state.unregistered(root):
                yield (
                    f"{self._owner(kind, path)}: self.{name} holds parameters in a plain list, tuple or dictionary: "
                    f"they are neither trained nor saved; use nn.{wanted} (or nn.{wanted[:-4]}Dict)"
                )

    # -- a checkpoint between two steps --------------------------------------------------------------------------------

    def _snapshot(self, learner: Learner) -> dict[str, Snapshot]:
        return {"model": plain_state.snapshot(learner.model), "task": plain_state.snapshot(learner.task)}

    def _resumed(self, learner: Learner, before: dict[str, Snapshot]) -> Iterator[str]:
        """A second step in this learner, and in another one that begins with this one's checkpoint."""
        after = self._snapshot(learner)
        try:
            state = checkpoint.through_a_file(learner.state())
        except pickle.UnpicklingError as error:
            yield (
                f"{self._who()}: its state cannot be read back from a checkpoint, which holds tensors, numbers, texts, "
                f"lists and dictionaries of them; give such from get_extra_state ({_refused(error)})"
            )
            return
        other = self._learner()
        other.restore(state, epochs=learner.epochs_of_stage)
        restored = self._snapshot(other)
        uninterrupted, later = self._second_step(learner), self._snapshot(learner)
        resumed, resumed_later = self._second_step(other), self._snapshot(other)
        same = _equal(uninterrupted, resumed, exact=self.target.type == "cpu")
        told = False
        for kind in self._roots:
            for place in sorted(_lost(before[kind], after[kind], restored[kind]), key=lambda place: place.name):
                # What is made anew in each forward is the same by now; a counter, an average or a generator is not.
                # A new process would have classes and globals as they were at first.
                other_value = after if place.kind != "attribute" else resumed_later
                if not same or later[kind].get(place) != other_value[kind].get(place):
                    told = True
                    yield self._loses(kind, place, after[kind][place])
        if not same and not told:
            yield (
                f"{self._who()}: a step after a checkpoint differs from the same step without one: something outside "
                "its parameters and buffers changes as it trains (a generator of its own, a closure, a file); keep it "
                "in a buffer or give it from get_extra_state, and draw numbers from torch's own generator"
            )

    def _second_step(self, learner: Learner) -> dict[str, Any]:
        count = min(STEP, self.spec.training.batch, len(learner.trained_on))
        learner.begin(2, 1)
        index = learner.trained_on[-count:]
        outputs = learner.step(index)
        learner.seed_outcome(2)
        return {"outputs": outputs, "heldout": learner.outputs("heldout"), "state": learner.state()}

    def _loses(self, kind: str, place: Place, value: object) -> str:
        where = {"attribute": "self.", "class": "the class attribute ", "global": "the module's global "}[place.kind]
        instead = (
            "draw from torch's own generator (torch.rand and the like), which every epoch seeds"
            if isinstance(value, bytes)
            else f"keep it in a tensor that self.register_buffer({place.name.lstrip('_')!r}, ...) makes in __init__ "
            "and forward changes in place, or give it from get_extra_state and take it in set_extra_state"
        )
        return (
            f"{self._owner(kind, place.module)}: {where}{place.name} changes as it trains and is in no checkpoint, so "
            f"that a resumed fold would differ from an uninterrupted one: {instead}; where nothing depends on it, say "
            f"{plain_state.TRANSIENT} = ({place.name!r},) in the class"
        )

    # -- names ---------------------------------------------------------------------------------------------------------

    def _who(self) -> str:
        """The part of the fold that is the user's own, if one is."""
        name, model = self.spec.activation.name, self.spec.model.name
        return f"model {model!r}" if ":" in model and ":" not in name else name

    def _owner(self, kind: str, path: str) -> str:
        if kind == "task":
            return f"task {self.spec.task!r}"
        inside = any(path == place or path.startswith(f"{place}.") for place in self._places)
        return self.spec.activation.name if inside else f"model {self.spec.model.name!r}"

    def _shown(self, kind: str, name: str) -> str:
        """A parameter's name within the activation, the model or the task."""
        inside = (name[len(place) + 1 :] for place in self._places if name.startswith(f"{place}."))
        return next(inside, name) if kind == "model" else name


def excused(root: nn.Module) -> Iterator[str]:
    """Parameters that a module says need no gradient."""
    for path, module in root.named_modules():
        patterns = getattr(module, UNTRAINED, ())
        for name, _ in module.named_parameters() if patterns else ():
            if any(fnmatch(name, pattern) for pattern in patterns):
                yield f"{path}.{name}".lstrip(".")


def _lost(before: Snapshot, after: Snapshot, restored: Snapshot) -> set[Place]:
    """What has changed and has not come back. A new process has classes and globals as they were at first."""
    return {
        place
        for place in plain_state.changed(before, after)
        if place.kind != "attribute" or restored.get(place) != after[place]
    }


def _refused(error: Exception) -> str:
    found = re.search(r"GLOBAL (\S+)", str(error))
    return f"got {found[1]}" if found else str(error).splitlines()[0][:160]


def _equal(one: Any, other: Any, *, exact: bool) -> bool:
    """Whether two states are the same, bit for bit where ``exact``."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        if one.shape != other.shape:
            return False
        if exact or not one.is_floating_point():
            return bool(torch.equal(torch.nan_to_num(one), torch.nan_to_num(other)))
        return bool(torch.allclose(one, other.to(one.device), rtol=1e-3, atol=1e-5, equal_nan=True))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key], exact=exact) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(_equal(a, b, exact=exact) for a, b in zip(one, other, strict=True))
    return bool(one == other)
