"""Readers of texts: words and their numbers, copies, damage, and the real files."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from trainer import staging
from trainer.datasets import preparation
from trainer.datasets.content import Content
from trainer.datasets.reader import Dataset
from trainer.datasets.text import words
from trainer.datasets.text.labelled_lines import ag_news, sms_spam, trec
from trainer.datasets.text.sentence_files import polarity, subjectivity
from trainer.datasets.validation import validate_dataset
from trainer.errors import DataError
from trainer.spec import SplitSpec
from trainer.splits import split
from trainer.tasks.classification.task import Classification

TRAIN = [
    "NUM:date When was the war ?",
    "HUM:ind Who was the king ?",
    "NUM:count How many kings ?",
    "HUM:ind Who  was THE king ?",
]
TEST = ["HUM:ind Who was the war ?", "NUM:date When was the war ?"]


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    (tmp_path / "trec").mkdir()
    write(tmp_path / "trec/TREC.train", TRAIN)
    write(tmp_path / "trec/TREC.test", TEST)
    return tmp_path


def write(path: Path, lines: list[str], encoding: str = "latin-1") -> None:
    raw = ("\n".join(lines) + "\n").encode(encoding)
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)


def test_words_are_runs_of_letters_and_single_marks() -> None:
    assert words.words("It's 3.5 km, ÉTÉ!") == ["it's", "3", ".", "5", "km", ",", "été", "!"]
    assert words.words("  ") == []


def test_commoner_words_have_lower_numbers_whatever_the_order_of_texts() -> None:
    texts = [["b", "a", "c"], ["a", "b"], ["b", "rare"], ["c"]]
    assert words.numbered(texts, least=2) == {"b": 2, "a": 3, "c": 4} == words.numbered(texts[::-1], least=2)


def test_long_texts_are_cut_and_short_ones_filled_up() -> None:
    tokens = words.as_tokens([["a", "x", "a"], []], {"a": 2}, length=2)
    assert tokens[:, 0, 0].tolist() == [[2, 1], [0, 0]]


def test_words_are_counted_in_the_training_part(questions: Path) -> None:
    for found in (trec.load(questions, {}), trec.prepare(questions, {}), trec.load(questions, {})):
        # ? 4 times; was, the 3 times; king, who twice; "war" is there twice with the test part alone
        assert found.vocabulary == 2 + 5
        assert (found.kind, found.items.shape, found.items.dtype) == ("tokens", (6, 1, 1, 20), np.int64)
        # when was the war ? -- ? is 2, then the, was (3 each), then king, who
        assert found.items[0, 0, 0, :6].tolist() == [1, 4, 3, 1, 2, 0]
        assert found.fixed_heldout is not None
        assert found.fixed_heldout.tolist() == [False] * 4 + [True] * 2
    assert trec.load(questions, {"part": "test"}).vocabulary == 7
    assert trec.load(questions, {"least_count": 1}).vocabulary == 2 + len(
        {w for t in TRAIN for w in t.lower().split()[1:]}
    )


def test_texts_of_the_same_words_are_a_group_and_those_that_differ_in_a_rare_word_are_not(questions: Path) -> None:
    found = trec.load(questions, {})
    assert found.groups["copies"].tolist() == [0, 1, 2, 1, 4, 0]
    assert found.name == "trec (2 exact copies, 2 items on both sides of the held-out part)"
    spec = SplitSpec(folds=2, group="copies", stratify=False)
    dealt = split(found, spec, None, phase="confirm", seed=1, repeat=0, fold=0)
    groups = found.groups["copies"]
    assert not set(groups[dealt.heldout]) & set(groups[np.concatenate([dealt.train, dealt.validation])])
    dropped = trec.load(questions, {"duplicates": "drop"})
    assert (len(dropped.items), "copies" in dropped.groups) == (4, False)


def test_coarse_and_fine_classes(questions: Path) -> None:
    assert trec.load(questions, {}).classes == ("HUM", "NUM")
    fine = trec.load(questions, {"labels": "fine"})
    assert fine.classes == ("HUM:ind", "NUM:count", "NUM:date")
    assert Classification.misfit(fine) == ""


@pytest.mark.parametrize("line", ["NUM When ?", "date:NUM When", "NUM:dateWhen", "NUM: When"])
def test_a_damaged_question_is_refused_by_file_and_line(questions: Path, line: str) -> None:
    write(questions / "trec/TREC.test", [*TEST, line])
    with pytest.raises(
        DataError, match=r"trec: .*TREC.test is damaged: line 3 begins .* expected lines of COARSE:fine"
    ):
        trec.load(questions, {})


def test_missing_and_empty_files_are_named(questions: Path, tmp_path: Path) -> None:
    (questions / "trec/TREC.test").write_text("\n\n")
    with pytest.raises(DataError, match=r"TREC.test is damaged: it has no line"):
        trec.load(questions, {})
    (questions / "trec/TREC.test").unlink()
    with pytest.raises(DataError, match=r"TREC.test is missing"):
        trec.load(questions, {})
    with pytest.raises(DataError, match=r"sms_spam: none of the folders sms-spam"):
        sms_spam.load(tmp_path, {})


def test_messages_news_and_sentences(tmp_path: Path) -> None:
    for folder in ("sms-spam", "ag-news", "rt-polarity", "subjectivity"):
        (tmp_path / folder).mkdir()
    write(tmp_path / "sms-spam/SMSSpamCollection", ["ham\tOk lar", "spam\tFREE £ entry"], "utf-8")
    write(tmp_path / "ag-news/test.csv.gz", ['"3","Fears, for","a ""pension"""', '"1","War","ends\\now"'], "utf-8")
    write(tmp_path / "rt-polarity/rt-polarity.neg", ["dull – and flat"], "cp1252")
    write(tmp_path / "rt-polarity/rt-polarity.pos.gz", ["a joy", "a gem"], "cp1252")
    write(tmp_path / "subjectivity/subj.objective.gz", ["she leaves café"], "utf-8")
    write(tmp_path / "subjectivity/subj.subjective.gz", ["i loved it"], "latin-1")
    read = [reader.load(tmp_path, {"least_count": 1}) for reader in (sms_spam, ag_news, polarity, subjectivity)]
    told = [(found.labels.tolist(), (found.items[:, 0, 0] > 0).sum(axis=1).tolist()) for found in read]
    assert told == [([0, 1], [2, 3]), ([2, 0], [7, 3]), ([0, 1, 1], [4, 2, 2]), ([0, 1], [3, 3])]
    assert all((found.items < found.vocabulary).all() for found in read)
    write(tmp_path / "sms-spam/SMSSpamCollection", ["ham\tOk", "egg\tno"], "utf-8")
    with pytest.raises(DataError, match="SMSSpamCollection is damaged: line 2 begins"):
        sms_spam.load(tmp_path, {})
    write(tmp_path / "ag-news/test.csv.gz", ['"3","a","b"', '"5","c","d"'])
    with pytest.raises(DataError, match="row 2 has 3 fields, the first '5'"):
        ag_news.load(tmp_path, {})
    (tmp_path / "subjectivity/subj.objective.gz").write_bytes(gzip.compress(b"caf\xe9"))
    with pytest.raises(DataError, match=r"subj.objective.gz is damaged: it cannot be read \('utf-8' codec"):
        subjectivity.load(tmp_path, {})
    (tmp_path / "rt-polarity/rt-polarity.pos.gz").write_bytes(b"\x1f\x8b broken")
    with pytest.raises(DataError, match=r"rt-polarity.pos.gz is damaged: it cannot be read"):
        polarity.load(tmp_path, {})


