"""`actsweep extend`: what may grow, what a study that grew comes to, and what is kept of how it grew."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.runs.plan import from_json
from sweeps.driver import growing, session
from sweeps.driver.driver import Driver
from sweeps.errors import FolderBusy, StudyError
from sweeps.folder import decided, extension, layout, ledger, reported, winners
from sweeps.folder.growth_records import Extended
from sweeps.folder.lock import Lock
from sweeps.folder.records import Completed, FoldsAdded, Selected, Submitting, TrialAdded
from sweeps.folder.state import State, replay
from sweeps.study import growth
from sweeps.study.reading import load
from sweeps.study.study import Study, digest
from sweeps.testing import attempts, numbers

Drive = Callable[..., Driver]
Trainings = Callable[[Path], dict[str, object]]
FIXED = """
name: grows
data: {name: digits}
model: {name: tiny_cnn}
training: {epochs: 2, patience: null}
folds: {folds: 2}
activations: [relu, elu]
"""
SEARCHED = """
name: grows
seed: 5
data: {name: digits}
model: {name: tiny_cnn}
training: {epochs: 2, patience: null}
folds: {folds: 2}
search: {algorithm: random, samples: 2, folds: 2}
activations:
  - relu
  - {activation: dsrelu, space: {k: {uniform: [1, 9]}}}
"""


def extended(path: Path, text: str) -> Extended:
    new, _ = growing.planned(path, load(text), "grown.yaml")
    return growing.extend(path, new, "grown.yaml")


def state_of(path: Path) -> State:
    return replay(ledger.read(path / ledger.FILE))


def submitted(path: Path, since: int) -> set[str]:
    """Folds that were submitted behind the ledger's first ``since`` records."""
    records = list(ledger.read(path / ledger.FILE))[since:]
    return {fold for record in records if isinstance(record, Submitting) for pack in record.packs for fold in pack}


@pytest.mark.parametrize(
    ("old", "new", "grew", "trained"),
    [
        (FIXED, FIXED.replace("[relu, elu]", "[relu, silu, elu]"), {"activations"},
         {"silu-c000/fold-0-0", "silu-c000/fold-0-1"}),
        (FIXED, FIXED.replace("{folds: 2}", "{folds: 2, repeats: 2}"), {"repeats"},
         {f"{label}-c000/fold-1-{fold}" for label in ("relu", "elu") for fold in (0, 1)}),
        (FIXED, FIXED.replace("[relu, elu]", "[relu, elu, silu]").replace("{folds: 2}", "{folds: 2, repeats: 2}"),
         {"activations", "repeats"},
         {f"{label}-c000/fold-1-{fold}" for label in ("relu", "elu", "silu") for fold in (0, 1)}
         | {f"silu-c000/fold-0-{fold}" for fold in (0, 1)}),
    ],
)  # fmt: skip
def test_only_what_is_new_is_trained_and_the_numbers_are_those_of_a_study_declared_so(
    tmp_path: Path, drive: Drive, trainings: Trainings, old: str, new: str, grew: set[str], trained: set[str]
) -> None:
    path, whole = tmp_path / "grown", tmp_path / "whole"
    drive(path, old)
    before = len(list(ledger.read(path / ledger.FILE)))
    record = extended(path, new)
    assert set(record.changes) == grew
    drive(path)
    assert submitted(path, before) == trained
    assert set(attempts(path).values()) == {1}
    drive(whole, new)
    assert trainings(path) == trainings(whole)
    assert sorted(numbers(path)) == sorted(numbers(whole))


