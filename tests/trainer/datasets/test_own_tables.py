"""Tables and arrays of people's own, by the names of their columns: what is read, and what each wrong one is told."""

from __future__ import annotations

import gzip
import importlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainer import staging
from trainer.datasets import preparation
from trainer.datasets.heartbeat_csv import heartbeat_csv
from trainer.datasets.options import choose
from trainer.datasets.own_arrays import arrays
from trainer.datasets.own_columns import narrow
from trainer.datasets.own_table import table
from trainer.datasets.reader import Dataset
from trainer.datasets.validation import validate_dataset
from trainer.errors import DataError
from trainer.spec import DataSpec, SplitSpec
from trainer.splits import split
from trainer.tasks.classification.task import Classification

PEOPLE = """\
id,age,weight,city,patient,split,label
a1,31,70.5,Bonn,p1,train,yes
a2,45,81.0,Kiel,p1,train,no
a3,29,64.2,Bonn,p2,train,no
a4,52,77.7,Kiel,p2,val,yes
a5,38,69.1,Bonn,p3,test,yes
a6,61,90.3,Ulm,p3,test,no
"""
ASIDE = "id,city,split"


def load(reader: Any, root: Path, **options: object) -> Dataset:
    """Read directly, and the same from the cache and a node's copy; fit to be trained on."""
    direct: Dataset = reader.load(root, options)
    spec = DataSpec(name=reader.name, options=options)  # type: ignore[arg-type]
    for found in (reader.prepare(root, options), reader.load(root, options),
                  staging.load(reader, spec, root, str(root / "scratch"), code="")):  # fmt: skip
        assert (found.digest, found.kind, found.standardise, found.remarks) == (
            direct.digest, direct.kind, direct.standardise, direct.remarks)  # fmt: skip
        np.testing.assert_array_equal(found.items, direct.items)
        np.testing.assert_array_equal(found.targets, direct.targets)
    assert validate_dataset(direct) == []
    return direct


def told(reader: Any, root: Path, **options: object) -> str:
    messages = set()
    for act in (reader.load, reader.prepare):
        with pytest.raises(DataError) as caught:
            act(root, options)
        messages.add(str(caught.value))
    (message,) = messages
    assert message.startswith(f"data set {reader.name}: ")
    return message


@pytest.fixture
def people(tmp_path: Path) -> Path:
    (tmp_path / "people.csv").write_text(PEOPLE)
    return tmp_path


def test_columns_by_name(people: Path) -> None:
    found = load(table, people, path="people.csv", target="label", group="patient", drop=ASIDE)
    assert found.kind == "table"
    assert found.standardise == "fold"
    assert found.items.shape == (6, 1, 1, 2)
    np.testing.assert_allclose(
        found.items[:, 0, 0], [[31, 70.5], [45, 81], [29, 64.2], [52, 77.7], [38, 69.1], [61, 90.3]]
    )
    assert found.classes == ("no", "yes")
    assert found.labels is not None
    assert found.labels.tolist() == [1, 0, 0, 1, 1, 0]
    assert found.groups["patient"].tolist() == [0, 0, 1, 1, 2, 2]
    assert found.remarks == ("features: age, weight",)
    made = split(
        found, SplitSpec(folds=3, group="patient", validation=0.5, stratify=False),
        None, phase="confirm", seed=0, repeat=0, fold=0)  # fmt: skip
    assert len(set(found.groups["patient"][made.heldout])) == 1


def test_named_features_and_categories(people: Path) -> None:
    found = load(table, people, path="people.csv", target="label", features="age, city", categories="city")
    np.testing.assert_array_equal(found.items[:3, 0, 0], [[31, 1, 0, 0], [45, 0, 1, 0], [29, 1, 0, 0]])
    again = load(table, people, path="people.csv", target="label", drop="id,patient,split", categories="city")
    np.testing.assert_array_equal(again.items[:2, 0, 0, 2:], [[1, 0, 0], [0, 1, 0]])


