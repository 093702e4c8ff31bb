"""A database whose file was damaged while nobody used it."""

from __future__ import annotations

from pathlib import Path

import pytest

from neurogloss.errors import StoreError
from neurogloss.store.configs import SqliteStoreConfig
from neurogloss.store.sql import SqlResultStore

_PAGE = 4096


def test_what_to_do_about_a_damaged_file_is_told(tmp_path: Path) -> None:
    config = SqliteStoreConfig(str(tmp_path))
    SqlResultStore(config).close()
    file = tmp_path / "results.sqlite"
    whole = file.read_bytes()
    file.write_bytes(whole[:_PAGE] + b"\xff" * (len(whole) - _PAGE))
    with pytest.raises(StoreError, match="Its file is damaged"):
        SqlResultStore(config).runs()
