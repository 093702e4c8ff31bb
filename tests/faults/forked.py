"""Starts of a run in processes of their own, forked from one that has imported everything: 40 starts cost little."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path

_SCRIPT = Path(__file__).parent.parent / "integration" / "run_and_die.py"
_CONTEXT = multiprocessing.get_context("forkserver")
_TURN = threading.Lock()
"""To start a process asks all others whether they have ended, and an exit code can be read once: by one thread."""
_CONTEXT.set_forkserver_preload(["neurogloss.app", "neurogloss.builtin.scorers.simulation", "neurogloss_openai.model"])


@dataclass(frozen=True)
class Started:
    """A process that has ended."""

    exit_code: int | None
    told: str
    """All it has written."""


def start(overrides: Sequence[str], deadly: int, environment: Mapping[str, str], log: Path) -> Started:
    """Runs until the n-th event, or to the end if `deadly` is 0; see run_and_die.py."""
    process = _CONTEXT.Process(target=_run, args=(list(overrides), deadly, dict(environment), str(log)))
    with _TURN:
        process.start()
    wait([process.sentinel])
    with _TURN:
        process.join()
    return Started(process.exitcode, log.read_text(encoding="utf-8"))


def _run(overrides: list[str], deadly: int, environment: dict[str, str], log: str) -> None:
    os.environ.update(environment)
    with open(log, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = [str(_SCRIPT), str(deadly), *overrides]
    runpy.run_path(str(_SCRIPT), run_name="__main__")
