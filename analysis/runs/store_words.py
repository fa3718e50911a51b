"""What a failing MLflow store says, in one line of ours: what is wrong and what a person can do.

The words of MLflow, SQLAlchemy, Alembic and urllib3 (statements, tracebacks, retries) stay off the terminal.
"""

from __future__ import annotations

import logging
import os
import re
import warnings
from typing import NamedTuple

NOISY = ("mlflow", "alembic", "sqlalchemy", "urllib3")
LONGEST = 200
"""Characters of a store's own words, where none of ours fit."""


class Failure(NamedTuple):
    what: str
    remedy: str
    """"" where nothing can be done but to wait."""
    anew: bool = False
    """Whether a store that is one file of the study's own is best made anew: it has nothing that the folder lacks."""


TOO_LARGE = Failure("a proxy before the server lets no request of that size through",
                    "raise its limit (nginx: client_max_body_size)")  # fmt: skip
_TOO_LARGE = r"error code 413|\b413 Request|Request Entity Too Large|Content Too Large|Payload Too Large"

_KNOWN: tuple[tuple[str, Failure], ...] = (
    (r"file is not a database", Failure("the file is not a database", "restore it", anew=True)),
    (r"database disk image is malformed|malformed database", Failure("the file is damaged", "restore it", anew=True)),
    (r"no such table: (\S+)|no such column: (\S+)|no column named (\S+)|(?:relation|table) \S+ does(?:n't| not) exist",
     Failure("a table of it is missing or is not MLflow's", "restore it", anew=True)),
    (r"out-of-date database schema|Can't locate revision",
     Failure("another version of MLflow made it, or changed it", "install that version of MLflow, or migrate it with "
             "`mlflow db upgrade`", anew=True)),
    (r"database is locked|database table is locked|lock timeout",
     Failure("another process holds it locked", "end what holds it, as a UI or a copy of the file")),
    (r"no such file|the file is gone", Failure("its file is gone", "")),
    (r"readonly database|read-only (?:file|database)", Failure("it cannot be written", "make it writable")),
    (r"database or disk is full|No space left|Disk quota", Failure("the disk is full", "free some space")),
    (r"unable to open database file|Is a directory|Permission denied",
     Failure("the file cannot be opened", "make it, and its folder, readable and writable")),
    (r"disk I/O error|Input/output error", Failure("its disk cannot be read or written", "look at the file system")),
    (_TOO_LARGE, TOO_LARGE),
    (r"Invalid Host header", Failure("the server refuses the name that it is asked by",
                                     "start it with --allowed-hosts and that name")),
    (r"error code 401|UNAUTHENTICATED|not authenticated",
     Failure("the server wants other credentials", "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or "
             "MLFLOW_TRACKING_TOKEN, or write a token into ~/.config/actsweep/tokens, where a driver that runs looks")),
    (r"error code 403|PERMISSION_DENIED", Failure("the server does not let this user in", "ask for the permission")),
    (r"not in a valid JSON format|<!?(?:DOCTYPE|html|h1)|error code 404",
     Failure("what answers there is no MLflow server (a login page, a proxy?)", "look at the address")),
    (r"error code 429|too many 429", Failure("the server is asked too often", "wait")),
    (r"too many 5\d\d error|error code 5\d\d|INTERNAL_ERROR",
     Failure("the server answers with an error of its own", "look at its log")),
    (r"Name or service not known|NameResolutionError|getaddrinfo",
     Failure("there is no host of that name", "look at the address")),
    (r"timed out|Timeout", Failure("nobody answers in time", "look whether it runs and can be reached from here")),
    (r"certificate has expired", Failure("its certificate has expired", "ask those who run it for a new one")),
    (r"Hostname mismatch|certificate is not valid for|doesn't match",
     Failure("its certificate is another machine's", "ask it by the name in the certificate")),
    (r"WRONG_VERSION_NUMBER|record layer failure|wrong version number",
     Failure("what answers there speaks no TLS", "write http:// for https://, or look at the port")),
    (r"HTTP request (?:was )?sent to (?:an )?HTTPS|BadStatusLine|illegal status line",
     Failure("what answers there is no web server, or one that wants TLS", "write https:// for http://, or look at the "
             "port")),
    (r"Could not find a suitable TLS CA certificate bundle|Could not find the TLS",
     Failure("the file of trusted certificates is missing", "correct REQUESTS_CA_BUNDLE, or "
             "MLFLOW_TRACKING_SERVER_CERT_PATH")),
    (r"CERTIFICATE_VERIFY_FAILED|SSLError",
     Failure("its certificate is not trusted here", "set REQUESTS_CA_BUNDLE, or MLFLOW_TRACKING_SERVER_CERT_PATH, to "
             "the file with the certificate of the site's authority")),
    (r"password authentication failed|[Pp]eer authentication failed|no pg_hba.conf entry|role \S+ does not exist",
     Failure("the database does not let this user in", "look at the user and password in its address")),
    (r"too many clients|remaining connection slots", Failure("the database has no connection left", "wait")),
    (r"server closed the connection|terminating connection|the database system is (?:starting|shutting)|"
     r"in recovery mode|AdminShutdown|connection to server .* failed",
     Failure("its database is down, or starts just now", "wait, or start it")),
    (r"Connection refused|NewConnectionError|Connection (?:reset|aborted)|RemoteDisconnected|could not connect",
     Failure("nobody answers", "start it, or look at the address")),
    (r"No module named '(\w+)'", Failure("the package that reaches it is not installed", "install it")),
)  # fmt: skip


def failure(error: BaseException) -> Failure:
    """What went wrong, from all that the error and its causes say."""
    return known(_everything(error)) or Failure(short(error), "")


def known(text: str) -> Failure | None:
    """The failure that a store's own words tell of; None where they are none of those that are known."""
    for pattern, one in _KNOWN:
        if found := re.search(pattern, text, re.IGNORECASE):
            name = next((group for group in found.groups() if group), "")
            return one._replace(what=f"{one.what} ({name})") if name else one
    return None


def too_large(error: BaseException) -> bool:
    """Whether a proxy refused a request for its size alone."""
    return re.search(_TOO_LARGE, _everything(error), re.IGNORECASE) is not None


def short(error: BaseException) -> str:
    """The error's own words, in one line without statements and addresses of manuals."""
    text = re.split(r"\n\[SQL: |\n?\(Background on this error", str(error))[0]
    text = " ".join(text.split()) or type(error).__name__
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


def _everything(error: BaseException | None) -> str:
    parts = []
    for _ in range(10):
        if error is None:
            break
        parts.append(re.split(r"\n\[SQL: ", str(error))[0])
        error = error.__cause__ or error.__context__
    return "\n".join(parts)


def silence() -> None:
    """Keeps the loggers, warnings and progress bars of MLflow and of what it stands on from this process' terminal:
    whoever uses them here tells failures itself. Call it after MLflow was imported, which sets its loggers up."""
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    for name in NOISY:
        logger = logging.getLogger(name)
        logger.handlers[:] = [logging.NullHandler()]
        logger.propagate = False
        warnings.filterwarnings("ignore", module=rf"{name}\b")


def hurry() -> None:
    """MLflow asks a database ten times, 100 seconds in all, before it says that it cannot be reached; here twice, for
    whoever asks comes back."""
    from mlflow.store.db import utils

    utils.MAX_RETRY_COUNT = 2
