from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from trainer import attempt, batches, entry, inputs, journal, learner, selection, splits
from trainer.codec import to_text
from trainer.datasets.digits import digits
from trainer.errors import DataError
from trainer.spec import ActivationSpec, DataSpec, ModelSpec
from trainer.tasks.classification.task import Classification


def trained(pack):
    """The pack's result, and each fold's resolved history."""
    result = json.loads(entry.run(to_text(pack)))
    return result, [journal.read_fold(Path(launch.folder)) for launch in pack.launches]


def numbers(history):
    """Everything a fold found, without its times."""
    return (
        [(record.epoch, dict(record.metrics), dict(record.activation)) for record in history.epochs],
        history.end.status,
        {rule: dataclasses.asdict(outcome) for rule, outcome in history.end.outcomes.items()},
    )


def stopped(monkeypatch, pack, epoch):
    """The history of a fold that is asked to stop in an epoch."""
    folder = Path(pack.launches[0].folder)
    write = journal.Writer.write

    def and_stop(self, record):
        write(self, record)
        if isinstance(record, journal.Epoch) and record.epoch == epoch:
            (folder / attempt.STOP_FILE).touch()

    with monkeypatch.context() as patch:
        patch.setattr(journal.Writer, "write", and_stop)
        return trained(pack)[1][0]


def a_learner(spec, data=None, dataset=None):
    dataset = dataset or digits.load(None, {})
    strata = Classification.strata(dataset)
    split = splits.split(
        dataset, spec.split, strata, phase=spec.phase, seed=spec.study_seed, repeat=spec.repeat, fold=spec.fold
    )
    data = data or batches.resident(dataset, torch.device("cpu"))
    return learner.Learner(spec, dataset, data, split, Classification(dataset))


class Exploding(nn.Module):
    """Gives NaN once it has been trained on for a number of batches."""

    def __init__(self, *, after: int) -> None:
        super().__init__()
        self.after = after
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x):
        if self.training:
            self.seen += 1
        return x * torch.where(self.seen > self.after, float("nan"), 1.0)


class Noisy(nn.Module):
    """An activation that draws from the global generator."""

    def forward(self, x):
        return x * (1.0 + 0.1 * torch.rand(())) if self.training else x.relu()


class Failing(nn.Module):
    def __init__(self, *, error: str) -> None:
        super().__init__()
        self.error = error

    def forward(self, x):
        if self.error == "disk":
            raise OSError(28, "No space left on device")
        raise RuntimeError("first line\nCUDA out of memory")


class Unmade(nn.Module):
    def __init__(self) -> None:
        raise RuntimeError("cannot be made")


class Running(nn.Module):
    """Puts another tensor in its buffer's place at every call, in evaluation too."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(()))

    def forward(self, x):
        self.scale = 0.9 * self.scale + 0.1 * x.detach().abs().mean()
        return x.relu() / (1.0 + self.scale)


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """This file's activations by import path."""
    import sys

    monkeypatch.setitem(sys.modules, "lab", sys.modules[__name__])


def test_journal_tells_what_happened(small, packed):
    spec = small(clean_train=True)
    result, [history] = trained(packed(spec))
    assert result == {"schema": 1, "folds": {"relu-0/fold-0-0": "finished"}, "interrupted": False}
    start, end = history.start, history.end
    assert (start.digest, start.attempt, start.resumed_epoch) == (spec.digest, 1, 0)
    assert (start.n_train, start.n_validation, start.n_heldout) == (958, 240, 599)
    assert start.references.keys() == {"loss", "accuracy", "f1_weighted", "f1_macro", "auc"}
    assert start.references["loss"] == math.log(10)
    assert start.n_parameters == 1442
    assert 0.1 <= start.references["accuracy"] < 0.11
    assert start.environment["torch"] == torch.__version__
    assert [record.epoch for record in history.epochs] == [1, 2, 3]
    names = {f"{part}/{name}" for part in ("train", "train_clean", "validation") for name in
             ("loss", "accuracy", "f1_weighted", "f1_macro", "auc")}  # fmt: skip
    for record in history.epochs:
        assert record.metrics.keys() == names
        assert min(record.train_s, record.evaluate_s, record.rest_s, record.peak_memory_mb) > 0
    assert (end.status, end.epochs, end.reason, end.rule) == ("finished", 3, "all epochs", "validation_loss")
    assert end.outcomes.keys() == {"validation_loss", "validation_accuracy", "last"}
    assert history.epochs[-1].metrics["validation/accuracy"] > 0.2


