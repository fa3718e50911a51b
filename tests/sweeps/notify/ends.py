"""A webhook on this machine, and studies that end without training."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from sweeps.driver import session
from sweeps.folder.ledger import Ledger
from sweeps.folder.records import (
    Completed,
    Finished,
    GaveUp,
    JobOver,
    LedgerRecord,
    Opened,
    Paused,
    Submitted,
    Submitting,
    TrialAdded,
    TrialStatus,
)
from sweeps.study.reading import load
from sweeps.study.study import digest

SECRET = "s3cr3t-of-a-webhook"
STUDY = """
name: small
question: Is it over?
data: {name: digits}
model: {name: tiny_cnn}
training: {epochs: 2, patience: null}
folds: {folds: 2}
activations: [relu]
"""


class Hook:
    """What was posted, and what is answered: a status, or None to fall silent."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answers: list[int | None] = []
        self.before: Callable[[], None] = lambda: None
        self.silent = threading.Event()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hook.got.append(body)
                hook.headers.append(dict(self.headers))
                hook.before()
                answer = hook.answers.pop(0) if hook.answers else 200
                if answer is None:
                    hook.silent.wait(30)
                    return
                self.send_response(answer)
                if 300 <= answer < 400:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/{SECRET}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def texts(self) -> list[str]:
        return [body["text"] for body in self.got]

    @property
    def values(self) -> list[dict[str, Any]]:
        return [body["actsweep"] for body in self.got]


def wrote(path: Path, *records: LedgerRecord) -> None:
    ledger = Ledger(path)
    ledger.write(*records)
    ledger.close()


FOLDS = ("relu-c000/fold-0-0", "relu-c000/fold-0-1")


def made(path: Path, notify: str = "$HOOK", more: str = "") -> Path:
    """A study's folder whose trial is submitted."""
    study = load(f"{STUDY}notify: {notify}\n{more}")
    session.make(study, path, ["test"])
    begun(path)
    return path


def begun(path: Path) -> None:
    """A trial of the study is submitted."""
    study = session.opened(path)
    added = TrialAdded(
        trial="relu-c000",
        label="relu",
        activation="relu",
        phase="confirm",
        index=0,
        params={},
        training={},
        folds=FOLDS,
        config={},
    )
    wrote(path, Opened(sweep="abc", study=study.name, study_digest=digest(study), time=1.0), added)
    submitted(path)


def submitted(path: Path, batch: int = 0) -> None:
    wrote(
        path,
        Submitting(batch=batch, name=f"small.{batch}", packs=(FOLDS,), time=2.0),
        Submitted(batch=batch, jobs=(f"{batch}.0",)),
    )


def ended(path: Path, *, given_up: bool = False) -> None:
    """The study comes to its end."""
    status = TrialStatus.INFRA_FAILED if given_up else TrialStatus.FINISHED
    lost = [GaveUp(fold=FOLDS[0], reason="node failed 4 times")] if given_up else []
    wrote(
        path,
        *lost,
        Completed(trial="relu-c000", status=status, metrics={}, epochs=4, seconds=120.0),
        Finished(time=3.0),
    )


def paused(path: Path) -> None:
    wrote(path, Paused(time=2.5))


def lost(path: Path) -> None:
    """The job is over, and its folds are free."""
    over = JobOver(
        job="0.0", state="failed", reason="", node=None, folds=FOLDS, epochs=0, counted=True, nodes_fault=False
    )
    wrote(path, over)
