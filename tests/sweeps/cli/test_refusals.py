"""What ``run`` refuses before it trains, ``check`` refuses: the same words, the same exit code, and nothing written."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import ray.tune  # noqa: F401  # it leaves its own hooks: here, not in the test that first needs it
from click.testing import CliRunner, Result

from sweeps.cli import driving, suites
from sweeps.cli.main import main
from sweeps.driver import alike, asking, named, preflight, session
from sweeps.folder import own_code
from sweeps.folder.lock import Lock
from sweeps.study.reading import load

BROKEN = sorted((Path(__file__).parents[1] / "study" / "broken").glob("*.yaml"))
HEAD = "name: mine\ndata: {name: digits}\nmodel: mlp\ntraining: {epochs: 1, patience: null}\nfolds: {folds: 2}\n"
FINE = f"{HEAD}activations: [relu, elu]\n"
SEARCHED = "{activation: elu, space: {alpha: {uniform: [0.5, 2.0]}}}"
OWN = "from torch import nn\n\n\nclass Mine(nn.Module):\n    def forward(self, x):\n        return x.relu()\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder of its own; what another process is asked is asked of its module here, which loads torch once for
    all; and nothing is driven."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ACTSWEEP_DATA", raising=False)
    for module in (preflight, named, alike):
        monkeypatch.setattr(module, "ask", ask)

    def drive(path: Path, **given: Any) -> None:
        raise AssertionError(f"{path}: nothing was refused")

    monkeypatch.setattr(driving, "drive", drive)
    monkeypatch.setattr(suites, "drive", drive)


def ask(module: str, question: object, failed: Callable[[str], Exception]) -> Any:
    said, before = io.StringIO(), sys.stdin
    sys.stdin = io.StringIO(json.dumps(question))
    try:
        with contextlib.redirect_stdout(said):
            importlib.import_module(module).main()
    except Exception as error:
        raise failed(str(error)) from error
    finally:
        sys.stdin = before
    return json.loads(said.getvalue().splitlines()[-1])


def call(*words: str) -> Result:
    done = CliRunner().invoke(main, words, prog_name="actsweep")
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def files() -> dict[str, bytes]:
    return {
        str(path): path.read_bytes()
        for path in sorted(Path().rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def refused(*words: str, code: int = 2) -> str:
    """The first line of what both say."""
    before = files()
    check, asked, run = call("check", *words), call("check", *words, "--json"), call("run", *words)
    assert files() == before
    assert check.exit_code == asked.exit_code == run.exit_code == code, (check.output, run.output)
    assert check.stdout == ""
    assert check.stderr == asked.stderr == run.stderr
    problems = json.loads(asked.stdout)["problems"]
    assert problems
    assert all(set(problem) == {"file", "line", "key", "message"} for problem in problems)
    assert problems[0]["message"] in check.stderr
    return check.stderr.splitlines()[0]


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_a_broken_file(path: Path) -> None:
    assert refused(str(path)).startswith(str(path))


CASES = {
    "data set that is not there": ("{name: digits}", "{name: mnist}", "mine: data set mnist needs a data root"),
    "option of a data set": ("{name: digits}", "{name: digits, smaple: 3}", "smaple"),
    "option of a model": ("model: mlp", "model: {name: mlp, hiddn: 3}", "hiddn"),
    "option of a task": ("model:", "task: {name: classification, weigths: 1}\nmodel:", "weigths"),
    "option of an activation": ("elu]", "{activation: elu, params: {alhpa: 1.0}}]", "alhpa"),
    "option of an activation by import path": (
        "elu]",
        "{activation: 'torch.nn:ELU', params: {alhpa: 1.0}, label: mine}]",
        "unknown option 'alhpa', accepts alpha, inplace; did you mean",
    ),
    "augmentation": ("epochs: 1", "epochs: 1, augment: [filp]", "filp"),
    "augmentation of what is no image": ("epochs: 1", "epochs: 1, augment: [{name: flip, p: 2}]", "augment"),
    "option of a schedule": ("epochs: 1", "epochs: 1, schedule: {name: cosine, warmpu: 1}", "warmpu"),
    "module of an activation": ("elu]", "{activation: 'no_lab:A', label: mine}]", "there is no module no_lab here"),
    "module of a model": ("model: mlp", "model: 'no_lab.nets:Net'", "there is no module no_lab.nets here"),
    "module of a reader": ("{name: digits}", "{name: 'no_lab:READER'}", "no_lab"),
    "class of an activation": ("elu]", "{activation: 'torch.nn:ELUU', label: mine}]", "ELUU"),
    "store in a folder": ("activations", "tracking: {uri: 'file:///tmp/runs'}\nactivations", "tracking uri: got"),
    "store that is no address": ("activations", "tracking: {uri: mlruns}\nactivations", "tracking uri: got"),
    "store of another kind": ("activations", "tracking: {uri: 'http://'}\nactivations", "tracking uri: got"),
    "profile": ("activations", "cluster: {profile: nowhere}\nactivations", "nowhere: no such cluster profile"),
    "device": ("activations", "cluster: {device: cuda}\nactivations", "cluster.device: device 'cuda' was asked for"),
    "more folds than items": ("folds: 2", "folds: 500", "500"),
    "search by import path": (
        "elu]",
        f"{SEARCHED}]\nsearch: {{algorithm: 'no_lab:Search', samples: 2}}",
        "search.algorithm: search algorithm 'no_lab:Search': cannot import",
    ),
    "option of a search": (
        "elu]",
        f"{SEARCHED}]\nsearch: {{algorithm: tpe, samples: 2, options: {{n_startup: 1}}}}",
        "n_startup",
    ),
    "scheduler by import path": (
        "elu]",
        f"{SEARCHED}]\nsearch: {{samples: 2, scheduler: {{name: 'no_lab:make'}}}}",
        "search.scheduler.name: scheduler 'no_lab:make': cannot import",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_study_that_cannot_be_run(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    old, new, said = CASES[case]
    assert old in FINE
    Path("mine.yaml").write_text(FINE.replace(old, new, 1))
    assert said in refused("mine.yaml")


def test_a_search_whose_library_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    for name in [name for name in sys.modules if name.startswith("optuna.")]:
        monkeypatch.setitem(sys.modules, name, None)
    activations = f"activations: [relu, {SEARCHED}]\nsearch: {{algorithm: optuna, samples: 2}}\n"
    Path("mine.yaml").write_text(HEAD + activations)
    assert "optuna" in refused("mine.yaml")


def test_data_that_are_damaged_or_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("mine.csv").write_text("a,label\n1,x\nhalf,y\n")
    Path("mine.yaml").write_text(
        FINE.replace("{name: digits}", "{name: table, path: mine.csv, target: label}\nroot: .")
    )
    assert "mine.csv" in refused("mine.yaml")
    Path("mine.yaml").write_text(FINE.replace("digits", "mnist"))
    monkeypatch.setenv("ACTSWEEP_DATA", "gone")
    assert f"mine: ACTSWEEP_DATA is {Path('gone').absolute()}, and there is no such folder" in refused("mine.yaml")


def test_an_activation_that_does_not_train(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("breaks_at_once.py").write_text(OWN.replace("x.relu()", "x[:1]"))
    monkeypatch.syspath_prepend(".")
    monkeypatch.setenv("PYTHONPATH", ".")
    Path("mine.yaml").write_text(f"{HEAD}activations: [relu, {{activation: 'breaks_at_once:Mine', label: mine}}]\n")
    assert "gives (1, 10) for 2 items" in refused("mine.yaml")


def test_a_package_too_large_to_be_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("large_lab").mkdir()
    Path("large_lab/__init__.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(Path.cwd()))
    monkeypatch.setattr(own_code, "MAX_FROZEN_MB", 0)
    Path("mine.yaml").write_text(
        f"{HEAD}activations: [relu, {{activation: 'large_lab:Mine', label: mine}}]\ncluster: {{own_code: frozen}}\n"
    )
    assert "own_code: frozen: " in refused("mine.yaml")


# -- where it would run ------------------------------------------------------------------------------------------------

PROFILES = {
    "unknown key": ("executor: local\nqoss: long\n", "lab.yaml:2: qoss: unknown key", 2),
    "working folder": ("executor: local\nworking_folder: /no/such\n", "working_folder is /no/such, and there is no", 1),
    "device": ("executor: local\ndevice: cuda\n", "cluster.device: device 'cuda' was asked for", 2),
    "no Slurm here": ("executor: slurm\ntime: 60\n", "there is no sbatch or srun on the PATH here", 1),
    "no allocation": ("executor: allocation\n", "profile lab: ", 1),
}


@pytest.mark.parametrize("case", PROFILES)
@pytest.mark.parametrize("named_by", ["study", "option"])
def test_a_cluster_that_is_none(case: str, named_by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setenv("PATH", "/no/such")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    text, said, code = PROFILES[case]
    Path("lab.yaml").write_text(text)
    own = "cluster: {profile: ./lab.yaml}\n" if named_by == "study" else ""
    Path("mine.yaml").write_text(FINE + own)
    assert said in refused("mine.yaml", *(["--cluster", "lab.yaml"] if named_by == "option" else []), code=code)


def test_quick_looks_at_a_plan_for_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/no/such")
    Path("mine.yaml").write_text(FINE.replace("digits", "mnist"))
    done = call("check", "mine.yaml", "--quick", "--cluster", "example-gpu")
    assert done.exit_code == 0, done.output
    assert "no sbatch here: whether the cluster takes this was not asked" in done.stdout
    Path("mine.yaml").write_text(FINE.replace("activations", "tracking: {uri: mlruns}\nactivations"))
    assert call("check", "mine.yaml", "--quick").exit_code == 2


# -- the folder that is there ------------------------------------------------------------------------------------------


def made(text: str = FINE, path: str = "runs/mine") -> Path:
    Path("mine.yaml").write_text(FINE)
    session.make(load(text), Path(path), ["actsweep"])
    return Path(path)


def another_study() -> str:
    made(FINE.replace(" elu", " tanh"))
    return "holds another version of study 'mine'"


def another_version() -> str:
    made(f"{FINE}report: {{alpha: 0.01}}\n")
    return "holds another version of study 'mine'"


def a_suite() -> str:
    made().joinpath("suite.yaml").write_text("suite: x\n")
    return "holds a suite"


def a_copy() -> str:
    path = made(path="runs/first")
    shutil.copytree(path, "runs/mine")
    return "a copy of the study in"


def a_file_in_the_way() -> str:
    Path("mine.yaml").write_text(FINE)
    Path("runs").write_text("mine")
    return "Not a directory; choose a folder that can be made"


def a_torn_study() -> str:
    (made() / "study.yaml").write_text("name: [")
    return "runs/mine/study.yaml:1: not YAML"


def a_changed_study() -> str:
    file = made() / "study.yaml"
    file.write_text(file.read_text().replace("lr: 0.001", "lr: 0.5").replace("alpha: 0.05", "alpha: 0.5"))
    return "was changed after its study was declared"


def a_damaged_ledger() -> str:
    (made() / "ledger.jsonl").write_text("{}\n")
    return "runs/mine/ledger.jsonl:1: not a ledger record"


def no_ledger() -> str:
    (made() / "trials" / "relu-c000").mkdir(parents=True)
    return "has trials but no ledger.jsonl"


def damaged_surroundings() -> str:
    (made() / "surroundings.json").write_text("{")
    return "runs/mine/surroundings.json: cannot be read"


def a_damaged_probe() -> str:
    Path("mine.yaml").write_text(FINE)
    Path("runs/mine-probe").mkdir(parents=True)
    Path("runs/mine-probe/probe.json").write_text("{}")
    return "runs/mine-probe/probe.json: "


FOLDERS: dict[Callable[[], str], int] = {
    another_study: 2,
    another_version: 2,
    a_suite: 2,
    a_copy: 2,
    a_file_in_the_way: 1,
    a_torn_study: 2,
    a_changed_study: 2,
    a_damaged_ledger: 2,
    no_ledger: 2,
    damaged_surroundings: 2,
    a_damaged_probe: 2,
}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.__name__)
def test_a_folder_that_is_not_the_studys(folder: Callable[[], str]) -> None:
    said = folder()
    assert said in refused("mine.yaml", code=FOLDERS[folder])


def test_a_folder_named_by_option() -> None:
    made(FINE.replace(" elu", " tanh"), "elsewhere")
    assert "elsewhere: holds another version" in refused("mine.yaml", "--folder", "elsewhere")
    assert "File name too long" in refused("mine.yaml", "--folder", "a" * 300, code=1)


def test_a_driver_at_work() -> None:
    lock = Lock(made())
    try:
        assert "runs/mine" in refused("mine.yaml", code=4)
    finally:
        lock.release()


def test_code_that_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("drifting_lab.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(Path.cwd()))
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    text = f"{HEAD}activations: [relu, {{activation: 'drifting_lab:Mine', label: mine}}]\n"
    made(text)
    Path("mine.yaml").write_text(text)
    before = files()
    assert call("check", "mine.yaml").stdout.endswith("study folder: runs/mine (goes on where it ended)\n")
    assert files() == before
    Path("drifting_lab.py").write_text(OWN.replace("relu", "tanh"))
    assert "your code is not what the study was started with" in refused("mine.yaml", code=1)


# -- suites ------------------------------------------------------------------------------------------------------------

SUITE = """
suite: both
question: Is ELU better?
base: {data: digits, model: mlp, training: {epochs: 1, patience: null}, folds: {folds: 2}, activations: [relu, elu]}
studies: {one: {}, two: {model: SECOND}}
"""


@pytest.mark.parametrize(
    ("second", "said"),
    [("{name: mlp, hiddn: 3}", "two: "), ("'no_lab:Net'", "both-two: no_lab:Net: there is no module no_lab here")],
)
def test_a_suite_of_which_one_study_cannot_be_run(second: str, said: str) -> None:
    Path("both.yaml").write_text(SUITE.replace("SECOND", second))
    assert said in refused("both.yaml")


def test_a_suite_where_it_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("both.yaml").write_text(SUITE.replace("SECOND", "tiny_cnn"))
    made(path="runs/both")
    assert "runs/both: holds a study, and a suite has a folder of its own" in refused("both.yaml")
    shutil.rmtree("runs")
    made(FINE.replace(" elu", " tanh"), "runs/both/two")
    assert "runs/both: holds another version of suite 'both'" in refused("both.yaml")
    shutil.rmtree("runs")
    monkeypatch.setenv("PATH", os.devnull)
    Path("lab.yaml").write_text("executor: slurm\ntime: 60\n")
    assert "no sbatch" in refused("both.yaml", "--cluster", "lab.yaml", code=1)


# -- what may be run ---------------------------------------------------------------------------------------------------

README = (Path(__file__).parents[3] / "sweeps" / "README.md").read_text(encoding="utf-8")
STUDY_KEYS = (
    "schema", "study", "digest", "question", "task", "dataset", "model", "control", "metric", "splits", "folder",
    "goes_on", "tried", "claims_phase", "phases", "activations", "price", "outlay", "notify", "submission", "same",
    "remarks", "problems",
)  # fmt: skip
BELOW = {
    "phases": ("trials", "folds", "epochs", "repeats", "folds_of_a_repeat"),
    "activations": ("label", "activation", "settings", "space"),
    "price": ("device_s", "basis", "words"),
    "submission": ("profile", "executor", "packs", "arrays", "script", "words"),
    "same": ("within", "pairs", "said"),
}
SUITE_KEYS = (
    "schema", "suite", "question", "folder", "goes_on", "tried", "budget_gpu_hours", "notify", "folds", "epochs",
    "studies", "problems",
)  # fmt: skip


def test_a_study_that_may_be_run_as_a_program_reads_it() -> None:
    """Others may read these keys: they stay, and the README names each."""
    Path("mine.yaml").write_text(f"{HEAD}activations: [relu, {SEARCHED}]\nsearch: {{samples: 3}}\n")
    done = call("check", "mine.yaml", "--json")
    assert (done.exit_code, done.stderr, files().keys()) == (0, "", {"mine.yaml"})
    found = json.loads(done.stdout)
    assert tuple(found) == STUDY_KEYS
    assert tuple(found["phases"]) == ("search", "confirm")
    below = {key: found[key] for key in ("price", "submission", "same")}
    below |= {"phases": found["phases"]["search"], "activations": found["activations"][1]}
    assert {key: tuple(below[key]) for key in BELOW} == BELOW
    assert found["phases"]["search"] == {
        "trials": 3, "folds": 6, "epochs": 6, "repeats": [0], "folds_of_a_repeat": 2,
    }  # fmt: skip
    assert (found["tried"], found["goes_on"], found["folder"], found["problems"]) == (True, False, "runs/mine", [])
    assert found["activations"][1]["space"] == {"activation.alpha": "uniform 0.5 to 2"}
    assert found["price"]["basis"] == "assumed"
    assert found["price"]["device_s"] > 0
    assert (found["submission"]["profile"], found["submission"]["arrays"]) == ("local", [])
    for key in {*STUDY_KEYS, *SUITE_KEYS, *(name for names in BELOW.values() for name in names)}:
        assert f"`{key}`" in README, key


def test_a_suite_that_may_be_run_as_a_program_reads_it() -> None:
    Path("both.yaml").write_text(SUITE.replace("SECOND", "tiny_cnn"))
    found = json.loads(call("check", "both.yaml", "--json").stdout)
    assert tuple(found) == SUITE_KEYS
    assert {member: tuple(each) for member, each in found["studies"].items()} == dict.fromkeys(
        ("one", "two"), STUDY_KEYS
    )
    assert (found["folds"], found["studies"]["two"]["folder"]) == (8, "runs/both/two")
    assert call("check", "both.yaml").stdout.splitlines()[1:3] == [
        "question: Is ELU better?",
        "suite folder: runs/both",
    ]


def test_a_problem_has_the_path_of_its_key() -> None:
    Path("mine.yaml").write_text(FINE.replace("elu]", "{activation: elu, params: {alhpa: 1.0}}]"))
    (problem,) = json.loads(call("check", "mine.yaml", "--json").stdout)["problems"]
    assert (problem["file"], problem["line"], problem["key"]) == ("mine.yaml", 6, "activations[1].params.alhpa")
    Path("both.yaml").write_text(SUITE.replace("SECOND", "{name: mlpp}"))
    (problem, *_) = json.loads(call("check", "both.yaml", "--json").stdout)["problems"]
    assert (problem["file"], problem["line"], problem["key"]) == ("both.yaml", 5, None)
    assert problem["message"].startswith("two: model.name: ")


def test_asking_is_of_one_kind() -> None:
    """What stands in above takes the same and gives the same."""
    assert [*inspect.signature(ask).parameters] == [*inspect.signature(asking.ask).parameters]
