"""One real Postgres server for this tier."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1] / "faults")]

from server import INSTALL, PASSWORD, PASSWORD_ENV, Server, programs


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A running server; the password of its user is in the environment."""
    found = programs()
    if found is None:
        reason = f"Postgres is not installed; install it with: {INSTALL}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    server = Server(found)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(PASSWORD_ENV, PASSWORD)
        yield server
    server.close()
