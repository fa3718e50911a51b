"""The shipped profiles of well-known kinds of sites, each at the fake sites that it is meant for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from slurm import profile as profiles
from slurm.errors import ProfileError
from slurm.pool import outfit
from slurm.profile import Profile, load, parse
from slurm.scheduler.cluster import render
from slurm.scheduler.rehearsal import Rehearsal, rehearse
from slurm.testing import FakeSlurm
from sweeps.cli.main import main
from sweeps.view import preview

MEANT = {
    "site-whole-node": {
        "whole-node": {"partition": "booster", "account": "hai-act"},
        "eight-gpus": {"partition": "dgx", "gpu_type": "a100", "ask_gpus_as": "gres", "gpus_per_node": 8},
    },
    "site-typed-gres": {
        "typed-gres": {"partition": "gpu", "account": "physics"},
        "obligatory": {"partition": "a100", "account": "b210ca"},
    },
    "site-no-accounting": {"no-accounting": {}},
    "site-memory-by-cpu": {"memory-by-cpu": {"partition": "gpu"}},
    "site-memory-by-gpu": {
        "memory-by-gpu": {"partition": "grace"},
        "per-task": {"partition": "batch", "ask_gpus_as": "gpus-per-task"},
    },
    "site-cpu-only": {"cpu-only": {}},
}
"""Site -> what of the profile its user fills in."""
Be = Callable[[str], FakeSlurm]


def tried(profile: Profile) -> Rehearsal:
    answer = rehearse(render(outfit.as_sent(profile), 2, name="say", folder=Path("jobs")).scripts)
    assert answer is not None
    return answer


@pytest.mark.parametrize(("name", "site"), [(name, site) for name, sites in MEANT.items() for site in sites])
def test_a_site_takes_the_profile_of_its_kind(name: str, site: str, be: Be) -> None:
    be(site)
    answer = tried(load(name).model_copy(update=MEANT[name][site]))
    assert not answer.refused, answer.words
    assert "to start at" in answer.words


def test_each_kind_is_shipped_shown_and_read() -> None:
    assert set(MEANT) == {name for name in profiles.names() if name.startswith("site-")}
    listed = CliRunner().invoke(main, ["profile", "list"]).output
    for name in MEANT:
        shown = CliRunner().invoke(main, ["profile", "show", name]).output
        assert parse(shown, source=f"{name}.yaml") == load(name)
        assert f"{name:20} {preview.headline(shown)}" in listed


@pytest.mark.parametrize(
    ("site", "text", "words"),
    [
        ("memory-by-cpu", "mem_gb: 8", "--mem is not used here: memory comes with the cores"),
        ("memory-by-gpu", "mem_per_cpu_gb: 1", "Memory comes with the GPUs"),
        ("typed-gres", "partition: gpu\naccount: physics", "Please say which GPU you want"),
        ("per-task", "ask_gpus_as: gres", "GPUs are asked for by --gpus-per-task on this system"),
        ("no-accounting", "ask_gpus_as: gpus", "Requested GRES option unsupported by configured SelectType plugin"),
        ("cpu-only", "gpus_per_pack: 1", "Invalid generic resource (gres) specification"),
        ("obligatory", "gpus_per_pack: 1", "ERROR: no project given"),
        ("whole-node", "account: hai-act\ngpus_per_pack: 5", "Requested node configuration is not available"),
        ("whole-node", "account: hai-act\ngpu_type: h100", "Requested node configuration is not available"),
        ("whole-node", "account: retired", "Invalid account or account/partition combination specified"),
        ("whole-node", "account: hai-act\ncpus_per_pack: 129", "Requested node configuration is not available"),
        ("whole-node", "account: hai-act\nmem_gb: 900", "Requested node configuration is not available"),
        ("tiny-limits", "time: 3:00:00", "Requested time limit is invalid"),
        ("mixed", "partition: gpu", "Invalid qos specification"),
        ("mixed", "partition: gpu\nqos: gpu-short\ntime: 9:00:00", "QOSMaxWallDurationPerJobLimit"),
        ("mixed", "partition: gpus", "Invalid partition name specified"),
        ("mixed", "partition: gpu\nqos: gpu-short\nconstraint: b200", "Invalid feature specification"),
        ("mixed", "partition: course\nqos: cpu", "Access denied to requested reservation"),
        ("mixed", "partition: course\nsbatch: {reservation: curse}", "Requested reservation is invalid"),
        ("mixed", "sbatch: {licenses: 'maple:1'}\ngpus_per_pack: 0", "Invalid license specification"),
        ("mixed", "gres: [nvme:1]\ngpus_per_pack: 0", "Invalid generic resource (gres) specification"),
        ("mixed", "exclude: [c001, 'c[100-101]']\ngpus_per_pack: 0", "Invalid node name specified"),
        ("mixed", "sbatch: {no-such: 1}", "unrecognized option '--no-such=1'"),
        ("no-accounting", "sbatch: {stepmgr: true}", "unrecognized option '--stepmgr'"),
    ],
)
def test_a_site_refuses_what_the_real_one_would(site: str, text: str, words: str, be: Be) -> None:
    be(site)
    head = "executor: slurm\n" + ("" if "time:" in text else "time: 60\n")
    answer = tried(parse(f"{head}{text}\n", source="lab.yaml"))
    assert answer.refused, answer.words
    assert words in answer.words


@pytest.mark.parametrize(
    "text",
    [
        "exclude: ['c[001-003]']",
        "sbatch: {nodelist: c004}",
        "sbatch: {exclusive: true}",
        "sbatch: {exclusive: user}",
        "sbatch: {comment: a b}",
        "sbatch: {begin: now+1hour}",
        "sbatch: {dependency: 'afterok:12'}",
        "sbatch: {nice: 10}",
        "sbatch: {licenses: 'matlab:1'}",
        "sbatch: {mail-type: FAIL, mail-user: me@example.org, wckey: x, hint: nomultithread}",
        "partition: course\ngpus_per_pack: 1\nsbatch: {reservation: course}",
        "partition: gpu\nqos: gpu-long\ngpus_per_pack: 1\ngpu_type: a40\ngres: [shard:2]",
        "partition: gpu\nqos: gpu-long\ngpus_per_pack: 1\nconstraint: a100|h100",
    ],
)
def test_what_profiles_may_say_besides_is_taken(text: str, be: Be) -> None:
    be("mixed")
    head = "executor: slurm\ntime: 60\n" + ("" if "gpus_per_pack" in text else "gpus_per_pack: 0\n")
    answer = tried(parse(f"{head}{text}\n", source="lab.yaml"))
    assert not answer.refused, answer.words


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nodelist: 'gpu1,gpu2'", 'nodelist: got "gpu1,gpu2"; accepts one node: packs run on one'),
        ("nodelist: 'gpu[1-2]'", "sbatch wants all that are listed; constraint or exclude do"),
        ("hold: true", "accepts no hold here; remove it: a job that is held never starts by itself"),
        ("quiet: true", "accepts no quiet here; remove it: sbatch would not say the id of its job"),
        ("cluster-constraint: x", "run actsweep on a login node of that cluster"),
        ("clusters: other", "run actsweep on a login node of that cluster"),
        ("ntasks-per-gpu: 2", "accepts no ntasks-per-gpu here; remove it: actsweep sets it"),
        ("cpus-per-gpu: 2", "give cpus_per_pack instead"),
        ("partit: gpu", 'got the name "partit"; accepts whole names; write partition'),
        ("gpus-per-n: 1", "write gpus-per-node"),
    ],
)
def test_what_no_site_takes_is_refused_with_what_to_do(text: str, message: str) -> None:
    with pytest.raises(ProfileError) as caught:
        parse(f"executor: slurm\ntime: 60\nsbatch: {{{text}}}\n", source="lab.yaml")
    assert message in str(caught.value)
