"""The flow and the cloner, against what must hold of them whatever their weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trainer.activations.arguments import WrongArgument
from trainer.models import build, placement
from trainer.models.cloner import cloner
from trainer.models.flow import flow
from trainer.spec import ActivationSpec, ModelSpec


def test_the_volume_is_the_determinant_of_the_jacobian() -> None:
    torch.manual_seed(0)
    network = flow(input_shape=(1, 2, 7), blocks=3, width=8).double()
    values = torch.randn(7, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda x: network(x)[:-1], values)
    assert network(values)[-1].item() == pytest.approx(torch.linalg.slogdet(jacobian)[1].item(), abs=1e-10)


def test_each_vector_is_mapped_by_itself() -> None:
    torch.manual_seed(0)
    network = flow(input_shape=(1, 3, 6), blocks=2, width=8)
    values = torch.randn(4, 1, 3, 6)
    whole = network(values)
    assert whole.shape == (4, 1, 3, 7)
    assert torch.allclose(whole[2, 0, 1], network(values[2, 0, 1]), atol=1e-6)


def test_permutations_are_drawn_from_the_block_s_number() -> None:
    network = flow(input_shape=(1, 1, 9), blocks=3, width=4)
    for number, block in enumerate(network.blocks):
        assert block.order.tolist() == np.random.RandomState(number).permutation(9).tolist()


def test_scales_are_bounded() -> None:
    """exp(alpha * 0.636 * atan(s / alpha)) with an atan of at most pi/2."""
    network = flow(input_shape=(1, 1, 4), blocks=1, width=4, alpha=3.0)
    for parameter in network.parameters():
        parameter.data.fill_(1e3)
    grown = network(torch.ones(4))[-1]
    assert grown.item() == pytest.approx(4 * 3.0 * 0.636 * np.pi / 2, rel=1e-3)


@pytest.mark.parametrize(
    ("model", "shape", "places"),
    [
        (ModelSpec(name="flow", options={"width": 4}), (1, 4, 6), 48),
        (ModelSpec(name="cloner"), (1, 1, 99), 13),
        (ModelSpec(name="cloner", options={"teacher": "efficientnet_lite0", "match": "before"}), (1, 1, 99), 13),
    ],
)
def test_the_activation_stands_where_the_paper_has_it(
    model: ModelSpec, shape: tuple[int, int, int], places: int
) -> None:
    built = build.build(model, ActivationSpec(name="apalu"), outputs=7, input_shape=shape, generator_seed=1)
    found = placement.activation_modules(built)
    assert len(found) == places
    assert {type(module).__name__ for module in found.values()} == {"APALU"}
    assert not any(isinstance(module, torch.nn.ReLU) for module in built.modules())


def test_the_cloner_is_the_paper_s() -> None:
    network = cloner()
    widths = [module.out_channels for module in network.modules() if isinstance(module, torch.nn.Conv2d)]
    assert widths == [16, 16, 16, 128, 16, 16, 256, 16, 16, 512, 16, 16, 512]
    assert not any(name.endswith("bias") and parameter.ndim > 1 for name, parameter in network.named_parameters())
    assert sum(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules()) == 8
    assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 128 * 256 + 256 * 64 + 512 * 16 + 512 * 4)


def test_with_heads_maps_may_be_negative_whatever_the_activation() -> None:
    torch.manual_seed(0)
    after, before = (cloner(teacher="resnet18", levels=2, match=match) for match in ("after_activation", "before"))
    pictures = torch.randn(2, 3, 32, 32)
    assert after(pictures).min() >= 0
    assert before(pictures).min() < 0
    assert after(pictures).shape == before(pictures).shape == (2, 64 * 64 + 128 * 16)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"teacher": "alexnet"}, "vgg16"),
        ({"teacher": "vgg"}, "vgg16"),
        ({"levels": 5}, "1 to 4"),
        ({"convolutions": "1,1"}, "5 blocks"),
        ({"convolutions": "1,1,0,1,1"}, "at least 1"),
        ({"match": "after"}, "after_activation"),
        ({"narrow": 0}, "at least 1"),
    ],
)
def test_the_cloner_refuses(options: dict[str, object], words: str) -> None:
    with pytest.raises(WrongArgument, match=words):
        cloner(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "words"), [({"blocks": 0}, "at least 1"), ({"layers": 1}, "at least 2"), ({"alpha": 0.0}, "above 0")]
)
def test_the_flow_refuses(options: dict[str, object], words: str) -> None:
    with pytest.raises(WrongArgument, match=words):
        flow(input_shape=(1, 1, 4), **options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="2 or more"):
        flow(input_shape=(1, 1, 1))
