"""One conformance suite over the catalogue of activations.

Formulas are written out again in numpy at float64, from the papers and not from the modules.
"""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from trainer.activations.constrained import Activation
from trainer.activations.progress import tie
from trainer.catalogue import ACTIVATIONS, resolve

Formula = Callable[..., np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Case:
    """An activation with one set of arguments, and what it must compute with them."""

    name: str
    formula: Callable[[np.ndarray], np.ndarray]
    params: dict[str, Any] = field(default_factory=dict)

    def make(self, **more: Any) -> Activation:
        return resolve("activation", self.name, ACTIVATIONS)(**(self.params | more))

    @property
    def label(self) -> str:
        return "-".join([self.name, *(f"{key}={value}" for key, value in self.params.items())])


def logistic(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x))


def dsrelu(a: float, b: float, k: float, t: float) -> Formula:
    slope = a + (b - a) / (1.0 + math.exp(-k * (t - 0.5)))
    return lambda x: np.where(x > 0, x * slope, x)


def apalu(a: float, b: float) -> Formula:
    return lambda x: np.where(x >= 0, a * (x + x / (1.0 + np.exp(-1.702 * x))), b * np.expm1(x))


def lelu(beta: float) -> Formula:
    return lambda x: np.where(x > 0, x, np.expm1((1.0 - beta) * x) + beta * x)


def alrelu(alpha: float) -> Formula:
    return lambda x: np.maximum(np.abs(alpha * x), x)


def leaky(slope: float, scale: float = 1.0) -> Formula:
    return lambda x: scale * np.where(x > 0, x, slope * x)


def elu(alpha: float, scale: float = 1.0) -> Formula:
    return lambda x: np.where(x > 0, scale * x, scale * alpha * np.expm1(x))


def gelu(x: np.ndarray) -> np.ndarray:
    return x * np.array([0.5 * math.erfc(-value / math.sqrt(2.0)) for value in x.ravel()]).reshape(x.shape)


def gelu_tanh(x: np.ndarray) -> np.ndarray:
    inside = np.clip(x, -1e5, 1e5)
    return x * 0.5 * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (inside + 0.044715 * inside**3)))


def mish(x: np.ndarray) -> np.ndarray:
    return x * np.tanh(np.logaddexp(0.0, x))


TAN = {degrees: math.tan(math.radians(degrees)) for degrees in (10, 30, 75, 85)}

CASES = [
    Case(name="dsrelu", formula=dsrelu(TAN[85], TAN[10], 5.0, 0.0)),
    Case(
        name="dsrelu",
        params={"a": TAN[75], "b": TAN[30], "k": 5, "t": 0.9, "progress": "constant"},
        formula=dsrelu(TAN[75], TAN[30], 5.0, 0.9),
    ),
    Case(name="apalu", formula=apalu(0.55, 0.065)),
    Case(name="apalu", params={"a": 0.3, "b": 1.5, "trainable": False}, formula=apalu(0.3, 1.5)),
    Case(name="apalu", params={"granularity": "channel", "channels": 3}, formula=apalu(0.55, 0.065)),
    Case(name="lelu", formula=lelu(0.4)),
    Case(name="lelu", params={"beta": 0.0}, formula=lelu(0.0)),
    Case(name="lelu", params={"beta": 1.0}, formula=lelu(1.0)),
    Case(name="lelu", params={"beta": 0.3, "trainable": True}, formula=lelu(0.3)),
    Case(name="lelu", params={"trainable": True, "granularity": "channel", "channels": 3}, formula=lelu(0.4)),
    Case(name="alrelu", formula=alrelu(0.01)),
    Case(name="alrelu", params={"alpha": 1}, formula=alrelu(1.0)),
    Case(name="alrelu", params={"alpha": 0.2, "trainable": True}, formula=alrelu(0.2)),
    Case(name="alrelu", params={"trainable": True, "granularity": "channel", "channels": 3}, formula=alrelu(0.01)),
    Case(name="scaled_leaky_relu", params={"s": 3.493}, formula=leaky(1 / 3.493)),
    Case(name="scaled_leaky_relu", params={"s": 3.493, "scale": True}, formula=leaky(1 / 3.493, 3.493)),
    Case(name="relu", formula=leaky(0.0)),
    Case(name="leaky_relu", formula=leaky(0.01)),
    Case(name="leaky_relu", params={"negative_slope": 0.3}, formula=leaky(0.3)),
    Case(name="prelu", formula=leaky(0.25)),
    Case(name="prelu", params={"init": -0.5, "granularity": "channel", "channels": 3}, formula=leaky(-0.5)),
    Case(name="elu", formula=elu(1.0)),
    Case(name="elu", params={"alpha": 0.3}, formula=elu(0.3)),
    Case(name="selu", formula=elu(1.6732632423543772, 1.0507009873554805)),
    Case(name="gelu", formula=gelu),
    Case(name="gelu", params={"approximate": "tanh"}, formula=gelu_tanh),
    Case(name="silu", formula=lambda x: x * logistic(x)),
    Case(name="mish", formula=mish),
    Case(name="softplus", formula=lambda x: np.logaddexp(0.0, x)),
    Case(name="softplus", params={"beta": 2.0}, formula=lambda x: np.logaddexp(0.0, 2.0 * x) / 2.0),
    Case(name="sigmoid", formula=logistic),
    Case(name="tanh", formula=np.tanh),
]

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
every_name = pytest.mark.parametrize("case", {case.name: case for case in CASES}.values(), ids=lambda case: case.name)
every_dtype = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)


