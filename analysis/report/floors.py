"""The floors of the studies that a report is of, found once for all that show them."""

from __future__ import annotations

from analysis.report.findings import Findings
from analysis.runs.metric import Metric
from analysis.statistics import floors as statistic
from analysis.statistics.floors import Floor


def of_metric(findings: Findings, dataset: str, metric: Metric) -> list[Floor]:
    """The floors of a data set, the best first; none where the metric was not measured."""
    rows = findings.claimed[findings.claimed["dataset"] == dataset]
    column = f"heldout/{metric.name}"
    if column not in rows or not statistic.measured(rows, metric):
        return []
    beyond = statistic.truths(rows, findings.plan_of(dataset).metrics)
    return statistic.floors(rows, findings.scores(dataset, column), alpha=findings.alpha, without=beyond)


def primary(findings: Findings) -> dict[str, list[Floor]]:
    """Of the primary metric, by data set."""

    def make(findings: Findings) -> dict[str, list[Floor]]:
        each = {name: of_metric(findings, name, findings.plan_of(name).primary) for name in findings.datasets}
        return {name: found for name, found in each.items() if found}

    return findings.once("floors", make)


def every(findings: Findings) -> list[Floor]:
    """Of all metrics."""

    def make(findings: Findings) -> list[Floor]:
        return [
            floor
            for dataset in findings.datasets
            for metric in sorted(findings.plan_of(dataset).metrics, key=lambda one: one != findings.metric)
            for floor in (
                primary(findings).get(dataset, [])
                if metric == findings.metric
                else of_metric(findings, dataset, metric)
            )
        ]

    return findings.once("floors of every metric", make)
