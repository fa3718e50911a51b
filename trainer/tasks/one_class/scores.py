"""How well scores tell anomalies from normal items."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score


def ranked(scores: NDArray[Any], anomalous: NDArray[np.bool_]) -> dict[str, float]:
    """Area under the ROC curve and average precision, where anomalies should score higher; NaN where a score is no
    number, or where one of the two kinds is missing."""
    if not np.isfinite(scores).all() or anomalous.all() or not anomalous.any():
        return {"auroc": float("nan"), "average_precision": float("nan")}
    return {
        "auroc": float(roc_auc_score(anomalous, scores)),
        "average_precision": float(average_precision_score(anomalous, scores)),
    }