def test_a_column_that_says_what_is_held_out(people: Path) -> None:
    found = load(table, people, path="people.csv", target="label", heldout="split", drop="id,city,patient")
    assert found.fixed_heldout is not None
    assert found.fixed_heldout.tolist() == [False] * 4 + [True] * 2
    assert len(load(table, people, path="people.csv", target="label", heldout="split", part="train",
                    drop="id,city,patient").items) == 4  # fmt: skip


def test_quantities(people: Path) -> None:
    found = load(table, people, path="people.csv", values="weight", features="age")
    assert found.labels is None
    assert found.classes == ()
    assert found.values is not None
    np.testing.assert_allclose(found.values[:2], [[70.5], [81.0]])


def test_a_second_file_is_the_held_out_part(people: Path) -> None:
    lines = PEOPLE.splitlines()
    columns = [line.split(",") for line in lines[:1] + lines[3:5]]
    (people / "more.csv").write_text("\n".join(",".join(reversed(row)) for row in columns))  # another order of columns
    found = load(table, people, path="people.csv", test_path="more.csv", target="label", features="age,weight")
    assert found.fixed_heldout is not None
    assert found.fixed_heldout.tolist() == [False] * 6 + [True] * 2
    np.testing.assert_array_equal(found.items[6:], found.items[2:4])
    assert found.name == "table (2 exact copies, 4 items on both sides of the held-out part)"


def test_rows_that_are_the_same_are_told_grouped_dropped_or_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b,y\n1,2,u\n3,4,v\n1,2,u\n5,6,v\n7,8,u\n9,9,v\n")
    found = load(table, tmp_path, path="a.csv", target="y")
    assert found.name == "table (1 exact copy)"
    assert found.remarks[-1] == "exact copies: row 1 = row 3"
    grouped = load(table, tmp_path, path="a.csv", target="y", duplicates="group").groups["copies"]
    assert len(np.unique(grouped)) == 5
    assert grouped[0] == grouped[2]
    assert len(load(table, tmp_path, path="a.csv", target="y", duplicates="drop").items) == 5
    words = "1 exact copy (exact copies: row 1 = row 3); remove them, or duplicates: drop"
    assert words in told(table, tmp_path, path="a.csv", target="y", duplicates="refuse")
    same = load(table, tmp_path, path="a.csv", values="b", features="a", drop="y")
    assert same.name == "table (1 exact copy)"


@pytest.mark.parametrize(
    "wrapping", ["semicolons", "tabs", "quotes", "byte order mark", "gzip", "blank lines", "spaces", "parquet"]
)
def test_other_wrappings_of_the_same_table(people: Path, wrapping: str) -> None:
    expected = load(table, people, path="people.csv", target="label", drop=ASIDE, group="patient")
    name, text = "other.csv", PEOPLE
    if wrapping == "parquet":
        pandas, _ = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
        pandas.read_csv(io.StringIO(PEOPLE)).to_parquet(people / "other.parquet")
        name = "other.parquet"
    elif wrapping == "gzip":
        name = "other.csv.gz"
        (people / name).write_bytes(gzip.compress(PEOPLE.encode()))
    else:
        text = {
            "semicolons": text.replace(",", ";"),
            "tabs": text.replace(",", "\t"),
            "quotes": text.replace("Bonn", '"Bonn, Beuel"').replace("age", '"age"'),
            "byte order mark": "\ufeff" + text,
            "spaces": text.replace(",", "   ").replace("\n", "  \n"),
            "blank lines": text.replace("\n", "\n\n"),
        }[wrapping]
        (people / name).write_text(text)
    found = load(table, people, path=name, target="label", drop=ASIDE, group="patient")
    assert found.digest == expected.digest


