"""The one function that is ever pickled: text in, text out. Loads without torch."""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import logging
import os
import sys

from trainer import catalogue, code, own_code
from trainer.codec import from_text
from trainer.errors import SpecError, UnknownName
from trainer.meter import Meter
from trainer.spec import Pack

RESULT_SCHEMA = 1


def preload() -> None:
    """Imports what packs need, for processes that are forked off this one and train one pack after the other; touches
    no device and trains nothing. What is not installed here is told by the pack that needs it."""
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")  # to look for a GPU must not make it this process's own
    code.settle()
    importlib.import_module("torch._dynamo")  # else the first optimiser does
    kinds = {"activation": catalogue.ACTIVATIONS, "model": catalogue.MODELS, "task": catalogue.TASKS}
    for kind, names in (kinds | {"data set": catalogue.DATASETS}).items():
        for name in names:
            with contextlib.suppress(UnknownName):
                catalogue.resolve(kind, name, names)
    from trainer import pack as packs

    packs.KEPT.begin()
    gc.collect()
    gc.freeze()  # what is shared from here on is not touched by any process's collections
    atexit.register(gc.unfreeze)  # some libraries count what is still there at the end


def run(text: str) -> str:
    """Trains a :class:`trainer.spec.Pack` and says how its folds stand.

    Gives ``{"schema": 1, "folds": {"<trial>/<fold folder>": status}, "interrupted": bool}`` with the statuses finished,
    stopped, diverged, failed, interrupted, out of seconds, superseded, running elsewhere and crowded. ``interrupted``
    says that a signal (USR2, TERM) ended the pack early and that the same text, run again, goes on where it left;
    ``"crowded": true``, which is there for a pack that may share its device alone, that memory was short beside others.
    """
    pack = from_text(Pack, text)
    if pack.own_folder is not None and pack.own_folder not in sys.path:
        sys.path.insert(0, pack.own_folder)
    found = own_code.here(pack.own)
    here = code.digest(found)
    if pack.code and pack.code != here:
        own = ", ".join(own_code.differences(pack.own, found))
        message = (
            f"your code here is not what the study was started with: {own}; restore it on the nodes"
            if own
            else f"the trainer here has code {here}, the pack was planned with {pack.code}; install the same version "
            "on the nodes"
        ) + ", or set on_drift: warn"
        if pack.on_drift == "refuse":
            raise SpecError(message)
        logging.getLogger(__name__).warning("%s", message)
    with Meter(pack.meter, pack.seconds) as meter:
        from trainer import pack as packs

        folds = packs.run(pack, code=here, meter=meter)
    result = {"schema": RESULT_SCHEMA, "folds": folds, "interrupted": packs.INTERRUPTED in folds.values()}
    if packs.CROWDED in folds.values():
        result["crowded"] = True
    return json.dumps(result)
