"""Describes a task by its class, in a process of its own since it loads torch: ``python -P -m trainer.tasks.describe
NAME OPTIONS`` (as JSON) prints the description as JSON, or says in one line why there is none."""

from __future__ import annotations

import dataclasses
import json
import sys

from trainer.tasks.task import find


def main() -> None:
    name, options = sys.argv[1], json.loads(sys.argv[2])
    try:
        found = find(name, options).described(name, **options)
    except Exception as error:  # a user's own module may raise anything
        sys.exit(f"{type(error).__name__}: {error}")
    print(json.dumps(dataclasses.asdict(found)))  # noqa: T201  # its answer


if __name__ == "__main__":
    main()
