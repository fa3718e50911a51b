"""What people open first in MLflow: prepared views of a study's runs, as experiment tags that its UI takes for views
that somebody saved.

The UI keeps a saved view as the tag ``mlflow.sharedViewState.<key>`` of the experiment, and opens it where the address
says ``viewStateShareKey=<key>``. The value is JSON: the view's name, when it was made, and its state as text (MLflow
3.17, which lists saved views by name); UIs before that look for the state's own keys, which therefore stand beside
them. Nothing in a view depends on MLflow's ids, so it holds for runs that are still to come.

The UI loads the first 100 runs of a view, in its order, and more on demand. Of trials these are the best; of folds they
are those of the first repeats, for an average over the best folds would be no activation's.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from analysis.runs import schema
from analysis.runs.plan import Plan
from sweeps.tracking.folder_reader import FolderReader, Unreadable
from sweeps.tracking.run_content import param_texts
from sweeps.tracking.run_values import metric_key

PREFIX = "mlflow.sharedViewState."
SHARE_KEY = "viewStateShareKey"
COMPARISON, SEARCH, FOLDS = "comparison", "search", "folds"
MAX_VALUE = 5000
"""Characters of an experiment's tag that every version of MLflow takes."""
CHART_RUNS = 100
"""Bars and points in one chart."""
ONE_BY_ONE = 6
"""Charts of one setting each against the selection metric."""
_WORDS, _WIDE, _NARROW = 300, 170, 120
"""Columns' widths in pixels."""


@dataclass(frozen=True, kw_only=True)
class View:
    key: str
    """Of the tag and of the address; also the name by which the UI lists the view."""
    shows: str
    """What there is to see, in words."""
    opens: Literal["TABLE", "CHART"]
    """How it opens, which is part of the address and not of the state."""
    state: Mapping[str, Any]
    """As the UI keeps it."""

    @property
    def query(self) -> str:
        """The address's words for this view, behind the page of an experiment's runs."""
        return f"{SHARE_KEY}={self.key}&compareRunsMode={self.opens}"