def expected(case: Case, x: Tensor) -> Tensor:
    with np.errstate(over="ignore"):
        return torch.from_numpy(case.formula(x.detach().double().numpy()))


def ordinary(dtype: torch.dtype = torch.float64) -> Tensor:
    """[2, 3, 2, 17], values from -8 to 8 on both sides of 0."""
    values = torch.linspace(-8.0, 8.0, 204, dtype=torch.float64)
    return values[torch.randperm(204, generator=torch.Generator().manual_seed(1))].view(2, 3, 2, 17).to(dtype)


def extreme(dtype: torch.dtype) -> Tensor:
    """[n, 3, 1]: zeros of both signs, subnormals, where exponentials of each dtype end, and the ends of its range."""
    info = torch.finfo(dtype)
    sizes = [0.0, info.smallest_normal * info.eps, info.smallest_normal, info.eps, 1.0, 11.3, 22.3, 64.0, 89.0, 177.6]
    sizes += [1e4, info.max / 2, info.max * 0.75, info.max]
    if dtype != torch.float16:
        sizes += [1e13, 1e20, 1e30]
    signed = torch.tensor(sizes + [-size for size in sizes], dtype=torch.float64).to(dtype)
    return signed[:, None, None].repeat(1, 3, 1)


def test_suite_covers_the_catalogue() -> None:
    assert {case.name for case in CASES} == set(ACTIVATIONS)


@every_case
def test_float64_equals_the_formula(case: Case) -> None:
    module, x = case.make().double(), ordinary()
    # Parameters and t pass through fp32 on their way, which leaves seven digits.
    rtol = 1e-12 if not (list(module.parameters()) or list(module.buffers())) else 1e-6
    torch.testing.assert_close(module(x), expected(case, x), rtol=rtol, atol=1e-14)


@every_case
@every_dtype
def test_lower_precision_equals_the_formula_within_two_roundings(case: Case, dtype: torch.dtype) -> None:
    x = ordinary(dtype)
    y = case.make()(x)
    eps = torch.finfo(dtype).eps
    # Far on its negative side a function that falls to 0 is a difference of near numbers in torch's own kernels.
    torch.testing.assert_close(y.double(), expected(case, x), rtol=max(2 * eps, 2e-6), atol=max(eps / 64, 1e-6))


