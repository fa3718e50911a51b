"""Parts of the user's own as people write them: the right ones pass, and each wrong one gets its message.

``messages.txt`` has what each class of ``own_wrong.py`` is told.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from trainer import entry, journal, preflight
from trainer.codec import to_text
from trainer.spec import ActivationSpec, DataSpec, FoldSpec, ModelSpec, Pack

HERE = Path(__file__).parent
MODELS, READERS = ("residual", "Head", "Hidden", "Positions"), ("blobs", "shifted", "ragged")
RIGHT = (
    "Swish", "PerChannel", "CountsInABuffer", "CountsInExtraState", "Straight", "Noisy", "Looked", "Logs", "SaysSo",
    "residual", "blobs",
)  # fmt: skip


def _messages() -> dict[str, str]:
    lines = (HERE / "messages.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split(" | ", 1) for line in lines)


MESSAGES = _messages()


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))


@pytest.fixture
def own(small: Callable[..., FoldSpec]) -> Callable[..., FoldSpec]:
    """A fold that uses a name of ``own_right.py`` or ``own_wrong.py`` for what it is."""

    def make(module: str, name: str, **changes: object) -> FoldSpec:
        path = f"{module}:{name}"
        if name in MODELS:
            return small(model=ModelSpec(name=path), **changes)
        if name in READERS:
            return small(data=DataSpec(name=path), **changes)
        return small(activation=ActivationSpec(name=path), **changes)

    return make


def test_there_are_ten_of_each_and_a_message_for_every_wrong_one() -> None:
    assert len(RIGHT) >= 10
    assert len(MESSAGES) >= 10


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_passes(own: Callable[..., FoldSpec], name: str) -> None:
    assert preflight.problems([own("own_right", name)], None) == []


@pytest.mark.parametrize("precision", ["bf16", "fp64"])
def test_what_is_right_passes_in_the_precision_it_will_train_in(own: Callable[..., FoldSpec], precision: str) -> None:
    specs = [own("own_right", name, precision=precision) for name in RIGHT]
    assert preflight.problems(specs, None) == []


@pytest.mark.parametrize("name", MESSAGES)
def test_what_is_wrong_is_told_once_with_what_to_write_instead(own: Callable[..., FoldSpec], name: str) -> None:
    assert preflight.problems([own("own_wrong", name)], None) == [MESSAGES[name]]


def test_a_wrong_activation_is_told_once_in_a_deep_network(own: Callable[..., FoldSpec]) -> None:
    deep = dataclasses.replace(own("own_wrong", "Counts"), model=ModelSpec(name="resnet18"))
    assert preflight.problems([deep], None) == [MESSAGES["Counts"]]


def test_the_end_of_a_space_at_which_it_breaks_is_named(own: Callable[..., FoldSpec]) -> None:
    activations = [ActivationSpec(name="own_wrong:Overflows", params={"power": power}) for power in (1e-6, 1.0)]
    ends = [dataclasses.replace(own("own_wrong", "Overflows"), activation=activation) for activation in activations]
    (problem,) = preflight.problems(ends, None)
    assert problem.endswith("gives NaN or infinite values for finite inputs before any training (at power=1.0)")


def test_a_batch_of_one_is_tried_as_one(own: Callable[..., FoldSpec]) -> None:
    alone = own("own_right", "Swish", batch=1)
    (problem,) = preflight.problems([dataclasses.replace(alone, model=ModelSpec(name="resnet18"))], None)
    assert "Expected more than 1 value per channel" in problem


@pytest.mark.parametrize("name", ["CountsInABuffer", "CountsInExtraState", "Looked", "SaysSo"])
def test_state_that_is_carried_makes_a_resumed_fold_the_undisturbed_one(
    own: Callable[..., FoldSpec], packed: Callable[..., Pack], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Also where a rule keeps the weights of another epoch than the last."""
    spec = own("own_right", name, epochs=4, checkpoint_rule="validation_loss")
    whole = packed(spec, where="whole")
    entry.run(to_text(whole))
    torn = packed(spec, where="torn")
    from trainer.fold import Fold

    advance, calls = Fold.advance, []

    def cut_off(self: Fold, check: Callable[[], None]) -> object:
        calls.append(1)
        if len(calls) == 3:
            raise MemoryError
        return advance(self, check)

    with monkeypatch.context() as patch:
        patch.setattr(Fold, "advance", cut_off)
        with pytest.raises(MemoryError):
            entry.run(to_text(torn))
    entry.run(to_text(torn))
    histories = [journal.read_fold(Path(pack.launches[0].folder)) for pack in (whole, torn)]
    assert [history.start.resumed_epoch for history in histories if history] == [0, 2]
    undisturbed, resumed = ([epoch.metrics for epoch in history.epochs] for history in histories if history)
    assert undisturbed == resumed
    assert len({history.end.outcomes["last"].metrics["heldout/loss"] for history in histories if history}) == 1


@pytest.mark.parametrize("name", ["StaysBehind", "MadeOnTheCpu", "Positions"])
def test_what_torch_says_of_two_devices_becomes_the_same_message(
    own: Callable[..., FoldSpec], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """As on a GPU, where the step itself fails."""
    from trainer.learner import Learner

    def step(*rest: object) -> None:
        raise RuntimeError(
            "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!"
        )

    monkeypatch.setattr(Learner, "step", step)
    assert preflight.problems([own("own_wrong", name)], None) == [MESSAGES[name]]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", ["Swish", "CountsInABuffer", "residual"])
def test_what_is_right_passes_on_a_gpu(own: Callable[..., FoldSpec], name: str) -> None:
    assert preflight.problems([own("own_right", name)], None, "cuda") == []


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", ["StaysBehind", "MadeOnTheCpu", "Positions"])
def test_a_tensor_on_another_device_is_told_on_a_gpu(own: Callable[..., FoldSpec], name: str) -> None:
    (problem,) = preflight.problems([own("own_wrong", name)], None, "cuda")
    assert problem == MESSAGES[name]
