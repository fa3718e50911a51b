"""What a study might cost and did cost; travels as ``budget.json`` beside the runs. Pure values and their JSON."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

from analysis.errors import SourceError
from analysis.runs.wording import counted

SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class Shortfall:
    """What was planned, and not paid for."""

    what: str
    phase: str
    asked_s: float
    """Device seconds, at most, that it would have taken."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """Device seconds: of a GPU, or of a process where there is none."""

    schema: int = SCHEMA
    spent_s: float
    promised_s: float = 0.0
    """To jobs that are not known to be over."""
    cap_s: float | None = None
    """None where the study has no budget."""
    price_per_gpu_hour: float | None = None
    """The least of any partition's."""
    highest_price: float | None = None
    """Of an hour in any partition, where they differ."""
    currency: str = ""
    shortfalls: tuple[Shortfall, ...] = ()

    @property
    def left_s(self) -> float | None:
        return None if self.cap_s is None else max(0.0, self.cap_s - self.spent_s - self.promised_s)

    @property
    def cut(self) -> bool:
        """Whether the claims lack planned folds for want of budget."""
        return any(each.phase == "confirm" for each in self.shortfalls)

    def money(self, seconds: float) -> str:
        """`` (0.12 EUR)``; "" without a price; from the least to the most where partitions differ."""
        if self.price_per_gpu_hour is None:
            return ""
        said = f"{seconds / 3600 * self.price_per_gpu_hour:,.2f}"
        if self.highest_price is not None:
            said += f" to {seconds / 3600 * self.highest_price:,.2f}"
        return f" ({said} {self.currency}".rstrip() + ")"

    def spent(self) -> str:
        said = f"{hours(self.spent_s)}{self.money(self.spent_s)} held by jobs, with all that was lost and tried again"
        return said if self.cap_s is None else f"{said}, of a budget of {hours(self.cap_s)}{self.money(self.cap_s)}"

    def lacking(self) -> str:
        """What the budget did not pay for, in a sentence; "" where it paid for all that was planned."""
        if not self.shortfalls or self.cap_s is None:
            return ""
        what = "; ".join(f"{each.what} (at most {hours(each.asked_s)} more)" for each in self.shortfalls)
        so = " What the claims lack of it is left open by the budget, not by the data." if self.cut else ""
        return f"The budget of {hours(self.cap_s)} did not pay for all that was planned: {what}.{so}"


def hours(seconds: float) -> str:
    return f"{seconds / 3600:.3g} device hours" if seconds >= 36 else counted(round(seconds), "device second")


def to_json(account: Account) -> str:
    return json.dumps(dataclasses.asdict(account), sort_keys=True, indent=1)


def from_json(text: str) -> Account:
    """Inverse of :func:`to_json`. Raises :class:`SourceError`."""
    try:
        raw = json.loads(text)
        if raw["schema"] != SCHEMA:
            raise SourceError(f"budget.json: got schema {raw['schema']!r}, accepts {SCHEMA}; install a newer actsweep")
        shortfalls = tuple(Shortfall(**each) for each in raw.pop("shortfalls"))
        return Account(**raw, shortfalls=shortfalls)
    except (ValueError, TypeError, KeyError) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"budget.json: not a study's account ({error}); `actsweep sync` writes it anew") from error
