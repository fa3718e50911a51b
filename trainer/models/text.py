"""Networks for texts: items [n, 1, 1, length] of tokens below ``vocabulary``, where 0 fills up short ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trainer.activations import arguments
from trainer.models.recurrent import Activation, GRULayer, Make, SequenceReader, dense_layers, sequence_reader
from trainer.models.tables import layer_widths

PAD = 0


def text_cnn(
    *,
    outputs: int,
    vocabulary: int,
    activation: Activation,
    embedding: int = 64,
    widths: str | int = "3,4,5",
    maps: int = 50,
    dropout: float = 0.5,
) -> nn.Module:
    """Convolutions over words (Kim, EMNLP 2014, with embeddings that start at random): of each of ``widths``, ``maps``
    feature maps, the activation, and only then the maximum over time; dropout; a linear layer. Output [n, outputs].

    The order of the two matters for an activation that is not monotone."""
    sizes = layer_widths("text_cnn", "widths", widths)
    arguments.count("text_cnn", "embedding", embedding)
    arguments.count("text_cnn", "maps", maps)
    arguments.real("text_cnn", "dropout", dropout, low=0.0, below=1.0)
    return _TextCnn(outputs, vocabulary, activation, embedding, sizes, maps, dropout)


class _TextCnn(nn.Module):
    def __init__(
        self,
        outputs: int,
        vocabulary: int,
        activation: Activation,
        embedding: int,
        sizes: tuple[int, ...],
        maps: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding, padding_idx=PAD)
        self.convolutions = nn.ModuleList(nn.Conv1d(embedding, maps, size, padding=size - 1) for size in sizes)
        self.activations = nn.ModuleList(activation(maps) for _ in sizes)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(maps * len(sizes), outputs)

    def forward(self, items: Tensor) -> Tensor:
        words = self.embedding(_tokens("text_cnn", items)).transpose(1, 2)
        pairs = zip(self.convolutions, self.activations, strict=True)
        found = [activation(convolution(words)).amax(dim=2) for convolution, activation in pairs]
        outputs: Tensor = self.head(self.dropout(torch.cat(found, dim=1)))
        return outputs


def text_gru(
    *,
    outputs: int,
    vocabulary: int,
    activation: Activation,
    embedding: int = 64,
    layers: str | int = "64",
    dense: str | int = "32",
    where: str = "both",
    batch_norm: bool = False,
    dropout: float = 0.2,
) -> nn.Module:
    """:class:`trainer.models.recurrent.GRULayer` over embedded words, read to the end of each text; its state there
    through dropout and fully connected layers. Output [n, outputs]. For the options see
    :func:`trainer.models.recurrent.gru`."""
    arguments.count("text_gru", "embedding", embedding)
    make: Make = GRULayer
    shape = (embedding, 1, 1)
    reader = sequence_reader("text_gru", shape, make, layers, activation, where, batch_norm, dropout)
    head = dense_layers("text_gru", reader.width, outputs, dense, activation, where)
    return _TextGru(nn.Embedding(vocabulary, embedding, padding_idx=PAD), reader, dropout, head)


class _TextGru(nn.Module):
    def __init__(self, embedding: nn.Embedding, reader: SequenceReader, dropout: float, head: nn.Module) -> None:
        super().__init__()
        self.embedding = embedding
        self.reader = reader
        self.dropout = nn.Dropout(dropout)
        self.head = head

    def forward(self, items: Tensor) -> Tensor:
        tokens = _tokens("text_gru", items)
        places = torch.arange(1, tokens.shape[1] + 1, device=tokens.device)
        end = (places * (tokens != PAD)).amax(dim=1, keepdim=True).clamp(min=1)
        states = self.reader(self.embedding(tokens))
        # A sum with one term instead of a look-up, whose gradient would be scattered.
        last = (states * (places == end)[:, :, None]).sum(dim=1)
        outputs: Tensor = self.head(self.dropout(last))
        return outputs


def _tokens(owner: str, items: Tensor) -> Tensor:
    """[n, length] of items. Raises ValueError for items that are no tokens."""
    if items.is_floating_point():
        raise ValueError(f"{owner}: was given numbers; accepts tokens, as a data set of texts has them")
    return items.flatten(1)