def test_outcomes_are_of_the_epochs_that_the_rules_pick(small, packed):
    _, [history] = trained(packed(small(epochs=6, lr=0.1, clean_train=True)))
    losses = [record.metrics["validation/loss"] for record in history.epochs]
    accuracies = [record.metrics["validation/accuracy"] for record in history.epochs]
    outcomes = history.end.outcomes
    assert outcomes["validation_loss"].epoch == int(np.argmin(losses)) + 1
    assert outcomes["validation_accuracy"].epoch == int(np.argmax(accuracies)) + 1
    assert outcomes["last"].epoch == 6
    for outcome in outcomes.values():
        known = history.epochs[outcome.epoch - 1].metrics
        for name in ("validation/loss", "train_clean/auc"):
            assert outcome.metrics[name] == known[name]
        assert 0 < outcome.metrics["heldout/accuracy"] <= 1


def test_predictions_are_of_the_declared_rule_and_give_its_metrics(small, packed):
    spec = small(epochs=4, lr=0.1, checkpoint_rule="validation_accuracy")
    pack = packed(spec, keep="best")
    _, [history] = trained(pack)
    folder = Path(pack.launches[0].folder) / "attempt-1"
    kept = np.load(folder / "predictions.npz")
    dataset = digits.load(None, {})
    split = splits.split(dataset, spec.split, Classification.strata(dataset), phase="confirm", seed=7, repeat=0, fold=0)
    assert np.array_equal(kept["indices"], split.heldout)
    assert kept["probabilities"].dtype == np.float32
    assert np.allclose(kept["probabilities"].sum(axis=1), 1)
    outcome = history.end.outcomes["validation_accuracy"]
    accuracy = np.mean(kept["probabilities"].argmax(axis=1) == kept["labels"])
    assert accuracy == pytest.approx(outcome.metrics["heldout/accuracy"], abs=1e-12)
    assert "train_clean/loss" in outcome.metrics

    best = torch.load(folder / "best.pt", weights_only=True)
    assert (best["epoch"], best["digest"]) == (outcome.epoch, spec.digest)
    again = a_learner(spec)
    again.load_weights(best["model"])
    assert again.evaluate("heldout")["loss"] == outcome.metrics["heldout/loss"]
    assert not list(folder.glob("checkpoint*"))
    assert set(history.end.kept) == {"predictions.npz", "best.pt"}
    for name, told in history.end.kept.items():
        content = (folder / name).read_bytes()
        assert (told.size, told.sha256) == (len(content), hashlib.sha256(content).hexdigest())


def test_same_seed_same_numbers_and_other_seed_other_numbers(small, packed):
    same = [trained(packed(small(), where=where))[1][0] for where in ("a", "b")]
    assert numbers(same[0]) == numbers(same[1])
    _, [other] = trained(packed(small(study_seed=8)))
    assert numbers(other) != numbers(same[0])


def test_activations_share_split_weights_and_order(small):
    first, second = (a_learner(small(activation=ActivationSpec(name=name))) for name in ("relu", "tanh"))
    for mine, theirs in zip(first.weights().values(), second.weights().values(), strict=True):
        assert torch.equal(mine, theirs)
    for part, indices in first.parts.items():
        assert torch.equal(indices, second.parts[part])
    assert not torch.equal(a_learner(small(fold=1)).weights()["0.weight"], first.weights()["0.weight"])


def test_batch_order_changes_by_epoch_and_fold_and_loses_no_item():
    indices = torch.arange(50)
    places = [{"study_seed": 1, "repeat": 0, "fold": fold, "epoch": epoch} for fold in (0, 1) for epoch in (1, 2)]
    orders = [batches.order(indices, **place) for place in places]
    for first, second in itertools.combinations(orders, 2):
        assert not torch.equal(first, second)
    assert all(torch.equal(order.sort().values, indices) for order in orders)
    assert torch.equal(batches.order(indices, **places[0]), orders[0])


