from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, log_loss, roc_auc_score

from trainer.datasets.reader import Dataset
from trainer.tasks.classification.task import Classification, auc


def measure(logits, labels):
    classes = tuple(map(str, range(logits.shape[1])))
    items = np.zeros((1, 1, 1, 1), np.uint8)
    data = Dataset(name="x", items=items, labels=np.zeros(1, np.int64), classes=classes, digest="")
    return Classification(data).measure(logits, labels, "heldout")


def drawn(seed, count, classes, *, levels=None):
    """Logits [count, classes] (of few ``levels``, so that there are ties) and labels that hold every class."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, classes, generator=generator, dtype=torch.float64)
    if levels is not None:
        logits = (logits * levels).round() / levels
    labels = torch.randint(0, classes, (count,), generator=generator)
    labels[:classes] = torch.arange(classes)
    return logits, labels


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    classes=st.integers(2, 7),
    extra=st.integers(1, 60),
    levels=st.sampled_from([None, 1, 3]),
)
def test_metrics_are_scikit_learns(seed, classes, extra, levels):
    logits, labels = drawn(seed, classes + extra, classes, levels=levels)
    found = measure(logits, labels)
    probabilities = logits.softmax(dim=1)
    true, said = labels.numpy(), logits.argmax(dim=1).numpy()
    scores = probabilities.numpy()
    expected = {
        "loss": log_loss(true, scores, labels=range(classes)),
        "accuracy": accuracy_score(true, said),
        "f1_weighted": f1_score(true, said, average="weighted", zero_division=0),
        "f1_macro": f1_score(true, said, average="macro", zero_division=0),
        "auc": roc_auc_score(true, scores[:, 1] if classes == 2 else scores, multi_class="ovr"),
    }
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-12), name


def test_auc_gives_ties_half_a_win():
    # Two positives, three negatives: wins are 1, 1/2, 0 and 1, 1, 1/2 of three each.
    scores = torch.tensor([0.4, 0.6, 0.2, 0.4, 0.6], dtype=torch.float64)
    labels = torch.tensor([1, 1, 0, 0, 0])
    area = auc(torch.stack([1 - scores, scores], dim=1), labels)
    assert float(area) == pytest.approx((1 + 0.5 + 0 + 1 + 1 + 0.5) / 6)


def test_auc_of_equal_scores_is_a_half():
    assert float(auc(torch.full((9, 3), 1 / 3, dtype=torch.float64), torch.arange(9) % 3)) == 0.5


def test_auc_is_exact_for_many_items():
    generator = torch.Generator().manual_seed(0)
    scores = (torch.rand(20_000, 4, generator=generator, dtype=torch.float64) * 50).round()
    scores = scores / scores.sum(dim=1, keepdim=True).clamp(min=1)
    scores[:, 3] += 1 - scores.sum(dim=1)
    labels = torch.randint(0, 4, (20_000,), generator=generator)
    expected = roc_auc_score(labels.numpy(), scores.numpy(), multi_class="ovr")
    assert float(auc(scores, labels)) == pytest.approx(expected, abs=1e-12)


def test_absent_class_is_left_out_of_the_means():
    logits, labels = drawn(3, 40, 4)
    labels[labels == 3] = 2
    logits[:, 3] = -50.0
    scores = logits.softmax(dim=1).numpy()
    found = measure(logits, labels)
    each = [roc_auc_score(labels.numpy() == number, scores[:, number]) for number in range(3)]
    assert found["auc"] == pytest.approx(np.mean(each), abs=1e-12)
    said = logits.argmax(dim=1).numpy()
    assert found["f1_macro"] == pytest.approx(f1_score(labels.numpy(), said, average="macro"), abs=1e-12)


def test_auc_of_a_single_class_is_nan_and_the_rest_is_measured():
    found = measure(torch.randn(5, 3), torch.zeros(5, dtype=torch.int64))
    assert math.isnan(found["auc"])
    assert all(math.isfinite(value) for name, value in found.items() if name != "auc")


def test_loss_is_the_mean_over_samples():
    logits, labels = drawn(1, 33, 5)
    each = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    assert measure(logits, labels)["loss"] == pytest.approx(float(each.mean()), abs=1e-14)


def test_metrics_of_float32_logits_are_those_of_their_values_in_float64():
    logits, labels = drawn(5, 50, 6)
    narrow = logits.float()
    assert measure(narrow, labels) == measure(narrow.double(), labels)