@pytest.mark.slow
@pytest.mark.parametrize(("algorithm", "seed"), [("random", 6), ("tpe", 5)])
def test_more_samples_continue_the_search_and_the_newest_winner_is_confirmed(
    tmp_path: Path, drive: Drive, trainings: Trainings, algorithm: str, seed: int
) -> None:
    text = SEARCHED.replace("random", algorithm).replace("seed: 5", f"seed: {seed}")
    path, whole = tmp_path / "grown", tmp_path / "whole"
    drive(path, text)
    first = state_of(path).selected["dsrelu"]
    more = text.replace("samples: 2", "samples: 12").replace("{folds: 2}", "{folds: 2, repeats: 2}", 1)
    record = extended(path, more)
    assert (record.searched_again, record.folds_done) == (("dsrelu",), {"search": 4, "confirm": 4})
    drive(path)
    drive(whole, more)
    state = state_of(path)
    chosen = state.selected["dsrelu"]
    assert (chosen.among, chosen.trial) == (12, state_of(whole).selected["dsrelu"].trial)
    assert chosen.trial != first.trial, "the example should choose again"
    assert [one.trial for one in state.earlier["dsrelu"]] == [first.trial]
    standing = winners.standing(state, "dsrelu", "confirm")
    assert standing is not None
    assert (standing.trial, len(standing.folds)) == ("dsrelu-c001", 4)
    assert len(state.trials["dsrelu-c000"].folds) == 2, "an earlier winner gets no further repeats"
    known = {name: decided.read(path / "trials" / name) for name in ("dsrelu-c000", "dsrelu-c001", first.trial)}
    assert [one.earlier for one in known.values() if one] == [True, False, False]
    assert known[first.trial].chosen is None
    of_all, of_whole = trainings(path), trainings(whole)
    assert {key: of_all[key] for key in of_whole} == of_whole
    assert len(of_all) == len(of_whole) + 2


def test_a_choice_that_stays_is_not_confirmed_again(tmp_path: Path, drive: Drive) -> None:
    path = tmp_path / "study"
    drive(path, SEARCHED.replace("samples: 2", "samples: 6"))
    before = state_of(path)
    extended(path, SEARCHED.replace("samples: 2", "samples: 7"))
    drive(path)
    after = state_of(path)
    if after.selected["dsrelu"].trial == before.selected["dsrelu"].trial:
        assert [trial.trial for trial in after.of_phase("confirm")] == ["relu-c000", "dsrelu-c000"]
    assert after.selected["dsrelu"].among == 7


def test_it_says_what_was_planned_when_and_what_had_been_seen(tmp_path: Path, drive: Drive) -> None:
    path = tmp_path / "study"
    drive(path, FIXED)
    reported.note(path, tmp_path / "elsewhere" / "report.html")
    extended(path, FIXED.replace("{folds: 2}", "{folds: 2, repeats: 2}"))
    extended(path, FIXED.replace("{folds: 2}", "{folds: 2, repeats: 2}") + "budget: {gpu_hours: 3}")
    first, second = from_json((path / layout.PLAN).read_text()).history
    assert first.words().endswith("1 repeat, now 2; after 4 of 4 confirm folds were done and a report had been written")
    assert second.changes == {"budget": "budget none, now 3 GPU hours (margin 1.25)"}
    assert second.folds_done == {"confirm": 4}
    assert second.folds_planned == {"confirm": 8}
    plan = from_json((path / layout.PLAN).read_text())
    assert (plan.first_digest, plan.study_digest) == (digest(load(FIXED)), digest(session.opened(path)))


REFUSED = {
    "training: {epochs: 2, patience: null}": ("training: {epochs: 3, patience: null}", "training.epochs: was 2, now 3"),
    "data: {name: digits}": ("data: {name: wine}", 'data.name: was "digits", now "wine"'),
    "folds: {folds: 2}": ("folds: {folds: 3}", "folds.folds: was 2, now 3"),
    "seed: 5": ("seed: 6", "seed: was 5, now 6"),
    "name: grows": ("name: other", 'name: was "grows", now "other"'),
    "  - relu\n": ("  - silu\n", "activations.relu: was there, now gone (its runs are in the data)"),
    "k: {uniform: [1, 9]}": ("k: {uniform: [1, 8]}", "activations.dsrelu.space.k"),
    "samples: 2": ("samples: 1", "search.samples: was 2, now 1"),
    "algorithm: random": ("algorithm: tpe", 'search.algorithm: was "random", now "tpe"'),
    "\nactivations": ("\nreport: {rope: 0.5}\nactivations", "report.rope: was none, now 0.5"),
    "seed: 5\n": ("seed: 5\nconfirm: false\n", "claims would rest on another phase"),
}


