"""What jobs cost by the site's accounts, and how long they waited for what they trained."""

from __future__ import annotations

import pandas as pd

from analysis.report.findings import Findings
from analysis.report.tables import Table
from analysis.runs.accounting import by_place

FORMATS = {
    "jobs": "d",
    "runs": "d",
    "waited_h": ".3g",
    "median_wait_min": ".3g",
    "longest_wait_min": ".3g",
    "held_h": ".3g",
    "device_h": ".3g",
    "trained_h": ".3g",
    "cpu_share": "%",
    "energy_kwh": ".3g",
}
HEADS = {
    "waited_h": "waited in all, h",
    "median_wait_min": "median wait, min",
    "longest_wait_min": "longest wait, min",
    "held_h": "jobs held, h",
    "device_h": "device hours",
    "trained_h": "epochs took, h",
    "cpu_share": "cores' time used",
    "energy_kwh": "energy, kWh",
}


def sentences(findings: Findings) -> list[str]:
    """Of each study, by name where there are several; empty where nobody asked."""
    several = len(findings.studies) > 1
    said = [
        (study.plan.study, "; ".join(study.accounting.words()))
        for study in findings.studies
        if study.accounting is not None
    ]
    return [f"{name}: {text}." if several else f"{text[:1].upper()}{text[1:]}." for name, text in said]


def places(findings: Findings) -> Table | None:
    """Waiting against training, by partition and kind of node; None where no job is known to have run."""
    rows = []
    for study in findings.studies:
        if study.accounting is None:
            continue
        for (partition, kind), said in by_place(study.accounting.ran).items():
            rows.append(
                {
                    "study": study.plan.study,
                    "partition": partition,
                    "kind": kind,
                    "jobs": said.jobs,
                    "runs": said.runs,
                    "waited_h": said.waited_s / 3600,
                    "median_wait_min": None if said.median_wait_s is None else said.median_wait_s / 60,
                    "longest_wait_min": None if said.longest_wait_s is None else said.longest_wait_s / 60,
                    "held_h": said.elapsed_s / 3600,
                    "device_h": said.device_s / 3600,
                    "trained_h": None if said.trained_s is None else said.trained_s / 3600,
                    "cpu_share": said.cpu_share,
                    "energy_kwh": None if said.energy_j is None else said.energy_j / 3.6e6,
                }
            )
    if not rows:
        return None
    frame = pd.DataFrame(rows)
    for name in ("median_wait_min", "longest_wait_min", "trained_h", "cpu_share", "energy_kwh"):
        frame[name] = pd.to_numeric(frame[name])
    frame = frame.drop(columns=[name for name in ("cpu_share", "energy_kwh") if frame[name].isna().all()])
    return Table(
        name="table-30-jobs",
        title="Waiting against training",
        caption=(
            "Jobs by partition and kind of device: how long they waited from when they could have started, how long "
            "they held what they ran on, and how long epochs took meanwhile. Jobs that hold several packs train more "
            "than one epoch at a time."
        ),
        frame=frame,
        formats=FORMATS,
        heads=HEADS,
        fold=len(frame) > 30,
    )
