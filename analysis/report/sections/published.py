"""Published numbers: beside a study's own where names match, or alone where nothing else is given."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from analysis.report.blocks import Block, Notice, Tabled, Text
from analysis.report.figures.curves import of_shared
from analysis.report.findings import Findings
from analysis.report.tables import Table
from analysis.runs.published import Published, part_of, parts_of
from analysis.runs.schema import SCORED, Status
from analysis.statistics.effects import improvement

METRICS = ("accuracy", "f1_weighted", "auc")
FOLD_METRICS = ("accuracy", "f1_weighted", "f1_macro", "auc")
PARTS = ("train_clean", "train", "validation", "heldout")
PART_WORDS = {"train_clean": "train", "heldout": "held-out"}
WIDE, MANY = 8, 360
"""More activations, or more rows, than this are summed up."""
NOT_VERIFIABLE = "Published numbers are typed from a paper, with no run behind them: not verifiable."


def key(name: str) -> str:
    """A name without case, blanks and signs, so that leaky_relu meets LeakyReLU."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def subjects(findings: Findings) -> list[Block]:
    """Of imported tables: how the activation that they are about stands against the best other one, and the sizes that
    their digits tell."""
    lines = []
    for plan in findings.plans:
        rows = findings.claimed[findings.claimed["dataset"] == plan.dataset]
        others = [label for label in plan.activations if label != plan.declaration.control]
        if not others or not (rows["status"] == Status.IMPORTED).any():
            continue
        found = improvement(findings.scores(plan.dataset), others[0], alpha=findings.alpha)
        best = found[found["basis"] == "best"].iloc[0]
        what = f"{plan.dataset}, {part_of(rows, plan.declaration.metric)} {plan.declaration.metric}"
        percent = f"{best['percent']:+.2f}"
        if pd.notna(best["percent"]):
            lines.append(
                f"{what}: {others[0]} ({best['score']:.6g}) is {standing(float(best['percent']))} {best['runner_up']} "
                f"({best['runner_up_score']:.6g}): {percent.replace('-', '−')} % by equation (1), "
                "best row against best row."
            )
        lines += sizes(plan.dataset, rows)
    return [Text(line) for line in lines]


def standing(percent: float) -> str:
    """Of an activation against the best of the others: who leads decides what that one is called."""
    if percent > 0:
        return "ahead of the runner-up"
    return "behind the leader" if percent < 0 else "level with"


def sizes(dataset: str, rows: pd.DataFrame) -> list[str]:
    trained, scored = float(rows["n_train"].iloc[0]), float(rows["n_heldout"].iloc[0])
    if not (trained > 0 and scored > 0):
        return []
    return [
        f"{dataset}: by the digits of the accuracies {trained:,.0f} items were trained on and {scored:,.0f} scored; "
        f"the corrected test takes their ratio, {scored / trained:.3f}, from there."
    ]


def own(findings: Findings) -> list[Block]:
    """The study's numbers beside the published ones of the same data set and activation."""
    if findings.published is None or (findings.claimed["status"] == Status.IMPORTED).all():
        return []
    blocks: list[Block] = []
    scores = score_table(findings, findings.published)
    if scores is not None:
        blocks.append(Tabled(scores))
    if not blocks:
        blocks.append(Notice("No published number shares its data set and activation with these runs.", tone="note"))
    return blocks


def score_table(findings: Findings, published: Published) -> Table | None:
    rows = []
    if published.cube.empty:
        return None
    done = findings.claimed[findings.claimed["status"] == Status.FINISHED]
    for (dataset, label), theirs in published.cube.groupby(["dataset", "activation"], sort=False):
        same = of_shared(done[done["dataset"].map(key).str.startswith(key(str(dataset)))])
        mine = same[same["activation"].map(key) == key(str(label))]
        if mine.empty:
            continue
        for metric in METRICS:
            column = f"heldout/{metric}"
            if column in mine and column in theirs:
                rows.append(
                    {
                        **{
                            "dataset": mine["dataset"].iloc[0],
                            "activation": mine["activation"].iloc[0],
                            "metric": metric,
                        },
                        **{"here": mine[column].mean(), "n": len(mine), "published": theirs[column].mean()},
                        **{"published best": theirs[column].max(), "rows": len(theirs)},
                    }
                )
    if not rows:
        return None
    frame = pd.DataFrame(rows)
    return Table(
        name="table-18-published",
        title="Beside the published numbers",
        caption=(
            "Held-out mean here over the n splits that all have; mean and best of the published "
            f"{parts_of(published.cube, METRICS[0])} rows. {NOT_VERIFIABLE} No test."
        ),
        frame=frame,
        formats={**dict.fromkeys(("here", "published", "published best"), ".4f"), "n": "d", "rows": "d"},
        heads={"dataset": "data set"},
        marked={(row, name): "grey" for row in range(len(frame)) for name in ("published", "published best", "rows")},
    )


