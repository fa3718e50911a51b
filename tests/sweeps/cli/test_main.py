"""The command line as a user meets it: help, exit codes, and what is left on disk."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import ray.tune  # noqa: F401  # it leaves its own hooks: here, not in the test that first needs it
from click.testing import CliRunner

from analysis.runs.plan import Sameness
from sweeps.cli.main import main
from sweeps.driver.preflight import Checked

HELP = Path(__file__).parent / "help"
COMMANDS = ("", "new", "check", "probe", "plan", "studies", "data", "schema", "run", "resume", "extend", "tick",
            "status", "logs", "stop", "sync", "ui", "compare", "report", "register", "doctor", "profile",
            "cluster", "store", "completion")  # fmt: skip
TINY = """
name: tiny
data: {name: wine}
model: {name: mlp}
training: {epochs: 3, patience: null}
folds: {folds: 2}
activations: [relu, elu]
"""


def call(*words: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command in this process: what a process of its own adds, ``tests/start`` and the smoke study try."""
    with contextlib.chdir(folder or Path.cwd()):
        done = CliRunner(catch_exceptions=False).invoke(main, words, prog_name="actsweep")
    return subprocess.CompletedProcess(words, done.exit_code, done.stdout, done.stderr)


def process(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own."""
    command = [sys.executable, "-P", "-m", "sweeps.cli", *words]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL
    )  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_it_said(command: str) -> None:
    """To accept a change: run with the file deleted, and read what was written before committing it."""
    shown = CliRunner().invoke(
        main, [*([command] if command else []), "--help"], prog_name="actsweep", terminal_width=100
    )
    assert shown.exit_code == 0
    snapshot = HELP / f"{command or 'actsweep'}.txt"
    if not snapshot.exists():
        snapshot.parent.mkdir(exist_ok=True)
        snapshot.write_text(shown.output)
        pytest.fail(f"{snapshot.name} was missing and has been written: read it")
    assert shown.output == snapshot.read_text()


def test_every_command_has_a_snapshot() -> None:
    assert set(main.commands) == {command for command in COMMANDS if command}


def test_a_wrong_study_is_refused_with_code_2_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("name: wrong\ndata: {name: digitz}\nactivations: [relu, dsrelu]\n")
    done = call("run", "wrong.yaml", folder=tmp_path)
    assert done.returncode == 2
    assert "wrong.yaml:2" in done.stderr
    assert "digits" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["wrong.yaml"]


@pytest.mark.slow
def test_folds_that_the_data_cannot_give_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "many.yaml").write_text(
        "name: many\ndata: {name: digits}\nfolds: {folds: 500}\nactivations: [relu, dsrelu]\n"
    )
    done = call("run", "many.yaml", folder=tmp_path)
    assert done.returncode == 2
    assert "500" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["many.yaml"]


@pytest.fixture(scope="module")
def checked() -> str:
    """What ``check smoke`` says."""
    done = call("check", "smoke")
    assert done.returncode == 0
    return done.stdout


def test_check_says_what_is_tried_before_a_run_and_how_long_it_takes(checked: str) -> None:
    assert re.search(r"^tried, as before a run: \d+ settings with one training step on real items$", checked, re.M)
    tried = r"^before a run: \d+ settings tried with one training step on real items; about \d+ s for"
    assert re.search(tried, call("check", "smoke", "--quick").stdout, re.M)


def test_check_says_where_activations_stand(tmp_path: Path) -> None:
    assert "\nresnet18: 9 places, 17 applications of relu\n" in call("check", "cifar100-cpu", "--quick").stdout
    text = "name: mine\ndata: {name: digits}\nmodel: {name: MODEL, keep: [hardswish]}\nactivations: [relu, elu]\n"
    (tmp_path / "mine.yaml").write_text(text.replace("MODEL", "torchvision.mobilenet_v3_small"))
    said = call("check", "mine.yaml", "--quick", folder=tmp_path).stdout
    assert "torchvision.mobilenet_v3_small: 14 places, 14 applications of relu; left as it is: 19 places, 19" in said
    (tmp_path / "mine.yaml").write_text(text.replace("MODEL", "torchvision.mobilenetv3_small"))
    done = call("check", "mine.yaml", "--quick", folder=tmp_path)
    assert done.returncode == 2
    assert "torchvision has no such network; did you mean torchvision.mobilenet_v3_small" in done.stderr


def test_a_module_that_is_not_installed_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "name: mine\ndata: {name: digits}\nactivations: [relu, {activation: 'no_lab.act:MyAct', label: mine}]\n"
    )
    done = call("run", "mine.yaml", folder=tmp_path)
    assert done.returncode == 2
    assert "there is no module no_lab.act here" in done.stderr


@pytest.mark.parametrize(
    ("activation", "said"),
    [
        ("activation: 'torch.nn:ELU', params: {alhpa: 1.0}", "unknown option 'alhpa', accepts alpha, inplace; did you"),
        ("activation: 'torch.nn:Hardtanh', space: {min_vall: {uniform: [-2, -1]}}", "did you mean 'min_val'?"),
        ("activation: 'torch.nn.functional:relu'", "got a function of input; accepts a torch.nn.Module class"),
    ],
)
def test_check_tries_what_is_named_by_import_path(activation: str, said: str, tmp_path: Path) -> None:
    search = "search: {samples: 2}\n" if "space" in activation else ""
    text = f"name: mine\ndata: {{name: digits}}\nactivations: [relu, {{{activation}, label: mine}}]\n{search}"
    (tmp_path / "mine.yaml").write_text(text)
    done = call("check", "mine.yaml", "--quick", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["resume", "status", "stop", "sync", "ui", "tick"])
def test_a_folder_without_a_study_is_refused_by_name(command: str, tmp_path: Path) -> None:
    done = call(command, str(tmp_path))
    assert done.returncode == 2
    assert f"{tmp_path}: not a study folder" in done.stderr
    assert not list(tmp_path.iterdir())


def test_an_unknown_study_is_answered_with_those_there_are(tmp_path: Path) -> None:
    done = call("run", "smok", folder=tmp_path)
    assert done.returncode == 2
    assert "smoke" in done.stderr


def test_a_shipped_study_is_shown_by_its_name_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("name: mine\ndata: {name: digits}\nactivations: [relu, dsrelu]\n")
    done = call("studies", "show", "mine.yaml", folder=tmp_path)
    assert done.returncode == 2
    assert "mine.yaml: not one of the shipped studies; `actsweep studies` lists them" in done.stderr
    assert "did you mean smoke?" in call("studies", "show", "smok").stderr


def test_a_folder_of_its_name_hides_no_shipped_study(tmp_path: Path) -> None:
    (tmp_path / "smoke").mkdir()
    assert "name: smoke" in call("check", "smoke", "--resolved", folder=tmp_path).stdout
    (tmp_path / "smoke" / "study.yaml").write_text("name: smoke\n")
    done = call("run", "./smoke", folder=tmp_path)
    assert done.returncode == 2
    assert "a study's folder, not its file; go on with it by `actsweep resume smoke`" in done.stderr


def test_a_driver_cannot_be_detached_on_this_machine_and_nothing_is_written(tmp_path: Path) -> None:
    done = call("run", "smoke", "--detach", folder=tmp_path)
    assert done.returncode == 2
    assert "smoke: --detach needs a profile with executor: slurm, local has local; give --cluster" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("number", "remedy"),
    [(errno.ENOSPC, "go on with `actsweep resume DIR`"), (errno.EACCES, "choose a folder that you may write")],
)
def test_what_the_machine_refuses_is_told_without_a_traceback(
    number: int, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def refused(self: Path, target: Path) -> Path:
        if target.name == "study.yaml":
            raise OSError(number, os.strerror(number), str(target))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refused)
    monkeypatch.setattr("sweeps.driver.preflight.check", lambda study: Checked([], "", Sameness()))
    done = CliRunner().invoke(main, ["run", "smoke", "--folder", str(tmp_path)])
    assert done.exit_code == 1
    assert f"{tmp_path / 'study.yaml'}: {os.strerror(number)}" in done.stderr
    assert remedy in done.stderr


def test_check_shows_plan_price_and_packs(checked: str) -> None:
    assert "confirm: 3 trials x 3 folds of repeat 1 = 9 folds" in checked
    assert "price:" in checked
    assert "cluster: profile local: 7 packs" in checked


@pytest.mark.parametrize("options", [["--cluster", "lab.yaml"], ["--cluster", "lab.yaml", "--resolved"], []])
def test_check_refuses_a_wrong_profile_before_it_prints_anything(options: list[str], tmp_path: Path) -> None:
    (tmp_path / "lab.yaml").write_text("executor: slurm\ntime_min: 1:00:00\nqoss: long\n")
    profile = "local" if options else "lab.yaml"
    study = f"name: mine\ndata: {{name: digits}}\nactivations: [relu, dsrelu]\ncluster: {{profile: {profile}}}\n"
    (tmp_path / "mine.yaml").write_text(study)
    done = call("check", "mine.yaml", *options, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    first, second = done.stderr.splitlines()
    assert 'lab.yaml:2: time_min: got "1:00:00"; accepts a whole number of minutes; did you mean time: 1' in first
    assert "lab.yaml:3: qoss: unknown key" in second


def test_a_price_is_not_estimated_from_a_folder_that_is_no_study(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["check", "smoke", "--quick", "--measured", str(tmp_path)])
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"{tmp_path}: not a study folder" in done.stderr


def test_a_resolved_study_is_the_same_study(checked: str, tmp_path: Path) -> None:
    (tmp_path / "resolved.yaml").write_text(call("check", "smoke", "--resolved").stdout)
    assert call("check", "resolved.yaml", "--quick", folder=tmp_path).stdout.splitlines()[0] == checked.splitlines()[0]


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("smoke")
    return folder / "runs" / "smoke", process("run", "smoke", folder=folder)


@pytest.mark.slow
def test_the_smoke_study_ends_in_a_report(smoke: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    path, done = smoke
    assert done.returncode == 0, done.stderr
    assert f"report: {path / 'report' / 'report.html'}" in done.stdout
    assert "MLflow: actsweep ui runs/smoke" in done.stdout
    assert "driver:" in done.stdout
    page = (path / "report" / "report.html").read_text()
    assert all(label in page for label in ("relu", "dsrelu", "lelu"))


@pytest.mark.slow
def test_running_it_again_trains_nothing_and_reports_again(
    smoke: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    path, _ = smoke
    before = (path / "ledger.jsonl").read_bytes()
    done = call("run", "smoke", folder=path.parent.parent)
    assert done.returncode == 0, done.stderr
    assert "goes on where it ended" in done.stdout
    assert (path / "ledger.jsonl").read_bytes() == before


@pytest.mark.slow
def test_a_finished_study_has_nothing_to_stop(smoke: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    path, _ = smoke
    before = (path / "ledger.jsonl").read_bytes()
    assert f"nothing to stop: the study in {path} is finished" in call("stop", str(path)).stdout
    assert (path / "ledger.jsonl").read_bytes() == before


@pytest.mark.slow
def test_a_study_tracked_elsewhere_is_reported_and_an_activation_that_fails_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text(
        "from torch import nn\n\n\nclass Breaks(nn.Module):\n    def forward(self, x):\n"
        "        if len(x) > 64:\n            raise RuntimeError('my own mistake')\n        return x\n"
    )
    (tmp_path / "mine.yaml").write_text(
        "name: mine\ndata: {name: digits}\nmodel: tiny_cnn\ntraining: {epochs: 1, batch: 256}\nfolds: {folds: 2}\n"
        "activations: [relu, {activation: 'mine:Breaks', label: breaks}]\ntracking: {uri: 'sqlite:///all.db'}\n"
        "cluster: {on_drift: warn}\n"
    )
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))

    def actsweep(*words: str) -> subprocess.CompletedProcess[str]:
        return process(*words, folder=tmp_path / "elsewhere")

    def here(*words: str) -> subprocess.CompletedProcess[str]:
        return call(*words, folder=tmp_path / "elsewhere")

    done = actsweep("run", str(tmp_path / "mine.yaml"), "--folder", "runs/mine")
    assert done.returncode == 3, done.stderr
    assert "given up: breaks-c000/fold-0-0, breaks-c000/fold-0-1: failed: RuntimeError: my own mistake" in done.stderr
    assert "`actsweep logs runs/mine breaks-c000 fold-0-0`" in done.stderr
    assert (tmp_path / "all.db").is_file()
    assert (tmp_path / "elsewhere" / "runs" / "mine" / "report" / "report.html").is_file()
    assert "`actsweep resume runs/mine --retry-failed`" in done.stderr
    assert "`actsweep resume runs/mine --retry-failed`" in here("status", "runs/mine").stdout
    mine = tmp_path / "mine.py"
    mine.write_text(mine.read_text().replace("len(x) > 64", "False"))
    assert here("resume", "runs/mine").returncode == 3  # without the word, nothing is tried again
    fixed = actsweep("resume", "runs/mine", "--retry-failed")
    assert fixed.returncode == 0, fixed.stderr
    assert "trying 2 folds again: breaks-c000/fold-0-0, breaks-c000/fold-0-1" in fixed.stdout
    assert "MLflow has 2 trials and 4 folds" in here("sync", "runs/mine").stdout
    assert "no fold to try again" in here("resume", "runs/mine", "--retry-failed").stdout


@pytest.mark.slow
def test_status_and_logs_speak_of_a_finished_study(smoke: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    path, _ = smoke
    status = json.loads(call("status", str(path), "--json").stdout)
    assert status["finished"]
    assert not status["driver_alive"]
    logs = call("logs", str(path), "relu-c000", "1-2").stdout
    assert "relu-c000/fold-1-2: finished after 3 epochs (all epochs)" in logs
    assert "Job completed successfully" in logs


@pytest.mark.slow
def test_another_version_of_a_study_does_not_mix_with_the_first(
    smoke: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    path, _ = smoke
    changed = call("check", "smoke", "--resolved").stdout.replace("seed: 7", "seed: 8")
    (tmp_path / "changed.yaml").write_text(changed)
    done = call("run", "changed.yaml", "--folder", str(path), folder=tmp_path)
    assert done.returncode == 2
    assert "holds another version of study 'smoke'" in done.stderr


@pytest.mark.slow
def test_ctrl_c_leaves_the_jobs_and_resume_goes_on(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY)
    command = [sys.executable, "-P", "-m", "sweeps.cli", "run", "tiny.yaml"]
    child = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             stdin=subprocess.DEVNULL)  # fmt: skip
    ledger = tmp_path / "runs" / "tiny" / "ledger.jsonl"
    deadline = time.monotonic() + 120
    while not ledger.exists() or '"submitted"' not in ledger.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "go on with `actsweep resume runs/tiny`" in errors.lower()
    done = call("resume", "runs/tiny", folder=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_doctor_finds_this_machine_well() -> None:
    done = call("doctor")
    assert done.returncode == 0, done.stdout
    assert "good   torch" in done.stdout


@pytest.mark.slow
def test_a_study_file_changed_behind_its_declaration_is_not_reported(
    smoke: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    path, _ = smoke
    file = path / "study.yaml"
    kept = file.read_text()
    file.write_text(kept.replace("alpha: 0.05", "alpha: 0.5"))
    try:
        done = call("report", str(path))
    finally:
        file.write_text(kept)
    assert done.returncode == 2
    assert "was changed after its study was declared" in done.stderr