@every_case
@every_dtype
def test_small_negative_inputs_keep_their_digits(case: Case, dtype: torch.dtype) -> None:
    x = -torch.logspace(-1, -4, 60, dtype=torch.float64).to(dtype).view(4, 3, 5)
    info = torch.finfo(dtype)
    subnormal = info.smallest_normal * info.eps
    torch.testing.assert_close(case.make()(x).double(), expected(case, x), rtol=3 * info.eps, atol=subnormal)


@every_case
@every_dtype
def test_extreme_inputs_give_finite_values_and_gradients(case: Case, dtype: torch.dtype) -> None:
    module, x = case.make(), extreme(dtype).requires_grad_()
    y = module(x)
    y.backward(torch.ones_like(y))
    assert x.grad is not None
    assert not y.isnan().any()
    torch.testing.assert_close(y.isfinite(), expected(case, x).to(dtype).isfinite())
    assert x.grad.isfinite().all(), x[~x.grad.isfinite()]
    assert x.grad.dtype == dtype


@every_case
@every_dtype
def test_parameter_gradients_are_numbers_for_extreme_inputs(case: Case, dtype: torch.dtype) -> None:
    module = case.make()
    for value in extreme(dtype)[:, 0, 0] if list(module.parameters()) else ():
        module.zero_grad()
        module(value.repeat(1, 3, 1)).sum().backward()
        for name, parameter in module.named_parameters():
            assert parameter.grad is not None
            assert not parameter.grad.isnan().any(), (name, value)
            assert value.abs() > 1e4 or parameter.grad.isfinite().all(), (name, value)


@every_case
def test_gradients_of_input_and_parameters_equal_differences(case: Case) -> None:
    # Clear of 0, where a kink has no derivative to compare with.
    values = torch.tensor([-5.0, -2.1, -0.8, -0.3, 0.2, 0.9, 1.7, 4.0, -1.3, 2.6, -0.05, 0.07], dtype=torch.float64)
    x = values.view(2, 3, 2).requires_grad_()
    module = case.make().double()
    names, parameters = zip(*module.named_parameters(), strict=True) if list(module.parameters()) else ((), ())

    def applied(x: Tensor, *replaced: Tensor) -> Tensor:
        return torch.func.functional_call(module, dict(zip(names, replaced, strict=True)), (x,))

    assert torch.autograd.gradcheck(applied, (x, *parameters))
    assert torch.autograd.gradgradcheck(applied, (x, *parameters))


@every_case
@every_dtype
def test_dtype_and_memory_format_are_kept(case: Case, dtype: torch.dtype) -> None:
    module = case.make()
    for memory_format in (torch.contiguous_format, torch.channels_last):
        x = ordinary(dtype).contiguous(memory_format=memory_format).requires_grad_()
        y = module(x)
        y.backward(torch.ones_like(y))
        assert x.grad is not None
        for tensor in (y, x.grad):
            assert (tensor.dtype, tensor.shape) == (dtype, x.shape)
            assert tensor.is_contiguous(memory_format=memory_format)


@every_case
@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 5), (2, 3, 1, 7), (2, 3, 2, 2, 2), (0, 3, 2, 2)], ids=str)
def test_channels_are_the_second_axis_of_any_input(case: Case, shape: tuple[int, ...]) -> None:
    x = torch.linspace(-2.0, 2.0, math.prod(shape), dtype=torch.float32).view(shape)
    torch.testing.assert_close(case.make()(x).double(), expected(case, x), rtol=1e-5, atol=1e-6)


@every_case
def test_nan_passes_through(case: Case) -> None:
    assert case.make()(torch.full((1, 3), math.nan)).isnan().all()


@every_case
def test_input_is_left_alone(case: Case) -> None:
    x = ordinary(torch.float32)
    case.make()(x)
    assert torch.equal(x, ordinary(torch.float32))


@every_case
def test_state_dict_round_trip(case: Case) -> None:
    module = case.make()
    with torch.no_grad():
        for tensor in module.state_dict().values():
            tensor.add_(0.25)
    buffer = io.BytesIO()
    torch.save(module.state_dict(), buffer)
    buffer.seek(0)
    other = case.make()
    other.load_state_dict(torch.load(buffer, weights_only=True))
    assert torch.equal(other(ordinary(torch.float32)), module(ordinary(torch.float32)))
    assert other.learned() == module.learned()


