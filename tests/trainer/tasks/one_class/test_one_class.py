"""Deep SVDD: what it learns from, what it gives, and what it says of itself."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.metrics import average_precision_score, roc_auc_score

from trainer.spec import SplitSpec, TrainingSpec
from trainer.tasks import task as tasks
from trainer.tasks.description import describe
from trainer.tasks.one_class import contrast, floors
from trainer.tasks.one_class.task import AWAY, OneClass

# -- what it learns from -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["fixed", "kfold"])
@pytest.mark.parametrize("validation", [0.0, 0.25])
def test_normal_items_alone_train_and_validate(one_class, thirds, scheme, validation):
    _, split = one_class(
        split=SplitSpec(scheme=scheme, folds=1 if scheme == "fixed" else 3, validation=validation)
    ).dealt()
    assert set(thirds.labels[split.train]) == {3}
    assert set(thirds.labels[split.validation]) == ({3} if validation else set())
    assert set(thirds.labels[split.heldout]) == set(range(10))


def test_each_case_has_its_own_normal_class_and_the_whole_heldout_part(thirds, one_class):
    cases = OneClass.cases(thirds)
    assert [case.name for case in cases] == list(thirds.classes)
    for fold, case in enumerate(cases):
        cased = one_class(options={}, split=SplitSpec(scheme="cases", folds=10, validation=0.0))
        spec = dataclasses.replace(cased.spec, fold=fold)
        split = tasks.deal(cased.kind, thirds, spec)
        assert split.case.name == case.name
        assert set(thirds.labels[split.train]) == {fold}
        assert np.array_equal(split.heldout, np.flatnonzero(thirds.fixed_heldout))
        task = OneClass(thirds)
        task.dealt(split)
        assert task.normal == fold


def test_a_class_is_meant_by_its_name_first_and_by_its_number_where_none_has_that_name(thirds):
    named = dataclasses.replace(thirds, classes=tuple(str(number + 1) for number in range(10)))
    assert OneClass(named, normal=3).normal == 2
    assert OneClass(named, normal="10").normal == 9
    assert OneClass(named, normal=0).normal == 0
    assert OneClass(dataclasses.replace(thirds, classes=tuple("abcdefghij")), normal=3).normal == 3


def test_anomalies_outside_the_heldout_part_have_no_say(one_class, thirds, trained):
    """Other training images of other classes give the same fold, bit for bit; another normal one does not."""

    def ended(dataset):
        learner = trained(one_class(dataset=dataset))
        return torch.cat([value.double().flatten() for value in learner.weights().values()]), learner.evaluate(
            "heldout"
        )

    noise = np.random.default_rng(0).integers(0, 17, thirds.items.shape).astype(thirds.items.dtype)
    outside = (thirds.labels != 3) & ~thirds.fixed_heldout
    other = dataclasses.replace(thirds, items=np.where(outside[:, None, None, None], noise, thirds.items))
    normal = np.flatnonzero((thirds.labels == 3) & ~thirds.fixed_heldout)[:1]
    changed = thirds.items.copy()
    changed[normal] = noise[normal]
    weights, found = ended(thirds)
    assert torch.equal(ended(other)[0], weights)
    assert ended(other)[1] == found
    assert not torch.equal(ended(dataclasses.replace(thirds, items=changed))[0], weights)


def test_no_rule_and_no_search_can_ask_for_what_anomalies_say():
    described = describe("one_class", {"autoencoder_epochs": 5})
    assert described.rules == ("validation_loss", "validation_spread", "last")
    assert described.primary == "auroc"
    assert described.defaults["training"] == {"checkpoint_rule": "last", "patience": None}
    assert "auroc_autoencoder" in described.names
    assert "auroc_autoencoder" not in describe("one_class").names


# -- how images are prepared -------------------------------------------------------------------------------------------


def test_contrast_is_normalised_over_all_of_an_image():
    drawn = torch.rand(5, 3, 8, 8, dtype=torch.float64) * torch.arange(1, 4).view(1, 3, 1, 1)
    found = contrast.normalised(drawn)
    assert found.mean((1, 2, 3)).abs().max() < 1e-12
    torch.testing.assert_close(found.abs().mean((1, 2, 3)), torch.ones(5, dtype=torch.float64))
    torch.testing.assert_close(contrast.normalised(3 * drawn + 2), found)
    assert bool((contrast.normalised(torch.full((1, 1, 4, 4), 7.0)) == 0).all())


def test_normal_training_images_reach_from_0_to_1_and_others_may_go_beyond(one_class, thirds):
    learner = one_class().fitted()
    seen = []
    handle = learner.model.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    learner.outputs("train")
    ends = torch.cat(seen).aminmax()
    handle.remove()
    assert float(ends.min) == pytest.approx(0.0, abs=1e-6)
    assert float(ends.max) == pytest.approx(1.0, abs=1e-6)
    whole = contrast.normalised(torch.from_numpy(thirds.items[thirds.fixed_heldout]).double())
    assert float(whole.max()) > float(learner.task.high)


def test_colour_images_are_taken_as_they_are_stored(thirds):
    """Standardising each channel first would change the contrast between them."""
    colour = dataclasses.replace(
        thirds, items=np.repeat(thirds.items, 3, axis=1), mean=(0.1, 0.2, 0.3), std=(0.3, 0.2, 0.1), standardise="fold"
    )
    made = OneClass.derived(colour, tasks.Place(device=torch.device("cpu")))
    assert (made.standardise, made.mean, made.std) == ("constants", (0.0,) * 3, (1.0,) * 3)
    assert OneClass.derived(dataclasses.replace(colour, kind="table"), None).mean == colour.mean


# -- the two stages ----------------------------------------------------------------------------------------------------


def test_the_encoder_goes_on_and_the_decoder_stays(one_class, trained):
    learner = trained(one_class(), epochs=2)
    before = {name: value.clone() for name, value in learner.weights().items()}
    first = learner.optimizer
    learner.train(3, lambda: None)
    after = learner.weights()
    assert learner.optimizer is not first
    kept = [name for name in after if name.startswith("decoder.") and "running" not in name and "num_" not in name]
    assert all(torch.equal(after[name], before[name]) for name in kept)
    assert not torch.equal(after["encoder.0.weight"], before["encoder.0.weight"])
    assert all(torch.equal(learner.task._before[name], before[name]) for name in learner.task._before)


def test_each_stage_has_its_own_rate_and_decay(thirds):
    training = TrainingSpec(epochs=5, lr=0.01, weight_decay=1e-6)
    task = OneClass(thirds, normal=1, autoencoder_epochs=2, autoencoder_lr=0.5, autoencoder_weight_decay=0.1)
    first, second = task.stages(training)
    assert (first.epochs, first.training.lr, first.training.weight_decay) == (2, 0.5, 0.1)
    assert (second.epochs, second.training.lr, second.training.weight_decay) == (3, 0.01, 1e-6)


def test_the_centre_is_the_mean_embedding_kept_away_from_0_and_then_fixed(one_class, trained):
    learner = trained(one_class(), epochs=2)
    learner.enter(1, epochs=2)
    mean = learner.outputs("train").double().mean(dim=0)
    centre = learner.task.centre.clone()
    far = mean.abs() >= AWAY
    torch.testing.assert_close(centre[far], mean[far])
    assert bool((centre.abs() >= AWAY - 1e-12).all())
    near = torch.where(mean < 0, -AWAY, AWAY)
    torch.testing.assert_close(centre[~far], near[~far].double())
    learner.train(3, lambda: None)
    assert torch.equal(learner.task.centre, centre)


def test_a_unit_that_gives_0_for_all_items_does_not_start_at_its_centre(thirds):
    class Zeros:
        def outputs(self, part):
            return torch.tensor([[0.0, -0.05, 0.05, 3.0]]).repeat(4, 1)

        class model:  # noqa: N801
            pass

    task = OneClass(dataclasses.replace(thirds, kind="table"), normal=1, embedding=4)
    task.stage = "one_class"
    task.begin_stage(Zeros())
    assert task.centre.tolist() == pytest.approx([0.1, -0.1, 0.1, 3.0])


def test_the_first_stage_learns_to_make_images_again(one_class):
    learner = one_class(
        options={"normal": 3, "autoencoder_epochs": 12},
        training=TrainingSpec(epochs=13, batch=32, lr=1e-2, patience=None, checkpoint_rule="last"),
    ).fitted()
    losses = [learner.train(epoch, lambda: None)["loss"] for epoch in range(1, 13)]
    assert losses[-1] < 0.7 * losses[0]


# -- what is measured --------------------------------------------------------------------------------------------------


def test_scores_are_ranked_as_scikit_learn_does(one_class, thirds, trained):
    learner = trained(one_class())
    embedded = learner.outputs("heldout").double().numpy()
    scores = ((embedded - learner.task.centre.numpy()) ** 2).sum(axis=1)
    labels = thirds.labels[thirds.fixed_heldout]
    found = learner.evaluate("heldout")
    assert found["auroc"] == pytest.approx(roc_auc_score(labels != 3, scores), abs=1e-12)
    assert found["average_precision"] == pytest.approx(average_precision_score(labels != 3, scores), abs=1e-12)
    assert found["loss"] == pytest.approx(scores[labels == 3].mean())
    kept = learner.task.predictions(learner.outputs("heldout"), learner.targets("heldout"))
    np.testing.assert_allclose(kept["score"], scores)
    assert np.array_equal(kept["normal"], labels == 3)
    assert np.array_equal(kept["labels"], labels)


def test_what_the_autoencoder_was_worth_is_measured_by_its_own_weights(one_class, trained):
    learner = trained(one_class(), epochs=2)
    learner.enter(1, epochs=2)
    then = learner.evaluate("heldout")["auroc"]
    for epoch in (3, 4, 5):
        learner.train(epoch, lambda: None)
    now = learner.evaluate("heldout")["auroc"]
    weights = {name: value.clone() for name, value in learner.weights().items()}
    assert learner.outcome() == {"auroc_autoencoder": then}
    assert then != now
    assert all(torch.equal(value, weights[name]) for name, value in learner.weights().items())


def test_floors_are_those_of_scikit_learn(one_class, thirds):
    floors_of = one_class().fitted().floors()
    flat = thirds.items.reshape(len(thirds.items), -1).astype(np.float64)
    normal, heldout = flat[(thirds.labels == 3) & ~thirds.fixed_heldout], flat[thirds.fixed_heldout]
    anomalous = thirds.labels[thirds.fixed_heldout] != 3
    plane = PCA(n_components=32, svd_solver="full").fit(normal)
    residual = ((heldout - plane.inverse_transform(plane.transform(heldout))) ** 2).sum(axis=1)
    distance = ((heldout - normal.mean(axis=0)) ** 2).sum(axis=1)
    assert set(floors_of) == {
        "residual of 32 principal components", "distance to the mean item", "distance to the mean value",
    }  # fmt: skip
    for name, scores in (("residual of 32 principal components", residual), ("distance to the mean item", distance)):
        assert floors_of[name]["auroc"] == pytest.approx(roc_auc_score(anomalous, scores), abs=1e-4)


@pytest.mark.parametrize(("count", "names"), [(3, ["residual of 2 principal components"]), (1, [])])
def test_floors_of_few_items_take_fewer_components(count, names):
    known, new = torch.rand(count, 1, 1, 9), torch.rand(6, 1, 1, 9)
    found = floors.measured(known, new, np.arange(6) % 2 == 0)
    assert [name for name in found if name.startswith("residual")] == names


def test_floors_of_large_images_are_those_of_smaller_ones():
    found = floors.measured(torch.rand(5, 3, 96, 70), torch.rand(6, 3, 96, 70), np.arange(6) % 2 == 0)
    assert list(found)[:2] == [
        "residual of 4 principal components, at 32x32 pixels", "distance to the mean item, at 32x32 pixels",
    ]  # fmt: skip
