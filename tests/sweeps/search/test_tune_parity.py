"""Our use of Tune's searchers and schedulers against ``tune.Tuner`` itself: same suggestions, same stops."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sweeps.search.schedulers import Asha
from sweeps.search.searchers import Sampled, Tpe
from sweeps.study.space import Domain, Space

METRIC = "validation/loss"
SEED, EPOCHS = 7, 9

DOMAINS = {
    "activation.a": Domain(kind="uniform", args=(60.0, 85.0)),
    "activation.k": Domain(kind="loguniform", args=(1.0, 20.0)),
    "activation.n": Domain(kind="randint", args=(1, 5)),
    "training.batch": Domain(kind="choice", args=(32, 64)),
}
GRID = {"activation.g": Domain(kind="grid_search", args=(1, 2)), **DOMAINS}


def tuner(algorithm: str, folder: Path) -> dict:
    script = Path(__file__).with_name("tune_reference.py")
    # Ray's own deprecations, in a process of its own, are not ours to hear about.
    quiet = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, str(script), algorithm, str(folder)], capture_output=True, text=True, env=quiet, timeout=280
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_random_search_and_asha_decide_as_the_tuner_does(tmp_path):
    theirs = tuner("random", tmp_path)

    ours = Sampled(Space(domains=GRID), 5, seed=SEED)
    assert [ours.ask(index) for index in range(ours.count)] == theirs["configs"]
    assert ours.ask(ours.count) is None

    scheduler = Asha(metric=METRIC, mode="min", epochs=EPOCHS, grace_epochs=1, reduction_factor=3)
    stops = 0
    for event, index, *rest in theirs["events"]:
        if event == "complete":
            scheduler.complete(index, None)
            continue
        epoch, value, done = rest
        stop = scheduler.result(index, epoch, {METRIC: value})
        assert stop == (done and epoch < EPOCHS), (index, epoch)
        stops += stop
    assert 0 < stops < len(theirs["configs"])


@pytest.mark.slow
def test_tpe_suggests_as_the_tuner_does(tmp_path):
    theirs = tuner("tpe", tmp_path)
    last = {index: rest[1] for event, index, *rest in theirs["events"] if event == "result"}

    ours = Tpe(Space(domains=DOMAINS), 14, seed=SEED, metric=METRIC, mode="min", concurrent=1)
    for index, config in enumerate(theirs["configs"]):
        assert ours.ready(index)
        assert ours.ask(index) == pytest.approx(config, rel=1e-12), index
        ours.complete(index, {METRIC: last[index]})
    assert ours.ask(14) is None
