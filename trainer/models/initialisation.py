"""Initial weights of a network's linear and convolutional layers by a named scheme, with or without a gain of the
activation's own.

The draws are the same for every activation; a gain only scales them. Biases become 0. Normalisation, embeddings and
whatever else a network has keep the weights that it gave them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from trainer.spec import Init, InitGain

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
POINTS = 20_001
REACH = 8.0
"""Standard deviations up to which the gain is computed."""
ITEMS = 64
"""Items of standard normal numbers by which gains are measured."""
GAINS: dict[Init, float] = {
    "he_normal": math.sqrt(2.0),
    "he_uniform": math.sqrt(2.0),
    "glorot_normal": 1.0,
    "glorot_uniform": 1.0,
    "orthogonal": 1.0,
}
"""What a scheme itself has: sqrt(2) of He et al. 2015 (arXiv 1502.01852, for ReLU), 1 of Glorot and Bengio 2010."""


def initialise(
    model: nn.Module,
    scheme: Init,
    gain: InitGain,
    activation: Callable[[], nn.Module],
    *,
    input_shape: Sequence[int],
    vocabulary: int | None,
    seed: int,
) -> None:
    """Draws the weights of all layers anew, in the order of registration, and leaves torch's own generator alone.

    ``gain``: "scheme", what the scheme has; "relu", sqrt(2); "own", of the activation that ``activation`` makes (see
    :func:`own_gain`); "measured", see :func:`even_out`.
    """
    if scheme == "default":
        return
    factor = GAINS[scheme]
    if gain == "relu":
        factor = math.sqrt(2.0)
    elif gain == "own":
        factor = own_gain(activation())
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for layer in _layers(model):
            _draw(layer.weight, scheme, factor)
            if layer.bias is not None:
                layer.bias.zero_()
        if gain == "measured":
            even_out(model, input_shape, vocabulary)


@torch.no_grad()
def own_gain(activation: nn.Module) -> float:
    """1/sqrt(E f(z)^2) of a standard normal z, by the trapezoidal rule: what keeps the mean square of a wide layer's
    inputs from one layer to the next (sqrt(2) for ReLU, as He et al. 2015 find). Raises ValueError where that is no
    finite number above 0."""
    z = torch.linspace(-REACH, REACH, POINTS, dtype=torch.float64)
    density = torch.exp(-z.square() / 2) / math.sqrt(2 * math.pi)
    values = activation.double().eval()(z[:, None]).flatten()
    square = float(torch.trapezoid(values.square() * density, z))
    if not math.isfinite(square) or square <= 0:
        raise ValueError(f"training.init_gain: own: the activation's mean square is {square:g}; use init_gain: relu")
    return 1.0 / math.sqrt(square)


@torch.no_grad()
def even_out(model: nn.Module, input_shape: Sequence[int], vocabulary: int | None) -> None:
    """Scales each layer's weights so that its outputs have a standard deviation of 1 for standard normal inputs (for
    tokens: uniform ones), layer by layer in one forward pass, as LSUV (Mishkin and Matas 2016, arXiv 1511.06422)
    without its orthogonal start. The activations are in place by then, so that their gain is what is measured."""
    shape = (ITEMS, *input_shape)
    items = torch.randint(vocabulary, shape) if vocabulary else torch.randn(shape)
    hooks = [layer.register_forward_hook(_to_one) for layer in _layers(model)]
    training = model.training
    try:
        # batch statistics would be moved by a pass in training mode
        model.eval()
        model(items)
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()


def _to_one(layer: nn.Module, given: tuple[Tensor, ...], outputs: Tensor) -> Tensor:
    spread = outputs.std()
    if not bool(torch.isfinite(spread)) or float(spread) <= 1e-12:
        return outputs
    layer.weight.div_(spread)  # type: ignore[operator]  # a layer's parameter
    return outputs / spread


def _layers(model: nn.Module) -> Iterator[nn.Linear]:
    for layer in model.modules():
        if isinstance(layer, LAYERS):
            yield layer  # type: ignore[misc]  # all have weight and bias alike


def _draw(weight: Tensor, scheme: Init, factor: float) -> None:
    if scheme == "orthogonal":
        nn.init.orthogonal_(weight, gain=factor)
        return
    fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(weight)
    fan = fan_in if scheme.startswith("he") else (fan_in + fan_out) / 2
    std = factor / math.sqrt(fan)
    if scheme.endswith("normal"):
        nn.init.normal_(weight, 0.0, std)
    else:
        nn.init.uniform_(weight, -math.sqrt(3.0) * std, math.sqrt(3.0) * std)
