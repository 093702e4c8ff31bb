"""A Postgres server of its own, from Debian's packages, in a temporary directory and on a free loopback port."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import psycopg

USER, PASSWORD, PASSWORD_ENV = "gloss", "canary-5e2f90c4a7", "PLANTED_WORD"
INSTALL = "apt-get install -y postgresql"


def programs() -> Path | None:
    """Where initdb and pg_ctl are; Debian keeps them out of the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).resolve().parent if on_path else None


class Server:
    """A cluster made anew, and started."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._folder = Path(tempfile.mkdtemp(prefix="neurogloss-postgres-"))
        # Postgres refuses to run as root.
        self._as: dict[str, Any] = {"user": "postgres", "group": "postgres", "extra_groups": []}
        if os.geteuid():
            self._as = {}
        else:
            shutil.chown(self._folder, "postgres", "postgres")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        word = self._folder / "word"
        word.write_text(PASSWORD, encoding="utf-8")
        word.chmod(0o644)
        self._run(
            "initdb", f"--username={USER}", f"--pwfile={word}", "--auth=scram-sha-256", "--no-sync", "--encoding=UTF8",
            "--locale=C", f"--pgdata={self._folder / 'data'}",
        )  # fmt: skip
        self.start()

    def start(self) -> None:
        """Starts, or starts again."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        log = self._folder / "log"
        self._run("pg_ctl", "start", "--wait", f"--pgdata={self._folder / 'data'}", f"--log={log}", f"-o {options}")

    def kill(self) -> None:
        """Stops without a word to anyone, as a crash would."""
        self._run("pg_ctl", "stop", "--wait", "--mode=immediate", f"--pgdata={self._folder / 'data'}")

    def close(self) -> None:
        """Stops, and leaves nothing behind."""
        self.kill()
        shutil.rmtree(self._folder)

    def emptied(self) -> str:
        """The URL of the one database that every test finds empty: new ones are 300 files each."""
        url = self.url("postgres")
        with psycopg.connect(url, password=PASSWORD) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
        return url

    def narrow(self) -> str:
        """The URL of a database that cannot hold all characters."""
        with psycopg.connect(self.url("postgres"), password=PASSWORD, autocommit=True) as connection:
            connection.execute("CREATE DATABASE narrow ENCODING 'LATIN1' TEMPLATE template0")
        return self.url("narrow")

    def url(self, name: str) -> str:
        """The URL of a database, without the password."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{name}"

    def _run(self, program: str, *arguments: str) -> None:
        # Its own children keep what they inherit open, so that no pipe would end.
        with (self._folder / "told").open("w+") as told:
            command = [str(self._programs / program), *arguments]
            done = subprocess.run(command, stdout=told, stderr=told, cwd="/", **self._as)
            told.seek(0)
            assert done.returncode == 0, told.read()
