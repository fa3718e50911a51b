"""Short folds on a real Slurm: in jobs that hold several packs, in one job each, and in a bare array with ``srun``.

    python tests/bench/bench_modes.py --folds 96 --rounds 2

Starts a development cluster of its own (4 nodes x 4 pretended GPUs) in a temporary folder and ends it. Every way trains
the same folds of the digits on the CPU (the real trainer, a tiny network, two epochs), as specifications that are laid
out beforehand. ``bare`` is an array of one process a fold, started by ``srun``, without a driver; the others are
``actsweep`` with ``pack: fold``, with whole nodes, with two packs on each GPU, and in an allocation of the four nodes.
Wrappers on the PATH count Slurm's commands; the driver's memory is watched twice a second. Ways take turns, so that
what else the machine does falls on all of them.

All jobs and the driver share this machine's cores: folds a minute say what a fold costs beside its training, not how
fast a cluster is. Prints a table with ratios to the bare array of the same round.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
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
from trainer.journal import FoldHistory, Status, read_fold
from trainer.spec import Launch, Pack

FOLDS = 4
STUDY = """
name: bench
data: {{name: digits}}
model: {{name: tiny_cnn}}
training: {{epochs: {epochs}, batch: 256, patience: null}}
folds: {{folds: 4}}
control: relu
cluster: {{pack: fold}}
activations:
  - relu
"""
COMMON = """
device: cpu
signal_lead_s: 30
environment: {OMP_NUM_THREADS: "1"}
"""
ON_SLURM = "executor: slurm\npartition: main\nmem_gb: 0.25\ntime_min: 20\ngpus_per_pack: 1\n"
PROFILES = {
    "one pack a job": ON_SLURM,
    "whole nodes": ON_SLURM + "jobs: node\ngpus_per_node: 4\n",
    "two on a GPU": ON_SLURM + "jobs: node\ngpus_per_node: 4\nslots_per_gpu: 2\nmax_jobs: 2\n",
    "an allocation": "executor: allocation\n",
}
BARE = "bare"
SCRIPT = """#!/bin/bash
#SBATCH --job-name=bare --array=0-{last} --partition=main --output=%a.log
#SBATCH --nodes=1 --ntasks=1 --cpus-per-task=1 --gpus-per-node=1 --mem=256M --time=20
export OMP_NUM_THREADS=1
srun --cpus-per-task=1 {python} -P -c {code} "$SLURM_ARRAY_TASK_ID.json"
"""
CODE = "import pathlib, sys; from trainer.entry import run; run(pathlib.Path(sys.argv[1]).read_text())"
COUNTED = ("sbatch", "squeue", "sacct", "scontrol", "scancel", "srun")
LOG = "ACTSWEEP_BENCH_CALLS"
WRAPPER = '#!/bin/bash\necho "$EPOCHREALTIME {name}" >> "${{{log}:-/dev/null}}"\nexec {program} "$@"\n'
LIMIT_S = 900.0


def study(folds: int, epochs: int) -> str:
    slopes = [
        f"  - {{activation: leaky_relu, label: slope-{number}, params: {{negative_slope: {number / 1000}}}}}\n"
        for number in range(1, folds // FOLDS)
    ]
    return STUDY.format(epochs=epochs) + "".join(slopes)


def texts(text: str, place: Path) -> list[str]:
    """The packs of the study, one fold each, below another folder."""
    found = load(text)
    return [
        to_text(Pack(launches=(Launch(spec=spec, folder=f"{place}/trials/{trial}/{spec.folder}"),), data_root=None))
        for label in found.compared()
        for trial in [layout.trial_name(label, "confirm", 0)]
        for spec in planner.fold_specs(found, phase="confirm", trial=trial, label=label)
    ]


def bare(text: str, place: Path) -> None:
    packs = texts(text, place)
    for number, pack in enumerate(packs):
        (place / f"{number}.json").write_text(pack)
    script = SCRIPT.format(last=len(packs) - 1, python=sys.executable, code=shlex.quote(CODE))
    (place / "bare.sh").write_text(script)
    subprocess.run(["sbatch", "bare.sh"], cwd=place, check=True)


def ours(text: str, place: Path, profile: str) -> None:
    """As ``actsweep run`` does, without its live view and its report."""
    (place / "lab.yaml").write_text(profile + COMMON)
    session.make(shipped.on_profile(load(text), str(place / "lab.yaml")), place, ["bench"])
    with session.driving(place) as driver:
        session.drive(driver, lambda now: None, interval_s=1.0)
        driver.cluster.release()


@dataclass(frozen=True, kw_only=True)
class Row:
    """What came out for one way in one round."""

    way: str
    per_minute: float
    """Folds finished, from the first sbatch (in an allocation srun) until the last fold's end."""
    rss_mb: float
    """Of the driver at its largest."""
    calls: Counter[str]
    """Those of nodes (srun of a batch script) among them."""


