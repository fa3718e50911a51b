"""YAML as people mean it, for studies and cluster profiles alike."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from slurm import yaml_reader
from slurm.errors import ProfileError


class FileError(ValueError):
    """What the reader of some kind of file raises."""


def value(text: str) -> Any:
    return yaml_reader.parse(text, "x", FileError).value


def test_numbers_and_words_are_read_as_people_mean_them() -> None:
    text = "[1e-4, 1E3, 1., .5, 0x1F, 0o17, 010, yes, no, on, off, true, ~, 12:30, 2024-01-01, 1_000, '1', -3, null]"
    assert value(text) == [
        1e-4, 1e3, 1.0, 0.5, 31, 15, 10, "yes", "no", "on", "off", True, None, "12:30", "2024-01-01", "1_000", "1", -3,
        None,
    ]  # fmt: skip


def test_anchors_are_written_out_and_nothing_explodes() -> None:
    assert value("a: &x {k: 1}\nb: *x") == {"a": {"k": 1}, "b": {"k": 1}}
    bomb = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
    )
    with pytest.raises(FileError, match="far too much"):
        value(bomb)


@pytest.mark.parametrize("text", ["a: !!set {b}", "a: !!omap [b: 1]", "a: !lab [1]", "a: !lab 1", "a: !!binary aGk="])
def test_tags_are_refused_on_values_lists_and_mappings(text: str) -> None:
    with pytest.raises(FileError, match=r"x:1: a: got the tag .*; accepts plain YAML without tags"):
        value(text)


@pytest.mark.parametrize("raises", [FileError, ProfileError])
def test_each_kind_of_file_has_its_own_error(raises: type[ValueError]) -> None:
    for text in ("a: 1\na: 2", "[", "a: !b c"):
        with pytest.raises(raises):
            yaml_reader.parse(text, "x", raises)
    document = yaml_reader.parse("a: 1", "x", raises)
    error = document.error([yaml_reader.Problem(path=("a", 0), message="no")])
    assert (type(error), str(error)) == (raises, "x:1: a[0]: no")


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()


@given(
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=12,
    )
)
def test_what_pyyaml_writes_is_read_back(written: Any) -> None:
    assert value(yaml.safe_dump(written)) == written
