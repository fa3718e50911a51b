"""What every network has to keep to, as checks that the author of one can run on it::

    from trainer.testing.networks import conformance

    def test_my_network():
        assert conformance("mylab.nets:build", {"width": 16}, shapes=[(3, 32, 32), (3, 48, 40)]) == []

Each problem is a text that says what the network did and what is expected of it. Everything runs on the CPU; where the
network is small, in moments.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from trainer.models.build import build
from trainer.models.placement import activation_modules
from trainer.rehearsal import excused
from trainer.spec import ActivationSpec, ModelSpec, Scalar

BATCH = 4
OTHER = ActivationSpec(name="apalu", params={"a": 0.9, "b": 0.2})
"""With parameters of its own, which are trained, and other values than ReLU's."""


def conformance(
    model: str,
    options: Mapping[str, Scalar] | None = None,
    *,
    shapes: Sequence[tuple[int, int, int]],
    outputs: int = 5,
    vocabulary: int | None = None,
) -> list[str]:
    """What is wrong with a network, each said once; empty where nothing is.

    ``model`` and ``options`` as in a study file. ``shapes``: items (channels, height, width) that it is to take, two
    sizes at least where it takes more than one. ``vocabulary``: for networks that read tokens, how many there are.
    """
    found: dict[str, None] = {}
    for shape in shapes:
        suite = _Suite(ModelSpec(name=model, options=options or {}), shape, outputs, vocabulary)
        for problem in suite.problems():
            found[f"{model}, items of {'x'.join(map(str, shape))}: {problem}"] = None
    return list(found)


class _Suite:
    def __init__(self, model: ModelSpec, shape: tuple[int, int, int], outputs: int, vocabulary: int | None) -> None:
        self.model, self.shape, self.outputs, self.vocabulary = model, shape, outputs, vocabulary

    def _made(self, activation: ActivationSpec | None = None, seed: int = 1) -> nn.Module:
        return build(
            self.model,
            activation or ActivationSpec(name="relu"),
            outputs=self.outputs,
            input_shape=self.shape,
            generator_seed=seed,
            vocabulary=self.vocabulary,
        )

    def _items(self, count: int = BATCH) -> Tensor:
        generator = torch.Generator().manual_seed(count)
        if self.vocabulary is not None:
            return torch.randint(self.vocabulary, (count, *self.shape), generator=generator)
        return torch.randn(count, *self.shape, generator=generator)

    def problems(self) -> Iterator[str]:
        """Of one size of item. What cannot be built or run ends the suite."""
        try:
            yield from self._of_building()
            yield from self._of_outputs()
            yield from self._of_evaluation()
            yield from self._of_training()
            yield from self._of_precision()
        except Exception as error:  # whatever the network raises
            yield f"raises {type(error).__name__}: {error}"

    def _of_building(self) -> Iterator[str]:
        """Initial weights are a function of the seed alone."""
        first, again, other = self._made(), self._made(), self._made(seed=2)
        activated = self._made(OTHER)
        if not _same(_weights(first), _weights(again)):
            yield "two built with one seed start with different weights; draw them from torch's global generator"
        if _weights(first) and _same(_weights(first), _weights(other)):
            yield "two built with different seeds start with the same weights; draw them, and set no seed of its own"
        if not _same(_weights(first), _weights(activated)):
            yield "its initial weights depend on the activation, so that folds do not pair; make the layers alike"
        if activation_modules(first).keys() != activation_modules(activated).keys():
            yield "its places depend on the activation; name them alike"

    def _of_outputs(self) -> Iterator[str]:
        model, wanted = self._made(), (BATCH, self.outputs)
        with torch.no_grad():
            outputs = model(self._items())
            if tuple(outputs.shape) != wanted:
                yield f"gives {tuple(outputs.shape)} for {BATCH} items, expected {wanted}"
            elif not bool(outputs.isfinite().all()):
                yield "gives NaN or infinite outputs before any training"
            elif torch.equal(outputs, self._evaluated(self._made(OTHER), self._items(), training=True)):
                yield "gives the same outputs with another activation: its places have no part in them"

    @torch.no_grad()
    def _evaluated(self, model: nn.Module, items: Tensor, *, training: bool = False) -> Tensor:
        torch.manual_seed(0)
        outputs: Tensor = model.train(training)(items)
        return outputs

    def _of_evaluation(self) -> Iterator[str]:
        """In evaluation mode an item's output depends on that item, and on nothing else."""
        model, items = self._made(OTHER), self._items()
        together = self._evaluated(model, items)
        alone = torch.cat([self._evaluated(model, items[index : index + 1]) for index in range(BATCH)])
        if not _close(together, alone, 1e-4):
            yield "an item's output depends on the other items of its batch in evaluation mode"
        torch.rand(3)
        if not torch.equal(together, model(items).detach()):
            yield "gives other outputs for the same items in evaluation mode; draw nothing there, and change no state"
        if self.vocabulary is None:
            last = items.contiguous(memory_format=torch.channels_last)
            if not _close(together, self._evaluated(model, last), 1e-4):
                yield "gives other outputs for items in torch's channels_last format; use reshape, not view"

    def _of_training(self) -> Iterator[str]:
        """One step, and a checkpoint of what it leaves."""
        model, before = self._made(OTHER), self._made(OTHER).state_dict()
        excluded = set(excused(model))
        optimiser = torch.optim.SGD(model.parameters(), lr=1e-3)
        torch.manual_seed(0)
        nn.functional.cross_entropy(model.train()(self._items()), torch.arange(BATCH) % self.outputs).backward()
        without = [name for name, item in model.named_parameters() if item.grad is None and item.requires_grad]
        if without := [name for name in without if name not in excluded]:
            yield f"no gradient reaches {', '.join(without)}; use them in forward, or say so in actsweep_untrained"
        optimiser.step()
        if before.keys() != model.state_dict().keys():
            yield "has other parameters or buffers after a step than before; make all of them in __init__"
            return
        file = io.BytesIO()
        torch.save(model.state_dict(), file)
        file.seek(0)
        restored = self._made(OTHER, seed=2)
        restored.load_state_dict(torch.load(file, weights_only=True))
        items = self._items()
        if not torch.equal(self._evaluated(model, items), self._evaluated(restored, items)):
            yield "differs from one that was given its state_dict: something it depends on is in no checkpoint"

    def _of_precision(self) -> Iterator[str]:
        items = self._items()
        model = self._made(OTHER).double()
        exact = self._evaluated(model, items.double() if items.is_floating_point() else items)
        if exact.dtype != torch.float64:
            yield f"gives {exact.dtype} in double precision, expected torch.float64; make tensors with x's dtype"
        elif not _close(exact.float(), self._evaluated(self._made(OTHER), items), 1e-2):
            yield "gives other outputs in double than in single precision"
        with torch.autocast("cpu", torch.bfloat16):
            if not bool(self._made(OTHER)(items).isfinite().all()):
                yield "gives NaN or infinite outputs under autocast to bfloat16"


def _weights(model: nn.Module) -> dict[str, Tensor]:
    """All but the activations'."""
    inside = tuple(f"{name}." for name in activation_modules(model))
    return {name: value for name, value in model.state_dict().items() if not name.startswith(inside)}


def _close(one: Tensor, other: Tensor, share: float) -> bool:
    """Whether two differ by rounding alone: an untrained network's outputs may be of any size."""
    return bool((one - other).abs().max() <= share * one.abs().max())


def _same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
