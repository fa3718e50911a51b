"""Device kinds: what the time of an epoch depends on beside what is trained. Times, energy and memory are compared
within one kind alone, and no mean is over several."""

from __future__ import annotations

import pandas as pd

from analysis.runs.wording import counted

NOT_TOLD = "device not told"
PARTS = ("device_name", "slots", "threads", "training.precision", "code")
"""The device's model, how many packs share it, the threads of a pack, the precision, and the trainer's sources."""


def kinds(rows: pd.DataFrame) -> pd.Series:
    """The kind of each run, in words that differ where the kinds do: the device's name, and of the other parts those
    in which kinds of one device differ among ``rows``. Columns that are missing are alike for all."""
    key = pd.DataFrame({name: _part(rows, name) for name in PARTS}, index=rows.index)
    distinct = key.drop_duplicates()
    words = {}
    for _, alike in distinct.groupby("device_name", sort=False):
        differ = [name for name in PARTS[1:] if alike[name].nunique() > 1]
        for part in alike.to_dict("records"):
            shared = ["slots"] if part["slots"] != "1" else []
            told = [_told(name, part[name]) for name in PARTS[1:] if name in [*differ, *shared]]
            device = part["device_name"] or NOT_TOLD
            words[tuple(part.values())] = f"{device} ({', '.join(told)})" if told else device
    return pd.Series([words[each] for each in key.itertuples(index=False, name=None)], index=rows.index, dtype=object)


def with_kinds(rows: pd.DataFrame) -> pd.DataFrame:
    """``rows`` with a column kind; as they are where they have it."""
    return rows if "kind" in rows else rows.assign(kind=kinds(rows))


def _part(rows: pd.DataFrame, name: str) -> pd.Series:
    """As text; a number of packs that was not told is 1, and threads that were not told are "" ."""
    if name not in rows:
        return pd.Series("1" if name == "slots" else "", index=rows.index, dtype=object)
    if name == "slots":
        return slots(rows).astype(str)
    if name == "threads":
        return pd.to_numeric(rows[name], errors="coerce").fillna(-1).astype(int).astype(str).replace("-1", "")
    return rows[name].fillna("").astype(str)


def slots(rows: pd.DataFrame) -> pd.Series:
    """How many packs shared the device of each run; 1 where that was not told."""
    if "slots" not in rows:
        return pd.Series(1, index=rows.index)
    return pd.to_numeric(rows["slots"], errors="coerce").fillna(1).astype(int).clip(lower=1)


def _told(name: str, value: str) -> str:
    if name == "slots":
        return f"{counted(int(value), 'pack')} on it"
    if name == "threads":
        return counted(int(value), "thread") if value else "threads not told"
    if name == "code":
        return f"code {value[:8]}" if value else "code not told"
    return value or "precision not told"


def by_size(rows: pd.DataFrame) -> list[str]:
    """The kinds of ``rows`` (column kind), those with the most activations first, then those with the most runs."""
    found = rows.groupby("kind", sort=True).agg(labels=("activation", "nunique"), runs=("activation", "size"))
    return [str(kind) for kind in found.sort_values(["labels", "runs"], ascending=False, kind="stable").index]


def spread(rows: pd.DataFrame) -> str:
    """How many runs of each kind, in words."""
    return ", ".join(f"{n} on {kind}" for kind, n in rows["kind"].value_counts().items())
