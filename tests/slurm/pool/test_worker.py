"""A worker runs what is open, each text once, says how each ended, and leaves when it should."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from slurm.pool.tickets import ENDED, OPEN, TAKEN

NONE_LEFT: dict[str, list[str]] = {OPEN: [], TAKEN: []}


def notes(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_tickets_are_taken_in_order_by_processes_that_stay(workers, tmp_path):
    file, preloaded = tmp_path / "notes", tmp_path / "preloaded"
    for number in (2, 0, 3, 1):
        workers.put("note", {"file": str(file), "name": number}, number)
    gave = workers.run(environment={"PRELOADED": str(preloaded)})
    assert gave["ended"] == 4
    assert "nothing to run" in gave["left"]
    seen = notes(file)
    assert [each["name"] for each in seen] == [0, 1, 2, 3]
    assert len({each["pid"] for each in seen}) == 1
    assert preloaded.read_text().split() == [str(seen[0]["ppid"])]  # once, in the worker
    assert workers.left() == NONE_LEFT
    for number, ended in enumerate(workers.ended().values()):
        assert (ended.job, ended.state, ended.reason, ended.slots) == (f"job.{number}", "finished", "", 1)
        assert json.loads(ended.text) == {"interrupted": False}
        assert ended.host == socket.gethostname()
        assert ended.began < ended.ended
        assert (workers.logs / ended.job / "log.out").read_text() == f"noted {number}\n"


def test_each_device_and_slot_has_a_process_with_its_own_environment(workers, tmp_path):
    file = tmp_path / "notes"
    for number in range(8):
        workers.put("note", {"file": str(file), "name": number, "takes": 0.3}, number)
    workers.run(
        gpus=5,
        gpus_per_ticket=2,
        cpus_per_ticket=3,
        slots=2,
        environment={"SUBMITIT_EXECUTOR": "local"},
    )
    seen = notes(file)
    pairs = [each["CUDA_VISIBLE_DEVICES"] for each in seen]
    assert sorted(pairs[:4]) == ["0,1", "0,1", "2,3", "2,3"]  # the fifth GPU is none's
    assert len({each["pid"] for each in seen}) == 4
    assert all(len({e["CUDA_VISIBLE_DEVICES"] for e in seen if e["pid"] == each["pid"]}) == 1 for each in seen)
    for each in seen:
        assert (each["ACTSWEEP_SLOTS"], each["OMP_NUM_THREADS"]) == ("2", "3")
        assert each["SUBMITIT_EXECUTOR"] is None
        assert each["LEFT"] is None  # what a text changed is gone for the next


def test_cores_stand_in_the_place_of_gpus(workers, tmp_path):
    file, cores = tmp_path / "notes", sorted(os.sched_getaffinity(0))
    for number in range(2 * len(cores)):
        workers.put("note", {"file": str(file), "takes": 0.2}, number)
    workers.run(gpus_per_ticket=0)
    seen = notes(file)
    assert {tuple(each["cores"]) for each in seen} == {(core,) for core in cores}
    assert {each["CUDA_VISIBLE_DEVICES"] for each in seen} == {""}


def test_a_failure_ends_no_neighbour_and_the_next_gets_a_fresh_process(workers, tmp_path):
    file = tmp_path / "notes"
    workers.put("note", {"file": str(file), "name": "neighbour", "takes": 1.0}, 0)
    for number, (call, text) in enumerate(
        [
            ("fail", "x"),
            ("die", "9"),
            ("die", "11"),
            ("leave", ""),
            ("memory", ""),
            ("missing", ""),
            ("note", "no json"),
        ]
    ):
        workers.put(call, text, number + 1)
    workers.put("note", {"file": str(file), "name": "after"}, 9)
    workers.run(gpus=2)
    found = {job: (ended.state, ended.reason) for job, ended in workers.ended().items()}
    assert found["job.0"] == found["job.9"] == ("finished", "")
    assert found["job.1"] == ("failed", "nor on x")
    assert found["job.2"] == ("failed", "killed by signal 9 (out of memory?)")
    assert found["job.3"] == ("failed", "killed by signal 11")
    assert found["job.4"] == ("failed", "the process ended with status 7 and no result")
    assert found["job.5"][0] == "out of memory"
    assert "Tried to allocate 3 GiB; give a pack fewer folds" in found["job.5"][1]
    assert found["job.6"] == ("failed", "ValueError: module pool_payloads has no function missing")
    assert found["job.7"][1].startswith("json.decoder.JSONDecodeError")
    assert workers.left() == NONE_LEFT
    assert "cannot work on this" in (workers.logs / "job.1" / "log.out").read_text()
    assert "Traceback" not in workers.log()


def test_a_text_that_closes_the_workers_pipes_fails_alone_and_costs_no_time(workers, tmp_path):
    workers.put("closing", "1.5", 0)
    workers.put("note", {"file": str(tmp_path / "notes")}, 1)
    process = workers.start()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    found = workers.ended()
    assert found["job.0"].state == "failed"
    assert found["job.1"].state == "finished"
    assert used.ru_utime + used.ru_stime < 1.2


@pytest.mark.parametrize("call", ["crowded", "killed_in_company"])
def test_what_is_short_of_memory_in_company_waits_again_with_half_as_many(workers, pool, tmp_path, call):
    files = [tmp_path / f"slots-{number}" for number in range(2)]
    for number, file in enumerate(files):
        workers.put(call, str(file), number)
    workers.run(slots=4)
    for file in files:
        assert file.read_text().split() in (["4", "2", "1"], ["4", "1"], ["2", "1"], ["1"], ["4", "2"], ["2"])
    assert "1" in files[0].read_text() + files[1].read_text()
    assert {ended.state for ended in workers.ended().values()} == {"finished"}
    assert pool.runs()["worker.0"].slots == 1
    assert "waits again" in workers.log()


def test_code_of_the_users_own_never_meets_another_in_one_process(workers, tmp_path):
    file = tmp_path / "notes"
    for number, own in enumerate([None, "a", "a", "b", None, "", ""]):
        text = {
            "file": str(file),
            "name": number,
            "own_folder": own or None,
            "own": {} if own is None else {"mod": own},
        }
        workers.put("note", text, number)
    workers.run()
    plain, first, second, other, last, unfrozen, again = [each["pid"] for each in notes(file)]
    assert plain == first == second
    assert len({second, other, last}) == 3
    assert last == unfrozen != again


@pytest.mark.parametrize("number", [signal.SIGUSR2, signal.SIGTERM])
def test_a_signal_is_handed_on_and_nothing_more_is_taken(workers, pool, until, tmp_path, number):
    for each in range(3):
        workers.put("saving", {"up": str(tmp_path / f"up{each}")}, each)
    process = workers.start(gpus=2, environment={"SUBMITIT_EXECUTOR": "slurm", "SLURM_JOB_ID": "5"})
    until(lambda: (tmp_path / "up0").exists() and (tmp_path / "up1").exists())
    process.send_signal(number)
    out, _ = process.communicate(timeout=10)
    assert json.loads(out)["ended"] == 2  # it returns, and asks for no requeue
    assert [(each.state, each.reason) for each in workers.ended().values()] == 2 * [
        ("timed out", "was told to end, and saved")
    ]
    assert workers.left() == {OPEN: ["00000002-job.2.json"], TAKEN: []}
    assert pool.runs()["worker.0"].leaving


def test_a_signal_before_what_runs_has_handlers_is_not_lost(workers, until, tmp_path):
    workers.put("saving", {"up": str(tmp_path / "up"), "before": 1.0})
    process = workers.start()
    until(lambda: (tmp_path / "up.begun").exists())
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)
    assert workers.ended()["job.0"].state == "timed out"


def test_a_signal_before_the_worker_works_leaves_all_open(workers, pool, tmp_path):
    workers.put("note", {"file": str(tmp_path / "notes")})
    (tmp_path / "modules" / "slow_preload.py").write_text(
        f"import time, pathlib\npathlib.Path({str(tmp_path / 'importing')!r}).touch()\ntime.sleep(1)\n"
    )
    process = workers.start(preload="slow_preload")
    while not (tmp_path / "importing").exists():
        time.sleep(0.005)
    assert pool.runs()["worker.0"].devices == ("0",)  # told before it imports anything
    process.send_signal(signal.SIGUSR2)
    out, _ = process.communicate(timeout=10)
    assert json.loads(out)["ended"] == 0
    assert workers.left()[OPEN] == ["00000000-job.0.json"]


def test_who_does_not_leave_in_the_lead_is_killed(workers, until, tmp_path):
    workers.put("deaf", str(tmp_path / "up"))
    process = workers.start(lead_s=1.0)
    until((tmp_path / "up").exists)
    process.send_signal(signal.SIGUSR2)
    process.communicate(timeout=10)
    ended = workers.ended()["job.0"]
    assert (ended.state, ended.reason) == ("timed out", "did not save and leave in the time it had, and was killed")


def test_a_cancelled_ticket_ends_alone(workers, pool, until, tmp_path):
    for number in range(2):
        workers.put("saving", {"up": str(tmp_path / f"up{number}"), "takes": 3 if number else 30}, number)
    process = workers.start(gpus=2)
    until((tmp_path / "up0").exists)
    pool.ask_to_end("job.0")
    process.communicate(timeout=15)
    assert {job: each.state for job, each in workers.ended().items()} == {
        "job.0": "cancelled by us",
        "job.1": "finished",
    }


def test_children_of_a_killed_worker_save_and_leave(workers, until, tmp_path):
    workers.put("saving", {"up": str(tmp_path / "up")})
    process = workers.start(slots=2)
    until((tmp_path / "up").exists)
    process.kill()
    process.wait()
    until((tmp_path / "up.saved").exists)
    assert workers.left()[TAKEN] == ["00000000-job.0.json"]  # the driver finds it lost
    until(lambda: not living(str(tmp_path / "pool")))


def living(mark: str) -> list[str]:
    """Processes with a mark in their command, of which a worker's children have their parent's."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found


