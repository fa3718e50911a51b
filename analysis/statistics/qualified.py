"""What checks of the data do to the word of a comparison: the one place where they do it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import pandas as pd

from analysis.statistics.finding import Effect, Finding
from analysis.statistics.verdict import Verdict, Word


def qualify(verdicts: Iterable[Verdict], findings: Sequence[Finding]) -> list[Verdict]:
    """The verdicts with what the findings that concern each do to it.

    One finding that takes the word away is enough: the word is then "descriptive only" (or stays "cannot tell at this
    n", which claims nothing), the note says why, and ``withdrawn`` keeps what it would have been. What merely qualifies
    a word is said where the word stands.
    """
    return [_qualified(verdict, findings) for verdict in verdicts]


def _qualified(verdict: Verdict, findings: Sequence[Finding]) -> Verdict:
    mine = [
        one
        for one in findings
        if one.consequence.effect is not Effect.NOTHING
        and one.concerns(verdict.dataset, verdict.activation, verdict.control)
    ]
    against = [one for one in mine if one.consequence.effect is Effect.WITHDRAWS]
    doubts = tuple(dict.fromkeys(one.sentence for one in against or mine))
    return _doubted(verdict, doubts, withdrawn=bool(against))


def takes_away(checks: pd.DataFrame, *labels: str, dataset: str | None = None) -> bool:
    """Whether a finding in a frame of ``checks`` takes the word from every comparison among these activations, on one
    data set or (None) on any."""
    rows = checks[checks["effect"] == Effect.WITHDRAWS]
    if dataset is not None:
        rows = rows[rows["dataset"] == dataset]
    return any(not concerned or bool(set(concerned) & set(labels)) for concerned in rows["activations"])


def carried(others: Iterable[Verdict], declared: Iterable[Verdict]) -> list[Verdict]:
    """Verdicts of the same comparisons under another choice, with the doubts that the ``declared`` ones have: the runs
    are the same."""
    known = {(one.dataset, one.activation, one.control): one for one in declared}
    result = []
    for other in others:
        one = known.get((other.dataset, other.activation, other.control))
        result.append(other if one is None else _doubted(other, one.doubts, withdrawn=one.withdrawn is not None))
    return result


def _doubted(verdict: Verdict, doubts: tuple[str, ...], *, withdrawn: bool) -> Verdict:
    if not doubts:
        return verdict
    word = verdict.word
    if withdrawn and word is not Word.CANNOT_TELL:
        # Why it would have been another word is of no use any more.
        verdict = dataclasses.replace(verdict, note=verdict.note.removesuffix(verdict.reason).strip(), reason="")
    return dataclasses.replace(
        verdict,
        word=Word.DESCRIPTIVE if withdrawn and word is not Word.CANNOT_TELL else word,
        withdrawn=word if withdrawn else None,
        doubts=doubts,
        note=" ".join(filter(None, (verdict.note, *doubts))),
    )