@pytest.mark.parametrize(
    ("count", "batch", "expected"),
    [
        (10, 4, [(0, 4), (4, 8), (8, 10)]),
        (9, 4, [(0, 4), (4, 9)]),
        (8, 4, [(0, 4), (4, 8)]),
        (5, 4, [(0, 5)]),
        (1, 4, [(0, 1)]),
        (3, 1, [(0, 1), (1, 2), (2, 3)]),
    ],
)
def test_no_batch_is_dropped_and_no_item_is_alone(count, batch, expected):
    assert batches.bounds(count, batch) == expected


def test_batches_are_normalised_and_the_set_stays_uint8():
    dataset = digits.load(None, {})
    data = batches.resident(dataset, torch.device("cpu"))
    assert data.items.dtype == torch.uint8
    items = inputs.Inputs(dataset)(data.items, torch.float32)
    expected = (dataset.items / 255.0 - dataset.mean[0]) / dataset.std[0]
    assert np.allclose(items.numpy(), expected, atol=1e-6)
    assert float(items.mean()) == pytest.approx(0, abs=1e-3)
    assert float(items.std()) == pytest.approx(1, abs=1e-3)
    assert np.array_equal(data.targets.numpy(), dataset.labels)


def test_evaluation_batch_size_changes_rounding_at_most(small):
    whole, parts = (a_learner(small(evaluate_batch=size)).evaluate("heldout")["loss"] for size in (1000, 17))
    assert whole == pytest.approx(parts, rel=1e-6)


def test_patience_counts_epochs_without_a_strict_decrease(small, packed):
    _, [history] = trained(packed(small(epochs=40, lr=0.3, patience=2)))
    losses = [record.metrics["validation/loss"] for record in history.epochs]
    best = int(np.argmin(losses))
    assert history.end.reason == "patience"
    assert len(losses) == best + 3
    assert history.end.outcomes["validation_loss"].epoch == best + 1


def test_ties_go_to_the_earlier_epoch():
    chosen = selection.Selection({"loss": -1, "accuracy": 1})
    for epoch in (1, 2):
        chosen.see(epoch, {"validation/loss": 1.0, "validation/accuracy": 0.5}, {"w": torch.tensor(float(epoch))})
    assert chosen.epochs(2) == {"validation_loss": 1, "validation_accuracy": 1, "last": 2}
    assert chosen.idle_epochs(2) == 1
    assert chosen.best["validation_loss"].weights is chosen.best["validation_accuracy"].weights


def test_divergence_is_recorded_with_the_epochs_before_it(small, packed):
    spec = small(activation=ActivationSpec(name="lab:Exploding", params={"after": 40}), epochs=6)
    result, [history] = trained(packed(spec))
    assert result["folds"] == {"relu-0/fold-0-0": "diverged"}
    assert (history.end.status, history.end.epochs) == ("diverged", 2)
    assert history.end.reason == "train/loss is nan at epoch 3"
    assert [record.epoch for record in history.epochs] == [1, 2]
    assert "last" not in history.end.outcomes
    assert math.isfinite(history.end.outcomes["validation_loss"].metrics["heldout/loss"])


def test_divergence_in_the_first_epoch_has_no_outcome(small, packed):
    spec = small(activation=ActivationSpec(name="lab:Exploding", params={"after": 0}))
    _, [history] = trained(packed(spec))
    assert (history.end.status, history.end.epochs, history.end.outcomes) == ("diverged", 0, {})


def test_fold_that_raises_fails_alone(small, packed):
    failing = small(trial="bad", activation=ActivationSpec(name="lab:Failing", params={"error": "memory"}))
    result, [bad, good] = trained(packed(failing, small()))
    assert result["folds"] == {"bad/fold-0-0": "failed", "relu-0/fold-0-0": "finished"}
    assert bad.end.reason == "RuntimeError: CUDA out of memory"
    assert bad.end.outcomes == {}
    assert good.end.status == "finished"


