"""What a study has spent of its budget, promised to its jobs and left, from its files alone."""

from __future__ import annotations

from dataclasses import dataclass

from slurm.errors import ClusterError
from slurm.profile import load as load_profile
from sweeps.folder.journals import Journals
from sweeps.folder.state import State
from sweeps.study.study import Study
from sweeps.wording import duration


@dataclass(frozen=True, kw_only=True)
class Account:
    """Device seconds."""

    spent_s: float
    promised_s: float
    cap_s: float | None
    """None where the study has no budget."""
    price_per_gpu_hour: float | None
    currency: str
    not_paid: tuple[str, ...]
    """What was planned and was not done for want of budget."""

    @property
    def left_s(self) -> float | None:
        return None if self.cap_s is None else self.cap_s - self.spent_s - self.promised_s

    def money(self, seconds: float) -> str:
        if self.price_per_gpu_hour is None:
            return ""
        return f" ({seconds / 3600 * self.price_per_gpu_hour:,.2f} {self.currency}".rstrip() + ")"

    def words(self) -> list[str]:
        """Nothing where there is neither a budget nor a price."""
        if self.cap_s is None and self.price_per_gpu_hour is None:
            return []
        spent = f"spent {duration(self.spent_s)} of device time{self.money(self.spent_s)}"
        if self.cap_s is None or self.left_s is None:
            return [spent]
        lines = [
            f"budget: {spent}, promised to jobs {duration(self.promised_s)}, left {duration(max(0.0, self.left_s))} of "
            f"{duration(self.cap_s)}{self.money(self.cap_s)}"
        ]
        return lines + [f"not paid for by the budget: {what}" for what in self.not_paid]


def of(study: Study, state: State, journals: Journals) -> Account:
    spending = state.spending
    before_s = sum(journals.trained(fold).seconds for fold in spending.unmetered)
    try:
        profile = load_profile(study.cluster.profile)
        price, currency = profile.price_per_gpu_hour, profile.currency
    except ClusterError:  # its file is gone: nothing but the price is missed
        price, currency = None, ""
    return Account(
        spent_s=spending.spent_s + before_s,
        promised_s=spending.promised_s(state.unanswered.values()),
        cap_s=3600.0 * study.budget.gpu_hours if study.budget is not None else None,
        price_per_gpu_hour=price,
        currency=currency,
        not_paid=tuple(each.what for each in spending.shortfalls),
    )
