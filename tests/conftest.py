"""What keeps tests apart: each begins with the same random numbers and leaves the process as it found it."""

from __future__ import annotations

import logging
import os
import random
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import hypothesis
import pytest

PACKAGES = ("analysis", "slurm", "sweeps", "trainer")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP)

# Two threads that wait for each other on a busy core take ten times as long as one; read when torch is first loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A busy machine is slow, not wrong.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


def pytest_configure(config: pytest.Config) -> None:
    # pytest-randomly is to choose the order alone: a test's numbers stay the same in every order.
    if hasattr(config.option, "randomly_reset_seed"):
        config.option.randomly_reset_seed = False


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Seeds the global generators before any fixture, so that no test's numbers hang on the tests before it."""
    random.seed(0)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(0)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)


@pytest.fixture(autouse=True)
def nothing_is_left_behind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Takes back what a test's code may do to its process for good (environment variables, modules imported from a
    temporary folder, descriptions of tasks found there), and fails where a test leaves anything else."""
    loaded, environment, before = set(sys.modules), dict(os.environ), _process(request.config.rootpath)
    yield
    _restore(environment)
    late = {name: module for name, module in sys.modules.copy().items() if name not in loaded}
    temporary = str(tmp_path_factory.getbasetemp())
    for name, module in late.items():
        if (getattr(module, "__file__", None) or "").startswith(temporary):
            del sys.modules[name]
    if tasks := sys.modules.get("trainer.tasks.description"):
        tasks.described.cache_clear()
    after = _process(request.config.rootpath)
    changed = [f"{what}: {before[what]} -> {after[what]}" for what in before if before[what] != after[what]]
    assert not [*changed, *_captured(late, loaded)], "left behind by this test"


def _process(root: Path) -> dict[str, object]:
    """All else that one test could leave to the next."""
    ours = [handler for handler in logging.root.handlers if not type(handler).__module__.startswith("_pytest")]
    found: dict[str, object] = {
        "working folder": Path.cwd(),
        "files beside the product": sorted(path.name for path in root.iterdir() if path.name[0] != "."),
        "sys.path": tuple(sys.path),
        "signal handlers": [signal.getsignal(number) for number in SIGNALS],
        "logging": (logging.root.level, ours, logging.root.manager.disable,
                    [logging.getLogger(name).level for name in PACKAGES]),
        "sys.excepthook": sys.excepthook,
    }  # fmt: skip
    if (torch := sys.modules.get("torch")) and hasattr(torch, "utils"):
        found["torch"] = (
            torch.get_num_threads(),
            torch.get_default_dtype(),
            torch.are_deterministic_algorithms_enabled(),
            torch.is_grad_enabled(),
            torch.backends.cuda.matmul.allow_tf32,
        )
    return found


def _restore(environment: dict[str, str]) -> None:
    for name in os.environ.keys() | environment.keys():
        if name == "PYTEST_CURRENT_TEST":
            continue
        if name not in environment:
            del os.environ[name]
        elif os.environ.get(name) != environment[name]:
            os.environ[name] = environment[name]


def _captured(late: dict[str, ModuleType], loaded: set[str]) -> Iterator[str]:
    """A product module that was first imported while one of its sources was patched keeps the patch: every later test
    would get it."""
    for name, module in late.items():
        if name.partition(".")[0] not in PACKAGES:
            continue
        for attribute, value in vars(module).items():
            if str(getattr(value, "__module__", "")).startswith("tests."):
                yield f"{name}.{attribute} is {value}, of a test that patched it while the module was first imported"
