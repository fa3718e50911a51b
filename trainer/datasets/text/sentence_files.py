"""Sets of sentences with a file for each of two classes: film reviews."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trainer.datasets import copies
from trainer.datasets.options import Chosen, describe
from trainer.datasets.reader import About
from trainer.datasets.text.text_set import Texts, TextSet, options

_OPTIONS = options(length=50)


@dataclass(frozen=True, kw_only=True)
class SentenceFiles(TextSet):
    classes: tuple[str, ...]
    encodings: tuple[str, ...]
    """Of the files, which are one a class."""

    def read(self, paths: tuple[Path, ...], chosen: Chosen) -> Texts:
        parts = [self.lines(path, encoding) for path, encoding in zip(paths, self.encodings, strict=True)]
        return Texts(
            texts=[line for part in parts for line in part],
            labels=[label for label, part in enumerate(parts) for _ in part],
            classes=self.classes,
        )


polarity = SentenceFiles(
    name="polarity",
    folders=("rt-polarity", "rt-polaritydata", "polarity"),
    names=("rt-polarity.neg", "rt-polarity.pos"),
    classes=("negative", "positive"),
    encodings=("cp1252", "cp1252"),
    expected="a sentence a line, in Windows-1252",
    about=About(
        title="Sentence polarity 1.0 (MR): 5,331 negative and 5,331 positive sentences of film reviews",
        licence="none stated: for research",
        citation="Pang B, Lee L. Seeing stars: exploiting class relationships for sentiment categorization with "
        "respect to rating scales. ACL (2005).",
        source="https://www.cs.cornell.edu/people/pabo/movie-review-data (sentence polarity dataset v1.0)",
        needs="rt-polarity.neg and rt-polarity.pos (or .gz) in rt-polarity",
        options=describe(_OPTIONS),
        groups=(copies.GROUP,),
    ),
    declared=_OPTIONS,
)

subjectivity = SentenceFiles(
    name="subjectivity",
    folders=("subjectivity", "rotten_imdb", "subj"),
    names=("subj.objective", "subj.subjective"),
    classes=("objective", "subjective"),
    encodings=("utf-8", "latin-1"),
    expected="a sentence a line (objective in UTF-8, subjective in Latin-1)",
    about=About(
        title="Subjectivity 1.0 (Subj): 5,000 objective and 5,000 subjective sentences about films",
        licence="none stated: for research",
        citation="Pang B, Lee L. A sentimental education: sentiment analysis using subjectivity summarization based on "
        "minimum cuts. ACL (2004).",
        source="https://www.cs.cornell.edu/people/pabo/movie-review-data (subjectivity dataset v1.0), as "
        "https://github.com/harvardnlp/sent-conv-torch has it in data/raw",
        needs="subj.objective and subj.subjective (or .gz) in subjectivity",
        options=describe(_OPTIONS),
        groups=(copies.GROUP,),
    ),
    declared=_OPTIONS,
)
