"""The suite that SQLite passes, on a real Postgres."""

from __future__ import annotations

from pathlib import Path

import pytest
from server import PASSWORD_ENV, Server

from neurogloss.store.configs import PostgresStoreConfig
from neurogloss.store.sql import SqlResultStore
from neurogloss.testing import ResultStoreContract
from neurogloss.testing.result_store import OpenStore


class TestPostgres(ResultStoreContract):
    @pytest.fixture
    def open_store(self, postgres: Server, tmp_path: Path) -> OpenStore:
        config = PostgresStoreConfig(postgres.emptied(), PASSWORD_ENV, str(tmp_path))
        return lambda: SqlResultStore(config)
