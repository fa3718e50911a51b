"""The published setting of activations by import path: their classes say it, and they are known where torch is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import lru_cache

from sweeps.search.variants import Config
from sweeps.study import spaces
from sweeps.study.study import Study
from trainer.spec import Options


def own_labels(study: Study) -> list[str]:
    """Searched labels whose own setting is to be tried and is not known to the study."""
    if not study.tries_published:
        return []
    return [label for label in study.searched() if ":" in study.activation(label).activation]


def own_first(study: Study, label: str) -> Config | None:
    """The setting that an activation by import path has where nothing is said; None where its class does not say it,
    where it breaks a relation, or where it would come on top of a space that is tried whole."""
    made = study.space_of(label)
    defaults = own_defaults(study.activation(label).activation)
    assert study.search is not None
    found = spaces.with_first(made, defaults, study.training)
    if found.first is None or found.trials(study.search.samples) != made.trials(study.search.samples):
        return None
    return dict(found.first)


@lru_cache(maxsize=64)
def own_defaults(name: str) -> Options | None:
    """Keyword arguments of a class by import path that have a plain value as default; None where it cannot be imported
    here. In a process of its own: it loads torch."""
    run = subprocess.run(
        [sys.executable, "-P", "-m", "actsweep_start", "-m", "trainer.own_defaults", name],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        check=False,
    )
    if run.returncode != 0:
        return None
    found: Options | None = json.loads(run.stdout.splitlines()[-1])
    return found
