"""Texts as words, and words as numbers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

PAD, UNKNOWN = 0, 1
FIRST = 2
"""Number of the commonest word."""
_WORD = re.compile(r"[\w']+|[^\w\s]")


def words(text: str) -> list[str]:
    """Runs of letters, digits and apostrophes in small letters; every other mark is a word of its own.

    >>> words("What's a Pop-up?")
    ["what's", 'a', 'pop', '-', 'up', '?']
    """
    return _WORD.findall(text.lower())


def numbered(texts: Iterable[Sequence[str]], *, least: int) -> dict[str, int]:
    """Word -> its number, from 2 on, by falling count and then by the word; of words that occur ``least`` times.

    >>> numbered([["b", "a"], ["a", "b", "c", "a"]], least=2)
    {'a': 2, 'b': 3}
    """
    counts = Counter(word for text in texts for word in text)
    common = sorted((-count, word) for word, count in counts.items() if count >= least)
    return {word: number for number, (_, word) in enumerate(common, start=FIRST)}


def as_tokens(texts: Sequence[Sequence[str]], numbers: Mapping[str, int], *, length: int) -> NDArray[np.int64]:
    """[n, 1, 1, length]: the first ``length`` words of each; 0 after the last, 1 for a word without a number."""
    tokens = np.full((len(texts), 1, 1, length), PAD, np.int64)
    for row, text in zip(tokens[:, 0, 0], texts, strict=True):
        found = [numbers.get(word, UNKNOWN) for word in text[:length]]
        row[: len(found)] = found
    return tokens