def test_a_node_to_be_avoided_takes_nothing_and_leaves(workers, tmp_path):
    workers.put("note", {"file": str(tmp_path / "notes")}, 0, avoid=("gpu7", "gpu8"))
    workers.put("note", {"file": str(tmp_path / "notes"), "name": "mine"}, 1, avoid=("gpu8",))
    gave = workers.run(environment={"SLURMD_NODENAME": "gpu7"})
    assert gave["ended"] == 1
    assert workers.ended()["job.1"].host == "gpu7"
    assert workers.left()[OPEN] == ["00000000-job.0.json"]


def test_nothing_is_begun_that_the_time_does_not_suffice_for(workers, tmp_path):
    def text(least_s):
        return {"file": str(tmp_path / "notes"), "least_s": least_s, "takes": 0.2}

    workers.put("note", text(1), 0)
    workers.put("note", text(40), 1)
    workers.put("note", text(None), 2)
    gave = workers.run(limit_s=32.0, lead_s=2.0, reserve_s=5.0)
    assert gave["ended"] == 2
    assert workers.left()[OPEN] == ["00000001-job.1.json"]


def test_what_needs_a_whole_job_is_begun_by_a_fresh_one(workers, tmp_path):
    for number in range(2):
        workers.put("note", {"file": str(tmp_path / "notes"), "least_s": 1000}, number)
    gave = workers.run(limit_s=20.0, lead_s=2.0)
    assert gave["ended"] == 1
    assert len(workers.left()[OPEN]) == 1


