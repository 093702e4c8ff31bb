"""Talking to a tool's process; see child.py."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any


class Child:
    """A tool in a process and an environment of its own.

    Args:
        python: The environment's interpreter.
        script: A program that ends in `child.serve`.
    """

    def __init__(self, python: str, script: Path, *options: str) -> None:
        command = [python, str(script), *options]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def did(self, job: dict[str, Any]) -> dict[str, Any]:
        """The result of a job.

        Raises:
            RuntimeError: The process has ended; its standard error says why.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(map(str, self._process.args))} ended with {self._process.wait()}")
        done: dict[str, Any] = json.loads(line)
        return done

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()
