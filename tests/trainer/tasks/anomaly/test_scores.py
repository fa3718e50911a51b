"""Areas and overlaps, against what they are defined by."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from trainer.tasks.anomaly import floors, gaussian
from trainer.tasks.anomaly.facts import describe, slug
from trainer.tasks.anomaly.scores import region_overlap
from trainer.tasks.classification import facts as classification
from trainer.tasks.ranking import area, precision


def test_an_area_of_nothing_is_no_number() -> None:
    assert math.isnan(area(np.array([1.0, 2.0]), np.array([True, True])))
    assert math.isnan(area(np.array([1.0, np.nan]), np.array([True, False])))
    assert math.isnan(precision(np.array([1.0, 2.0]), np.array([False, False])))
    assert area(np.array([2.0, 1.0, 3.0]), np.array([False, False, True])) == 1.0


def test_overlap_counts_regions_alike_whatever_their_size() -> None:
    """By definition, threshold by threshold, over the values themselves."""
    rng = np.random.default_rng(1)
    masks = np.zeros((3, 24, 24), bool)
    masks[0, 2:4, 2:4] = masks[0, 10:20, 10:22] = True
    masks[1, 5, 5] = masks[1, 6, 6] = True  # one region, by its corners
    maps = rng.normal(size=masks.shape) + 1.2 * masks
    regions = []
    for number in range(3):
        labels, count = ndimage.label(masks[number], structure=np.ones((3, 3)))
        regions += [maps[number][labels == which] for which in range(1, count + 1)]
    assert len(regions) == 3
    normal = np.sort(maps[~masks])[::-1]
    shares, overlaps = [0.0], [np.mean([(region > normal[0]).mean() for region in regions])]
    for place, threshold in enumerate(normal[: int(0.3 * len(normal))], start=1):
        shares.append(place / len(normal))
        overlaps.append(np.mean([(region >= threshold).mean() for region in regions]))
    expected = np.trapezoid(overlaps, shares) / 0.3
    assert region_overlap(maps, masks) == pytest.approx(expected, abs=5e-3)


def test_overlap_of_a_perfect_and_of_an_empty_map() -> None:
    masks = np.zeros((2, 16, 16), bool)
    masks[0, 3:7, 3:7] = True
    assert region_overlap(masks.astype(float), masks) == pytest.approx(1.0)
    assert region_overlap(-masks.astype(float), masks) == pytest.approx(0.0)
    assert math.isnan(region_overlap(np.zeros((1, 4, 4)), np.zeros((1, 4, 4), bool)))


def test_distances_are_mahalanobis_place_by_place() -> None:
    torch.manual_seed(0)
    learnt, asked = torch.randn(9, 4, 2, 3).double(), torch.randn(5, 4, 2, 3).double()
    found = gaussian._distances(learnt, asked)
    some = learnt[:, :, 1, 2].numpy()
    covariance = np.cov(some.T) + 0.01 * np.eye(4)
    off = asked[3, :, 1, 2].numpy() - some.mean(axis=0)
    assert found[3, 1, 2].item() == pytest.approx(math.sqrt(off @ np.linalg.inv(covariance) @ off))


def test_one_normal_picture_still_has_a_covariance() -> None:
    found = gaussian._distances(torch.zeros(1, 2, 1, 1).double(), torch.ones(1, 2, 1, 1).double())
    assert found.item() == pytest.approx(math.sqrt(2 / 0.01))


def test_the_blur_is_scipy_s() -> None:
    maps = torch.rand(1, 40, 40, generator=torch.Generator().manual_seed(0)).double()
    sigma = 4.0 * 40 / 224
    expected = ndimage.gaussian_filter(maps[0].numpy(), sigma, mode="mirror", radius=math.ceil(4 * sigma))
    assert np.allclose(gaussian._blurred(maps, torch.Size((40, 40)))[0].numpy(), expected, atol=1e-12)


def test_statistics_are_of_grey_values() -> None:
    from trainer.datasets.reader import Dataset

    items = np.random.default_rng(0).integers(0, 255, (3, 3, 5, 4)).astype(np.uint8)
    data = Dataset(name="d", items=items, digest="", sizes=np.array([[2, 3], [4, 5], [6, 7]]))
    grey = items[1].astype(float).mean(axis=0)
    found = floors.statistics(data)[1]
    assert found[0] == pytest.approx(grey.mean())
    assert found[1] == pytest.approx(grey.std())
    assert found[2] == pytest.approx((np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean()) / 2)
    assert found[3] == 20


def test_floors_name_the_direction() -> None:
    """As on MVTec's screws: darker pictures are the normal ones of the held-out part, but not of the training part."""
    train = np.array([[184.0, 1.0, 1.0, 0.0]] * 3)
    heldout = np.array([[170.0, 1.0, 1.0, 0.0], [171.0, 1.0, 1.0, 0.0], [186.0, 1.0, 1.0, 0.0]])
    found = floors.measured(train, heldout, np.array([False, False, True]))
    assert {name: values["auroc"] for name, values in found.items()} == {
        "mean grey value, more is a defect": 1.0,
        "mean grey value, less is a defect": 0.0,
        "mean grey value, distance from training": 0.0,
    }


def test_what_the_options_say_is_what_is_measured() -> None:
    plain, kinds = describe({}), describe({"kinds": "Thread side, hole"})
    assert plain.primary == "auroc"
    assert set(kinds.names) - set(plain.names) == {"auroc_thread_side", "auroc_hole"}
    pixels = describe({"method": "gaussian", "pretrain": "cifar10", "pixel": True})
    named = f"pretraining_{classification.describe({}).primary}"
    assert set(pixels.names) - set(plain.names) == {"pixel_auroc", "au_pro", named}
    for description in (plain, kinds, pixels):
        assert not any("auroc" in rule or "precision" in rule or "au_pro" in rule for rule in description.rules)
    assert slug("Größe 5") == "gr_e_5"