@every_case
def test_folds_stack_under_vmap(case: Case) -> None:
    modules = [case.make() for _ in range(2)]
    with torch.no_grad():
        for parameter in modules[1].parameters():
            parameter.add_(0.5)
    stacked, buffers = torch.func.stack_module_state(modules) if modules[0].state_dict() else ({}, {})
    x = torch.stack([ordinary(torch.float32), -ordinary(torch.float32)])

    def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor) -> Tensor:
        return torch.func.functional_call(modules[0], (parameters, buffers), (x,))

    together = torch.vmap(one)(stacked, buffers, x)
    apart = torch.stack([module(item) for module, item in zip(modules, x, strict=True)])
    torch.testing.assert_close(together, apart)
    parameters, buffers = dict(modules[0].named_parameters()), dict(modules[0].named_buffers())
    gradient = torch.func.grad(lambda x: one(parameters, buffers, x).sum())
    leaf = x[0].clone().requires_grad_()
    modules[0](leaf).sum().backward()
    torch.testing.assert_close(gradient(x[0]), leaf.grad)


class NoWaiting(TorchDispatchMode):
    """Refuses what would make the host wait for a device: a tensor read as a number."""

    def __torch_dispatch__(self, function: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert function not in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.item.default), function
        return function(*args, **(kwargs or {}))


@every_case
def test_no_pass_reads_a_tensor_as_a_number(case: Case) -> None:
    module, x = case.make(), ordinary(torch.float32).requires_grad_()
    with NoWaiting():
        module(x).sum().backward()
        if (progress := tie(module)) is not None:
            progress.set_epoch(1, 2, 1)
            progress.set_step(0)


def test_reading_a_tensor_as_a_number_is_noticed() -> None:
    with pytest.raises(AssertionError, match="_local_scalar_dense"), NoWaiting():
        float(torch.ones(()))


def check_compiled(case: Case, backend: str) -> None:
    torch.compiler.reset()
    module = case.make()
    compiled = torch.compile(module, fullgraph=True, dynamic=False, backend=backend)
    ends, largest = extreme(torch.float32), torch.finfo(torch.float32).max
    # Between half of the largest number and itself eager GELU stands still and compiled GELU does not.
    ends = ends[((ends.abs() <= largest / 2) | (ends.abs() == largest)).all((1, 2))]
    values = torch.cat([ordinary(torch.float32).reshape(-1, 3, 1), ends])
    # Small where the inputs are huge, so that the sums over all of them stay inside the range.
    gradient = torch.where(values.abs() > 1e4, 1e-30, 1.0)
    x, twin = (values.clone().requires_grad_() for _ in range(2))
    y = compiled(x)
    y.backward(gradient)
    gradients = [parameter.grad for parameter in module.parameters()]
    module.zero_grad()
    module(twin).backward(gradient)
    torch.testing.assert_close(y, module(twin))
    torch.testing.assert_close(x.grad, twin.grad)
    for mine, parameter in zip(gradients, module.parameters(), strict=True):
        torch.testing.assert_close(mine, parameter.grad, rtol=1e-4, atol=1e-5)
    if case.name == "dsrelu":
        with torch.no_grad():
            module.get_buffer("t").fill_(0.7)
        torch.testing.assert_close(compiled(x), module(x))


def test_compiled_code_follows_t() -> None:
    check_compiled(CASES[0], "aot_eager")


@pytest.mark.slow
@every_case
def test_compiles_as_one_graph(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])  # the compiler's setuptools adds to it
    check_compiled(case, "inductor")


@every_name
def test_arguments_are_keywords_with_defaults(case: Case) -> None:
    kind = resolve("activation", case.name, ACTIVATIONS)
    assert isinstance(kind(), nn.Module)
    with pytest.raises(TypeError):
        kind(0.1)
    assert kind.__doc__
