"""What a study has spent of its budget, promised to its jobs and left, from its files alone."""

from __future__ import annotations

from pathlib import Path

from analysis.runs.account import Account, Shortfall, to_json
from analysis.runs.schema import BUDGET_ARTIFACT
from slurm.errors import ClusterError
from slurm.profile import load as load_profile
from sweeps.folder.journals import Journals
from sweeps.folder.layout import write_aside
from sweeps.folder.state import State
from sweeps.study.study import Study
from sweeps.wording import duration


def of(study: Study, state: State, journals: Journals) -> Account:
    spending = state.spending
    before_s = sum(journals.trained(fold).seconds for fold in spending.unmetered)
    try:
        profile = load_profile(study.cluster.profile)
        prices, currency = profile.prices, profile.currency
    except ClusterError:  # its file is gone: nothing but the price is missed
        prices, currency = None, ""
    least, most = prices or (None, None)
    return Account(
        spent_s=spending.spent_s + before_s,
        promised_s=spending.promised_s(state.unanswered.values()),
        cap_s=3600.0 * study.budget.gpu_hours if study.budget is not None else None,
        price_per_gpu_hour=least,
        highest_price=most if most != least else None,
        currency=currency,
        shortfalls=tuple(
            Shortfall(what=each.what, phase=each.phase or "", asked_s=each.asked_s) for each in spending.shortfalls
        ),
    )


def write(path: Path, account: Account) -> None:
    """Into the study's folder, where there is a budget or a price."""
    if account.cap_s is not None or account.price_per_gpu_hour is not None:
        write_aside(path / BUDGET_ARTIFACT, to_json(account))


def words(account: Account) -> list[str]:
    """Nothing where there is neither a budget nor a price."""
    if account.cap_s is None and account.price_per_gpu_hour is None:
        return []
    spent = f"spent {duration(account.spent_s)} of device time{account.money(account.spent_s)}"
    if account.cap_s is None or account.left_s is None:
        return [spent]
    line = (
        f"budget: {spent}, promised to jobs {duration(account.promised_s)}, left {duration(account.left_s)} of "
        f"{duration(account.cap_s)}{account.money(account.cap_s)}"
    )
    return [line, *(f"not paid for by the budget: {each.what}" for each in account.shortfalls)]
