"""Whatever people do to a study's folder and to its runs in MLflow, in whatever order: after ``sync`` the view equals
that of an empty store.

ACTSWEEP_ROUNDS=N: so many rounds of each machine.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from analysis.runs import plan as planning
from analysis.runs import schema
from sweeps.testing import InventedTrial, invent_attempt, invent_study
from sweeps.tracking.run_values import LOGGED, NOTE, PARENT
from sweeps.tracking.store import initialise, leave
from sweeps.tracking.tracker import Tracker
from sweeps.tracking.ui_server import ui
from trainer.journal import Status

_spec = importlib.util.spec_from_file_location("views", Path(__file__).with_name("views.py"))
assert _spec is not None
assert _spec.loader is not None
views = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(views)

TRIALS = [InventedTrial(label="relu"), InventedTrial(label="dsrelu", params={"a": 3.73})]
EPOCHS = 4
ROUNDS = int(os.environ.get("ACTSWEEP_ROUNDS", "0"))
OURS = (
    *(schema.KEY, schema.SWEEP, schema.KIND, schema.STATUS, schema.SCHEMA_TAG, schema.TRIAL, schema.FOLD, LOGGED),
    *(schema.ATTEMPTS, schema.SELECTED, "actsweep.invented", "mlflow.user"),
)
POSITION = st.integers(0, 30)


def declare(folder: Path, sweep: str) -> list[str]:
    """A study that was begun; its folds."""
    keys = invent_study(folder, TRIALS, folds=2, epochs=EPOCHS, write_folds=False)
    plan = planning.from_json((folder / "plan.json").read_text())
    (folder / "plan.json").write_text(planning.to_json(dataclasses.replace(plan, sweep=sweep)))
    for key in keys[:3]:
        invent_attempt(folder, key, epochs=EPOCHS, status=Status.FINISHED)
    return keys


BEGUN: dict[str, Any] = {}


def begun(home: Path, empty: Path) -> list[str]:
    """A study and another sweep of it, both in the study's file already; its folds."""
    if not BEGUN:
        first = BEGUN["home"] = Path(tempfile.mkdtemp(prefix="touched-first-"))
        BEGUN["keys"] = declare(first / "study", "0" * 16)
        declare(first / "other", "0" * 8 + "f" * 8)
        shutil.copy(empty, first / "study" / "mlflow.db")
        for tracker in (Tracker(None, first / "study"), Tracker(f"sqlite:///{first}/study/mlflow.db", first / "other")):
            tracker.sync()
            leave(tracker.store)
    shutil.copytree(BEGUN["home"], home, dirs_exist_ok=True)
    return list(BEGUN["keys"])


