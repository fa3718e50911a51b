"""What the verdicts come to in a few sentences of plain words with their numbers: the answer, and what to use."""

from __future__ import annotations

import math
from collections.abc import Sequence

from analysis.report.amounts import amount, between, listed, number, scale, shown_of
from analysis.report.findings import Findings
from analysis.runs.metric import Metric
from analysis.runs.wording import counted
from analysis.statistics.verdict import Interval, Verdict, Word

DECIDED = (Word.BETTER, Word.WORSE, Word.EQUIVALENT)
"""Words that decide a comparison."""
NAMED, FEWER = 3, 2
"""Activations of one kind that are named; the rest are counted. Fewer of those that are worse."""

ROUNDING = 1e-12
"""Of the largest difference, what is left of a mean that would be 0 but for rounding."""


def sentences(findings: Findings) -> list[str]:
    """The answer: what is decided, then how the rest stand."""
    if not findings.verdicts:
        return ["Nothing to compare: there is no activation beside the control."]
    said = [
        sentence
        for word in (Word.BETTER, Word.WORSE, Word.EQUIVALENT)
        if (sentence := decided(findings, [found for found in findings.verdicts if found.word is word]))
    ]
    rest = [found for found in findings.verdicts if found.word not in DECIDED]
    return said + (undecided(findings, rest, alone=not said) if rest else [])


def decided(findings: Findings, verdicts: Sequence[Verdict]) -> str:
    """One sentence for all verdicts of one word, those on most data sets and of the largest differences first."""
    if not verdicts:
        return ""
    groups: dict[tuple[str, str], list[Verdict]] = {}
    for found in verdicts:
        groups.setdefault((found.activation, found.control), []).append(found)
    ranked = sorted(groups.values(), key=lambda group: (-len(group), -max(abs(one.estimate) for one in group)))
    word, control = verdicts[0].word, verdicts[0].control
    if word is Word.EQUIVALENT:
        return equivalent(findings, ranked)
    most = NAMED if word is Word.BETTER else FEWER
    named = ranked[: shown_of(len(ranked), most)]
    parts = [extent(findings, group, first=at == 0) for at, group in enumerate(named)]
    whole = listed([*parts, *[""] * (len(ranked) - len(parts))], most)
    if len(ranked) == 1:
        alone = extent(findings, ranked[0], first=True, named=False)
        return f"{ranked[0][0].activation} is {word} than {control} {alone}."
    return f"{str(word).capitalize()} than {control}: {whole}."


def extent(findings: Findings, group: Sequence[Verdict], *, first: bool, named: bool = True) -> str:
    """How much better or worse one activation is, on the one data set or over several."""
    one, metric = group[0], metric_of(findings, group[0])
    head = f"{one.activation} " if named else ""
    if len(group) > 1:
        least, *_, most = sorted(abs(found.estimate) for found in group)
        ends = f"{number(scale(metric) * least)} to {amount(most, metric)}"
        return f"{head}on {len(group)} of {counted(len(findings.datasets), 'data set')} by {ends}"
    where = f"on {one.dataset} " if len(findings.datasets) > 1 else ""
    text = f"{head}{where}by {amount(abs(one.estimate), metric)}"
    interval = findings.possible(one)
    if interval is None:
        return text
    if one.word is Word.WORSE:
        interval = Interval(-interval.high, -interval.low)
    return f"{text} ({f'{100 * one.level:g} % interval ' if first else ''}{between(interval, metric)})"


def equivalent(findings: Findings, ranked: Sequence[Sequence[Verdict]]) -> str:
    names = [
        group[0].activation
        + (f" on {listed([one.dataset for one in group], 2)}" if len(group) < len(findings.datasets) else "")
        for group in ranked
    ]
    first = ranked[0][0]
    widths = {float(one.extras.get("rope", math.nan)) for group in ranked for one in group}
    within = f", within ± {amount(widths.pop(), metric_of(findings, first))}" if len(widths) == 1 else ""
    return f"{listed(names, NAMED)} {'is' if len(names) == 1 else 'are'} equivalent to {first.control}{within}."


