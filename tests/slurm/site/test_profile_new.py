"""A profile from what a site says of itself: sites that differ, in the words of their own commands."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from slurm.errors import ClusterError
from slurm.jobs import Costs
from slurm.profile import Profile, parse
from slurm.scheduler.commands import Scheduler
from slurm.site import facts, profile_text
from slurm.testing import FakeSlurm


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a site's commands print."""

    sinfo: str
    config: str = ""
    partitions: str = ""
    associations: str = ""


TYPED = Told(  # typed GPUs, memory shared out, accounts with limits; Slurm 23.11
    sinfo="""batch*|up|2-00:00:00|40|64|256000|(null)|skylake
gpu|up|1-00:00:00|10|32|191000|gpu:v100:4(S:0-1)|v100
gpu|up|1-00:00:00|6|64|515000|gpu:a100:4(S:0-1),lscratch:900|a100,nvme""",
    config="""ClusterName             = alpha
MaxArraySize            = 4001
SelectType              = select/cons_tres
SelectTypeParameters    = CR_CORE_MEMORY
AccountingStorageType   = accounting_storage/slurmdbd
SLURM_VERSION           = 23.11.4""",
    partitions="""PartitionName=batch AllowAccounts=ALL Default=YES MaxTime=2-00:00:00 OverSubscribe=NO State=UP
PartitionName=gpu AllowAccounts=physics,ml AllowQos=ALL Default=NO MaxTime=1-00:00:00 OverSubscribe=NO State=UP""",
    associations="physics||normal,long|normal|20|200\nbio||normal|normal||",
)
WHOLE = Told(  # whole nodes of eight, no accounting; Slurm 22.05
    sinfo="booster*|up|1-00:00:00|100|96|1031000|gpu:8|(null)",
    config="""ClusterName             = beta
SelectTypeParameters    = CR_CORE
AccountingStorageType   = accounting_storage/none
SLURM_VERSION           = 22.05.8""",
    partitions="PartitionName=booster AllowAccounts=ALL Default=YES MaxTime=UNLIMITED OverSubscribe=EXCLUSIVE State=UP",
)
BY_CPU = Told(  # memory by the core, GPUs by gres alone; Slurm 20.11
    sinfo="normal*|up|12:00:00|20|48|192000|(null)|(null)\ngpu|up|12:00:00|4|20|96000|gpu:tesla:2|(null)",
    config="""ClusterName             = gamma
DefMemPerCPU            = 3900
SelectType              = select/cons_res
SelectTypeParameters    = CR_CORE_MEMORY
AccountingStorageType   = accounting_storage/slurmdbd
SLURM_VERSION           = 20.11.9""",
    partitions="""PartitionName=normal AllowAccounts=ALL Default=YES MaxTime=12:00:00 OverSubscribe=NO State=UP
PartitionName=gpu AllowAccounts=ALL Default=NO MaxTime=12:00:00 OverSubscribe=NO State=UP DefMemPerCPU=4000""",
    associations="lab||normal|normal||",
)
SILENT = Told(sinfo="cpu*|up|infinite|12|16+|64000+|(null)|(null)\ndead|down|infinite|4|16|64000|gpu:1|(null)")


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    slurm = FakeSlurm(tmp_path / "slurm")
    monkeypatch.setenv("PATH", f"{slurm.install()}:{os.environ['PATH']}")
    return slurm


def read(fake: FakeSlurm, told: Told, partition: str | None = None) -> tuple[str, Profile]:
    fake.tell("sinfo", "", told.sinfo)
    if told.config:
        fake.tell("scontrol", "show config", told.config)
    if told.partitions:
        fake.tell("scontrol", "show partition", told.partitions)
    if told.associations:
        fake.tell("sacctmgr", "", told.associations)
    site = facts.ask(Scheduler(Costs()))
    text = profile_text.write(site, profile_text.choose(site, partition))
    return text, parse(text, source="new.yaml")


def test_typed_gpus_and_an_account_that_may_use_them(fake: FakeSlurm) -> None:
    text, made = read(fake, TYPED)
    assert (made.partition, made.account, made.qos) == ("gpu", "physics", "normal")
    assert (made.gpus_per_pack, made.gpu_type) == (1, None)
    assert "name one of a100, v100" in text
    assert (made.cpus_per_pack, made.mem_gb) == (8, 32.0)
    assert (made.limit_min, made.max_array_size, made.max_submit) == (1440, 4001, 200)
    assert "your account runs at most 20 jobs at a time" in text
    assert [len(fake.calls(command)) for command in ("sinfo", "scontrol", "sacctmgr")] == [1, 2, 1]


def test_whole_nodes_without_accounting(fake: FakeSlurm) -> None:
    text, made = read(fake, WHOLE)
    assert (made.partition, made.account, made.accounting) == ("booster", None, False)
    assert made.gpu_type is None
    assert "gives whole nodes: a job of one GPU pays for 8" in text
    assert "the site does not share out memory" in text
    assert "# Not learnt: accounts and their limits (the site keeps no accounting)" in text
    assert fake.calls("sacctmgr") == []


def test_memory_by_the_core_and_gpus_by_gres(fake: FakeSlurm) -> None:
    _, made = read(fake, BY_CPU)
    assert (made.partition, made.gpu_type, made.ask_gpus_as) == ("gpu", "tesla", "gres")
    assert made.mem_gb is None
    assert made.mem_per_cpu_gb == pytest.approx(4000 / 1024, abs=0.01)
    assert made.limit_min == 720


def test_a_site_that_says_little_and_has_no_gpus(fake: FakeSlurm) -> None:
    fake.refuse("scontrol", "scontrol: error: Access/permission denied", times=2)
    text, made = read(fake, SILENT)
    assert (made.partition, made.gpus_per_pack, made.device) == ("cpu", 0, "cpu")
    assert made.mem_gb == pytest.approx(0.9 * 64000 / 1024 / 16, abs=0.1)
    assert "# Not learnt: the site's configuration (scontrol: error: Access/permission denied)" in text
    assert "# Not learnt: accounts and their limits (this site does not say)" in text


def test_a_partition_is_chosen_by_name_or_refused_with_the_nearest(fake: FakeSlurm) -> None:
    _, made = read(fake, TYPED, "batch")
    assert (made.partition, made.gpus_per_pack) == ("batch", 0)
    with pytest.raises(ClusterError, match="bach: no such partition here; accepts batch, gpu; did you mean batch"):
        read(fake, TYPED, "bach")


def test_without_a_slurm_it_says_where_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ClusterError, match="run this on a login node"):
        facts.ask(Scheduler(Costs()))
