"""One or more studies with what was declared and concluded of them: what every section of a report draws on."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar, cast

import pandas as pd

from analysis.errors import DeclarationError, IncompleteFolds
from analysis.report import apart
from analysis.runs import plan as planning
from analysis.runs.load import Study
from analysis.runs.metric import Metric, find
from analysis.runs.plan import Plan
from analysis.runs.published import Published, plans
from analysis.runs.schema import UNFINISHED
from analysis.runs.wording import counted
from analysis.statistics import claims, course, kinds
from analysis.statistics.course import Course
from analysis.statistics.scores import Handling, Pairs, Scores, pair, scores
from analysis.statistics.verdict import Interval, Verdict

Made = TypeVar("Made")


@dataclass(frozen=True, kw_only=True)
class Findings:
    studies: tuple[Study, ...]
    cube: pd.DataFrame
    """Every study's runs; two studies on one data set have their names added to it."""
    claimed: pd.DataFrame
    """Of them, those that the claims rest on."""
    verdicts: tuple[Verdict, ...]
    """Each activation against its control on each data set, one family; with what the checks do to each word."""
    checks: pd.DataFrame
    """What every check of the data found, whom it concerns and what follows; columns as ``finding.COLUMNS``."""
    family: int
    published: Published | None = None
    """Tables of a publication to show beside the runs, or alone."""

    @property
    def plans(self) -> tuple[Plan, ...]:
        return tuple(study.plan for study in self.studies)

    @cached_property
    def datasets(self) -> list[str]:
        return list(dict.fromkeys(self.claimed["dataset"]))

    @cached_property
    def labels(self) -> list[str]:
        """Every activation's label, in the order of the studies."""
        return list(dict.fromkeys(label for plan in self.plans for label in plan.activations))

    @cached_property
    def common(self) -> list[str]:
        """Activations that every study has."""
        return [label for label in self.labels if all(label in plan.activations for plan in self.plans)]

    @cached_property
    def dsrelu(self) -> bool:
        """Whether DSReLU takes part."""
        names = set(self.claimed["activation_name"].dropna()) if "activation_name" in self.claimed else set()
        return any(str(name).lower() == "dsrelu" for name in {*self.labels, *names})

    def plan_of(self, dataset: str) -> Plan:
        study = str(self.cube.loc[self.cube["dataset"] == dataset, "study"].iloc[0])
        return next(plan for plan in self.plans if plan.study == study)

    @property
    def plan(self) -> Plan:
        """The first study's: its metric, rule and control name the report's."""
        return self.plans[0]

    @property
    def control(self) -> str:
        return self.plan.declaration.control

    @property
    def metric(self) -> Metric:
        """The primary metric."""
        return self.plan.primary

    @property
    def column(self) -> str:
        """The primary metric's column."""
        return f"heldout/{self.metric.name}"

    @cached_property
    def metrics(self) -> list[Metric]:
        """What every study measures, in the order of the first."""
        return [metric for metric in self.plan.metrics if all(metric in plan.metrics for plan in self.plans)]

    @cached_property
    def unit(self) -> str:
        """What every n counts: splits, cases or seeds; units where the studies differ in it."""
        kinds = {self.scores(dataset).unit for dataset in self.datasets}
        return str(kinds.pop()) if len(kinds) == 1 else "unit"

    @cached_property
    def looks(self) -> bool:
        """Whether any study repeated its comparisons until they were decided."""
        return any(plan.until_decided is not None for plan in self.plans)

    @cached_property
    def corrected(self) -> str:
        """What the p-values of the verdicts account for, in words that follow "p"."""
        over = counted(self.family, "comparison")
        if not self.looks:
            return f"after Holm over {over}"
        return f"over all looks, then by Holm over {over}" if len(self.plans) > 1 else f"over all looks and {over}"

    @property
    def alpha(self) -> float:
        return min(plan.declaration.alpha for plan in self.plans)

    @cached_property
    def curves(self) -> pd.DataFrame:
        """The claimed runs' curves with their data set, activation, repeat and fold."""
        keys = self.claimed.loc[
            self.claimed["run_id"] != "", ["run_id", "dataset", "activation", "repeat", "fold", "best_epoch"]
        ]
        wanted = set(keys["run_id"])
        kept = []
        for study in self.studies:
            found = study.curves[study.curves["run_id"].isin(wanted)].copy()
            found["run_id"] = found["run_id"].astype(object)
            kept.append(found)
        frame = pd.concat(kept, ignore_index=True) if len(kept) > 1 else kept[0]
        return frame.merge(keys, on="run_id", how="left", sort=False)

    @cached_property
    def learned(self) -> pd.DataFrame:
        frame = pd.concat([study.learned for study in self.studies], ignore_index=True)
        keys = self.claimed[["run_id", "dataset", "activation"]]
        return frame.merge(keys, on="run_id", how="inner")

    @cached_property
    def digest(self) -> str:
        """Identity of the input: 16 hexadecimal digits over every value of the frames and the plans. MLflow's run ids
        stand for a row of the cube: a store that is made anew draws others."""
        whole = hashlib.sha256(self.published.digest.encode() if self.published else b"")
        for study in self.studies:
            whole.update(planning.to_json(study.plan).encode())
            row_of = {run_id: row for row, run_id in enumerate(study.cube["run_id"])}
            for frame in (study.cube, study.curves, study.learned):
                whole.update("|".join(map(str, frame.columns)).encode())
                plain = frame.assign(run_id=frame["run_id"].map(row_of))
                plain = plain.astype({name: str for name in plain.columns if plain[name].dtype == object})
                whole.update(pd.util.hash_pandas_object(plain, index=False).to_numpy().tobytes())
        return whole.hexdigest()[:16]

    @property
    def seed(self) -> int:
        """For every resampling: from the input, so that the same input gives the same report."""
        return int(self.digest[:8], 16)

    @cached_property
    def _scores(self) -> dict[tuple[str, str, Handling, int | None], Scores]:
        return {}

    @cached_property
    def _made(self) -> dict[str, Any]:
        return {}

    def once(self, name: str, make: Callable[[Findings], Made]) -> Made:
        """What ``make`` makes of the findings, made the first time that this ``name`` is asked for: for what several
        sections need."""
        if name not in self._made:
            self._made[name] = make(self)
        return cast("Made", self._made[name])

    def scores(
        self, dataset: str, column: str | None = None, handling: Handling = "penalised", repeats: int | None = None
    ) -> Scores:
        """Of the first ``repeats`` alone, where a number is given."""
        key = (dataset, column or self.column, handling, repeats)
        if key not in self._scores:
            rows = self.claimed[self.claimed["dataset"] == dataset]
            plan = self.plan_of(dataset)
            self._scores[key] = scores(
                rows if repeats is None else course.until(rows, plan, repeats),
                dataset=dataset,
                metric=find(plan.metrics, key[1]),
                column=key[1],
                activations=plan.activations,
                handling=handling,
                own_repeats=plan.until_decided is not None,
            )
        return self._scores[key]

    def followed(self, dataset: str) -> Course | None:
        """The course of a study that repeated until its comparisons were decided; None for any other."""
        plan = self.plan_of(dataset)
        if plan.until_decided is None:
            return None
        rows = self.claimed[self.claimed["dataset"] == dataset]
        return self.once(f"course of {dataset}", lambda _: claims.followed(rows, plan))

    def pairs(self, dataset: str, activation: str) -> Pairs:
        return self._paired(dataset, activation, self.plan_of(dataset).declaration.control)

    def pair_of(self, found: Verdict) -> Pairs:
        """The scores behind a verdict."""
        return self._paired(found.dataset, found.activation, found.control)

    def _paired(self, dataset: str, activation: str, control: str) -> Pairs:
        """Of a comparison that was repeated until it was decided, on the repeats that its words are of."""
        followed = self.followed(dataset)
        standing = followed.standings.get((activation, control)) if followed is not None else None
        repeats = standing.repeats if standing is not None and standing.repeats else None
        return pair(self.scores(dataset, repeats=repeats), activation, control)

    def reach(self, found: Verdict) -> Interval:
        """Least and most that the verdict's difference can be: where the metric ends, seen from the control's mean on
        the shared splits; infinite where it has no end."""
        metric = self.plan_of(found.dataset).primary
        values = self.pair_of(found).y
        middle = float(values.mean()) if len(values) else math.nan
        ends = [
            metric.sign * (end - middle) if end is not None else side * metric.sign * math.inf
            for end, side in ((metric.low, -1), (metric.high, 1))
        ]
        return Interval(min(ends), max(ends))

    def possible(self, found: Verdict) -> Interval | None:
        """The verdict's interval, cut at what the difference can be."""
        if found.interval is None:
            return None
        least, most = self.reach(found)
        return Interval(max(found.interval.low, least), min(found.interval.high, most))

    def verdict(self, dataset: str, activation: str) -> Verdict | None:
        """Against the control; None where that was not compared."""
        control = self.plan_of(dataset).declaration.control
        for found in self.verdicts:
            if (found.dataset, found.activation, found.control) == (dataset, activation, control):
                return found
        return None


