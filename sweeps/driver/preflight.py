"""What is tried before a study writes anything: everything that would fail each of its folds."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator

from actsweep_start import why_hidden
from sweeps.driver.session import data_root
from sweeps.errors import StudyError, SweepError
from sweeps.study import planner
from sweeps.study.study import Study
from trainer.spec import FoldSpec


def check(study: Study) -> None:
    """Raises what would stop every fold: a profile that is none, a module that is not installed, a data set that is not
    there or cannot be dealt to these folds, a model or an activation that cannot be built at the bounds of its space.
    Data set and torch are loaded by another process, so that the driver stays small."""
    from slurm.profile import load as load_profile

    load_profile(study.cluster.profile)
    for name in {study.activation(label).activation for label in study.compared()} | {study.model.name}:
        module = name.partition(":")[0]
        if ":" in name and not _importable(module):
            remedy = why_hidden(module) or (
                f"install it for {sys.executable}, or put its folder on PYTHONPATH, here and on the nodes"
            )
            raise StudyError(f"{study.name}: {name}: there is no module {module} here; {remedy}")
    asked = {"data_root": data_root(study), "specs": [dataclasses.asdict(spec) for spec in _bounds(study)]}
    run = subprocess.run(
        [sys.executable, "-P", "-m", "actsweep_start", "-m", "trainer.preflight"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
    )
    if run.returncode != 0:
        raise SweepError(f"{study.name}: cannot be tried here:\n{run.stderr.strip()}")
    if found := json.loads(run.stdout.splitlines()[-1]):
        raise StudyError("\n".join(f"{study.name}: {problem}" for problem in found))


def _bounds(study: Study) -> Iterator[FoldSpec]:
    """A fold of each activation in each phase, at both ends of its space; of the first activation every fold, so that
    every split is dealt once."""
    for phase in planner.phases(study):
        for label in study.compared():
            domains = study.space_of(label).domains
            for end in (0, -1):
                ends = {
                    key.partition(".")[2]: domain.extremes()[end] for key, domain in domains.items() if key[0] == "a"
                }
                specs = planner.fold_specs(study, phase=phase, trial="t", label=label, params=ends)
                yield from specs if label == study.compared()[0] and end == 0 else specs[:1]


def _importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
