"""Over the data sets together: the matrix of all pairs, and ranks; then the normalised scores."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from analysis.report import across, figure_style
from analysis.report.blocks import Block, Drawn, Notice, Section, Tabled, Text
from analysis.report.figure_style import INK, PALETTE, Plot
from analysis.report.figures.comparisons import WORD_COLOURS, WORD_MARKERS, ranged
from analysis.report.findings import Findings
from analysis.report.sections import normalised
from analysis.report.tables import Table, decimals
from analysis.runs.wording import counted
from analysis.statistics import claims, hierarchical, qualified, ranks
from analysis.statistics.ranks import LEAST_DATASETS, Diagram
from analysis.statistics.verdict import Verdict, Word

METHODS = (
    "Over data sets: the exact Wilcoxon test of each pair of activations, two-sided, by Holm over all pairs. It is of "
    "signs and ranks, so there is no interval, and it is exploratory: the planned conclusions are the verdicts.",
    "Mean ranks: 1 is best, ties share. A picture of critical differences, and the hierarchical model of what to "
    f"expect of a new data set (computed on a grid), need {LEAST_DATASETS} data sets.",
)


def section(findings: Findings) -> Section | None:
    """None of one data set."""
    if len(findings.datasets) < 2:
        return None
    methods = (*METHODS, *normalised.METHODS)
    tables = [findings.scores(dataset) for dataset in findings.datasets]
    if across.repeated(findings):
        few: list[Block] = [
            Notice(f"{across.why_no_more(findings)} Mean ranks are given without one.", tone="note"),
            Tabled(rank_table(ranks.means(tables))),
            *normalised.blocks(findings),
        ]
        return Section(anchor="datasets", title="Across data sets", blocks=few, methods=methods)
    blocks: list[Block] = []
    matrix = ranks.matrix(
        tables,
        alpha=findings.alpha,
        rope=findings.plan.declaration.rope,
        activations=findings.common,
        chosen=set().union(*(claims.chosen(plan) for plan in findings.plans)),
    )
    if len(matrix):
        matrix["word"] = [kept(findings, Word(word), a, b) for word, a, b in matrix[["word", "a", "b"]].to_numpy()]
        if matrix["word"].nunique() > 1:
            blocks.append(Drawn(matrix_figure(matrix, findings.common)))
        else:
            blocks.append(
                Notice(
                    f"{counted(len(matrix) // 2, 'pair')} of activations over n = {units(matrix)}: "
                    f"{matrix['word'].iloc[0]}.",
                    tone="note",
                )
            )
        blocks.append(Tabled(matrix_table(matrix)))
    blocks += ranked(findings)
    blocks += normalised.blocks(findings)
    return Section(anchor="datasets", title="Across data sets", blocks=blocks, methods=methods)


def kept(findings: Findings, word: Word, *labels: str) -> str:
    """The word that checks of the data leave to a comparison of these activations over all data sets."""
    gone = word is not Word.CANNOT_TELL and qualified.takes_away(findings.checks, *labels)
    return str(Word.DESCRIPTIVE if gone else word)


def units(matrix: pd.DataFrame) -> str:
    return ranged({int(n) for n in matrix["n"]}, str(matrix["of"].iloc[0]).removesuffix("s"))


def matrix_figure(matrix: pd.DataFrame, labels: list[str]) -> Plot:
    place = {label: row for row, label in enumerate(labels)}
    with figure_style.new_figure(1.5 + 0.24 * max(len(labels), 4)) as figure:
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
        figure_style.label_rows(panel, labels)
        panel.set_xticks(np.arange(len(labels)), [figure_style.clip(label, 14) for label in labels], rotation=90)
        panel.set_xlim(-0.6, len(labels) - 0.4)
        panel.set_xlabel("… than the column's")
        panel.set_ylabel("the row's is …")
        figure.legend(list(used.values()), list(used), loc="outside lower center", ncols=min(4, len(used)))
        return figure_style.render(
            figure,
            name="figure-6-matrix",
            title="All pairs",
            caption=(
                f"Exact Wilcoxon over data sets, two-sided, Holm over {counted(len(matrix) // 2, 'pair')}; "
                f"n = {units(matrix)}. Exploratory; the planned conclusions are the verdicts."
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
            "Difference a − b over n data sets, positive where a is better. p two-sided by the exact Wilcoxon test, "
            "then by Holm over all pairs."
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
    frame = ranks.means(tables)
    if len(tables) < LEAST_DATASETS:
        few = (
            f"{counted(len(tables), 'data set')}: a picture of critical differences needs at least {LEAST_DATASETS}, "
            "so mean ranks are given without a test, and nothing is concluded across data sets."
        )
        return [Notice(few, tone="note"), Tabled(rank_table(frame))]
    picture = ranks.wilcoxon_holm(frame, alpha=findings.alpha)
    blocks: list[Block] = [Drawn(diagram(picture if picture.faithful else ranks.nemenyi(frame, alpha=findings.alpha)))]
    if not picture.faithful:
        blocks.append(Text("The pairwise tests' groups do not line up with the ranks: the matrix shows them."))
    omnibus = ranks.friedman(
        frame, np.random.Generator(np.random.PCG64(findings.seed)), metric=findings.column, alpha=findings.alpha
    )
    return [*blocks, Text(omnibus_text(omnibus)), Tabled(rank_table(frame)), Tabled(hierarchy(findings))]


def hierarchy(findings: Findings) -> Table:
    """What the hierarchical model expects of a new data set, for each activation that every study has."""
    ropes = [float(found.extras.get("rope", math.nan)) for found in findings.verdicts]
    rope = max((width for width in ropes if math.isfinite(width)), default=0.0)
    width = f"practical equivalence ± {rope:.4g}, the widest in use" if rope else "no width of practical equivalence"
    rows = []
    rivals = [label for label in findings.common if label != findings.control]
    sure = 1 - findings.alpha / max(1, len(rivals))
    for label in rivals:
        pairs = [findings.pairs(dataset, label) for dataset in findings.datasets]
        found, _ = hierarchical.across(pairs, rope=rope, alpha=1 - sure)
        worse, same, better = found.probabilities or (math.nan,) * 3
        rows.append(
            {
                **{"activation": label, "control": findings.control, "mean": found.estimate},
                **{"worse": worse, "same": same, "better": better, "n": found.n},
                **{"verdict": kept(findings, found.word, label, findings.control), "note": found.note},
            }
        )
    return Table(
        name="table-9-hierarchy",
        title="On a new data set",
        caption=(
            f"Hierarchical model over n data sets, computed on a grid; {width}. Probabilities that the activation is "
            f"worse, the same or better on a data set not seen; a word asks for {100 * sure:.4g} % (Bonferroni over "
            f"{counted(len(rivals), 'activation')})."
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


def rank_table(frame: pd.DataFrame) -> Table:
    found = ranks.mean_ranks(frame)
    complete = frame.dropna()
    result = pd.DataFrame({"activation": found.index.astype(str), "rank": found.to_numpy(), "n": len(complete)})
    best = complete.rank(axis="columns", ascending=False).eq(1).sum()
    result["first"] = [int(best.get(label, 0)) for label in result["activation"]]
    return Table(
        name="table-9-ranks",
        title="Mean ranks",
        caption="Mean rank over n data sets, 1 is best, without a test. First: data sets where it ranks first.",
        frame=result,
        formats={"rank": ".2f", "n": "d", "first": "d"},
    )


def diagram(found: Diagram) -> Plot:
    """Mean ranks on an axis, labels left and right, bars below over groups that are not told apart."""
    labels = [str(label) for label in found.ranks.index]
    values = found.ranks.to_numpy(dtype=float)
    half = math.ceil(len(labels) / 2)
    with figure_style.new_figure(0.9 + 0.22 * half + 0.12 * len(found.bars)) as figure:
        panel = figure.subplots()
        low, high = 1, len(labels)
        base = 0.12 * len(found.bars) + 0.25
        for row, (label, value) in enumerate(zip(labels, values, strict=True)):
            left = row < half
            level = base + 0.22 * (row if left else len(labels) - 1 - row) + 0.1
            end = low - 0.15 if left else high + 0.15
            panel.plot([value, value, end], [0, level, level], color=INK, linewidth=0.8)
            panel.text(
                end, level, f" {figure_style.clip(label)} ({value:.2f}) ", ha="right" if left else "left", va="center"
            )
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
        return figure_style.render(
            figure,
            name="figure-6-ranks",
            title="Mean ranks and the groups that are not told apart",
            caption=found.caption + ".",
            data=pd.DataFrame({"activation": labels, "rank": values, "n": found.n}),
        )
