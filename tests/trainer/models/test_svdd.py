"""Deep SVDD's encoder and decoder."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from trainer.models.build import build
from trainer.models.placement import activation_modules
from trainer.spec import ActivationSpec, ModelSpec


def built(shape: tuple[int, int, int], *, outputs: int = 32, **options: object) -> nn.Module:
    return build(
        ModelSpec(name="svdd_lenet", options=options),
        ActivationSpec(name="leaky_relu"),
        outputs=outputs,
        input_shape=shape,
        generator_seed=1,
    )


@pytest.mark.parametrize(
    ("shape", "outputs"),
    [((1, 28, 28), 32), ((3, 32, 32), 128), ((1, 8, 8), 5), ((2, 28, 64), 64), ((3, 84, 84), 121)],
)
def test_an_image_is_encoded_and_made_again(shape: tuple[int, int, int], outputs: int) -> None:
    model = built(shape, outputs=outputs)
    images = torch.rand(3, *shape)
    embedded = model(images)
    made = model.decoder(embedded)
    assert embedded.shape == (3, outputs)
    assert made.shape == images.shape
    assert bool(((made > 0) & (made < 1)).all())


def test_of_an_mnist_image_it_is_the_published_network() -> None:
    """Counted by hand: 8 x 25, 4 x 8 x 25, 32 x 196; then 2 x 4 x 25, 4 x 8 x 25, 8 x 25."""
    model = built((1, 28, 28))
    parameters = dict(model.named_parameters())
    assert sum(item.numel() for item in model.encoder.parameters()) == 200 + 800 + 6272
    assert sum(item.numel() for item in model.decoder.parameters()) == 200 + 800 + 200
    assert not [name for name in parameters if name.endswith("bias")]
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    assert [(norm.eps, norm.affine) for norm in norms] == [(1e-4, False)] * 4
    places = list(activation_modules(model))
    assert [name.partition(".")[0] for name in places] == ["encoder"] * 2 + ["decoder"] * 3


def test_no_item_gives_an_answer_of_its_own_accord() -> None:
    """Without biases zeros stay zeros, whatever the weights."""
    model = built((1, 28, 28)).eval()
    assert bool((model(torch.zeros(2, 1, 28, 28)) == 0).all())


@pytest.mark.parametrize(
    ("shape", "outputs", "options", "words"),
    [
        ((1, 30, 28), 32, {}, r"got images of 30x28; accepts heights and widths that are multiples of 4"),
        ((1, 1, 64), 32, {}, r"got images of 1x64"),
        ((1, 28, 28), 20, {}, r"embedding of 20 for images of 28x28; accepts multiples of 16"),
        ((1, 28, 28), 32, {"width": 7}, r"width: got 7, accepts an even number"),
        ((1, 28, 28), 32, {"widht": 8}, r"did you mean 'width'"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(
    shape: tuple[int, int, int], outputs: int, options: dict, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        built(shape, outputs=outputs, **options)
