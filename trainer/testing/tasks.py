"""What every task has to keep to, as checks that the author of one can run on it::

    from trainer.testing.tasks import CHECKS, Example

    @pytest.mark.parametrize("check", CHECKS)
    def test_counts(check):
        CHECKS[check](Example(task="mylab.tasks:Counts", dataset=small_dataset, model=ModelSpec(name="mlp")))

A check raises AssertionError, which says what the task did and what is expected of it. All run on the CPU in moments
where the data set is small, and train by the code that trains folds.
"""

from __future__ import annotations

import dataclasses
import io
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainer import batches, catalogue, checkpoint, device
from trainer.datasets.reader import Dataset
from trainer.learner import Learner
from trainer.spec import ActivationSpec, DataSpec, FoldSpec, ModelSpec, Options, SplitSpec, TrainingSpec
from trainer.splits import Split
from trainer.tasks import task as tasks
from trainer.tasks.description import Description
from trainer.tasks.task import Task
from trainer.tasks.view import PartName

CPU = torch.device("cpu")
PARTS: tuple[PartName, ...] = ("train", "validation", "heldout")


@dataclass(frozen=True, kw_only=True)
class Example:
    """A task on a small data set, with a model that fits both."""

    task: str
    dataset: Dataset
    model: ModelSpec
    options: Options = field(default_factory=dict)
    split: SplitSpec = field(default_factory=lambda: SplitSpec(folds=3))
    training: TrainingSpec = field(default_factory=lambda: TrainingSpec(epochs=3, batch=16, lr=1e-2, patience=None))
    activation: ActivationSpec = field(default_factory=lambda: ActivationSpec(name="relu"))

    @property
    def spec(self) -> FoldSpec:
        return FoldSpec(
            study="conformance",
            study_seed=1,
            phase="confirm",
            trial="conformance",
            repeat=0,
            fold=0,
            data=DataSpec(name=self.dataset.name),
            split=self.split,
            model=self.model,
            activation=self.activation,
            training=self.training,
            task=self.task,
            task_options=self.options,
        )

    @property
    def kind(self) -> type[Task]:
        return tasks.fitting(self.task, self.options, self.dataset)

    @property
    def described(self) -> Description:
        return self.kind.described(self.task, **self.options)

    def dealt(self) -> tuple[Dataset, Split]:
        """The data set as the task trains on it, and the fold's split."""
        dataset = tasks.derived(self.spec, self.dataset, CPU, None)
        return dataset, tasks.deal(self.kind, dataset, self.spec)

    def learner(self, dataset: Dataset | None = None, split: Split | None = None) -> Learner:
        """One that has learnt nothing yet."""
        if dataset is None or split is None:
            dataset, split = self.dealt()
        data = batches.resident(dataset, CPU)
        return Learner(self.spec, dataset, data, split, self.kind(dataset, **self.options))

    def fitted(self, dataset: Dataset | None = None, split: Split | None = None) -> Learner:
        learner = self.learner(dataset, split)
        learner.fit()
        return learner


def description_agrees(example: Example) -> None:
    """What is said of the task without torch is what its class says."""
    kind, described = example.kind, example.described
    if example.task in catalogue.DESCRIPTIONS:
        light = catalogue.resolve("task", example.task, catalogue.DESCRIPTIONS)(example.options)
        assert light == described, f"its light description is {light}, its class says {described}"
    known = [metric.name for metric in kind.metrics]
    assert set(described.names) <= set(known), f"describes {described.names}, its class has the metrics {known}"
    assert described.stratifies == (kind.strata(example.dataset, **example.options) is not None), (
        f"stratifies is {described.stratifies}; expected whether strata() gives any"
    )


def stages_come_to_the_epochs(example: Example) -> None:
    learner = example.learner()
    found = learner.task.stages(example.training)
    assert sum(stage.epochs for stage in found) == example.training.epochs, "the stages' epochs are not training.epochs"
    names = [stage.name for stage in found]
    assert len(set(names)) == len(names), f"two stages are both called {names}"
    outside = set(learner.trained_on.tolist()) - set(learner.parts["train"].tolist())
    assert not outside, f"trained_on gives items outside the training part: {sorted(outside)[:5]}"