def test_fold_that_cannot_begin_is_recorded(small, packed):
    spec = small(activation=ActivationSpec(name="lab:Unmade"))
    result, [history] = trained(packed(spec))
    assert result["folds"] == {"relu-0/fold-0-0": "failed"}
    assert history.end.reason == "RuntimeError: cannot be made"
    assert history.start.n_train == 0


def test_an_activation_may_replace_its_buffers(small, packed):
    result, [history] = trained(packed(small(epochs=2, activation=ActivationSpec(name="lab:Running"))))
    assert result["folds"] == {"relu-0/fold-0-0": "finished"}, history.end.reason


def test_what_a_node_lacks_does_not_end_the_fold_nor_its_checkpoints(small, packed, left_after, monkeypatch):
    pack = packed(small(epochs=50))
    folder = Path(pack.launches[0].folder)
    left_after(pack, 3)
    saved = sorted(path.name for path in folder.rglob("*.pt"))

    def unmounted(self, root, options):
        raise DataError("the data root is not a folder here")

    monkeypatch.setattr(type(digits), "load", unmounted)
    with pytest.raises(DataError, match="data root"):
        entry.run(to_text(pack))
    assert journal.read_fold(folder).end is None
    assert len(journal.read_fold(folder).epochs) == 3
    assert sorted(path.name for path in folder.rglob("*.pt")) == saved != []


def test_errors_of_the_machine_end_the_process_and_not_the_fold(small, packed):
    spec = small(activation=ActivationSpec(name="lab:Failing", params={"error": "disk"}))
    pack = packed(spec)
    with pytest.raises(OSError, match="No space left"):
        entry.run(to_text(pack))
    assert journal.read_fold(Path(pack.launches[0].folder)).end is None


def test_stop_file_ends_the_fold_at_its_next_epoch(small, packed, monkeypatch):
    history = stopped(monkeypatch, packed(small(epochs=50)), 2)
    assert (history.end.status, history.end.reason, history.end.epochs) == ("stopped", "STOP file", 2)
    assert history.end.outcomes["last"].epoch == 2


def test_stop_file_before_the_first_epoch(small, packed):
    pack = packed(small())
    folder = Path(pack.launches[0].folder)
    folder.mkdir(parents=True)
    (folder / attempt.STOP_FILE).touch()
    _, [history] = trained(pack)
    assert (history.end.status, history.end.epochs, history.end.outcomes) == ("stopped", 0, {})


def test_learned_parameters_and_schedule_are_written(small, packed):
    _, [apalu, dsrelu] = trained(
        packed(
            small(trial="apalu", activation=ActivationSpec(name="apalu")),
            small(trial="dsrelu", activation=ActivationSpec(name="dsrelu"), epochs=2),
        )
    )
    first, last = (apalu.epochs[index].activation for index in (0, -1))
    assert len(first) == 4
    assert first.keys() == last.keys()
    assert first != last
    assert dsrelu.end.status == "finished"


def test_dsrelus_progress_moves_from_0_to_1(small):
    one = a_learner(small(activation=ActivationSpec(name="dsrelu"), epochs=3))
    seen = []
    for epoch in (1, 2, 3):
        one.train(epoch, lambda: None)
        seen.append({float(value) for name, value in one.weights().items() if name.endswith(".t")})
    assert seen == [{0.0}, {0.5}, {1.0}]


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_every_optimiser_is_torchs(small, optimizer):
    spec = small(optimizer=optimizer, weight_decay=0.01, beta1=0.8, momentum=0.7)
    one = a_learner(spec)
    group = one.optimizer.param_groups[0]
    assert type(one.optimizer).__name__.lower() == optimizer
    assert (group["lr"], group["weight_decay"]) == (1e-2, 0.01)
    assert group["momentum"] == 0.7 if optimizer == "sgd" else group["betas"] == (0.8, 0.999)


def validated(history):
    """Epochs whose record has metrics of the validation part; it has all of them or none."""
    found = []
    for record in history.epochs:
        names = {name for name in record.metrics if name.startswith(("validation/", "train_clean/"))}
        assert len(names) in (0, 10)
        found += [record.epoch] if names else []
    return found


