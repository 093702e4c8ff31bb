"""The tests' own Postgres server, for benchmarks."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from neurogloss.store.configs import PostgresStoreConfig

sys.path.append(str(Path(__file__).parents[2] / "tests" / "postgres"))


@contextmanager
def postgres(root: str) -> Iterator[PostgresStoreConfig | None]:
    """A store on an empty server on loopback, which does not wait for its disk; `None` where none is installed."""
    from server import INSTALL, PASSWORD, PASSWORD_ENV, Server, programs

    found = programs()
    if found is None:
        print(f"without Postgres, which is not installed: {INSTALL}", file=sys.stderr)
        yield None
        return
    server = Server(found)
    os.environ[PASSWORD_ENV] = PASSWORD
    try:
        yield PostgresStoreConfig(server.emptied(), PASSWORD_ENV, root)
    finally:
        server.close()