@pytest.mark.parametrize("was", REFUSED)
def test_what_is_no_growth_is_refused_by_key_with_both_values(was: str) -> None:
    now, said = REFUSED[was]
    text = SEARCHED.replace(was, now) + ("control: silu\n" if "silu" in now else "")
    with pytest.raises(growth.NoGrowth) as refused:
        growth.between(load(SEARCHED), load(text))
    assert said in str(refused.value)


def until(repeats: str) -> str:
    return f"{{repeats: {{{repeats}}}, until: decided}}"


def study(confirm: str, base: str = SEARCHED) -> Study:
    return load(f"{base}confirm: {confirm}\n")


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ("{repeats: 3}", "{repeats: 2}", "was 3, now 2"),
        ("{repeats: 3}", until("first: 2, most: 9"), "3 repeats are planned already"),
        (until("first: 2, most: 9"), "{repeats: 9}", "its looks have been taken"),
        (until("first: 2, most: 9"), until("first: 3, most: 9"), "first look"),
        (until("first: 2, most: 9"), until("first: 2, most: 8"), "9, now 8"),
    ],
)  # fmt: skip
def test_repeats_never_get_fewer(was: str, now: str, said: str) -> None:
    with pytest.raises(growth.NoGrowth, match=said):
        growth.between(study(was), study(now))


def test_until_decided_can_be_added() -> None:
    twice = FIXED.replace("{folds: 2}", "{folds: 2, repeats: 2}")
    for was in (study("{repeats: 2}"), load(twice)):
        base = SEARCHED if was.search else FIXED
        grown = growth.between(was, study(until("first: 2, most: 9"), base))
        assert set(grown.changes) == {"until", "repeats"}
    most = growth.between(study(until("first: 2, most: 5")),
                          study(until("first: 2, most: 9")))  # fmt: skip
    assert set(most.changes) == {"repeats"}


def test_a_search_where_there_was_none_is_another_study() -> None:
    with pytest.raises(growth.NoGrowth, match="search: was none"):
        growth.between(
            load(FIXED),
            load(
                FIXED.replace("elu]", "elu, {activation: dsrelu, space: {k: {uniform: [1, 9]}}}]\nsearch: {samples: 2}")
            ),
        )


def test_a_race_is_not_joined_later() -> None:
    text = SEARCHED.replace("samples: 2, folds: 2", "samples: 4, race: {first: 2}").replace(
        "{folds: 2}", "{folds: 4}", 1
    )
    with pytest.raises(growth.NoGrowth, match="one race among all"):
        growth.between(load(text), load(text.replace("samples: 4", "samples: 5")))


def test_run_on_a_folder_of_a_version_before_names_the_command_that_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a study"
    session.make(load(FIXED), path, ["test"])
    with pytest.raises(StudyError) as refused:
        session.make(load(FIXED.replace("{folds: 2}", "{folds: 2, repeats: 2}")), path, ["test"], named="my study.yaml")
    assert f"`actsweep extend '{path}' 'my study.yaml'`" in str(refused.value)
    with pytest.raises(StudyError) as refused:
        session.make(load(FIXED.replace("epochs: 2", "epochs: 3")), path, ["test"], named="my study.yaml")
    assert "training.epochs: was 2, now 3" in str(refused.value)
    assert f"reuse: [{path.absolute()}]" in str(refused.value)


def test_nothing_is_written_where_it_is_refused_or_a_driver_lives(tmp_path: Path) -> None:
    path = tmp_path / "study"
    session.make(load(FIXED), path, ["test"])
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    for text, said in ((FIXED, "nothing has grown"), (FIXED.replace("epochs: 2", "epochs: 3"), "training.epochs")):
        with pytest.raises(StudyError, match=said):
            extended(path, text)
    lock = Lock(path)
    with pytest.raises(FolderBusy):
        extended(path, FIXED.replace("{folds: 2}", "{folds: 2, repeats: 2}"))
    lock.release()
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before


