"""What an epoch of a very small data set costs beside its steps: python tests/bench/bench_epoch_cost.py [epochs]

LELU's curve of 7 nodes (three steps an epoch) with a network of four layers of 32, one fold, a checkpoint every 30 s.
Prints milliseconds an epoch, by the epochs that are done.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

from trainer import entry, journal
from trainer.codec import to_text
from trainer.spec import ActivationSpec, DataSpec, FoldSpec, Launch, ModelSpec, Pack, SplitSpec, TrainingSpec


def main() -> None:
    epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    spec = FoldSpec(
        study="bench",
        study_seed=1,
        phase="confirm",
        trial="relu",
        repeat=0,
        fold=0,
        task="regression",
        task_options={"loss": "mae", "scale_targets": False, "diffusion": True},
        data=DataSpec(name="curve"),
        split=SplitSpec(scheme="fixed", folds=1, validation=0.0, stratify=False),
        model=ModelSpec(name="mlp", options={"hidden": "4x32"}),
        activation=ActivationSpec(name="relu"),
        training=TrainingSpec(epochs=epochs, batch=3, lr=1e-3, precision="fp64", checkpoint_rule="last", patience=None),
    )
    with tempfile.TemporaryDirectory() as folder:
        launch = Launch(spec=spec, folder=str(Path(folder) / "fold"))
        entry.run(to_text(Pack(launches=(launch,), data_root=None, device="cpu", checkpoint_every_s=30.0)))
        history = journal.read_fold(Path(launch.folder))
    assert history is not None
    print("epochs done   steps ms   evaluation ms   all else ms   (medians of the last 100)")
    for end in (100, 500, 1000, 2000, 5000, 10000, 15000):
        some = [record for record in history.epochs if end - 100 < record.epoch <= end]
        if len(some) == 100:
            train, evaluate, rest = (
                1e3 * statistics.median(getattr(record, name) for record in some)
                for name in ("train_s", "evaluate_s", "rest_s")
            )
            print(f"{end:11} {train:10.2f} {evaluate:15.2f} {rest:13.2f}")


if __name__ == "__main__":
    main()
