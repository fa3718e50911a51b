"""What the runs cost in device time."""

from __future__ import annotations

import math
from typing import NamedTuple

import pandas as pd

from analysis.report.amounts import number
from analysis.report.findings import Findings
from analysis.runs.schema import SECONDS_EVALUATE, SECONDS_REST, SECONDS_TRAIN, Status
from analysis.runs.wording import counted
from analysis.statistics import kinds

DEVICES = {"cuda": "GPU", "cpu": "CPU"}


class Spent(NamedTuple):
    trainings: int
    hours: float
    """Of device time; nan where no times were recorded."""
    device: str
    """``GPU``, ``CPU``, or ``device`` where there are several kinds."""
    said: str


def spent(findings: Findings) -> Spent:
    """Every training that began, those of searches too. Trainings that shared a device share its time."""
    own = findings.cube[(findings.cube["status"] != Status.IMPORTED) & (findings.cube["run_id"] != "")]
    if own.empty:
        return Spent(0, math.nan, "device", "")
    devices = {str(device) for device in own["device"].dropna()} - {""} if "device" in own else set()
    device = DEVICES.get(devices.pop(), "device") if len(devices) == 1 else "device"
    hours = device_hours(findings, own)
    searched = int((own["phase"] == "search").sum())
    of_search = f", {searched} of them to choose settings" if searched else ""
    return Spent(len(own), hours, device, f"{counted(len(own), 'training')}{of_search}{hours_of(hours, device, ': ')}.")


def device_hours(findings: Findings, own: pd.DataFrame) -> float:
    shared = kinds.slots(own) * (own["pack_size"].clip(lower=1) if "pack_size" in own else 1)
    shared.index = own["run_id"]
    total = math.nan
    for study in findings.studies:
        present = [name for name in (SECONDS_TRAIN, SECONDS_EVALUATE, SECONDS_REST) if name in study.curves]
        if not present or study.curves.empty:
            continue
        each = study.curves[present].sum(axis=1).groupby(study.curves["run_id"], sort=False, observed=True).sum()
        each = each[each.index.isin(own["run_id"])]
        each = each / shared.reindex(each.index.astype(object)).fillna(1).to_numpy(dtype=float)
        total = float(each.sum()) / 3600 + (0.0 if math.isnan(total) else total)
    return total


def hours_of(hours: float, device: str, before: str = "") -> str:
    """Device time in words after ``before``; empty where it is not known."""
    if not math.isfinite(hours):
        return ""
    if hours < 1:
        return f"{before}{counted(max(1, round(60 * hours)), f'{device}-minute')}"
    return f"{before}{number(hours) if hours < 100 else f'{hours:,.0f}'} {device}-hours"
