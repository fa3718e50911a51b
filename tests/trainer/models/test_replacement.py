"""Activations that a network has as modules of any kind and as calls: which are replaced, where they then are, and what
is refused."""

from __future__ import annotations

import copy
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer import entry, journal
from trainer.codec import to_text
from trainer.models import kinds
from trainer.models.build import build
from trainer.models.placement import activation_modules
from trainer.models.replacement import Uses
from trainer.spec import ActivationSpec, FoldSpec, ModelSpec, Pack

SHAPE = (1, 4, 6)


class Double(nn.Module):
    """An activation that is easily seen."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * x + 1


class Hidden(nn.Module):
    """An activation that has a ReLU inside."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) + functional.relu(x - 1) + torch.tanh(x)


class Net(nn.Module):
    """Rows of 24 numbers; :meth:`between` is what a test changes."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(24, 8), nn.Linear(8, 8)
        self.head = nn.Linear(8, outputs)

    def between(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.between(self.first(x.flatten(1))))


def net(between: Callable[[Net, Tensor], Tensor]) -> Callable[..., nn.Module]:
    class Made(Net):
        def between(self, x: Tensor) -> Tensor:
            return between(self, x)

    return lambda *, outputs: Made(outputs)


def helper(x: Tensor) -> Tensor:
    return functional.relu(x)


def in_place_unreturned(_net: Net, x: Tensor) -> Tensor:
    x = x + 0.5
    x.relu_()
    return x


def in_place_of_a_part(_net: Net, x: Tensor) -> Tensor:
    x = x * 1
    functional.relu(x[:, :4], inplace=True)
    return x


def in_a_loop(made: Net, x: Tensor) -> Tensor:
    for _ in range(3):
        x = functional.relu(made.second(x))
    return x


FORMS: dict[str, tuple[Callable[[Net, Tensor], Tensor], str, int, int]] = {
    "functional": (lambda _net, x: functional.relu(x), "relu", 1, 1),
    "functional with a keyword": (lambda _net, x: functional.relu(input=x), "relu", 1, 1),
    "torch": (lambda _net, x: torch.relu(x), "relu", 1, 1),
    "method": (lambda _net, x: x.relu(), "relu", 1, 1),
    "in place": (lambda _net, x: functional.relu(x, inplace=True), "relu", 1, 1),
    "in place of torch's": (lambda _net, x: torch.relu_(x), "relu", 1, 1),
    "in place without its result": (in_place_unreturned, "relu", 1, 1),
    "in place of a part": (in_place_of_a_part, "relu", 1, 1),
    "relu6": (lambda _net, x: functional.relu6(x), "relu6", 1, 1),
    "hardswish": (lambda _net, x: functional.hardswish(x), "hardswish", 1, 1),
    "gelu": (lambda _net, x: functional.gelu(x, approximate="tanh"), "gelu", 1, 1),
    "silu": (lambda _net, x: functional.silu(x), "silu", 1, 1),
    "elu": (lambda _net, x: functional.elu(x, 0.5), "elu", 1, 1),
    "leaky": (lambda _net, x: functional.leaky_relu(x, 0.2), "leaky_relu", 1, 1),
    "selu": (lambda _net, x: torch.selu(x), "selu", 1, 1),
    "mish": (lambda _net, x: functional.mish(x), "mish", 1, 1),
    "two calls": (lambda made, x: functional.relu(made.second(torch.relu(x))), "relu", 2, 2),
    "two calls on a line": (lambda _net, x: functional.relu(x) + functional.relu(-x), "relu", 2, 2),
    "helper": (lambda made, x: helper(made.second(helper(x))), "relu", 2, 2),
    "loop": (in_a_loop, "relu", 1, 3),
    "comprehension": (lambda _net, x: sum(functional.relu(x + shift) for shift in (0.0, 1.0)), "relu", 1, 2),
}


def as_modules(*layers: nn.Module) -> Callable[..., nn.Module]:
    def make(*, outputs: int) -> nn.Module:
        stack: list[nn.Module] = [nn.Flatten(), nn.Linear(24, 8)]
        for layer in layers:
            stack += [copy.deepcopy(layer), nn.Linear(8, 8)]
        return nn.Sequential(*stack, nn.Linear(8, outputs))

    return make


class Chained(nn.Sequential):
    """Calls an activation between its own layers."""

    def forward(self, x: Tensor) -> Tensor:
        for layer in self:
            x = functional.relu(layer(x))
        return x


class OnlyInTraining(Net):
    def between(self, x: Tensor) -> Tensor:
        return functional.relu(x) if self.training else torch.relu(x)


class Inner(nn.Module):
    """A network in a network; both call."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.outer = FORMS["functional"][0]
        self.net = net(FORMS["two calls"][0])(outputs=outputs)
        self.kept = nn.Hardswish()

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.kept(self.net(x)))