def fold_tables(findings: Findings) -> list[Block]:
    """Per-fold metrics by activation, train and held-out: the DSReLU paper's Tables 1 to 3 for any study."""
    blocks: list[Block] = []
    for at, dataset in enumerate(findings.datasets, start=1):
        rows = findings.claimed[findings.claimed["dataset"] == dataset]
        labels = [label for label in findings.plan_of(dataset).activations if (rows["activation"] == label).any()]
        rows = rows[rows["status"].isin(SCORED)]  # a diverged run may have scored before it broke
        measured = [metric.name for metric in findings.plan_of(dataset).metrics]
        # What the paper has, of a study that has any of it, in the paper's order; else all that was measured.
        names = [name for name in FOLD_METRICS if name in measured] or measured
        frame = by_fold(rows, names, labels)
        if frame is not None:
            imported = bool((rows["status"] == Status.IMPORTED).all())
            blocks.append(Tabled(fold_table(frame, labels, f"table-6-folds-{at}", dataset, imported=imported)))
    return blocks


def by_fold(rows: pd.DataFrame, names: Sequence[str], labels: Sequence[str]) -> pd.DataFrame | None:
    """Columns metric, part, repeat, fold and one an activation; None where nothing was recorded."""
    long = []
    for metric in names:
        given = [part for part in PARTS if f"{part}/{metric}" in rows and rows[f"{part}/{metric}"].notna().any()]
        if "train_clean" in given and "train" in given:
            given.remove("train")
        if part_of(rows, metric) == "validation":
            given.remove("heldout")
        for part in given:
            column = f"{part}/{metric}"
            wide = rows.pivot_table(index=["repeat", "fold"], columns="activation", values=column, aggfunc="mean")
            wide = wide.reindex(columns=list(labels)).reset_index()
            long.append(wide.assign(part=PART_WORDS.get(part, part), metric=metric))
    return pd.concat(long, ignore_index=True)[["metric", "part", "repeat", "fold", *labels]] if long else None


def fold_table(frame: pd.DataFrame, labels: list[str], name: str, dataset: str, *, imported: bool) -> Table:
    if len(labels) > WIDE or len(frame) > MANY:
        keys = ["metric", "part"]
        melted = frame.melt([*keys, "repeat", "fold"], var_name="activation", value_name="value")
        stats = melted.groupby([*keys, "activation"], sort=False)["value"].agg(["mean", "std", "min", "max", "count"])
        frame, labels = stats.reset_index(), ["mean", "std", "min", "max"]
        caption = "Mean, sd and range over splits; the single folds are in the appendix. No test."
        formats = {**dict.fromkeys(labels, ".4f"), "count": "d"}
    else:
        caption = (
            "As published; each row is taken as a fold."
            if imported
            else "At the declared checkpoint, train measured at rest where it was; a dash is a run whose score does "
            "not count. Repeat and fold name the split, so a row is one split for all activations."
        )
        formats = {**dict.fromkeys(labels, ".4f"), "repeat": "d", "fold": "d"}
    title = f"Metrics by fold on {dataset}"
    return Table(name=name, title=title, caption=caption, frame=frame, formats=formats, fold=True)


def times(findings: Findings) -> list[Block]:
    """Epoch times as published, in grey."""
    if findings.published is None or findings.published.seconds.empty:
        return []
    frame = findings.published.seconds[["dataset", "activation", "seconds", "source"]].reset_index(drop=True)
    table = Table(
        name="table-19-published-times",
        title="Mean epoch times as published",
        caption=f"Seconds. {NOT_VERIFIABLE} One number each, so there is no interval, no n and no test.",
        frame=frame,
        formats={"seconds": ".6f"},
        heads={"dataset": "data set"},
        marked={(row, str(name)): "grey" for row in range(len(frame)) for name in frame.columns},
    )
    return [
        Notice(
            "The published epoch times cannot be verified: no runs stand behind them. Where they came from "
            "several machines or loads, they cannot be compared."
        ),
        Tabled(table),
    ]
