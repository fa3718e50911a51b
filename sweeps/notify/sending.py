"""Hands a notice to a webhook or a command, and says what became of it. Never raises; never repeats an address."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

from sweeps.folder.notices import Outcome

ANSWER_S = 10.0
"""That a webhook has to answer."""
COMMAND_S = 60.0
"""That a command has to end; it and what it started are ended then."""
GRACE_S = 2.0
_AGAIN = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})

Answer = tuple[Outcome, str]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """What another address answers to a GET says nothing of what was posted."""

    def redirect_request(self, *_: Any) -> None:
        return None


def post(address: str, body: Mapping[str, object], identity: str) -> Answer:
    """Posts JSON. The identity is in the header Idempotency-Key, too."""
    headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "actsweep", "Idempotency-Key": identity}
    data = json.dumps(body, ensure_ascii=False).encode("utf-8", errors="replace")
    try:
        request = urllib.request.Request(address, data=data, headers=headers, method="POST")  # noqa: S310  # http alone
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=ANSWER_S) as answer:
            return Outcome.DELIVERED, f"answered {answer.status}"
    except urllib.error.HTTPError as error:
        with error:
            said = f"answered {error.code} {HTTPStatus(error.code).phrase if error.code in _KNOWN else ''}".rstrip()
        if error.code == HTTPStatus.GATEWAY_TIMEOUT:
            return Outcome.UNKNOWN, said
        again = error.code >= HTTPStatus.INTERNAL_SERVER_ERROR or error.code in _AGAIN
        return (Outcome.REFUSED if again else Outcome.REJECTED), said
    except urllib.error.URLError as error:  # it could not be sent
        return Outcome.REFUSED, f"not reached ({_why(error.reason)})"
    except (ValueError, http.client.InvalidURL):
        return Outcome.REJECTED, "is no address that can be asked"
    except (OSError, http.client.HTTPException) as error:  # it was sent
        return Outcome.UNKNOWN, f"did not answer ({_why(error)})"


_KNOWN = frozenset(int(status) for status in HTTPStatus)


def _why(error: object) -> str:
    """Without the address, which messages of proxies and parsers repeat."""
    if isinstance(error, TimeoutError):
        return "timed out"
    return getattr(error, "strerror", None) or type(error).__name__


def run(
    command: Sequence[str],
    program: str,
    body: Mapping[str, object],
    variables: Mapping[str, str],
    folder: Path,
    *,
    end_s: float = COMMAND_S,
) -> Answer:
    """Runs a command in ``folder``, with JSON on its input and ``variables`` in its environment."""
    text = json.dumps(body, ensure_ascii=False, indent=1) + "\n"
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as errors:
        given.write(text.encode("utf-8", errors="replace"))
        given.seek(0)
        try:
            process = subprocess.Popen(
                command,
                executable=program,
                stdin=given,
                stdout=errors,
                stderr=errors,
                cwd=folder,
                env={**os.environ, **variables},
                start_new_session=True,
            )
        except OSError as error:
            return Outcome.REJECTED, f"cannot be run ({error.strerror})"
        try:
            code = process.wait(end_s)
        except subprocess.TimeoutExpired:
            _end(process)
            return Outcome.REJECTED, f"had not ended after {end_s:.0f} s, and was"
        except BaseException:
            _end(process)
            raise
        if code == 0:
            return Outcome.DELIVERED, "ended with 0"
        errors.seek(0)
        last = errors.read()[-2000:].decode("utf-8", errors="replace").strip().splitlines()
        return Outcome.REJECTED, f"ended with {code}" + (f": {last[-1][:300]}" if last else "")


def _end(process: subprocess.Popen[bytes]) -> None:
    """It, and what it started."""
    for number, wait_s in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(wait_s)
            if number is signal.SIGTERM:
                continue  # what it started may not have ended
            return
