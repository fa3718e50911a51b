"""What is sent to a store, in portions that it takes: proxies before a server refuse requests of more bytes than they
were told to let through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.runs import store_words
from sweeps.tracking.run_values import Point

if TYPE_CHECKING:
    from mlflow import MlflowClient

Item = tuple[str, tuple[object, ...]]


def send(
    api: MlflowClient, run_id: str, points: Sequence[Point], params: Mapping[str, str], tags: Mapping[str, str]
) -> None:
    """Metrics in order, then params, then tags; halved as often as it takes where a proxy finds a request too large."""
    items: list[Item] = [("metric", tuple(point)) for point in points]
    items += [("param", pair) for pair in params.items()]
    items += [("tag", pair) for pair in tags.items()]
    waiting = [items] if items else []
    while waiting:
        portion = waiting.pop()
        try:
            _log(api, run_id, portion)
        except Exception as error:
            if len(portion) == 1 or not store_words.too_large(error):
                raise
            half = -(-len(portion) // 2)
            waiting += [portion[half:], portion[:half]]


def _log(api: MlflowClient, run_id: str, items: Sequence[Item]) -> None:
    from mlflow.entities import Metric, Param, RunTag

    found = {kind: [values for _, values in group] for kind, group in groupby(items, key=lambda item: item[0])}
    api.log_batch(
        run_id,
        metrics=[Metric(*values) for values in found.get("metric", ())],
        params=[Param(*values) for values in found.get("param", ())],
        tags=[RunTag(*values) for values in found.get("tag", ())],
    )


def attach(api: MlflowClient, run_id: str, folder: Path, below: str | None) -> str | None:
    """Sends the files of a folder as a run's artifacts. One that is too large for a proxy keeps neither the others nor
    the runs away: it is named in what is returned, None where all were taken."""
    refused = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        inside = file.parent.relative_to(folder).as_posix()
        place = "/".join(part for part in (below or "", "" if inside == "." else inside) if part)
        try:
            api.log_artifact(run_id, str(file), place or None)
        except Exception as error:
            if not store_words.too_large(error):
                raise
            refused.append((file.stat().st_size, file.relative_to(folder).as_posix()))
    if not refused:
        return None
    size, name = max(refused)
    several = f" and {len(refused) - 1} more" if len(refused) > 1 else ""
    why = store_words.TOO_LARGE
    return f"it does not take {name} ({size:,} bytes){several}: {why.what}; {why.remedy}"
