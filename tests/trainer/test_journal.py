from __future__ import annotations

import dataclasses
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer import journal, testing
from trainer.errors import JournalError, OtherVersion
from trainer.journal import End, Epoch, Outcome, Status

START = testing.invented_start()
finite = st.floats(allow_nan=False)
measured = st.dictionaries(st.sampled_from(["train/loss", "validation/loss", "heldout/auc"]), finite)
epochs = st.builds(
    Epoch,
    epoch=st.integers(1, 500),
    time=finite,
    metrics=measured,
    train_s=finite,
    evaluate_s=finite,
    rest_s=finite,
    peak_memory_mb=finite,
    activation=st.dictionaries(st.text(max_size=9), finite, max_size=2),
    utilisation=measured,
)
starts = st.builds(lambda attempt, epoch: start(attempt, epoch), st.integers(1, 9), st.integers(0, 9))
ends = st.builds(
    End,
    time=finite,
    status=st.sampled_from(Status),
    epochs=st.integers(0, 99),
    reason=st.text(max_size=30),
    rule=st.sampled_from(["validation_loss", "last"]),
    outcomes=st.dictionaries(
        st.sampled_from(["validation_loss", "last"]), st.builds(Outcome, epoch=st.integers(1, 9), metrics=measured)
    ),
)


def start(attempt=1, resumed=0):
    return dataclasses.replace(START, attempt=attempt, resumed_epoch=resumed)


def epoch(number, value=0.0):
    return testing.invented_epoch(epoch=number, metrics={"validation/loss": value})


def end(count, status="finished"):
    return testing.invented_end(status=status, epochs=count)


def told(history):
    return [(record.epoch, record.metrics["validation/loss"]) for record in history.epochs]


@given(records=st.lists(starts | epochs | ends, max_size=6))
def test_what_is_written_is_read(tmp_path_factory, records):
    folder = tmp_path_factory.mktemp("attempt")
    writer = journal.Writer(folder)
    for record in records:
        writer.write(record)
    writer.close()
    found, offset, _ = journal.follow(folder / journal.FILE)
    assert found == records
    assert offset == (folder / journal.FILE).stat().st_size


def test_values_that_are_not_finite_survive(tmp_path):
    writer = journal.Writer(tmp_path)
    writer.write(dataclasses.replace(epoch(1), metrics={"a": math.nan, "b": math.inf, "c": -math.inf}))
    writer.close()
    [record] = journal.follow(tmp_path / journal.FILE).records
    assert math.isnan(record.metrics["a"])
    assert (record.metrics["b"], record.metrics["c"]) == (math.inf, -math.inf)


def test_following_goes_on_from_an_offset(tmp_path):
    writer = journal.Writer(tmp_path)
    path = tmp_path / journal.FILE
    writer.write(start())
    first, offset, _ = journal.follow(path)
    assert first == [start()]
    assert journal.follow(path, offset) == ([], offset, ())
    writer.write(epoch(1))
    writer.close()
    assert journal.follow(path, offset)[0] == [epoch(1)]


@given(cut=st.integers(1, 400))
def test_torn_last_line_is_left_for_later(tmp_path_factory, cut):
    folder = tmp_path_factory.mktemp("attempt")
    writer = journal.Writer(folder)
    writer.write(start())
    writer.write(epoch(1))
    writer.close()
    path = folder / journal.FILE
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    path.write_bytes(whole[: max(len(whole) - cut, first)])
    found, offset, _ = journal.follow(path)
    assert found == [start()]
    assert offset == first
    path.write_bytes(whole)
    assert journal.follow(path, offset)[0] == [epoch(1)]


def test_line_torn_inside_a_character_is_left_for_later(tmp_path):
    path = tmp_path / journal.FILE
    line = json.dumps(dataclasses.asdict(dataclasses.replace(end(1), reason="ä")), ensure_ascii=False).encode()
    path.write_bytes(line[: line.index("ä".encode()) + 1])
    assert journal.follow(path) == ([], 0, ())


def test_journal_that_is_not_there_is_empty(tmp_path):
    assert journal.follow(tmp_path / "none", 5) == ([], 5, ())
    assert journal.read_fold(tmp_path / "none") is None
    assert journal.attempts(tmp_path / "none") == []