def shared_folds(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of the folds that every activation on their data set has: in others, what is easy and hard in a split
    would count as a difference. ``frame`` has columns dataset, repeat, fold and activation."""
    have = frame.groupby(["dataset", "repeat", "fold"])["activation"].transform("nunique")
    return frame[have == frame.groupby("dataset")["activation"].transform("nunique")]


def measured(rows: pd.DataFrame, metric: str) -> bool:
    """Whether any run has a value of the metric on its held-out part."""
    return f"heldout/{metric}" in rows and bool(rows[f"heldout/{metric}"].notna().any())


def gather(
    studies: Study | Sequence[Study], *, allow_incomplete: bool = False, published: Published | None = None
) -> Findings:
    """Raises :class:`IncompleteFolds`, naming them, where planned folds of the claims phase have no result and
    ``allow_incomplete`` does not say to go on; :class:`DeclarationError` where studies declare different metrics
    or one is given twice."""
    every = (studies,) if isinstance(studies, Study) else tuple(studies)
    if not every:
        raise DeclarationError("report: got no studies, needs at least one")
    declared = {(study.plan.primary, study.plan.declaration.rule) for study in every}
    if len(declared) > 1:
        named = ", ".join(f"{s.plan.study}: {s.plan.declaration.metric} by {s.plan.declaration.rule}" for s in every)
        raise DeclarationError(f"studies declare different metrics or checkpoint rules ({named}); report them apart")
    every = apart.on_own_data(apart.named_apart(every))
    cube = pd.concat([study.cube for study in every], ignore_index=True)
    claimed = kinds.with_kinds(pd.concat([claims.claimed(cube, study.plan) for study in every], ignore_index=True))
    if not allow_incomplete:
        refuse_incomplete(claimed)
    verdicts, checks = claims.concluded(cube, [study.plan for study in every])
    family = int(verdicts[0].extras.get("family", len(verdicts))) if verdicts else 0
    return Findings(
        studies=every,
        cube=cube,
        claimed=claimed,
        verdicts=tuple(verdicts),
        checks=checks,
        family=family,
        published=published,
    )


def imported(published: Published, *, control: str | None = None) -> tuple[Study, ...]:
    """The published tables as studies without curves, one a data set."""
    if published.cube.empty:
        raise DeclarationError("published tables: only epoch times were given; a report needs a table of scores, too")
    nothing = pd.DataFrame(
        {"run_id": pd.Series(dtype=object), "epoch": pd.Series(dtype=int), "time": pd.Series(dtype=float)}
    )
    return tuple(
        Study(
            cube=published.cube[published.cube["study"] == plan.study].reset_index(drop=True),
            curves=nothing,
            plan=plan,
            source="imported tables",
        )
        for plan in plans(published, control=control)
    )


def refuse_incomplete(claimed: pd.DataFrame) -> None:
    lost = claimed[claimed["status"].isin(UNFINISHED)]
    if lost.empty:
        return
    named = [
        f"{row['study']}/{row['activation']} repeat {row['repeat']} fold {row['fold']}: {row['status']}"
        + (f" ({row['reason']})" if row["reason"] else "")
        for _, row in lost.head(20).iterrows()
    ]
    more = f"; and {len(lost) - 20} more" if len(lost) > 20 else ""
    raise IncompleteFolds(
        f"{len(lost)} of {counted(len(claimed), 'planned fold')} without a result: {'; '.join(named)}{more}. "
        "Let the study finish (`actsweep resume`; what failed is tried again with --retry-failed), or report with "
        "--allow-incomplete"
    )