def test_it_goes_on_where_it_ran(tmp_path: Path) -> None:
    path = tmp_path / "study"
    session.make(load(FIXED + "cluster: {profile: devcluster}\n"), path, ["test"])
    grown = load(FIXED.replace("elu]", "elu, silu]"))
    assert growing.planned(path, grown, "g.yaml")[0].cluster.profile == "devcluster"
    assert growing.planned(path, grown, "g.yaml", profile="local")[0].cluster.profile == "local"


def writes(path: Path, text: str, limit: int) -> int:
    """Extends in a process that is killed before its ``limit``-th write; how it ended (0: it came to its end)."""
    child = os.fork()
    if child == 0:
        count = 0

        def counted(original: Callable[..., object]) -> Callable[..., object]:
            def call(*args: object, **kwargs: object) -> object:
                nonlocal count
                count += 1
                if count == limit:
                    os.kill(os.getpid(), signal.SIGKILL)
                return original(*args, **kwargs)

            return call

        Path.replace = counted(Path.replace)  # type: ignore[method-assign]
        Path.unlink = counted(Path.unlink)  # type: ignore[method-assign]
        ledger.Ledger.write = counted(ledger.Ledger.write)  # type: ignore[method-assign]
        try:
            extended(path, text)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_killed_between_any_two_writes_it_was_done_or_it_was_not(
    tmp_path: Path, drive: Drive, trainings: Trainings
) -> None:
    more = FIXED.replace("elu]", "elu, silu]")
    whole = tmp_path / "whole"
    drive(whole, more)
    ends: list[bool] = []
    for limit in range(1, 20):
        path = tmp_path / f"killed-{limit}"
        drive(path, FIXED)
        ended = writes(path, more, limit)
        staged = extension.read(path) is not None
        assert session.opened(path) is not None  # whoever reads the folder now
        done = digest(session.opened(path)) == digest(load(more))
        ends.append(done)
        assert done or not staged
        drive_anyhow(path, drive)
        assert extension.read(path) is None
        if done:
            assert trainings(path) == trainings(whole)
            assert len(state_of(path).extended) == 1
            assert len(from_json((path / layout.PLAN).read_text()).history) == 1
        if ended == 0:
            break
    else:
        pytest.fail("it never came to its end")
    assert ends == sorted(ends)
    assert ends[0] is False
    assert ends.count(True) >= 4, "killed before the ledger, the plan, the study and the end"


def drive_anyhow(path: Path, drive: Drive) -> None:
    """As a resume does: what is decided is written everywhere under the lock, then it is driven."""
    lock = Lock(path)
    extension.complete(path)
    lock.release()
    drive(path)


def test_a_folder_that_was_never_driven_can_be_extended(tmp_path: Path, drive: Drive) -> None:
    path = tmp_path / "study"
    session.make(load(FIXED), path, ["test"])
    extended(path, FIXED.replace("elu]", "elu, silu]"))
    drive(path)
    assert {record.trial for record in ledger.read(path / ledger.FILE) if isinstance(record, TrialAdded)} == {
        "relu-c000", "elu-c000", "silu-c000"
    }  # fmt: skip


def test_a_trial_that_trains_gets_its_further_repeats_when_it_is_over(tmp_path: Path, drive: Drive) -> None:
    path = tmp_path / "study"
    session.make(load(FIXED), path, ["test"])
    book = ledger.Ledger(path)
    book.close()
    driver = drive(path)
    assert driver.done
    extended(path, FIXED.replace("{folds: 2}", "{folds: 2, repeats: 3}"))
    drive(path)
    records = list(ledger.read(path / ledger.FILE))
    assert [len(record.folds) for record in records if isinstance(record, FoldsAdded)] == [4, 4]
    again = [record.trial for record in records if isinstance(record, Completed)]
    assert sorted(again) == ["elu-c000", "elu-c000", "relu-c000", "relu-c000"]
    assert not [record for record in records if isinstance(record, Selected) and record.among]