def test_whole_numbers_as_classes_are_ordered_and_without_a_point(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n" + "".join(f"{x},{x % 12}.0\n" for x in range(48, 0, -2)))
    found = load(table, tmp_path, path="a.csv", target="y")
    assert found.classes == ("0", "2", "4", "6", "8", "10")


def test_an_index_in_each_of_two_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text("n,x,y\n0,5,0\n1,2,1\n2,7,0\n3,1,1\n")
    assert "column 'n' counts the rows" in told(table, tmp_path, path="a.csv", test_path="b.csv", target="y")
    assert load(table, tmp_path, path="a.csv", target="y", features="n,x").items.shape == (4, 1, 1, 2)


def test_spaces_and_other_separators_in_names(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('my own size,"the, kind, of it"\n1,a\n5,b\n2,a\n9,b\n')
    assert load(table, tmp_path, path="a.csv", target='"the, kind, of it"').items.ravel().tolist() == [1, 5, 2, 9]
    (tmp_path / "b.csv").write_text('"a, b, c";y\n1;u\n5;v\n2;u\n9;v\n')
    assert load(table, tmp_path, path="b.csv", target="y").items.ravel().tolist() == [1, 5, 2, 9]


def test_columns_with_commas_and_numbers_as_names(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('"size, cm",2020,kind\n1,5,a\n2,9,b\n4,7,a\n7,9,b\n')
    found = load(table, tmp_path, path="a.csv", target="kind", features='"size, cm"')
    assert found.items.ravel().tolist() == [1, 2, 4, 7]
    assert load(table, tmp_path, path="a.csv", target="kind", features=2020).items.ravel().tolist() == [5, 9, 7, 9]
    with pytest.raises(DataError, match="option target is True; the column"):
        table.load(tmp_path, {"path": "a.csv", "target": True})


def test_values_far_from_zero_are_kept_exact(tmp_path: Path) -> None:
    seconds = 1.7e9 + np.arange(40) * 0.25
    (tmp_path / "a.csv").write_text("t,y\n" + "".join(f"{t},{i % 2}\n" for i, t in enumerate(seconds)))
    found = load(table, tmp_path, path="a.csv", target="y")
    assert found.items.dtype == np.float64
    np.testing.assert_array_equal(found.items.ravel(), seconds)
    assert narrow(np.array([[0.1, 1e-3], [0.1, 2e-3]])).dtype == np.float32  # one column does not vary


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "needs the option path, as data: {name: table, path: my.csv, target: label}"),
        ({"path": "poeple.csv"}, "poeple.csv is not there; did you mean 'people.csv'?"),
        ({"path": "gone/x.csv"}, "gone/x.csv is not there; nor is its folder"),
        ({"target": "lable"}, "people.csv has no column 'lable'; did you mean 'label'?"),
        ({"target": "label", "drop": "id, cty"}, "people.csv has no column 'cty'; did you mean 'city'?"),
        ({"target": "label", "group": "person"}, "has no column 'person'; "),
        ({}, "needs the option path"),
        ({"path": "people.csv", "drop": "id"}, "the study has neither target and values; accepts target (the column"),
        ({"target": "label", "values": "age"}, "the study names both target and values"),
        ({"target": "label", "drop": "city", "categories": "city"}, "'city' is named both as drop and as categories"),
        ({"target": "label,city"}, "option target names 2 columns; accepts one"),
        ({"target": "label", "drop": "label"}, "column 'label' is named both as target and as drop; accepts one"),
        (
            {"target": "label", "drop": "id,split,patient"},
            "1 column that should hold numbers do not: 'city': line 2 has 'Bonn'. Name such columns as categories (a "
            "column of 0 and 1 for each text) or leave them out, as drop: city",
        ),
        ({"target": "weight", "features": "age"}, "'weight' holds 6 numbers as 64.2, which are no classes; to predict"),
        ({"target": "id", "features": "age"}, "'id' has 6 different values in 6 rows; accepts two classes or more"),
        ({"target": "label", "heldout": "city", "features": "age"}, "'city' holds 'bonn', which does not say whether"),
        ({"target": "label", "heldout": "split", "test_path": "people.csv"}, "has both test_path and heldout"),
        ({"target": "label", "features": "age", "part": "test"}, "option part is 'test', but no part is declared"),
        ({"values": "weight", "features": "age", "per_class": 2}, "options classes and per_class need classes"),
    ],
)  # fmt: skip
def test_wrong_names_and_columns_are_told(people: Path, options: dict[str, object], words: str) -> None:
    given = options if not options or "path" in options else {"path": "people.csv", **options}
    assert words in told(table, people, **given)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "bad.csv is empty; expected a table"),
        ("a,y\n", "bad.csv holds column names and no row"),
        ("a,y\n1,0\n2\n3,1\n", "line 3 has 1 cells, where there are 2 columns; is it cut"),
        ("1,2,0\n3,4,1\n", "its first line holds numbers alone, 1, 2, 0 and so on, where the names of columns are"),
        ("a,a,y\n1,2,0\n", "two columns are called 'a'; rename one"),
        (",a,y\n9,1,0\n8,2,1\n", "column 1 has no name (an index, as pandas writes it?); leave it out with drop"),
        ("t,y\n" + "".join(f"{place * place},{place % 2}\n" for place in range(12)), "column 't' counts the rows"),
        ("n,a,y\n0,5,0\n1,2,1\n2,7,0\n3,1,1\n", "column 'n' counts the rows (an index, or a time?), which gives"),
        ("a,y\n5,0\n,1\n7,0\nNA,1\n", "2 of 4 rows lack a value: column 'a' in 2 (first in row 2); fill them in the "
         "table, leave a column out as drop: a, or leave such rows out by missing: drop_rows"),
        ("a,y\n5,0\n2,\n7,0\n1,1\n", "1 of 4 rows lack a value: column 'y' in 1 (first in row 2)"),
        ("a,y\n5,0\ninf,1\n7,0\n1,1\n", "column 'a' is infinite in row 2"),
        ("a;y\n5,5;0\n2,5;1\n7,5;0\n1,5;1\n", "'a': line 2 has '5,5' (a comma for a point? save it with points)"),
        ("a,y\n5,0\n3,0\n", "'y' has 1 different values in 2 rows"),
        ("y\n0\n1\n", "no column is left as a feature of y"),
    ],
)  # fmt: skip
def test_wrong_tables_are_told(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "bad.csv").write_text(text)
    assert words in told(table, tmp_path, path="bad.csv", target="y")


