"""Configuration of the stores."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from neurogloss.errors import ConfigError


@dataclass
class SqliteStoreConfig:
    """Results in one SQLite file, activations in a folder beside it."""

    root: str = "neurogloss-store"
    """The folder; made when missing."""

    def check(self) -> None:
        """Raises `ConfigError` if there is no folder."""
        _check_root(self.root)


@dataclass
class PostgresStoreConfig:
    """Results in a Postgres database, activations and reports in a folder of this machine."""

    url: str = ""
    """`postgresql://USER@HOST:PORT/DATABASE`, without a password. What is left out, or all of it, is taken from
    libpq's environment: `PGHOST`, `PGUSER`, `PGDATABASE`, `PGSERVICE`."""
    password_env: str | None = None
    """The environment variable that the password is read from; null leaves it to libpq (`PGPASSWORD`, `~/.pgpass`)."""
    root: str = "neurogloss-store"
    """The folder for activations and reports; made when missing."""

    def check(self) -> None:
        """Refuses what is no address of a Postgres server, and one with a password.

        Raises:
            ConfigError: The message does not repeat it.
        """
        _check_root(self.root)
        remedy = "Write store.url=postgresql://USER@HOST:PORT/DATABASE, or leave it out and set PGHOST and so on."
        try:
            parts = urlsplit(self.url)
            written = parts.password is not None or "password" in parse_qs(parts.query)
            well = parts.scheme in ("postgresql", "postgres") and parts.port != 0
        except ValueError:
            written = well = False
        if written:
            raise ConfigError(
                "store.url holds a password; it is not repeated here.",
                known="Configurations are stored with the run, so they hold the name of an environment variable.",
                remedy="Put it into an environment variable, and its name into store.password_env; or use PGPASSWORD.",
            )
        if self.url and not well:
            raise ConfigError("store.url is not the address of a Postgres database.", remedy=remedy)


def _check_root(root: str) -> None:
    if not root.strip():
        raise ConfigError("store.root is empty.", remedy="Name a folder; . is the one you are in.")