def test_every_second_epoch_is_validated_and_the_last(small, packed):
    _, [history] = trained(packed(small(epochs=5, evaluate_every=2, clean_train=True, lr=0.1)))
    assert validated(history) == [2, 4, 5]
    losses = {number: history.epochs[number - 1].metrics["validation/loss"] for number in (2, 4, 5)}
    assert history.end.outcomes["validation_loss"].epoch == min(losses, key=losses.get)
    assert history.end.outcomes["last"].epoch == 5


def test_validating_more_rarely_changes_nothing_that_is_trained(small, packed):
    _, [every] = trained(packed(small(epochs=5), where="every"))
    _, [second] = trained(packed(small(epochs=5, evaluate_every=2), where="second"))
    for often, rarely in zip(every.epochs, second.epochs, strict=True):
        assert rarely.metrics == {name: often.metrics[name] for name in rarely.metrics}
    assert second.end.outcomes["last"] == every.end.outcomes["last"]


def test_more_epochs_between_validations_than_there_are_leave_the_last(small, packed):
    _, [history] = trained(packed(small(epochs=3, evaluate_every=9, clean_train=True)))
    assert validated(history) == [3]
    assert {outcome.epoch for outcome in history.end.outcomes.values()} == {3}


@pytest.mark.parametrize("epoch", [1, 2, 3, 4])
def test_a_signal_between_validations_costs_no_digit(small, packed, left_after, epoch):
    spec = small(epochs=5, evaluate_every=2, clean_train=True, lr=0.1)
    _, [calm] = trained(packed(spec, where="calm"))
    pack = packed(spec)
    left_after(pack, epoch)
    _, [history] = trained(pack)
    assert (history.attempts, history.start.resumed_epoch) == (2, epoch)
    assert numbers(history) == numbers(calm)


@pytest.mark.parametrize("epoch", [1, 3])
def test_a_fold_stopped_between_validations_is_validated_where_it_stopped(small, packed, monkeypatch, epoch):
    _, [every] = trained(packed(small(epochs=9), where="every"))
    history = stopped(monkeypatch, packed(small(epochs=9, evaluate_every=2)), epoch)
    assert (history.end.status, history.end.epochs) == ("stopped", epoch)
    expected = {name: value for name, value in every.epochs[epoch - 1].metrics.items() if name[:5] == "valid"}
    last = history.end.outcomes["last"].metrics
    assert {name: last[name] for name in expected} == expected
    losses = {number: every.epochs[number - 1].metrics["validation/loss"] for number in {2, epoch} if number <= epoch}
    assert history.end.outcomes["validation_loss"].epoch == min(losses, key=losses.get)


def test_a_stop_after_a_signal_scores_what_a_stop_alone_scores(small, packed, left_after, monkeypatch):
    spec = small(epochs=9, evaluate_every=2)
    alone = stopped(monkeypatch, packed(spec, where="alone"), 3)
    pack = packed(spec)
    left_after(pack, 1)
    assert numbers(stopped(monkeypatch, pack, 3)) == numbers(alone)


def test_patience_is_counted_in_epochs_however_rarely_they_are_validated(small, packed):
    _, [history] = trained(packed(small(epochs=50, evaluate_every=3, patience=4, lr=0.5)))
    losses = {record.epoch: record.metrics.get("validation/loss") for record in history.epochs if record.epoch % 3 == 0}
    assert None not in losses.values()
    assert history.end.reason == "patience"
    assert history.end.epochs - min(losses, key=losses.get) == 4


def test_without_a_validation_part_the_last_epoch_is_scored(small, packed, left_after):
    spec = small(epochs=4, checkpoint_rule="last", patience=2)
    spec = dataclasses.replace(spec, split=dataclasses.replace(spec.split, validation=0.0))
    pack = packed(spec, where="calm")
    _, [history] = trained(pack)
    assert (history.start.n_train, history.start.n_validation, history.start.n_heldout) == (1198, 0, 599)
    assert (history.end.status, history.end.epochs, history.end.rule) == ("finished", 4, "last")
    assert {name.partition("/")[0] for record in history.epochs for name in record.metrics} == {"train"}
    assert history.end.outcomes.keys() == {"last"}
    assert {name.partition("/")[0] for name in history.end.outcomes["last"].metrics} == {"heldout", "train_clean"}
    assert (Path(pack.launches[0].folder) / "attempt-1" / "predictions.npz").exists()
    again = packed(spec)
    left_after(again, 2)
    assert numbers(trained(again)[1][0]) == numbers(history)