def measured(way: str, place: Path, folds: int, words: list[str]) -> Row:
    place.mkdir()
    calls = place / "calls"
    command = [sys.executable, "-P", str(Path(__file__).resolve()), *words, "--way", way, "--place", str(place)]
    begun = time.time()
    with (place / "out").open("wb") as out:
        process = psutil.Popen(command, env={**os.environ, LOG: str(calls)}, stdout=out, stderr=out)
        rss = 0.0
        while process.poll() is None:
            try:
                rss = max(rss, process.memory_info().rss / 2**20)
            except psutil.Error:
                break
            time.sleep(0.5)
            assert time.time() - begun < LIMIT_S, (place / "out").read_text()[-3000:]
    if process.wait():
        raise SystemExit(f"{way} ended with {process.returncode}:\n{(place / 'out').read_text()[-3000:]}")
    while len(histories := ended(place)) < folds:  # of a bare array nothing has waited for the end
        time.sleep(0.5)
        assert time.time() - begun < LIMIT_S, f"{way}: {len(histories)} of {folds} folds have ended"
    last = max(history.end.time for history in histories if history.end is not None)
    lines = [line.split() for line in calls.read_text().splitlines()]
    first = min(float(at) for at, name in lines if name in ("sbatch", "srun"))
    return Row(
        way=way,
        per_minute=60 * folds / (last - first),
        rss_mb=rss,
        calls=Counter(name for _, name in lines),
    )


def ended(place: Path) -> list[FoldHistory]:
    found = [read_fold(folder) for folder in place.glob("trials/*/fold-*")]
    done = [history for history in found if history is not None and history.end is not None]
    assert all(history.end is not None and history.end.status is Status.FINISHED for history in done)
    return done


def compare(ways: list[str], rounds: int, folds: int, words: list[str]) -> list[Row]:
    rows = []
    with tempfile.TemporaryDirectory(prefix="actsweep-", ignore_cleanup_errors=True) as name:
        place = Path(name)
        cluster = devcluster.up(folder=place / "cluster", shape=Shape())
        try:
            os.environ |= cluster.environment()
            count_calls(place / "bin")
            for number in range(rounds):
                for way in ways if number % 2 == 0 else reversed(ways):
                    while set(cluster.status().nodes.values()) != {"idle"}:
                        time.sleep(0.5)
                    rows.append(measured(way, place / f"{number}-{way.replace(' ', '-')}", folds, words))
                    print("  ".join(cells(rows[-1:], rows)), flush=True)
        finally:
            cluster.end()
    return rows


def count_calls(place: Path) -> None:
    """Puts wrappers that count in front of Slurm's commands."""
    place.mkdir()
    for name in COUNTED:
        (place / name).write_text(WRAPPER.format(name=name, log=LOG, program=shutil.which(name)))
        (place / name).chmod(0o755)
    os.environ["PATH"] = f"{place}{os.pathsep}{os.environ['PATH']}"


def cells(mine: list[Row], rows: list[Row]) -> list[str]:
    """Of one way: medians over its rounds, and the median of its ratios to the bare array of the same round."""
    of_bare = [row.per_minute for row in rows if row.way == BARE]
    ratios = [row.per_minute / base for row, base in zip(mine, of_bare, strict=False)]
    calls = ", ".join(f"{count} {name}" for name, count in sorted(mine[-1].calls.items()))
    return [
        mine[0].way,
        f"{statistics.median(row.per_minute for row in mine):.1f}",
        f"{statistics.median(ratios):.2f}" if ratios and len(mine) == len(of_bare) else "-",
        "-" if mine[0].way == BARE else f"{max(row.rss_mb for row in mine):.0f}",
        calls,
    ]


HEAD = ("way", "folds/min", "of bare", "driver MB", "commands")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folds", type=int, default=96, help=f"a multiple of {FOLDS}")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--ways", nargs="+", choices=[BARE, *PROFILES], default=[BARE, *PROFILES])
    parser.add_argument("--way", choices=[BARE, *PROFILES], help=argparse.SUPPRESS)
    parser.add_argument("--place", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    text = study(given.folds, given.epochs)
    if given.way is None:
        words = ["--folds", str(given.folds), "--epochs", str(given.epochs)]
        rows = compare(given.ways, given.rounds, given.folds, words)
        print(f"\n{given.folds} folds of {given.epochs} epochs, {given.rounds} rounds, {os.cpu_count()} cores\n")
        print("| " + " | ".join(HEAD) + " |\n|" + " --- |" * len(HEAD))
        for way in given.ways:
            print("| " + " | ".join(cells([row for row in rows if row.way == way], rows)) + " |")
        return
    if given.way == BARE:
        bare(text, given.place)
    elif given.way == "an allocation":
        words = ["salloc", "--no-shell", "--nodes=4", "--gpus-per-node=4", "--time=20"]
        told = subprocess.run(words, capture_output=True, text=True, check=True).stderr
        os.environ["SLURM_JOB_ID"] = told.split("Granted job allocation ")[1].split()[0]
        try:
            ours(text, given.place, PROFILES[given.way])
        finally:
            subprocess.run(["scancel", os.environ["SLURM_JOB_ID"]], check=False)
    else:
        ours(text, given.place, PROFILES[given.way])


if __name__ == "__main__":
    main()