def test_rows_with_gaps_are_left_out_where_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b,y\n5,1,0\n,1,1\n7,1,0\n1,4,1\n3,?,0\n9,2,\n")
    found = load(table, tmp_path, path="a.csv", target="y", missing="drop_rows")
    assert found.items[:, 0, 0].tolist() == [[5, 1], [7, 1], [1, 4]]
    assert found.remarks[1] == "3 rows of 6 left out of a.csv: a value is missing in a, b, y"


def test_a_table_in_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("a,größe\n1,0\n".encode("latin-1"))
    assert "is not text in UTF-8" in told(table, tmp_path, path="a.csv", target="a")


def test_a_cut_archive_and_a_table_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(PEOPLE.encode() * 50)[:-20])
    assert "cannot be read as CSV" in told(table, tmp_path, path="a.csv.gz", target="label", features="age")
    pytest.importorskip("pyarrow")
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and no more")
    assert "cannot be read as Parquet" in told(table, tmp_path, path="a.parquet", target="label")


def test_parquet_without_its_package_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    plain = importlib.import_module

    def without(name: str, package: str | None = None) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError("no pyarrow")
        return plain(name, package)

    monkeypatch.setattr(importlib, "import_module", without)
    words = "needs the package pyarrow, which is not installed here; install it (on the nodes too: pip install pyarrow)"
    assert words in told(table, tmp_path, path="a.parquet", target="y")


def test_types_of_parquet_columns(tmp_path: Path) -> None:
    pandas, _ = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    columns = {
        "whole": pandas.array([1, 2, 4, 7], "Int64"),
        "flag": [True, False, True, True],
        "x": np.float32([1.5, 2, 3, 4]),
        "when": pandas.to_datetime(["2020-01-01"] * 4),
        "kind": pandas.Categorical(["b", "a", "b", "a"]),
    }
    frame = pandas.DataFrame(columns)
    frame.to_parquet(tmp_path / "a.parquet")
    assert "'when': its type is timestamp" in told(table, tmp_path, path="a.parquet", target="kind")
    found = load(table, tmp_path, path="a.parquet", target="kind", drop="when")
    assert found.items[:, 0, 0].tolist() == [[1, 1, 1.5], [2, 0, 2], [4, 1, 3], [7, 1, 4]]
    frame.loc[2, "whole"] = None
    frame.to_parquet(tmp_path / "a.parquet")
    assert "column 'whole' in 1 (first in row 3)" in told(table, tmp_path, path="a.parquet", target="kind", drop="when")


