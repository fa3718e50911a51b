"""The reader of a set of texts with one class each: from words to numbers."""

from __future__ import annotations

import gzip
import zlib
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from trainer.datasets import copies
from trainer.datasets.cache import Store
from trainer.datasets.content import Content
from trainer.datasets.file_reader import FileReader, Selection
from trainer.datasets.files import Files, damaged, find_folder, missing
from trainer.datasets.image_choice import OFFICIAL_TEST, SMALLER, select_images
from trainer.datasets.options import Chosen, Option
from trainer.datasets.reader import About, Kind, Standardise
from trainer.datasets.text import words
from trainer.errors import DataError


def options(*, length: int) -> dict[str, Option]:
    """Those that all sets of texts have."""
    return {
        "length": Option(
            default=length,
            least=1,
            meaning="words of a text that are used: the first ones; shorter texts are filled up with 0",
            converts=True,
        ),
        "least_count": Option(
            default=2,
            least=1,
            meaning="how often a word has to occur to have a number of its own; the others are all 1. Counted in the "
            "official training part where there is one, else in all texts: a constant of the data set",
            converts=True,
        ),
        "duplicates": replace(
            copies.OPTION,
            default="group",
            meaning=copies.OPTION.meaning.replace(
                "as the model sees them, the same to the last value", "word by word the same"
            ),
        ),
        **SMALLER,
    }


@dataclass(frozen=True, kw_only=True)
class Texts:
    """What the files hold."""

    texts: Sequence[str]
    labels: Sequence[int]
    classes: tuple[str, ...]
    n_test: int = 0
    """How many of the last ones are of the official test part."""
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TextSet(FileReader):
    """A subclass says which files there are and what they hold. Copies are told by their words, so that two texts that
    differ in spaces or capitals alone are copies, and two that differ in a rare word are not."""

    name: str
    about: About
    declared: Mapping[str, Option]
    folders: tuple[str, ...]
    names: tuple[str, ...]
    """Of the files, each plain or with .gz after it."""
    expected: str
    """What a line of them is."""

    @abstractmethod
    def read(self, paths: tuple[Path, ...], chosen: Chosen) -> Texts:
        """Raises :class:`DataError` naming a damaged file."""

    def find(self, root: Path, chosen: Chosen) -> Files:
        folder = find_folder(self.name, root, self.folders, needs=self.about.needs, source=self.about.source)
        paths = []
        for name in self.names:
            there = [folder / found for found in (name, f"{name}.gz") if (folder / found).is_file()]
            if not there:
                raise missing(
                    self.name, folder / name, expected=f"{self.expected}; or {name}.gz", source=self.about.source
                )
            paths.append(there[0])
        return Files(folder=folder, watched=tuple(paths))

    def convert(self, files: Files, chosen: Chosen, store: Store) -> Content:
        found = self.read(files.watched, chosen)
        texts = [words.words(text) for text in found.texts]
        taught = texts[: len(texts) - found.n_test]
        numbers = words.numbered(taught, least=chosen.number("least_count"))
        length = chosen.number("length")
        seen: dict[tuple[str, ...], int] = {}
        copy_of = np.array([seen.setdefault(tuple(text), place) for place, text in enumerate(texts)], np.int64)
        marks = {copies.MARK: copy_of}
        if found.n_test:
            marks[OFFICIAL_TEST] = (np.arange(len(texts)) >= len(taught)).astype(np.int64)
        long = sum(len(text) > length for text in texts)
        return Content(
            items=words.as_tokens(texts, numbers, length=length),
            labels=np.array(found.labels, np.int64),
            classes=found.classes,
            marks=marks,
            vocabulary=words.FIRST + len(numbers),
            remarks=(
                f"{len(numbers):,} words have a number of their own, the rarer ones are one; {long:,} of "
                f"{len(texts):,} texts are longer than {length} words and cut",
                *found.remarks,
                *copies.remarks(copy_of, lambda place: f"text {place + 1}"),
            ),
        )

    def lines(self, path: Path, encoding: str) -> list[str]:
        """Of a file, plain or gzipped, without line ends and empty ones. Raises :class:`DataError`."""
        try:
            raw = path.read_bytes()
            text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode(encoding)
        except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
            raise self.damaged(path, f"it cannot be read ({error})") from error
        found = [line.rstrip("\r") for line in text.split("\n") if line.strip()]
        if not found:
            raise self.damaged(path, "it has no line")
        return found

    def damaged(self, path: Path, found: str) -> DataError:
        return damaged(self.name, path, found, expected=self.expected, source=self.about.source)

    def scaling(self, chosen: Chosen) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return (0.0,), (1.0,)

    def form(self, content: Content, chosen: Chosen) -> tuple[Kind, Standardise]:
        return "tokens", "constants"

    def select(self, content: Content, chosen: Chosen) -> Selection:
        return copies.settle(self.name, content, select_images(self.name, content, chosen), chosen.text("duplicates"))
