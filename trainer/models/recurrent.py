"""Recurrent networks whose candidate's activation can be replaced, which that inside ``nn.GRU`` and ``nn.LSTM`` cannot.

The projections of the inputs of all steps are one product; what is left a step is the product with the state. With the
tanh that they are usually written with, the layers give what torch's own give.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from trainer.activations import arguments
from trainer.activations.arguments import WrongArgument
from trainer.models.tables import layer_widths

READINGS = ("plain", "mopgru")
RELEASED = "mopgru-code"
PLACES = ("candidate", "dense", "both")

Activation = Callable[..., nn.Module]
Make = Callable[[int, int, nn.Module], nn.Module]
"""From features in, features out and the candidate's activation to a layer."""


def gru(
    *,
    outputs: int,
    input_shape: tuple[int, int, int],
    activation: Activation,
    layers: str | int = "128,64,32",
    dense: str | int = "64,32",
    where: str = "both",
    reading: str = "plain",
    batch_norm: bool = True,
    dropout: float = 0.2,
) -> nn.Module:
    """Gated recurrent layers over a sequence, fully connected ones over the last state, and a linear one.

    Items [n, 1, steps, features], or signals [n, channels, 1, samples], are read step by step; output [n, outputs].
    ``layers`` and ``dense``: widths, as "128,64,32" ("none": no dense layers). ``where`` the activation stands:
    "candidate" of each cell, "dense" layers, or "both"; a place without it has tanh, or max(0, x) in dense layers.
    ``batch_norm`` and ``dropout`` are between the recurrent layers. For ``reading`` see :class:`GRULayer`.
    """
    if reading == RELEASED:
        raise WrongArgument(
            "gru",
            "reading",
            reading,
            f"one of {', '.join(READINGS)}: as released, the input of one width is multiplied by a gate of another, so "
            "that no such layer runs unless it gives as many features as it gets",
        )
    arguments.word("gru", "reading", reading, READINGS)
    make: Make = lambda features, width, act: GRULayer(features, width, act, reading=reading)  # noqa: E731
    reader = sequence_reader("gru", input_shape, make, layers, activation, where, batch_norm, dropout)
    return Recurrent(reader, dense_layers("gru", reader.width, outputs, dense, activation, where), input_shape)


def lstm(
    *,
    outputs: int,
    input_shape: tuple[int, int, int],
    activation: Activation,
    layers: str | int = "128,64,32",
    dense: str | int = "64,32",
    where: str = "both",
    batch_norm: bool = True,
    dropout: float = 0.2,
) -> nn.Module:
    """As :func:`gru`, with layers of long short-term memory. The activation is the candidate's alone: what the memory
    gives to the state keeps its tanh, which bounds the state whatever the activation."""
    reader = sequence_reader("lstm", input_shape, LSTMLayer, layers, activation, where, batch_norm, dropout)
    return Recurrent(reader, dense_layers("lstm", reader.width, outputs, dense, activation, where), input_shape)


class _Layer(nn.Module):
    """Weights with torch's names, shapes and first values: uniform between -1 and 1 over the root of the width."""

    gates: int

    def __init__(self, features: int, width: int, activation: nn.Module) -> None:
        super().__init__()
        self.width = width
        self.activation = activation
        bound = 1.0 / math.sqrt(width)
        for name, shape in (
            ("weight_ih", (self.gates * width, features)),
            ("weight_hh", (self.gates * width, width)),
            ("bias_ih", (self.gates * width,)),
            ("bias_hh", (self.gates * width,)),
        ):
            self.register_parameter(name, nn.Parameter(torch.empty(shape).uniform_(-bound, bound)))

    def start(self, items: Tensor) -> Tensor:
        return items.new_zeros(len(items), self.width)


class GRULayer(_Layer):
    """Gated recurrent unit (Cho et al., arXiv 1406.1078), [n, steps, features] to the state after each step, [n, steps,
    width]. With r and z the sigmoids of their projections:

    - "plain": n = act(Wx + r * Uh), h' = (1 - z) * n + z * h, as torch and cuDNN have it
    - "mopgru": u = z * r, n = act(Wx + U(r * h)), h' = u * n + (1 - u) * h: the update gate multiplied by the reset
      gate, as the abstract of MOPGRU says; its released code does something else, which does not run
    """

    gates = 3
    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Tensor
    bias_hh: Tensor

    def __init__(self, features: int, width: int, activation: nn.Module, *, reading: str = "plain") -> None:
        super().__init__(features, width, activation)
        self.reading = reading

    def forward(self, items: Tensor) -> Tensor:
        inputs = nn.functional.linear(items, self.weight_ih, self.bias_ih)
        gated, candidates = torch.split(inputs, [2 * self.width, self.width], dim=2)
        step = self._plain if self.reading == "plain" else self._mopgru
        state, states = self.start(items), []
        for gate, candidate in zip(gated.unbind(1), candidates.unbind(1), strict=True):
            state = step(gate, candidate, state)
            states.append(state)
        return torch.stack(states, dim=1)

    def _plain(self, gate: Tensor, candidate: Tensor, state: Tensor) -> Tensor:
        recurrent = nn.functional.linear(state, self.weight_hh, self.bias_hh)
        for_gates, for_candidate = torch.split(recurrent, [2 * self.width, self.width], dim=1)
        reset, keep = torch.sigmoid(gate + for_gates).chunk(2, dim=1)
        new = self.activation(torch.addcmul(candidate, reset, for_candidate))
        return torch.addcmul(new, keep, state - new)

    def _mopgru(self, gate: Tensor, candidate: Tensor, state: Tensor) -> Tensor:
        edge = 2 * self.width
        recurrent = nn.functional.linear(state, self.weight_hh[:edge], self.bias_hh[:edge])
        reset, update = torch.sigmoid(gate + recurrent).chunk(2, dim=1)
        further = nn.functional.linear(reset * state, self.weight_hh[edge:], self.bias_hh[edge:])
        new = self.activation(candidate + further)
        return torch.addcmul(state, update * reset, new - state)