class Named(nn.Module):
    """Decides itself, and has functions of other kinds."""

    def __init__(self, outputs: int, activation: Callable[..., nn.Module]) -> None:
        super().__init__()
        self.first, self.act, self.gate = nn.Linear(24, 8), activation(8, axis=-1), nn.Tanh()
        self.relu, self.head = nn.ReLU(), nn.Linear(8, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.first(x.flatten(1)))
        return self.head(self.relu(functional.relu(functional.gelu(x))) * self.gate(x) * torch.sigmoid(x))


class Counts(Net):
    """Has state of its own, which a trial is not to touch."""

    def __init__(self, outputs: int) -> None:
        super().__init__(outputs)
        self.norm = nn.BatchNorm1d(8)
        self.calls = 0

    def between(self, x: Tensor) -> Tensor:
        self.calls += 1
        return functional.relu(self.norm(x))


LAB: dict[str, Any] = {
    **{name.replace(" ", "_"): net(form[0]) for name, form in FORMS.items()},
    "all": as_modules(*(kind() for kind in kinds.ACTIVATIONS.values())),
    "tanh": as_modules(nn.ReLU(), nn.Tanh(), nn.Tanh(), nn.Softplus()),
    "chained": lambda *, outputs: Chained(nn.Flatten(), nn.Linear(24, 8), nn.Linear(8, outputs)),
    "gates": as_modules(nn.SiLU(), nn.Sigmoid()),
    "Double": Double,
    "Hidden": Hidden,
    "OnlyInTraining": OnlyInTraining,
    "Inner": Inner,
    "Named": Named,
    "Counts": Counts,
    "encoder": lambda *, outputs, fast="call": nn.Sequential(
        nn.Flatten(1, 2),
        nn.TransformerEncoderLayer(6, 2, 8, 0.0, nn.ReLU() if fast == "module" else functional.relu, batch_first=True),
        nn.Flatten(),
        nn.Linear(24, outputs),
    ),
}