@pytest.fixture
def beats(tmp_path: Path) -> Path:
    """Kaggle's two files in small: numbers as numpy.savetxt writes them, the class last."""
    rng = np.random.default_rng(0)
    for name, count in (("train", 25), ("test", 10)):
        numbers = np.column_stack([rng.random((count, 187)), np.arange(count) % 5])
        np.savetxt(tmp_path / f"mitbih_{name}.csv", numbers, delimiter=",")
    return tmp_path


@pytest.mark.parametrize("place", ["", "heartbeat", "mine"])
def test_the_published_heartbeats(beats: Path, place: str) -> None:
    expected = np.loadtxt(beats / "mitbih_test.csv", delimiter=",")
    for name in ("train", "test"):
        (beats / place).mkdir(exist_ok=True)
        (beats / f"mitbih_{name}.csv").rename(beats / place / f"mitbih_{name}.csv")
    found = load(heartbeat_csv, beats, **({"folder": "mine"} if place == "mine" else {}))
    assert found.name == "heartbeat_csv (25 of 87554 training and 10 of 21892 test beats)"
    assert (found.kind, found.items.shape, found.items.dtype) == ("signal", (35, 1, 1, 187), np.float32)
    assert found.classes == ("N", "S", "V", "F", "Q")
    assert found.fixed_heldout is not None
    np.testing.assert_allclose(found.items[found.fixed_heldout][:, 0, 0], expected[:, :-1], rtol=1e-6)
    assert found.targets[25:].tolist() == expected[:, -1].tolist()
    assert "patients are on both sides of every split" in found.remarks[0]


def test_the_published_heartbeats_as_a_table(beats: Path) -> None:
    assert "with header: false columns are called 0, 1 and so on, and the last is -1" in told(
        table, beats, path="mitbih_train.csv", target="label"
    )
    found = load(table, beats, path="mitbih_train.csv", test_path="mitbih_test.csv", header=False, target=-1)
    np.testing.assert_array_equal(found.items, load(heartbeat_csv, beats).items)
    assert found.classes == ("0", "1", "2", "3", "4")
    assert found.targets.tolist() == load(heartbeat_csv, beats).targets.tolist()


