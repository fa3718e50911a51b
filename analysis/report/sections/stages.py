"""What a stage before the last had reached already: of tasks that measure the primary metric after it, too."""

from __future__ import annotations

import math

import pandas as pd

from analysis.report.amounts import amount, between
from analysis.report.blocks import Section, Tabled, Text
from analysis.report.figures.curves import stages
from analysis.report.findings import Findings
from analysis.report.sections.robustness import measured
from analysis.report.tables import Table, decimals
from analysis.runs.metric import Metric
from analysis.statistics import frequentist
from analysis.statistics.scores import of_arrays
from analysis.statistics.verdict import Verdict

METHODS = (
    "What a stage adds is the metric of the finished model less that of the model as the stage before left it, on the "
    "same held-out parts.",
)


def section(findings: Findings) -> Section | None:
    """None where no metric is named for the primary one and a stage."""
    found = earlier(findings)
    if not found:
        return None
    rows = []
    said = []
    for dataset in findings.datasets:
        for stage, metric in found.items():
            verdicts = added(findings, dataset, metric)
            rows += [row(findings, dataset, stage, one) for one in verdicts]
            said.append(sentence(findings, dataset, stage, verdicts))
    return Section(
        anchor="stages",
        title="What each stage adds",
        blocks=[*(Text(text) for text in said if text), Tabled(table(findings, pd.DataFrame(rows)))],
        methods=METHODS,
    )


def earlier(findings: Findings) -> dict[str, Metric]:
    """By stage, the metric that is the primary one after it: ``<primary>_<stage>``."""
    names = dict.fromkeys(name for name, _ in stages(findings.claimed))
    known = {metric.name: metric for metric in findings.metrics if measured(findings.claimed, metric.name)}
    return {
        name: known[f"{findings.metric.name}_{name}"] for name in names if f"{findings.metric.name}_{name}" in known
    }


def added(findings: Findings, dataset: str, before: Metric) -> list[Verdict]:
    """Of each activation, the finished model against the one before."""
    after, first = findings.scores(dataset), findings.scores(dataset, f"heldout/{before.name}")
    found = []
    for label in after.values.columns:
        x, y = after.values[label], first.values[label].reindex(after.values.index)
        pairs = of_arrays(
            x.to_numpy(dtype=float),
            y.to_numpy(dtype=float),
            ratio=after.ratio,
            dataset=dataset,
            activation=str(label),
            control=before.name,
            metric=findings.metric,
        )
        found.append(frequentist.corrected_t(pairs, alpha=findings.alpha))
    return found


def row(findings: Findings, dataset: str, stage: str, found: Verdict) -> dict[str, object]:
    low, high = found.interval or (math.nan, math.nan)
    after = findings.scores(dataset).values[found.activation]
    before = findings.scores(dataset, f"heldout/{found.control}").values[found.activation]
    return {
        **{"dataset": dataset, "activation": found.activation, "stage": stage},
        **{"before": float(before.mean()), "after": float(after.mean())},
        **{"added": found.estimate, "low": low, "high": high, "n": found.n},
    }


def sentence(findings: Findings, dataset: str, stage: str, verdicts: list[Verdict]) -> str:
    """How many activations gain, lose, or do not show it."""
    known = [found for found in verdicts if found.interval is not None]
    if not known:
        return ""
    gain = [found for found in known if found.interval and found.interval.low > 0]
    loss = [found for found in known if found.interval and found.interval.high < 0]
    where = f"{dataset}: a" if len(findings.datasets) > 1 else "A"
    parts = [f"better for {len(gain)} of {len(known)} activations"]
    parts += [f"worse for {len(loss)}"] if loss else []
    open_ = len(known) - len(gain) - len(loss)
    parts += [f"not told for {open_}"] if open_ else []
    most = max(known, key=lambda one: one.estimate)
    assert most.interval is not None
    by = f"{amount(most.estimate, findings.metric)} ({between(most.interval, findings.metric)})"
    return (
        f"{where}fter the stage {stage}, what follows makes the {findings.metric.name} {', '.join(parts)}; most it "
        f"adds for {most.activation}, {by}."
    )


def table(findings: Findings, frame: pd.DataFrame) -> Table:
    digits = max(3, decimals(frame[["before", "after"]].to_numpy()))
    level = f"{100 * (1 - findings.alpha):g} %"
    return Table(
        name="table-26-stages",
        title="Before and after",
        caption=(
            f"Held-out {findings.metric.name}, mean over n {findings.unit}s, as the stage left it and at the end; "
            f"added: positive is better, with its corrected {level} interval. No test."
        ),
        frame=frame,
        formats={
            **dict.fromkeys(("before", "after"), f".{digits}f"),
            **dict.fromkeys(("added", "low", "high"), f"+.{digits}f"),
            "n": "d",
        },
        heads={
            "dataset": "data set",
            "before": "after the stage",
            "after": "at the end",
            "low": f"{level} from",
            "high": "to",
        },
        fold=len(frame) > 30,
    )