class LSTMLayer(_Layer):
    """Long short-term memory (Hochreiter and Schmidhuber 1997, with a forget gate), [n, steps, features] to the state
    after each step, [n, steps, width]: c' = f * c + i * act(candidate), h' = o * tanh(c'), as torch has it."""

    gates = 4
    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Tensor
    bias_hh: Tensor

    def forward(self, items: Tensor) -> Tensor:
        inputs = nn.functional.linear(items, self.weight_ih, self.bias_ih)
        state = memory = self.start(items)
        states = []
        for step in inputs.unbind(1):
            sums = step + nn.functional.linear(state, self.weight_hh, self.bias_hh)
            enter, forget, candidate, leave = sums.chunk(4, dim=1)
            memory = torch.sigmoid(forget) * memory + torch.sigmoid(enter) * self.activation(candidate)
            state = torch.sigmoid(leave) * torch.tanh(memory)
            states.append(state)
        return torch.stack(states, dim=1)


class SequenceReader(nn.Module):
    """Recurrent layers with batch normalisation (over items and steps) and dropout between them: [n, steps, features]
    to [n, steps, width]."""

    def __init__(self, layers: list[nn.Module], widths: tuple[int, ...], batch_norm: bool, dropout: float) -> None:
        super().__init__()
        self.width = widths[-1]
        self.layers = nn.ModuleList(layers)
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for width in widths[:-1] if batch_norm)
        self.dropout = nn.Dropout(dropout)

    def forward(self, items: Tensor) -> Tensor:
        for number, layer in enumerate(self.layers):
            if number and self.norms:
                items = self.norms[number - 1](items.transpose(1, 2)).transpose(1, 2)
            if number:
                items = self.dropout(items)
            items = layer(items)
        return items


class Recurrent(nn.Module):
    """Items step by step through a :class:`SequenceReader`; its last state through ``head``."""

    def __init__(self, reader: SequenceReader, head: nn.Module, input_shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.reader = reader
        self.head = head
        self.tall = input_shape[1] > 1

    def forward(self, items: Tensor) -> Tensor:
        if not items.is_floating_point():
            raise ValueError(
                "a recurrent network over numbers was given tokens; accepts sequences and signals: choose text_gru "
                "for texts"
            )
        items = items.permute(0, 2, 1, 3).flatten(2) if self.tall else items.squeeze(2).transpose(1, 2)
        outputs: Tensor = self.head(self.reader(items)[:, -1])
        return outputs


class Rectifier(nn.Module):
    """max(0, x) that stays where it is: no place for a study's activation."""

    def forward(self, x: Tensor) -> Tensor:
        return x.clamp(min=0.0)


class HyperbolicTangent(nn.Module):
    """tanh that stays where it is: no place for a study's activation."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x)


def sequence_reader(
    owner: str,
    input_shape: tuple[int, int, int],
    make: Make,
    layers: str | int,
    activation: Activation,
    where: str,
    batch_norm: bool,
    dropout: float,
) -> SequenceReader:
    """The layers of ``make`` for items of a shape (channels, height, width): a row of more than one is a step, else
    each of the ``width`` numbers of a channel is. Raises :class:`WrongArgument`."""
    arguments.word(owner, "where", where, PLACES)
    arguments.flag(owner, "batch_norm", batch_norm)
    arguments.real(owner, "dropout", dropout, low=0.0, below=1.0)
    widths = layer_widths(owner, "layers", layers)
    channels, height, width = input_shape
    before, made = channels * width if height > 1 else channels, []
    for after in widths:
        act = HyperbolicTangent() if where == "dense" else activation(after)
        made.append(make(before, after, act))
        before = after
    return SequenceReader(made, widths, batch_norm, dropout)


def dense_layers(
    owner: str, before: int, outputs: int, dense: str | int, activation: Activation, where: str
) -> nn.Sequential:
    """Fully connected layers [n, before] to [n, outputs], the activation after each but the last. Raises
    :class:`WrongArgument`."""
    if dense == "none" and where == "dense":
        raise WrongArgument(
            owner, "dense", dense, "widths of layers where the activation stands in them (where: dense)"
        )
    layers: list[nn.Module] = []
    for width in () if dense == "none" else layer_widths(owner, "dense", dense):
        layers += [nn.Linear(before, width), Rectifier() if where == "candidate" else activation(width)]
        before = width
    return nn.Sequential(*layers, nn.Linear(before, outputs))
