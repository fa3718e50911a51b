"""What a pool costs its driver: seconds and memory for tickets by the thousand, on this machine's disk.

    python tests/bench/bench_pool.py [TICKETS]

Simulated: the scheduler (in memory) and the workers (in this process; what they take is not counted). Real: PoolCluster
and its files. Beside it, what a driver without a pool does for as many jobs in the same loop: nothing but LocalCluster
would be comparable, which starts a process each, so there is none.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import psutil

from slurm.pool.cluster import PoolCluster
from slurm.pool.testing import Inner, Run
from slurm.profile import Profile

PROFILE = Profile(name="site", executor="slurm", time=600, jobs="node", gpus_per_node=4, slots_per_gpu=4, max_jobs=10)
TEXT = "x" * 4000
"""As long as the text of a pack of one fold, about."""


def main(tickets: int) -> None:
    process = psutil.Process()
    with tempfile.TemporaryDirectory() as folder:
        inner = Inner(room=10)
        before = process.memory_info().rss
        cluster = PoolCluster(PROFILE, inner, Path(folder) / "jobs" / "pool")
        took = {"submit": 0.0, "poll": 0.0}
        active: list[str] = []
        runs: dict[str, Run] = {}
        given = over = steps = 0
        while over < tickets:
            begun = time.perf_counter()
            room = min(cluster.room(len(active)), tickets - given)
            if room:
                name = f"s.1.{steps}.x"
                active += cluster.submit("m:f", [TEXT] * room, name=name, folder=Path(folder) / "jobs")
                given += room
            took["submit"] += time.perf_counter() - begun
            for job in inner.jobs:
                run = runs.setdefault(job, Run(inner, job, devices=4, slots=4)) if job not in runs else runs[job]
                for ticket in list(run.take()):
                    run.end(ticket, text=TEXT[:300])
            begun = time.perf_counter()
            reports = cluster.poll(active)
            took["poll"] += time.perf_counter() - begun
            over += sum(report.state.over for report in reports.values())
            active = [job for job in active if not reports[job].state.over]
            steps += 1
        grown = (process.memory_info().rss - before) / 1e6
        begun = time.perf_counter()
        PoolCluster(PROFILE, inner, Path(folder) / "jobs" / "pool")
        again = time.perf_counter() - begun
    print(f"{tickets} tickets, {len(inner.jobs)} workers of 16 places, {steps} steps of the driver")
    for what, seconds in took.items():
        print(f"{what:8} {1000 * seconds / tickets:8.3f} ms a ticket   {1000 * seconds / steps:8.1f} ms a step")
    print(f"memory   {grown:8.1f} MB more at the end   (workers of this process included)")
    print(f"opened   {again:8.2f} s by another driver, all {tickets} ends read")
    print(f"calls    {inner.costs.calls}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
