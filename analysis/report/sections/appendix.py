"""Where every value comes from, what to paste into a paper, and how to make the page again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from importlib import metadata

from analysis.report import citations
from analysis.report.blocks import Block, Facts, Pasted, Section, Tabled
from analysis.report.findings import Findings
from analysis.report.sections import tradeoff
from analysis.report.tables import Table
from analysis.runs.frames import REMARK
from analysis.runs.published import parts_of
from analysis.runs.schema import SCORED, UNFINISHED, Status
from analysis.runs.wording import counted

PACKAGES = ("numpy", "scipy", "pandas", "statsmodels", "matplotlib")


def section(findings: Findings, sections: Sequence[Section]) -> Section:
    """``sections`` are the others of the page, whose methods the pasted text names."""
    blocks: list[Block] = [
        Facts([*origins(findings), *made(findings)]),
        Pasted("methods.tex", "Methods, to paste", citations.paragraph(findings, sections)),
        Pasted("references.bib", "References, to paste", citations.bibtex(citations.used(findings, sections))),
        *tradeoff.aside(findings),
        Tabled(every_fold(findings)),
    ]
    return Section(anchor="appendix", title="Appendix", blocks=blocks)


def origins(findings: Findings) -> list[tuple[str, str]]:
    """Where the runs come from."""
    plans = findings.plans
    return [
        ("Studies", ", ".join(f"{plan.study} (digest {plan.study_digest}, seed {plan.study_seed})" for plan in plans)),
        ("Read from", ", ".join(dict.fromkeys(f"{study.source}{run(study.study_run)}" for study in findings.studies))),
        ("Code", values(findings, "commit") or "not recorded"),
        ("Devices", values(findings, "device_name") or values(findings, "device") or "not recorded"),
    ]


def made(findings: Findings) -> list[tuple[str, str]]:
    """What the page was made of and with, and how to make it again."""
    return [
        ("Input digest", findings.digest),
        ("Seed of every resampling", str(findings.seed)),
        ("Report made with", ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)),
        *[
            (f"Runs of {study.plan.study} made with", versions(dict(study.environment)) or "not recorded")
            for study in findings.studies
        ],
        ("Make this page again", command(findings)),
    ]


def run(run_id: str) -> str:
    return f" (run {run_id})" if run_id else ""


def values(findings: Findings, column: str) -> str:
    """Every value of a column of the runs, in order."""
    if column not in findings.claimed:
        return ""
    return ", ".join(sorted({str(value) for value in findings.claimed[column].dropna()} - {""}))


def command(findings: Findings) -> str:
    """What makes the page again, given where its sources lie; where it was written is no part of it."""
    own = [study for study in findings.studies if not (study.cube["status"] == Status.IMPORTED).all()]
    words = ["actsweep", "report", *dict.fromkeys(study.source for study in own)]
    if len(words) == 3 and "://" in words[2]:
        words += [word for study in own for word in ("--experiment", study.plan.study)]
    files = findings.published.files if findings.published else ()
    words += [word for name in files for word in ("--import", name)]
    if findings.claimed["status"].isin(UNFINISHED).any():
        words.append("--allow-incomplete")
    named = {*files, *(study.source for study in own if "://" not in study.source)}
    where = f", in the folder that holds {'them' if len(named) > 1 else 'it'}" if named else ""
    return shlex.join(words) + where


def versions(environment: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(environment.items()))


def every_fold(findings: Findings) -> Table:
    rows = findings.claimed
    imported = bool((rows["status"] == Status.IMPORTED).all())
    columns = ["dataset", "activation", "trial", "repeat", "fold", "seed", "status", "best_epoch", "epochs"]
    behind = ["split_hash", "config_digest", "run_id", "reason"]
    told = [str(name) for name in rows if name == "case" or str(name).startswith(REMARK)]
    behind += [name for name in told if (rows[name].fillna("") != "").any()]
    if imported:  # nothing stands behind the rest
        columns, behind = ["dataset", "activation", "repeat", "fold", "status"], ["reason"]
    metrics = [
        name
        # Those of which more is better come first.
        for metric in sorted(findings.plan.metrics, key=lambda metric: -metric.sign)
        for name in (f"heldout/{metric.name}", f"validation/{metric.name}", f"train_clean/{metric.name}")
        if name in rows and rows[name].notna().any()
    ]
    shown = [findings.column, *(name for name in metrics if name.startswith("heldout/") and name != findings.column)]
    shown = [name for name in shown if name in rows]
    rows = rows.assign(**{name: rows[name].where(rows["status"].isin(SCORED)) for name in shown})
    frame = rows[[name for name in [*columns, *shown, *behind] if name in rows]]
    frame = frame.assign(**{name: frame[name].astype(str).str[:12] for name in ("split_hash",) if name in frame})
    epochs = [name for name in ("best_epoch", "epochs") if name in frame]
    frame = frame.assign(**{name: frame[name].where(frame[name] >= 0) for name in epochs})
    part = parts_of(rows, findings.plan.declaration.metric)
    return Table(
        name="table-15-every-fold",
        title="Every fold",
        caption=(
            f"{counted(len(frame), 'planned fold')} of the claims phase, with the run and the split behind each value; "
            "a run whose score does not count has a dash."
            if not imported
            else f"{counted(len(frame), 'imported row')}. {part.capitalize()} scores, as published."
        ),
        frame=frame.reset_index(drop=True),
        formats={
            **dict.fromkeys(shown, ".5f"),
            **dict.fromkeys(("repeat", "fold", "seed", "best_epoch", "epochs"), "d"),
        },
        heads={
            "dataset": "data set",
            "best_epoch": "epoch scored",
            "split_hash": "split",
            "config_digest": "configuration",
            "run_id": "run",
        }
        | {name: name.replace("heldout/", f"{part} ") for name in shown},
        fold=True,
    )
