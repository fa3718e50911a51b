"""The data sets of quantities: layouts, options and files that are not what they claim; and the real ones."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pytest

from trainer.datasets.reader import Dataset
from trainer.datasets.regression.curve import curve, value
from trainer.datasets.regression.motor_map import motor_map
from trainer.datasets.regression.structured import mesh_of
from trainer.datasets.regression.uci import TABLES, uci_regression
from trainer.datasets.validation import validate_dataset
from trainer.errors import DataError
from trainer.tasks.regression import floors
from trainer.tasks.regression.on_mesh import interpolations

# -- curves ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("options", "nodes"), [({}, 7), ({"target": "exponential"}, 12), ({"points": 14}, 14)])
def test_curves_have_the_papers_nodes_and_its_dense_points(options: dict[str, object], nodes: int) -> None:
    found = curve.load(None, options)  # type: ignore[arg-type]
    assert validate_dataset(found) == []
    assert found.items.dtype == np.float64
    assert found.fixed_heldout is not None
    assert found.fixed_heldout.tolist() == [False] * nodes + [True] * 999
    assert found.items[:nodes].ravel() == pytest.approx(np.linspace(-1, 1, nodes))
    assert found.digest != curve.load(None, {"points": 8}).digest


def test_curves_are_the_papers() -> None:
    x = np.array([-1.0, 0.0, 0.5])
    assert value("tanh", x) == pytest.approx(0.5 + 0.5 * np.tanh(5 * x))
    assert value("exponential", x) == pytest.approx([10.0, 1.0, 0.1**0.5])


@pytest.mark.parametrize("options", [{"target": "sine"}, {"points": 2}, {"points": "7"}, {"dense": 1}, {"node": 7}])
def test_options_of_a_curve_that_make_none_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(DataError, match=r"data set curve: (unknown )?option '?[a-z]+"):
        curve.load(None, options)  # type: ignore[arg-type]


# -- meshes ------------------------------------------------------------------------------------------------------------


def rows_of(*axes: np.ndarray) -> np.ndarray:
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))


def test_a_mesh_is_found_in_any_order_of_its_rows() -> None:
    rows = rows_of(np.array([0.0, 2.0, 3.0]), np.arange(4.0))
    order = np.random.default_rng(0).permutation(len(rows))
    found = mesh_of(rows[order], "here")
    assert found.shape == (3, 4)
    assert np.array_equal(rows[order][found.nodes], rows)


def test_a_mesh_with_a_hole_or_a_node_twice_is_refused() -> None:
    rows = rows_of(np.arange(3.0), np.arange(4.0))
    with pytest.raises(DataError, match=re.escape("here: 11 rows for a mesh of 3 x 4 = 12 nodes, 1 of them holes")):
        mesh_of(np.delete(rows, 5, axis=0), "here")
    with pytest.raises(DataError, match=r"0 of them holes and 1 with more than one row \(the first at 1, 1\)"):
        mesh_of(np.r_[rows, rows[5:6]], "here")
    with pytest.raises(DataError, match="the axes have 2 x 4 values; a mesh has 3 or more on each"):
        mesh_of(rows[:8], "here")


def test_scattered_points_are_no_mesh() -> None:
    with pytest.raises(DataError, match="10 rows for a mesh of 10 x 10 = 100 nodes, 90 of them holes"):
        mesh_of(np.random.default_rng(0).normal(size=(10, 2)), "here")


# -- the motor map -----------------------------------------------------------------------------------------------------


def write_map(folder: Path) -> None:
    """A full mesh of 5 x 4 x 3 nodes, and a tiny one of 3 x 3 x 3 in it, whose last intervals are shorter."""
    folder.mkdir()
    for name, axes in (
        ("input_f.csv", (np.arange(5.0), np.arange(4.0), np.arange(3.0) / 10)),
        ("input_t.csv", (np.array([0.0, 2.0, 4.0]), np.array([0.0, 2.0, 3.0]), np.arange(3.0) / 10)),
    ):
        rows = rows_of(*axes)[::-1]
        lines = [",".join(f"{cell:.6g}" for cell in [*row, 1.0 + row @ [1.0, 10.0, 100.0]]) for row in rows]
        (folder / name).write_text("\n".join(["param1,param2,param3,var1", *lines]) + "\n")


@pytest.fixture
def map_root(tmp_path: Path) -> Path:
    write_map(tmp_path / "motor-map")
    return tmp_path


def test_a_coarse_mesh_trains_and_the_other_nodes_are_held_out(map_root: Path) -> None:
    found = motor_map.load(map_root, {})
    assert validate_dataset(found) == []
    assert found.name == "motor_map (tiny)"
    assert found.fixed_heldout is not None
    assert found.mesh is not None
    assert found.mesh.shape == (3, 3, 3)
    assert (int((~found.fixed_heldout).sum()), int(found.fixed_heldout.sum())) == (27, 33)
    assert np.array_equal(np.sort(found.mesh.nodes), np.flatnonzero(~found.fixed_heldout))
    at = found.items[:, 0, 0]
    assert at[found.mesh.nodes].reshape(3, 3, 3, 3)[2, 2, 2] == pytest.approx([2.0, 1.5, 2.0])  # in its own spacing
    assert found.values is not None
    assert found.values[:, 0] == pytest.approx(1.0 + at @ [2.0, 20.0, 10.0])


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        ("input_t.csv", "4,3,0.2,55\n", "", "26 rows for a mesh of 3 x 3 x 3 = 27 nodes, 1 of them holes"),
        (
            "input_t.csv",
            "4,3,0.2,55\n",
            "4,3,0.2,56\n",
            "26 of the 27 nodes of input_t.csv are in it with the same val",
        ),
        ("input_f.csv", "4,3,0.2,55\n", "", "26 of the 27 nodes of input_t.csv are in it with the same value"),
        ("input_t.csv", "4,3,0.2,55\n", "4,3,0.2,\n", "line 2 has no number where one is due"),
        ("input_f.csv", "param2", "speed", "no column 'param2' among param1, speed, param3, var1"),
    ],
)
def test_a_damaged_map_is_refused(map_root: Path, name: str, old: str, new: str, told: str) -> None:
    path = map_root / "motor-map" / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(DataError) as caught:
        motor_map.load(map_root, {})
    assert told in str(caught.value)
    assert str(caught.value).startswith("data set motor_map: ")


def test_a_map_that_is_not_there_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="data set motor_map: none of the folders motor-map, gpr_aniso_trials exists"):
        motor_map.load(tmp_path, {})
    with pytest.raises(DataError, match="option mesh is 'huge'"):
        motor_map.load(tmp_path, {"mesh": "huge"})


# -- tables with published splits --------------------------------------------------------------------------------------

ROWS = np.c_[np.arange(12.0), np.arange(12.0) ** 2, 3.0 * np.arange(12.0)]


def write_table(folder: Path, *, packed: bool = True, apart: bool = False) -> None:
    folder.mkdir(parents=True)
    text = "\n".join(" ".join(f"{cell:g}" for cell in row) for row in ROWS) + "\n"
    if packed:
        (folder / "data.txt.gz").write_bytes(gzip.compress(text.encode()))
    else:
        (folder / "data.txt").write_text(text)
    (folder / "index_features.txt").write_text("0 2\n" if packed else "0\n2\n")
    (folder / "index_target.txt").write_text("1\n")
    lists = [[3, 1], [1, 11], [0, 5, 6]]
    if apart:
        for number, rows in enumerate(lists):
            (folder / f"index_test_{number}.txt").write_text("".join(f"{row}\n" for row in rows))
    else:
        (folder / "index_test.txt").write_text("".join(" ".join(map(str, rows)) + "\n" for rows in lists))


@pytest.mark.parametrize("layout", ["uci-regression/yacht", "UCI_Datasets/yacht/data"])
def test_published_splits_are_read_in_both_layouts(tmp_path: Path, layout: str) -> None:
    other = layout.startswith("UCI")
    write_table(tmp_path / layout, packed=not other, apart=other)
    found = uci_regression.load(tmp_path, {})
    assert validate_dataset(found) == []
    assert np.array_equal(found.items[:, 0, 0], ROWS[:, [0, 2]])
    assert found.values is not None
    assert np.array_equal(found.values[:, 0], ROWS[:, 1])
    assert found.published is not None
    assert [np.flatnonzero(split).tolist() for split in found.published] == [[1, 3], [1, 11], [0, 5, 6]]
    assert all(path.is_file() for path in uci_regression.files(tmp_path, {}))


def test_rows_that_repeat_are_counted_and_grouped(tmp_path: Path) -> None:
    write_table(tmp_path / "uci-regression" / "yacht", packed=False)
    path = tmp_path / "uci-regression" / "yacht" / "data.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[3], *lines[1:]]) + "\n")
    found = uci_regression.load(tmp_path, {})
    assert found.groups["copies"][0] == found.groups["copies"][3]
    assert found.remarks[0].startswith("1 exact copy among the 12 rows")


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("index_test.txt", "0 1\n3 3\n", "row numbers from 3 to 3, one of them twice"),
        ("index_test.txt", "0 12\n", "row numbers from 0 to 12; expected whole numbers from 0 to 11"),
        ("index_test.txt", "0 1.5\n", "row numbers from 0 to 1.5"),
        ("index_test.txt", "0 one\n", "could not convert"),
        ("index_test.txt", " ".join(map(str, range(12))) + "\n", "a split leaves nothing to train on"),
        ("index_features.txt", "0 7\n", "column numbers from 0 to 7"),
        ("index_features.txt", "0 1\n", "the target is among the features"),
        ("index_target.txt", "", "the file is empty"),
        ("data.txt", "1 2 3\n4 5\n", "the number of columns changed"),
        ("data.txt", "1 2 nan\n4 5 6\n", "it holds NaN or infinite values"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, name: str, text: str, told: str) -> None:
    folder = tmp_path / "uci-regression" / "yacht"
    write_table(folder, packed=False)
    (folder / name).write_text(text)
    with pytest.raises(DataError) as caught:
        uci_regression.load(tmp_path, {})
    assert told in str(caught.value)
    assert name in str(caught.value)


def test_a_broken_archive_and_a_missing_table_are_named(tmp_path: Path) -> None:
    write_table(tmp_path / "uci-regression" / "yacht")
    (tmp_path / "uci-regression" / "yacht" / "data.txt.gz").write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"data.txt.gz is damaged"):
        uci_regression.load(tmp_path, {})
    with pytest.raises(DataError, match=r"none of the folders uci-regression/energy, UCI_Datasets/energy/data exists"):
        uci_regression.load(tmp_path, {"table": "energy"})
    with pytest.raises(DataError, match="option table is 'boston'"):
        uci_regression.load(tmp_path, {"table": "boston"})


# -- the real files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mesh", "shape"), [("tiny", (19, 15, 5)), ("small", (36, 29, 5)), ("medium", (36, 56, 5))])
def test_the_real_map_has_no_holes(real_root: Path, mesh: str, shape: tuple[int, ...]) -> None:
    found = motor_map.load(real_root, {"mesh": mesh})
    assert found.mesh is not None
    assert found.mesh.shape == shape
    assert found.fixed_heldout is not None
    assert len(found.items) == 39_480
    assert int(found.fixed_heldout.sum()) == 39_480 - np.prod(shape)


def test_the_real_maps_floors_are_those_that_are_known(real_root: Path) -> None:
    """Measured once with scipy's RegularGridInterpolator on the parameters as they stand in the files."""
    data = motor_map.load(real_root, {})
    assert data.mesh is not None
    assert data.values is not None
    assert data.fixed_heldout is not None
    true = data.values[data.fixed_heldout]
    predictors: dict[str, floors.Predictor] = dict(interpolations(data, data.mesh))
    level = data.values[~data.fixed_heldout].mean()
    predictors["mean"] = lambda asked: np.full((len(asked), 1), level)
    known = {"mean": "0.1505 0.1933", "linear": "0.0196 0.0659", "cubic": "0.0108 0.0371", "pchip": "0.0099 0.0414"}
    found = {}
    for name, predict in predictors.items():
        error = predict(data.items[data.fixed_heldout, 0, 0]) - true
        found[name.split()[0]] = f"{np.abs(error).mean():.4f} {np.sqrt((error**2).mean()):.4f}"
    assert found == known


