"""Networks for texts against the same written out, and what fills up short texts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainer.models.build import build
from trainer.models.placement import activation_modules
from trainer.spec import ActivationSpec, ModelSpec

WORDS, LENGTH = 30, 12


def made(
    model: str = "text_cnn", activation: str = "relu", vocabulary: int | None = WORDS, **options: Any
) -> nn.Module:
    spec = ModelSpec(name=model, options={"embedding": 6, **options})
    return build(
        spec,
        ActivationSpec(name=activation),
        outputs=3,
        input_shape=(1, 1, LENGTH),
        generator_seed=1,
        vocabulary=vocabulary,
    )


def texts(*lengths: int) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    tokens = torch.randint(1, WORDS, (len(lengths), 1, 1, LENGTH), generator=generator)
    for row, length in zip(tokens, lengths, strict=True):
        row[..., length:] = 0
    return tokens


def test_the_activation_comes_before_the_maximum() -> None:
    model = made(activation="alrelu", widths="2,3", maps=4).eval()
    with torch.no_grad():
        for convolution in model.convolutions:
            convolution.bias -= 5.0  # all below 0, where ALReLU falls: its greatest value is that of the least input
    tokens = texts(12, 5)
    words = model.embedding(tokens.flatten(1)).transpose(1, 2)
    found = [0.01 * -convolution(words).amin(dim=2) for convolution in model.convolutions]
    torch.testing.assert_close(model(tokens), model.head(torch.cat(found, dim=1)))


def test_places_of_the_activation() -> None:
    assert len(activation_modules(made(widths="3,4,5"))) == 3
    assert len(activation_modules(made("text_gru", layers="5,4", dense="3"))) == 3


@pytest.mark.parametrize("model", ["text_cnn", "text_gru"])
def test_what_fills_up_is_no_word_and_is_not_trained(model: str) -> None:
    network = made(model)
    network(texts(5, 3, 0)).sum().backward()
    assert network.embedding.weight[0].abs().sum() == 0
    assert network.embedding.weight.grad[0].abs().sum() == 0
    assert network.embedding.weight.grad[1:].abs().sum() > 0


def test_text_gru_reads_to_the_end_of_each_text() -> None:
    network = made("text_gru").eval()
    short, whole = texts(5), texts(12)
    states = network.reader(network.embedding(whole.flatten(1)))
    torch.testing.assert_close(network(short), network.head(states[:, 4]))
    torch.testing.assert_close(network(whole), network.head(states[:, 11]))


@pytest.mark.parametrize("model", ["text_cnn", "text_gru"])
def test_a_text_without_words_gives_numbers(model: str) -> None:
    assert made(model).eval()(texts(0, 1)).isfinite().all()


def test_a_convolution_wider_than_the_text_has_room() -> None:
    assert made(widths="20").eval()(texts(12, 1)).shape == (2, 3)


@pytest.mark.parametrize("model", ["text_cnn", "text_gru"])
def test_first_weights_do_not_depend_on_the_activation(model: str) -> None:
    first, second = made(model, "apalu").state_dict(), made(model, "relu").state_dict()
    assert all(torch.equal(first[name], value) for name, value in second.items())


@pytest.mark.parametrize("model", ["text_cnn", "text_gru"])
def test_data_without_a_vocabulary_and_numbers_are_refused(model: str) -> None:
    with pytest.raises(ValueError, match="reads tokens, and the data set has none"):
        made(model, vocabulary=None)
    with pytest.raises(ValueError, match=f"{model}: was given numbers; accepts tokens"):
        made(model)(torch.zeros(2, 1, 1, LENGTH))


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        ("text_cnn", {"widths": "3;4"}, "widths of layers"),
        ("text_cnn", {"maps": 0}, "whole number of at least 1"),
        ("text_gru", {"embedding": 2.5}, "whole number of at least 1"),
        ("text_gru", {"where": "gate"}, "one of candidate, dense, both"),
    ],
)
def test_wrong_options_are_refused(model: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        made(model, **options)
