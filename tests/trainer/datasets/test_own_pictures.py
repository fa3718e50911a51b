"""Folders of pictures as people have them: what tools leave there, parts above classes, links, copies, damage."""

from __future__ import annotations

import errno
import logging
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainer import staging
from trainer.datasets import fingerprint, preparation
from trainer.datasets.image_folder import image_folder
from trainer.datasets.mini_imagenet import mini_imagenet
from trainer.datasets.reader import Dataset
from trainer.errors import DataError
from trainer.spec import DataSpec, SplitSpec
from trainer.splits import split
from trainer.tasks.classification.task import Classification


def picture(path: Path, shade: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (6, 6), shade).save(path)
    return path


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """A data root with twelve different pictures of two classes."""
    for place in range(6):
        picture(tmp_path / "images" / "cat" / f"{place}.png", 10 + place)
        picture(tmp_path / "images" / "dog" / f"{place}.png", 100 + place)
    return tmp_path


@pytest.fixture
def parted(tmp_path: Path) -> Path:
    """A data root with train, val and test above the same two classes: 4, 2 and 1 pictures of each."""
    shade = 0
    for part, count in (("train", 4), ("val", 2), ("test", 1)):
        for kind in ("cat", "dog"):
            for place in range(count):
                shade += 5
                picture(tmp_path / "images" / part / kind / f"{place}.png", shade)
    return tmp_path


def load(root: Path, **options: object) -> Dataset:
    """Read directly, and the same from the cache and its copy on a node."""
    given = {"size": 6, **options}
    direct = image_folder.load(root, given)  # type: ignore[arg-type]
    prepared = image_folder.prepare(root, given)  # type: ignore[arg-type]
    spec = DataSpec(name="image_folder", options=given)  # type: ignore[arg-type]
    staged = staging.load(image_folder, spec, root, str(root.parent / f"{root.name}-scratch"), code="")
    for found in (prepared, staged):
        assert (found.digest, found.name, found.remarks) == (direct.digest, direct.name, direct.remarks)
        np.testing.assert_array_equal(found.fixed_heldout, direct.fixed_heldout)  # type: ignore[arg-type]
    return direct


@pytest.mark.parametrize(
    "left",
    [
        ".ipynb_checkpoints/0-checkpoint.png",
        "cat/.ipynb_checkpoints/0-checkpoint.png",
        "__MACOSX/cat/._0.png",
        "cat/._0.png",
        "dog/.hidden.png",
        "cat/@eaDir/0.png",
        "cat/Thumbs.db",
        "cat/.DS_Store",
    ],
)
def test_what_tools_leave_is_left_alone(pets: Path, left: str) -> None:
    before = load(pets)
    path = pets / "images" / left
    if path.suffix == ".png" and not path.name.startswith("._"):
        picture(path, 10)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\x00\x05\x16\x07")
    after = load(pets)
    assert (after.classes, len(after.items), after.digest) == (("cat", "dog"), 12, before.digest)


def test_a_hidden_folder_that_is_asked_for_by_name_is_read(pets: Path) -> None:
    before = load(pets)
    (pets / "images").rename(pets / ".images")
    assert load(pets, folder=".images").digest == before.digest


def test_parts_above_the_classes_are_a_fixed_split(parted: Path) -> None:
    found = load(parted)
    assert found.classes == ("cat", "dog")
    assert found.fixed_heldout is not None
    assert (len(found.items), int(found.fixed_heldout.sum())) == (14, 2)
    dark = {int(image.max()) for image in found.items[found.fixed_heldout]}
    assert dark == {65, 70}  # the two of test
    assert found.remarks == ("the parts are train with val, and test as the fixed held-out part",)
    strata = Classification.strata(found)
    spec = SplitSpec(scheme="fixed", folds=1, validation=0.25)
    made = split(found, spec, strata, phase="confirm", seed=0, repeat=0, fold=0)
    assert made.heldout.tolist() == np.flatnonzero(found.fixed_heldout).tolist()
    assert len(load(parted, part="train").items) == 12
    assert len(load(parted, part="test").items) == 2


