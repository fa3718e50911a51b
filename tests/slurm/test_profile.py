"""Profiles are read strictly, and what is wrong is said with file, line and the nearest legal name."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from slurm import profile
from slurm.errors import ProfileError
from slurm.profile import parse


@pytest.mark.parametrize("name", profile.names())
def test_every_profile_of_the_package_is_legal(name: str) -> None:
    assert profile.load(name).name == name


def test_the_packages_profiles_are_named() -> None:
    assert profile.names() == ["devcluster", "example-gpu", "local"]


def test_a_users_own_file_is_read_and_named_by_its_stem(tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text("executor: slurm\ntime_min: 30\nmem_gb: 4\nenvironment: {A: '1'}\nsetup: [module load x]\n")
    loaded = profile.load(path)
    assert (loaded.name, loaded.mem_gb, loaded.setup) == ("lab", 4.0, ("module load x",))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("executor: slurm\ntime_min: 10\ncpus_per_pak: 3\n", "line 3: cpus_per_pak .* did you mean cpus_per_pack?"),
        ("executor: slurm\nqqq: 3\n", "line 2: qqq .* known are "),
        ("executor: slurm\ntime_min: 9\nexecutor: local\n", "line 3: executor is given twice, first in line 1"),
        ("executor: slurm\ntime_min: abc\n", "line 2: time_min: .*integer, got 'abc'"),
        ("executor: slurm\ntime_min: '10'\n", "line 2: time_min"),
        ("executor: slurm\ntime_min: 9\npartitions:\n  - {name: a, shar: 2}\n", "line 4: .* did you mean share?"),
        (
            "executor: slurm\ntime_min: 9\npartitions:\n  - {name: a, share: 2}\n  - {name: b}\n",
            "every partition has a",
        ),
        ("executor: slurm\ntime_min: 9\npartitions: [{name: a}, {name: a}]\n", "named twice"),
        ("executor: slurm\ntime_min: 9\npartition: a\npartitions: [{name: a}]\n", "exclude each other"),
        ("executor: slurm\n", "time_min is missing"),
        ("executor: slurm\npartitions: [{name: a, time_min: 5}, {name: b}]\n", "time_min is missing"),
        ("executor: slurm\ntime_min: 1\nsignal_lead_s: 60\n", "told to stop as they start"),
        ("executor: slurm\ntime_min: 9\nsbatch: {gres: 'gpu:1'}\n", "gres is set by gpus_per_pack"),
        ("executor: slurm\ntime_min: 9\nsbatch: {output: x}\n", "output is set by actsweep itself"),
        ("executor: slurm\ntime_min: 9\nsbatch: {--mail: x}\n", "long name"),
        ("executor: local\npartition: gpu\n", "need executor: slurm"),
        ("executor: local\nmem_gb: -1\n", "line 2: mem_gb: .*greater than 0"),
        ("executor: local\npoll_min_s: 9\npoll_max_s: 3\n", "poll_max_s"),
        ("executor: local\nenvironment: {'a b': c}\n", "not a variable"),
        ("executor: pbs\n", "'local' or 'slurm'"),
        ("time_min: 3\n", "executor is missing"),
        ("- executor\n", "is a mapping"),
        ("a: [\n", "line 2"),
    ],
)
def test_what_is_wrong_is_said(text: str, words: str) -> None:
    with pytest.raises(ProfileError, match=words) as caught:
        profile.parse(text, source="lab.yaml")
    assert str(caught.value).startswith("lab.yaml")


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ProfileError) as caught:
        profile.parse("executor: slurm\ntime_min: 0\nmem_gb: x\nqoss: y\n", source="lab.yaml")
    assert len(str(caught.value).splitlines()) == 3


def test_an_unknown_profile_gets_the_nearest_names(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"named loca; near: local.*\./loca\.yaml"):
        profile.load("loca")
    with pytest.raises(ProfileError, match="No such file"):
        profile.load(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("text", "wish", "device"),
    [
        ("executor: slurm\ntime_min: 9\n", "auto", "cuda"),
        ("executor: slurm\ntime_min: 9\n", "cpu", "cpu"),
        ("executor: slurm\ntime_min: 9\ngpus_per_pack: 0\n", "auto", "auto"),
        ("executor: slurm\ntime_min: 9\ndevice: cpu\n", "auto", "cpu"),
        ("executor: slurm\ntime_min: 9\ndevice: auto\n", "auto", "auto"),
        ("executor: local\n", "auto", "auto"),
    ],
)
def test_a_pack_that_asked_slurm_for_a_gpu_does_not_fall_back_to_the_cpu(
    text: str, wish: Literal["auto", "cpu", "cuda"], device: str
) -> None:
    assert parse(text, source="x.yaml").device_for(wish) == device
