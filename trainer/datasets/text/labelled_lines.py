"""Sets of texts whose files have a class and a text a line: questions, messages, news."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from trainer.datasets import copies
from trainer.datasets.image_choice import PART
from trainer.datasets.options import Chosen, Option, describe
from trainer.datasets.reader import About
from trainer.datasets.text.text_set import Texts, TextSet, options

_TREC = {
    **options(length=20),
    "part": replace(PART, default="all"),
    "labels": Option(
        default="coarse",
        meaning="the 6 coarse classes or the 50 fine ones (42 of them in the test part)",
        accepts=("coarse", "fine"),
        converts=True,
    ),
}
_SMS = options(length=40)
_NEWS = options(length=60)
_NEWS_CLASSES = ("World", "Sports", "Business", "Sci/Tech")
_SMS_CLASSES = ("ham", "spam")


@dataclass(frozen=True, kw_only=True)
class Trec(TextSet):
    def read(self, paths: tuple[Path, ...], chosen: Chosen) -> Texts:
        texts, kinds, sizes = [], [], []
        for path in paths:
            lines = self.lines(path, "latin-1")
            sizes.append(len(lines))
            for number, line in enumerate(lines, start=1):
                kind, space, text = line.partition(" ")
                coarse, colon, fine = kind.partition(":")
                if not (space and colon and coarse.isupper() and fine):
                    raise self.damaged(path, f"line {number} begins {line[:30]!r}")
                texts.append(text)
                kinds.append(coarse if chosen.text("labels") == "coarse" else kind)
        classes = sorted(set(kinds))
        numbers = {kind: number for number, kind in enumerate(classes)}
        return Texts(texts=texts, labels=[numbers[kind] for kind in kinds], classes=tuple(classes), n_test=sizes[1])


@dataclass(frozen=True, kw_only=True)
class SmsSpam(TextSet):
    def read(self, paths: tuple[Path, ...], chosen: Chosen) -> Texts:
        (path,) = paths
        texts, labels = [], []
        for number, line in enumerate(self.lines(path, "utf-8"), start=1):
            kind, tab, text = line.partition("\t")
            if kind not in _SMS_CLASSES or not tab:
                raise self.damaged(path, f"line {number} begins {line[:30]!r}")
            texts.append(text)
            labels.append(_SMS_CLASSES.index(kind))
        return Texts(texts=texts, labels=labels, classes=_SMS_CLASSES)


@dataclass(frozen=True, kw_only=True)
class AgNews(TextSet):
    def read(self, paths: tuple[Path, ...], chosen: Chosen) -> Texts:
        (path,) = paths
        texts, labels = [], []
        known = [str(number + 1) for number in range(len(_NEWS_CLASSES))]
        for number, row in enumerate(csv.reader(self.lines(path, "utf-8")), start=1):
            if len(row) != 3 or row[0] not in known:
                raise self.damaged(path, f"row {number} has {len(row)} fields, the first {''.join(row[:1])[:20]!r}")
            texts.append(f"{row[1]} {row[2]}".replace("\\", " "))
            labels.append(known.index(row[0]))
        return Texts(texts=texts, labels=labels, classes=_NEWS_CLASSES)


def _about(
    title: str,
    licence: str,
    citation: str,
    source: str,
    needs: str,
    declared: Mapping[str, Option],
    fixed: bool = False,
) -> About:
    return About(
        title=title,
        licence=licence,
        citation=citation,
        source=source,
        needs=needs,
        options=describe(declared),
        groups=(copies.GROUP,),
        fixed=fixed,
    )


trec = Trec(
    name="trec",
    folders=("trec", "TREC"),
    names=("TREC.train", "TREC.test"),
    expected="lines of COARSE:fine, a space and a question",
    about=_about(
        title="TREC questions: 5,452 for training and 500 for testing, by what they ask for (6 or 50 classes)",
        licence="none stated for the data: for research at your own judgement",
        citation="Li X, Roth D. Learning question classifiers. COLING (2002).",
        source="https://cogcomp.seas.upenn.edu/Data/QA/QC/ (train_5500.label and TREC_10.label, renamed), or "
        "https://github.com/harvardnlp/sent-conv-torch, data/raw",
        needs="TREC.train and TREC.test in trec",
        declared=_TREC,
        fixed=True,
    ),
    declared=_TREC,
)

sms_spam = SmsSpam(
    name="sms_spam",
    folders=("sms-spam", "sms_spam", "smsspamcollection"),
    names=("SMSSpamCollection",),
    expected="lines of ham or spam, a tab and a message, in UTF-8",
    about=_about(
        title="SMS Spam Collection: 5,574 messages, 747 of them spam",
        licence="CC BY 4.0",
        citation="Almeida TA, Gomez Hidalgo JM, Yamakami A. Contributions to the study of SMS spam filtering. DocEng "
        "(2011).",
        source="https://archive.ics.uci.edu/dataset/228/sms+spam+collection",
        needs="SMSSpamCollection in sms-spam",
        declared=_SMS,
    ),
    declared=_SMS,
)

ag_news = AgNews(
    name="ag_news",
    folders=("ag-news", "ag_news", "ag_news_csv"),
    names=("test.csv",),
    expected="rows of a class 1 to 4, a title and a description, in quotes and UTF-8",
    about=_about(
        title="AG's news, its official test part: 7,600 articles of 4 kinds, used as a set of its own",
        licence="for research and other non-commercial activity",
        citation="Zhang X, Zhao J, LeCun Y. Character-level convolutional networks for text classification. NIPS "
        "(2015).",
        source="https://github.com/mhjabreel/CharCnn_Keras, data/ag_news_csv",
        needs="test.csv (or test.csv.gz) in ag-news",
        declared=_NEWS,
    ),
    declared=_NEWS,
)
