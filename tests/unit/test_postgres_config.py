"""What can be said of a Postgres store without a server."""

from __future__ import annotations

import sys

import pytest

from neurogloss.cli.main import main
from neurogloss.errors import ConfigError
from neurogloss.store.configs import PostgresStoreConfig


@pytest.mark.parametrize(
    "url",
    [
        "",
        "postgresql://",
        "postgres://me@[::1]:5433/results?sslmode=require",
        "postgresql:///results?host=/run/postgresql",
    ],
)
def test_addresses_that_libpq_reads(url: str) -> None:
    PostgresStoreConfig(url).check()


@pytest.mark.parametrize("url", ["mysql://host/x", "host/x", "postgresql://host:port/x", "postgresql://[::1/x"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"store\.url is not the address"):
        PostgresStoreConfig(url).check()


@pytest.mark.parametrize(
    "url", ["postgresql://me:canary@host/x", "postgresql://me:@host/x", "postgresql://host/x?password=canary"]
)
def test_a_password_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigError, match=r"store\.url holds a password") as refused:
        PostgresStoreConfig(url).check()
    assert "canary" not in str(refused.value)


def test_a_driver_that_is_not_installed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    assert main(["runs", "store=postgres"]) == 2
    told = capsys.readouterr().err
    assert "The store 'postgres' cannot be imported" in told
    assert 'pip install ".[postgres]"' in told
