"""Over the data sets together: the matrix of all pairs, ranks, and normalised scores."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from analysis import aggregate, canvas, claims, hierarchical, ranks
from analysis.blocks import Block, Drawn, Notice, Section, Tabled, Text
from analysis.canvas import FAINT, INK, PALETTE, Plot
from analysis.figures import WORD_COLOURS, WORD_MARKERS, ranged
from analysis.findings import Findings
from analysis.ranks import LEAST_DATASETS, Diagram
from analysis.tables import Table, decimals
from analysis.verdict import Verdict, Word


def section(findings: Findings) -> Section:
    tables = [findings.scores(dataset) for dataset in findings.datasets]
    blocks: list[Block] = []
    matrix = ranks.matrix(
        tables,
        alpha=findings.alpha,
        rope=findings.plan.declaration.rope,
        activations=common(findings),
        chosen=set().union(*(claims.chosen(plan) for plan in findings.plans)),
    )
    if len(matrix):
        if matrix["word"].nunique() > 1:
            blocks.append(Drawn(matrix_figure(matrix, common(findings))))
        else:
            blocks.append(
                Notice(
                    f"All {len(matrix) // 2} pairs of activations over n = {counted(matrix)} {matrix['of'].iloc[0]}: "
                    f"{matrix['word'].iloc[0]}.",
                    tone="note",
                )
            )
        blocks.append(Tabled(matrix_table(matrix)))
    blocks += ranked(findings)
    blocks += normalised(findings)
    return Section(anchor="across", title="Across data sets", blocks=blocks)


def common(findings: Findings) -> list[str]:
    """Activations that every study has."""
    return [label for label in findings.labels if all(label in plan.activations for plan in findings.plans)]


def counted(matrix: pd.DataFrame) -> str:
    return ranged({int(n) for n in matrix["n"]})


def matrix_figure(matrix: pd.DataFrame, labels: list[str]) -> Plot:
    place = {label: row for row, label in enumerate(labels)}
    one = (matrix["of"] == "splits").all()
    with canvas.sheet(1.5 + 0.24 * max(len(labels), 4)) as figure:
        panel = figure.subplots()
        used = {}
        for word, part in matrix.groupby("word", sort=True):
            named = Word(str(word))
            used[str(word)] = panel.scatter(
                part["b"].map(place),
                part["a"].map(place),
                marker=WORD_MARKERS[named],
                s=np.where(named in (Word.BETTER, Word.WORSE, Word.EQUIVALENT), 46, 16),
                color=WORD_COLOURS[named],
                linewidths=1.0,
            )
        canvas.label_rows(panel, labels)
        panel.set_xticks(np.arange(len(labels)), [canvas.clip(label, 14) for label in labels], rotation=90)
        panel.set_xlim(-0.6, len(labels) - 0.4)
        panel.set_xlabel("… than the column's")
        panel.set_ylabel("the row's is …")
        figure.legend(list(used.values()), list(used), loc="outside lower center", ncols=min(4, len(used)))
        test = "Corrected resampled t on splits" if one else "Exact Wilcoxon over data sets"
        return canvas.keep(
            figure,
            name="figure-6-matrix",
            title="All pairs",
            caption=(
                f"{test}, two-sided, Holm over {len(matrix) // 2} pairs; n = {counted(matrix)} "
                f"{matrix['of'].iloc[0]}. The planned verdicts are those of section 2; this "
                "is their company."
            ),
            data=matrix,
        )


def matrix_table(matrix: pd.DataFrame) -> Table:
    half = matrix.iloc[: len(matrix) // 2].reset_index(drop=True)
    digits = max(3, decimals(half["difference"]))
    return Table(
        name="table-8-matrix",
        title="All pairs",
        caption=(
            "Difference a − b, positive where a is better. p two-sided, then by Holm over all pairs. "
            + (
                "Words by the rule of section 2; Holm here is over all pairs, so a word may differ from section 2's, "
                "which is the planned one. "
                if (half["of"] == "splits").all()
                else "No interval: the exact Wilcoxon test is of signs and ranks. "
            )
            + "n counts what the last column says."
        ),
        frame=half,
        formats={
            **dict.fromkeys(("difference", "low", "high"), f"+.{digits}f"),
            **dict.fromkeys(("wins", "ties", "losses", "n"), "d"),
            **dict.fromkeys(("p", "p_adjusted"), "p"),
        },
        heads={"p_adjusted": "p (Holm)", "word": "verdict"},
        fold=len(half) > 15,
    )


def ranked(findings: Findings) -> list[Block]:
    tables = [findings.scores(dataset) for dataset in findings.datasets]
    blocks: list[Block] = []
    if len(tables) >= 2:
        frame = ranks.means(tables)
        if len(tables) < LEAST_DATASETS:
            blocks.append(
                Notice(
                    f"{len(tables)} data sets: a picture of critical differences needs at least "
                    f"{LEAST_DATASETS}, so mean ranks are given without a test, and nothing is concluded "
                    "across data sets.",
                    tone="note",
                )
            )
        else:
            picture = ranks.wilcoxon_holm(frame, alpha=findings.alpha)
            blocks.append(Drawn(diagram(picture if picture.faithful else ranks.nemenyi(frame, alpha=findings.alpha))))
            if not picture.faithful:
                blocks.append(Text("The pairwise tests' groups do not line up with the ranks: the matrix shows them."))
            omnibus = ranks.friedman(
                frame, np.random.Generator(np.random.PCG64(findings.seed)), metric=findings.metric, alpha=findings.alpha
            )
            blocks.append(Text(omnibus_text(omnibus)))
        blocks.append(Tabled(rank_table(frame, "data sets")))
        if len(tables) >= LEAST_DATASETS:
            blocks.append(Tabled(hierarchy(findings)))
    else:
        frame = ranks.blocks_of(tables[0])
        blocks += [
            Notice(
                "One data set: nothing can be said across data sets. Ranks over its splits describe it.", tone="note"
            ),
            Tabled(rank_table(frame, "splits")),
        ]
    return blocks


def hierarchy(findings: Findings) -> Table:
    """What the hierarchical model expects of a new data set, for each activation that every study has."""
    ropes = [float(found.extras.get("rope", math.nan)) for found in findings.verdicts]
    rope = max((width for width in ropes if math.isfinite(width)), default=0.0)
    rows = []
    for label in common(findings):
        if label == findings.control:
            continue
        pairs = [findings.pairs(dataset, label) for dataset in findings.datasets]
        found, _ = hierarchical.across(pairs, rope=rope, alpha=findings.alpha)
        worse, same, better = found.probabilities or (math.nan,) * 3
        rows.append(
            {
                **{"activation": label, "control": findings.control, "mean": found.estimate},
                **{"worse": worse, "same": same, "better": better, "n": found.n},
                **{"verdict": str(found.word), "note": found.note},
            }
        )
    return Table(
        name="table-9-hierarchy",
        title="On a new data set",
        caption=(
            f"Hierarchical model over n data sets, computed on a grid; practical equivalence ± {rope:.4g}, the "
            "widest in use. Probabilities that the activation is worse, the same or better on a data set not "
            "seen. No correction."
        ),
        frame=pd.DataFrame(rows),
        formats={"mean": "+.4f", **dict.fromkeys(("worse", "same", "better"), ".3f"), "n": "d"},
    )


def omnibus_text(found: Verdict) -> str:
    if found.p is None:
        return found.note
    p = "< 0.0001" if found.p < 1e-4 else f"{found.p:.4f}"
    return (
        f"{found.method}, n = {found.n}: chi-square {float(found.extras['chi2']):.2f}, Kendall's W "
        f"{float(found.extras['kendall_w']):.2f}, p {p if p.startswith('<') else '= ' + p}. {found.note}"
    ).strip()


def rank_table(frame: pd.DataFrame, of: str) -> Table:
    found = ranks.mean_ranks(frame)
    complete = frame.dropna()
    result = pd.DataFrame({"activation": found.index.astype(str), "rank": found.to_numpy(), "n": len(complete)})
    best = complete.rank(axis="columns", ascending=False).eq(1).sum()
    result["first"] = [int(best.get(label, 0)) for label in result["activation"]]
    return Table(
        name="table-9-ranks",
        title="Mean ranks",
        caption=f"Mean rank over n {of}, 1 is best; ties share. First: {of} where it ranks first. No test.",
        frame=result,
        formats={"rank": ".2f", "n": "d", "first": "d"},
    )


def diagram(found: Diagram) -> Plot:
    """Mean ranks on an axis, labels left and right, bars below over groups that are not told apart."""
    labels = [str(label) for label in found.ranks.index]
    values = found.ranks.to_numpy(dtype=float)
    half = math.ceil(len(labels) / 2)
    with canvas.sheet(0.9 + 0.22 * half + 0.12 * len(found.bars)) as figure:
        panel = figure.subplots()
        low, high = 1, len(labels)
        base = 0.12 * len(found.bars) + 0.25
        for row, (label, value) in enumerate(zip(labels, values, strict=True)):
            left = row < half
            level = base + 0.22 * (row if left else len(labels) - 1 - row) + 0.1
            end = low - 0.15 if left else high + 0.15
            panel.plot([value, value, end], [0, level, level], color=INK, linewidth=0.8)
            panel.text(end, level, f" {canvas.clip(label)} ({value:.2f}) ", ha="right" if left else "left", va="center")
        for at, bar in enumerate(found.bars):
            ends = [found.ranks[label] for label in bar]
            panel.plot([min(ends) - 0.04, max(ends) + 0.04], [0.14 + 0.12 * at] * 2, color=PALETTE[0], linewidth=3.5)
        panel.axhline(0, color=INK, linewidth=1)
        panel.set_xlim(low - 0.35 * (high - low) - 0.5, high + 0.35 * (high - low) + 0.5)
        panel.set_ylim(base + 0.22 * half + 0.1, -0.05)
        panel.xaxis.tick_top()
        panel.set_xticks(range(low, high + 1))
        panel.set_yticks([])
        panel.grid(visible=False)
        for side in ("left", "bottom"):
            panel.spines[side].set_visible(False)
        return canvas.keep(
            figure,
            name="figure-6-ranks",
            title="Mean ranks and the groups that are not told apart",
            caption=found.caption + ".",
            data=pd.DataFrame({"activation": labels, "rank": values, "n": found.n}),
        )


def normalised(findings: Findings) -> list[Block]:
    tables = [findings.scores(dataset) for dataset in findings.datasets]
    scores = aggregate.normalise(tables)
    if scores["score"].notna().sum() == 0:
        return [
            Notice("Chance is not recorded, so scores of different data sets cannot be put on one scale.", tone="note")
        ]
    rng = np.random.Generator(np.random.PCG64(findings.seed))
    summary = aggregate.summary(scores, rng, draws=DRAWS, level=1 - findings.alpha)
    profile = aggregate.profile(scores, rng, level=1 - findings.alpha)
    chance = [
        aggregate.probability_of_improvement(tables, label, findings.control, level=1 - findings.alpha)
        for label in common(findings)
        if label != findings.control and findings.control in common(findings)
    ]
    level = f"{100 * (1 - findings.alpha):g} %"
    blocks: list[Block] = [
        Tabled(
            Table(
                name="table-10-normalised",
                title="Normalised scores",
                caption=(
                    f"Chance is 0, the best activation's mean on that data set 1. {level} intervals by {DRAWS} "
                    "resamples of whole splits within data sets, then of data sets, too; they ignore that "
                    "folds overlap and are too narrow. iqm: mean of the middle half. No test."
                ),
                frame=summary.drop(columns="note"),
                formats={
                    **dict.fromkeys(("value", "low", "high", "low_sets", "high_sets"), ".3f"),
                    **dict.fromkeys(("n", "datasets"), "d"),
                },
                heads={
                    "low": f"{level} from",
                    "high": "to",
                    "low_sets": "with data sets from",
                    "high_sets": "with data sets to",
                    "datasets": "data sets",
                },
                fold=True,
            )
        ),
        Drawn(profile_figure(profile, scores, findings)),
    ]
    if chance:
        blocks.append(Tabled(chance_table(chance, level)))
    return blocks


DRAWS = 500
"""Resamples of every interval of the normalised scores."""


def chance_table(found: list[Verdict], level: str) -> Table:
    frame = pd.DataFrame(
        [
            {
                "activation": one.activation,
                "control": one.control,
                "probability": one.estimate,
                "low": one.interval.low if one.interval else math.nan,
                "high": one.interval.high if one.interval else math.nan,
                "n": one.n,
                "meaningful": bool(one.extras.get("meaningful", False)),
                "note": one.note,
            }
            for one in found
        ]
    )
    return Table(
        name="table-11-improvement",
        title="Probability of improvement",
        caption=(
            f"Share of splits on which it beats the control, ties for half, mean over data sets, with Wilson's {level} "
            f"interval. Meaningful: point above 0.75 and low end above 0.5 on at least {aggregate.PAIRS_NEEDED} "
            "independent pairs; splits of one data set are not independent. Descriptive; no test."
        ),
        frame=frame,
        formats={**dict.fromkeys(("probability", "low", "high"), ".2f"), "n": "d"},
        heads={"low": f"{level} from", "high": "to"},
        fold=len(frame) > 15,
    )


def profile_figure(profile: pd.DataFrame, scores: pd.DataFrame, findings: Findings) -> Plot:
    labels = list(dict.fromkeys(str(label) for label in profile["activation"]))
    colours, dashes = canvas.colours(labels, findings.control), canvas.dashes(labels, findings.control)
    few = len(labels) <= canvas.FEW
    with canvas.sheet(2.8 + 0.17 * math.ceil(len(labels) / 4)) as figure:
        panel = figure.subplots()
        for label in labels:
            part = profile[profile["activation"] == label]
            if few:
                panel.fill_between(
                    part["tau"], part["low"], part["high"], color=colours[label], alpha=0.1, linewidth=0, step="post"
                )
            panel.plot(
                part["tau"],
                part["share"],
                color=colours[label],
                linestyle=dashes[label],
                label=canvas.clip(label),
                linewidth=1.2,
                drawstyle="steps-post",
            )
        ends = canvas.limits(scores["score"])
        known = scores["score"].dropna()
        outside = int((~known.between(*ends)).sum())
        panel.set_xlim(*ends)
        panel.axvline(1.0, color=FAINT, linewidth=1)
        panel.set_xlabel("normalised score τ")
        panel.set_ylabel("share of runs above τ")
        figure.legend(*panel.get_legend_handles_labels(), loc="outside lower center", ncols=4)
        return canvas.keep(
            figure,
            name="figure-6-profile",
            title="Performance profiles",
            caption=(
                "Share of runs above a normalised score (chance 0, best mean 1), data sets weighing alike; higher is "
                "better. "
                + ("Bands pointwise, too narrow since folds overlap. " if few else "")
                + (f"{outside} of {len(known)} runs lie outside the drawn range. " if outside else "")
                + "No test."
            ),
            data=profile,
        )
