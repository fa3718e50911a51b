"""What a budget buys, what a design tells, and what a difference needs."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest

from analysis.statistics import power
from slurm.errors import ProfileError
from slurm.profile import Profile, parse
from sweeps.driver import session
from sweeps.errors import StudyError
from sweeps.study import shipped
from sweeps.study.reading import load
from sweeps.study.study import Study
from sweeps.view import outlay, pilot, preview
from sweeps.view.pilot import Costs, Spread

TEXT = """
name: priced
data: {name: digits}
model: {name: tiny_cnn}
training: {epochs: 10, patience: null}
folds: {folds: 5}
search: {samples: 8, share: 0.0}
confirm: {repeats: 4}
activations:
  - relu
  - {activation: dsrelu, space: {k: {uniform: [1, 9]}}}
  - {activation: prelu, space: {init: {uniform: [0.1, 0.5]}}}
control: relu
report: {rope: 0.0}
"""
COST = Costs(epoch_s={"relu": 1.0, "dsrelu": 2.0, "prelu": 3.0}, starting_s=10.0, folds=9, devices=("a card",))
SPREAD = Spread(activation="dsrelu", control="relu", sd=0.01, n=10, folds=5, ratio=0.25, source=Path("runs/p"),
                same=True)  # fmt: skip


def study(**budget: float) -> Study:
    return load(TEXT + (f"budget: {budget}\n" if budget else ""))


def profile(extra: str = "") -> Profile:
    return parse(f"name: here\nexecutor: local\nmem_gb: 1\n{extra}", source="here.yaml")


def test_what_is_planned_costs_its_folds_and_its_jobs() -> None:
    # a setting of both: 5 folds of 10 epochs of 2 and 3 s, a job each; a repeat: 5 x 10 x (1 + 2 + 3) s and 3 jobs
    assert outlay.bought(study(), COST).most_s == pytest.approx(8 * (250 + 20) + 4 * (300 + 30))


def test_a_budget_pays_for_the_confirm_phase_first_and_then_for_whole_settings() -> None:
    hours = (4 * 330 + 3 * 270 + 200) / 3600
    found = outlay.bought(study(gpu_hours=hours, margin=1.0), COST)
    assert (found.settings, found.planned_settings, found.repeats) == (3, 8, 4)


def test_a_margin_buys_less() -> None:
    hours = (4 * 330 + 3 * 270 + 200) / 3600
    assert outlay.bought(study(gpu_hours=hours, margin=1.25), COST).settings == 2


def test_a_budget_says_what_it_buys_and_its_money() -> None:
    (line,) = outlay.budget(study(gpu_hours=0.5), profile("price_per_gpu_hour: 2.5\ncurrency: EUR\n"), COST)
    assert "0.5 GPU-hours, 1.25 EUR, never passed (margin 1.25); buys 0 of 8 settings" in line
    assert outlay.budget(study(), profile(), COST) == []


MIXED = """
name: lab
executor: slurm
time: 60
gpus_per_pack: 4
price_per_gpu_hour: 2
currency: EUR
partitions: [{name: gpu}, {name: old, price_per_gpu_hour: 0.5}, {name: cpu, gpus_per_pack: 0, price_per_gpu_hour: null}]
"""


def test_money_has_two_ends_where_partitions_cost_differently_and_hours_their_name() -> None:
    mixed = parse(MIXED, source="lab.yaml")
    assert outlay.money(7200, mixed) == ", 0.00 to 4.00 EUR"
    assert outlay.hours(7200, mixed) == "2 device-hours"
    old = parse(MIXED.replace(", {name: cpu, gpus_per_pack: 0, price_per_gpu_hour: null}", ""), source="lab.yaml")
    assert outlay.money(7200, old) == ", 1.00 to 4.00 EUR"
    assert outlay.hours(7200, old) == "2 GPU-hours"
    only = parse("executor: slurm\ntime: 60\ngpus_per_pack: 0\nprice_per_gpu_hour: 3\n", source="cpu.yaml")
    assert (outlay.hours(3600, only), outlay.money(3600, only)) == ("1 process-hours", ", 3.00")
    assert session.node_for(study(), mixed).devices == 4, "a promise is kept in the dearest partition"
    assert session.node_for(study(), only).devices == 1


def test_on_cores_threads_are_told_and_no_gpu_is_spoken_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # without the times of other runs
    text = "executor: slurm\ntime: 60\npartition: cpu\ngpus_per_pack: 0\ncpus_per_pack: {}\nprice_per_gpu_hour: 3\n"
    eight, one, gpu = (parse(text.format(number), source="cpu.yaml") for number in (8, 1, 8))
    gpu = gpu.model_copy(update={"gpus_per_pack": 1})
    (line,) = outlay.cores(study(), eight)
    assert line.startswith("packs ask for 8 cores in partition cpu and train with 1 thread (cluster: {threads: 1})")
    assert line in outlay.check(study(), eight, [])
    assert outlay.cores(study(), one) == outlay.cores(study(), gpu) == []
    said = "\n".join(
        [
            preview.price(study(), [], eight),
            *outlay.check(study(gpu_hours=2), eight, []),
            preview.submission(study(), eight),
        ]
    )
    assert "on the cores of profile cpu, where packs have no GPU and no step was measured" in said
    assert "budget: 2 process-hours, 6.00, never passed" in said
    assert "GPU" not in said.replace("have no GPU", "")
    assert "gpu" not in said
    assert "of a GPU" in preview.price(study(), [], gpu)


def test_without_measured_epochs_it_says_how_to_get_them() -> None:
    (line,) = outlay.budget(study(gpu_hours=0.5), profile(), None)
    assert "actsweep probe" in line


def test_what_is_told_is_what_the_planner_of_the_report_says() -> None:
    planned = study()
    size = outlay.detectable(planned, SPREAD, 4)
    goal = power.Goal(0.0, 0.0, 0.05, 2)
    assert size == pytest.approx(goal.detectable(0.01, 20, 0.25, target=0.8))
    assert goal.power(0.01, 20, 0.25) < 0.8
    assert power.Goal(size, 0.0, 0.05, 2).power(0.01, 20, 0.25) == pytest.approx(0.8, abs=1e-6)


def test_smaller_held_out_parts_than_the_pilots_spread_more() -> None:
    ten = load(TEXT.replace("folds: 5", "folds: 10"))
    assert pilot.ratio(ten) == pytest.approx(1 / 9)
    assert pilot.sd_in(ten, SPREAD) == pytest.approx(0.01 * math.sqrt(2))
    assert pilot.sd_in(load(TEXT.replace("folds: 5", "folds: 3")), SPREAD) == 0.01


def test_a_pilot_is_asked_for_where_there_is_none() -> None:
    (line,) = outlay.tells(study(), [], 4)
    assert "run a pilot" in line
    assert "--measured DIR" in line


def needed(monkeypatch: pytest.MonkeyPatch, size: float, text: str = TEXT) -> list[str]:
    monkeypatch.setattr(pilot, "spreads", lambda study, found: [SPREAD])
    monkeypatch.setattr(pilot, "costs", lambda study, found, profile: COST)
    monkeypatch.setattr(pilot, "folders", lambda study, named: [])
    return outlay.needed(load(text), profile("price_per_gpu_hour: 2\ncurrency: EUR\n"), [], size=size, target=0.8)


def test_a_difference_needs_its_repeats_of_all_activations(monkeypatch: pytest.MonkeyPatch) -> None:
    head, line, total = needed(monkeypatch, 0.018)
    repeats = power.fewest(power.Goal(0.018, 0.0, 0.05, 2), power.Design(5, 0.25, 0.01, 1.0), target=0.8)
    assert repeats is not None
    assert "0.018 in accuracy, told with 80 % power" in head
    assert f"dsrelu against relu: {repeats} repeat" in line
    hours = repeats * 330 / 3600
    assert f"{repeats * 15} folds, at most {hours:.3g} GPU-hours, {2 * hours:,.2f} EUR" in total


def test_what_no_repeats_reach_is_told_with_the_least_that_they_do(monkeypatch: pytest.MonkeyPatch) -> None:
    _, line = needed(monkeypatch, 0.01)
    least = power.Goal(0.0, 0.0, 0.05, 2).detectable(0.01, power.MOST * 5, 0.25, target=0.8)
    assert f"not reachable by repeats; the least that they reach is {least:.4g}" in line


def test_a_difference_too_small_to_matter_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StudyError, match=r"--detect 0\.004: lies within report\.rope, 0\.005"):
        needed(monkeypatch, 0.004, TEXT.replace("rope: 0.0", "rope: 0.005"))


def test_a_folder_that_is_no_study_is_no_pilot(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="not a study folder"):
        pilot.folders(study(), [tmp_path])


@pytest.mark.slow
def test_a_pilot_gives_its_own_spread_and_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTSWEEP_PRETEND_EPOCH_S", "0.02")
    own = tmp_path / "own.yaml"
    own.write_text("name: own\nexecutor: local\nmax_jobs: 2\nmem_gb: 0.5\n")
    text = "name: pilot\ndata: {name: digits}\nmodel: {name: tiny_cnn}\ntraining: {epochs: 2, patience: null}\n"
    text += "folds: {folds: 3, repeats: 2}\nactivations: [relu, dsrelu]\n"
    folder = tmp_path / "pilot"
    session.make(shipped.on_profile(load(text), str(own)), folder, ["test"])
    with session.driving(folder, call="trainer.testing:pretend") as driver:
        deadline = time.monotonic() + 100
        while not driver.done:
            driver.tick()
            time.sleep(0.05)
            assert time.monotonic() < deadline
        groups = driver.state.index.groups.values()
        assert [sum(epochs for epochs, _ in group.on.values()) for group in groups] == [12, 12], "by kind of device"
    found = pilot.spreads(study(), [folder])
    assert [(spread.activation, spread.same, spread.n) for spread in found] == [
        ("dsrelu", True, 6),
        ("prelu", False, 6),
    ]
    assert found[0].sd == found[1].sd > 0
    assert found[0].ratio == pytest.approx(0.25)  # of what is pretended: 200 held out of 1000
    cost = pilot.costs(study(), [folder])
    assert cost is not None
    assert cost.folds == 12
    assert cost.epoch_s["prelu"] == pytest.approx((cost.epoch_s["relu"] + cost.epoch_s["dsrelu"]) / 2)
    assert pilot.costs(load(TEXT.replace("tiny_cnn", "mlp")), [folder]) is None
    assert pilot.spreads(load(TEXT.replace("tiny_cnn", "mlp")), [folder]) == []


def test_a_price_is_a_number_above_0() -> None:
    with pytest.raises(ProfileError, match="price_per_gpu_hour: got -1"):
        profile("price_per_gpu_hour: -1\n")
    assert outlay.money(3600, profile("price_per_gpu_hour: 2\n")) == ", 2.00"
    assert outlay.money(3600, profile()) == ""