WHOLE = json.dumps(dataclasses.asdict(epoch(1))).encode()


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[]",
        b'"start"',
        b'{"kind":"other"}',
        b'{"kind":"epoch"}',
        json.dumps({**dataclasses.asdict(epoch(1)), "epoch": "1"}).encode(),
        WHOLE[:30] + WHOLE,  # torn, and written on behind it
        WHOLE[:30] + b"\xff" + WHOLE[31:],
        WHOLE[:30] + b"\0" * 20 + WHOLE[50:],
        b"[" * 100_000,
    ],
)
def test_a_damaged_line_is_told_with_its_number_and_loses_no_other(tmp_path, line):
    path = tmp_path / journal.FILE
    lines = [json.dumps(dataclasses.asdict(record)).encode() for record in (start(), epoch(1), end(1))]
    path.write_bytes(b"\n".join([*lines[:2], line, lines[2], b""]))
    found = journal.follow(path)
    assert found.records == [start(), epoch(1), end(1)]
    assert found.offset == path.stat().st_size
    (told,) = found.damaged
    assert told.startswith("line 3 is damaged (")


def test_a_record_behind_zeros_that_a_file_server_left_is_whole(tmp_path):
    path = tmp_path / journal.FILE
    path.write_bytes(json.dumps(dataclasses.asdict(start())).encode() + b"\n" + b"\0" * 512 + WHOLE + b"\n")
    assert journal.follow(path).records == [start(), epoch(1)]


