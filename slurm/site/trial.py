"""One tiny job through a profile, and what it found on its node. Standard library only: it runs there."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import socket
import subprocess

CALL = "slurm.site.trial:look"


def look(text: str) -> str:
    """What the node says of itself, as JSON; ``text`` names, as JSON, the ``scratch`` folder to try, or null."""
    asked = json.loads(text)
    scratch = os.path.expandvars(asked["scratch"]) if asked["scratch"] else None
    return json.dumps(
        {
            "host": socket.gethostname(),
            "python": platform.python_version(),
            "cores": len(os.sched_getaffinity(0)),
            "gpus": _gpus(),
            "torch": importlib.util.find_spec("torch") is not None,
            "scontrol": shutil.which("scontrol") is not None,
            "scratch": scratch if scratch is None else [scratch, os.access(scratch, os.W_OK)],
        }
    )


def _gpus() -> list[str]:
    """Names of the GPUs that are seen; what CUDA_VISIBLE_DEVICES says where nvidia-smi is not there."""
    command = shutil.which("nvidia-smi")
    if command is not None:
        done = subprocess.run([command, "-L"], capture_output=True, text=True, timeout=60, check=False)
        if done.returncode == 0:
            return [line.split(" (UUID")[0] for line in done.stdout.splitlines()]
    return [f"device {each}" for each in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if each]