def losses_train(example: Example) -> None:
    """In every stage the loss is one finite number, with finite gradients for what the stage trains."""
    learner = example.fitted()
    for number, stage in enumerate(learner.stages):
        if number:
            learner.enter(number, epochs=0)
        trained = [item for item in learner.task.trained(learner.model) if item.requires_grad]

        def look(outputs: Tensor, loss: Tensor | None, name: str = stage.name) -> None:
            assert bool(torch.isfinite(outputs).all()), f"stage {name!r}: outputs before training are not finite"
            if loss is not None:
                assert bool(torch.isfinite(loss)), f"stage {name!r}: loss is {float(loss)}"

        learner.begin(1, 1)
        try:
            learner.step(learner.trained_on[: example.training.batch], look)
        except RuntimeError as error:
            raise AssertionError(
                f"stage {stage.name!r}: a step fails ({error}); expected a loss of shape ()"
            ) from error
        without = sum(item.grad is None or not bool(torch.isfinite(item.grad).all()) for item in trained)
        assert not without, f"stage {stage.name!r}: {without} of {len(trained)} trained tensors have no finite gradient"


def measures_what_it_says(example: Example) -> None:
    """Each part gives the loss and declared metrics alone, within their bounds; the held-out part and the outcome give
    the primary one, and what is NaN has a remark."""
    learner, described = _trained(example), example.described
    hidden = {metric.name for metric in described.metrics if metric.heldout_only}
    for part in PARTS:
        if not len(learner.parts[part]):
            continue
        found = learner.evaluate(part)
        if part == "heldout":
            extra = learner.outcome()
            assert not found.keys() & extra.keys(), f"outcome() gives {extra.keys() & found.keys()}, as measure() does"
            found |= extra
            assert described.primary in found, (
                f"of the held-out part its primary metric {described.primary!r} is missing"
            )
        else:
            assert not found.keys() & hidden, f"of the part {part}: {found.keys() & hidden}, declared heldout_only"
            missing = set(described.validated) - found.keys() if part == "validation" else set()
            assert not missing, f"of the validation part {missing} are missing, which checkpoint rules may look at"
        assert "loss" in found, f"of the part {part} the loss is missing"
        _values(described, found, part, learner.task.remarks() if part == "heldout" else {})


def floors_are_sound(example: Example) -> None:
    """References and floors are finite values of declared metrics, and no model is asked for them."""
    learner, described = example.fitted(), example.described
    before = learner.floors()
    _values(described, learner.references(), "references()", {})
    for name, values in before.items():
        assert name.strip(), f"a predictor is called {name!r}"
        _values(described, values, f"floor {name!r}", {})
    learner.train(1, lambda: None)
    assert learner.floors() == before, "floors differ after an epoch of training: they look at the model"


def predictions_have_a_row_an_item(example: Example) -> None:
    learner = _trained(example)
    found = learner.task.predictions(learner.outputs("heldout"), learner.targets("heldout"))
    count = len(learner.parts["heldout"])
    assert found, "predictions() gives no array"
    assert not found.keys() & {"indices", "schema", "task"}, "indices, schema and task are written by the fold"
    for name, array in found.items():
        rows = np.asarray(array).shape[:1]
        assert rows == (count,), f"predictions: {name} has the shape {np.asarray(array).shape} for {count} items"
    np.savez(io.BytesIO(), allow_pickle=False, **found)


def resumes_bit_for_bit(example: Example) -> None:
    """After each epoch, what a checkpoint brings back trains on as if nothing had happened."""
    whole, states = example.fitted(), []
    for epoch in range(1, example.training.epochs + 1):
        whole.train(epoch, lambda: None)
        states.append(checkpoint.through_a_file(whole.state()))
    ended = _measured(whole)
    for done, state in enumerate(states, start=1):
        resumed = example.learner()
        resumed.restore(state, epochs=done)
        for epoch in range(done + 1, example.training.epochs + 1):
            resumed.train(epoch, lambda: None)
        _same(resumed.state(), states[-1], f"resumed after epoch {done}")
        assert _measured(resumed) == ended, f"resumed after epoch {done}: other metrics than without a pause"


