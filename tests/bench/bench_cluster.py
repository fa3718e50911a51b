"""A study on a real Slurm: by our driver, by a bare ``sbatch --array``, and by a plain ``tune.Tuner`` whose trials
submit one fold each through submitit and wait for it.

    python tests/bench/bench_cluster.py --folds 64 --seconds 8

Starts a development cluster of its own (4 nodes, pretended GPUs) in a temporary folder and ends it. Every way gets
as many folds of one payload (the stand-in ``trainer.testing:pretend``), one a job, and asks for the same resources.
``bare`` starts Python from the batch script, ``bare, srun`` by srun, as submitit does for the others; ``ours`` has
nothing to search, ``ours, search`` has two random searches. Each way is a process of its own, watched twice a second
with all its descendants (jobs are Slurm's). Wrappers on the PATH count Slurm's commands.

Prints a table. The jobs share this machine's cores with the driver: whoever needs more of them trains later, too.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from slurm.dev import cluster as devcluster
from slurm.dev.config import Shape
from sweeps.driver import session
from sweeps.folder import layout
from sweeps.study import planner, shipped
from sweeps.study.reading import load
from trainer.codec import to_text
from trainer.journal import FoldHistory, read_fold
from trainer.spec import Launch, Pack

CALL = "trainer.testing:pretend"
EPOCHS, FOLDS = 8, 4
STUDY = f"""
name: bench
data: {{name: digits}}
model: {{name: tiny_cnn}}
training: {{epochs: {EPOCHS}, patience: null}}
folds: {{folds: {FOLDS}}}
control: relu
cluster: {{pack: fold}}
"""
SEARCH = """
activations: [relu, elu]
space: {{training: {{lr: {{loguniform: [1e-4, 1e-2]}}}}}}
search: {{algorithm: random, samples: {samples}, concurrent: {samples}}}
confirm: false
"""
PROFILE = """
executor: slurm
partition: main
gpus_per_pack: 1
mem_gb: 0.25
time_min: 10
signal_lead_s: 60
poll_min_s: {poll[0]}
poll_max_s: {poll[1]}
environment: {{ACTSWEEP_PRETEND_EPOCH_S: "{epoch_s}"}}
"""
BARE = """#!/bin/bash
#SBATCH --job-name=bare --array=0-{last} --partition=main --output=%a.log --requeue
#SBATCH --nodes=1 --ntasks=1 --cpus-per-task=1 --gpus-per-node=1 --mem=256M --time=10
export ACTSWEEP_PRETEND_EPOCH_S={epoch_s} OMP_NUM_THREADS=1
{srun}{python} -P -c {code} "$SLURM_ARRAY_TASK_ID.json"
"""
CODE = "import pathlib, sys; from trainer.testing import pretend; pretend(pathlib.Path(sys.argv[1]).read_text())"
COUNTED = ("sbatch", "squeue", "sacct", "scontrol", "scancel")
LOG = "ACTSWEEP_BENCH_CALLS"
WRAPPER = """#!/bin/bash
echo "$EPOCHREALTIME {name}" >> "${{{log}:-/dev/null}}"
exec {program} "$@"
"""
WAYS = ("bare, srun", "ours", "bare", "ours, search", "tuner")
LIMIT_S = 900.0


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is measured."""

    folds: int
    seconds: float
    """How long a fold trains."""
    concurrent: int
    poll: tuple[float, float]

    @property
    def epoch_s(self) -> float:
        return self.seconds / EPOCHS

    def study(self, *, search: bool) -> str:
        trials = self.folds // FOLDS
        slopes = [
            f"  - {{activation: leaky_relu, label: slope-{number}, params: {{negative_slope: {number / 1000}}}}}"
            for number in range(1, trials)
        ]
        return STUDY + (
            SEARCH.format(samples=trials // 2) if search else "\n".join(["activations:", "  - relu", *slopes, ""])
        )

    def texts(self, place: Path) -> list[str]:
        """The packs of the study without a search, below another folder."""
        study = load(self.study(search=False))
        return [
            to_text(Pack(launches=(Launch(spec=spec, folder=f"{place}/trials/{trial}/{spec.folder}"),), data_root=None))
            for label in study.compared()
            for trial in [layout.trial_name(label, "confirm", 0)]
            for spec in planner.fold_specs(study, phase="confirm", trial=trial, label=label)
        ]


def ours(asked: Asked, place: Path, *, search: bool) -> None:
    """As ``actsweep run`` does, without its live view and its report."""
    (place / "lab.yaml").write_text(PROFILE.format(poll=asked.poll, epoch_s=asked.epoch_s))
    session.make(shipped.on_profile(load(asked.study(search=search)), str(place / "lab.yaml")), place, ["bench"])
    with session.driving(place, call=CALL) as driver:
        session.drive(driver, lambda now: None, interval_s=1.0)


def bare(asked: Asked, place: Path, *, srun: bool) -> None:
    for number, text in enumerate(asked.texts(place)):
        (place / f"{number}.json").write_text(text)
    script = BARE.format(
        last=asked.folds - 1,
        epoch_s=asked.epoch_s,
        srun="srun --cpus-per-task=1 " if srun else "",
        python=sys.executable,
        code=shlex.quote(CODE),
    )
    (place / "bare.sh").write_text(script)
    subprocess.run(["sbatch", "bare.sh"], cwd=place, check=True)


def tuner(asked: Asked, place: Path) -> None:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray
    from ray import tune

    texts, jobs, python, epoch_s = asked.texts(place), str(place / "jobs"), f"{sys.executable} -P", asked.epoch_s

    def trial(config: dict[str, int]) -> None:
        import submitit

        from slurm.payload import call

        executor = submitit.SlurmExecutor(folder=jobs, python=python)
        executor.update_parameters(
            **{"job_name": "tuner", "partition": "main", "time": 10, "mem": "256M", "wckey": None},
            **{"nodes": 1, "ntasks_per_node": 1, "cpus_per_task": 1, "gpus_per_node": 1},
            setup=[f"export ACTSWEEP_PRETEND_EPOCH_S={epoch_s} OMP_NUM_THREADS=1"],
        )
        executor.submit(call, CALL, texts[config["pack"]]).result()
        tune.report({"done": 1})

    ray.init(num_cpus=asked.concurrent, _temp_dir=str(place / "ray"), log_to_driver=False)
    tune.Tuner(
        tune.with_resources(trial, {"cpu": 1}),
        param_space={"pack": tune.grid_search(list(range(asked.folds)))},
        tune_config=tune.TuneConfig(max_concurrent_trials=asked.concurrent),
        run_config=tune.RunConfig(storage_path=str(place / "results"), verbose=0),
    ).fit()
    ray.shutdown()


class Watch:
    """A process and all its descendants, those that have lost their parents included."""

    def __init__(self, pid: int) -> None:
        self._known = {pid: psutil.Process(pid)}
        self._root = self._known[pid]
        self._cpu_s: dict[int, float] = {}
        self.pss_mb = self.rss_mb = 0.0
        self.processes = 0

    def look(self) -> None:
        for process in list(self._known.values()):
            try:
                self._known |= {child.pid: child for child in process.children(recursive=True)}
            except psutil.Error:
                continue
        pss = rss = 0.0
        alive = 0
        for pid, process in list(self._known.items()):
            try:
                memory, times = process.memory_full_info(), process.cpu_times()
                inner = bool(process.children())
            except psutil.Error:
                del self._known[pid]
                continue
            pss, rss, alive = pss + memory.pss / 2**20, rss + memory.rss / 2**20, alive + 1
            # of a process without children in sight, those that came and went between two looks count as its own
            waited_s = 0.0 if inner else times.children_user + times.children_system
            self._cpu_s[pid] = max(self._cpu_s.get(pid, 0.0), times.user + times.system + waited_s)
        self.pss_mb, self.rss_mb = max(self.pss_mb, pss), max(self.rss_mb, rss)
        self.processes = max(self.processes, alive)

    @property
    def cpu_s(self) -> float:
        return sum(self._cpu_s.values())


@dataclass(frozen=True, kw_only=True)
class Row:
    """What came out for one way."""

    way: str
    per_minute: float
    """Folds finished, from the first sbatch to the last fold's end."""
    before_s: float
    """From the start of the process to its first sbatch."""
    gap_s: float
    """Median from a fold's end to the next one's start on the same GPU."""
    noticed_s: float
    """From the last fold's end to the end of the process."""
    watch: Watch
    calls: Counter[str]

    def cells(self) -> list[str]:
        calls = ", ".join(f"{count} {name}" for name, count in sorted(self.calls.items()))
        own = [f"{self.noticed_s:.1f}", f"{self.watch.pss_mb:.0f} / {self.watch.rss_mb:.0f}"]
        own += [str(self.watch.processes), f"{self.watch.cpu_s:.1f}"]
        own = ["-"] * len(own) if self.way.startswith("bare") else own
        return [self.way, f"{self.per_minute:.1f}", f"{self.gap_s:.2f}", f"{self.before_s:.1f}", *own, calls]


TIMES = ("folds/min", "s from end to next start", "s to first sbatch", "s from last end to done")
HEAD = ("way", *TIMES, "peak MB, PSS / RSS", "processes", "CPU s", "commands")


def measured(way: str, asked: Asked, place: Path) -> Row:
    place.mkdir()
    calls = place / "calls"
    words = [sys.executable, "-P", str(Path(__file__).resolve()), *sys.argv[1:], "--way", way, "--place", str(place)]
    begun = time.time()
    with (place / "out").open("wb") as out:
        process = psutil.Popen(words, env={**os.environ, LOG: str(calls)}, stdout=out, stderr=out)
        watch = Watch(process.pid)
        while process.poll() is None:
            watch.look()
            time.sleep(0.5)
            assert time.time() - begun < LIMIT_S, (place / "out").read_text()[-3000:]
    over = time.time()
    if process.returncode:
        raise SystemExit(f"{way} ended with {process.returncode}:\n{(place / 'out').read_text()[-3000:]}")
    while len(histories := ended(place)) < asked.folds:  # of a bare array nothing has waited for the end
        time.sleep(0.5)
        assert time.time() - begun < LIMIT_S, f"{way}: {len(histories)} of {asked.folds} folds have ended"
    assert {(history.attempts, len(history.epochs)) for history in histories} == {(1, EPOCHS)}
    lines = [line.split() for line in calls.read_text().splitlines()]
    first = min(float(at) for at, name in lines if name == "sbatch")
    last = max(history.end.time for history in histories if history.end is not None)
    return Row(
        way=way,
        per_minute=60 * asked.folds / (last - first),
        before_s=first - begun,
        gap_s=gap_s(histories),
        noticed_s=over - last,
        watch=watch,
        calls=Counter(name for _, name in lines),
    )


def ended(place: Path) -> list[FoldHistory]:
    found = map(read_fold, place.glob("trials/*/fold-*"))
    return [history for history in found if history is not None and history.end is not None]


def gap_s(histories: Sequence[FoldHistory]) -> float:
    by_gpu: dict[tuple[str, str], list[FoldHistory]] = {}
    for history in sorted(histories, key=lambda history: history.start.time):
        where = history.start.environment
        by_gpu.setdefault((where["SLURM_JOB_NODELIST"], where["CUDA_VISIBLE_DEVICES"]), []).append(history)
    gaps = [
        after.start.time - before.end.time
        for on_gpu in by_gpu.values()
        for before, after in itertools.pairwise(on_gpu)
        if before.end is not None
    ]
    assert all(gap > 0 for gap in gaps)
    return statistics.median(gaps) if gaps else math.nan


def count_calls(place: Path) -> None:
    """Puts wrappers that count in front of Slurm's commands."""
    place.mkdir()
    for name in COUNTED:
        (place / name).write_text(WRAPPER.format(name=name, log=LOG, program=shutil.which(name)))
        (place / name).chmod(0o755)
    os.environ["PATH"] = f"{place}{os.pathsep}{os.environ['PATH']}"


def compare(asked: Asked, ways: Sequence[str], shape: Shape) -> list[Row]:
    rows = []
    with tempfile.TemporaryDirectory(prefix="actsweep-", ignore_cleanup_errors=True) as name:
        place = Path(name)
        cluster = devcluster.up(folder=place / "cluster", shape=shape)
        try:
            os.environ |= cluster.environment()
            count_calls(place / "bin")
            for number, way in enumerate(ways):
                while set(cluster.status().nodes.values()) != {"idle"}:
                    time.sleep(0.5)
                rows.append(measured(way, asked, place / str(number)))
                print("  ".join(rows[-1].cells()), flush=True)
        finally:
            cluster.end()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folds", type=int, default=64, help=f"a multiple of {2 * FOLDS}")
    parser.add_argument("--gpus-per-node", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=8.0, help="how long a fold trains")
    parser.add_argument("--concurrent", type=int, default=32, help="trials that the Tuner runs at a time")
    parser.add_argument(
        "--poll", type=float, nargs=2, default=(5.0, 60.0), help="our profile's poll_min_s and poll_max_s"
    )
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--place", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    asked = Asked(folds=given.folds, seconds=given.seconds, concurrent=given.concurrent, poll=tuple(given.poll))
    match given.way:
        case None:
            rows = compare(asked, given.ways, Shape(nodes=4, gpus_per_node=given.gpus_per_node))
            print(f"\n{asked.folds} folds of {asked.seconds:g} s, one a job, on {4 * given.gpus_per_node} GPUs\n")
            print("| " + " | ".join(HEAD) + " |\n|" + " --- |" * len(HEAD))
            for row in rows:
                print("| " + " | ".join(row.cells()) + " |")
        case "tuner":
            tuner(asked, given.place)
        case "ours" | "ours, search":
            ours(asked, given.place, search=given.way == "ours, search")
        case _:
            bare(asked, given.place, srun=given.way == "bare, srun")


if __name__ == "__main__":
    main()
