"""Names that outlive a schema, and the texts of the version before."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import pytest

from trainer.codec import SINCE, Format, digest, from_plain, from_text, identity, to_text
from trainer.errors import SpecError
from trainer.spec import FoldSpec, Pack, SplitSpec, TrainingSpec

WRITTEN_BEFORE = {
    "3f670ce018522b6a": (
        '{"activation":{"name":"apalu","params":{"a":0.4203974312551242,"b":0.051813601220552945}},'
        '"data":{"name":"digits","options":{}},"fold":0,"model":{"name":"resnet34",'
        '"options":{"stem":"small"}},"phase":"search","repeat":0,"schema":1,"split":{"folds":3,"group":null,'
        '"scheme":"kfold","stratify":true,"validation":0.2},"study":"digits","study_seed":1,'
        '"task":"classification","training":{"batch":96,"beta1":0.9,"beta2":0.999,'
        '"checkpoint_rule":"validation_loss","clean_train":false,"epochs":2,"eps":1e-08,"evaluate_batch":512,'
        '"lr":0.001,"momentum":0.9,"optimizer":"adam","patience":null,"precision":"fp32","weight_decay":0.0},'
        '"trial":"apalu-s001"}'
    ),
    "1c81c281df066bfb": (
        '{"activation":{"name":"dsrelu","params":{"a":2.5813559999946567,"k":6.7567408204667245,'
        '"progress":"epoch"}},"data":{"name":"heartbeat_187","options":{"sample":400}},"fold":0,'
        '"model":{"name":"tiny_cnn","options":{}},"phase":"search","repeat":0,"schema":1,"split":{"folds":3,'
        '"group":null,"scheme":"kfold","stratify":true,"validation":0.2},"study":"mitbih-small",'
        '"study_seed":3,"task":"classification","training":{"batch":32,"beta1":0.9,"beta2":0.999,'
        '"checkpoint_rule":"validation_loss","clean_train":true,"epochs":4,"eps":1e-08,"evaluate_batch":512,'
        '"lr":0.003,"momentum":0.9,"optimizer":"adam","patience":2,"precision":"fp32","weight_decay":0.0},'
        '"trial":"dsrelu-s001"}'
    ),
    "55f7ab22c0a4d313": (
        '{"activation":{"name":"relu","params":{}},"data":{"name":"wine","options":{}},"fold":1,'
        '"model":{"name":"tiny_cnn","options":{}},"phase":"confirm","repeat":0,"schema":1,"split":{"folds":3,'
        '"group":null,"scheme":"kfold","stratify":true,"validation":0.2},"study":"wine-small","study_seed":3,'
        '"task":"classification","training":{"batch":16,"beta1":0.9,"beta2":0.999,'
        '"checkpoint_rule":"validation_loss","clean_train":false,"epochs":3,"eps":1e-08,"evaluate_batch":512,'
        '"lr":0.003,"momentum":0.9,"optimizer":"adam","patience":null,"precision":"fp32","weight_decay":0.0},'
        '"trial":"relu-c000"}'
    ),
}
"""Digest that a Start record of schema 1 gives -> the ``spec.json`` of its fold, as that version wrote it."""


@dataclass(frozen=True, kw_only=True)
class Dish:
    name: str
    salt: float = 1.0
    pepper: float = field(default=0.0, metadata={SINCE: 2})


def shown(raw: Mapping[str, object]) -> dict[str, object]:
    """Schema 1 had no year."""
    return {**raw, "year": 2024}


@dataclass(frozen=True, kw_only=True)
class Menu:
    FORMAT: ClassVar[Format] = Format(name="menu", schema=2, previous={"Menu": shown})

    schema: int = 2
    dish: Dish
    year: int


@dataclass(frozen=True, kw_only=True)
class Bill:
    """Its format has had one schema only."""

    FORMAT: ClassVar[Format] = Format(name="bill", schema=1)

    schema: int = 1


@dataclass(frozen=True, kw_only=True)
class Line:
    """A record that does not say its schema."""

    FORMAT: ClassVar[Format] = Format(name="diary", schema=4, previous={"Line": lambda raw: {"words": raw["text"]}})

    words: str


@pytest.mark.parametrize("name", WRITTEN_BEFORE)
def test_a_fold_of_schema_1_keeps_its_digest(name: str) -> None:
    assert from_text(FoldSpec, WRITTEN_BEFORE[name]).digest == name


@pytest.mark.parametrize("text", WRITTEN_BEFORE.values())
def test_the_identity_of_a_fold_of_schema_1_is_the_text_it_was_written_as(text: str) -> None:
    assert identity(from_text(FoldSpec, text)) == text


@pytest.mark.parametrize("text", WRITTEN_BEFORE.values())
def test_a_fold_of_schema_1_is_validated_after_every_epoch_searches_all_items_and_says_all_else_as_before(
    text: str,
) -> None:
    fold = from_text(FoldSpec, text)
    raw = json.loads(to_text(fold))
    later = {"schema": 2, "task_options": {}}
    assert {name: raw.pop(name) for name in later} == later
    for section, kind in (("training", TrainingSpec), ("split", SplitSpec)):
        for one in (item for item in dataclasses.fields(kind) if SINCE in item.metadata):
            assert raw[section].pop(one.name) == json.loads(to_text(kind()))[one.name]
    assert raw == {key: value for key, value in json.loads(text).items() if key != "schema"}


def test_a_one_names_a_fold_anew_only_where_it_says_something_new() -> None:
    fold = from_text(FoldSpec, WRITTEN_BEFORE["1c81c281df066bfb"])

    def every(epochs: int) -> str:
        return dataclasses.replace(fold, training=dataclasses.replace(fold.training, evaluate_every=epochs)).digest

    assert every(1) == fold.digest
    assert len({every(1), every(2), every(3)}) == 3


def test_identity_leaves_out_a_one_at_its_default_and_no_other() -> None:
    assert identity(Dish(name="soup")) == '{"name":"soup","salt":1.0}'
    assert identity(Dish(name="soup", pepper=0.5)) == '{"name":"soup","pepper":0.5,"salt":1.0}'
    assert to_text(Dish(name="soup")) == '{"name":"soup","pepper":0.0,"salt":1.0}'
    assert digest(Dish(name="soup")) != digest(Dish(name="soup", pepper=0.5))


def test_a_text_without_a_one_means_its_default_and_may_lack_no_other() -> None:
    assert from_plain(Dish, {"name": "soup", "salt": 1.0}) == Dish(name="soup")
    with pytest.raises(SpecError, match="Dish: missing salt"):
        from_plain(Dish, {"name": "soup", "pepper": 1.0})


def test_identity_says_schema_1_whatever_wrote_it_and_looks_inside() -> None:
    assert identity(Menu(dish=Dish(name="soup"), year=1)) == '{"dish":{"name":"soup","salt":1.0},"schema":1,"year":1}'
    assert identity({"a": (Dish(name="soup"),)}) == '{"a":[{"name":"soup","salt":1.0}]}'


def test_the_schema_before_is_read_as_this_one_writes_it() -> None:
    dish = {"name": "soup", "salt": 1.0, "pepper": 0.0}
    assert from_plain(Menu, {"schema": 1, "dish": dish}) == Menu(dish=Dish(name="soup"), year=2024)


@pytest.mark.parametrize("written", [0, 3, -1, True, 1.0, "1"])
def test_any_other_schema_is_refused(written: object) -> None:
    with pytest.raises(SpecError) as caught:
        from_plain(Menu, {"schema": written, "dish": {}, "year": 1})
    assert str(caught.value) == (
        f"Menu: menu of schema {written}; this version of actsweep reads schema 1 and 2: use the version that wrote it"
    )


def test_a_text_that_does_not_say_its_schema_is_refused() -> None:
    with pytest.raises(SpecError, match="Menu: missing schema"):
        from_plain(Menu, {"dish": {"name": "soup", "salt": 1.0, "pepper": 0.0}, "year": 1})


def test_a_first_schema_has_none_before_it() -> None:
    with pytest.raises(SpecError) as caught:
        from_text(Bill, '{"schema":0}')
    assert str(caught.value) == (
        "Bill: bill of schema 0; this version of actsweep reads schema 1: use the version that wrote it"
    )


def test_a_record_is_of_the_schema_of_its_file() -> None:
    assert from_plain(Line, {"text": "rain"}, written=3) == Line(words="rain")
    assert from_plain(Line, {"words": "sun"}, written=4) == from_plain(Line, {"words": "sun"}) == Line(words="sun")
    for written in (2, 5):
        with pytest.raises(SpecError, match=f"Line: diary of schema {written}; this version of actsweep"):
            from_plain(Line, {"words": "sun"}, written=written)


@pytest.mark.parametrize("kind", [FoldSpec, Pack])
def test_what_a_later_version_wrote_is_refused_by_name(kind: type[FoldSpec] | type[Pack]) -> None:
    known = kind.FORMAT.schema
    with pytest.raises(SpecError) as caught:
        from_text(kind, f'{{"schema":{known + 1}}}')
    assert str(caught.value) == (
        f"{kind.__name__}: {kind.FORMAT.name} of schema {known + 1}; this version of actsweep reads schema {known - 1} "
        f"and {known}: use the version that wrote it"
    )


def test_a_pack_of_the_schema_before_carries_folds_of_schema_1() -> None:
    text = WRITTEN_BEFORE["55f7ab22c0a4d313"]
    raw = {
        "schema": 2, "launches": [{"spec": json.loads(text), "folder": "/f"}], "data_root": None, "scratch": None,
        "device": "cpu", "threads": 1, "checkpoint_every_s": 0.0, "keep": "none", "code": "", "on_drift": "refuse",
    }  # fmt: skip
    pack = from_plain(Pack, raw)
    assert pack.launches[0].spec == from_text(FoldSpec, text)
    assert (pack.schema, pack.own, pack.own_folder) == (3, {}, None)