def test_heartbeats_that_are_missing_or_other_tables(beats: Path) -> None:
    np.savetxt(beats / "mitbih_test.csv", np.ones((4, 20)), delimiter=",")
    assert "mitbih_test.csv is damaged: 20 columns, the last from 1 to 1; expected lines of 187" in told(
        heartbeat_csv, beats
    )
    (beats / "mitbih_test.csv").unlink()
    assert "mitbih_test.csv is missing; expected lines of 187 samples" in told(heartbeat_csv, beats)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    y = np.arange(20) % 3
    pixels = rng.integers(0, 256, (25, 3, 8, 8), dtype=np.uint8)
    named = {
        "grey": pixels[:20, 0],
        "first": pixels[:20],
        "last": rng.random((20, 8, 8, 3), dtype=np.float32),
        "cube": rng.random((20, 3, 8, 3)),
        "rows": rng.normal(1e3, 2, (20, 5)),
        "gaps": np.where(np.arange(100).reshape(20, 5) == 33, np.nan, 1.0),
        "waves": rng.normal(size=(20, 2, 50)),
        "words": rng.integers(0, 90, (20, 12)),
        "y": y,
        "short": y[:7],
        "column": y[:, None].astype(np.uint8),
        "names": np.array(["a", "b", "c"])[y],
        "ids": y * 3 + 5,
        "hot": np.eye(3)[y],
        "price": rng.normal(size=20),
        "two": rng.normal(size=(20, 2)),
        "who": np.arange(20) // 4,
        "held": np.arange(20) >= 14,
        "test": pixels[20:, 0],
        "test_y": y[:5],
    }
    np.savez(tmp_path / "x.npz", **named)  # type: ignore[arg-type]
    np.savez(tmp_path / "objects.npz", x=np.array([1, "a", None], object), y=y)
    for name, array in (("X.npy", rng.random((20, 4))), ("y.npy", y), ("who.npy", y // 2)):
        np.save(tmp_path / name, array)
    return tmp_path


@pytest.mark.parametrize(
    ("options", "kind", "shape", "dtype", "scale"),
    [
        ({"items": "grey"}, "image", (1, 8, 8), np.uint8, "constants"),
        ({"items": "last"}, "image", (3, 8, 8), np.float32, "fold"),
        ({"items": "first"}, "image", (3, 8, 8), np.uint8, "constants"),
        ({"items": "first", "standardise": "fold"}, "image", (3, 8, 8), np.uint8, "fold"),
        ({"items": "rows"}, "table", (1, 1, 5), np.float32, "fold"),
        ({"items": "rows", "standardise": "none"}, "table", (1, 1, 5), np.float32, "constants"),
        ({"items": "waves", "kind": "signal"}, "signal", (2, 1, 50), np.float32, "fold"),
        ({"items": "waves", "kind": "signal", "channels": "last"}, "signal", (50, 1, 2), np.float32, "fold"),
        ({"items": "waves", "kind": "sequence"}, "sequence", (1, 2, 50), np.float32, "fold"),
        ({"items": "words", "kind": "tokens"}, "tokens", (1, 1, 12), np.int64, "constants"),
        ({"items": "cube", "channels": "last"}, "image", (3, 3, 8), np.float32, "fold"),
    ],
)
def test_arrays_by_name(saved: Path, options: dict[str, str], kind: str, shape: Any, dtype: Any, scale: str) -> None:
    found = load(arrays, saved, path="x.npz", labels="y", **options)
    assert (found.kind, found.items.shape[1:], found.items.dtype, found.standardise) == (kind, shape, dtype, scale)
    raw = np.load(saved / "x.npz")[options["items"]]
    assert sorted(found.items.ravel().tolist()) == pytest.approx(sorted(raw.ravel().tolist()), rel=1e-5)
    if options["items"] == "last":
        np.testing.assert_array_equal(found.items, raw.transpose(0, 3, 1, 2))
    assert found.vocabulary == (int(raw.max()) + 1 if kind == "tokens" else None)


@pytest.mark.parametrize("labels", ["y", "column", "names", "ids"])
def test_labels_of_several_forms(saved: Path, labels: str) -> None:
    found = load(arrays, saved, path="x.npz", items="rows", labels=labels)
    assert found.targets.tolist() == [place % 3 for place in range(20)]
    assert found.classes == {"names": ("a", "b", "c"), "ids": ("5", "8", "11")}.get(labels, ("0", "1", "2"))


def test_arrays_with_groups_a_held_out_part_and_quantities(saved: Path) -> None:
    found = load(arrays, saved, path="x.npz", items="rows", values="two", group="who", heldout="held")
    assert found.values is not None
    assert found.values.shape == (20, 2)
    assert found.groups["who"].tolist() == [place // 4 for place in range(20)]
    assert found.fixed_heldout is not None
    assert int(found.fixed_heldout.sum()) == 6
    assert load(arrays, saved, path="x.npz", items="rows", values="price").values.shape == (20, 1)  # type: ignore[union-attr]


def test_arrays_that_come_in_parts(saved: Path) -> None:
    """As MNIST's x_train and x_test, or train_images, val_images and test_images, are kept."""
    found = load(
        arrays, saved, path="x.npz", items="grey, grey", labels="y, y", test_items="test", test_labels="test_y"
    )
    assert found.fixed_heldout is not None
    assert np.flatnonzero(found.fixed_heldout).tolist() == list(range(40, 45))
    assert found.name.startswith("arrays (20 exact copies")
    strata = Classification.strata(found)
    assert (
        len(split(found, SplitSpec(scheme="fixed", folds=1), strata, phase="confirm", seed=0, repeat=0, fold=0).heldout)
        == 5
    )


def test_arrays_in_files_of_their_own(saved: Path) -> None:
    found = load(arrays, saved, path="X.npy", labels="y.npy", group="who.npy")
    assert list(found.groups) == ["who"]
    np.testing.assert_allclose(found.items[:, 0, 0], np.load(saved / "X.npy"), rtol=1e-6)
    assert "Y.npy is not there; did you mean 'y.npy'" in told(arrays, saved, path="X.npy", labels="Y.npy")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"path": "z.npz"}, "z.npz is not there; did you mean 'x.npz'"),
        ({"labels": "y"}, "option items names no array. "),
        ({"items": "row", "labels": "y"}, "has no array 'row'; did you mean 'rows'"),
        ({"items": "rows"}, "the study has neither labels and values; accepts one of the two. "),
        ({"items": "rows", "labels": "y", "values": "price"}, "the study names both labels and values"),
        ({"items": "waves", "labels": "y"}, "waves has shape (20, 2, 50) and type float64, which may be many things; "
         "say which by kind: image, signal, sequence, table, tokens, mesh"),
        ({"items": "cube", "labels": "y"}, "does not tell where the channels are; say channels: first"),
        ({"items": "rows", "labels": "y", "kind": "image"}, "rows has shape (20, 5); accepts [n, height, width], "),
        ({"items": "rows", "labels": "y", "kind": "tokens"}, "rows is float64 and meant as tokens; accepts whole"),
        ({"items": "rows", "labels": "short"}, "20 items and 7 targets; accepts one target an item"),
        ({"items": "rows", "labels": "hot"}, "hot has shape (20, 3); accepts (20,), one of each item; np.argmax(hot,"),
        ({"items": "rows", "labels": "price"}, "'price' holds 20 numbers as "),
        ({"items": "gaps", "labels": "y"}, "1 of 20 items hold NaN or infinite values, the first is item 6"),
        ({"items": "names", "labels": "y"}, "names holds texts (<U1); accepts numbers as items"),
        ({"items": "rows", "labels": "y", "group": "whom"}, "has no array 'whom'; did you mean 'who'"),
        ({"items": "rows", "labels": "y", "heldout": "y"}, "'y' holds '2', which does not say whether"),
        ({"items": "rows, grey", "labels": "y, y"}, "rows, grey cannot be joined: float64 (20, 5), uint8 (20, 8, 8)"),
        ({"items": "words", "labels": "y", "kind": "tokens", "standardise": "fold"}, "tokens stand for words"),
        ({"path": "objects.npz", "items": "x", "labels": "y"}, "it holds Python objects, which could run anything"),
    ],
)  # fmt: skip
def test_wrong_arrays_are_told(saved: Path, options: dict[str, object], words: str) -> None:
    assert words in told(arrays, saved, **{"path": "x.npz", **options})


