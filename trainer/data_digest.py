"""Digest of the data that a fold would train on here, as a program: reads ``{"data_root": text or null, "device": text,
"spec": {...}}`` from standard input, writes ``{"digest": text}``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from trainer import preflight
from trainer.codec import from_plain
from trainer.spec import FoldSpec


def main() -> None:
    asked = json.load(sys.stdin)
    root = None if asked["data_root"] is None else Path(asked["data_root"])
    dataset = preflight.read(from_plain(FoldSpec, asked["spec"]), root, asked["device"])
    print(json.dumps({"digest": dataset.digest}))  # noqa: T201  # its answer


if __name__ == "__main__":
    main()
