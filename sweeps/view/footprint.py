"""What a driver cost the machine and the scheduler."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from slurm.jobs import Costs


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """What a driver cost the machine and the scheduler."""

    cpu_s: float
    peak_memory_mb: float
    calls: dict[str, int]

    def words(self) -> str:
        calls = ", ".join(f"{count} {name}" for name, count in sorted(self.calls.items())) or "no scheduler calls"
        return f"driver: {self.cpu_s:.1f} s of CPU, {self.peak_memory_mb:.0f} MB at most, {calls}"


def footprint(costs: Costs) -> Footprint:
    import resource

    usage = resource.getrusage(resource.RUSAGE_SELF)
    scale = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return Footprint(
        cpu_s=usage.ru_utime + usage.ru_stime, peak_memory_mb=usage.ru_maxrss / scale, calls=dict(costs.calls)
    )