def test_any_bit_of_a_line_that_is_another_is_noticed_and_lines_of_the_version_before_have_no_checksum(tmp_path):
    record = dataclasses.replace(epoch(7), metrics={"validation/loss": 0.125})
    writer = journal.Writer(tmp_path)
    writer.write(record)
    writer.close()
    line = (tmp_path / journal.FILE).read_bytes().rstrip()
    assert journal.parse(line, "") == record
    unnoticed = []
    for at in range(8 * len(line)):
        flipped = bytearray(line)
        flipped[at // 8] ^= 1 << at % 8
        try:
            unnoticed += [bytes(flipped)] if journal.parse(bytes(flipped), "") == record else [bytes(flipped), line]
        except (JournalError, OtherVersion):
            continue
    assert not unnoticed
    assert journal.parse(json.dumps(dataclasses.asdict(record)), "") == record


def test_what_a_newer_version_wrote_is_no_damage(tmp_path):
    path = tmp_path / journal.FILE
    path.write_text(json.dumps({**dataclasses.asdict(epoch(1)), "extra": 1}) + "\n", encoding="utf-8")
    with pytest.raises(OtherVersion, match="unknown extra; is it of a newer version") as caught:
        journal.follow(path)
    assert str(path) in str(caught.value)


def test_an_attempt_without_its_start_does_not_count():
    assert journal.resolve({1: [epoch(1), end(1)]}) is None
    history = journal.resolve({1: [start(), epoch(1)], 2: [epoch(2, 9.0), end(2)]})
    assert told(history) == [(1, 0.0)]
    assert history.end is None


def test_attempts_are_ordered_by_number(tmp_path):
    for name in ("attempt-2", "attempt-10", "attempt-1", "attempt-x", "other"):
        (tmp_path / name).mkdir()
    assert journal.attempts(tmp_path) == [1, 2, 10]


def test_nothing_before_the_first_start():
    assert journal.resolve({1: []}) is None
    assert journal.resolve({}) is None


def test_plain_history():
    history = journal.resolve({1: [start(), epoch(1), epoch(2), end(2)]})
    assert told(history) == [(1, 0.0), (2, 0.0)]
    assert (history.attempts, history.end) == (1, end(2))


def test_epochs_beyond_the_resumed_one_are_the_newer_attempts():
    history = journal.resolve({1: [start(), epoch(1), epoch(2), epoch(3)], 2: [start(2, 1), epoch(2, 9.0)]})
    assert told(history) == [(1, 0.0), (2, 9.0)]
    assert history.end is None
    assert history.attempts == 2


def test_zombie_that_trained_on_and_even_ended_does_not_count():
    records = {
        1: [start(), epoch(1), epoch(2), epoch(3, 5.0), epoch(4, 5.0), end(4)],
        2: [start(2, 2), epoch(3, 1.0), end(3, "stopped")],
    }
    history = journal.resolve(records)
    assert told(history) == [(1, 0.0), (2, 0.0), (3, 1.0)]
    assert history.end.status == "stopped"


def test_end_of_a_zombie_does_not_end_its_successor():
    assert journal.resolve({1: [start(), epoch(1), end(1)], 2: [start(2, 1)]}).end is None


def test_claimed_attempt_without_a_start_does_not_count():
    history = journal.resolve({1: [start(), epoch(1), end(1)], 2: []})
    assert told(history) == [(1, 0.0)]
    assert history.end is not None
    assert history.attempts == 1


def test_fresh_start_drops_all_that_came_before():
    history = journal.resolve({1: [start(), epoch(1), epoch(2)], 2: [start(2, 0)]})
    assert history.epochs == ()


def test_last_of_doubled_epochs_counts():
    history = journal.resolve({1: [start(), epoch(1, 1.0), epoch(1, 2.0)]})
    assert told(history) == [(1, 2.0)]


def test_order_of_reading_does_not_matter():
    records = {2: [start(2, 1), epoch(2, 9.0)], 1: [start(), epoch(1), epoch(2)]}
    assert told(journal.resolve(records)) == [(1, 0.0), (2, 9.0)]


def test_reading_a_fold_resolves_its_attempts(tmp_path):
    for number, records in {1: [start(), epoch(1), epoch(2)], 2: [start(2, 1), epoch(2, 3.0), end(2)]}.items():
        folder = journal.attempt_folder(tmp_path, number)
        folder.mkdir()
        writer = journal.Writer(folder)
        for record in records:
            writer.write(record)
        writer.close()
    history = journal.read_fold(tmp_path)
    assert told(history) == [(1, 0.0), (2, 3.0)]
    assert history.end == end(2)


def moved(*kinds: tuple[str, int, str], resumed: tuple[int, ...] = (0, 2, 4)) -> journal.FoldHistory:
    """A fold that trained two epochs on each of the kinds (device, packs on it, sources)."""
    records: dict[int, list[journal.Record]] = {}
    for at, (name, slots, code) in enumerate(kinds, start=1):
        begin = resumed[at - 1]
        start = testing.invented_start(
            attempt=at, resumed_epoch=begin, device_name=name, environment={"slots": str(slots)}, code=code
        )
        epochs = [testing.invented_epoch(epoch=epoch, train_s=float(at)) for epoch in (begin + 1, begin + 2)]
        records[at] = [start, *epochs]
    found = journal.resolve(records)
    assert found is not None
    return found


def test_each_epoch_is_of_the_attempt_that_trained_it_last() -> None:
    found = moved(("a", 1, ""), ("b", 1, ""), ("b", 1, ""), resumed=(0, 1, 3))
    assert [[epoch.epoch for epoch in epochs] for _, epochs in found.by_start()] == [[1], [2, 3], [4, 5]]
    assert [{epoch.train_s for epoch in epochs} for _, epochs in found.by_start()] == [{1.0}, {2.0}, {3.0}]


def test_epochs_are_timed_from_where_the_last_kind_of_device_begins() -> None:
    assert moved(("a", 1, "")).timed_from == 1
    assert moved(("a", 1, ""), ("a", 1, "")).timed_from == 1
    assert moved(("a", 1, ""), ("b", 1, "")).timed_from == 3
    assert moved(("a", 1, ""), ("b", 1, ""), ("a", 1, "")).timed_from == 5
    assert moved(("a", 1, ""), ("a", 2, "")).timed_from == 3, "with company an epoch takes something else"
    assert moved(("a", 1, "x"), ("a", 1, "y")).timed_from == 3


def test_a_kind_is_named_by_what_its_epochs_depend_on() -> None:
    start = testing.invented_start(device_name="A100", threads=4, environment={"slots": "2"})
    assert start.device_kind.words() == "A100, 2 packs on it, 4 threads"
    assert testing.invented_start(device_name="A100", threads=1).device_kind.words() == "A100, 1 thread"