@pytest.mark.parametrize("damage", ["cut", "text"])
def test_a_damaged_archive_is_told(saved: Path, damage: str) -> None:
    raw = (saved / "x.npz").read_bytes()
    (saved / "x.npz").write_bytes(raw[:-200] if damage == "cut" else b"hello")
    assert "x.npz cannot be read as NumPy arrays: " in told(arrays, saved, path="x.npz", items="rows", labels="y")


def test_they_are_listed_shown_and_prepared_as_all_data_sets(people: Path) -> None:
    from sweeps.cli.describe import describe_dataset, describe_preparation, to_options

    assert {"arrays", "heartbeat_csv", "table"} <= set(preparation.names())
    shown = describe_dataset("table", preparation.about("table"))
    assert "option    target: the column that holds the class; names, separated by commas; default none" in shown
    options = to_options(["path=people.csv", "target=label", "group=patient", f"drop={ASIDE}", "header=true"])
    done = describe_preparation(preparation.prepare("table", people, options))
    assert "table: 6 items of 1x1x2 float32" in done
    assert "classes: no 3, yes 3" in done
    assert "groups: 3 by patient" in done
    assert "features: age, weight" in done
    assert "1 target an item" in describe_preparation(
        preparation.prepare("table", people, {"path": "people.csv", "values": "weight", "features": "age"})
    )


def test_a_number_is_a_name_where_names_are_meant() -> None:
    assert choose("table", table.declared, {"drop": 3, "target": '"a, b",c'}).names("drop") == ("3",)
    assert choose("table", table.declared, {"target": '"a, b",c'}).names("target") == ("a, b", "c")