def tags(plan: Plan, params: Iterable[str] = ()) -> dict[str, str]:
    """Tag -> value of the study's views. ``params``: names of the params that its confirmed trials have, beside those
    that its search varies."""
    made_ms = _milliseconds(plan.declaration.declared_at)
    names = sorted({*params, *varied(plan)})
    while True:
        views = of(plan, names)
        # The UI lists views by their age, the newest first.
        values = {PREFIX + view.key: _value(view, made_ms + len(views) - at) for at, view in enumerate(views)}
        if not names or max(map(len, values.values())) <= MAX_VALUE:
            return values
        names = names[: len(names) // 2]


def of_folder(reader: FolderReader) -> dict[str, str]:
    """:func:`tags` of the folder's study, with the params that its confirmed trials have so far. A trial whose file
    cannot be read is told when its own turn comes."""
    params: set[str] = set()
    for name in reader.trials():
        if not name.rpartition("-")[2].startswith(reader.plan.claims_phase[0]):  # thousands of settings are not read
            continue
        with contextlib.suppress(Unreadable):
            trial = reader.trial(name)
            params |= param_texts(trial.params, trial.training, trial.degrees).keys()
    return tags(reader.plan, params)


def of(plan: Plan, params: Sequence[str] = ()) -> list[View]:
    """The study's views, the first of which is to be opened; that of the search only where there was one."""
    tried = [name for name in params if name in varied(plan)]
    searched = [_search(plan, tried)] if plan.search_selects_on and plan.search_varies else []
    return [_comparison(plan, params), *searched, _folds(plan)]


def varied(plan: Plan) -> list[str]:
    """Names of the params that the study's searches vary."""
    return sorted({metric_key(name) for names in plan.search_varies.values() for name in names})


def _comparison(plan: Plan, params: Sequence[str]) -> View:
    metric = f"heldout/{plan.primary.name}"
    mean, sd = metric_key(schema.MEAN_PREFIX + metric), metric_key(schema.SD_PREFIX + metric)
    columns = {
        _LABEL: _NARROW,
        _of("tags", schema.VERDICT): _WORDS,  # "-" before there is a report
        _of("metrics", mean): _WIDE,
        _of("metrics", sd): _WIDE,
        _of("metrics", schema.SECONDS_EPOCH): _NARROW,
        _DURATION: _NARROW,
        **{_of("params", name): _NARROW for name in params},
    }
    state = _state(
        {schema.KIND: "trial", schema.PHASE: plan.claims_phase},
        order=_of("metrics", mean),
        best="highest" if plan.primary.sign > 0 else "lowest",
        columns=columns,
        sections=[_section("comparison", 2, 420)],
        charts=[_bar("comparison", mean), _bar("comparison", sd)],
    )
    first = f"the activations, best first by {plan.primary.name} on held-out folds"
    shows = f"{first}: the report's verdict, mean, sd, settings, time"
    return View(key=COMPARISON, shows=shows, opens="TABLE", state=state)


def _search(plan: Plan, params: Sequence[str]) -> View:
    selected = metric_key(schema.MEAN_PREFIX + plan.search_selects_on)
    sign = next((metric.sign for metric in plan.metrics if metric.name == plan.search_selects_on.split("/")[-1]), -1)
    # A run without one of a chart's params is not in it: activations that vary the same share a chart.
    together = dict.fromkeys(tuple(sorted(map(metric_key, names))) for names in plan.search_varies.values() if names)
    shared = [names for names in together if set(names) <= set(params)]
    state = _state(
        {schema.KIND: "trial", schema.PHASE: "search"},
        order=_of("metrics", selected),
        best="highest" if sign > 0 else "lowest",
        columns={_LABEL: _WIDE, _of("metrics", selected): _WIDE} | {_of("params", name): _NARROW for name in params},
        sections=[_section("settings", 2 if len(shared) > 1 else 1, 420), _section("one setting", 3, 360)],
        charts=[
            *(_parallel("settings", names, selected) for names in shared),
            *(_scatter("one setting", name, selected) for name in params[:ONE_BY_ONE]),
        ],
    )
    shows = f"the settings that were tried, best first by {plan.search_selects_on}"
    return View(key=SEARCH, shows=shows, opens="CHART", state=state)


def _folds(plan: Plan) -> View:
    primary = plan.primary.name
    curves = [f"validation/{schema.LOSS}", f"train/{schema.LOSS}"]
    if primary != schema.LOSS and not plan.primary.heldout_only:
        curves.insert(1, f"validation/{primary}")
    curves = [metric_key(name) for name in curves]
    heldout = metric_key(f"heldout/{primary}")
    state = _state(
        {schema.KIND: "fold", schema.PHASE: plan.claims_phase},
        order=_of("tags", schema.REPEAT),
        best="lowest",
        columns={_LABEL: _WIDE, _of("metrics", heldout): _WIDE, _DURATION: _NARROW},
        sections=[_section("curves", 3, 420)],
        charts=[_line("curves", name) for name in curves],
    )
    state["groupBy"] = {
        "aggregateFunction": "average",
        "groupByKeys": [{"mode": "tag", "groupByData": schema.ACTIVATION}],
    }
    closed = {f"tag.{schema.ACTIVATION}.{label}": False for label in plan.activations}
    if len(_text(closed)) <= MAX_VALUE // 2:  # else the list shows each fold, too
        state["groupsExpanded"] = closed
    shows = f"an activation's folds as one curve, their average: {', '.join(curves)}"
    return View(key=FOLDS, shows=shows, opens="CHART", state=state)


# What the UI calls these things.


def _of(kind: Literal["metrics", "params", "tags", "attributes"], name: str) -> str:
    return f"{kind}.`{name}`"


def only(tags: Mapping[str, str]) -> str:
    """The UI's search for runs with these tags."""
    return " and ".join(f"{_of('tags', name)} = '{value}'" for name, value in tags.items())


_LABEL, _DURATION = _of("tags", schema.ACTIVATION), _of("attributes", "Duration")


def _state(
    tags: Mapping[str, str],
    *,
    order: str,
    best: Literal["highest", "lowest"],
    columns: Mapping[str, int],
    sections: Sequence[Mapping[str, Any]],
    charts: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """``tags``: tags that the runs have; ``columns``: the table's, in order, with their widths. All runs are drawn,
    where the UI would draw the first ten."""
    return {
        "searchFilter": only(tags),
        "orderByKey": order,
        "orderByAsc": best == "lowest",
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": list(columns),
        "columnOrder": list(columns),
        "columnWidths": dict(columns),
        "runsHiddenMode": "SHOW_ALL",
        "compareRunSections": list(sections),
        "compareRunCharts": list(charts),
        "isAccordionReordered": True,  # else the sections are sorted by their names, among those of all metrics
    }


def _section(name: str, columns: int, height: int) -> dict[str, Any]:
    """``height`` in pixels."""
    return {
        "uuid": name,
        "name": name,
        "display": True,
        "isReordered": True,
        "columns": columns,
        "cardHeight": height,
    }


def _chart(section: str, name: str, kind: str, **more: Any) -> dict[str, Any]:
    chart = {"uuid": f"{section} {name}", "type": kind, "metricSectionId": section, "runsCountToCompare": CHART_RUNS}
    return chart | {"deleted": False, "isGenerated": False} | more


def _bar(section: str, metric: str) -> dict[str, Any]:
    return _chart(section, metric, "BAR", metricKey=metric)


def _line(section: str, metric: str) -> dict[str, Any]:
    """As measured: the UI would smooth what does not say how."""
    plain = {"lineSmoothness": 0, "useGlobalLineSmoothing": False, "xAxisKey": "step", "useGlobalXaxisKey": False}
    return _chart(section, metric, "LINE", metricKey=metric, selectedMetricKeys=[metric], **plain)


def _parallel(section: str, params: Sequence[str], metric: str) -> dict[str, Any]:
    name = ", ".join(params)
    return _chart(section, name, "PARALLEL", selectedParams=list(params), selectedMetrics=[metric], showAllRuns=True)


def _scatter(section: str, param: str, metric: str) -> dict[str, Any]:
    axes = {"xaxis": {"key": param, "type": "PARAM"}, "yaxis": {"key": metric, "type": "METRIC"}}
    return _chart(section, param, "SCATTER", **axes)


def _value(view: View, made_ms: int) -> str:
    """With the state twice, where that is short enough."""
    named = {"name": view.key, "createdAt": made_ms, "state": _text(view.state)}
    both = _text({**named, **view.state})
    return both if len(both) <= MAX_VALUE else _text(named)


def _text(of: Mapping[str, Any]) -> str:
    return json.dumps(of, separators=(",", ":"))


def _milliseconds(declared_at: str) -> int:
    """0 for a plan that does not say when it was declared."""
    try:
        moment = datetime.fromisoformat(declared_at)
    except ValueError:
        return 0
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
