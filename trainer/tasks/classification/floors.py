"""What trivial predictors say of the held-out items: the least that a network has to do better than.

They learn from the training part alone, on the processor, in seconds: where there are more items than that allows,
from some of them at equal distances, and the predictor's name says so.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.datasets.reader import Kind
from trainer.tasks.view import Part, View

NEIGHBOUR = "nearest training item"
"""The name of one that was given a part of the items says how many: a function of the data set's shape alone, so that
all folds have the same."""
WORDS = "logistic regression on counts of words"
BRIGHTNESS = "logistic regression on mean brightness"
NUMBERS = "logistic regression"

PRODUCTS = 4e9
"""Multiplications that a comparison with every training item may take: about a second of one core."""
FEWEST = 200
"""Training items below which that comparison is left out, unless there are no more."""
HELDOUT = 1000
SMALL_IMAGE = 1024
"""Numbers of an image up to which images are compared; larger ones are alike in nothing that a distance tells."""
TAUGHT: dict[Kind, int] = {"image": 4_000, "table": 10_000, "mesh": 10_000, "tokens": 10_000}
"""Items that a regression is fitted on at most, for kinds that have one; an image is no more than its channels' means
to it."""
CHUNK = 4096
SURE = 60.0
"""Score of a class that is named without a probability; every other has 0."""

_REGRESSED: dict[Kind, str] = {"image": BRIGHTNESS, "table": NUMBERS, "mesh": NUMBERS, "tokens": WORDS}


class Said:
    """What a predictor says of some of the held-out items."""

    def __init__(self, name: str, scores: Tensor, targets: Tensor, *, probable: bool) -> None:
        """``scores`` [n, classes], logarithms of probabilities where it is ``probable``, else no more than an order."""
        self.name, self.scores, self.targets, self.probable = name, scores, targets, probable


def said(view: View, kind: Kind, classes: int) -> Iterator[Said]:
    """By every predictor that means something for items of this kind."""
    part = view.part("heldout")
    shape = part.stored(part.index[:1] * 0).shape[1:]
    if kind == "image" and shape[1] == 1:
        kind = "signal"  # a single row has no brightness
    alike = kind != "tokens" and (kind != "image" or math.prod(shape) <= SMALL_IMAGE)
    if alike and (found := _nearest(view, math.prod(shape), classes)):
        yield found
    if kind in _REGRESSED and (found := _regression(view, kind, classes)):
        yield found


def _nearest(view: View, numbers: int, classes: int) -> Said | None:
    """The class of the training item at the least Euclidean distance, of the ``numbers`` of an item, standardised; of
    several, that of the first."""
    train, heldout = view.part("train"), view.part("heldout")
    here = train.targets.device
    asked = _spread(len(heldout.targets), HELDOUT, here)
    known = _spread(len(train.targets), int(PRODUCTS / (HELDOUT * numbers)), here)
    if len(known) < min(FEWEST, len(train.targets)):
        return None
    bank, queries = train.inputs(known).flatten(1), heldout.inputs(asked).flatten(1)
    # |q - b|^2 less what all b share
    distances = (bank * bank).sum(dim=1) - 2.0 * (queries @ bank.T)
    named = train.targets[known[distances.argmin(dim=1)]]
    scores = SURE * (named[:, None] == torch.arange(classes, device=here)).to(bank.dtype)
    name = _named(NEIGHBOUR, len(known), len(train.targets), len(asked), len(heldout.targets))
    return Said(name, scores, heldout.targets[asked], probable=False)


def _regression(view: View, kind: Kind, classes: int) -> Said | None:
    """Logistic regression (scikit-learn's, with its penalty of 1) on a few plain numbers of each item."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    train, heldout = view.part("train"), view.part("heldout")
    known = _spread(len(train.targets), TAUGHT[kind], train.targets.device)
    asked = _spread(len(heldout.targets), len(heldout.targets), train.targets.device)
    targets = train.targets[known].cpu().numpy()
    if len(np.unique(targets)) < 2:
        return None
    bank, queries = _counts(train, known, heldout, asked) if kind == "tokens" else _plain(train, known, heldout, asked)
    model = LogisticRegression(max_iter=1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(bank, targets)
    scores = np.full((len(asked), classes), -SURE)
    scores[:, model.classes_] = np.maximum(model.predict_log_proba(queries), -SURE)
    name = _named(_REGRESSED[kind], len(known), len(train.targets), len(asked), len(asked))
    return Said(name, torch.from_numpy(scores).to(heldout.targets.device), heldout.targets, probable=True)


def _plain(train: Part, known: Tensor, heldout: Part, asked: Tensor) -> tuple[Any, Any]:
    """[n, channels], the mean of each channel of an image; of other items, which have one, all numbers: [n, numbers].
    Both standardised by the training items."""

    def numbers(part: Part, places: Tensor) -> NDArray[np.float64]:
        found = []
        for some in torch.split(places, CHUNK):
            items = part.stored(some).double()
            found.append(items.mean(dim=(2, 3)) if items.shape[2] > 1 else items.flatten(1))
        return np.asarray(torch.cat(found).cpu().numpy())

    bank, queries = numbers(train, known), numbers(heldout, asked)
    middle, spread = bank.mean(axis=0), bank.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    return (bank - middle) / spread, (queries - middle) / spread


def _counts(train: Part, known: Tensor, heldout: Part, asked: Tensor) -> tuple[Any, Any]:
    """Sparse [n, words]: how often each token is in each text, less 0, which fills up."""
    from scipy.sparse import csr_matrix

    texts = [part.stored(some).flatten(1).cpu().numpy() for part, some in ((train, known), (heldout, asked))]
    top = max(2, *(int(tokens.max()) + 1 for tokens in texts))
    found = []
    for tokens in texts:
        rows, _ = np.nonzero(tokens > 0)
        found.append(csr_matrix((np.ones(len(rows)), (rows, tokens[tokens > 0])), shape=(len(tokens), top))[:, 1:])
    return found[0], found[1]


def _spread(count: int, most: int, device: torch.device) -> Tensor:
    """Places of ``most`` of ``count`` items at about equal distances, ascending; all where there are no more."""
    if count <= most:
        return torch.arange(count, device=device)
    return torch.arange(most, device=device) * count // most


def _named(name: str, known: int, all_known: int, asked: int, all_asked: int) -> str:
    told = f"{name} of {known}" if known < all_known else name
    return f"{told} for {asked} held-out items" if asked < all_asked else told
