"""What squeue says, in each form that a Slurm of 2020 to 2025 has for it, and whatever surrounds it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from slurm.jobs import Costs
from slurm.scheduler import commands, squeue
from slurm.scheduler.commands import Scheduler, plain_environment
from slurm.scheduler.squeue import Row, read_json, read_text, version
from slurm.testing import FakeSlurm

ME = 1000


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    fake = FakeSlurm(tmp_path / "slurm")
    monkeypatch.setenv("PATH", f"{fake.install()}:{os.environ['PATH']}")
    return fake


def number(value: int | None, *, infinite: bool = False) -> dict[str, Any]:
    return {"set": value is not None, "infinite": infinite, "number": value or 0}


# A running task of an array, the tasks of it that wait, and a job that is held.
PLAIN = (
    {"job_id": 5, "array_job_id": 2, "array_task_id": 0, "array_task_string": "", "job_state": "RUNNING",
     "state_reason": "None", "nodes": "gpu1", "start_time": 1795864800, "user_id": ME, "name": "arr"},
    {"job_id": 2, "array_job_id": 2, "array_task_id": None, "array_task_string": "4-6%2", "job_state": "PENDING",
     "state_reason": "Resources", "nodes": "", "start_time": 1795870800, "user_id": ME, "name": "arr"},
    {"job_id": 3, "array_job_id": 0, "array_task_id": None, "array_task_string": "", "job_state": "PENDING",
     "state_reason": "JobHeldUser", "nodes": "", "start_time": 0, "user_id": ME, "name": "held"},
)  # fmt: skip


def wrapped(job: dict[str, Any], *names: str) -> dict[str, Any]:
    return job | {name: number(job[name]) for name in names}


IDS = ("array_job_id", "array_task_id")
BY_PARSER = {
    "v0.0.37": PLAIN,
    "v0.0.38": tuple(job | {"array_task_id": 4294967294} if job["array_task_id"] is None else job for job in PLAIN),
    "v0.0.39": tuple(wrapped(job, *IDS) for job in PLAIN),
    **{
        f"v0.0.{parser}": tuple(
            wrapped(job, *IDS, "start_time")
            | {"job_state": [job["job_state"]], "exit_code": {"signal": {"id": number(None)}}}
            for job in PLAIN
        )
        for parser in (40, 41, 42, 43)
    },
}


@pytest.mark.parametrize("parser", BY_PARSER)
def test_every_shape_of_the_json_says_the_same(parser: str) -> None:
    told = json.dumps({"meta": {"plugin": {"data_parser": parser}}, "errors": [], "jobs": BY_PARSER[parser]}, indent=1)
    found = read_json(told, ME)
    assert found is not None
    assert found.whole
    running = Row(job="2_0", name="arr", word="RUNNING", node="gpu1", start=1795864800)
    waiting = [
        Row(job=f"2_{task}", name="arr", word="PENDING", node=None, reason="Resources", start=1795870800)
        for task in (4, 5, 6)
    ]
    held = Row(job="3", name="held", word="PENDING", node=None, reason="JobHeldUser")
    assert found.rows == (running, *waiting, held)


@pytest.mark.parametrize(
    ("words", "word"),
    [
        (["RUNNING"], "RUNNING"),
        (["PENDING", "REQUEUE_HOLD"], "REQUEUE_HOLD"),
        (["PENDING", "LAUNCH_FAILED"], "PENDING"),
        (["LAUNCH_FAILED", "PENDING", "SPECIAL_EXIT"], "SPECIAL_EXIT"),
        (["COMPLETED", "COMPLETING"], "COMPLETING"),
        (["RUNNING", "CONFIGURING", "POWER_UP_NODE"], "CONFIGURING"),
        (["SOMETHING_NEW"], "SOMETHING_NEW"),
        ([], ""),
    ],
)
def test_a_list_of_states_is_read_as_the_text_form_has_it(words: list[str], word: str) -> None:
    found = read_json(json.dumps({"jobs": [PLAIN[2] | {"job_state": words}]}), ME)
    assert found is not None
    assert found.rows[0].word == word


@pytest.mark.parametrize(
    "out",
    [
        "",
        "squeue: error: unrecognized option '--json'",
        '{"jobs": [{"job_id": 1',
        '{"meta": {}}',
        "[1, 2]",
        json.dumps({"jobs": [PLAIN[0] | {"user_id": 7}]}),
        json.dumps({"jobs": [{"job_state": "RUNNING"}]}),
        json.dumps({"jobs": [PLAIN[0] | {"job_id": None, "array_job_id": 0}, 7]}),
    ],
)
def test_what_is_no_answer_to_the_question_is_not_read_as_json(out: str) -> None:
    assert read_json(out, ME) is None


def test_an_error_in_the_json_makes_it_less_than_whole() -> None:
    told = {"jobs": [PLAIN[0]], "errors": [{"description": "slurmctld is busy", "error_number": 1}]}
    found = read_json("Welcome {to} our cluster\n" + json.dumps(told) + "\nbye\n", ME)
    assert found is not None
    assert (len(found.rows), found.whole) == (1, False)
    assert "slurmctld is busy" in found.problem


@pytest.mark.parametrize(
    ("line", "row"),
    [
        ("2|0|RUNNING|gpu1|a|1795864800|None", Row(job="2_0", name="a", word="RUNNING", node="gpu1", start=1795864800)),
        ("3|N/A|PENDING||a|N/A|JobHeldUser", Row(job="3", name="a", word="PENDING", node=None, reason="JobHeldUser")),
        ("3|N/A|PENDING||a|x|y|N/A|Priority", Row(job="3", name="a|x|y", word="PENDING", node=None, reason="Priority")),
        ("3|N/A|PD||a|Unknown|(None)", Row(job="3", name="a", word="PD", node=None)),
        (" 3 | N/A |PD| |a| Nov 28 13:00 |x", Row(job="3", name="a", word="PD", node=None, reason="x")),
        ("3|N/A|PENDING||a|Priority", Row(job="3", name="a", word="PENDING", node=None, reason="Priority")),
    ],
)
def test_a_line_of_the_text_form(line: str, row: Row) -> None:
    assert read_text(f"a notice\n{line}\n") == squeue.Queue(rows=(row,), whole=True)


def test_a_time_without_a_zone_is_this_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    for zone, ahead_s in (("UTC", 0), ("Etc/GMT-5", 5 * 3600)):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        assert squeue.moment("2026-11-28T13:00:00") == 1795870800 - ahead_s
        assert squeue.moment("1795870800") == 1795870800
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("slurm 24.05.2", (24, 5)),
        ("slurm-wlm 22.05.8", (22, 5)),
        ("slurm 25.05.0-0rc1\n", (25, 5)),
        ("squeue (rc) 3", None),
    ],
)
def test_the_version_is_squeues_own(text: str, known: tuple[int, int] | None) -> None:
    assert version(text) == known


def submitted(fake: FakeSlurm, tmp_path: Path) -> None:
    script = tmp_path / "s.sh"
    script.write_text("#!/bin/bash\n#SBATCH --array=0-3\n#SBATCH --job-name=mine\n")
    Scheduler(Costs()).ask("sbatch", str(script))
    fake.put("100_1", "RUNNING", node="gpu1", start=1795864800)
    fake.put("100_3", "PENDING", reason="QOSMaxGRESPerUser", start=1795870800)


@pytest.mark.parametrize(
    "slurm", ["20.11.9", "21.08.8", "22.05.8", "23.02.7", "23.11.10", "24.05.8", "24.11.5", "25.05.3"]
)
def test_both_forms_say_the_same_and_json_is_asked_for_where_it_keeps_to_the_filters(
    fake: FakeSlurm, tmp_path: Path, slurm: str
) -> None:
    fake.site(version=slurm)
    submitted(fake, tmp_path)
    scheduler = Scheduler(Costs())
    queue = scheduler.queue(["mine"])
    assert queue.whole
    assert {(row.job, row.word, row.node, row.reason, row.start) for row in queue.rows} == {
        ("100_0", "PENDING", None, "Priority", None),
        ("100_1", "RUNNING", "gpu1", "", 1795864800),
        ("100_2", "PENDING", None, "Priority", None),
        ("100_3", "PENDING", None, "QOSMaxGRESPerUser", 1795870800),
    }
    in_json = slurm >= "24.05"
    (asked,) = fake.calls("squeue")
    assert ("--json" in asked) is in_json
    assert scheduler.costs.calls == {"squeue": 1}
    assert [word for word in asked if word.startswith(("--states", "--user", "--name"))] == [
        "--states=all", f"--user={os.getuid()}", "--name=mine"
    ]  # fmt: skip


def test_text_is_gone_back_to_where_json_cannot_be_read(fake: FakeSlurm, tmp_path: Path) -> None:
    fake.site(version="25.05.1")
    submitted(fake, tmp_path)
    scheduler = Scheduler(Costs())
    fake.refuse("squeue", "squeue: fatal: Unable to find plugin: serializer/json")
    assert len(scheduler.queue(["mine"]).rows) == 4
    assert scheduler.queue(["mine"]).whole
    assert ["--json" in asked for asked in fake.calls("squeue")] == [True, False, False]


def test_text_is_gone_back_to_where_json_is_slow(
    fake: FakeSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "JSON_SLOW_S", 0.0)
    fake.site(version="24.11.0")
    submitted(fake, tmp_path)
    scheduler = Scheduler(Costs())
    assert [len(scheduler.queue(["mine"]).rows) for _ in range(2)] == [4, 4]
    assert ["--json" in asked for asked in fake.calls("squeue")] == [True, False]


def test_a_scheduler_that_is_away_does_not_end_json(fake: FakeSlurm, tmp_path: Path) -> None:
    fake.site(version="24.11.0")
    submitted(fake, tmp_path)
    scheduler = Scheduler(Costs())
    assert scheduler.queue(["mine"]).whole
    fake.refuse("squeue", "slurm_load_jobs error: Unable to contact slurm controller (connect failure)")
    away = scheduler.queue(["mine"])
    assert (away.rows, away.whole) == ((), False)
    assert "connect failure" in away.problem
    assert scheduler.queue(["mine"]).whole
    assert all("--json" in asked for asked in fake.calls("squeue"))


@pytest.mark.parametrize("slurm", ["22.05.8", "24.11.5"])
def test_nothing_of_a_users_shell_or_of_a_wrapper_changes_what_is_read(
    fake: FakeSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slurm: str
) -> None:
    fake.site(version=slurm)
    submitted(fake, tmp_path)
    plain = Scheduler(Costs()).queue(["mine"])
    for name, value in {
        "LANG": "de_DE.UTF-8", "LC_ALL": "tr_TR.UTF-8", "TZ": "Pacific/Chatham", "SLURM_TIME_FORMAT": "relative",
        "SQUEUE_FORMAT": "%i", "SQUEUE_FORMAT2": "JobID", "SQUEUE_STATES": "RUNNING", "SQUEUE_ARRAY": "1",
        "SQUEUE_USERS": "root", "SQUEUE_PARTITION": "cpu", "SACCT_FORMAT": "User", "SLURM_CLUSTERS": "other",
        "SLURM_BITSTR_LEN": "8", "SLURM_JSON": "compact", "SLURM_DEBUG_FLAGS": "all", "SCANCEL_STATE": "PENDING",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    fake.notice("squeue", "*** Maintenance on Monday | see the wiki ***" if slurm < "24" else "*** {Maintenance} ***")
    seen = Scheduler(Costs()).queue(["mine"])
    assert seen.rows == plain.rows
    kept = plain_environment("squeue")
    assert not [name for name in kept if name.startswith(("SQUEUE_", "SACCT_", "SCANCEL_"))]
    assert {name: kept[name] for name in kept if name.startswith("SLURM_")} == {
        "SLURM_BITSTR_LEN": "0", "SLURM_TIME_FORMAT": "%s"
    }  # fmt: skip
    assert kept["LC_ALL"] == "C"


def test_the_json_of_many_jobs_is_never_held_as_a_whole() -> None:
    """What is kept of a job while its JSON is read is a hundredth of it."""
    bulk = {f"field_{index}": {"set": True, "infinite": False, "number": index} for index in range(120)}
    told = json.dumps({"jobs": [PLAIN[0] | bulk | {"array_task_id": task} for task in range(300)]})
    import tracemalloc

    tracemalloc.start()
    found = read_json(told, ME)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found is not None
    assert len(found.rows) == 300
    assert kept < len(told) / 10
    assert sys.getsizeof(told) > 1_000_000
