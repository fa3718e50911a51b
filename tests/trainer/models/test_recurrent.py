"""Recurrent layers against torch's own, and against the cell written out step by step."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainer.models.build import build
from trainer.models.placement import activation_modules
from trainer.models.recurrent import GRULayer, LSTMLayer
from trainer.spec import ActivationSpec, ModelSpec

SHAPE = (1, 6, 4)


def made(
    model: str = "gru", activation: str = "relu", shape: tuple[int, int, int] = SHAPE, **options: Any
) -> nn.Module:
    spec = ModelSpec(name=model, options={"layers": "5,3", "dense": "4", **options})
    return build(spec, ActivationSpec(name=activation), outputs=2, input_shape=shape, generator_seed=1)


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


@pytest.mark.parametrize(("own", "of_torch"), [(GRULayer, nn.GRU), (LSTMLayer, nn.LSTM)])
def test_with_tanh_a_layer_gives_what_torchs_gives(own: Any, of_torch: Any) -> None:
    reference = of_torch(7, 5, batch_first=True).double()
    layer = own(7, 5, nn.Tanh()).double()
    layer.load_state_dict({name.removesuffix("_l0"): value for name, value in reference.state_dict().items()})
    items = noise(3, 11, 7)
    expected, found = reference(items)[0], layer(items)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    weights = noise(*expected.shape)
    (expected * weights).sum().backward()
    (found * weights).sum().backward()
    for name, parameter in layer.named_parameters():
        torch.testing.assert_close(parameter.grad, getattr(reference, f"{name}_l0").grad, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("own", "of_torch"), [(GRULayer, nn.GRU), (LSTMLayer, nn.LSTM)])
def test_first_weights_are_drawn_as_torch_draws_them(own: Any, of_torch: Any) -> None:
    torch.manual_seed(5)
    reference = of_torch(7, 5)
    torch.manual_seed(5)
    layer = own(7, 5, nn.Tanh())
    for name, parameter in layer.named_parameters():
        assert torch.equal(parameter, getattr(reference, f"{name}_l0"))


def test_mopgru_multiplies_the_update_gate_by_the_reset_gate() -> None:
    layer = GRULayer(4, 3, nn.ELU(), reading="mopgru").double()
    items, width = noise(2, 6, 4), 3
    weights, recurrent = (getattr(layer, f"weight_{kind}").split(width) for kind in ("ih", "hh"))
    bias = [a + b for a, b in zip(layer.bias_ih.split(width), layer.bias_hh.split(width), strict=True)]
    state = torch.zeros(2, width, dtype=torch.float64)
    for step in range(6):
        x = items[:, step]
        reset = torch.sigmoid(x @ weights[0].T + state @ recurrent[0].T + bias[0])
        update = torch.sigmoid(x @ weights[1].T + state @ recurrent[1].T + bias[1]) * reset
        new = nn.functional.elu(x @ weights[2].T + (reset * state) @ recurrent[2].T + bias[2])
        state = update * new + (1.0 - update) * state
        torch.testing.assert_close(layer(items)[:, step], state, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("model", ["gru", "lstm"])
@pytest.mark.parametrize(("where", "places"), [("both", 3), ("candidate", 2), ("dense", 1)])
def test_the_activation_stands_where_it_is_told(model: str, where: str, places: int) -> None:
    assert len(activation_modules(made(model, where=where))) == places


def test_what_keeps_its_function_is_tanh_in_the_cell_and_a_rectifier_in_dense_layers() -> None:
    items = torch.randn(5, *SHAPE)
    for where, same in (("dense", "relu"), ("candidate", "tanh")):
        plain, other = made(where=where, activation=same, batch_norm=False), made(where="both", activation=same)
        names = [name for name, _ in other.named_parameters() if "norms" not in name]
        assert names == [name for name, _ in plain.named_parameters()]  # the same weights, whatever the place
        assert not torch.equal(plain.eval()(items), other.eval()(items))
    assert made(where="dense").reader.layers[0].activation(torch.tensor(0.5)) == pytest.approx(0.46211716)
    assert made(where="candidate").head[1](torch.tensor([-1.0, 2.0])).tolist() == [0.0, 2.0]


def test_first_weights_do_not_depend_on_activation_reading_or_place() -> None:
    first = made(activation="apalu").state_dict()
    for options in ({"reading": "mopgru"}, {"where": "candidate"}, {"where": "dense"}):
        other = made(activation="tanh", **options).state_dict()
        for name, value in other.items():
            assert torch.equal(first[name], value), name


@pytest.mark.parametrize("activation", ["apalu", "alrelu", "dsrelu", "prelu"])
@pytest.mark.parametrize("reading", ["plain", "mopgru"])
def test_every_weight_learns(activation: str, reading: str) -> None:
    model = made(activation=activation, reading=reading)
    model(torch.randn(8, *SHAPE)).pow(2).sum().backward()
    dead = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert dead == []


def test_parameters_of_each_feature_are_as_many_as_the_layer_is_wide() -> None:
    spec = ModelSpec(name="gru", options={"layers": "5,3", "dense": "4"})
    act = ActivationSpec(name="apalu", params={"granularity": "channel"})
    model = build(spec, act, outputs=2, input_shape=SHAPE, generator_seed=1)
    widths = [next(module.parameters()).numel() for module in activation_modules(model).values()]
    assert widths == [5, 3, 4]
    assert model(torch.randn(3, *SHAPE)).shape == (3, 2)


def test_the_future_changes_no_state_before_it() -> None:
    layer = GRULayer(4, 3, nn.Tanh())
    items = torch.randn(2, 6, 4)
    changed = items.clone()
    changed[:, 4:] += 1.0
    assert torch.equal(layer(items)[:, :4], layer(changed)[:, :4])
    assert not torch.equal(layer(items)[:, 4:], layer(changed)[:, 4:])


def test_signals_are_read_sample_by_sample_and_sequences_row_by_row() -> None:
    signal = made(shape=(2, 1, 9), batch_norm=False, dropout=0.0)
    sequence = made(shape=(1, 9, 2), batch_norm=False, dropout=0.0)
    items = torch.randn(4, 2, 1, 9)
    torch.testing.assert_close(signal(items), sequence(items.squeeze(2).transpose(1, 2)[:, None]))


def test_no_dense_layers_and_one_layer() -> None:
    model = made(layers=4, dense="none", where="candidate")
    assert model(torch.randn(3, *SHAPE)).shape == (3, 2)
    assert len(activation_modules(model)) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"reading": "mopgru-code"}, "one width is multiplied by a gate of another"),
        ({"reading": "mopgur"}, "did you mean 'mopgru'"),
        ({"where": "cells"}, "one of candidate, dense, both"),
        ({"layers": "64,x"}, "widths of layers"),
        ({"layers": 0}, "widths of layers"),
        ({"dense": "none", "where": "dense"}, "where the activation stands in them"),
        ({"dropout": 1.0}, "below 1"),
        ({"batch_norm": 1}, "true or false"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        made(**options)


def test_tokens_are_refused() -> None:
    with pytest.raises(ValueError, match="was given tokens; accepts sequences and signals: choose text_gru"):
        made()(torch.zeros(2, *SHAPE, dtype=torch.int64))
