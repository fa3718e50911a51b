"""Epochs are estimated by kind of device: of the one that a pack will get, else of the slowest."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from pathlib import Path

import pytest

from slurm.profile import Profile, parse
from sweeps.driver import probing, session, trial_costs
from sweeps.driver.estimates import Estimates
from sweeps.folder import device_kinds, layout, probed
from sweeps.folder.device_kinds import TrainedOn, possible, trained_on
from sweeps.folder.journals import Journals
from sweeps.folder.ledger import Ledger
from sweeps.folder.probed import Epochs, Probed
from sweeps.folder.records import Completed, Opened, Submitted, Submitting, TrialAdded, TrialStatus
from sweeps.folder.state import State
from sweeps.study import planner
from sweeps.study.reading import load
from sweeps.study.study import Study, digest
from sweeps.view import epoch_times, outlay, pilot, preview, status
from trainer.codec import from_text, to_text
from trainer.device_kind import DeviceKind
from trainer.journal import FoldHistory, Writer, attempt_folder, resolve
from trainer.testing import invented_epoch, invented_start

TEXT = """
name: kinds
data: {name: digits}
model: {name: tiny_cnn}
training: {epochs: 10, patience: null}
folds: {folds: 2}
activations: [relu, tanh, elu]
control: relu
budget: {gpu_hours: 1}
cluster: {profile: PROFILE}
"""
A100 = DeviceKind("cuda", "NVIDIA A100-SXM4-80GB", 1, 1)
V100 = DeviceKind("cuda", "Tesla V100-SXM2-16GB", 1, 1)
CPU = DeviceKind("cpu", "AMD EPYC 7763", 1, 1)
TWO = "executor: slurm\ntime: 60\npartitions: [{name: new, gpu_type: a100}, {name: old, gpu_type: v100}]\n"
ONE = "executor: slurm\ntime: 60\npartition: new\ngpu_type: a100\n"
Run = tuple[str, DeviceKind, str, float]
"""Label, kind, partition, and the seconds of each of its four epochs."""


def profile(text: str = TWO) -> Profile:
    return parse(text, source="lab.yaml")


def folder(path: Path, runs: list[Run], text: str = TWO, *, ended: bool = False) -> tuple[Study, State]:
    """A study of which a fold of each of these trained four epochs."""
    path.parent.mkdir(exist_ok=True)
    (path.parent / "lab.yaml").write_text(text)
    study = load(TEXT.replace("PROFILE", str(path.parent / "lab.yaml")))
    session.make(study, path, ["test"])
    folds: dict[str, list[str]] = {}
    for label, kind, partition, seconds in runs:
        trial = f"{label}-c000"
        spec = planner.fold_specs(study, phase="confirm", trial=trial, label=label, params={})[
            len(folds.setdefault(label, []))
        ]
        folds[label].append(f"{trial}/{spec.folder}")
        home = path / "trials" / folds[label][-1]
        layout.write_spec(home, spec)
        attempt_folder(home, 1).mkdir()
        writer = Writer(attempt_folder(home, 1))
        environment = {"SLURM_JOB_PARTITION": partition} if partition else {}
        environment |= {"slots": str(kind.slots)} if kind.slots > 1 else {}
        writer.write(
            invented_start(
                device=kind.device,
                device_name=kind.name,
                threads=kind.threads,
                environment=environment,
                digest=spec.digest,
            )
        )
        for epoch in range(1, 5):
            writer.write(invented_epoch(epoch=epoch, train_s=seconds, evaluate_s=0.0, rest_s=0.0))
        writer.close()
    with contextlib.closing(Ledger(path)) as book:
        book.write(Opened(sweep="a", study="kinds", study_digest=digest(study), time=0.0))
        for number, (label, keys) in enumerate(folds.items()):
            trial = f"{label}-c000"
            book.write(
                TrialAdded(trial=trial, label=label, activation=label, phase="confirm", index=0, params={},
                           training={}, folds=tuple(keys), config={})
            )  # fmt: skip
            book.write(Submitting(batch=number, name=f"n{number}", packs=(tuple(keys),), time=1.0))
            book.write(Submitted(batch=number, jobs=(f"{number}",)))
            if ended:
                histories = [Journals(path / "trials").history(key) for key in keys]
                book.write(
                    Completed(trial=trial, status=TrialStatus.FINISHED, metrics={}, epochs=4 * len(keys),
                              seconds=0.0, on=trained_on(histories))
                )  # fmt: skip
        return study, book.state


def epoch_s(path: Path, runs: list[Run], text: str, label: str, probe: Probed | None = None) -> float | None:
    study, state = folder(path / "study", runs, text)
    estimates = Estimates(study, Journals(path / "study" / "trials"), probe, profile(text))
    estimates.observe(state)
    return estimates.epoch_s(label, "confirm")


RUNS: list[Run] = [("relu", A100, "new", 1.0), ("relu", V100, "old", 3.0), ("tanh", A100, "new", 2.0)]


# What a pack may get.


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        (TWO, [A100, V100]),
        (ONE, [A100]),
        ("executor: slurm\ntime: 60\npartition: old\n", [V100]),
        ("executor: slurm\ntime: 60\ngpu_type: nvidia_a100_80gb\n", [A100]),
        ("executor: slurm\ntime: 60\ngpu_type: volta\n", [A100, V100]),
        ("executor: slurm\ntime: 60\ngpus_per_pack: 0\npartition: cpu\n", [CPU]),
        ("executor: slurm\ntime: 60\npartitions: [{name: new}, {name: cpu, gpus_per_pack: 0}]\n", [A100, CPU]),
        ("executor: slurm\ntime: 60\nslots_per_gpu: 2\n", []),
        ("executor: slurm\ntime: 60\nslots_per_gpu: auto\n", [A100, V100]),
        ("executor: local\n", []),
    ],
)
def test_partition_type_and_sharing_say_which_kinds_a_pack_may_get(text: str, kinds: list[DeviceKind]) -> None:
    seen = {A100: {"new"}, V100: {"old"}, CPU: {"cpu"}}
    assert possible(seen, profile(text), "auto", 1) == kinds
    assert possible(seen, profile(text), "auto", 4) == [], "an epoch with other threads takes something else"
    assert possible(seen, None, "auto", 1) == [A100, V100, CPU]


def test_what_does_not_say_where_it_was_trained_may_be_anywhere() -> None:
    assert possible({CPU: {""}}, profile("executor: local\n"), "auto", 1) == [CPU]
    assert possible({A100: {""}}, profile(ONE), "auto", 1) == [A100]


# What a budget promises.


def test_a_promise_is_for_the_slowest_kind_that_a_pack_may_get(tmp_path: Path) -> None:
    assert epoch_s(tmp_path, RUNS, TWO, "relu") == 3.0


def test_a_promise_is_for_the_one_kind_that_the_profile_gives(tmp_path: Path) -> None:
    assert epoch_s(tmp_path, RUNS, ONE, "relu") == 1.0


def test_a_pack_that_shares_its_device_is_promised_its_part_of_it(tmp_path: Path) -> None:
    shared = "executor: slurm\ntime: 60\nslots_per_gpu: 2\n"
    assert epoch_s(tmp_path / "a", [("relu", A100._replace(slots=2), "new", 3.0)], shared, "relu") == 1.5
    assert epoch_s(tmp_path / "b", [], shared, "relu", probe(A100._replace(slots=2), 7.0)) == 3.5


def test_what_was_not_measured_on_the_slow_kind_takes_as_much_longer_as_others_do(tmp_path: Path) -> None:
    assert epoch_s(tmp_path, RUNS, TWO, "tanh") == pytest.approx(6.0)


def test_where_nothing_that_was_trained_fits_the_profile_it_counts_all_the_same(tmp_path: Path) -> None:
    assert epoch_s(tmp_path / "a", [("relu", V100, "old", 3.0)], ONE, "relu") == 3.0
    assert epoch_s(tmp_path / "b", [("relu", V100, "old", 3.0)], ONE, "elu") is None


def probe(kind: DeviceKind | None, seconds: float, partition: str = "") -> Probed:
    on = (
        TrainedOn(device=kind.device, name=kind.name, slots=kind.slots, threads=kind.threads, partition=partition,
                  epochs=3, seconds=3 * seconds)
        if kind is not None
        else None
    )  # fmt: skip
    each = Epochs(seconds=seconds, first_s=seconds, memory_mb=1.0, energy_j=None, on=on)
    names = ("relu", "tanh", "elu")
    return Probed(
        device="some", devices=1, starting_s=5.0, held_s=9.0, epochs={name: {"confirm": each} for name in names}
    )


def test_a_probe_of_another_kind_measures_nothing(tmp_path: Path) -> None:
    assert epoch_s(tmp_path / "a", [], ONE, "relu", probe(V100, 7.0)) is None
    assert epoch_s(tmp_path / "b", [], ONE, "relu", probe(A100, 7.0)) == 7.0
    assert epoch_s(tmp_path / "c", [], ONE, "relu", probe(None, 7.0)) == 7.0, "an earlier version did not say which"


def test_a_probe_says_which_kinds_it_measured_and_is_read_as_it_was_written(tmp_path: Path) -> None:
    probed.write(tmp_path, probe(A100, 7.0, "new"))
    found = probed.read(tmp_path)
    assert found is not None
    assert found.kinds() == {A100: {"new"}}
    assert probing.words(found)[0].startswith("probe: on NVIDIA A100-SXM4-80GB, 1 thread, 9 device seconds")
    plain = json.loads(to_text(found))
    for phases in plain["epochs"].values():
        del phases["confirm"]["on"]
    assert from_text(Probed, json.dumps(plain)).kinds() == {}
    two = dataclasses.replace(found, epochs={**found.epochs, "tanh": probe(V100, 9.0).epochs["tanh"]})
    said = "\n".join(probing.words(two))
    assert "tanh (confirm): 9 s an epoch on Tesla V100-SXM2-16GB, 1 thread" in said
    assert "these times do not compare them" in said


# What is expected, and shown.


def lab(path: Path, text: str, runs: list[Run] = RUNS) -> Study:
    study, _ = folder(path / "study", runs, text)
    return study


def test_a_plan_expects_the_mean_of_what_was_seen_and_promises_the_slowest(tmp_path: Path) -> None:
    runs = [*RUNS, ("tanh", A100, "new", 2.0)]
    study, found = lab(tmp_path, TWO, runs), [tmp_path / "study"]
    cost = pilot.costs(study, found, profile(TWO))
    assert cost is not None
    assert cost.epoch_s["relu"] == pytest.approx((3 * 1.0 + 1 * 3.0) / 4)
    assert cost.at_most.epoch_s == pytest.approx({"relu": 3.0, "tanh": 6.0, "elu": 4.5})
    one = pilot.costs(study, found, profile(ONE))
    assert one is not None
    assert one.epoch_s == one.at_most.epoch_s == pytest.approx({"relu": 1.0, "tanh": 2.0, "elu": 1.5})
    assert "of 3.00 s, the median of 1 fold run before on Tesla V100-SXM2-16GB, 1 thread, the slowest of 2 kinds" in (
        preview.price(study, found, profile(TWO))
    )
    assert "of 2.00 s, the median of 3 folds run before on NVIDIA A100" in preview.price(study, found, profile(ONE))


def test_a_plan_shows_its_kinds_and_says_which_it_does_not_use(tmp_path: Path) -> None:
    study, found = lab(tmp_path, TWO), [tmp_path / "study"]
    times = pilot.times(study, found)
    assert epoch_times.table(study, times, profile(TWO)) == [
        "an epoch by kind of device, mean over activations:",
        "  NVIDIA A100-SXM4-80GB, 1 thread: 1.5 s (2 folds)",
        "  Tesla V100-SXM2-16GB, 1 thread: 3 s (1 fold)",
    ]
    assert epoch_times.table(study, times, profile(ONE))[2].endswith("; packs do not get it from profile lab: not used")
    assert set(epoch_times.table(study, times, profile(TWO))) <= set(outlay.check(study, profile(TWO), found))


def test_what_was_measured_elsewhere_alone_is_called_not_measured(tmp_path: Path) -> None:
    study, found = lab(tmp_path, TWO, [("relu", V100, "old", 3.0)]), [tmp_path / "study"]
    assert pilot.costs(study, found, profile(ONE)) is None
    said = "\n".join(outlay.check(study, profile(ONE), found))
    assert "what packs get from profile lab is not measured: `actsweep probe STUDY`, with the same" in said
    assert "what it buys is not known" in said
    assert "an estimate" in preview.price(study, found, profile(ONE))


def test_of_one_kind_no_table_is_shown(tmp_path: Path) -> None:
    study, found = lab(tmp_path, ONE, [("relu", A100, "new", 1.0)]), [tmp_path / "study"]
    assert epoch_times.table(study, pilot.times(study, found), profile(ONE)) == []


@pytest.mark.parametrize("ended", [False, True])
def test_status_shows_epochs_by_kind_and_reckons_with_those_to_come(tmp_path: Path, ended: bool) -> None:
    folder(tmp_path / "study", RUNS, TWO, ended=ended)
    now = status.read(tmp_path / "study")
    said = now.words()
    assert "an epoch by kind of device, mean over all that was trained:" in said
    assert "  NVIDIA A100-SXM4-80GB, 1 thread: 1.5 s (8 epochs)\n" in said
    assert [row["epochs"] for row in json.loads(now.json())["kinds"]] == [8, 4]
    assert now.now.seconds_left is not None
    both = now.now.seconds_left
    (tmp_path / "lab.yaml").write_text(ONE)
    moved = status.read(tmp_path / "study")
    assert "Tesla V100-SXM2-16GB, 1 thread: 3 s (4 epochs); packs to come do not get it" in moved.words()
    if not ended:
        assert moved.now.seconds_left == pytest.approx(both * 1.5 / 2.0)
    (tmp_path / "lab.yaml").unlink()
    assert status.read(tmp_path / "study").now.seconds_left == pytest.approx(both), "its file is gone"


def test_status_of_one_kind_says_nothing_of_kinds(tmp_path: Path) -> None:
    folder(tmp_path / "study", [("relu", A100, "new", 1.0)], ONE)
    assert "kind of device" not in status.read(tmp_path / "study").words()


# What a ledger keeps, and a search is told.


def moved() -> FoldHistory:
    """Two epochs on the slow card, then three on the fast one."""
    records = {
        at: [
            invented_start(attempt=at, resumed_epoch=begin, device=kind.device, device_name=kind.name, threads=1),
            *(invented_epoch(epoch=epoch, train_s=seconds, evaluate_s=0.0, rest_s=0.0) for epoch in epochs),
        ]
        for at, begin, kind, seconds, epochs in ((1, 0, V100, 9.0, (1, 2, 3)), (2, 2, A100, 1.0, (3, 4, 5)))
    }
    found = resolve(records)  # type: ignore[arg-type]  # lists of records
    assert found is not None
    return found


def test_a_fold_that_went_on_elsewhere_counts_with_each_kind(tmp_path: Path) -> None:
    assert [(on.kind, on.epochs, on.seconds) for on in trained_on([moved(), None])] == [(V100, 2, 18.0), (A100, 3, 3.0)]
    assert trial_costs.epoch_s(moved()) == 1.0
    assert device_kinds.trained_on([None]) == ()


def test_the_ledger_says_on_which_kinds_a_trial_was_trained_and_an_earlier_one_did_not(tmp_path: Path) -> None:
    _, state = folder(tmp_path / "study", RUNS, TWO, ended=True)
    group = state.group("relu", "confirm")
    assert group.on == {A100: (4, 4.0), V100: (4, 12.0)}
    assert group.partitions == {A100: {"new"}, V100: {"old"}}
    old = Completed(trial="t", status=TrialStatus.FINISHED, metrics={}, epochs=4, seconds=1.0)
    plain = json.loads(to_text(old))
    del plain["on"]
    assert from_text(Completed, json.dumps(plain)) == old


def test_a_search_for_seconds_is_warned_of_partitions_that_differ() -> None:
    text = TEXT.replace("PROFILE", "local").replace(
        "activations: [relu, tanh, elu]",
        "search: {samples: 4, select_on: validation/loss, objectives: [validation/loss, epoch_s], algorithm: tpe,"
        " scheduler: {name: none}}\nconfirm: {repeats: 1}\n"
        "activations:\n  - relu\n  - {activation: dsrelu, space: {k: {uniform: [1, 9]}}}",
    )
    study = load(text)
    (line,) = outlay.costs_of_unlike(study, profile(TWO))
    assert "the partitions of profile lab differ in device" in line
    assert outlay.costs_of_unlike(study, profile(ONE)) == []
