"""The ways in which jobs hold packs, as cluster profiles for the development cluster, and a study to try them with."""

from __future__ import annotations

from pathlib import Path

from sweeps.driver import session
from sweeps.study import shipped
from sweeps.study.reading import load

PRETEND = "trainer.testing:pretend"
STUDY = """
name: modes
seed: 3
data: {name: digits}
model: {name: tiny_cnn}
training: {epochs: 6, patience: null}
folds: {folds: 3}
search: {algorithm: random, samples: 4, folds: 2}
activations:
  - relu
  - elu
  - {activation: dsrelu, space: {k: {uniform: [1, 9]}}}
control: relu
cluster: {pack: fold, max_retries: 50}
"""
COMMON = """
device: cpu
signal_lead_s: 20
poll_min_s: 0.5
poll_max_s: 2
reserve_s: 5
environment: {ACTSWEEP_PRETEND_EPOCH_S: "%s"}
"""
ON_SLURM = "executor: slurm\npartition: main\nmem_gb: 0.25\ntime_min: 10\n"
MODES = {
    "fold": ON_SLURM + "gpus_per_pack: 1\n",
    "node": ON_SLURM + "gpus_per_pack: 1\njobs: node\ngpus_per_node: 4\n",
    "slots": ON_SLURM + "gpus_per_pack: 1\njobs: pilot\nslots_per_gpu: 2\nmax_jobs: 2\n",
    "pilot": ON_SLURM.replace("time_min: 10", "time_min: 1") + "gpus_per_pack: 1\njobs: pilot\nmax_jobs: 4\n",
    "allocation": "executor: allocation\nmax_jobs: 2\n",
}


def made(folder: Path, mode: str, *, epoch_s: float, study: str = STUDY) -> Path:
    """A study's folder, in this mode."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lab.yaml").write_text(MODES[mode] + COMMON % epoch_s)
    session.make(shipped.on_profile(load(study), str(folder / "lab.yaml")), folder / "study", ["test"])
    return folder / "study"
