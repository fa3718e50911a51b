"""What repeating until decided may come to, in words: the least and most folds, and the limits."""

from __future__ import annotations

from analysis.runs.boundaries import Boundaries, Kind
from sweeps.study import planner
from sweeps.study.study import Study
from sweeps.wording import counted

WORDS: tuple[tuple[Kind, str], ...] = (("difference", "better or worse"), ("equivalence", "equivalent"))


def explained(study: Study, rule: Boundaries) -> list[str]:
    """Lines for ``actsweep check``."""
    least = len(study.activations) * len(planner.rounds(study, "confirm")[0])
    looks, last = rule.looks, len(rule.looks) - 1
    after = f"after {counted(looks[0], 'repeat')}" + (f", then after each to {looks[-1]}" if last else "")
    family = "with the control" if study.report.family == "control" else "of all pairs"
    lines = [
        f"  until decided: {counted(rule.comparisons, 'comparison')} {family}, looked at {after}; at least "
        f"{counted(least, 'fold')}; one that is decided gets no further folds",
        f"  a false word in at most {100 * rule.alpha:g} % of studies over all looks, for better or worse and for "
        "equivalent each, under the correlation of repeats on the same data:",
    ]
    for kind, words in WORDS:
        ends = " and ".join(f"{rule.limit(kind, look, rule.comparisons):.2g}" for look in dict.fromkeys((0, last)))
        where = "at the first look and at the last" if last else "at the only look"
        alone = f", {rule.limit(kind, last, 1):.2g} for the last one left" if rule.comparisons > 1 else ""
        lines.append(f"    {words}: p of a look at most {ends} {where}{alone}")
    return lines