@pytest.mark.parametrize("names", [("Training", "Testing"), ("train", "val"), ("TRAIN", "valid"), ("train", "dev")])
def test_other_names_of_parts(parted: Path, names: tuple[str, str]) -> None:
    images = parted / "images"
    (images / "test").rename(images / names[1]) if names[1] == "Testing" else shutil.rmtree(images / "test")
    if names[1] != "val" and names[1] != "Testing":
        (images / "val").rename(images / names[1])
    elif names[1] == "Testing":
        shutil.rmtree(images / "val")
    (images / "train").rename(images / names[0])
    found = load(parted)
    assert found.classes == ("cat", "dog")
    assert found.fixed_heldout is not None
    assert int(found.fixed_heldout.sum()) == (2 if names[1] == "Testing" else 4)


def test_parts_that_are_not_clear_are_refused_with_the_option_to_name(parted: Path) -> None:
    images = parted / "images"
    picture(images / "test" / "loose.png", 200)
    with pytest.raises(
        DataError, match=r"images lie directly in test, in no class folder; .* folder: images/train; if"
    ):
        image_folder.load(parted, {})
    assert len(load(parted, folder="images/train").items) == 8
    assert load(parted, layout="classes").classes == ("test", "train", "val")
    (images / "test" / "loose.png").unlink()
    picture(images / "extra" / "cat" / "1.png", 200)
    with pytest.raises(DataError, match=r"some are named as the parts of a split, extra is not"):
        image_folder.load(parted, {})
    shutil.rmtree(images / "extra")
    picture(images / "val" / "zebra" / "1.png", 200)
    with pytest.raises(DataError, match=r"class 'zebra' is not in the training part"):
        image_folder.load(parted, {})
    shutil.rmtree(images / "val")
    shutil.rmtree(images / "test")
    with pytest.raises(DataError, match=r"named as parts of a split, but one is missing; .* folder: images/train"):
        image_folder.load(parted, {})


def test_a_class_may_be_called_as_a_part(pets: Path) -> None:
    images = pets / "images"
    (images / "cat").rename(images / "valid")
    (images / "dog").rename(images / "invalid")
    assert load(pets).classes == ("invalid", "valid")
    with pytest.raises(DataError, match="some are named as the parts of a split, invalid is not"):
        image_folder.load(pets, {"layout": "parts"})
    with pytest.raises(DataError, match=r"option part is 'test', but its folder has no parts"):
        image_folder.load(pets, {"part": "test"})
    (images / "valid").rename(images / "cat")
    with pytest.raises(DataError, match="the folders cat, invalid: none is named train, val or test"):
        image_folder.load(pets, {"layout": "parts"})


