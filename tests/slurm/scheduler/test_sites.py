"""What sites want differently: memory, GPUs, nodes, containers, the shell before Python starts."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from slurm.errors import ProfileError
from slurm.profile import Profile, parse
from slurm.scheduler.cluster import render

HEAD = "executor: slurm\ntime: 60\npartition: gpu\npython: python3\n"


def read(text: str) -> Profile:
    return parse(HEAD + text, source="lab.yaml")


def script_of(profile: Profile, tmp_path: Path) -> str:
    return render(profile, 1, name="say", folder=tmp_path).scripts[0]


def options(text: str, tmp_path: Path) -> dict[str, str]:
    script = script_of(read(text), tmp_path)
    return {name: value for name, _, value in re.findall(r"^#SBATCH --([a-z-]+)(=?)(.*)$", script, flags=re.MULTILINE)}


@pytest.mark.parametrize(
    ("text", "asked", "gb"),
    [
        ("", {"mem": "8192M"}, 8.0),
        ("mem_gb: 4", {"mem": "4096M"}, 4.0),
        ("mem_gb: null", {}, None),
        ("mem_per_cpu_gb: 2\ncpus_per_pack: 3", {"mem-per-cpu": "2048M"}, 6.0),
        ("mem_per_gpu_gb: 40\ngpus_per_pack: 2", {"mem-per-gpu": "40960M"}, 80.0),
        ("mem_per_cpu_gb: 2\nmem_gb: null", {"mem-per-cpu": "2048M"}, 2.0),
    ],
)
def test_memory_is_asked_for_in_one_way(text: str, asked: dict[str, str], gb: float | None, tmp_path: Path) -> None:
    found = options(text, tmp_path)
    assert {name: value for name, value in found.items() if name.startswith("mem")} == asked
    assert read(text).memory_gb == gb


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("", {"gpus-per-node": "1"}),
        ("gpus_per_pack: 0", {}),
        ("gpu_type: a100\nask_gpus_as: gpus-per-task", {"gpus-per-task": "a100:1"}),
        ("gpus_per_pack: 2\nask_gpus_as: gpus", {"gpus": "2"}),
        ("gpu_type: v100\ngpus_per_pack: 2\nask_gpus_as: gres", {"gres": "gpu:v100:2"}),
        ("ask_gpus_as: gres\ngres: [lscratch:50]", {"gres": "gpu:1,lscratch:50"}),
        ("gres: [lscratch:50]", {"gpus-per-node": "1", "gres": "lscratch:50"}),
        ("gpus_per_pack: 0\ngres: [lscratch:50]", {"gres": "lscratch:50"}),
    ],
)
def test_gpus_are_asked_for_as_the_site_takes_them(text: str, asked: dict[str, str], tmp_path: Path) -> None:
    found = options(text, tmp_path)
    assert {name: value for name, value in found.items() if name.startswith("g")} == asked


def test_nodes_that_the_profile_excludes_are_so_beside_those_that_lost_jobs(tmp_path: Path) -> None:
    from slurm import executor

    profile = read("exclude: [gpu7, 'gpu[10-12]']")
    script = executor.script(profile, 1, name="say", folder=tmp_path, avoid=["gpu3"])
    assert "#SBATCH --exclude='gpu7,gpu[10-12],gpu3'\n" in script


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mem_gb: 4\nmem_per_cpu_gb: 2", "mem_per_cpu_gb: got mem_gb and mem_per_cpu_gb; accepts one of them"),
        ("gpus_per_pack: 0\nmem_per_gpu_gb: 2", "mem_per_gpu_gb: got 2.0; accepts nothing with gpus_per_pack: 0"),
        ("gres: [gpu:2]", 'gres: got "gpu:2"; accepts other resources than GPUs; give gpus_per_pack'),
        ("sbatch: {mem-per-cpu: 2G}", "accepts no mem-per-cpu here; give mem_per_cpu_gb instead"),
        ("sbatch: {clusters: other}", "accepts no clusters here; remove it and run actsweep on a login node of that"),
        ("sbatch: {wait: true}", "accepts no wait here; remove it: actsweep sets it"),
        ("container: {bind: [/data]}", "container: got neither apptainer nor image; accepts one"),
        ("container: {apptainer: a.sif, image: b}", "container: got both apptainer and image; accepts one"),
        ("ask_gpus_as: gpu", "ask_gpus_as: got"),
    ],
)
def test_what_no_site_takes_is_refused(text: str, message: str) -> None:
    with pytest.raises(ProfileError) as caught:
        read(text)
    assert message in str(caught.value)


def test_python_runs_in_a_container(tmp_path: Path) -> None:
    apptainer = read("container: {apptainer: env.sif, bind: [/scratch, '/lab:/data'], options: [--nv]}")
    script = script_of(apptainer, tmp_path)
    inside = "apptainer exec --nv --bind /scratch --bind /lab:/data env.sif python3 -P -u -m actsweep_start"
    assert f"--cpus-per-task=1 {inside} " in script
    pyxis = read("container: {image: 'nvcr.io#torch', bind: ['/lab:/data'], options: [--no-container-remap-root]}")
    wanted = (
        "--cpus-per-task=1 '--container-image=nvcr.io#torch' --container-mounts=/lab:/data "
        "--no-container-remap-root python3 -P"
    )
    assert wanted in script_of(pyxis, tmp_path)


def test_what_is_exported_reaches_the_step_where_a_site_exports_nothing(tmp_path: Path) -> None:
    script = script_of(read("sbatch: {export: NONE}\nenvironment: {MINE: x}"), tmp_path)
    assert "#SBATCH --export=NONE\n" in script
    assert script.index("export SLURM_EXPORT_ENV=ALL\n") < script.index("export MINE=x\n") < script.index("srun ")


def test_the_drivers_own_job_takes_its_own_options_only(tmp_path: Path) -> None:
    text = """sbatch: {exclusive: true, reservation: course, nodelist: gpu1}
