"""What may be claimed: one row a data set and rival."""

from __future__ import annotations

import math

import pandas as pd

from analysis.report.blocks import Block, Notice, Section, Tabled, Text
from analysis.report.findings import Findings
from analysis.report.tables import Table, decimals
from analysis.runs.published import parts_of
from analysis.runs.wording import counted
from analysis.statistics.verdict import Verdict, Word

CLASSES = {Word.BETTER: "better", Word.WORSE: "worse", Word.EQUIVALENT: "equivalent"}


def section(findings: Findings) -> Section:
    if not findings.verdicts:
        return Section(
            anchor="verdicts",
            title="Verdicts",
            blocks=[Notice("Nothing to compare: there is no activation beside the control.", tone="note")],
        )
    blocks: list[Block] = [Text(sentence(list(findings.verdicts))), Tabled(table(findings))]
    return Section(anchor="verdicts", title="Verdicts", blocks=blocks)


def sentence(verdicts: list[Verdict]) -> str:
    counts = {word: sum(verdict.word == word for verdict in verdicts) for word in Word}
    found = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    named = [
        f"{verdict.activation} is {verdict.word} than {verdict.control} on {verdict.dataset}"
        for verdict in verdicts
        if verdict.word in (Word.BETTER, Word.WORSE)
    ]
    rest = f" {'; '.join(named[:8])}{'; and more' if len(named) > 8 else ''}." if named else ""
    return f"Of {counted(len(verdicts), 'comparison')}: {found}.{rest}"


def table(findings: Findings) -> Table:
    verdicts = findings.verdicts
    frame = pd.DataFrame(
        [
            {
                "dataset": found.dataset,
                "activation": found.activation,
                "verdict": str(found.word),
                "control": found.control,
                "difference": found.estimate,
                "low": found.interval.low if found.interval else math.nan,
                "high": found.interval.high if found.interval else math.nan,
                "worse": found.probabilities.worse if found.probabilities else math.nan,
                "same": found.probabilities.same if found.probabilities else math.nan,
                "better": found.probabilities.better if found.probabilities else math.nan,
                "p": math.nan if found.p_adjusted is None else found.p_adjusted,
                "n": found.n,
                "note": found.note,
            }
            for found in verdicts
        ]
    )
    digits = max(3, decimals(frame[["difference", "low", "high"]].to_numpy()))
    level = f"{100 * (1 - findings.alpha):g} %"
    name = findings.plan.declaration.metric
    return Table(
        name="table-1-verdicts",
        title="Verdicts",
        caption=(
            f"Mean paired difference of {parts_of(findings.claimed, name)} {name} to the control, positive is better, "
            f"with its {level} interval (not adjusted) and p by the corrected resampled t, two-sided, after Holm over "
            f"{counted(findings.family, 'comparison')}; probabilities by the Bayesian correlated t. Better or worse "
            "needs both; equivalent needs P(same) and the p of two one-sided tests after Holm likewise. n counts "
            "paired splits."
        ),
        frame=frame,
        formats={
            **dict.fromkeys(("difference", "low", "high"), f"+.{digits}f"),
            **dict.fromkeys(("worse", "same", "better"), ".3f"),
            "p": "p",
            "n": "d",
        },
        heads={
            "dataset": "data set",
            "low": f"{level} from",
            "high": "to",
            "worse": "P(worse)",
            "same": "P(same)",
            "better": "P(better)",
            "p": "p (Holm)",
        },
        marked={(row, "verdict"): CLASSES[found.word] for row, found in enumerate(verdicts) if found.word in CLASSES},
    )
