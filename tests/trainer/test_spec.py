from __future__ import annotations

import dataclasses
import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.codec import digest, from_text, to_text
from trainer.errors import SpecError
from trainer.spec import ActivationSpec, DataSpec, FoldSpec, Launch, ModelSpec, Pack, SplitSpec, TrainingSpec

words = st.text(string.ascii_letters + string.digits + " äß/:.-_'\"\\", max_size=12)
numbers = st.floats(allow_nan=False, allow_infinity=False)
options = st.dictionaries(words, st.none() | st.booleans() | st.integers() | numbers | words, max_size=3)
folds = st.builds(
    FoldSpec,
    study=words,
    study_seed=st.integers(0, 2**63),
    phase=st.sampled_from(["search", "confirm"]),
    trial=words,
    repeat=st.integers(0, 20),
    fold=st.integers(0, 20),
    data=st.builds(DataSpec, name=words, options=options),
    split=st.builds(
        SplitSpec,
        scheme=st.sampled_from(["kfold", "fixed"]),
        folds=st.integers(1, 20),
        validation=st.floats(0.01, 0.9),
        stratify=st.booleans(),
        group=st.none() | words,
    ),
    model=st.builds(ModelSpec, name=words, options=options),
    activation=st.builds(ActivationSpec, name=words, params=options),
    training=st.builds(
        TrainingSpec,
        epochs=st.integers(1, 500),
        lr=st.floats(1e-9, 1e9),
        patience=st.none() | st.integers(1, 99),
        checkpoint_rule=st.sampled_from(["validation_loss", "validation_accuracy", "last"]),
        clean_train=st.booleans(),
    ),
)
packs = st.builds(
    Pack,
    launches=st.lists(st.builds(Launch, spec=folds, folder=words), max_size=3).map(tuple),
    data_root=st.none() | words,
    checkpoint_every_s=st.floats(0, 1e6),
)

PLAIN = FoldSpec(
    study="s",
    study_seed=1,
    phase="confirm",
    trial="t",
    repeat=0,
    fold=0,
    data=DataSpec(name="digits"),
    split=SplitSpec(),
    model=ModelSpec(),
    activation=ActivationSpec(name="relu", params={"x": 1.0}),
    training=TrainingSpec(),
)


def changed(path, value):
    """The text of the plain fold with one value put at ``path`` (absent: removed)."""
    raw = json.loads(to_text(PLAIN))
    *parents, last = path.split(".")
    place = raw
    for parent in parents:
        place = place[parent]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return json.dumps(raw)


@given(fold=folds)
def test_fold_round_trips_exactly(fold):
    again = from_text(FoldSpec, to_text(fold))
    assert again == fold
    assert again.digest == fold.digest
    assert to_text(again) == to_text(fold)


@given(pack=packs)
def test_pack_round_trips_exactly(pack):
    assert from_text(Pack, to_text(pack)) == pack


def test_option_types_survive():
    fold = dataclasses.replace(PLAIN, model=ModelSpec(options={"a": True, "b": 1, "c": 1.0, "d": None, "e": "1"}))
    found = from_text(FoldSpec, to_text(fold)).model.options
    assert [(name, type(value)) for name, value in sorted(found.items())] == [
        ("a", bool),
        ("b", int),
        ("c", float),
        ("d", type(None)),
        ("e", str),
    ]


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("study", ..., "FoldSpec: missing study"),
        ("training.lr", ..., "FoldSpec.training: missing lr"),
        ("colour", "red", "FoldSpec: unknown colour"),
        ("training.colour", 1, "FoldSpec.training: unknown colour"),
        ("repeat", "0", "FoldSpec.repeat: got '0', accepts int"),
        ("repeat", 0.0, "FoldSpec.repeat: got 0.0, accepts int"),
        ("repeat", True, "FoldSpec.repeat: got True, accepts int"),
        ("training.clean_train", 1, "FoldSpec.training.clean_train: got 1, accepts bool"),
        ("training.lr", True, "FoldSpec.training.lr: got True, accepts float"),
        ("training.patience", "2", "FoldSpec.training.patience: got '2', accepts"),
        ("phase", "test", "FoldSpec.phase: got 'test', accepts one of ['search', 'confirm']"),
        ("training.optimizer", "lion", "accepts one of ['adam', 'adamw', 'sgd']"),
        ("activation.params.x", [1], "FoldSpec.activation.params.x: got [1]"),
        ("activation", [], "FoldSpec.activation: got list, accepts an object"),
        ("schema", 3, "FoldSpec: fold specification of schema 3; this version of actsweep reads schema 1 and 2: use"),
    ],
)
def test_what_is_not_a_fold_is_refused_by_name(path, value, words):
    with pytest.raises(SpecError) as caught:
        from_text(FoldSpec, changed(path, value))
    assert words in str(caught.value)


def test_text_that_is_not_json_is_refused():
    with pytest.raises(SpecError, match="FoldSpec: not JSON"):
        from_text(FoldSpec, "{")


def test_a_whole_number_is_read_where_a_float_is_due():
    assert from_text(FoldSpec, changed("training.lr", 1)).training.lr == 1.0


def test_non_finite_numbers_are_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_text(dataclasses.replace(PLAIN, training=TrainingSpec(lr=float("nan"))))


def test_digest_hangs_on_every_field():
    found = {PLAIN.digest}
    for field, value in {
        "study": "x",
        "study_seed": 2,
        "phase": "search",
        "trial": "x",
        "repeat": 1,
        "fold": 1,
        "data": DataSpec(name="x"),
        "split": SplitSpec(folds=3),
        "model": ModelSpec(name="x"),
        "activation": ActivationSpec(name="x"),
        "training": TrainingSpec(lr=1.0),
    }.items():
        found.add(dataclasses.replace(PLAIN, **{field: value}).digest)
    assert len(found) == 12
    assert len(PLAIN.digest) == 16


def test_digest_knows_no_order_of_options():
    one, other = (DataSpec(name="d", options=dict(pairs)) for pairs in ([("a", 1), ("b", 2)], [("b", 2), ("a", 1)]))
    assert digest(one) == digest(other)
