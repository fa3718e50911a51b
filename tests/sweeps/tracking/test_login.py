"""Tokens of tracking servers come from a file of their owner's, and go to the server that they are for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from slurm.executor import clean_environment
from sweeps.errors import TrackingError
from sweeps.tracking import login

HOME, OTHER = "https://mlflow.site.example:5000", "https://other.example"


@pytest.fixture
def tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "tokens"
    monkeypatch.setenv(login.VARIABLE, str(path))
    monkeypatch.setenv(login.TOKEN, "environment's")
    monkeypatch.setattr(login, "_replaced", [])
    return path


def write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)


def test_each_server_is_shown_its_own_token_and_another_the_environments(tokens: Path) -> None:
    login.use(HOME)
    assert os.environ[login.TOKEN] == "environment's"
    write(tokens, f"# of the site\n\n{HOME}/  first\n{OTHER} second\n")
    for uri, token in [(HOME, "first"), (f"{OTHER}/", "second"), (HOME, "first"), ("https://foe.example", None)]:
        login.use(uri)
        assert os.environ[login.TOKEN] == (token or "environment's")
    login.use(HOME)
    login.use("sqlite:///somewhere.db")
    assert os.environ[login.TOKEN] == "environment's"
    login.use(f"{HOME}0")  # another port
    login.use("https://mlflow.site.example:5000.foe.example")
    assert os.environ[login.TOKEN] == "environment's"


def test_a_renewed_token_is_taken_up_and_a_removed_one_is_forgotten(
    tokens: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(login.TOKEN)
    write(tokens, f"{HOME} old")
    login.use(HOME)
    write(tokens, f"{HOME} new")
    login.use(HOME)
    assert os.environ[login.TOKEN] == "new"
    tokens.unlink()
    login.use(HOME)
    assert login.TOKEN not in os.environ


def test_a_file_that_others_can_read_or_that_is_none_is_named_without_its_tokens(tokens: Path) -> None:
    write(tokens, f"{HOME} s3cret")
    for mode in (0o640, 0o604):
        tokens.chmod(mode)
        with pytest.raises(TrackingError, match=f"others can read the tokens in it; chmod 600 {tokens}"):
            login.use(HOME)
    for line in (f"{HOME} s3cret more", "s3cret", "mlflow.site.example s3cret"):
        write(tokens, f"\n{line}\n")
        with pytest.raises(TrackingError, match="line 2: accepts the address of a server") as caught:
            login.use(HOME)
        assert "s3cret" not in str(caught.value)


def test_jobs_get_no_login_and_a_drivers_job_knows_whom_to_trust() -> None:
    secret = {f"MLFLOW_TRACKING_{name}": "x" for name in ("USERNAME", "PASSWORD", "TOKEN", "URI", "AUTH")}
    public = {
        "MLFLOW_TRACKING_SERVER_CERT_PATH": "/site/authority.pem",
        "REQUESTS_CA_BUNDLE": "/site/authority.pem",
        "ACTSWEEP_TOKENS": "/home/anna/tokens",
    }
    assert clean_environment({**secret, **public}) == public