@pytest.mark.parametrize("name", ["wine", "digits"])
def test_a_fold_that_learnt_its_standardisation_goes_on_with_it(small, packed, left_after, name):
    spec = small(data=DataSpec(name=name), batch=32)
    _, [calm] = trained(packed(spec, where="calm"))
    pack = packed(spec)
    left_after(pack, 1)
    _, [history] = trained(pack)
    assert history.end.status == "finished", history.end.reason
    assert history.start.resumed_epoch == 1
    assert numbers(history) == numbers(calm)


def test_float64_items_far_from_0_train_as_those_near_it(small):
    """Items that differ by a constant alone, which a fold's own standardisation takes away."""
    near = dataclasses.replace(digits.load(None, {}), mean=(0.0,), std=(1.0,), standardise="fold")
    found = []
    for shift in (0.0, 1e8):
        dataset = dataclasses.replace(near, items=near.items.astype(np.float64) + shift)
        one = a_learner(small(), dataset=dataset)
        one.fit()
        found.append((one.train(1, lambda: None), one.evaluate("heldout")))
    for one, other in zip(*found, strict=True):
        assert other == pytest.approx(one, rel=1e-4)
    assert found[1][1]["accuracy"] > 0.2


class Narrow(nn.Module):
    """Notices what is not float64."""

    def forward(self, x):
        if x.dtype != torch.float64:
            raise RuntimeError(f"got {x.dtype}")
        return x.relu()


def test_fp64_trains_in_float64(small, packed, left_after):
    spec = small(precision="fp64", activation=ActivationSpec(name="lab:Narrow"), lr=0.05)
    one = a_learner(spec)
    assert {tensor.dtype for tensor in one.weights().values() if tensor.is_floating_point()} == {torch.float64}
    assert one.outputs("heldout").dtype == torch.float64
    _, [calm] = trained(packed(spec, where="calm"))
    assert calm.end.status == "finished", calm.end.reason
    pack = packed(spec)
    left_after(pack, 2)
    _, [history] = trained(pack)
    assert history.start.resumed_epoch == 2
    assert numbers(history) == numbers(calm)


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_every_precision_trains(small, packed, precision):
    _, [history] = trained(packed(small(precision=precision, epochs=2)))
    assert history.end.status == "finished"
    assert math.isfinite(history.epochs[-1].metrics["train/loss"])


@pytest.mark.parametrize(("precision", "near"), [("fp32", 1e-5), ("fp64", 1e-12)])
def test_plain_loop_gives_the_same_losses(small, precision, near):
    """The learner against a loop written out here, from the same weights and order."""
    spec = small(optimizer="sgd", momentum=0.0, precision=precision)
    one = a_learner(spec)
    other = a_learner(spec)
    model, data = other.model, other.data
    order = batches.order(other.parts["train"], study_seed=7, repeat=0, fold=0, epoch=1)
    losses = []
    for first in range(0, len(order), 64):
        index = order[first : first + 64]
        items = (data.items[index].double() / 255 - 0.3053) / 0.3759
        loss = nn.functional.cross_entropy(model(items.to(one.dtype)), data.targets[index])
        model.zero_grad()
        loss.backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= 1e-2 * parameter.grad
        losses += [loss.item()] * len(index)
    found = one.train(1, lambda: None)
    assert found["loss"] == pytest.approx(np.mean(losses), rel=near)
    for mine, theirs in zip(one.weights().values(), model.state_dict().values(), strict=True):
        assert torch.allclose(mine, theirs, rtol=0, atol=near)


def test_activations_that_draw_numbers_are_repeatable(small, packed):
    spec = small(activation=ActivationSpec(name="lab:Noisy"), model=ModelSpec(name="tiny_cnn"))
    found = []
    for where in ("a", "b"):
        torch.rand(3)
        found.append(numbers(trained(packed(spec, where=where))[1][0]))
    assert found[0] == found[1]