def looking_changes_nothing(example: Example) -> None:
    """What is measured between two epochs has no say in the second."""
    plain, watched = example.fitted(), example.fitted()
    for epoch in range(1, example.training.epochs + 1):
        plain.train(epoch, lambda: None)
        watched.train(epoch, lambda: None)
        _measured(watched)
    _same(watched.state(), plain.state(), "with every part measured after each epoch")


def trains_on_the_training_part_alone(example: Example) -> None:
    """Held-out items and targets that have changed places, and other items in no part, leave training as it was."""
    dataset, split = example.dealt()
    plain, other = example.fitted(dataset, split), example.fitted(_disturbed(dataset, split), split)
    _same(other.state(), plain.state(), "before the first epoch, with other items held out")
    for epoch in range(1, example.training.epochs + 1):
        plain.train(epoch, lambda: None)
        other.train(epoch, lambda: None)
        if len(split.validation):
            assert plain.evaluate("validation") == other.evaluate("validation"), "validation looks at other items"
    _same(other.state(), plain.state(), "with other items held out")


CHECKS: Mapping[str, Callable[[Example], None]] = {
    check.__name__: check
    for check in (
        description_agrees,
        stages_come_to_the_epochs,
        losses_train,
        measures_what_it_says,
        floors_are_sound,
        predictions_have_a_row_an_item,
        resumes_bit_for_bit,
        looking_changes_nothing,
        trains_on_the_training_part_alone,
    )
}
"""By their names."""


def conform(example: Example) -> None:
    """All checks, one after another, with torch set as it is while folds train."""
    with device.session(CPU, threads=1):
        for check in CHECKS.values():
            check(example)


def _trained(example: Example) -> Learner:
    learner = example.fitted()
    for epoch in range(1, example.training.epochs + 1):
        learner.train(epoch, lambda: None)
    return learner


def _measured(learner: Learner) -> dict[str, float | str]:
    """All that can be measured of a learner; NaN as text, which equals itself."""
    learner.seed_outcome(1)
    found = {f"{part}/{name}": value for part in PARTS if len(learner.parts[part])
             for name, value in learner.evaluate(part).items()}  # fmt: skip
    if learner.in_last_stage:
        found |= learner.outcome()
    return {name: "NaN" if math.isnan(value) else value for name, value in found.items()}


def _values(described: Description, found: Mapping[str, float], where: str, remarks: Mapping[str, str]) -> None:
    unknown = found.keys() - set(described.names)
    assert not unknown, f"{where}: gives {sorted(unknown)}, declares {', '.join(described.names)}"
    for name, value in found.items():
        metric = described.metric(name)
        if math.isnan(value) and remarks.get(name):
            continue
        finite = isinstance(value, float) and math.isfinite(value)
        assert finite, f"{where}: {name} is {value!r}, expected a finite float"
        inside = (metric.low is None or value >= metric.low) and (metric.high is None or value <= metric.high)
        assert inside, f"{where}: {name} is {value}, outside its bounds {metric.low} to {metric.high}"


def _disturbed(dataset: Dataset, split: Split) -> Dataset:
    """The data set with the held-out part's rows in another order, and rows in no part in the reverse one."""
    order = np.arange(len(dataset.items))
    order[split.heldout] = np.roll(split.heldout, 1 + len(split.heldout) // 3)
    unused = np.setdiff1d(order, np.concatenate([split.train, split.validation, split.heldout]))
    order[unused] = unused[::-1]

    names = ("items", "labels", "values", "masks")
    moved: dict[str, Any] = {
        name: np.asarray(array)[order] for name in names if (array := getattr(dataset, name)) is not None
    }
    return dataclasses.replace(dataset, **moved)


def _same(one: Any, other: Any, when: str) -> None:
    for (name, found), (_, expected) in zip(_leaves(one), _leaves(other), strict=True):
        if isinstance(expected, Tensor):
            same = found.shape == expected.shape and torch.equal(torch.nan_to_num(found), torch.nan_to_num(expected))
        else:
            same = found == expected
        assert same, f"{when}, {name} differs; expected the same bits"


def _leaves(value: Any, name: str = "state") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key in sorted(value, key=str):
            yield from _leaves(value[key], f"{name}.{key}")
    elif isinstance(value, list | tuple):
        for place, item in enumerate(value):
            yield from _leaves(item, f"{name}.{place}")
    else:
        yield name, value