def test_linked_folders_and_files_are_followed(pets: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    away = tmp_path_factory.mktemp("away")
    before = load(pets)
    images = pets / "images"
    shutil.move(images / "cat", away / "cat")
    (images / "cat").symlink_to(away / "cat")
    (images / "dog" / "more").mkdir()
    shutil.move(images / "dog" / "5.png", away / "5.png")
    (images / "dog" / "5.png").symlink_to(away / "5.png")
    assert load(pets).digest == before.digest
    (away / "deep").mkdir()
    picture(away / "deep" / "6.png", 180)
    (images / "dog" / "deep").symlink_to(away / "deep")
    assert len(load(pets).items) == 13


def test_other_bytes_behind_a_link_are_noticed(
    pets: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprint, "SETTLE_S", 0.0)
    away = tmp_path_factory.mktemp("away")
    shutil.move(pets / "images" / "cat", away / "one")
    shutil.copytree(away / "one", away / "two")
    picture(away / "two" / "0.png", 77)
    os.utime(away / "two" / "0.png", ns=(0, (away / "one" / "0.png").stat().st_mtime_ns))
    (pets / "images" / "cat").symlink_to(away / "one")
    before = load(pets)
    (pets / "images" / "cat").unlink()
    (pets / "images" / "cat").symlink_to(away / "two")
    assert load(pets).digest != before.digest


@pytest.mark.parametrize("link", ["cat/9.png", "bird", "dog/deep"])
def test_links_that_lead_nowhere_are_told(pets: Path, link: str) -> None:
    path = pets / "images" / link
    path.symlink_to("/nowhere/at/all")
    for act in (image_folder.load, image_folder.prepare):
        with pytest.raises(DataError) as caught:
            act(pets, {})
        assert str(caught.value) == (
            f"data set image_folder: 1 link to what is not there: {path} -> /nowhere/at/all; restore it, or remove the "
            "links"
        )


def test_many_links_that_lead_nowhere_are_counted(pets: Path) -> None:
    for place in range(15):
        (pets / "images" / "cat" / f"x{place:02}.jpg").symlink_to(f"/gone/{place}.jpg")
    with pytest.raises(DataError, match=r"15 links to what is not there: .*x09\.jpg -> /gone/9\.jpg and 5 more;"):
        image_folder.load(pets, {})


@pytest.mark.parametrize("target", [".", "..", "../dog/back"])
def test_links_that_go_in_circles_are_told(pets: Path, target: str) -> None:
    (pets / "images" / "dog" / "back").symlink_to(target)
    with pytest.raises(DataError, match=r"leads back to a folder above it; remove|1 link to what is not there"):
        image_folder.load(pets, {})


def test_a_folder_that_may_not_be_read_is_told(pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def guarded(path: Path) -> object:
        if Path(path).name == "cat":
            raise PermissionError(errno.EACCES, "Permission denied")
        return scandir(path)

    told = r"images/cat cannot be listed \(Permission denied\); make it readable"
    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", guarded)
        with pytest.raises(DataError, match=told):
            image_folder.load(pets, {})


def test_pictures_outside_classes_and_of_other_kinds_are_told(pets: Path) -> None:
    picture(pets / "images" / "montage.png", 1)
    for place in range(3):
        (pets / "images" / "cat" / f"{place}.heic").write_bytes(b"x")
    picture(pets / "images" / "dog" / "0.bmp", 250)
    assert load(pets).remarks == (
        "1 image left out, in no class folder: montage.png",
        "2 images differ in name from another in the suffix alone; are masks among them?",
        "3 .heic files left out, of a kind that is not read; save them as .png",
    )


@pytest.mark.parametrize("way", ["the same file", "the same pixels in another format", "another class"])
def test_exact_copies_are_counted_and_told(pets: Path, way: str, caplog: pytest.LogCaptureFixture) -> None:
    images = pets / "images"
    name = {"the same pixels in another format": "cat/z.bmp", "another class": "dog/z.png"}.get(way, "cat/z.png")
    picture(images / name, 12)
    with caplog.at_level(logging.WARNING):
        found = load(pets)
    classes = ", 2 items under more than one target" if way == "another class" else ""
    assert found.name == f"image_folder (1 exact copy{classes})"
    assert found.remarks == (f"exact copies: cat/2.png = {name}",)
    assert f"1 exact copy{classes}; with duplicates: group and folds: {{group: copies}}" in caplog.text
    assert dict(found.groups) == {}
    with pytest.raises(DataError, match=rf"1 exact copy{classes} \(exact copies: cat/2.png = {name}\); remove them"):
        image_folder.load(pets, {"size": 6, "duplicates": "refuse"})
    if way == "another class":
        with pytest.raises(DataError, match=r"which is right\?"):
            image_folder.load(pets, {"size": 6, "duplicates": "drop"})
    else:
        dropped = load(pets, duplicates="drop")
        assert len(dropped.items) == 12
        assert dropped.name == "image_folder (1 exact copy dropped)"


def test_copies_stay_on_one_side_where_that_is_asked_for(pets: Path) -> None:
    for kind in ("cat", "dog"):
        for place in range(6):
            shutil.copy(pets / "images" / kind / f"{place}.png", pets / "images" / kind / f"again-{place}.png")
    sides: dict[bool, int] = {}
    for grouped in (False, True):
        found = load(pets, duplicates="group" if grouped else "tell")
        strata = Classification.strata(found)
        spec = SplitSpec(folds=3, validation=0.3, group="copies" if grouped else None)
        split_up = 0
        for fold in range(3):
            made = split(found, spec, strata, phase="confirm", seed=0, repeat=0, fold=fold)
            parts = [
                {image.tobytes() for image in found.items[part]} for part in (made.train, made.validation, made.heldout)
            ]
            split_up += len(parts[0] & parts[1]) + len(parts[0] & parts[2]) + len(parts[1] & parts[2])
        sides[grouped] = split_up
    assert sides[True] == 0 < sides[False]


def test_a_folder_without_copies_has_the_group_too(pets: Path) -> None:
    assert len(np.unique(load(pets, duplicates="group").groups["copies"])) == 12


def test_copies_on_both_sides_of_a_fixed_split(parted: Path, caplog: pytest.LogCaptureFixture) -> None:
    shutil.copy(parted / "images/train/cat/0.png", parted / "images/test/cat/a.png")
    with caplog.at_level(logging.WARNING):
        found = load(parted)
    assert found.name == "image_folder (1 exact copy, 2 items on both sides of the held-out part)"
    assert "on one side of a fold, with duplicates: drop they leave the held-out part" in caplog.text
    dropped = load(parted, duplicates="drop")
    assert dropped.fixed_heldout is not None
    assert (len(dropped.items), int(dropped.fixed_heldout.sum())) == (14, 2)
    shade = found.items[found.items.max(axis=(1, 2, 3)) == 5][0].tobytes()
    assert shade in {image.tobytes() for image in dropped.items[~dropped.fixed_heldout]}


@pytest.mark.parametrize("count", [1, 3, 14])
def test_damaged_pictures_are_told_at_once(pets: Path, count: int) -> None:
    for place in range(count):
        picture(pets / "images" / "cat" / f"z{place:02}.png", 1).write_bytes(b"no picture" if place % 2 else b"")
    for act in (image_folder.load, image_folder.prepare):
        with pytest.raises(DataError) as caught:
            act(pets, {})
        told = str(caught.value)
        if count == 1:
            assert told.startswith("data set image_folder: ")
        else:
            follow = " (the first 10 of them follow)" if count > 10 else ""
            assert told.startswith(f"{count} of {12 + count} files cannot be used{follow}; replace or remove them:\n")
        assert [f"z{place:02}.png" in told for place in range(count)] == [place < 10 for place in range(count)]


def test_several_damaged_files_of_a_list_are_told_at_once(mini_files: Path) -> None:
    for name in ("n0100000001", "n0200000002", "n0400000000"):
        (mini_files / "mini-imagenet" / "images" / f"{name}.jpg").write_bytes(b"x")
    with pytest.raises(DataError, match=r"3 of 12 files cannot be used(.|\n)*n0100000001(.|\n)*n0400000000"):
        mini_imagenet.load(mini_files, {})


def test_preparing_prints_what_was_found(pets: Path) -> None:
    from sweeps.cli.describe import describe_dataset, describe_preparation

    shutil.copy(pets / "images/cat/0.png", pets / "images/cat/a.png")
    told = describe_preparation(preparation.prepare("image_folder", pets, {"size": 6}))
    assert "image_folder (1 exact copy): 13 items of 3x6x6 uint8" in told
    assert "\nexact copies: cat/0.png = cat/a.png\n" in told
    shown = describe_dataset("image_folder", preparation.about("image_folder"))
    assert "groups:   copies" in shown
    assert "option    duplicates: " in shown
    assert "option    layout: classes" in shown