def test_time_that_is_up_ends_a_worker_without_a_signal(workers, tmp_path):
    workers.put("saving", {"up": str(tmp_path / "up")}, 0)
    gave = workers.run(limit_s=4.0, lead_s=2.0)
    assert gave["left"] == "its time limit is near"
    assert workers.ended()["job.0"].state == "timed out"


def test_a_worker_with_less_time_than_the_reserve_leaves_at_once(workers, tmp_path):
    workers.put("note", {"file": str(tmp_path / "notes"), "takes": 1.5}, 0)
    workers.put("note", {"file": str(tmp_path / "notes")}, 1)
    gave = workers.run(limit_s=6.0, lead_s=2.0, reserve_s=3.0, idle_s=60.0)
    assert (gave["ended"], gave["left"]) == (1, "less time is left than a pack needs")


def test_a_closed_pool_is_left_as_soon_as_nothing_is_open(workers, pool, tmp_path):
    workers.put("note", {"file": str(tmp_path / "notes")})
    pool.close()
    assert workers.run(idle_s=60.0)["left"] == "nothing more will come"
    assert workers.left() == NONE_LEFT


def test_an_idle_worker_looks_for_what_comes(workers, until, tmp_path):
    process = workers.start(idle_s=4.0)
    until(lambda: "worker worker.0" in workers.log())
    workers.put("note", {"file": str(tmp_path / "notes")})
    until(workers.ended, seconds=3.0)
    assert process.poll() is None