def undecided(findings: Findings, rest: Sequence[Verdict], *, alone: bool) -> list[str]:
    """How the comparisons without a decision stand: the one that is furthest ahead with its numbers, then how many
    more there are."""
    lead = leader(findings, rest)
    if lead is None:
        return [f"{counted(len(rest), 'comparison')} without a result: {rest[0].note or rest[0].word}"]
    if not alone:
        told = [float(found.extras.get("detectable", math.nan)) for found in rest]
        known = sorted(value for value in told if math.isfinite(value))
        design = f", where this design tells {amount(known[0], metric_of(findings, lead))} at best" if known else ""
        are = "is" if len(rest) == 1 else "are"
        return [f"{len(rest)} of {counted(len(findings.verdicts), 'comparison')} {are} open{design}."]
    metric = metric_of(findings, lead)
    where = f" on {lead.dataset}" if len(findings.datasets) > 1 else ""
    level = level_on_average(findings, lead)
    if lead.estimate > 0 and not level:
        by = f"{amount(lead.estimate, metric)}{ahead(findings, lead)}"
        head = f"{lead.activation} leads {lead.control}{where} by {by}"
    else:
        behind = "level" if level else f"{amount(-lead.estimate, metric)} behind"
        head = f"{lead.activation} comes nearest to {lead.control}{where}, {behind} on average"
    others = len(rest) - 1
    said = [f"Not decided: {head}{why_open(findings, lead)}."]
    if others:
        said.append(f"{counted(others, 'other comparison')} {'is' if others == 1 else 'are'} open too.")
    return said


def leader(findings: Findings, verdicts: Sequence[Verdict]) -> Verdict | None:
    """The one that is furthest ahead of its control; None where nothing was estimated."""
    known = [found for found in verdicts if math.isfinite(found.estimate)]
    return max(known, key=lambda found: standing(findings, found), default=None)


def standing(findings: Findings, found: Verdict) -> float:
    """By what the one that leads is found: the difference, and over several data sets the difference in terms of its
    own standard error, since one point weighs differently on each."""
    error = float(found.extras.get("scale", math.nan))
    return found.estimate / error if len(findings.datasets) > 1 and error > 0 else found.estimate


def level_on_average(findings: Findings, found: Verdict) -> bool:
    """Whether the differences come to nothing but what rounding leaves of their sum."""
    d = findings.pair_of(found).d
    return abs(found.estimate) <= ROUNDING * max(map(abs, d), default=0.0)


def ahead(findings: Findings, found: Verdict) -> str:
    """On how many splits (or cases, or seeds) it is ahead."""
    d = findings.pair_of(found).d
    wins = int((d > 0).sum())
    if len(d) < 2:
        return ""
    on = counted(len(d), findings.scores(found.dataset).unit)
    return f", ahead on all {on}" if wins == len(d) else f", ahead on {wins} of {on}"


def why_open(findings: Findings, found: Verdict) -> str:
    """Why a difference has no decision: what the design tells, or the reason that its verdict gives."""
    if found.withdrawn is not None:
        return "; a check of the data takes the word away"
    if found.word is Word.DESCRIPTIVE:
        return "; descriptive only"
    told = float(found.extras.get("detectable", math.nan))
    metric = metric_of(findings, found)
    if found.word is Word.CANNOT_TELL and not math.isfinite(told):
        return f"; {counted(found.n, f'paired {findings.unit}')} cannot tell"
    if not math.isfinite(told):
        return ", which is not enough"
    if told > max(map(abs, findings.reach(found))):
        return f", which is not enough: this design tells no difference in {metric.name} that there can be"
    if abs(found.estimate) < told:
        return f", which is not enough: this design tells {amount(told, metric)} at 80 % power"
    p = (
        ""
        if found.p_adjusted is None
        else f": p = {found.p_adjusted:.2g} {'over all looks' if findings.looks else 'after Holm'}"
    )
    return f", which is not enough{p}"