@pytest.mark.parametrize(
    ("table", "rows", "inputs", "mean", "sd", "heldout"),
    [
        ("yacht", 308, 6, 10.50, 15.14, 31),
        ("energy", 768, 8, 22.31, 10.08, 77),
        ("concrete", 1030, 8, 35.82, 16.70, 103),
        ("wine", 1599, 11, 5.636, 0.807, 160),
        ("kin8nm", 8192, 8, 0.714, 0.264, 819),
        ("power", 9568, 4, 454.4, 17.07, 957),
        ("naval", 11934, 16, 0.975, 0.0147, 1193),
    ],
)
def test_the_real_tables_are_those_that_were_published(
    real_root: Path, table: str, rows: int, inputs: int, mean: float, sd: float, heldout: int
) -> None:
    found: Dataset = uci_regression.load(real_root, {"table": table})
    assert validate_dataset(found) == []
    assert found.items.shape == (rows, 1, 1, inputs)
    assert found.values is not None
    assert (found.values.mean(), found.values.std()) == (pytest.approx(mean, rel=1e-3), pytest.approx(sd, rel=3e-3))
    assert found.published is not None
    assert found.published.shape == (20, rows)
    assert set(found.published.sum(axis=1).tolist()) == {heldout}
    assert table in TABLES
