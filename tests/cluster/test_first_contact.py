"""The journey of ``slurm/README.md``, word by word, in a new shell on a real Slurm."""

from __future__ import annotations

import os
import re
import shutil
import site
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from slurm.dev.cluster import DevCluster
from slurm.profile import parse
from slurm.scheduler.cluster import render
from slurm.scheduler.rehearsal import rehearse

pytestmark = pytest.mark.cluster
ROOT = Path(__file__).parents[2]
README = ROOT / "slurm" / "README.md"
SECTION = "First contact with a cluster"
Site = Callable[[Path], None]


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """The disk that all machines of the site see, with this repository."""
    (tmp_path / "actsweep").symlink_to(ROOT)
    return tmp_path


@pytest.fixture
def shell(shared: Path, dev: DevCluster, console: ModuleType) -> Iterator[object]:
    """A login shell's environment and no more. What pip would download is what these tests run with."""
    (shared / "bin").mkdir()
    (shared / "bin" / "python3").symlink_to(Path(sys._base_executable).resolve())
    environment = {
        "HOME": str(shared),
        "LANG": "C.UTF-8",
        "PATH": f"{shared}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_NO_DEPS": "1",
        "PIP_NO_INDEX": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
        "SHARED": str(shared),
        "SLURM_CONF": str(dev.conf),
        "USER": os.environ.get("USER", "root"),
    }
    made = console.Shell(shared, environment)
    yield made
    made.close()
    print("\n".join(made.log))


def lend_packages(shared: Path) -> None:
    """What pip would download is there already: the packages that these tests run with, but not the product."""
    for packages in shared.glob("actsweep-env/lib/python3*/site-packages"):
        (packages / "lent.pth").write_text("\n".join(site.getsitepackages()) + "\n")


def pretended_gpus(shared: Path) -> None:
    """The site's GPUs are pretended and its nodes are one machine; and it may be asked more often than others."""
    profile = shared / "lab.yaml"
    text = re.sub(r"^(cpus_per_pack|mem_gb): [\d.]+", r"\1: 1", profile.read_text(), flags=re.M)
    profile.write_text(text.replace("poll_min_s: 15", "poll_min_s: 1\ndevice: cpu"))


def test_every_command_of_the_journey_does_what_it_says(
    shared: Path, shell: object, console: ModuleType, dev: DevCluster, slurm: Callable[..., str]
) -> None:
    def fill(shared: Path) -> None:
        """Another's job that holds all GPUs, once the jobs of the step before are over."""
        slurm("sbatch", "--job-name=filler", f"--nodes={len(dev.nodes)}", "--gpus-per-node=4", "--output=/dev/null",
              "--wrap=sleep 600")  # fmt: skip
        end = time.monotonic() + 120
        while slurm("squeue", "--noheader", "--name=filler", "--format=%T").split() != ["RUNNING"]:
            assert time.monotonic() < end, slurm("squeue")
            time.sleep(0.5)

    after: dict[str, Site] = {
        "$ python3 -m venv actsweep-env": lend_packages,
        "$ actsweep profile new lab.yaml --test": pretended_gpus,
    }
    before = {"A full queue": fill}
    met: set[str] = set()
    for block in console.blocks(README, SECTION):
        if block.language != "console" or block.place:
            continue
        if block.heading in before and block.heading not in met:
            before[block.heading](shared)
        met.add(block.heading)
        for command in block.commands():
            began = time.monotonic()
            status, output = shell.run(command.words)
            print(f"{time.monotonic() - began:.1f} s: {command.words.splitlines()[0]}")
            assert status == 0, f"$ {command.words}\n{output}"
            assert not (wrong := command.differs(output)), wrong
            if site_does := after.pop(f"$ {command.words}", None):
                site_does(shared)
    assert not after, "the journey has other words now"
    assert before.keys() <= met


def test_every_key_that_it_names_is_taken_by_the_profiles_reader_and_by_sbatch(
    dev: DevCluster, console: ModuleType, tmp_path: Path
) -> None:
    found = [block for block in console.blocks(README, SECTION) if block.language == "yaml"]
    assert found
    for block in found:
        base = "executor: slurm\ntime: 60\npartition: main\nmem_gb: 1\n"
        keys = set(re.findall(r"^(\w+):", block.text, re.M))
        lines = [line for line in base.splitlines() if line.partition(":")[0] not in keys]
        profile = parse("\n".join([*lines, block.text]), source=f"{block.heading}.yaml")
        if "elsewhere" in block.place or profile.executor != "slurm":
            continue
        answer = rehearse(render(profile, 2, name="say", folder=tmp_path).scripts)
        assert answer is not None
        assert not answer.refused, f"{block.heading}: {answer.words}"


def test_the_commands_for_other_machines_can_be_read_by_a_shell(console: ModuleType) -> None:
    elsewhere = [block for block in console.blocks(README, SECTION) if block.place == "elsewhere"]
    assert elsewhere
    bash = shutil.which("bash")
    assert bash is not None
    for block in elsewhere:
        for command in block.commands() if block.language == "console" else ():
            assert os.spawnl(os.P_WAIT, bash, "bash", "-n", "-c", command.words) == 0, command.words