def metric_of(findings: Findings, found: Verdict) -> Metric:
    return findings.plan_of(found.dataset).primary


def choice(findings: Findings) -> str:
    """Which activation the numbers speak for, and how sure that is."""
    if not findings.verdicts:
        return ""
    worse = {found.activation for found in findings.verdicts if found.word is Word.WORSE}
    better: dict[str, list[Verdict]] = {}
    for found in findings.verdicts:
        if found.word is Word.BETTER:
            better.setdefault(found.activation, []).append(found)
    everywhere = {label: found for label, found in better.items() if label not in worse}
    if everywhere:
        return winner(findings, everywhere)
    if better:
        return by_dataset([one for found in better.values() for one in found])
    text = f"{findings.control}: nothing is shown to beat it."
    same = [label for label in findings.labels if is_equivalent(findings, label)]
    if same:
        do = "does" if len(same) == 1 else "do"
        text = f"{findings.control}: nothing is shown to beat it; {listed(same, NAMED)} {do} as well."
    lead = leader(findings, [found for found in findings.verdicts if found.word not in DECIDED])
    if lead is None or lead.probabilities is None or lead.estimate <= 0 or lead.word is Word.DESCRIPTIVE:
        return text
    where = f" on {lead.dataset}" if len(findings.datasets) > 1 else ""
    rope = float(lead.extras.get("rope", math.nan))
    by = f" by more than {amount(rope, metric_of(findings, lead))}" if math.isfinite(rope) and rope > 0 else ""
    return (
        f"{text} Else {lead.activation}: better{where}{by} with probability {chance(lead.probabilities.better)}, "
        "taken alone."
    )


def is_equivalent(findings: Findings, label: str) -> bool:
    """On every data set."""
    mine = [found.word for found in findings.verdicts if (found.activation, found.control) == (label, findings.control)]
    return len(mine) == len(findings.datasets) and all(word is Word.EQUIVALENT for word in mine)


def by_dataset(better: Sequence[Verdict]) -> str:
    """Where every one that is better on one data set is worse on another."""
    best: dict[str, Verdict] = {}
    for found in better:
        if found.dataset not in best or found.estimate > best[found.dataset].estimate:
            best[found.dataset] = found
    named = [f"{found.activation} on {name}" for name, found in best.items()]
    return f"It depends on the data: {listed(named, NAMED)}; each is worse than {better[0].control} elsewhere."


def winner(findings: Findings, better: dict[str, list[Verdict]]) -> str:
    ranked = sorted(better.items(), key=lambda item: (-len(item[1]), -sum(one.estimate for one in item[1])))
    label, found = ranked[0]
    worst = max(found, key=lambda one: one.p_adjusted if one.p_adjusted is not None else 0.0)
    over = f"on {len(found)} of {counted(len(findings.datasets), 'data set')}" if len(findings.datasets) > 1 else ""
    p = "" if worst.p_adjusted is None else f"p {small(worst.p_adjusted)} {corrected(findings)}"
    mass = f"P(better) {chance(worst.probabilities.better)}" if worst.probabilities else ""
    text = f"{label}: better than {worst.control} {', '.join(filter(None, [over, p, mass]))}."
    if len(ranked) > 1:
        rest = listed([name for name, _ in ranked[1:]], 2)
        text += f" {rest} {'is' if len(ranked) == 2 else 'are'} better too; which of them is best was not asked."
    return text


def corrected(findings: Findings) -> str:
    """What p accounts for."""
    return findings.corrected if findings.looks else f"after Holm over {findings.family}"


def small(p: float) -> str:
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def chance(probability: float) -> str:
    """Never 0 or 1."""
    return "> 0.999" if probability > 0.999 else "< 0.001" if probability < 0.001 else f"{probability:.2g}"