class Touched(RuleBasedStateMachine):
    """A folder, its store, another sweep of the same study in that store, and what people do to all of it."""

    uri: ClassVar[str | None] = None
    empty: ClassVar[Path]
    number: ClassVar[int] = 0
    fresh: ClassVar[dict[str, tuple[Any, Any]]] = {}

    @initialize()
    def begin(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="touched-"))
        self.count, self.theirs, self.stores = 0, set[str](), []
        self.folder, self.other = self.home / "study", self.home / "other"
        if self.uri is not None:
            type(self).number += 1
            self.keys = declare(self.folder, f"{self.number:016x}")
            declare(self.other, f"{self.number:08x}" + "f" * 8)
        else:
            self.keys = begun(self.home, self.empty)
        self.sync()

    def teardown(self) -> None:
        if hasattr(self, "home"):
            if self.stores:
                self.sync()
                self.sync_the_other_sweep()
            for store in self.stores:
                leave(store)
            shutil.rmtree(self.home)

    # What is looked at.

    def tracker(self, folder: Path | None = None) -> Tracker:
        uri = self.uri if folder is None or self.uri else f"sqlite:///{self.folder / 'mlflow.db'}"
        made = Tracker(uri, folder or self.folder)
        self.stores.append(made.store)
        return made

    @property
    def experiment(self) -> str:
        return str(views.experiment_of(self.tracker()).experiment_id)

    def runs(self, trashed: bool = False) -> list[Any]:
        from mlflow.entities import ViewType

        which = ViewType.DELETED_ONLY if trashed else ViewType.ACTIVE_ONLY
        found = self.client.search_runs([self.experiment], run_view_type=which)
        ours = [run for run in found if run.info.run_id not in self.theirs]
        return sorted(ours, key=lambda run: (run.data.tags.get(schema.KEY, ""), run.info.start_time))

    @property
    def client(self) -> Any:
        return views.client_of(self.tracker())

    @property
    def shown(self) -> bool:
        return bool(views.experiment_of(self.tracker()).lifecycle_stage == "active")

    def fresh_view(self, folder: Path) -> tuple[Any, Any]:
        """What an empty store would hold of the folder."""
        state = "".join(f"{path.relative_to(folder)}{path.read_text()}" for path in sorted(folder.rglob("*.json*")))
        if state not in self.fresh:
            copy = self.home / f"fresh-{len(self.fresh)}-{self.number}"
            shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("mlflow.db*", "mlartifacts"))
            shutil.copy(self.empty, copy / "mlflow.db")
            tracker = Tracker(None, copy)
            tracker.sync()
            self.fresh[state] = views.view(tracker), views.artifacts(tracker)
            leave(tracker.store)
        return self.fresh[state]

    def check(self, tracker: Tracker) -> None:
        tracker.sync()
        expected, files = self.fresh_view(tracker.folder)
        found = views.view(tracker)
        assert found.keys() == expected.keys()
        for key, run in expected.items():
            assert found[key] == run, key
        assert views.artifacts(tracker) == files

    # What people do to the folder.

    @rule()
    @precondition(lambda self: self.uri is None)
    def move(self) -> None:
        self.count += 1
        leave(self.tracker().store)
        self.folder = self.folder.rename(self.home / f"moved {self.count}")

    @rule(stays=st.booleans())
    @precondition(lambda self: self.uri is None)
    def copy(self, stays: bool) -> None:
        self.count += 1
        copied = self.home / f"copy {self.count}"
        shutil.copytree(self.folder, copied)
        tracker = Tracker(None, copied)
        self.stores.append(tracker.store)
        self.check(tracker)
        if not stays:
            shutil.rmtree(self.folder)
            self.folder = copied

    @rule(position=POSITION, status=st.sampled_from([None, Status.FINISHED, Status.FAILED]), resumed=st.integers(0, 2))
    def train(self, position: int, status: Status | None, resumed: int) -> None:
        """A fold goes on, ends, or is begun again: what counts of it is another attempt's."""
        key = self.keys[position % len(self.keys)]
        tries = len(list((self.folder / "trials" / key).glob("attempt-*")))
        if tries == 0 or "end" not in self.journal(key, tries) or "failed" in self.journal(key, tries):
            resumed = min(resumed, self.journal(key, tries).count('"epoch"') if tries else 0)
            epochs = EPOCHS if status is Status.FINISHED else resumed + 1
            invent_attempt(
                self.folder, key, attempt=tries + 1, resumed=resumed if tries else 0, epochs=epochs, status=status
            )

    def journal(self, key: str, attempt: int) -> str:
        return (self.folder / "trials" / key / f"attempt-{attempt}" / "metrics.jsonl").read_text()

    # What people do in MLflow.

    @rule(name=st.sampled_from(["our digits", "invented, the second", "Ünïcode \N{CHECK MARK}"]))
    def rename_the_experiment(self, name: str) -> None:
        if self.shown and self.client.get_experiment_by_name(f"{name} {self.number}") is None:
            self.client.rename_experiment(self.experiment, f"{name} {self.number}")

    @rule()
    def delete_the_experiment(self) -> None:
        if self.shown:
            self.client.delete_experiment(self.experiment)

    @rule()
    def restore_the_experiment(self) -> None:
        if not self.shown:
            self.client.restore_experiment(self.experiment)

    @rule(positions=st.lists(POSITION, min_size=1, max_size=3))
    def delete_runs(self, positions: list[int]) -> None:
        for position in positions:
            if runs := self.runs():
                self.client.delete_run(runs[position % len(runs)].info.run_id)

    @rule(positions=st.lists(POSITION, min_size=1, max_size=3))
    def restore_runs(self, positions: list[int]) -> None:
        for position in positions:
            if self.shown and (runs := self.runs(trashed=True)):
                self.client.restore_run(runs[position % len(runs)].info.run_id)

    @rule()
    @precondition(lambda self: self.uri is None)
    def empty_the_trash(self) -> None:
        """As a lab's administrator does now and then: `mlflow gc`."""
        from mlflow.cli import gc

        if not self.shown:
            self.theirs.clear()  # they go with their experiment
        uri = self.tracker().store.uri
        done = CliRunner().invoke(gc, ["--backend-store-uri", uri, "--tracking-uri", uri])
        assert done.exit_code == 0, done.output
        self.sync()

    @rule(position=POSITION)
    def rename_a_run(self, position: int) -> None:
        if runs := self.runs():
            self.client.update_run(runs[position % len(runs)].info.run_id, name="the good one")

    @rule(position=POSITION, tag=st.sampled_from(OURS), text=st.sampled_from([None, "changed", "7"]))
    def change_a_tag(self, position: int, tag: str, text: str | None) -> None:
        if runs := self.runs():
            run = runs[position % len(runs)]
            if text is not None:
                self.client.set_tag(run.info.run_id, tag, text)
            elif tag in run.data.tags:
                self.client.delete_tag(run.info.run_id, tag)

    @rule(position=POSITION, above=st.none() | POSITION)
    def change_a_parent(self, position: int, above: int | None) -> None:
        if runs := self.runs():
            run = runs[position % len(runs)]
            if above is not None:
                self.client.set_tag(run.info.run_id, PARENT, runs[above % len(runs)].info.run_id)
            elif PARENT in run.data.tags:
                self.client.delete_tag(run.info.run_id, PARENT)

    @rule(position=POSITION, status=st.sampled_from(["RUNNING", "FINISHED", "FAILED", "KILLED"]), ends=st.booleans())
    def change_a_status(self, position: int, status: str, ends: bool) -> None:
        if runs := self.runs():
            run_id = runs[position % len(runs)].info.run_id
            if ends and status != "RUNNING":
                self.client.set_terminated(run_id, status, 1_770_000_000_000)
            else:
                self.client.update_run(run_id, status=status)

    @rule(position=POSITION, param=st.sampled_from(["activation.z", "training.lr", "theirs"]))
    def add_a_param(self, position: int, param: str) -> None:
        if (runs := self.runs()) and param not in (run := runs[position % len(runs)]).data.params and param != "theirs":
            self.client.log_param(run.info.run_id, param, "9")

    @rule(position=POSITION)
    def note(self, position: int) -> None:
        """Their own tag, a note on a fold, and a run of their own in the experiment."""
        if self.shown:
            for run in self.runs():
                self.client.set_tag(run.info.run_id, "lab", "good")
                if run.data.tags.get(schema.KIND) == "fold":
                    self.client.set_tag(run.info.run_id, NOTE, "look at this")
            self.theirs.add(self.client.create_run(self.experiment, run_name="by hand").info.run_id)

    # What the product does.

    @rule()
    def sync_the_other_sweep(self) -> None:
        self.check(self.tracker(self.other))

    @rule()
    def sync(self) -> None:
        self.check(self.tracker())
        for run_id in self.theirs:
            assert self.client.get_run(run_id).info.run_name == "by hand"


@pytest.mark.slow
def test_after_sync_the_view_in_a_file_equals_a_fresh_one(empty_store: Path) -> None:
    class OnFile(Touched):
        empty = empty_store

    run_state_machine_as_test(OnFile, settings=bounded(ROUNDS or 5, steps=14))


@pytest.mark.slow
def test_after_sync_the_view_on_a_server_equals_a_fresh_one(empty_store: Path, server: str) -> None:
    class OnServer(Touched):
        uri, empty = server, empty_store

    run_state_machine_as_test(OnServer, settings=bounded(max(1, ROUNDS // 5) if ROUNDS else 1, steps=10))


def bounded(rounds: int, steps: int) -> settings:
    return settings(
        max_examples=rounds,
        stateful_step_count=steps,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        phases=[Phase.generate],  # a smaller case would cost minutes
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real MLflow server on localhost."""
    folder = tmp_path_factory.mktemp("server")
    initialise(folder / "mlflow.db")
    with ui(folder) as served:
        yield served.address
