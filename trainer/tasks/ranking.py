"""How well scores tell anomalies, which should score higher, from normal items."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score


def area(scores: NDArray[Any], anomalous: NDArray[np.bool_]) -> float:
    """Under the ROC curve; NaN where a score is no finite number or one of the two sides is empty."""
    return float(roc_auc_score(anomalous, scores)) if _can_be_ranked(scores, anomalous) else float("nan")


def precision(scores: NDArray[Any], anomalous: NDArray[np.bool_]) -> float:
    """Average precision; NaN as :func:`area`."""
    return float(average_precision_score(anomalous, scores)) if _can_be_ranked(scores, anomalous) else float("nan")


def ranked(scores: NDArray[Any], anomalous: NDArray[np.bool_]) -> dict[str, float]:
    """Both, by the names of their metrics."""
    return {"auroc": area(scores, anomalous), "average_precision": precision(scores, anomalous)}


def _can_be_ranked(scores: NDArray[Any], anomalous: NDArray[np.bool_]) -> bool:
    return bool(np.isfinite(scores).all() and anomalous.any() and not anomalous.all())
