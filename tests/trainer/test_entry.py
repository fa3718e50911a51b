from __future__ import annotations

import dataclasses
import itertools
import json
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest

from trainer import code, entry, journal
from trainer.codec import to_text
from trainer.errors import SpecError
from trainer.spec import ActivationSpec

LAB = """
import json, socket
from trainer import entry

def run_as(host, text, result):
    socket.gethostname = lambda: host
    with open(result, "w") as file:
        file.write(entry.run(text))
"""


@pytest.fixture(scope="module")
def server():
    """Starts processes that have torch loaded already, so that one costs milliseconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["trainer.pack", "sklearn.datasets"])
    return context


def numbers(launch):
    history = journal.read_fold(Path(launch.folder))
    return (
        [(record.epoch, record.metrics, record.activation) for record in history.epochs],
        history.end.status,
        history.end.reason,
        history.end.outcomes,
    )


def wait_for(condition, *, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_result_is_json_with_every_fold(small, packed):
    result = json.loads(entry.run(to_text(packed(small(epochs=1), small(fold=1, epochs=1)))))
    assert result == {
        "schema": 1,
        "folds": {"relu-0/fold-0-0": "finished", "relu-0/fold-0-1": "finished"},
        "interrupted": False,
    }


def test_text_that_is_no_pack_is_refused():
    with pytest.raises(SpecError, match="Pack: missing"):
        entry.run('{"schema": 3}')


def test_other_code_than_planned_is_refused(small, packed):
    pack = packed(small(), code="0123456789abcdef")
    with pytest.raises(SpecError) as caught:
        entry.run(to_text(pack))
    assert f"code {code.digest()}, the pack was planned with 0123456789abcdef" in str(caught.value)
    assert not Path(pack.launches[0].folder).exists()


def test_other_code_than_planned_is_warned_of_where_asked(small, packed, caplog):
    result = json.loads(entry.run(to_text(packed(small(epochs=1), code="0123456789abcdef", on_drift="warn"))))
    assert result["folds"] == {"relu-0/fold-0-0": "finished"}
    assert "planned with 0123456789abcdef" in caplog.text


def test_same_code_is_written_down(small, packed):
    pack = packed(small(epochs=1), code=code.digest())
    entry.run(to_text(pack))
    assert journal.read_fold(Path(pack.launches[0].folder)).start.code == code.digest()


@pytest.mark.slow
def test_fold_killed_at_random_moments_gives_the_undisturbed_numbers(small, packed, server):
    """SIGKILL, until at least ten have struck a pack at work; every fold that survived them equals the calm one."""
    specs = [
        small(epochs=6, lr=0.05),
        small(fold=1, trial="dsrelu", epochs=6, activation=ActivationSpec(name="dsrelu")),
    ]
    for where in ("warm", "calm"):  # the first process waits for the server to load torch
        calm = packed(*specs, where=where)
        began = time.monotonic()
        child = server.Process(target=entry.run, args=(to_text(calm),))
        child.start()
        child.join(120)
        assert child.exitcode == 0
        usual_s = time.monotonic() - began
    moments = random.Random(3)
    kills = resumes = 0
    for number in range(40):
        pack = packed(*specs, where=f"round-{number}")
        for struck in itertools.count():
            child = server.Process(target=entry.run, args=(to_text(pack),))
            child.start()
            child.join(moments.uniform(0.1, 0.9) * usual_s * 1.2**struck)  # the machine may be busier by now
            if child.exitcode is not None:
                assert child.exitcode == 0
                break
            os.kill(child.pid, signal.SIGKILL)
            child.join(60)
            kills += 1
        for launch, other in zip(pack.launches, calm.launches, strict=True):
            assert numbers(launch) == numbers(other)
            resumes += journal.read_fold(Path(launch.folder)).start.resumed_epoch > 0
        if kills >= 12:
            break
    assert kills >= 12
    assert resumes > 0


@pytest.mark.slow
def test_two_cut_off_nodes_that_train_on_spoil_nothing(small, packed, server, tmp_path, monkeypatch):
    """Two processes of other hosts are frozen in mid-fold, a third finishes it, and the two wake up."""
    (tmp_path / "zombie_lab.py").write_text(LAB, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    import zombie_lab

    spec = small(epochs=40)
    calm = packed(spec, where="calm")
    entry.run(to_text(calm))
    pack = packed(spec)
    folder = Path(pack.launches[0].folder)
    results = [tmp_path / f"{host}.json" for host in "abc"]

    def epochs(attempt):
        records = journal.follow(folder / f"attempt-{attempt}" / journal.FILE).records
        return [record.epoch for record in records if isinstance(record, journal.Epoch)]

    children = []
    for number, (host, result) in enumerate(zip("abc", results, strict=True), start=1):
        child = server.Process(target=zombie_lab.run_as, args=(host, to_text(pack), str(result)))
        child.start()
        children.append(child)
        if host != "c":
            wait_for(lambda number=number: len(epochs(number)) >= 3)
            os.kill(child.pid, signal.SIGSTOP)
    children[2].join(60)
    before = numbers(pack.launches[0])
    for child in children[:2]:
        os.kill(child.pid, signal.SIGCONT)
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    found = [json.loads(result.read_text())["folds"]["relu-0/fold-0-0"] for result in results]
    assert found == ["superseded", "superseded", "finished"]
    assert numbers(pack.launches[0]) == before == numbers(calm.launches[0])
    assert not list(folder.glob("attempt-*/checkpoint*.pt"))
    assert journal.read_fold(folder).attempts == 3


def test_pack_text_carries_all(small, packed):
    pack = packed(small())
    assert json.loads(to_text(pack)).keys() == {field.name for field in dataclasses.fields(pack)}