def test_a_token_beyond_the_vocabulary_is_refused() -> None:
    items = np.array([3, 5]).reshape(2, 1, 1, 1)
    labels = np.array([0, 1])
    content = Content(items=items, labels=labels, classes=("a", "b"), vocabulary=5)
    with pytest.raises(DataError, match="mine: tokens go from 3 to 5, expected 0 to 4, the last of the vocabulary"):
        content.check("mine")
    own = Dataset(
        name="x", items=items, labels=labels, classes=("a", "b"), kind="tokens", vocabulary=5, digest="", std=(1.0,)
    )
    assert "; ".join(validate_dataset(own)).startswith(
        "items are tokens up to 5, beyond the vocabulary of 5; accepts 0"
    )


def test_the_vocabulary_survives_the_cache_a_selection_and_a_copy_to_scratch(questions: Path, tmp_path: Path) -> None:
    prepared = preparation.prepare("trec", questions)
    assert prepared.cache is not None
    found = trec.load(questions, {"per_class": 1, "duplicates": "drop"})
    assert found.vocabulary == 7
    staging._write(tmp_path / "copy", found)
    assert staging._read(tmp_path / "copy").vocabulary == 7


@pytest.mark.slow
def test_the_real_texts(real_root: Path) -> None:
    questions = trec.load(real_root, {})
    assert (len(questions.items), questions.fixed_heldout.sum()) == (5952, 500)
    assert len(trec.load(real_root, {"labels": "fine"}).classes) == 50
    assert np.bincount(sms_spam.load(real_root, {}).labels).tolist() == [4827, 747]
    assert np.bincount(polarity.load(real_root, {}).labels).tolist() == [5331, 5331]
    assert np.bincount(subjectivity.load(real_root, {}).labels).tolist() == [5000, 5000]
    assert np.bincount(ag_news.load(real_root, {}).labels).tolist() == [1900] * 4