gres: [lscratch:50]
exclude: [gpu7]
constraint: a100
mem_per_cpu_gb: 4
driver: {mem_gb: null, constraint: login, sbatch: {comment: driver}}
"""
    packs = options(text, tmp_path)
    assert packs["exclusive"] == ""
    assert packs["reservation"] == "course"
    driver = render(read(text).for_driver(), 1, name="say", folder=tmp_path).scripts[0]
    for word in ("exclusive", "reservation", "nodelist", "gres", "exclude", "a100", "--mem", "gpu"):
        assert word not in driver.replace("--partition=gpu", "")
    assert "#SBATCH --comment=driver\n" in driver
    assert "#SBATCH --constraint=login\n" in driver


@pytest.mark.parametrize(
    ("setup", "said"),
    [
        (["module load nothing-of-the-kind"], "setup of the profile failed with status 127: module load nothing-of"),
        (["echo first", "false", "echo never"], "setup of the profile failed with status 1: false"),
        (["if true; then", "  no_such_program", "fi"], "failed with status 127: no_such_program"),
        (["load() { return 3; }", "load"], "failed with status 3"),
    ],
)
def test_a_line_of_setup_that_fails_ends_the_job_with_its_words(setup: list[str], said: str, tmp_path: Path) -> None:
    profile = read("").model_copy(update={"setup": tuple(setup)})
    script = script_of(profile, tmp_path).replace("\nsrun ", "\necho reached srun ")
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert said in done.stderr.splitlines()[-1] or said in done.stderr
    assert "reached" not in done.stdout


def test_setup_that_only_asks_ends_nothing(tmp_path: Path) -> None:
    lines = ("test -d /no/such || true", "if false; then exit 1; fi", "! false")
    script = script_of(read("").model_copy(update={"setup": lines}), tmp_path)
    after = script.replace("\nsrun ", "\nfalse\necho reached srun ")
    done = subprocess.run(["bash", "-c", after], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "reached srun" in done.stdout
    assert "failed" not in done.stderr