@pytest.fixture(autouse=True)
def _lab(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("calling_lab")
    vars(module).update(LAB)
    monkeypatch.setitem(sys.modules, "calling_lab", module)


def made(name: str, activation: str = "calling_lab:Double", **options: Any) -> nn.Module:
    return build(
        ModelSpec(name=f"calling_lab:{name.replace(' ', '_')}", options=options),
        ActivationSpec(name=activation),
        outputs=5,
        input_shape=SHAPE,
        generator_seed=3,
    )


def words(model: nn.Module) -> str:
    found = model.activation_uses
    assert isinstance(found, Uses)
    return found.words()


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_a_call_in_any_form_is_replaced(form: str, training: bool) -> None:
    _, kind, places, applications = FORMS[form]
    model = made(form).train(training)
    counted = f"{places} place{'s' * (places > 1)}, {applications} application{'s' * (applications > 1)} of {kind}"
    assert words(model) == counted
    assert list(activation_modules(model)) == [
        f"functional_{kind}{'' if number == 1 else f'_{number}'}" for number in range(1, places + 1)
    ]
    x = torch.randn(3, *SHAPE)
    before = model.first(x.flatten(1))  # type: ignore[operator]
    doubled = {
        "in place without its result": 2 * (before + 0.5) + 1,
        "in place of a part": torch.cat([2 * before[:, :4] + 1, before[:, 4:]], 1),
        "two calls on a line": 2 * before + 1 - 2 * before + 1,
        "comprehension": 2 * before + 1 + 2 * (before + 1) + 1,
    }.get(form)
    if doubled is None:
        doubled = before
        second = model.second
        assert isinstance(second, nn.Linear)
        for number in range(applications):
            doubled = 2 * (second(doubled) if number or form == "loop" else doubled) + 1
    torch.testing.assert_close(model(x), model.head(doubled))  # type: ignore[operator]
    model(x).square().sum().backward()
    assert all(item.grad is not None for item in model.first.parameters())  # type: ignore[union-attr]


@pytest.mark.parametrize("form", [form for form, (_, kind, _, _) in FORMS.items() if kind == "relu"])
def test_with_relu_itself_values_and_gradients_are_the_networks_own(form: str) -> None:
    model, reference = made(form, "relu"), LAB[form.replace(" ", "_")](outputs=5)
    reference.load_state_dict(model.state_dict())
    x = torch.randn(3, *SHAPE)
    for network in (model, reference):
        network(x).square().sum().backward()
    assert torch.equal(model(x), reference(x))
    for one, other in zip(model.parameters(), reference.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None)
        assert one.grad is None or torch.equal(one.grad, other.grad)


def test_modules_of_every_kind_are_replaced_and_some_are_kept() -> None:
    model = made("all")
    assert len(activation_modules(model)) == len(kinds.ACTIVATIONS)
    assert not any(kinds.of_module(module) for module in model.modules())
    some = made("all", keep="hardswish, elu")
    assert [type(module) for module in some.modules() if kinds.of_module(module)] == [nn.ELU, nn.Hardswish]
    assert words(some).endswith("left as it is: 1 place, 1 application of elu, 1 place, 1 application of hardswish")


def test_gates_stay_and_are_told_unless_the_study_wants_them_replaced() -> None:
    assert words(made("gates")) == ("1 place, 1 application of silu; left as it is: 1 place, 1 application of sigmoid")
    assert words(made("gates", replace="sigmoid")) == (
        "1 place, 1 application of silu, 1 place, 1 application of sigmoid"
    )


def test_what_may_be_either_is_refused_in_one_message_until_the_study_says_what_it_is() -> None:
    with pytest.raises(ValueError, match="would stay") as caught:
        made("tanh")
    assert str(caught.value) == (
        "model 'calling_lab:tanh': 2 places, 2 applications of tanh and 1 place, 1 application of softplus would stay "
        "beside the study's activation: say keep: 'tanh, softplus' where that is meant, or replace: 'tanh, softplus'"
    )
    assert len(activation_modules(made("tanh", keep="softplus, tanh"))) == 1
    assert len(activation_modules(made("tanh", keep="softplus", replace="tanh"))) == 3


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("tanh", {"keep": "tanhh"}, "calling_lab:tanh: keep: unknown kind 'tanhh', accepts relu, .* 'tanh'?"),
        ("tanh", {"keep": 3}, "keep: got 3, accepts names with commas between, as 'hardswish, silu'"),
        ("tanh", {"keep": "tanh", "replace": "tanh"}, "tanh is to be kept and replaced; name it in one of them"),
        ("gates", {"keep": "relu6"}, "keep: it applies no relu6; it has silu, sigmoid"),
        ("gates", {"replace": "tanh"}, "replace: it applies no tanh; it has silu, sigmoid"),
        ("functional", {"keep": "relu"}, "found no place for the activation"),
        ("functional", {"kep": "relu"}, "unknown option 'kep'"),
        ("chained", {}, "cannot be replaced: it holds layers that run one after the other; write nn.ReLU"),
    ],
)
def test_wrong_wishes_are_refused_in_words(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        made(name, **options)


def test_a_network_that_decides_itself_has_its_relus_replaced_and_the_rest_told() -> None:
    model = made("Named")
    assert list(activation_modules(model)) == ["act", "relu", "functional_relu"]
    assert words(model) == (
        "1 place, 1 application of its own, 2 places, 2 applications of relu; left as it is: 1 place, "
        "1 application of gelu, 1 place, 1 application of sigmoid, 1 place, 1 application of tanh"
    )


def test_what_an_activation_has_inside_is_its_own() -> None:
    model = made("Named", "calling_lab:Hidden")
    place = model.get_submodule("act")
    assert isinstance(place, Hidden)
    assert type(place.inner) is nn.ReLU
    assert list(activation_modules(model)) == ["act", "relu", "functional_relu"]


def test_calls_of_a_network_and_of_one_inside_it_are_told_apart() -> None:
    model = made("Inner", keep="hardswish")
    assert list(activation_modules(model)) == ["net.functional_relu", "net.functional_relu_2", "functional_relu"]
    x = torch.randn(3, *SHAPE)
    inner = model.get_submodule("net")
    torch.testing.assert_close(model(x), 2 * functional.hardswish(inner(x)) + 1)


def test_a_call_that_only_training_makes_is_found_too() -> None:
    model = made("OnlyInTraining")
    assert list(activation_modules(model)) == ["functional_relu", "functional_relu_2"]
    x = torch.randn(3, *SHAPE)
    assert torch.equal(model.train()(x), model.eval()(x))


@pytest.mark.parametrize("fast", ["call", "module"])
def test_torchs_encoder_does_not_evaluate_with_the_relu_it_was_made_with(fast: str) -> None:
    model = made("encoder", fast=fast)
    x = torch.randn(3, *SHAPE)
    with torch.no_grad():
        torch.testing.assert_close(model.eval()(x), model.train()(x))
        reference = LAB["encoder"](outputs=5).eval()
        reference.load_state_dict(model.state_dict())
        assert not torch.allclose(model.eval()(x), reference(x), atol=1e-2)


def test_a_call_is_known_again_once_the_interpreter_has_specialised_it() -> None:
    model, x = made("loop"), torch.randn(3, *SHAPE)
    before = model(x)
    for _ in range(200):
        assert torch.equal(model(x), before)


def test_a_trial_leaves_a_networks_state_alone() -> None:
    model = made("Counts")
    assert isinstance(model, Counts)
    assert model.calls == 0
    assert int(model.norm.num_batches_tracked or 0) == 0
    assert model.training


def test_parameters_of_calls_are_per_site_per_channel_and_copied_with_the_network() -> None:
    built = build(
        ModelSpec(name="calling_lab:two_calls"),
        ActivationSpec(name="prelu", params={"granularity": "channel"}),
        outputs=5,
        input_shape=SHAPE,
        generator_seed=3,
    )
    assert [name for name, _ in built.named_parameters()][-2:] == ["functional_relu.slope", "functional_relu_2.slope"]
    assert all(len(built.get_parameter(f"{name}.slope")) == 8 for name in activation_modules(built))
    other = copy.deepcopy(built)
    with torch.no_grad():
        other.get_parameter("functional_relu.slope").fill_(1.0)
    x = torch.randn(3, *SHAPE)
    assert not torch.equal(built(x), other(x))
    other.load_state_dict(built.state_dict())
    assert torch.equal(built(x), other(x))


@pytest.mark.parametrize("precision", ["fp32", "fp64", "bf16"])
def test_a_resumed_fold_of_a_network_that_calls_is_the_undisturbed_one(
    small: Callable[..., FoldSpec],
    packed: Callable[..., Pack],
    monkeypatch: pytest.MonkeyPatch,
    precision: str,
) -> None:
    class Digits(nn.Module):
        def __init__(self, *, channels: int, outputs: int) -> None:
            super().__init__()
            self.first, self.head = nn.Conv2d(channels, 6, 3), nn.Linear(6, outputs)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(functional.relu(functional.hardswish(self.first(x)), inplace=True).mean((2, 3)))

    monkeypatch.setattr(sys.modules["calling_lab"], "Digits", Digits, raising=False)
    spec = small(
        model=ModelSpec(name="calling_lab:Digits"), activation=ActivationSpec(name="apalu"), epochs=4,
        precision=precision,
    )  # fmt: skip
    whole, torn = packed(spec, where="whole"), packed(spec, where="torn")
    entry.run(to_text(whole))
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
    one, other = ([(epoch.metrics, epoch.activation) for epoch in history.epochs] for history in histories if history)
    assert one == other
    assert set(one[-1][1]) == {f"functional_{kind}/{name}" for kind in ("relu", "hardswish") for name in "ab"}
