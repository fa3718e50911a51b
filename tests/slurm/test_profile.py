"""Profiles are read strictly, and what is wrong is said with file, line, what was got and what is accepted."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from slurm import profile
from slurm.errors import ProfileError
from slurm.profile import Executor, Profile, parse

BROKEN = sorted((Path(__file__).parent / "broken").glob("*.yaml"))


def read(text: str) -> Profile:
    return parse(text, source="lab.yaml")


@pytest.mark.parametrize("name", profile.names())
def test_every_profile_of_the_package_is_legal(name: str) -> None:
    assert profile.load(name).name == name


def test_the_packages_profiles_are_named() -> None:
    assert set(profile.names()) >= {"devcluster", "example-gpu", "local", "site-whole-node", "site-cpu-only"}


def test_a_users_own_file_is_read_and_named_by_its_stem(tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text("executor: slurm\ntime_min: 30\nmem_gb: 4\nenvironment: {A: '1'}\nsetup: [module load x]\n")
    loaded = profile.load(path)
    assert (loaded.name, loaded.mem_gb, loaded.setup) == ("lab", 4.0, ("module load x",))


# What is refused.


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_a_broken_file_gets_its_message(path: Path) -> None:
    with pytest.raises(ProfileError) as caught:
        parse(path.read_text(), source=path.name)
    assert str(caught.value) + "\n" == path.with_suffix(".txt").read_text()


def test_each_broken_file_has_its_message() -> None:
    assert len(BROKEN) >= 12
    files = sorted(path.name for path in BROKEN[0].parent.iterdir())
    assert files == sorted(name for path in BROKEN for name in (path.name, path.with_suffix(".txt").name))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lab.yaml:1: got null; accepts a mapping with the keys of a profile"),
        ("executor: slurm", "lab.yaml:1: time: is missing; accepts the time limit of one job"),
        ("executor: slurm\ntime: null", "lab.yaml:2: time: is missing"),
        ("executor: slurm\ntime: true", "lab.yaml:2: time: got true; accepts a minute or more"),
        (
            "executor: slurm\ntime: 2\nsignal_lead_s: 120",
            "lab.yaml:2: time: got 2 min; accepts more than signal_lead_s",
        ),
        ("executor: local\nexecutor: local", "lab.yaml:2: executor: got the key twice (first on line 1)"),
        ("executor: local\nmem_gb: .inf", "lab.yaml:2: mem_gb: got .inf; accepts finite numbers"),
        ("executor: local\nenvironment: [a]", "lab.yaml:2: environment: got"),
        ("executor: local\nsbatch: [a]", "lab.yaml:2: sbatch: got"),
        ("executor: local\npoll_max_s: 1", "lab.yaml:2: poll_max_s: got 1; accepts at least poll_min_s, 5"),
    ],
)
def test_what_is_refused_says_why(text: str, message: str) -> None:
    with pytest.raises(ProfileError) as caught:
        read(text)
    assert message in str(caught.value)


def test_rules_between_keys_are_not_asked_where_a_key_is_wrong_by_itself() -> None:
    with pytest.raises(ProfileError) as caught:
        read("executor: slurm\npartitions: [{name: a, time: 1x}]\n")
    assert [line.split(": ")[1] for line in str(caught.value).splitlines()] == ["partitions[0].time"]


def test_values_given_by_a_program_keep_the_same_rules() -> None:
    with pytest.raises(ValueError, match="is missing"):
        Profile(name="x", executor=Executor.SLURM)


def test_an_unknown_profile_gets_the_nearest_names(tmp_path: Path) -> None:
    with pytest.raises(ProfileError) as caught:
        profile.load("loca")
    assert str(caught.value) == (
        f"loca: no such cluster profile; accepts {', '.join(profile.names())}, or the path of your own, as "
        "./loca.yaml; did you mean local?"
    )
    (tmp_path / "lab.yaml").touch()
    with pytest.raises(ProfileError, match=r"/lap\.yaml: no such file; .*; did you mean lab\.yaml\?"):
        profile.load(tmp_path / "lap.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"account: \xe9t\xe9\n")
    with pytest.raises(ProfileError, match="UTF-8"):
        profile.load(tmp_path / "latin.yaml")


# What is read.


def test_words_and_numbers_are_what_people_mean() -> None:
    found = read("executor: slurm\ntime: 90\nmem_gb: 010\naccount: no\nqos: on\ncpus_per_pack: 08\n")
    assert (found.mem_gb, found.account, found.qos, found.cpus_per_pack) == (10.0, "no", "on", 8)


@pytest.mark.parametrize(
    ("given", "limit"),
    [
        ("time_min: 90", 90),
        ("time: 90", 90),
        ("time: '90'", 90),
        ("time: 090", 90),
        ("time: 90:30", 91),
        ("time: 1:00:00", 60),
        ("time: 2-12", 3600),
        ("time: 2-12:30", 3630),
        ("time: 2-12:00:01", 3601),
    ],
)
def test_a_time_limit_is_given_in_minutes_or_as_slurm_writes_it(given: str, limit: int) -> None:
    assert read(f"executor: slurm\n{given}\n").limit_min == limit
    assert read(f"executor: slurm\npartitions: [{{name: a, {given}}}]\n").partitions[0].limit_min == limit
    driver = read(f"executor: slurm\ntime: 5\ndriver: {{{given}}}\n")
    assert (driver.limit_min, driver.driver.limit_min, driver.for_driver().limit_min) == (5, limit, limit)


def test_without_a_limit_of_its_own_the_drivers_job_has_a_day() -> None:
    found = read("executor: slurm\ntime: 1:00:00\n")
    assert (found.driver.limit_min, found.for_driver().limit_min) == (1440, 1440)


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
    assert read(text).device_for(wish) == device
