"""What `profile new` makes of sites that say little, of names that are not there, and of refusals in turn."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from slurm import profile as profiles
from slurm.errors import ClusterError
from slurm.jobs import Costs
from slurm.profile import load
from slurm.scheduler.commands import Scheduler
from slurm.scheduler.rehearsal import Rehearsal
from slurm.site import asking, facts, profile_text, try_out
from slurm.site.asking import Way
from slurm.testing import FakeSlurm
from sweeps.cli.main import main

Be = Callable[[str], FakeSlurm]


def new(*words: str) -> Result:
    return CliRunner().invoke(main, ["profile", "new", "lab.yaml", *words])


def test_a_site_that_hides_its_configuration(be: Be) -> None:
    be("cpu-only").refuse("scontrol", "scontrol: error: Access/permission denied", times=2)
    done = new()
    assert done.exit_code == 0, done.output
    made = load("lab.yaml")
    assert (made.partition, made.gpus_per_pack, made.device, made.max_array_size) == ("short", 0, "cpu", None)
    assert made.mem_gb == pytest.approx(0.9 * 190000 / 1024 / 40, abs=0.1)
    assert (
        "# Not learnt: the site's configuration (scontrol: error: Access/permission denied)"
        in Path("lab.yaml").read_text()
    )
    assert "not learnt: rules of partitions (scontrol: error: Access/permission denied)" in done.output


def test_a_site_whose_sbatch_cannot_answer_now_gets_the_first_way(be: Be) -> None:
    site = be("typed-gres")
    site.refuse("sbatch", "sbatch: error: Unable to contact slurm controller (connect failure)", times=9)
    done = new()
    assert "sbatch --test-only: Unable to contact slurm controller" in done.output
    assert len(site.calls("sbatch")) == 1


def test_partition_and_account_are_chosen_by_name_or_refused_with_the_nearest(be: Be) -> None:
    be("typed-gres")
    assert "cpus: no such partition here; accepts cpu, gpu; did you mean cpu" in new("--partition", "cpus").output
    wrong = new("--account", "physic")
    assert wrong.exit_code != 0
    assert "physic: no account of yours for partition gpu; accepts physics; did you mean physics" in wrong.output
    assert not Path("lab.yaml").exists()
    assert new("--partition", "cpu", "--account", "bio").exit_code == 0
    made = load("lab.yaml")
    assert (made.partition, made.account, made.gpus_per_pack) == ("cpu", "bio", 0)


def test_a_partition_that_is_closed_can_be_named_and_says_so(be: Be) -> None:
    be("mixed")
    assert new("--partition", "h200").exit_code == 0
    assert (
        "partition: h200                 # 40 nodes of up to 8 h200; it has no node that is not down"
        in Path("lab.yaml").read_text()
    )


def test_where_no_partition_is_open_each_says_why(be: Be) -> None:
    be("mixed")
    site = facts.ask(Scheduler(Costs()))
    closed = facts.replace(site, partitions=tuple(each for each in site.partitions if each.closed))
    with pytest.raises(
        ClusterError, match=r"takes jobs of yours now \(h200 has no node .*; course needs a reservation"
    ):
        profile_text.choose(closed, None)


def test_without_a_slurm_it_says_where_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ClusterError, match="run this on a login node"):
        facts.ask(Scheduler(Costs()))


@pytest.mark.parametrize(
    ("rules", "taken"),
    [
        ([(r"^mem_gb", "no memory here"), (r"gpus-per-node|gpus-per-task", "say your GPUs by gres")], "none gres a100"),
        (
            [(r"gpus-per-node", "GPU?"), (r"^(none|mem_gb)", "memory by core"), (r"gres", "GPU!")],
            "mem_per_cpu_gb gpus-per-task a100",
        ),
        ([(r"a100$", "do not name a GPU")], "mem_gb gpus-per-node None"),
        ([(r".", "never")], "mem_gb gpus-per-node a100"),
    ],
)
def test_rules_of_a_site_are_met_one_after_another(rules: list[tuple[str, str]], taken: str, be: Be) -> None:
    be("whole-node")
    site = facts.ask(Scheduler(Costs()))
    partition = profile_text.choose(site, None)
    asked: list[str] = []

    def ask(way: Way) -> Rehearsal:
        shown = f"{way.memory} {way.gpus_as} {way.gpu_type}"
        asked.append(f"{shown} {way.account} {way.qos}")
        words = next((words for pattern, words in rules if re.search(pattern, shown)), None)
        return Rehearsal(words=words or "Job 1 to start at", refused=words is not None)

    way, answer = asking.fit(site, partition, asking.first(site, partition), ask)
    assert f"{way.memory} {way.gpus_as} {way.gpu_type}" == taken
    assert answer is not None
    assert answer.refused == (rules[0][1] == "never")
    assert len(asked) == len(set(asked)) <= asking.TRIES_AT_MOST


def test_whole_nodes_without_gpus_take_as_many_packs_as_fit(be: Be) -> None:
    be("whole-node")
    done = new("--partition", "dc-cpu")
    assert "sbatch --test-only: Job" in done.output
    made = load("lab.yaml")
    assert (made.jobs, made.gpus_per_pack, made.cpus_per_node) == ("node", 0, 128)


def test_a_scheduler_that_knows_whole_nodes_only_gives_them(be: Be) -> None:
    site = be("no-accounting")
    with site.state() as state:
        text = state["site"]["config_text"].replace("select/cons_res", "select/linear")
        state["site"] |= {"config_text": text, "config": {**state["site"]["config"], "SelectType": "select/linear"}}
    assert "sbatch --test-only: Job" in new().output
    made = load("lab.yaml")
    assert (made.jobs, made.gpus_per_node, made.ask_gpus_as) == ("node", 4, "gres")


def test_a_job_whose_setup_fails_says_so(be: Be) -> None:
    site = be("no-accounting")
    profile = profiles.parse(
        "executor: slurm\ntime: 60\ngpus_per_pack: 0\nsetup: ['false']\npoll_min_s: 0.05\n", source="a.yaml"
    )
    with pytest.raises(ClusterError, match=r"job 100 failed: .*setup of the profile failed with status 1: false"):
        try_out.try_out(profile, Path("tried"), say=lambda words: [site.run(job) for job in site.waiting()])


def test_an_account_that_a_person_named_is_not_changed(be: Be) -> None:
    be("whole-node")
    site = facts.ask(Scheduler(Costs()))
    partition = profile_text.choose(site, None)
    for account, tried in ((None, {"hai-act", "hai-two"}), ("hai-two", {"hai-two"})):
        asked = set()

        def ask(way: Way, asked: set[str | None] = asked) -> Rehearsal:
            asked.add(way.account)
            return Rehearsal(words="Invalid account or account/partition combination specified", refused=True)

        way, _ = asking.fit(site, partition, asking.first(site, partition, account), ask)
        assert asked == tried
        assert way.account == (account or "hai-act")