def test_a_worker_leaves_where_its_job_was_started_again(workers, pool, until, tmp_path):
    workers.put("saving", {"up": str(tmp_path / "up")}, 0)
    old = workers.start()
    until((tmp_path / "up").exists)
    workers.put("note", {"file": str(tmp_path / "notes")}, 1)
    gave = workers.run()
    assert gave["ended"] == 1
    assert json.loads(old.communicate(timeout=10)[0])["left"] == "its job was started again"
    assert set(pool.runs()) == {"worker.0", "worker.1"}


def test_a_ticket_that_cannot_be_read_ends_with_words(workers, pool, tmp_path):
    (pool.folder / OPEN / "00000000-torn.0.json").write_text('{"schema": 1, "num')
    (pool.folder / OPEN / "00000001-later.0.json").write_text('{"schema": 99}')
    (pool.folder / OPEN / "00000002-more.0.json").write_text('{"schema": 1, "wish": 1, "avoid": []}')
    workers.put("note", {"file": str(tmp_path / "notes")}, 3)
    workers.run()
    found = workers.ended()
    assert [found[job].state for job in ("torn.0", "later.0", "more.0", "job.3")] == 3 * ["failed"] + ["finished"]
    assert "install the driver's version" in found["torn.0"].reason
    assert workers.left() == NONE_LEFT


def test_ends_that_a_full_disk_refuses_are_written_later(workers, pool, until, tmp_path):
    blocked = pool.folder / ENDED / "worker.0.jsonl"
    blocked.symlink_to("/dev/full")
    for number in range(2):
        workers.put("note", {"file": str(tmp_path / "notes")}, number)
    process = workers.start(idle_s=1.0)
    until(lambda: "cannot be written" in workers.log())
    until(lambda: len(notes(tmp_path / "notes")) == 2)  # it works on meanwhile
    assert len(workers.left()[TAKEN]) == 2
    blocked.unlink()
    blocked.write_text('{"schema": 1, "job": "torn')  # as a full disk leaves it
    process.communicate(timeout=15)
    assert [each.state for each in workers.ended().values()] == ["finished", "finished"]
    assert workers.left() == NONE_LEFT


def test_a_log_that_cannot_be_written_keeps_nothing_from_running(workers, tmp_path):
    (workers.logs / "job.0").write_text("a file where a folder should be")
    workers.put("note", {"file": str(tmp_path / "notes"), "name": "seen"})
    workers.run()
    assert workers.ended()["job.0"].state == "finished"
    assert "cannot be opened" in workers.log()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"gpus_per_ticket": 4}, "packs need 4 GPUs each and this job sees 1"),
        ({"preload": "no_such_module"}, "No module named 'no_such_module'"),
        ({"schema": 9}, "has schema 9, this installation reads 1"),
    ],
)
def test_a_worker_that_cannot_work_says_why(workers, changes, words):
    process = workers.start(**changes)
    process.communicate(timeout=20)
    assert process.returncode == 1
    assert words in workers.log().splitlines()[-1]


def test_the_worker_imports_the_standard_library_only():
    code = "import sys; before = set(sys.modules); import slurm.pool.worker; print(*set(sys.modules) - before)"
    out = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {name.partition(".")[0] for name in out} <= set(sys.stdlib_module_names) | {"slurm"}
