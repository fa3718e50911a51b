"""What trivial predictors score on the data sets of quantities, those of ACTSWEEP_DATA: bench_regression_floors.py

No network is trained. UCI: mean over the 20 published splits of the root mean square error. Motor map: trained on the
tiny mesh, held out the full mesh's other nodes. Curves: the same of the dense points, and diffusion.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import torch

from trainer import batches, catalogue, learner
from trainer.spec import ActivationSpec, DataSpec, FoldSpec, ModelSpec, SplitSpec, TrainingSpec
from trainer.tasks import task as tasks

FIXED = SplitSpec(scheme="fixed", folds=1, validation=0.0, stratify=False)
CASES = [
    *(("curve", {"target": target, "points": points}, FIXED) for target, points in
      (("tanh", 7), ("tanh", 14), ("exponential", 12))),
    *(("motor_map", {"mesh": mesh}, FIXED) for mesh in ("tiny", "small", "medium")),
    *(("uci_regression", {"table": table}, SplitSpec(scheme="published", folds=20, validation=0.1, stratify=False))
      for table in ("yacht", "energy", "concrete", "wine", "kin8nm", "power", "naval")),
]  # fmt: skip


def floors(data: DataSpec, split: SplitSpec, fold: int, root: Path) -> dict[str, dict[str, float]]:
    dataset = catalogue.resolve("data set", data.name, catalogue.DATASETS).load(root, data.options)
    options = {"diffusion": True} if dataset.mesh is not None else {}
    spec = FoldSpec(
        study="floors",
        study_seed=1,
        phase="confirm",
        trial="relu",
        repeat=0,
        fold=fold,
        task="regression",
        task_options=options,
        data=data,
        split=split,
        model=ModelSpec(name="mlp", options={"hidden": "4"}),
        activation=ActivationSpec(name="relu"),
        training=TrainingSpec(precision="fp64"),
    )
    kind = tasks.fitting(spec.task, options, dataset)
    here = batches.resident(dataset, torch.device("cpu"))
    one = learner.Learner(spec, dataset, here, tasks.deal(kind, dataset, spec), kind(dataset, **options))
    one.fit()
    return one.floors()


def main() -> None:
    root = Path(os.environ["ACTSWEEP_DATA"])
    for name, options, split in CASES:
        began = time.perf_counter()
        found = [floors(DataSpec(name=name, options=options), split, fold, root) for fold in range(split.folds)]
        took = (time.perf_counter() - began) / len(found)
        print(f"{name} {', '.join(map(str, options.values()))} ({len(found)} splits, {took:.2f} s each)")
        for predictor in found[0]:
            metrics = [key for key in ("mae", "rmse", "diffusion") if key in found[0][predictor]]
            means = (sum(one[predictor][metric] for one in found) / len(found) for metric in metrics)
            shown = "  ".join(f"{metric} {mean:.4g}" for metric, mean in zip(metrics, means, strict=True))
            print(f"    {predictor:40} {shown}")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
